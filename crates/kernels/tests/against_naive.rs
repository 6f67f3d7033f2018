//! Every layer, forward and backward, against the definitions in double precision; gradients against
//! central differences of the double-precision interpreter.
#![allow(clippy::unwrap_used)]

mod common;

use common::check::{check, one_layer};
use common::{Builder, Rng, assert_close, naive, widen, widen_tensor};
use hilum_kernels::{Mode, Op, Plan, Trainer, Wanted};

#[test]
fn convolutions_of_random_shapes() {
    let mut rng = Rng(1);
    for round in 0..60 {
        let groups = [1, 1, 1, 2, 3][rng.range(0, 4)];
        let (i, o) = (groups * rng.range(1, 9), groups * rng.range(1, 19));
        let kernel = [rng.range(1, 5), rng.range(1, 4)];
        let (stride, dilation) = (
            [rng.range(1, 3), rng.range(1, 2)],
            [rng.range(1, 2), rng.range(1, 3)],
        );
        let padding = [rng.range(0, 2), rng.range(0, 3)];
        let n = [1, 1, 2, 3][rng.range(0, 3)];
        let size = [rng.range(9, 17), rng.range(9, 19)];
        let mut b = Builder::new(i);
        let id = b.conv(
            0,
            [i, o],
            kernel,
            stride,
            padding,
            dilation,
            groups,
            round % 2 == 0,
        );
        b.output(id);
        let x = rng.tensor(&[n, i, size[0], size[1]]);
        check(
            &format!(
                "conv {i}->{o} k{kernel:?} s{stride:?} p{padding:?} d{dilation:?} g{groups} n{n} {size:?}"
            ),
            &b,
            &x,
            &mut rng,
            round % 3 == 0,
        );
    }
}

#[test]
fn convolutions_of_common_shapes() {
    let mut rng = Rng(2);
    // in, out, kernel, stride, padding, groups, batch, rows, columns
    for case in [
        [1, 64, 7, 2, 3, 1, 1, 33, 31],
        [3, 32, 7, 2, 3, 1, 2, 32, 32],
        [64, 64, 3, 1, 1, 1, 1, 14, 14],
        [64, 33, 3, 1, 1, 1, 2, 7, 9],
        [48, 128, 1, 1, 0, 1, 3, 7, 7],
        [128, 32, 3, 1, 1, 1, 1, 7, 7],
        [17, 40, 1, 1, 0, 1, 1, 13, 11],
        [32, 64, 1, 2, 0, 1, 2, 15, 14],
        [32, 64, 3, 2, 1, 1, 2, 15, 14],
        [24, 24, 3, 1, 1, 24, 2, 9, 9],
        [24, 24, 5, 2, 2, 24, 2, 13, 9],
        [16, 1, 1, 1, 0, 1, 2, 9, 9],
        [1, 1, 3, 1, 1, 1, 33, 8, 8],
        [1, 16, 3, 1, 1, 1, 33, 9, 7],
        [16, 16, 3, 1, 1, 1, 33, 5, 6],
        [16, 33, 3, 1, 1, 1, 1, 29, 30],
        [20, 16, 3, 1, 0, 1, 2, 23, 26],
        [16, 16, 3, 1, 2, 1, 4, 14, 13],
    ] {
        let [i, o, k, s, p, g, n, h, w] = case;
        let mut b = Builder::new(i);
        let id = b.conv(0, [i, o], [k, k], [s, s], [p, p], [1, 1], g, true);
        b.output(id);
        let x = rng.tensor(&[n, i, h, w]);
        check(&format!("conv {case:?}"), &b, &x, &mut rng, true);
    }
}

