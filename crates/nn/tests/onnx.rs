//! Exported networks: their structure, and what ONNX Runtime computes with them next to the CPU
//! kernels and, for single layers, next to PyTorch.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use hilum_kernels::{Graph, Init, Op, ParamInfo, ParamRole, Params, Plan, Tensor};
use hilum_nn::backbones::{
    Backbone, DenseNetConfig, InceptionConfig, MobileNetConfig, ResNetConfig, SqueezeNetConfig,
    UNetConfig, UpMode, VggConfig, unet,
};
use hilum_nn::builder::{Conv, GraphBuilder, Head, Pooling};
use hilum_nn::onnx::{
    ExportOptions, InputSize, OnnxError, OnnxModel, allows_dynamic_size, dimension, export,
};
use prost::Message;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn options(size: InputSize) -> ExportOptions {
    let contract = ("hilum.contract".to_owned(), r#"{"height":32}"#.to_owned());
    ExportOptions {
        name: "net".to_owned(),
        size,
        metadata: BTreeMap::from([contract]),
    }
}

/// Parameters for which every layer matters; variances stay positive.
fn random_params(graph: &Graph, seed: u64) -> Params {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let value = |rng: &mut ChaCha8Rng, info: &ParamInfo| match info.role {
        ParamRole::Weight => {
            let fan_in = info.shape[1..].iter().product::<usize>() as f32;
            rng.random_range(-1.0f32..1.0) * (3.0 / fan_in).sqrt()
        }
        _ if info.name.ends_with("running_var") || info.name.ends_with("weight") => {
            rng.random_range(0.5..1.5)
        }
        _ => rng.random_range(-0.3..0.3),
    };
    let fill = |info: &ParamInfo| {
        (0..info.shape.iter().product::<usize>())
            .map(|_| value(&mut rng, info))
            .collect()
    };
    graph.params.iter().map(fill).collect()
}

fn random_input(shape: [usize; 4]) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let data = (0..shape.iter().product())
        .map(|_| rng.random_range(-2.0..2.0))
        .collect();
    Tensor {
        shape: shape.to_vec(),
        data,
    }
}

/// All layers that no backbone has, in one graph.
fn odd_layers() -> Graph {
    let (mut b, x) = GraphBuilder::new(2);
    let gate = b.node("gate.pool", Op::GlobalAvgPool, &[x]);
    let gate = b.node("gate.sigmoid", Op::Sigmoid, &[gate]);
    let y = b.node("gate", Op::Mul, &[x, gate]);
    let y = b.node("silu", Op::Silu, &[y]);
    let y = b.node("gelu", Op::Gelu, &[y]);
    let y = b.node("tanh", Op::Tanh, &[y]);
    let pool = Op::MaxPool2d {
        kernel: [3, 2],
        stride: [2, 2],
        padding: [1, 1],
        ceil: true,
    };
    let small = b.node("pool", pool, &[y]);
    let small = b.node("leaky", Op::LeakyRelu { slope: 0.1 }, &[small]);
    let up = b.node(
        "up",
        Op::UpsampleLike {
            align_corners: false,
        },
        &[small, x],
    );
    let wide = b.up_conv("wide", small, 2, 3, 3);
    let cut = b.node("cut", Op::FitLike, &[wide, x]);
    let grown = b.node("grown", Op::FitLike, &[small, x]);
    let all = b.concat("all", &[up, cut, grown]);
    let all = b.node("relu6", Op::Relu6, &[all]);
    let dropped = b.node("dropped", Op::Dropout { p: 0.5 }, &[all]);
    let maps = b.avg_pool("avg", dropped, 2, 2);
    let lse = b.node("lse", Op::GlobalLsePool { r: 4.0 }, &[dropped]);
    let max = b.node("max", Op::GlobalMaxPool, &[dropped]);
    let both = b.add("both", lse, max);
    let flat = b.node("flat", Op::Flatten, &[both]);
    let logits = b.linear("fc", flat, 7, 4);
    b.output("logits", logits);
    b.output("dropped_maps", dropped);
    b.output("maps", maps);
    b.output("lse_pooled", lse);
    b.finish()
}

