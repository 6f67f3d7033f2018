//! Networks over feature vectors: the autoencoder and the perceptrons.

use crate::blocks::short::{Judged, Lesson, ShortConfig, by_logits, fit, shares};
use crate::context::Context;
use crate::error::Result;
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Op, Params, Tensor};
use hilum_nn::builder::GraphBuilder;
use hilum_nn::losses::cross_entropy;

/// Features to a hidden layer, a code, a hidden layer, and features again; outputs `features` and `code`.
pub fn autoencoder(width: usize, hidden: usize, code: usize) -> Graph {
    let (mut b, x) = GraphBuilder::new(width);
    let x = b.node("flatten", Op::Flatten, &[x]);
    let x = b.linear("encoder", x, width, hidden);
    let x = b.relu(x);
    let z = b.linear("code", x, hidden, code);
    let x = b.linear("decoder", z, code, hidden);
    let x = b.relu(x);
    let y = b.linear("features", x, hidden, width);
    b.output("features", y);
    b.output("code", z);
    b.finish()
}

/// A perceptron of one layer, or with a hidden one of `neurons`; output `logits`.
pub fn perceptron(width: usize, neurons: Option<usize>, classes: usize) -> Graph {
    let (mut b, x) = GraphBuilder::new(width);
    let mut x = b.node("flatten", Op::Flatten, &[x]);
    let mut from = width;
    if let Some(n) = neurons {
        x = b.linear("hidden", x, width, n);
        x = b.relu(x);
        from = n;
    }
    let y = b.linear("logits", x, from, classes);
    b.output("logits", y);
    b.finish()
}

/// Trains an autoencoder on rows by mean squared error.
///
/// # Errors
/// A stop; a diverging run.
pub fn fit_autoencoder(
    ctx: &Context<'_>,
    graph: &Graph,
    rows: &[Vec<f32>],
    config: &ShortConfig,
    seed: u64,
) -> Result<Params> {
    let loss = |outputs: &[Tensor], at: &[usize]| {
        let wanted = at.iter().flat_map(|&i| &rows[i]);
        let n = outputs[0].data.len() as f64;
        let mut value = 0.0;
        let mut grads: Vec<Tensor> = outputs.iter().map(|o| Tensor::zeros(&o.shape)).collect();
        for ((g, y), t) in grads[0].data.iter_mut().zip(&outputs[0].data).zip(wanted) {
            let off = f64::from(y - t);
            value += off * off / n;
            // A sum over features keeps the step's size free of their number; the mean is reported.
            *g = (2.0 * off / at.len() as f64) as f32;
        }
        Judged { value, grads }
    };
    train(ctx, graph, rows, config, seed, &loss)
}

/// Trains a perceptron on rows and classes.
///
/// # Errors
/// A stop; a diverging run.
pub fn fit_perceptron(
    ctx: &Context<'_>,
    graph: &Graph,
    rows: &[Vec<f32>],
    (y, classes): (&[usize], usize),
    config: &ShortConfig,
    seed: u64,
) -> Result<Params> {
    let loss = |outputs: &[Tensor], at: &[usize]| {
        let targets: Vec<Option<usize>> = at.iter().map(|&i| Some(y[i])).collect();
        by_logits(outputs, cross_entropy(&outputs[0].data, &targets, classes))
    };
    train(ctx, graph, rows, config, seed, &loss)
}

fn train(
    ctx: &Context<'_>,
    graph: &Graph,
    rows: &[Vec<f32>],
    config: &ShortConfig,
    seed: u64,
    loss: &dyn Fn(&[Tensor], &[usize]) -> Judged,
) -> Result<Params> {
    let lesson = Lesson {
        cases: rows.len(),
        input: &|at, _| stack(&at.iter().map(|&i| &rows[i]).collect::<Vec<_>>()),
        loss,
    };
    fit(ctx, graph, graph.init_params(seed), &lesson, config, seed)
}

fn stack(rows: &[&Vec<f32>]) -> Tensor {
    let width = rows.first().map_or(0, |r| r.len());
    Tensor {
        shape: vec![rows.len(), width, 1, 1],
        data: rows.iter().flat_map(|r| r.iter().copied()).collect(),
    }
}

/// One output for each row.
///
/// # Errors
/// What the kernels fail with.
pub fn apply(
    graph: &Graph,
    params: &Params,
    rows: &[Vec<f32>],
    output: usize,
) -> Result<Vec<Vec<f32>>> {
    let plan = Plan::new(graph, params)?;
    let mut all = Vec::with_capacity(rows.len());
    for part in rows.chunks(64) {
        let own: Vec<&Vec<f32>> = part.iter().collect();
        let out = plan.run(&stack(&own))?.swap_remove(output);
        let width = out.data.len() / part.len();
        all.extend(out.data.chunks(width).map(<[f32]>::to_vec));
    }
    Ok(all)
}

/// A perceptron's probabilities.
///
/// # Errors
/// As [`apply`].
pub fn say(graph: &Graph, params: &Params, rows: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
    Ok(apply(graph, params, rows, 0)?
        .iter()
        .map(|z| shares(z))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::tables::samples::context;
    use crate::deep_reproductive::Config;
    use std::sync::atomic::AtomicBool;

    /// Rows of six numbers that two numbers make.
    fn rows() -> Vec<Vec<f32>> {
        (0..120)
            .map(|i| {
                let (a, b) = ((i as f32 * 0.7).sin(), (i as f32 * 1.9).cos());
                vec![a, b, a + b, a - b, 0.5 * a, -b]
            })
            .collect()
    }

    #[test]
    fn a_code_of_two_reproduces_what_two_numbers_made_and_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let rows = rows();
        let mut config = Config::default().autoencoder;
        (config.epochs, config.batch, config.schedule.base) = (60, 16, 5e-3);
        let error = |code: usize| {
            let graph = autoencoder(6, 16, code);
            let params = fit_autoencoder(&ctx, &graph, &rows, &config, 1).unwrap();
            let back = apply(&graph, &params, &rows, 0).unwrap();
            let off = back
                .concat()
                .iter()
                .zip(rows.concat())
                .map(|(a, b)| (a - b) * (a - b))
                .sum::<f32>();
            assert_eq!(apply(&graph, &params, &rows, 1).unwrap()[0].len(), code);
            off / 720.0
        };
        let (two, one) = (error(2), error(1));
        assert!(two < 0.03 && two < 0.3 * one, "{two} {one}");
    }

    #[test]
    fn a_hidden_layer_finds_what_one_layer_cannot() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let rows = rows();
        let y: Vec<usize> = rows
            .iter()
            .map(|r| usize::from((r[0] > 0.0) == (r[1] > 0.0)))
            .collect();
        let mut config = Config::default().perceptron;
        (config.epochs, config.batch, config.schedule.base) = (60, 16, 1e-2);
        let right = |neurons| {
            let graph = perceptron(6, neurons, 2);
            let params = fit_perceptron(&ctx, &graph, &rows, (&y, 2), &config, 1).unwrap();
            let said = say(&graph, &params, &rows).unwrap();
            said.iter()
                .zip(&y)
                .filter(|(p, y)| (p[1] > 0.5) == (**y == 1))
                .count()
        };
        assert!(right(Some(16)) > 108 && right(None) < 90);
    }
}
