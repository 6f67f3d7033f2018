//! Attributions against captum's numbers (and against the papers' formulas where captum has none), on a small
//! network with random weights; DeepLIFT against its axiom.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

use hilum_explain::cam::{CamKind, cam, enlarge, guided_grad_cam};
use hilum_explain::fidelity::{Curves, Link, deletion};
use hilum_explain::gradient::{
    Integrated, Quadrature, conductance, deconvolution, deep_lift, gradient, guided_backprop,
    input_x_gradient, integrated_gradients, lrp_epsilon, saliency,
};
use hilum_explain::perturb::{Occlusion, feature_ablation, occlusion, rise};
use hilum_explain::{Baseline, Net, Segments};
use hilum_kernels::{Graph, Init, Node, NodeId, Op, ParamInfo, ParamRole, Tensor};
use safetensors::SafeTensors;
use serde_json::Value;
use std::path::PathBuf;

/// How far sums may miss where an attribution is complete.
const COMPLETE: f64 = 1e-5;
/// Side of the fixture's images.
const SIDE: usize = 16;
/// What the fixture's other baseline shows.
const CONSTANT: Baseline = Baseline::Constant(-0.3);

/// The fixture: captum 0.9 on a network with random weights (`captum.json` says how).
fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
}

#[derive(Default)]
struct Builder {
    graph: Graph,
}

impl Builder {
    fn node(&mut self, name: &str, op: Op) -> NodeId {
        let inputs = self.graph.nodes.len().checked_sub(1).into_iter().collect();
        self.graph.nodes.push(Node {
            name: name.to_owned(),
            op,
            inputs,
        });
        self.graph.nodes.len() - 1
    }

    fn param(&mut self, name: String, shape: &[usize]) -> usize {
        self.graph.params.push(ParamInfo {
            name,
            shape: shape.to_vec(),
            role: ParamRole::Weight,
            init: Init::Constant(0.0),
        });
        self.graph.params.len() - 1
    }

    fn conv(&mut self, name: &str, from: usize, to: usize) {
        let weight = self.param(format!("{name}.weight"), &[to, from, 3, 3]);
        let bias = Some(self.param(format!("{name}.bias"), &[to]));
        let op = Op::Conv2d {
            weight,
            bias,
            stride: [1; 2],
            padding: [1; 2],
            dilation: [1; 2],
            groups: 1,
        };
        self.node(name, op);
    }

    fn linear(&mut self, name: &str, from: usize, to: usize) -> NodeId {
        let weight = self.param(format!("{name}.weight"), &[to, from]);
        let bias = Some(self.param(format!("{name}.bias"), &[to]));
        self.node(name, Op::Linear { weight, bias })
    }

    fn pool(&mut self, name: &str) {
        let op = Op::MaxPool2d {
            kernel: [2; 2],
            stride: [2; 2],
            padding: [0; 2],
            ceil: false,
        };
        self.node(name, op);
    }
}

/// The fixture's network, as its `network` field tells it.
fn net(bytes: &[u8]) -> Net {
    let mut b = Builder::default();
    b.node("input", Op::Input { channels: 1 });
    b.conv("conv1", 1, 4);
    b.node("relu1", Op::Relu);
    b.pool("pool1");
    b.conv("conv2", 4, 6);
    b.node("relu2", Op::Relu);
    b.pool("pool2");
    b.node("flatten", Op::Flatten);
    b.linear("fc1", 96, 12);
    b.node("relu3", Op::Relu);
    let logits = b.linear("fc2", 12, 3);
    b.graph.outputs.push(("logits".to_owned(), logits));
    let file = SafeTensors::deserialize(bytes).unwrap();
    let values = |info: &ParamInfo| -> Vec<f32> {
        let view = file.tensor(&info.name).unwrap();
        assert_eq!(view.shape(), info.shape);
        let floats = view.data().chunks_exact(4);
        floats
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    };
    let params = b.graph.params.iter().map(values).collect();
    Net::new(&b.graph, &[params], "logits").unwrap()
}