/// A chain of dilated convolutions whose channels become rows and columns.
fn shuffle() -> Graph {
    let (mut b, x) = GraphBuilder::new(1);
    let y = b.conv("a", x, Conv::same(1, 8, 3).dilation(2));
    let y = b.pixel_shuffle("up", y, 2);
    let pooled = b.node("pool", Op::GlobalAvgPool, &[y]);
    let flat = b.node("flat", Op::Flatten, &[pooled]);
    b.output("picture", y);
    b.output("logits", flat);
    b.finish()
}

/// A dilated, strided, grouped convolution and a transposed one with output padding.
fn odd_convolutions() -> Graph {
    let (mut b, x) = GraphBuilder::new(2);
    let y = b.node("conv", grouped([2, 1], [1, 2], [1, 2]), &[x]);
    let op = Op::ConvTranspose2d {
        weight: 1,
        bias: None,
        stride: [2, 3],
        padding: [1, 0],
        output_padding: [1, 2],
    };
    let y = b.node("transposed", op, &[y]);
    b.output("logits", y);
    let mut graph = b.finish();
    let param = |name: &str, shape: &[usize]| ParamInfo {
        name: name.to_owned(),
        shape: shape.to_vec(),
        role: ParamRole::Weight,
        init: Init::KaimingFanIn,
    };
    graph.params = vec![
        param("conv.weight", &[4, 1, 3, 2]),
        param("t.weight", &[4, 3, 3, 2]),
    ];
    graph
}

fn grouped(stride: [usize; 2], padding: [usize; 2], dilation: [usize; 2]) -> Op {
    Op::Conv2d {
        weight: 0,
        bias: None,
        stride,
        padding,
        dilation,
        groups: 2,
    }
}

fn head() -> Head {
    Head {
        classes: 3,
        pooling: Pooling::LogSumExp { r: 10.0 },
        dropout: 0.2,
    }
}

fn networks() -> Vec<(&'static str, Graph)> {
    let small_unet = |up| UNetConfig {
        widths: vec![4, 6, 8],
        classes: 2,
        up,
    };
    let dense = DenseNetConfig {
        growth: 4,
        blocks: vec![2, 2],
        stem: 8,
        bottleneck: 2,
    };
    let mobile = MobileNetConfig {
        stem: 4,
        blocks: vec![(6, 1), (8, 2)],
    };
    let squeeze = SqueezeNetConfig {
        stem: 6,
        fires: vec![vec![(2, 4)], vec![(2, 6)]],
    };
    let inception = InceptionConfig {
        stem: 6,
        modules: vec![4, 4],
    };
    let plain = Head::plain(3);
    vec![
        (
            "resnet",
            Backbone::ResNet(ResNetConfig::basic(&[1, 1], 6)).graph(1, &head()),
        ),
        ("densenet", Backbone::DenseNet(dense).graph(1, &plain)),
        (
            "vgg",
            Backbone::Vgg(VggConfig {
                stages: vec![vec![4], vec![6]],
            })
            .graph(1, &plain),
        ),
        ("squeezenet", Backbone::SqueezeNet(squeeze).graph(1, &plain)),
        ("mobilenet", Backbone::MobileNet(mobile).graph(1, &plain)),
        ("inception", Backbone::Inception(inception).graph(1, &plain)),
        ("unet_bilinear", unet(&small_unet(UpMode::Bilinear), 1)),
        ("unet_transposed", unet(&small_unet(UpMode::Transposed), 1)),
        ("odd_layers", odd_layers()),
        ("odd_convolutions", odd_convolutions()),
        ("shuffle", shuffle()),
    ]
}

fn channels(graph: &Graph) -> usize {
    match graph.nodes[0].op {
        Op::Input { channels } => channels,
        _ => panic!("node 0 is no input"),
    }
}

