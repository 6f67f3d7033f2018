//! Export to ONNX, so that a trained network runs in any ONNX runtime.
//!
//! Every layer becomes one or a few nodes of opset 17; weights are initializers under their
//! checkpoint keys, so a reader finds them where PyTorch had them. Normalisation is not folded and
//! dropout is left out: the file computes what the network computes in evaluation.

mod emit;
mod proto;

use emit::Emitter;
use hilum_kernels::{Graph, KernelError, Op, Params};
use prost::Message;
use proto::{Model, OperatorSet, StringPair, ValueInfo};
use std::collections::BTreeMap;
use thiserror::Error;

pub use proto::{
    Attribute, Dimension, Graph as OnnxGraph, Model as OnnxModel, Node as OnnxNode,
    Tensor as OnnxTensor, dimension,
};

/// Operator set; 17 is what ONNX Runtime reads since 1.12 (2022).
pub const OPSET: i64 = 17;
/// IR version that belongs to [`OPSET`].
pub const IR_VERSION: i64 = 8;
/// Name of the input, `[batch, channels, height, width]`.
pub const INPUT: &str = "x";
/// protobuf's limit for one message.
const MAX_BYTES: usize = i32::MAX as usize;

/// Why a network could not be exported.
#[derive(Debug, Error)]
pub enum OnnxError {
    /// The graph is not consistent at the given input size.
    #[error(transparent)]
    Graph(#[from] KernelError),
    /// The graph has a layer that needs one size (a linear layer on flattened maps, for example).
    #[error(
        "the network runs at {size:?} but not at every size, so it needs a fixed size: {source}"
    )]
    NeedsFixedSize {
        /// Rows and columns at which it runs.
        size: [usize; 2],
        /// What fails at another size.
        source: KernelError,
    },
    /// A layer that the export does not write yet.
    #[error("the layer `{layer}` cannot be written as ONNX: {kind}")]
    Unsupported {
        /// Its name.
        layer: String,
        /// What it is.
        kind: &'static str,
    },
    /// Fewer or more parameters than the graph names.
    #[error("{got} parameters for a graph of {expected}")]
    ParamCount {
        /// Parameters of the graph.
        expected: usize,
        /// Parameters given.
        got: usize,
    },
    /// A parameter has the wrong number of values.
    #[error("the parameter `{name}` has {got} values, its shape {expected}")]
    ParamLength {
        /// Its key.
        name: String,
        /// Values by its shape.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// Two values of the model would have one name.
    #[error("two values of the exported model are called `{name}`")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A size or attribute beyond the format's 64-bit integers.
    #[error("the size {size} is too large for ONNX")]
    SizeTooLarge {
        /// The size.
        size: usize,
    },
    /// Beyond protobuf's limit of 2 GiB.
    #[error("the model has {bytes} bytes; one ONNX file holds at most {MAX_BYTES}")]
    ModelTooLarge {
        /// How large.
        bytes: usize,
    },
}

/// Rows and columns of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputSize {
    /// Only this size.
    Fixed([usize; 2]),
    /// Any size that the layers allow; the network is checked at this one and at a larger one.
    Dynamic([usize; 2]),
}

/// What goes into the file beside the network.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportOptions {
    /// Name of the model's graph.
    pub name: String,
    /// Rows and columns of the input. The batch is always free.
    pub size: InputSize,
    /// Stored as `metadata_props`, e.g. the input contract under `hilum.contract` as in weight files.
    pub metadata: BTreeMap<String, String>,
}

/// The ONNX file of a network, with the input `x` and the outputs that the graph names.
///
/// # Errors
/// [`OnnxError`]: an inconsistent graph, parameters that do not fit it, a network that needs a fixed
/// size where a free one is asked for, names that clash, a model beyond 2 GiB.
pub fn export(
    graph: &Graph,
    params: &Params,
    options: &ExportOptions,
) -> Result<Vec<u8>, OnnxError> {
    let model = model(graph, params, options)?;
    let bytes = model.encoded_len();
    if bytes > MAX_BYTES {
        return Err(OnnxError::ModelTooLarge { bytes });
    }
    Ok(model.encode_to_vec())
}