#[test]
fn transposed_convolutions() {
    let mut rng = Rng(3);
    for round in 0..20 {
        let (i, o) = (rng.range(1, 18), rng.range(1, 18));
        let stride = [rng.range(1, 3), rng.range(1, 3)];
        let kernel = [rng.range(2, 4), rng.range(2, 4)];
        let padding = [rng.range(0, 1), rng.range(0, 1)];
        let extra = [rng.range(0, stride[0] - 1), rng.range(0, stride[1] - 1)];
        let mut b = Builder::new(i);
        let id = b.conv_transpose(0, [i, o], kernel, stride, padding, extra);
        b.output(id);
        let x = rng.tensor(&[rng_batch(round), i, 5, 7]);
        check(
            &format!("transposed {i}->{o} k{kernel:?} s{stride:?} p{padding:?} e{extra:?}"),
            &b,
            &x,
            &mut rng,
            round % 2 == 0,
        );
    }
}

fn rng_batch(round: usize) -> usize {
    [1, 2, 33][round % 3]
}

#[test]
fn batch_norms() {
    let mut rng = Rng(4);
    for (shape, relu) in [
        ([2, 1, 3, 3], false),
        ([1, 5, 7, 9], true),
        ([33, 17, 4, 5], true),
        ([2, 64, 8, 8], false),
        ([3, 3, 70, 90], true),
    ] {
        for train in [true, false] {
            let mut b = Builder::new(shape[1]);
            let mut id = b.bn(0, shape[1]);
            if relu {
                id = b.push(Op::Relu, &[id]);
            }
            b.output(id);
            let x = rng.tensor(&shape);
            check(
                &format!("batch norm {shape:?} {train}"),
                &b,
                &x,
                &mut rng,
                train,
            );
        }
    }
}

#[test]
fn running_statistics_use_the_unbiased_variance() {
    let mut rng = Rng(5);
    let mut b = Builder::new(3);
    let id = b.bn(0, 3);
    b.output(id);
    let x = rng.tensor(&[2, 3, 5, 5]);
    let mut params = b.params(&mut rng);
    let before = params.clone();
    Trainer::new(b.graph.clone())
        .unwrap()
        .forward(&mut params, &x, Mode::Train { seed: 0 })
        .unwrap();
    for ch in 0..3 {
        let values: Vec<f64> = (0..2)
            .flat_map(|n| {
                x.data[(n * 3 + ch) * 25..(n * 3 + ch + 1) * 25]
                    .iter()
                    .map(|&v| f64::from(v))
                    .collect::<Vec<_>>()
            })
            .collect();
        let mean = values.iter().sum::<f64>() / 50.0;
        let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 49.0;
        assert_close(
            "mean",
            &params[2][ch..=ch],
            &[0.9 * f64::from(before[2][ch]) + 0.1 * mean],
            1e-6,
        );
        assert_close(
            "var",
            &params[3][ch..=ch],
            &[0.9 * f64::from(before[3][ch]) + 0.1 * var],
            1e-6,
        );
    }
}

#[test]
fn pointwise_and_global_layers() {
    let mut rng = Rng(6);
    for op in [
        Op::Relu,
        Op::Relu6,
        Op::LeakyRelu { slope: 0.1 },
        Op::Sigmoid,
        Op::Silu,
        Op::Gelu,
        Op::GeluTanh,
        Op::Tanh,
        Op::GlobalAvgPool,
        Op::GlobalMaxPool,
        Op::GlobalLsePool { r: 10.0 },
        Op::GlobalLsePool { r: 0.5 },
        Op::Flatten,
        Op::Dropout { p: 0.5 },
    ] {
        let mut x = rng.tensor(&[3, 5, 6, 7]);
        x.data.iter_mut().for_each(|v| *v *= 4.0);
        check(
            &format!("{op:?}"),
            &one_layer(5, op.clone()),
            &x,
            &mut rng,
            false,
        );
        // Behind a layer that allows working in place, and read twice.
        let mut b = Builder::new(5);
        let conv = b.conv(0, [5, 8], [1, 1], [1, 1], [0, 0], [1, 1], 1, true);
        let id = b.push(op.clone(), &[conv]);
        b.output(id);
        check(&format!("conv, {op:?}"), &b, &x, &mut rng, false);
    }
}

