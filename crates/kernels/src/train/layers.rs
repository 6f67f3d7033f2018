//! From a layer's settings to the kernels' own terms; shared by training and inference.

use crate::conv::{ConvSpec, Direction};
use crate::graph::{Graph, NodeId, Op, ParamId};
use crate::ops::activation::Activation;
use crate::ops::global_pool::Global;
use crate::ops::pool::Window;

/// Input channels up to which a convolution reads the image as it came.
const PLANAR_CHANNELS: usize = 4;

/// The window of a pooling layer.
pub(crate) fn window(op: &Op) -> Option<Window> {
    match *op {
        Op::MaxPool2d {
            kernel,
            stride,
            padding,
            ..
        } => Some(Window {
            kernel,
            stride,
            padding,
        }),
        Op::AvgPool2d { kernel, stride } => Some(Window {
            kernel,
            stride,
            padding: [0, 0],
        }),
        _ => None,
    }
}

/// The kind of a global pooling layer.
pub(crate) fn global(op: &Op) -> Option<Global> {
    match *op {
        Op::GlobalAvgPool => Some(Global::Avg),
        Op::GlobalMaxPool => Some(Global::Max),
        Op::GlobalLsePool { r } => Some(Global::Lse(r)),
        _ => None,
    }
}

/// The pointwise activation of a layer.
pub(crate) fn pointwise(op: &Op) -> Option<Activation> {
    match *op {
        Op::Relu => Some(Activation::Relu),
        Op::Relu6 => Some(Activation::Relu6),
        Op::LeakyRelu { slope } => Some(Activation::LeakyRelu(slope)),
        Op::Sigmoid => Some(Activation::Sigmoid),
        Op::Silu => Some(Activation::Silu),
        Op::Gelu => Some(Activation::Gelu),
        Op::GeluTanh => Some(Activation::GeluTanh),
        Op::Tanh => Some(Activation::Tanh),
        _ => None,
    }
}

/// A layer that multiplies by a weight: convolution, transposed convolution, linear.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product {
    pub weight: ParamId,
    pub bias: Option<ParamId>,
    /// The convolution; for a transposed one, the convolution that it is the input gradient of.
    pub spec: ConvSpec,
    /// Which way the forward pass goes through `spec`.
    pub direction: Direction,
}

impl Product {
    /// `None` for other layers and for weights without the right axes (an error of the shape check).
    pub fn of(graph: &Graph, node: NodeId) -> Option<Self> {
        let op = &graph.nodes[node].op;
        let (weight, bias) = match *op {
            Op::Conv2d { weight, bias, .. }
            | Op::ConvTranspose2d { weight, bias, .. }
            | Op::Linear { weight, bias } => (weight, bias),
            _ => return None,
        };
        let shape = &graph.params.get(weight)?.shape;
        let at = |axis: usize| shape.get(axis).copied().unwrap_or(1);
        let mut spec = ConvSpec {
            inputs: at(1),
            outputs: at(0),
            kernel: [at(2), at(3)],
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        };
        let mut direction = Direction::Forward;
        match *op {
            Op::Conv2d {
                stride,
                padding,
                dilation,
                groups,
                ..
            } => {
                (spec.stride, spec.padding, spec.dilation, spec.groups) =
                    (stride, padding, dilation, groups);
                spec.inputs *= groups;
            }
            Op::ConvTranspose2d {
                stride, padding, ..
            } => {
                (spec.stride, spec.padding) = (stride, padding);
                direction = Direction::Backward;
            }
            _ => {}
        }
        Some(Product {
            weight,
            bias,
            spec,
            direction,
        })
    }

    /// Channels that come out.
    pub fn outputs(&self) -> usize {
        match self.direction {
            Direction::Forward => self.spec.outputs,
            Direction::Backward => self.spec.inputs,
        }
    }

    /// The other way through the convolution: the gradient of the layer's input.
    pub fn reverse(&self) -> Direction {
        match self.direction {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        }
    }

    /// Reads an image of few channels as it came.
    pub fn planar(&self) -> bool {
        self.direction == Direction::Forward
            && self.spec.groups == 1
            && self.spec.inputs <= PLANAR_CHANNELS
            && self.spec.kernel != [1, 1]
    }

    /// Can apply a map to its input as it reads it, forward and for its gradient.
    pub fn maps_input(&self) -> bool {
        self.direction == Direction::Forward && !self.spec.depthwise()
    }
}

/// True for a layer with parameters that gradients train.
pub(crate) fn has_params(op: &Op) -> bool {
    matches!(
        op,
        Op::Conv2d { .. }
            | Op::ConvTranspose2d { .. }
            | Op::BatchNorm { .. }
            | Op::Linear { .. }
            | Op::Embedding { .. }
            | Op::PositionEmbedding { .. }
            | Op::PrependToken { .. }
            | Op::LayerNorm { .. }
    )
}

/// How often each node is read.
pub(crate) fn readers(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut readers = vec![Vec::new(); graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        node.inputs
            .iter()
            .for_each(|&input| readers[input].push(id));
    }
    readers
}

/// True when some reader of the input needs it in blocks; resizing layers read no more than the extents of their second input.
pub(crate) fn input_in_blocks(graph: &Graph) -> bool {
    graph.outputs.iter().any(|(_, id)| *id == 0)
        || graph
            .nodes
            .iter()
            .enumerate()
            .any(|(id, node)| match node.op {
                Op::UpsampleLike { .. } | Op::FitLike => node.inputs[0] == 0,
                _ => node.inputs.contains(&0) && Product::of(graph, id).is_none_or(|p| !p.planar()),
            })
}
