//! The layers for sequences against the definitions in double precision, gradients against differences.
#![allow(clippy::unwrap_used)]

mod common;

use common::check::check;
use common::{Builder, Rng};
use hilum_kernels::{KernelError, Mode, Op, ParamRole, Plan, Tensor, Trainer, Wanted};

#[test]
fn layer_norm_of_random_shapes() {
    let mut rng = Rng(21);
    for (n, c, h, w) in [
        (1, 1, 1, 1),
        (2, 5, 1, 9),
        (3, 16, 2, 3),
        (1, 33, 13, 11),
        (2, 48, 1, 70),
    ] {
        let mut b = Builder::new(c);
        let (weight, bias) = (
            b.param(&[c], ParamRole::Norm),
            b.param(&[c], ParamRole::Norm),
        );
        let id = b.push(
            Op::LayerNorm {
                weight,
                bias,
                eps: 1e-5,
            },
            &[0],
        );
        b.output(id);
        let x = rng.tensor(&[n, c, h, w]);
        check(
            &format!("layer norm {n} {c} {h} {w}"),
            &b,
            &x,
            &mut rng,
            n == 2,
        );
    }
}

#[test]
fn attention_of_random_shapes() {
    let mut rng = Rng(22);
    for (heads, key_heads, width, n, h, w) in [
        (1, 1, 1, 1, 1, 1),
        (4, 4, 8, 2, 1, 7),
        (6, 2, 5, 1, 3, 4),
        (2, 1, 16, 3, 1, 33),
        (3, 3, 11, 2, 2, 5),
    ] {
        for causal in [false, true] {
            let inner = 6;
            let mut b = Builder::new(inner);
            let q = b.linear(0, [inner, heads * width]);
            let k = b.linear(0, [inner, key_heads * width]);
            let v = b.linear(0, [inner, key_heads * width]);
            let id = b.push(
                Op::Attention {
                    heads,
                    causal,
                    mask: None,
                },
                &[q, k, v],
            );
            b.output(id);
            let x = rng.tensor(&[n, inner, h, w]);
            check(
                &format!("attention {heads}/{key_heads}x{width} {n} {h} {w} {causal}"),
                &b,
                &x,
                &mut rng,
                false,
            );
        }
    }
}

#[test]
fn a_query_may_meet_keys_of_another_length() {
    let mut rng = Rng(23);
    let mut b = Builder::new(8);
    let pooled = b.push(
        Op::AvgPool2d {
            kernel: [1, 2],
            stride: [1, 2],
        },
        &[0],
    );
    let id = b.push(
        Op::Attention {
            heads: 2,
            causal: false,
            mask: None,
        },
        &[0, pooled, pooled],
    );
    b.output(id);
    let x = rng.tensor(&[2, 8, 1, 10]);
    check("cross attention", &b, &x, &mut rng, false);
}

#[test]
fn places_and_tokens() {
    let mut rng = Rng(24);
    for c in [3, 16, 20] {
        let mut b = Builder::new(c);
        let weight = b.param(&[1, 1, c], ParamRole::Bias);
        let first = b.push(Op::PrependToken { weight }, &[0]);
        let weight = b.param(&[1, 9, c], ParamRole::Bias);
        let place = b.push(Op::PositionEmbedding { weight, offset: 2 }, &[first]);
        let sum = b.push(Op::Add, &[first, place]);
        let token = b.push(Op::TakePlace { index: 0 }, &[sum]);
        let other = b.push(Op::TakePlace { index: 5 }, &[sum]);
        b.output(sum);
        b.output(token);
        b.output(other);
        let x = rng.tensor(&[2, c, 2, 3]);
        check(&format!("places of {c}"), &b, &x, &mut rng, c == 16);
    }
}

/// Embedding, places, one masked attention block with a residual sum, GELU and a pooled token.
fn small_encoder(rows: usize, d: usize, mask: bool) -> Builder {
    let mut b = Builder::new(2);
    let weight = b.param(&[rows, d], ParamRole::Weight);
    let words = b.push(Op::Embedding { weight, channel: 0 }, &[0]);
    let weight = b.param(&[12, d], ParamRole::Weight);
    let places = b.push(Op::PositionEmbedding { weight, offset: 0 }, &[0]);
    let x = b.push(Op::Add, &[words, places]);
    let (weight, bias) = (
        b.param(&[d], ParamRole::Norm),
        b.param(&[d], ParamRole::Norm),
    );
    let x = b.push(
        Op::LayerNorm {
            weight,
            bias,
            eps: 1e-12,
        },
        &[x],
    );
    let [q, k, v] = [0; 3].map(|_| b.linear(x, [d, d]));
    let op = Op::Attention {
        heads: 2,
        causal: false,
        mask: mask.then_some(1),
    };
    let mut inputs = vec![q, k, v];
    inputs.extend(mask.then_some(0));
    let y = b.push(op, &inputs);
    let y = b.linear(y, [d, d]);
    let y = b.push(Op::Add, &[y, x]);
    let y = b.linear(y, [d, 2 * d]);
    let y = b.push(Op::Gelu, &[y]);
    b.output(y);
    let first = b.push(Op::TakePlace { index: 0 }, &[y]);
    let pooled = b.linear(first, [2 * d, 3]);
    let pooled = b.push(Op::Tanh, &[pooled]);
    b.output(pooled);
    b
}

