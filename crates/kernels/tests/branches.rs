//! Pixel shuffle and weighed branches against the naive interpreter, with gradients by differences; dilated convolutions in a chain
//! as they are used with them; what does not fit.
#![allow(clippy::unwrap_used)]

mod common;

use common::check::{check, one_layer};
use common::{Builder, Rng};
use hilum_kernels::{KernelError, Op};

#[test]
fn pixel_shuffle_forward_and_backward() {
    let mut rng = Rng(3);
    for (n, channels, factor, h, w) in [
        (1, 1, 1, 3, 4),
        (2, 3, 2, 5, 3),
        (1, 16, 2, 4, 4),
        (3, 17, 3, 2, 3),
        (33, 2, 4, 2, 1),
    ] {
        let c = channels * factor * factor;
        let x = rng.tensor(&[n, c, h, w]);
        let what = format!("shuffle {channels} channels by {factor}");
        let layer = one_layer(c, Op::PixelShuffle { factor });
        check(&what, &layer, &x, &mut rng, false);
    }
}

/// The values of PyTorch's `pixel_shuffle(arange(8).reshape(1, 8, 1, 1), 2)`.
#[test]
fn the_order_of_channels_is_that_of_pytorch() {
    use hilum_kernels::{Plan, Tensor};
    let layer = one_layer(8, Op::PixelShuffle { factor: 2 });
    let x = Tensor::from_vec(&[1, 8, 1, 1], (0..8).map(|v| v as f32).collect()).unwrap();
    let out = Plan::new(&layer.graph, &Vec::new())
        .unwrap()
        .run(&x)
        .unwrap();
    assert_eq!(out[0].shape, [1, 2, 2, 2]);
    assert_eq!(out[0].data, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
}

/// A chain of dilated convolutions whose branches are weighed, as in a multi-features extraction block; odd and whole blocks of channels.
fn weighed(channels: usize, branches: usize, sigmoid: bool) -> Builder {
    let mut b = Builder::new(channels);
    let (mut gates, mut outs) = (Vec::new(), Vec::new());
    let mut x = 0;
    for k in 0..branches {
        let d = 1 << k;
        let y = b.conv(x, [channels; 2], [3, 3], [1, 1], [d, d], [d, d], 1, false);
        let y = b.bn(y, channels);
        let y = b.push(Op::Relu, &[y]);
        let pooled = b.push(Op::GlobalAvgPool, &[y]);
        let mut gate = b.conv(
            pooled,
            [channels; 2],
            [1, 1],
            [1, 1],
            [0, 0],
            [1, 1],
            1,
            true,
        );
        if sigmoid {
            gate = b.push(Op::Sigmoid, &[gate]);
        }
        gates.push(gate);
        outs.push(y);
        x = b.push(Op::Add, &[y, 0]);
    }
    let y = b.push(Op::Select, &[gates, outs].concat());
    let y = b.push(Op::Add, &[y, 0]);
    b.output(y);
    b
}

#[test]
fn weighed_branches_forward_and_backward() {
    let mut rng = Rng(8);
    for (n, channels, branches, sigmoid) in [
        (2, 3, 2, false),
        (1, 16, 2, true),
        (3, 17, 3, false),
        (2, 5, 4, true),
    ] {
        for train in [false, true] {
            let x = rng.tensor(&[n, channels, 6, 7]);
            let what = format!("{branches} branches of {channels} channels, training {train}");
            check(
                &what,
                &weighed(channels, branches, sigmoid),
                &x,
                &mut rng,
                train,
            );
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let shapes = |op: Op, c: usize, inputs: &[usize]| {
        let mut b = Builder::new(c);
        b.push(Op::GlobalAvgPool, &[0]);
        let id = b.push(op, inputs);
        b.output(id);
        b.graph.shapes([2, c, 3, 3])
    };
    for (factor, c) in [(0, 4), (2, 6), (usize::MAX, 4)] {
        let told = shapes(Op::PixelShuffle { factor }, c, &[0]);
        assert!(matches!(told, Err(KernelError::Setting { .. })), "{told:?}");
    }
    for inputs in [&[1, 0][..], &[1, 1, 0]] {
        let told = shapes(Op::Select, 4, inputs);
        assert!(matches!(told, Err(KernelError::Arity { .. })), "{told:?}");
    }
    // Gates of the pictures' size, and branches of two sizes.
    for inputs in [[0, 1, 0, 0], [1, 1, 0, 1]] {
        let told = shapes(Op::Select, 4, &inputs);
        assert!(
            matches!(told, Err(KernelError::Mismatch { .. })),
            "{told:?}"
        );
    }
    assert!(shapes(Op::Select, 4, &[1, 1, 0, 0]).is_ok());
}
