//! Every network by burn's CPU backend beside the project's own kernels: outputs, gradients, statistics.
#![cfg(feature = "flex")]

use hilum_burn::BurnEngine;
use hilum_kernels::{Graph, Op, Tensor};
use hilum_nn::backbones::{
    Backbone, DenseNetConfig, InceptionConfig, MobileNetConfig, ResNetConfig, SqueezeNetConfig,
    UNetConfig, UpMode, VggConfig, unet,
};
use hilum_nn::builder::{Conv, GraphBuilder, Head};
use hilum_nn::engine::{CpuEngine, Engine};
use rand::{Rng, SeedableRng};

fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// The largest difference as a share of the largest value.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = a.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    let most = a
        .iter()
        .zip(b)
        .fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
    most / scale
}

fn agree(name: &str, graph: Graph, shape: [usize; 4]) {
    let params = graph.init_params(3);
    let x = Tensor::from_vec(&shape, values(shape.iter().product(), 1)).unwrap();
    let mut cpu = CpuEngine::new(graph.clone(), params.clone()).unwrap();
    let mut burn = BurnEngine::new(graph.clone(), params, "flex").unwrap();
    let ours = cpu.forward_train(&x, 7).unwrap();
    let theirs = burn.forward_train(&x, 7).unwrap();
    for (a, b) in ours.iter().zip(&theirs) {
        assert_eq!(a.shape, b.shape, "{name}");
        assert!(
            apart(&a.data, &b.data) < 2e-4,
            "{name}: output {}",
            apart(&a.data, &b.data)
        );
    }
    let d: Vec<Tensor> = ours
        .iter()
        .enumerate()
        .map(|(i, t)| Tensor::from_vec(&t.shape, values(t.data.len(), 10 + i as u64)).unwrap())
        .collect();
    let (ours, theirs) = (cpu.backward(&d).unwrap(), burn.backward(&d).unwrap());
    for ((info, a), b) in graph.params.iter().zip(&ours).zip(&theirs) {
        match (a, b) {
            (Some(a), Some(b)) => {
                assert!(
                    apart(a, b) < 2e-3,
                    "{name}: gradient of {} {}",
                    info.name,
                    apart(a, b)
                );
            }
            (None, None) => {}
            _ => panic!("{name}: {} has a gradient on one side only", info.name),
        }
    }
    for ((info, a), b) in graph.params.iter().zip(cpu.params()).zip(burn.params()) {
        assert!(
            apart(a, b) < 1e-4,
            "{name}: buffer {} {}",
            info.name,
            apart(a, b)
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
        agree(backbone.name(), backbone.graph(1, &head), [4, 1, 64, 64]);
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
        agree("unet", unet(&config, 1), [2, 1, 30, 37]);
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
    agree("rest", b.finish(), [3, 2, 12, 10]);
}

#[test]
fn dropout_keeps_the_mean_and_repeats() {
    let (mut b, x) = GraphBuilder::new(1);
    let x = b.node("drop", Op::Dropout { p: 0.25 }, &[x]);
    b.output("kept", x);
    let graph = b.finish();
    let x = Tensor::from_vec(&[1, 1, 100, 100], vec![1.0; 10_000]).unwrap();
    let run = |seed| {
        let mut engine = BurnEngine::new(graph.clone(), Vec::new(), "flex").unwrap();
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
    let mut engine = BurnEngine::new(b.finish(), Vec::new(), "flex").unwrap();
    assert!(engine.backward(&[]).is_err());
}
