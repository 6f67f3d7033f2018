//! Layers against PyTorch 2.15 (`../shared/parity/networks/layers_io.safetensors`).
#![allow(clippy::unwrap_used)]

mod common;

use common::Builder;
use hilum_kernels::{Mode, NodeId, Op, Params, Plan, Tensor, Trainer};
use safetensors::SafeTensors;

const IO: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/parity/networks/layers_io.safetensors"
);
/// The fixture's own.
const TOLERANCE: f32 = 1e-5;

struct Fixture(Vec<u8>);

impl Fixture {
    fn open() -> Option<Self> {
        let bytes = std::fs::read(IO).ok();
        if bytes.is_none() {
            eprintln!(
                "skipped: the layer parity test needs ../shared/parity/networks/layers_io.safetensors, which is not here"
            );
        }
        bytes.map(Fixture)
    }

    fn tensor(&self, name: &str) -> Tensor {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap();
        let data = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        Tensor::from_vec(view.shape(), data).unwrap()
    }
}

/// Runs a graph by trainer and plan and compares both with the stored result.
fn check(
    fixture: &Fixture,
    case: &str,
    mut builder: Builder,
    out: NodeId,
    params: &Params,
    train: bool,
) {
    builder.output(out);
    let x = fixture.tensor(&format!("in.{case}.x"));
    let expected = fixture.tensor(&format!("out.{case}"));
    let mode = if train {
        Mode::Train { seed: 0 }
    } else {
        Mode::Eval
    };
    let outputs = Trainer::new(builder.graph.clone())
        .unwrap()
        .forward(&mut params.clone(), &x, mode)
        .unwrap();
    compare(case, &outputs[0], &expected);
    if !train {
        compare(
            case,
            &Plan::new(&builder.graph, params).unwrap().run(&x).unwrap()[0],
            &expected,
        );
    }
}

fn compare(case: &str, got: &Tensor, expected: &Tensor) {
    assert_eq!(
        got.data.len(),
        expected.data.len(),
        "{case}: {:?} {:?}",
        got.shape,
        expected.shape
    );
    for (i, (g, e)) in got.data.iter().zip(&expected.data).enumerate() {
        assert!(
            (g - e).abs() <= TOLERANCE,
            "{case}: value {i} is {g}, PyTorch gives {e}"
        );
    }
}

#[test]
fn convolutions() {
    let Some(fixture) = Fixture::open() else {
        return;
    };
    // name, stride, padding, dilation, groups
    let cases = [
        ("conv_s2_p1", [2, 2], [1, 1], [1, 1], 1),
        ("conv_dil2", [1, 1], [2, 2], [2, 2], 1),
        ("conv_groups2", [1, 1], [0, 0], [1, 1], 2),
        ("conv_depthwise", [1, 1], [1, 1], [1, 1], 4),
        ("conv_asym", [2, 1], [0, 2], [1, 1], 1),
    ];
    for (case, stride, padding, dilation, groups) in cases {
        let w = fixture.tensor(&format!("in.{case}.w"));
        let mut b = Builder::new(4);
        let out = b.conv(
            0,
            [4, w.shape[0]],
            [w.shape[2], w.shape[3]],
            stride,
            padding,
            dilation,
            groups,
            true,
        );
        let params = vec![w.data, fixture.tensor(&format!("in.{case}.b")).data];
        check(&fixture, case, b, out, &params, false);
    }
}

#[test]
fn transposed_convolutions() {
    let Some(fixture) = Fixture::open() else {
        return;
    };
    for (case, padding, extra) in [
        ("convt_s2", [0, 0], [0, 0]),
        ("convt_s2_p1_op1", [1, 1], [1, 1]),
    ] {
        let w = fixture.tensor(&format!("in.{case}.w"));
        let mut b = Builder::new(4);
        let out = b.conv_transpose(
            0,
            [4, w.shape[1]],
            [w.shape[2], w.shape[3]],
            [2, 2],
            padding,
            extra,
        );
        let params = vec![w.data, fixture.tensor(&format!("in.{case}.b")).data];
        check(&fixture, case, b, out, &params, false);
    }
}

#[test]
fn batch_norms() {
    let Some(fixture) = Fixture::open() else {
        return;
    };
    for (case, train) in [("batchnorm_eval", false), ("batchnorm_train", true)] {
        let mut b = Builder::new(4);
        let out = b.bn(0, 4);
        let params = ["g", "b", "mean", "var"]
            .map(|key| fixture.tensor(&format!("in.{case}.{key}")).data)
            .to_vec();
        check(&fixture, case, b, out, &params, train);
    }
}

#[test]
fn running_statistics() {
    let Some(fixture) = Fixture::open() else {
        return;
    };
    let mut b = Builder::new(4);
    let out = b.bn(0, 4);
    b.output(out);
    let mut params = ["g", "b", "mean", "var"]
        .map(|key| fixture.tensor(&format!("in.batchnorm_train.{key}")).data)
        .to_vec();
    let x = fixture.tensor("in.batchnorm_train.x");
    Trainer::new(b.graph)
        .unwrap()
        .forward(&mut params, &x, Mode::Train { seed: 0 })
        .unwrap();
    for (key, got) in [("new_mean", &params[2]), ("new_var", &params[3])] {
        let expected = fixture.tensor(&format!("out.batchnorm_train.{key}"));
        got.iter().zip(&expected.data).for_each(|(g, e)| {
            assert!((g - e).abs() <= TOLERANCE, "{key}: {g}, PyTorch gives {e}")
        });
    }
}

#[test]
fn pooling_activations_and_resizing() {
    let Some(fixture) = Fixture::open() else {
        return;
    };
    let pool = |kernel: usize, stride: usize, padding: usize, ceil: bool| Op::MaxPool2d {
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 2],
        ceil,
    };
    for (case, op) in [
        ("maxpool_3_2_1", pool(3, 2, 1, false)),
        ("maxpool_ceil", pool(2, 2, 0, true)),
        ("lppool_like_lse_r10", Op::GlobalLsePool { r: 10.0 }),
        ("silu", Op::Silu),
        ("relu6", Op::Relu6),
        ("leaky_relu_0.01", Op::LeakyRelu { slope: 0.01 }),
    ] {
        let mut b = Builder::new(4);
        let out = b.push(op, &[0]);
        check(&fixture, case, b, out, &vec![], false);
    }
}

#[test]
fn bilinear_resizing() {
    let Some(fixture) = Fixture::open() else {
        return;
    };
    for (case, align_corners) in [
        ("upsample_bilinear2_ac0", false),
        ("upsample_bilinear2_ac1", true),
    ] {
        // A depthwise transposed layer is not there; a copy of twice the size comes from a transposed convolution of the input.
        let mut b = Builder::new(4);
        let like = b.conv_transpose(0, [4, 1], [2, 2], [2, 2], [0, 0], [0, 0]);
        let out = b.push(Op::UpsampleLike { align_corners }, &[0, like]);
        check(
            &fixture,
            case,
            b,
            out,
            &vec![vec![0.0; 16], vec![0.0]],
            false,
        );
    }
}
