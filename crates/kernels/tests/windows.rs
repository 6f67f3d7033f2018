//! The layers of dual attention, windows and channel groups, against the definitions in double precision, gradients against differences.
#![allow(clippy::unwrap_used)]

mod common;

use common::check::{check, one_layer};
use common::{Builder, Rng};
use hilum_kernels::{KernelError, Op, ParamRole, Plan};

#[test]
fn channel_attention_of_random_shapes() {
    let mut rng = Rng(31);
    for (groups, width, n, h, w) in [
        (1, 1, 1, 1, 1),
        (1, 5, 2, 3, 4),
        (2, 8, 3, 4, 4),
        (3, 11, 1, 7, 5),
        (4, 16, 2, 2, 3),
    ] {
        let (inner, c) = (6, groups * width);
        let mut b = Builder::new(inner);
        let [q, k, v] = [0; 3].map(|_| b.linear(0, [inner, c]));
        let id = b.push(Op::ChannelAttention { groups }, &[q, k, v]);
        b.output(id);
        let x = rng.tensor(&[n, inner, h, w]);
        let what = format!("channel attention {groups}x{width} {n} {h} {w}");
        check(&what, &b, &x, &mut rng, n == 2);
    }
}

#[test]
fn windows_of_random_shapes() {
    let mut rng = Rng(32);
    for (side, n, c, h, w) in [
        (1, 1, 1, 1, 1),
        (2, 2, 5, 4, 6),
        (4, 1, 16, 4, 4),
        (3, 2, 20, 7, 5),
        (5, 3, 33, 2, 9),
    ] {
        let x = rng.tensor(&[n, c, h, w]);
        let what = format!("windows of {side} in {n} {c} {h} {w}");
        let split = one_layer(c, Op::SplitWindows { side });
        check(&what, &split, &x, &mut rng, false);
        let mut b = Builder::new(c);
        let windows = b.push(Op::SplitWindows { side }, &[0]);
        let silu = b.push(Op::Silu, &[windows]);
        let id = b.push(Op::JoinWindows, &[silu, 0]);
        b.output(id);
        check(&format!("{what} and back"), &b, &x, &mut rng, n == 2);
    }
}

#[test]
fn split_and_joined_images_are_the_same() {
    let mut rng = Rng(33);
    let mut b = Builder::new(3);
    let windows = b.push(Op::SplitWindows { side: 4 }, &[0]);
    let id = b.push(Op::JoinWindows, &[windows, 0]);
    b.output(id);
    let x = rng.tensor(&[2, 3, 6, 9]);
    let y = Plan::new(&b.graph, &vec![]).unwrap().run(&x).unwrap();
    assert_eq!(y[0].data, x.data);
}

/// A window block and a channel block as in DaViT: pre-normalised attention with residual sums.
#[test]
fn a_dual_attention_block() {
    let mut rng = Rng(34);
    let d = 12;
    let mut b = Builder::new(d);
    let norm = |b: &mut Builder, x: usize| {
        let weight = b.param(&[d], ParamRole::Norm);
        let bias = b.param(&[d], ParamRole::Norm);
        let eps = 1e-5;
        b.push(Op::LayerNorm { weight, bias, eps }, &[x])
    };
    let y = norm(&mut b, 0);
    let y = b.push(Op::SplitWindows { side: 3 }, &[y]);
    let [q, k, v] = [0; 3].map(|_| b.linear(y, [d, d]));
    let op = Op::Attention {
        heads: 2,
        causal: false,
        mask: None,
    };
    let y = b.push(op, &[q, k, v]);
    let y = b.push(Op::JoinWindows, &[y, 0]);
    let x = b.push(Op::Add, &[y, 0]);
    let y = norm(&mut b, x);
    let [q, k, v] = [0; 3].map(|_| b.linear(y, [d, d]));
    let y = b.push(Op::ChannelAttention { groups: 3 }, &[q, k, v]);
    let y = b.push(Op::Add, &[y, x]);
    b.output(y);
    let x = rng.tensor(&[2, d, 5, 4]);
    check("dual attention", &b, &x, &mut rng, true);
    check("dual attention in use", &b, &x, &mut rng, false);
}

#[test]
fn what_does_not_fit_is_an_error_in_words() {
    let setting = |op: Op, inputs: &[usize]| {
        let mut b = Builder::new(4);
        let id = b.push(op, inputs);
        b.output(id);
        b.graph.shapes([2, 4, 6, 6]).unwrap_err()
    };
    for groups in [0, 3] {
        let told = setting(Op::ChannelAttention { groups }, &[0, 0, 0]);
        assert!(matches!(
            told,
            KernelError::Setting {
                field: "groups",
                ..
            }
        ));
    }
    let told = setting(Op::SplitWindows { side: 0 }, &[0]);
    assert!(matches!(told, KernelError::Setting { field: "side", .. }));
    // Eight windows of three rows cannot be joined into eighteen images of two.
    let mut b = Builder::new(4);
    let windows = b.push(Op::SplitWindows { side: 3 }, &[0]);
    let smaller = b.push(Op::SplitWindows { side: 2 }, &[0]);
    let id = b.push(Op::JoinWindows, &[windows, smaller]);
    b.output(id);
    let told = b.graph.shapes([2, 4, 6, 6]);
    assert!(
        matches!(told, Err(KernelError::Mismatch { .. })),
        "{told:?}"
    );
    assert!(matches!(
        setting(Op::JoinWindows, &[0]),
        KernelError::Arity { .. }
    ));
}