#[test]
fn pooling_windows() {
    let mut rng = Rng(7);
    for round in 0..30 {
        let kernel = [rng.range(1, 4), rng.range(1, 3)];
        let stride = [rng.range(1, 3), rng.range(1, 3)];
        let padding = [rng.range(0, kernel[0] / 2), rng.range(0, kernel[1] / 2)];
        let c = rng.range(1, 20);
        let x = rng.tensor(&[rng_batch(round), c, 7, 10]);
        let max = Op::MaxPool2d {
            kernel,
            stride,
            padding,
            ceil: round % 2 == 0,
        };
        check(
            &format!("{max:?}"),
            &one_layer(c, max.clone()),
            &x,
            &mut rng,
            true,
        );
        let avg = Op::AvgPool2d { kernel, stride };
        check(
            &format!("{avg:?}"),
            &one_layer(c, avg.clone()),
            &x,
            &mut rng,
            true,
        );
    }
}

#[test]
fn resizing_and_fitting() {
    let mut rng = Rng(8);
    for (op, pool) in [
        (
            Op::UpsampleLike {
                align_corners: false,
            },
            [2, 2],
        ),
        (
            Op::UpsampleLike {
                align_corners: true,
            },
            [2, 2],
        ),
        (
            Op::UpsampleLike {
                align_corners: true,
            },
            [3, 2],
        ),
        (
            Op::UpsampleLike {
                align_corners: false,
            },
            [4, 3],
        ),
        (Op::FitLike, [2, 3]),
    ] {
        let mut b = Builder::new(3);
        let small = b.push(
            Op::MaxPool2d {
                kernel: pool,
                stride: pool,
                padding: [0, 0],
                ceil: false,
            },
            &[0],
        );
        let up = b.push(op.clone(), &[small, 0]);
        let down = b.push(op.clone(), &[0, small]);
        b.output(up);
        b.output(down);
        let x = rng.tensor(&[2, 3, 9, 13]);
        check(&format!("{op:?}"), &b, &x, &mut rng, true);
    }
}

/// Residual block, dense block, squeeze and excitation, U-Net step, head: everything that fuses, in one graph.
fn small_net() -> Builder {
    let mut b = Builder::new(2);
    let stem = b.conv(0, [2, 16], [3, 3], [1, 1], [1, 1], [1, 1], 1, false);
    let stem = b.bn(stem, 16);
    let stem = b.push(Op::Relu, &[stem]);
    let pooled = b.push(
        Op::MaxPool2d {
            kernel: [3, 3],
            stride: [2, 2],
            padding: [1, 1],
            ceil: false,
        },
        &[stem],
    );
    let main = b.conv(pooled, [16, 16], [3, 3], [1, 1], [1, 1], [1, 1], 1, false);
    let main = b.bn(main, 16);
    let sum = b.push(Op::Add, &[main, pooled]);
    let sum = b.push(Op::Relu, &[sum]);
    let norm = b.bn(sum, 16);
    let norm = b.push(Op::Relu, &[norm]);
    let new = b.conv(norm, [16, 4], [3, 3], [1, 1], [1, 1], [1, 1], 1, false);
    let dense = b.push(Op::Concat, &[sum, new]);
    let norm = b.bn(dense, 20);
    let norm = b.push(Op::Relu, &[norm]);
    let new = b.conv(norm, [20, 4], [1, 1], [1, 1], [0, 0], [1, 1], 1, true);
    let dense = b.push(Op::Concat, &[sum, new, dense]);
    let gate = b.push(Op::GlobalAvgPool, &[dense]);
    let gate = b.conv(gate, [40, 40], [1, 1], [1, 1], [0, 0], [1, 1], 1, true);
    let gate = b.push(Op::Sigmoid, &[gate]);
    let gated = b.push(Op::Mul, &[dense, gate]);
    let up = b.conv_transpose(gated, [40, 8], [2, 2], [2, 2], [0, 0], [0, 0]);
    let fitted = b.push(Op::FitLike, &[up, stem]);
    let joined = b.push(Op::Concat, &[stem, fitted]);
    let mask = b.conv(joined, [24, 1], [1, 1], [1, 1], [0, 0], [1, 1], 1, true);
    let pool = b.push(Op::GlobalAvgPool, &[gated]);
    let flat = b.push(Op::Flatten, &[pool]);
    let logits = b.linear(flat, [40, 3]);
    b.output(mask);
    b.output(logits);
    b
}

