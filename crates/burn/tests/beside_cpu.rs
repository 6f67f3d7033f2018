//! Every network on each of burn's devices that this build knows and this machine has, beside the project's
//! own kernels: outputs, gradients, statistics.
#![cfg(any(feature = "cuda", feature = "flex", feature = "vulkan"))]
#![allow(clippy::unwrap_used)] // In a test a failure is a failure.

use hilum_burn::BurnEngine;
use hilum_kernels::{Graph, Op, ParamRole, Tensor};
use hilum_nn::backbones::{
    Backbone, DenseNetConfig, InceptionConfig, MobileNetConfig, ResNetConfig, SqueezeNetConfig,
    UNetConfig, UpMode, VggConfig, unet,
};
use hilum_nn::builder::{Conv, GraphBuilder, Head};
use hilum_nn::engine::{CpuEngine, Engine};
use rand::{Rng, SeedableRng};

const FLAT: f32 = 1e-5;
const DEEP: f32 = 2e-2;

fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn length(v: impl Iterator<Item = f32>) -> f32 {
    v.map(|v| v * v).sum::<f32>().sqrt()
}

/// Length of the difference as a share of the length, or of `least` if that is more.
fn apart(a: &[f32], b: &[f32], least: f32) -> f32 {
    assert_eq!(a.len(), b.len());
    let difference = length(a.iter().zip(b).map(|(a, b)| a - b));
    difference / length(a.iter().copied()).max(least)
}

/// `tolerance` is for the gradient as a whole; that of one parameter may be off by ten times as much. In deep networks some sums are nearly zero; rounding decides on which side of
/// a rectifier they fall, and one such value moves a gradient by a thousandth and more. Beside PyTorch in
/// double precision, gradients of the DenseNet here were off by up to 0.010 with our kernels, 0.008 with
/// PyTorch in single precision, 0.040 with burn. The flat networks of this file tell whether anything is wrong.
fn agree(name: &str, graph: Graph, shape: [usize; 4], tolerance: f32) {
    for device in devices() {
        agree_on(
            device,
            &format!("{name} on {device}"),
            graph.clone(),
            shape,
            tolerance,
        );
    }
}

/// The devices that answer; `flex` always does.
fn devices() -> Vec<&'static str> {
    let there = |name: &&&str| match hilum_burn::device(name) {
        Ok(_) => true,
        Err(error) => {
            eprintln!("skipped: {error}");
            false
        }
    };
    hilum_burn::NAMES.iter().filter(there).copied().collect()
}

fn agree_on(device: &str, name: &str, graph: Graph, shape: [usize; 4], tolerance: f32) {
    let mut params = graph.init_params(3);
    // As they start, with shifts of zero, networks of normalised layers do not depend on the size of their
    // first weights: those gradients would be rounding alone.
    for (i, (info, values_of)) in graph.params.iter().zip(&mut params).enumerate() {
        if info.role == ParamRole::Norm {
            let noise = values(values_of.len(), 100 + i as u64);
            values_of
                .iter_mut()
                .zip(noise)
                .for_each(|(v, n)| *v += n / 2.0);
        }
    }
    let x = Tensor::from_vec(&shape, values(shape.iter().product(), 1)).unwrap();
    let mut cpu = CpuEngine::new(graph.clone(), params.clone()).unwrap();
    let mut burn = BurnEngine::new(graph.clone(), params, device).unwrap();
    let ours = cpu.forward_train(&x, 7).unwrap();
    let theirs = burn.forward_train(&x, 7).unwrap();
    for (a, b) in ours.iter().zip(&theirs) {
        assert_eq!(a.shape, b.shape, "{name}");
        assert!(
            apart(&a.data, &b.data, 1e-3) < 1e-4,
            "{name}: output {}",
            apart(&a.data, &b.data, 1e-3)
        );
    }
    let d: Vec<Tensor> = ours
        .iter()
        .enumerate()
        .map(|(i, t)| Tensor::from_vec(&t.shape, values(t.data.len(), 10 + i as u64)).unwrap())
        .collect();
    let (ours, theirs) = (cpu.backward(&d).unwrap(), burn.backward(&d).unwrap());
    let whole =
        |g: &[Option<Vec<f32>>]| g.iter().flatten().flatten().copied().collect::<Vec<f32>>();
    let off = apart(&whole(&ours), &whole(&theirs), 1e-3);
    assert!(off < tolerance, "{name}: gradient {off}");
    // The gradient of a bias before a normalisation is nothing but rounding.
    let least = 1e-4 * length(ours.iter().flatten().flatten().copied());
    for ((info, a), b) in graph.params.iter().zip(&ours).zip(&theirs) {
        match (a, b) {
            (Some(a), Some(b)) => {
                let off = apart(a, b, least);
                assert!(
                    off < 10.0 * tolerance,
                    "{name}: gradient of {} {off}",
                    info.name
                );
            }
            (None, None) => {}
            _ => panic!("{name}: {} has a gradient on one side only", info.name),
        }
    }
    for ((info, a), b) in graph.params.iter().zip(cpu.params()).zip(burn.params()) {
        assert!(
            apart(a, b, 1e-3) < 1e-4,
            "{name}: buffer {} {}",
            info.name,
            apart(a, b, 1e-3)
        );
    }
}

