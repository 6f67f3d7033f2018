//! The code of every instruction set that this processor has gives the same results to rounding.
//! One test in a process of its own, because the level is set for the whole process.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Builder, Rng, assert_close};
use hilum_kernels::simd::{Level, restrict};
use hilum_kernels::{Mode, Op, Plan, Tensor, Trainer, Wanted};

fn net() -> Builder {
    let mut b = Builder::new(3);
    let x = b.conv(0, [3, 48], [5, 5], [2, 2], [2, 2], [1, 1], 1, true);
    let x = b.bn(x, 48);
    let x = b.push(Op::Relu, &[x]);
    let x = b.conv(x, [48, 48], [3, 3], [1, 1], [1, 1], [1, 1], 48, false);
    let y = b.conv(x, [48, 20], [3, 3], [1, 1], [1, 1], [1, 1], 1, false);
    let y = b.bn(y, 20);
    let y = b.push(Op::Relu, &[y]);
    let y = b.conv(y, [20, 17], [1, 1], [1, 1], [0, 0], [1, 1], 1, false);
    let x = b.push(Op::Concat, &[x, y]);
    let x = b.push(
        Op::MaxPool2d {
            kernel: [3, 3],
            stride: [2, 2],
            padding: [1, 1],
            ceil: true,
        },
        &[x],
    );
    let x = b.conv_transpose(x, [65, 16], [3, 3], [2, 2], [1, 1], [1, 1]);
    let x = b.push(Op::GlobalAvgPool, &[x]);
    let x = b.push(Op::Flatten, &[x]);
    let x = b.linear(x, [16, 4]);
    b.output(x);
    b
}

fn results() -> Vec<Vec<f32>> {
    let mut rng = Rng(21);
    let b = net();
    let mut params = b.params(&mut rng);
    let x = rng.tensor(&[3, 3, 52, 58]);
    let mut all = vec![
        Plan::new(&b.graph, &params).unwrap().run(&x).unwrap()[0]
            .data
            .clone(),
    ];
    let mut trainer = Trainer::new(b.graph.clone()).unwrap();
    let outputs: Vec<Tensor> = trainer
        .forward(&mut params, &x, Mode::Train { seed: 0 })
        .unwrap();
    let d: Vec<Tensor> = outputs.iter().map(|o| rng.tensor(&o.shape)).collect();
    let grads = trainer
        .backward(
            &params,
            &d,
            Wanted {
                params: true,
                input: true,
                ..Wanted::default()
            },
        )
        .unwrap();
    all.extend(outputs.into_iter().map(|t| t.data));
    all.extend(grads.params.into_iter().flatten());
    all.push(grads.input.unwrap().data);
    all
}

#[test]
fn all_levels_agree() {
    let best = results();
    for level in [Level::Avx2, Level::Portable] {
        restrict(level);
        for (i, (got, expected)) in results().iter().zip(&best).enumerate() {
            let scale = expected.iter().fold(1.0f32, |m, v| m.max(v.abs()));
            let expected: Vec<f64> = expected.iter().map(|&v| f64::from(v / scale)).collect();
            let got: Vec<f32> = got.iter().map(|v| v / scale).collect();
            assert_close(&format!("{level:?}, array {i}"), &got, &expected, 2e-5);
        }
    }
}
