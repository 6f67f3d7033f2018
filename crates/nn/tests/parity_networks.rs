//! Outputs of the backbones against torchvision's, with torchvision's random weights.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

use hilum_kernels::plan::Plan;
use hilum_kernels::train::{Mode, Trainer};
use hilum_kernels::{Graph, Tensor};
use hilum_nn::backbones::{
    DenseNetConfig, ResNetBlock, ResNetConfig, UNetConfig, UpMode, densenet, resnet, unet,
};
use hilum_nn::builder::Head;
use hilum_nn::weights::WeightFile;
use std::path::PathBuf;

const TOLERANCE: f32 = 2e-4;

fn folder() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/parity/networks"
    ));
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: network parity needs ../shared/parity/networks, which is not here");
    None
}

fn tensor(file: &WeightFile, name: &str) -> Tensor {
    let (shape, data) = file
        .tensors
        .get(name)
        .unwrap_or_else(|| panic!("no {name}"));
    Tensor {
        shape: shape.clone(),
        data: data.clone(),
    }
}

fn assert_close(what: &str, got: &[f32], want: &Tensor) {
    assert_eq!(got.len(), want.data.len(), "{what}: number of values");
    let scale = want.data.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    let worst = got
        .iter()
        .zip(&want.data)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(worst <= TOLERANCE * scale, "{what}: off by {worst}");
}

/// Runs plan and trainer and compares each named output with the fixture.
fn check(name: &str, graph: &Graph, outputs: &[(&str, &str)]) {
    let Some(folder) = folder() else { return };
    let weights = WeightFile::open(&folder.join(format!("{name}.safetensors"))).unwrap();
    let io = WeightFile::open(&folder.join(format!("{name}_io.safetensors"))).unwrap();
    let mut params = weights.params_for(graph).unwrap();
    let x = tensor(&io, "in.x");
    let by_plan = Plan::new(graph, &params).unwrap().run(&x).unwrap();
    let mut trainer = Trainer::new(graph.clone()).unwrap();
    let by_trainer = trainer.forward(&mut params, &x, Mode::Eval).unwrap();
    for (ours, theirs) in outputs {
        let at = graph.outputs.iter().position(|(n, _)| n == ours).unwrap();
        let want = tensor(&io, &format!("out.{theirs}"));
        assert_close(
            &format!("{name} {ours} by the plan"),
            &by_plan[at].data,
            &want,
        );
        assert_close(
            &format!("{name} {ours} by the trainer"),
            &by_trainer[at].data,
            &want,
        );
    }
}

#[test]
fn densenet_matches_torchvision() {
    let config = DenseNetConfig {
        growth: 4,
        blocks: vec![2, 2, 2, 2],
        stem: 8,
        bottleneck: 2,
    };
    let graph = densenet(&config, 3, &Head::plain(14));
    check(
        "densenet",
        &graph,
        &[("logits", "logits"), ("norm5", "features")],
    );
}

#[test]
fn densenet_with_one_channel_and_odd_sizes_matches() {
    let config = DenseNetConfig {
        growth: 4,
        blocks: vec![2, 2],
        stem: 6,
        bottleneck: 4,
    };
    let graph = densenet(&config, 1, &Head::plain(5));
    check(
        "densenet_odd_1ch",
        &graph,
        &[("logits", "logits"), ("norm5", "features")],
    );
}

#[test]
fn resnets_match_torchvision() {
    let graph = resnet(&ResNetConfig::basic(&[2, 2, 2, 2], 4), 3, &Head::plain(7));
    check(
        "resnet18_narrow",
        &graph,
        &[("logits", "logits"), ("features", "layer4")],
    );
    let config = ResNetConfig {
        block: ResNetBlock::Bottleneck,
        layers: vec![2, 1, 1, 1],
        width: 4,
    };
    let graph = resnet(&config, 3, &Head::plain(7));
    check(
        "resnet50_narrow",
        &graph,
        &[("logits", "logits"), ("features", "layer4")],
    );
}

#[test]
fn unets_match_pytorch() {
    for (name, up) in [
        ("unet_bilinear", UpMode::Bilinear),
        ("unet_transposed_odd", UpMode::Transposed),
    ] {
        let config = UNetConfig {
            widths: vec![6, 12, 16],
            classes: 3,
            up,
        };
        check(name, &unet(&config, 1), &[("logits", "y")]);
    }
}