#[test]
fn classifiers_agree() {
    let backbones = [
        Backbone::ResNet(ResNetConfig::basic(&[1, 1], 8)),
        Backbone::DenseNet(DenseNetConfig::small()),
        Backbone::Vgg(VggConfig::small()),
        Backbone::SqueezeNet(SqueezeNetConfig::small()),
        Backbone::MobileNet(MobileNetConfig::small()),
        Backbone::Inception(InceptionConfig::small()),
    ];
    for (i, backbone) in backbones.iter().enumerate() {
        let pooling = [
            hilum_nn::builder::Pooling::Average,
            hilum_nn::builder::Pooling::Max,
            hilum_nn::builder::Pooling::LogSumExp { r: 5.0 },
        ][i % 3];
        let head = Head {
            pooling,
            ..Head::plain(3)
        };
        agree(
            backbone.name(),
            backbone.graph(1, &head),
            [6, 1, 128, 128],
            DEEP,
        );
    }
}

#[test]
fn unets_agree_with_odd_sizes_too() {
    for up in [UpMode::Transposed, UpMode::Bilinear] {
        let config = UNetConfig {
            widths: vec![8, 16, 24],
            classes: 2,
            up,
        };
        agree("unet", unet(&config, 1), [2, 1, 30, 37], DEEP);
    }
}

#[test]
fn the_layers_that_no_backbone_has_agree() {
    let (mut b, x) = GraphBuilder::new(2);
    let x = b.conv("conv", x, Conv::same(2, 8, 3).with_bias());
    let gate = b.node("silu", Op::Silu, &[x]);
    let pooled = b.node("pool", Op::GlobalAvgPool, &[gate]);
    let share = b.node("sigmoid", Op::Sigmoid, &[pooled]);
    let x = b.node("scale", Op::Mul, &[x, share]);
    let x = b.node("leaky", Op::LeakyRelu { slope: 0.1 }, &[x]);
    let x = b.node("six", Op::Relu6, &[x]);
    let small = b.node(
        "max",
        Op::MaxPool2d {
            kernel: [3, 3],
            stride: [2, 2],
            padding: [0, 0],
            ceil: true,
        },
        &[x],
    );
    let large = b.node(
        "up",
        Op::UpsampleLike {
            align_corners: true,
        },
        &[small, x],
    );
    let wide = b.node("fit", Op::FitLike, &[small, x]);
    let x = b.add("add", large, wide);
    let x = b.node("flatten", Op::Flatten, &[x]);
    let x = b.linear("fc", x, 8 * 12 * 10, 3);
    b.output("logits", x);
    agree("rest", b.finish(), [3, 2, 12, 10], FLAT);
}

#[test]
fn two_blocks_agree() {
    let (mut b, x) = GraphBuilder::new(2);
    let x = b.conv_bn_relu("c1", "n1", x, Conv::same(2, 16, 3));
    let x = b.max_pool("pool", x, 3, 2, 1);
    let x = b.conv_bn_relu("c2", "n2", x, Conv::same(16, 16, 5).stride(2).groups(4));
    b.output("map", x);
    agree("blocks", b.finish(), [2, 2, 30, 37], FLAT);
}

#[test]
fn dropout_keeps_the_mean_and_repeats() {
    let (mut b, x) = GraphBuilder::new(1);
    let x = b.node("drop", Op::Dropout { p: 0.25 }, &[x]);
    b.output("kept", x);
    let graph = b.finish();
    let x = Tensor::from_vec(&[1, 1, 100, 100], vec![1.0; 10_000]).unwrap();
    let device = devices()[0];
    let run = |seed| {
        let mut engine = BurnEngine::new(graph.clone(), Vec::new(), device).unwrap();
        engine.forward_train(&x, seed).unwrap().remove(0).data
    };
    let (a, b, c) = (run(1), run(1), run(2));
    assert!(a == b && a != c);
    let mean = a.iter().sum::<f32>() / 1e4;
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
}

#[test]
fn a_gradient_before_a_pass_is_an_error() {
    let (mut b, x) = GraphBuilder::new(1);
    b.output("same", x);
    let mut engine = BurnEngine::new(b.finish(), Vec::new(), devices()[0]).unwrap();
    assert!(engine.backward(&[]).is_err());
}