#[test]
fn the_structure_is_sound() {
    for (name, graph) in networks() {
        let params = random_params(&graph, 1);
        let bytes = export(&graph, &params, &options(InputSize::Dynamic([32, 40]))).unwrap();
        let model = OnnxModel::decode(bytes.as_slice()).unwrap();
        assert_eq!(
            (model.ir_version, model.opset_import[0].version),
            (Some(8), Some(17))
        );
        assert_eq!(model.metadata_props[0].key, "hilum.contract");
        let onnx = model.graph.unwrap();
        for (info, values) in graph.params.iter().zip(&params) {
            let tensor = onnx
                .initializer
                .iter()
                .find(|t| t.name == info.name)
                .unwrap();
            assert_eq!(
                tensor.dims,
                info.shape.iter().map(|&n| n as i64).collect::<Vec<_>>()
            );
            let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            assert_eq!(tensor.raw_data, raw, "{name} {}", info.name);
        }
        let mut known: HashSet<&str> = onnx.initializer.iter().map(|t| t.name.as_str()).collect();
        known.insert("x");
        for node in &onnx.node {
            for input in node.input.iter().filter(|i| !i.is_empty()) {
                assert!(
                    known.contains(input.as_str()),
                    "{name}: {input} is used before it is made"
                );
            }
            assert!(
                node.output.iter().all(|o| known.insert(o)),
                "{name}: {:?} twice",
                node.output
            );
        }
        let outputs: Vec<_> = onnx.output.iter().map(|o| o.name.as_str()).collect();
        let want: Vec<_> = graph.outputs.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(outputs, want, "{name}");
        let convolutions = onnx.node.iter().filter(|n| n.op_type == "Conv").count();
        let ours = graph
            .nodes
            .iter()
            .filter(|n| matches!(n.op, Op::Conv2d { .. }))
            .count();
        assert_eq!(convolutions, ours, "{name}");
    }
}