/// All numbers of a nested list, in order.
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

fn integrated(quadrature: Quadrature, baseline: Baseline) -> Integrated {
    Integrated {
        steps: 50,
        quadrature,
        baseline,
    }
}

/// Bits of the fixture's masks, most significant first.
fn masks(case: &Value) -> Vec<f32> {
    let bytes = flat(&case["expected"]["masks"]);
    bytes
        .iter()
        .flat_map(|b| (0..8).map(|i| ((*b as u8 >> (7 - i)) & 1) as f32))
        .collect()
}

fn rectified(mut map: Tensor) -> Tensor {
    map.data.iter_mut().for_each(|v| *v = v.max(0.0));
    map
}

/// The map of a case by its name without `_t<target>`, and captum's convergence delta where there is one.
fn map(net: &Net, name: &str, case: &Value, x: &Tensor, t: &[usize]) -> (Tensor, Option<Vec<f64>>) {
    let zero = Baseline::Constant(0.0);
    let at = |layer: &str| net.layer(layer).unwrap();
    let cam = |layer: &str, kind| cam(net, x, t, at(layer), kind).unwrap();
    let by = |quadrature, baseline| {
        let (map, gap) =
            integrated_gradients(net, x, t, &integrated(quadrature, baseline)).unwrap();
        (map, Some(gap))
    };
    let slide = |window, stride, baseline| {
        let settings = Occlusion {
            window,
            stride,
            baseline,
        };
        occlusion(net, x, t, &settings).unwrap()
    };
    let lift = |baseline: &Baseline| {
        let (map, gap) = deep_lift(net, x, t, baseline).unwrap();
        (map, Some(gap))
    };
    let map = match name {
        "saliency" => saliency(net, x, t).unwrap(),
        "gradient_signed" => gradient(net, x, t).unwrap(),
        "input_x_gradient" => input_x_gradient(net, x, t).unwrap(),
        "guided_backprop" => guided_backprop(net, x, t).unwrap(),
        "deconvolution" => deconvolution(net, x, t).unwrap(),
        "integrated_gradients_gausslegendre" => return by(Quadrature::GaussLegendre, zero),
        "integrated_gradients_riemann_trapezoid" => return by(Quadrature::Trapezoid, zero),
        "integrated_gradients_riemann_middle" => return by(Quadrature::Middle, zero),
        "integrated_gradients_riemann_right" => return by(Quadrature::Right, zero),
        "integrated_gradients_baseline" => return by(Quadrature::GaussLegendre, CONSTANT),
        "deeplift_zero" => return lift(&zero),
        "deeplift_const" => return lift(&CONSTANT),
        "occlusion_3x3_s1" => slide([3, 3], [1, 1], zero),
        "occlusion_5x4_s3_2" => slide([5, 4], [3, 2], CONSTANT),
        "feature_ablation_4x4" => {
            let tiles = Segments::tiles(SIDE, SIDE, 4).unwrap();
            feature_ablation(net, x, t, &tiles, &zero).unwrap()
        }
        "gradcam_conv2_relu0" => cam("conv2", CamKind::GradCam),
        "gradcam_conv2_relu1" => rectified(cam("conv2", CamKind::GradCam)),
        "gradcam_conv1_relu0" => cam("conv1", CamKind::GradCam),
        "gradcam_conv1_relu1" => rectified(cam("conv1", CamKind::GradCam)),
        "gradcam_relu2_upsampled" => enlarge(&cam("relu2", CamKind::GradCam), SIDE, SIDE),
        "guided_gradcam" => guided_grad_cam(net, x, t, at("conv2")).unwrap(),
        "layer_conductance_conv2" => {
            let settings = integrated(Quadrature::GaussLegendre, zero);
            conductance(net, x, t, at("conv2"), &settings).unwrap()
        }
        "lrp" => lrp_epsilon(net, x, t, 1e-9).unwrap(),
        "hirescam_relu2" => cam("relu2", CamKind::HiRes),
        "layercam_relu2" => cam("relu2", CamKind::Layer),
        "gradcam_pp_relu2" => cam("relu2", CamKind::GradCamPlusPlus),
        "rise_fixed_masks" => rise(net, x, t, &masks(case), 0.5, Link::Softmax).unwrap(),
        other => panic!("no method for the case {other}"),
    };
    (map, None)
}

fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}: number of values");
    let off = |(a, b): (&f64, &f64)| (a - b).abs();
    let worst = got.iter().zip(want).map(off).fold(0.0, f64::max);
    assert!(worst <= tolerance, "{what}: off by {worst}");
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

#[test]
fn attributions_have_captums_numbers() {
    let folder = folder();
    let text = std::fs::read_to_string(folder.join("captum.json")).unwrap();
    let fixture: Value = serde_json::from_str(&text).unwrap();
    let net = net(&std::fs::read(folder.join("tinycnn.safetensors")).unwrap());
    let images: Vec<f32> = flat(&fixture["data"]["x"])
        .iter()
        .map(|v| *v as f32)
        .collect();
    let count = images.len() / (SIDE * SIDE);
    let x = Tensor::from_vec(&[count, 1, SIDE, SIDE], images).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 55);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let tolerance = case["tolerance"].as_f64().unwrap();
        let (method, target) = name.rsplit_once("_t").unwrap();
        let targets = vec![target.parse::<usize>().unwrap(); count];
        if method == "deletion_curve_ig" {
            check_deletion(&net, &x, &targets, case, tolerance);
            continue;
        }
        let (map, gap) = map(&net, method, case, &x, &targets);
        if method.starts_with("deeplift") {
            // captum 0.9's sums miss the logits' difference by up to 0.04 behind this network's second max pooling
            // (and by nothing with mean pooling in its place); held here to the axiom instead.
            assert_close(name, &gap.unwrap(), &vec![0.0; count], COMPLETE);
            assert!(map.data.iter().any(|v| f64::from(v.abs()) > tolerance));
            continue;
        }
        let want = flat(&case["expected"]["attribution"]);
        assert_close(name, &wide(&map.data), &want, tolerance);
        if let Some(gap) = gap {
            let want = flat(&case["expected"]["convergence_delta"]);
            assert_close(&format!("{name} delta"), &gap, &want, tolerance);
        }
    }
}

/// The deletion curve of integrated gradients, image by image; the fixture has `[step][image]`.
fn check_deletion(net: &Net, x: &Tensor, targets: &[usize], case: &Value, tolerance: f64) {
    let settings = integrated(Quadrature::GaussLegendre, Baseline::Constant(0.0));
    let (map, _) = integrated_gradients(net, x, targets, &settings).unwrap();
    let curves = Curves {
        pixels: 16,
        link: Link::Softmax,
        deleted: Baseline::Constant(0.0),
        ..Curves::for_size(SIDE, SIDE)
    };
    let (want, auc) = (
        flat(&case["expected"]["curve"]),
        flat(&case["expected"]["auc"]),
    );
    let pixels = SIDE * SIDE;
    for (i, target) in targets.iter().enumerate() {
        let part = i * pixels..(i + 1) * pixels;
        let one = Tensor::from_vec(&[1, 1, SIDE, SIDE], x.data[part.clone()].to_vec()).unwrap();
        let strength: Vec<f32> = map.data[part].iter().map(|v| v.abs()).collect();
        let curve = deletion(net, &one, *target, &strength, &curves).unwrap();
        let want: Vec<f64> = want
            .iter()
            .skip(i)
            .step_by(targets.len())
            .copied()
            .collect();
        assert_close("deletion", &curve.scores, &want, tolerance);
        assert_close("deletion AUC", &[curve.auc], &auc[i..=i], tolerance);
    }
}