fn ids(n: usize, t: usize, rows: usize, rng: &mut Rng) -> Tensor {
    let mut x = Tensor::zeros(&[n, 2, 1, t]);
    for i in 0..n {
        for p in 0..t {
            x.data[i * 2 * t + p] = rng.range(0, rows - 1) as f32;
            // The first image has every second place only, the others all but the last.
            let on = if i == 0 { p % 2 == 0 } else { p + 1 < t };
            x.data[i * 2 * t + t + p] = f32::from(u8::from(on));
        }
    }
    x
}

#[test]
fn an_encoder_with_a_mask() {
    let mut rng = Rng(25);
    for (d, mask) in [(6, true), (32, true), (20, false)] {
        let b = small_encoder(9, d, mask);
        let x = ids(3, 11, 9, &mut rng);
        check(&format!("encoder {d} {mask}"), &b, &x, &mut rng, true);
        check(
            &format!("encoder {d} {mask} in use"),
            &b,
            &x,
            &mut rng,
            false,
        );
    }
}

#[test]
fn a_place_that_sees_nothing_is_zero() {
    let mut b = Builder::new(4);
    let op = Op::Attention {
        heads: 1,
        causal: false,
        mask: Some(0),
    };
    let id = b.push(op, &[0, 0, 0, 0]);
    b.output(id);
    let y = Plan::new(&b.graph, &vec![])
        .unwrap()
        .run(&Tensor::zeros(&[1, 4, 1, 3]))
        .unwrap();
    assert_eq!(y[0].data, vec![0.0; 12]);
}

#[test]
fn gradients_do_not_depend_on_the_number_of_threads() {
    let mut rng = Rng(26);
    let b = small_encoder(9, 32, true);
    let (params, x) = (b.params(&mut rng), ids(4, 12, 9, &mut rng));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut trainer = Trainer::new(b.graph.clone()).unwrap();
            let outputs = trainer
                .forward(&mut params.clone(), &x, Mode::Train { seed: 1 })
                .unwrap();
            trainer
                .backward(&params, &outputs, Wanted::params())
                .unwrap()
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn what_does_not_fit_is_an_error_in_words() {
    let mut rng = Rng(27);
    let b = small_encoder(9, 6, true);
    let plan = Plan::new(&b.graph, &b.params(&mut rng)).unwrap();
    let mut x = ids(1, 5, 9, &mut rng);
    for wrong in [9.0, -1.0, 1.5, f32::NAN] {
        x.data[2] = wrong;
        assert!(
            matches!(plan.run(&x), Err(KernelError::Row { rows: 9, .. })),
            "{wrong}"
        );
        let mut trainer = Trainer::new(b.graph.clone()).unwrap();
        let got = trainer.forward(&mut b.params(&mut rng), &x, Mode::Eval);
        assert!(matches!(got, Err(KernelError::Row { .. })));
    }
    assert_eq!(
        plan.run(&ids(1, 13, 9, &mut rng)).unwrap_err().to_string(),
        "layer `n2`: 13 places, the table has rows for 12"
    );
    let mut b = Builder::new(4);
    let id = b.push(
        Op::Attention {
            heads: 3,
            causal: false,
            mask: None,
        },
        &[0, 0, 0],
    );
    b.output(id);
    assert!(matches!(
        b.graph.shapes([1, 4, 1, 2]),
        Err(KernelError::Setting { field: "heads", .. })
    ));
    let mut b = Builder::new(4);
    let weight = b.param(&[3, 4], ParamRole::Weight);
    let x = b.push(Op::Relu, &[0]);
    let id = b.push(Op::Embedding { weight, channel: 0 }, &[x]);
    b.output(id);
    assert!(matches!(
        Plan::new(&b.graph, &b.params(&mut rng)),
        Err(KernelError::NotTheInput { .. })
    ));
}
