//! One forward pass over the graph.

use crate::ops;
use burn::tensor::activation;
use burn::tensor::module;
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, ConvTransposeOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor};
use hilum_kernels::{Graph, NodeId, Op, ParamId};

/// What a node gives: images or rows.
#[derive(Clone)]
pub enum Value {
    /// `[n, c, h, w]`.
    Map(Tensor<4>),
    /// `[n, features]`.
    Rows(Tensor<2>),
}

impl Value {
    fn map(&self) -> Tensor<4> {
        match self {
            Value::Map(x) => x.clone(),
            // The shape check of the graph has refused layers with the other kind of input.
            Value::Rows(x) => {
                let [n, c] = x.dims();
                x.clone().reshape([n, c, 1, 1])
            }
        }
    }

    fn rows(&self) -> Tensor<2> {
        match self {
            Value::Map(x) => {
                let [n, c, h, w] = x.dims();
                x.clone().reshape([n, c * h * w])
            }
            Value::Rows(x) => x.clone(),
        }
    }

    /// All values in one axis, still tracked.
    pub fn flat(&self) -> Tensor<1> {
        match self {
            Value::Map(x) => x.clone().flatten(0, 3),
            Value::Rows(x) => x.clone().flatten(0, 1),
        }
    }

    /// Applies `f` to all values, whatever their shape.
    fn each(&self, f: impl Fn(Tensor<4>) -> Tensor<4>) -> Value {
        match self {
            Value::Map(x) => Value::Map(f(x.clone())),
            Value::Rows(x) => {
                let [n, c] = x.dims();
                Value::Rows(f(x.clone().reshape([n, c, 1, 1])).reshape([n, c]))
            }
        }
    }
}

/// Statistics of one batch, for the running ones.
pub struct BatchStatistics {
    /// Buffer of the mean.
    pub mean_id: ParamId,
    /// Buffer of the variance.
    pub var_id: ParamId,
    /// Mean by channel.
    pub mean: Tensor<1>,
    /// Biased variance by channel.
    pub var: Tensor<1>,
    /// Values that a channel's statistics stand on.
    pub count: usize,
    /// Share of the new statistics.
    pub momentum: f32,
}

/// What a forward pass in training mode leaves.
pub struct Pass {
    /// By node.
    pub values: Vec<Value>,
    /// Of every batch normalisation.
    pub statistics: Vec<BatchStatistics>,
}

/// The first layer that this engine does not know: those for sequences, volumes and branches run on the kernels only.
pub fn unknown_layer(graph: &Graph) -> Option<&str> {
    let unknown = |op: &Op| {
        matches!(
            op,
            Op::GeluTanh
                | Op::Embedding { .. }
                | Op::PositionEmbedding { .. }
                | Op::PrependToken { .. }
                | Op::TakePlace { .. }
                | Op::LayerNorm { .. }
                | Op::Attention { .. }
                | Op::ChannelAttention { .. }
                | Op::SplitWindows { .. }
                | Op::JoinWindows
                | Op::GatherSlices { .. }
                | Op::SpreadSlices { .. }
                | Op::PoolSlices { .. }
                | Op::ResizeSlices { .. }
                | Op::PixelShuffle { .. }
                | Op::Select
        )
    };
    let node = graph.nodes.iter().find(|node| unknown(&node.op))?;
    Some(&node.name)
}

/// Runs the graph in training mode; `leaves` are the flat parameters, `shapes` those of the nodes.
pub struct Runner<'a> {
    pub graph: &'a Graph,
    pub leaves: &'a [Tensor<1>],
    pub shapes: &'a [Vec<usize>],
    pub device: &'a Device,
    pub seed: u64,
}