#[test]
fn whole_small_network() {
    let mut rng = Rng(9);
    let b = small_net();
    for (n, h, w) in [(1, 13, 11), (2, 16, 16), (33, 6, 5)] {
        for train in [true, false] {
            let x = rng.tensor(&[n, 2, h, w]);
            check(
                &format!("small net {n} {h} {w} {train}"),
                &b,
                &x,
                &mut rng,
                train,
            );
        }
    }
}

/// The bits of outputs, gradients and running statistics.
fn bits(threads: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        let mut rng = Rng(10);
        let b = small_net();
        let mut params = b.params(&mut rng);
        let x = rng.tensor(&[9, 2, 40, 36]);
        let mut trainer = Trainer::new(b.graph.clone()).unwrap();
        let mut all: Vec<f32> = Vec::new();
        for seed in 0..2 {
            let outputs = trainer
                .forward(&mut params, &x, Mode::Train { seed })
                .unwrap();
            let grads = trainer
                .backward(
                    &params,
                    &outputs,
                    Wanted {
                        params: true,
                        input: true,
                        ..Wanted::default()
                    },
                )
                .unwrap();
            outputs.iter().for_each(|t| all.extend(&t.data));
            grads.params.iter().flatten().for_each(|g| all.extend(g));
            all.extend(&grads.input.unwrap().data);
        }
        params.iter().for_each(|p| all.extend(p));
        Plan::new(&b.graph, &params)
            .unwrap()
            .run(&x)
            .unwrap()
            .iter()
            .for_each(|t| all.extend(&t.data));
        all.iter().map(|v| v.to_bits()).collect()
    })
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let one = bits(1);
    assert!(one == bits(2) && one == bits(3) && one == bits(7));
}

#[test]
fn gradients_at_nodes_and_kept_activations() {
    let mut rng = Rng(11);
    let b = small_net();
    let mut params = b.params(&mut rng);
    let x = rng.tensor(&[2, 2, 8, 8]);
    let mut trainer = Trainer::new(b.graph.clone()).unwrap();
    let norm = b
        .graph
        .nodes
        .iter()
        .position(|n| matches!(n.op, Op::BatchNorm { .. }))
        .unwrap();
    trainer.retain(&[norm]).unwrap();
    let outputs = trainer.forward(&mut params, &x, Mode::Eval).unwrap();
    let activation = trainer.activation(norm).unwrap();
    let expected = naive(&b.graph, &widen(&params), &widen_tensor(&x), false);
    assert_close("activation", &activation.data, &expected[norm].data, 1e-5);
    let want = Wanted {
        params: true,
        input: true,
        nodes: vec![norm],
        keep: true,
        ..Wanted::default()
    };
    let first = trainer.backward(&params, &outputs, want.clone()).unwrap();
    let again = trainer.backward(&params, &outputs, want).unwrap();
    assert_eq!(first, again);
    // The gradient of the norm's shift is the sum of the gradient at the norm.
    let Op::BatchNorm { bias, .. } = b.graph.nodes[norm].op else {
        panic!()
    };
    let sum: f64 = (0..2)
        .flat_map(|n| (0..64).map(move |p| n * 16 * 64 + p))
        .map(|i| f64::from(first.nodes[0].1.data[i]))
        .sum();
    assert_close(
        "shift",
        &first.params[bias].as_ref().unwrap()[..1],
        &[sum],
        1e-4,
    );
}

#[test]
fn plan_runs_from_several_threads() {
    let mut rng = Rng(12);
    let b = small_net();
    let params = b.params(&mut rng);
    let plan = Plan::new(&b.graph, &params).unwrap();
    let x = rng.tensor(&[2, 2, 24, 24]);
    let expected = plan.run(&x).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| assert_eq!(plan.run(&x).unwrap(), expected)));
        }
    });
}
