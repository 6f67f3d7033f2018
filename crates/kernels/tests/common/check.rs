//! A graph by the engine against the naive interpreter, forward and backward.

use super::{Arr, Builder, Rng, assert_close, naive, widen, widen_tensor};
use hilum_kernels::{Mode, Op, ParamRole, Params, Plan, Tensor, Trainer, Wanted};

/// Checks outputs, running statistics aside, and a sample of all gradients of a graph in one mode.
pub fn check(what: &str, builder: &Builder, x: &Tensor, rng: &mut Rng, train: bool) {
    let graph = &builder.graph;
    let params = builder.params(rng);
    let wide = widen(&params);
    let expected = naive(graph, &wide, &widen_tensor(x), train);
    let mut trainer = Trainer::new(graph.clone()).unwrap();
    let mode = if train {
        Mode::Train { seed: 3 }
    } else {
        Mode::Eval
    };
    let mut moved = params.clone();
    let outputs = trainer.forward(&mut moved, x, mode).unwrap();
    for (out, (name, id)) in outputs.iter().zip(&graph.outputs) {
        assert_eq!(out.shape, expected[*id].shape, "{what}");
        assert_close(
            &format!("{what} {name}"),
            &out.data,
            &expected[*id].data,
            2e-5,
        );
    }
    if !train {
        let plan = Plan::new(graph, &params).unwrap();
        for (got, out) in plan.run(x).unwrap().iter().zip(&outputs) {
            assert_close(
                &format!("{what} plan"),
                &got.data,
                &widen_tensor(out).data,
                1e-5,
            );
        }
    }
    check_gradients(what, builder, &mut trainer, (&params, &wide), x, rng, train);
}

fn check_gradients(
    what: &str,
    builder: &Builder,
    trainer: &mut Trainer,
    (params, wide): (&Params, &[Vec<f64>]),
    x: &Tensor,
    rng: &mut Rng,
    train: bool,
) {
    let graph = &builder.graph;
    let weights: Vec<Tensor> = {
        let shapes = graph
            .shapes([x.shape[0], x.shape[1], x.shape[2], x.shape[3]])
            .unwrap();
        graph
            .outputs
            .iter()
            .map(|(_, id)| rng.tensor(&shapes[*id]))
            .collect()
    };
    let want = Wanted {
        params: true,
        input: true,
        ..Wanted::default()
    };
    let grads = trainer.backward(params, &weights, want).unwrap();
    let loss = |wide: &[Vec<f64>], x: &Arr| -> f64 {
        let values = naive(graph, wide, x, train);
        graph
            .outputs
            .iter()
            .zip(&weights)
            .map(|((_, id), w)| {
                values[*id]
                    .data
                    .iter()
                    .zip(&w.data)
                    .map(|(v, &w)| v * f64::from(w))
                    .sum::<f64>()
            })
            .sum()
    };
    let step = 1e-6;
    let samples = if x.data.len() > 20_000 { 2 } else { 5 };
    for (id, info) in graph.params.iter().enumerate() {
        if info.role == ParamRole::Buffer {
            assert!(grads.params[id].is_none());
            continue;
        }
        let grad = grads.params[id].as_ref().unwrap();
        assert_eq!(grad.len(), params[id].len());
        for _ in 0..samples.min(grad.len()) {
            let at = rng.range(0, grad.len() - 1);
            let mut moved = wide.to_vec();
            moved[id][at] += step;
            let high = loss(&moved, &widen_tensor(x));
            moved[id][at] -= 2.0 * step;
            let difference = (high - loss(&moved, &widen_tensor(x))) / (2.0 * step);
            assert_close(
                &format!("{what} gradient of {} at {at}", info.name),
                &[grad[at]],
                &[difference],
                2e-3,
            );
        }
    }
    let grad = grads.input.unwrap();
    // Row numbers and masks have no gradient.
    let whole = graph
        .nodes
        .iter()
        .any(|n| matches!(n.op, Op::Embedding { .. }));
    for _ in 0..if whole { 0 } else { samples } {
        let at = rng.range(0, grad.data.len() - 1);
        let mut moved = widen_tensor(x);
        moved.data[at] += step;
        let high = loss(wide, &moved);
        moved.data[at] -= 2.0 * step;
        let difference = (high - loss(wide, &moved)) / (2.0 * step);
        assert_close(
            &format!("{what} gradient of the input at {at}"),
            &[grad.data[at]],
            &[difference],
            2e-3,
        );
    }
}

/// A graph of one layer on its input.
pub fn one_layer(channels: usize, op: Op) -> Builder {
    let mut b = Builder::new(channels);
    let id = b.push(op, &[0]);
    b.output(id);
    b
}