impl Runner<'_> {
    /// The whole pass.
    pub fn run(&self, x: Tensor<4>) -> Pass {
        let mut pass = Pass {
            values: Vec::with_capacity(self.graph.nodes.len()),
            statistics: Vec::new(),
        };
        for id in 0..self.graph.nodes.len() {
            let value = self.node(id, &x, &mut pass);
            pass.values.push(value);
        }
        pass
    }

    fn node(&self, id: NodeId, x: &Tensor<4>, pass: &mut Pass) -> Value {
        let node = &self.graph.nodes[id];
        let inputs: Vec<Value> = node
            .inputs
            .iter()
            .map(|&i| pass.values[i].clone())
            .collect();
        let Some(first) = inputs.first() else {
            return Value::Map(x.clone());
        };
        match &node.op {
            Op::Input { .. } => Value::Map(x.clone()),
            Op::Conv2d { .. } | Op::ConvTranspose2d { .. } => {
                Value::Map(self.convolution(&node.op, first.map()))
            }
            Op::Linear { weight, bias } => Value::Rows(module::linear(
                first.rows(),
                self.param::<2>(*weight).transpose(),
                bias.map(|b| self.param::<1>(b)),
            )),
            Op::BatchNorm { .. } => self.norm(&node.op, first, pass),
            Op::Relu => first.each(activation::relu),
            Op::Relu6 => first.each(|x| x.clamp(0.0, 6.0)),
            Op::LeakyRelu { slope } => first.each(|x| activation::leaky_relu(x, f64::from(*slope))),
            Op::Sigmoid => first.each(activation::sigmoid),
            Op::Silu => first.each(activation::silu),
            Op::Gelu => first.each(activation::gelu),
            Op::Tanh => first.each(activation::tanh),
            Op::Dropout { p } => self.dropout(id, *p, first),
            Op::Add => Value::Map(first.map() + inputs[1].map()).like(first),
            Op::Mul => Value::Map(first.map() * inputs[1].map()).like(first),
            Op::Concat => {
                Value::Map(Tensor::cat(inputs.iter().map(Value::map).collect(), 1)).like(first)
            }
            Op::Flatten => Value::Rows(first.rows()),
            op => Value::Map(self.spatial(op, first.map(), self.extent(id))),
        }
    }

    /// Rows and columns of a node's output.
    fn extent(&self, id: NodeId) -> [usize; 2] {
        match self.shapes[id][..] {
            [_, _, h, w] => [h, w],
            _ => [1, 1],
        }
    }

    /// A parameter in its own shape.
    fn param<const D: usize>(&self, id: ParamId) -> Tensor<D> {
        let mut shape = [1; D];
        shape.copy_from_slice(&self.graph.params[id].shape);
        self.leaves[id].clone().reshape(shape)
    }

    fn convolution(&self, op: &Op, x: Tensor<4>) -> Tensor<4> {
        match *op {
            Op::Conv2d {
                weight,
                bias,
                stride,
                padding,
                dilation,
                groups,
            } => {
                let options = ConvOptions::new(stride, padding, dilation, groups);
                module::conv2d(x, self.param(weight), bias.map(|b| self.param(b)), options)
            }
            Op::ConvTranspose2d {
                weight,
                bias,
                stride,
                padding,
                output_padding,
            } => {
                let options = ConvTransposeOptions::new(stride, padding, output_padding, [1, 1], 1);
                module::conv_transpose2d(
                    x,
                    self.param(weight),
                    bias.map(|b| self.param(b)),
                    options,
                )
            }
            _ => x,
        }
    }

    fn norm(&self, op: &Op, x: &Value, pass: &mut Pass) -> Value {
        let &Op::BatchNorm {
            weight,
            bias,
            mean,
            var,
            eps,
            momentum,
        } = op
        else {
            return x.clone();
        };
        let map = x.map();
        let [n, _, h, w] = map.dims();
        let done =
            module::batch_norm_train(map, self.param(weight), self.param(bias), f64::from(eps));
        pass.statistics.push(BatchStatistics {
            mean_id: mean,
            var_id: var,
            mean: done.mean,
            var: done.variance,
            count: n * h * w,
            momentum,
        });
        Value::Map(done.output).like(x)
    }

    fn dropout(&self, id: NodeId, p: f32, x: &Value) -> Value {
        let map = x.map();
        let shape = map.dims();
        let mask = ops::dropout_mask(&shape, p, self.seed, id, self.device);
        Value::Map(map * mask.reshape(shape)).like(x)
    }

    fn spatial(&self, op: &Op, x: Tensor<4>, to: [usize; 2]) -> Tensor<4> {
        match *op {
            Op::MaxPool2d {
                kernel,
                stride,
                padding,
                ceil,
            } => {
                let options = MaxPoolOptions::new(kernel)
                    .with_stride(stride)
                    .with_padding(padding)
                    .with_ceil_mode(ceil);
                module::max_pool2d(x, options)
            }
            Op::AvgPool2d { kernel, stride } => {
                module::avg_pool2d(x, AvgPoolOptions::new(kernel).with_stride(stride))
            }
            Op::GlobalAvgPool => ops::global_avg(x),
            Op::GlobalMaxPool => ops::global_max(x),
            Op::GlobalLsePool { r } => ops::global_lse(x, r),
            Op::UpsampleLike { align_corners } => ops::bilinear(x, to, align_corners),
            Op::FitLike => ops::fit(x, to),
            _ => x,
        }
    }
}

impl Value {
    /// Rows again if `other` is rows.
    fn like(self, other: &Value) -> Value {
        match other {
            Value::Map(_) => self,
            Value::Rows(_) => Value::Rows(self.rows()),
        }
    }
}