#[test]
fn free_axes_are_named_and_others_are_not() {
    let (_, graph) = networks().remove(0);
    let params = random_params(&graph, 1);
    let shape = |size, output: usize| {
        let bytes = export(&graph, &params, &options(size)).unwrap();
        let info = OnnxModel::decode(bytes.as_slice())
            .unwrap()
            .graph
            .unwrap()
            .output
            .remove(output);
        let dims = info.r#type.unwrap().tensor_type.unwrap().shape.unwrap().dim;
        let text = |v: dimension::Value| match v {
            dimension::Value::DimValue(n) => n.to_string(),
            dimension::Value::DimParam(name) => name,
        };
        dims.into_iter()
            .map(|d| text(d.value.unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(shape(InputSize::Dynamic([32, 32]), 0), ["batch", "3"]);
    let maps = ["batch", "12", "features_height", "features_width"];
    assert_eq!(shape(InputSize::Dynamic([32, 32]), 1), maps);
    assert_eq!(
        shape(InputSize::Fixed([32, 64]), 1),
        ["batch", "12", "4", "8"]
    );
}

#[test]
fn a_linear_layer_on_maps_needs_a_fixed_size() {
    let (mut b, x) = GraphBuilder::new(1);
    let flat = b.node("flat", Op::Flatten, &[x]);
    let y = b.linear("fc", flat, 16, 2);
    b.output("logits", y);
    let graph = b.finish();
    let params = random_params(&graph, 1);
    assert!(!allows_dynamic_size(&graph, [4, 4]));
    assert!(export(&graph, &params, &options(InputSize::Fixed([4, 4]))).is_ok());
    let free = export(&graph, &params, &options(InputSize::Dynamic([4, 4])));
    assert!(matches!(
        free,
        Err(OnnxError::NeedsFixedSize { size: [4, 4], .. })
    ));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (_, graph) = networks().remove(0);
    let params = random_params(&graph, 1);
    let size = InputSize::Fixed([32, 32]);
    let short = export(&graph, &params[1..].to_vec(), &options(size));
    assert!(matches!(short, Err(OnnxError::ParamCount { .. })));
    let mut cut = params.clone();
    cut[0].pop();
    let cut = export(&graph, &cut, &options(size));
    assert!(matches!(cut, Err(OnnxError::ParamLength { .. })));
    let mut twice = graph.clone();
    twice.outputs.push(twice.outputs[0].clone());
    let twice = export(&twice, &params, &options(size));
    assert!(matches!(twice, Err(OnnxError::DuplicateName { name }) if name == "logits"));
    let tiny = export(&graph, &params, &options(InputSize::Fixed([0, 32])));
    assert!(matches!(tiny, Err(OnnxError::Graph(_))));
    let (mut b, x) = GraphBuilder::new(1);
    let mean = b.node("mean", Op::GlobalAvgPool, &[x]);
    let chosen = b.select("chosen", &[mean, mean], &[x, x]);
    b.output("chosen", chosen);
    let weighed = export(&b.finish(), &Vec::new(), &options(size));
    assert!(matches!(weighed, Err(OnnxError::Unsupported { layer, .. }) if layer == "chosen"));
}

/// A Python with the packages that a test needs: `HILUM_PYTHON`, else the workspace's `.venv`.
fn python() -> PathBuf {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv/bin/python");
    std::env::var_os("HILUM_PYTHON").map_or_else(|| PathBuf::from(venv), PathBuf::from)
}

fn write_floats(path: &Path, values: &[f32]) {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(path, bytes).unwrap();
}

/// Runs each `<case>.onnx` on each `<case>.<i>.json` shape and `.in` values; writes the outputs.
const RUN: &str = r#"
import glob, json, sys, numpy as np, onnxruntime as ort
folder = sys.argv[1]
try:
    import onnx
except ImportError:
    onnx = None
result = {}
for path in sorted(glob.glob(folder + "/*.onnx")):
    if onnx:
        onnx.checker.check_model(path, full_check=True)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["hilum.contract"]
    for shape_path in sorted(glob.glob(path[:-5] + ".*.json")):
        shape = json.load(open(shape_path))
        x = np.fromfile(shape_path[:-5] + ".in", dtype="<f4").reshape(shape)
        names = [o.name for o in session.get_outputs()]
        values = session.run(names, {"x": x})
        result[shape_path.split("/")[-1][:-5]] = [[list(v.shape), v.ravel().tolist()] for v in values]
json.dump(result, open(folder + "/result.json", "w"))
"#;

const SHAPES: [[usize; 2]; 3] = [[32, 40], [33, 47], [57, 32]];

#[test]
fn onnx_runtime_computes_what_the_kernels_compute() {
    if !python_has("onnxruntime, numpy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: String| folder.path().join(name);
    let mut want = BTreeMap::new();
    for (name, graph) in networks() {
        let params = random_params(&graph, 3);
        let size = InputSize::Dynamic(SHAPES[0]);
        let bytes = export(&graph, &params, &options(size)).unwrap();
        std::fs::write(at(format!("{name}.onnx")), bytes).unwrap();
        let plan = Plan::new(&graph, &params).unwrap();
        for (i, [h, w]) in SHAPES.into_iter().enumerate() {
            let x = random_input([i + 1, channels(&graph), h, w]);
            write_floats(&at(format!("{name}.{i}.in")), &x.data);
            std::fs::write(at(format!("{name}.{i}.json")), format!("{:?}", x.shape)).unwrap();
            want.insert(format!("{name}.{i}"), plan.run(&x).unwrap());
        }
    }
    run_python(RUN, folder.path());
    let got = std::fs::read(at("result.json".to_owned())).unwrap();
    let got: BTreeMap<String, Vec<ShapedValues>> = serde_json::from_slice(&got).unwrap();
    assert_eq!(got.len(), want.len());
    for (case, want) in want {
        assert_eq!(got[&case].len(), want.len());
        for (output, want) in got[&case].iter().zip(&want) {
            assert_close(&case, output, want);
        }
    }
}

/// Shape and values as the script writes them.
type ShapedValues = (Vec<usize>, Vec<f32>);

fn assert_close(case: &str, (shape, data): &ShapedValues, want: &Tensor) {
    assert_eq!(shape, &want.shape, "{case}");
    let scale = want.data.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    let worst = data
        .iter()
        .zip(&want.data)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(worst <= 2e-4 * scale, "{case}: off by {worst} of {scale}");
}

fn python_has(packages: &str) -> bool {
    let found = Command::new(python())
        .args(["-c", &format!("import {packages}")])
        .output();
    let found = found.is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("skipped: needs a Python with {packages} (HILUM_PYTHON)");
    }
    found
}

fn run_python(script: &str, folder: &Path) {
    let run = Command::new(python())
        .args(["-c", script])
        .arg(folder)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

/// `odd_layers` and `odd_convolutions` once more by PyTorch, with the weights that the file names.
const TORCH: &str = r#"
import sys, numpy as np, onnxruntime as ort, torch, torch.nn.functional as F
folder = sys.argv[1]
torch.manual_seed(0)
def floats(name, *shape):
    return torch.from_numpy(np.fromfile(f"{folder}/{name}", dtype="<f4").reshape(shape).copy())
def fit(x, like):
    h, w = like.shape[2:]
    x = F.pad(x, (0, max(w - x.shape[3], 0), 0, max(h - x.shape[2], 0)))
    return x[:, :, :h, :w]
def layers(x):
    g = x * torch.sigmoid(x.mean((2, 3), keepdim=True))
    y = torch.tanh(F.gelu(F.silu(g)))
    small = F.leaky_relu(F.max_pool2d(y, (3, 2), 2, 1, ceil_mode=True), 0.1)
    up = F.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)
    wide = F.conv_transpose2d(small, floats("wide.weight", 2, 3, 3, 3), floats("wide.bias", 3), stride=3)
    all = F.relu6(torch.cat([up, fit(wide, x), fit(small, x)], 1))
    n = all.shape[2] * all.shape[3]
    lse = (torch.logsumexp(4.0 * all.flatten(2), 2) - np.log(n)) / 4.0
    logits = F.linear(lse + all.flatten(2).amax(2), floats("fc.weight", 4, 7), floats("fc.bias", 4))
    return [logits, all, F.avg_pool2d(all, 2), lse[:, :, None, None]]
def convolutions(x):
    y = F.conv2d(x, floats("conv.weight", 4, 1, 3, 2), None, (2, 1), (1, 2), (1, 2), 2)
    return [F.conv_transpose2d(y, floats("t.weight", 4, 3, 3, 2), None, (2, 3), (1, 0), (1, 2))]
for name, net in [("layers", layers), ("convolutions", convolutions)]:
    session = ort.InferenceSession(f"{folder}/{name}.onnx", providers=["CPUExecutionProvider"])
    for shape in [(2, 2, 9, 12), (1, 2, 16, 7), (1, 2, 10, 10)]:
        x = torch.randn(shape)
        for got, want in zip(session.run(None, {"x": x.numpy()}), net(x), strict=True):
            np.testing.assert_allclose(got, want.numpy(), rtol=1e-4, atol=1e-5)
"#;

#[test]
fn odd_layers_match_pytorch() {
    if !python_has("onnxruntime, numpy, torch") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, graph) in [
        ("layers", odd_layers()),
        ("convolutions", odd_convolutions()),
    ] {
        let params = random_params(&graph, 9);
        let bytes = export(&graph, &params, &options(InputSize::Dynamic([16, 16]))).unwrap();
        std::fs::write(folder.path().join(format!("{name}.onnx")), bytes).unwrap();
        for (info, values) in graph.params.iter().zip(&params) {
            write_floats(&folder.path().join(&info.name), values);
        }
    }
    run_python(TORCH, folder.path());
}