/// Whether the network runs at other sizes than `size` too.
pub fn allows_dynamic_size(graph: &Graph, size: [usize; 2]) -> bool {
    axes(graph, InputSize::Dynamic(size)).is_ok()
}

fn model(graph: &Graph, params: &Params, options: &ExportOptions) -> Result<Model, OnnxError> {
    check_params(graph, params)?;
    let axes = axes(graph, options.size)?;
    let mut emitter = Emitter::new(graph, params)?;
    for id in 0..graph.nodes.len() {
        emitter.node(id)?;
    }
    let mut outputs = Vec::new();
    for (name, id) in &graph.outputs {
        emitter.output(name, *id)?;
        outputs.push(value_info(name, &axes[*id])?);
    }
    let input = value_info(INPUT, &axes[0])?;
    let onnx_graph = emitter.finish(&options.name, input, outputs);
    let pair = |(k, v): (&String, &String)| StringPair {
        key: k.clone(),
        value: v.clone(),
    };
    Ok(Model {
        ir_version: Some(IR_VERSION),
        producer_name: "hilum".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(onnx_graph),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: Some(OPSET),
        }],
        metadata_props: options.metadata.iter().map(pair).collect(),
    })
}

fn check_params(graph: &Graph, params: &Params) -> Result<(), OnnxError> {
    if graph.params.len() != params.len() {
        return Err(OnnxError::ParamCount {
            expected: graph.params.len(),
            got: params.len(),
        });
    }
    for (info, values) in graph.params.iter().zip(params) {
        let expected = info.shape.iter().product();
        if values.len() != expected {
            let (name, got) = (info.name.clone(), values.len());
            return Err(OnnxError::ParamLength {
                name,
                expected,
                got,
            });
        }
    }
    Ok(())
}

/// The axes of every node's output; `None` where they depend on the input.
type Axes = Vec<Vec<Option<usize>>>;

fn axes(graph: &Graph, size: InputSize) -> Result<Axes, OnnxError> {
    let channels = match graph.nodes.first().map(|n| &n.op) {
        Some(&Op::Input { channels }) => channels,
        _ => return Err(KernelError::NoInput.into()),
    };
    let (InputSize::Fixed([h, w]) | InputSize::Dynamic([h, w])) = size;
    let here = graph.shapes([1, channels, h, w])?;
    let there = match size {
        InputSize::Fixed(_) => here.clone(),
        // Large enough that every map of a usual network changes its size.
        InputSize::Dynamic(size) => {
            let larger = |n: usize| n.saturating_mul(2).saturating_add(256);
            let shapes = graph.shapes([1, channels, larger(h), larger(w)]);
            shapes.map_err(|source| OnnxError::NeedsFixedSize { size, source })?
        }
    };
    let axis = |i: usize, a: usize, b: usize| (i > 0 && a == b).then_some(a);
    let shape = |(a, b): (&Vec<usize>, &Vec<usize>)| {
        a.iter()
            .zip(b)
            .enumerate()
            .map(|(i, (&a, &b))| axis(i, a, b))
            .collect()
    };
    Ok(here.iter().zip(&there).map(shape).collect())
}

fn value_info(name: &str, axes: &[Option<usize>]) -> Result<ValueInfo, OnnxError> {
    const AXES: [&str; 4] = ["batch", "channels", "height", "width"];
    let dimension = |(i, axis): (usize, &Option<usize>)| {
        Ok(match (axis, i) {
            (Some(n), _) => Dimension::size(int(*n)?),
            (None, 0) => Dimension::named("batch".to_owned()),
            (None, _) => {
                Dimension::named(format!("{name}_{}", AXES.get(i).copied().unwrap_or("axis")))
            }
        })
    };
    let dims: Result<Vec<Dimension>, OnnxError> = axes.iter().enumerate().map(dimension).collect();
    Ok(ValueInfo::float(name, dims?))
}

fn int(size: usize) -> Result<i64, OnnxError> {
    i64::try_from(size).map_err(|_| OnnxError::SizeTooLarge { size })
}
