//! Writing a network down as a graph of named layers.

use hilum_kernels::{Graph, Init, Node, NodeId, Op, ParamId, ParamInfo, ParamRole};

/// Size, stride and padding of a square convolution.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    /// Input channels.
    pub from: usize,
    /// Output channels.
    pub to: usize,
    /// Kernel side.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Zero padding on every side.
    pub padding: usize,
    /// Distance of the kernel's taps.
    pub dilation: usize,
    /// Groups.
    pub groups: usize,
    /// With a bias.
    pub bias: bool,
}

impl Conv {
    /// A convolution that keeps the size (odd kernel, stride 1, no bias).
    pub fn same(from: usize, to: usize, kernel: usize) -> Self {
        Conv {
            from,
            to,
            kernel,
            stride: 1,
            padding: kernel / 2,
            dilation: 1,
            groups: 1,
            bias: false,
        }
    }

    /// With another stride.
    pub fn stride(self, stride: usize) -> Self {
        Conv { stride, ..self }
    }

    /// With another padding.
    pub fn padding(self, padding: usize) -> Self {
        Conv { padding, ..self }
    }

    /// With taps so far apart, and the padding that keeps the size of an odd kernel.
    pub fn dilation(self, dilation: usize) -> Self {
        Conv {
            dilation,
            padding: dilation * (self.kernel / 2),
            ..self
        }
    }

    /// With groups.
    pub fn groups(self, groups: usize) -> Self {
        Conv { groups, ..self }
    }

    /// With a bias.
    pub fn with_bias(self) -> Self {
        Conv { bias: true, ..self }
    }
}

/// Deviation of a table's start values, as BERT's (Devlin et al. 2019, appendix A.2).
const TABLE_STD: f32 = 0.02;

/// Builds a [`Graph`] layer by layer; names are the checkpoint's module paths.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
    weight_init: Init,
}

impl GraphBuilder {
    /// A graph with an input of `channels` channels; returns the builder and the input's node.
    pub fn new(channels: usize) -> (Self, NodeId) {
        let mut b = GraphBuilder {
            graph: Graph::default(),
            weight_init: Init::KaimingFanOut,
        };
        let input = b.node("input", Op::Input { channels }, &[]);
        (b, input)
    }

    /// Adds a node.
    pub fn node(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> NodeId {
        self.graph.nodes.push(Node {
            name: name.to_owned(),
            op,
            inputs: inputs.to_vec(),
        });
        self.graph.nodes.len() - 1
    }

    fn param(&mut self, name: String, shape: &[usize], role: ParamRole, init: Init) -> ParamId {
        self.graph.params.push(ParamInfo {
            name,
            shape: shape.to_vec(),
            role,
            init,
        });
        self.graph.params.len() - 1
    }

    /// A square 2-D convolution called `name`, with `name.weight` and, if asked for, `name.bias`.
    pub fn conv(&mut self, name: &str, x: NodeId, c: Conv) -> NodeId {
        let shape = [c.to, c.from / c.groups, c.kernel, c.kernel];
        let weight = self.param(
            format!("{name}.weight"),
            &shape,
            ParamRole::Weight,
            self.weight_init,
        );
        let bias = c.bias.then(|| self.bias(name, c.to));
        let op = Op::Conv2d {
            weight,
            bias,
            stride: [c.stride; 2],
            padding: [c.padding; 2],
            dilation: [c.dilation; 2],
            groups: c.groups,
        };
        self.node(name, op, &[x])
    }

    fn bias(&mut self, name: &str, len: usize) -> ParamId {
        self.param(
            format!("{name}.bias"),
            &[len],
            ParamRole::Bias,
            Init::Constant(0.0),
        )
    }

    /// A transposed convolution whose stride equals its kernel, with bias.
    pub fn up_conv(&mut self, name: &str, x: NodeId, from: usize, to: usize, k: usize) -> NodeId {
        let shape = [from, to, k, k];
        let weight = self.param(
            format!("{name}.weight"),
            &shape,
            ParamRole::Weight,
            Init::KaimingFanIn,
        );
        let bias = Some(self.bias(name, to));
        let op = Op::ConvTranspose2d {
            weight,
            bias,
            stride: [k; 2],
            padding: [0; 2],
            output_padding: [0; 2],
        };
        self.node(name, op, &[x])
    }

    /// Batch normalisation called `name` with the four keys of PyTorch.
    pub fn batch_norm(&mut self, name: &str, x: NodeId, channels: usize) -> NodeId {
        let c = [channels];
        let weight = self.param(
            format!("{name}.weight"),
            &c,
            ParamRole::Norm,
            Init::Constant(1.0),
        );
        let bias = self.param(
            format!("{name}.bias"),
            &c,
            ParamRole::Norm,
            Init::Constant(0.0),
        );
        let mean = self.param(
            format!("{name}.running_mean"),
            &c,
            ParamRole::Buffer,
            Init::Constant(0.0),
        );
        let var = self.param(
            format!("{name}.running_var"),
            &c,
            ParamRole::Buffer,
            Init::Constant(1.0),
        );
        let op = Op::BatchNorm {
            weight,
            bias,
            mean,
            var,
            eps: 1e-5,
            momentum: 0.1,
        };
        self.node(name, op, &[x])
    }

    /// ReLU; its name is made from the node before it.
    pub fn relu(&mut self, x: NodeId) -> NodeId {
        let name = format!("{}.relu", self.graph.nodes[x].name);
        self.node(&name, Op::Relu, &[x])
    }

    /// Convolution, batch normalisation and ReLU.
    pub fn conv_bn_relu(&mut self, conv: &str, bn: &str, x: NodeId, c: Conv) -> NodeId {
        let y = self.conv(conv, x, c);
        let y = self.batch_norm(bn, y, c.to);
        self.relu(y)
    }

    /// Sum.
    pub fn add(&mut self, name: &str, a: NodeId, b: NodeId) -> NodeId {
        self.node(name, Op::Add, &[a, b])
    }

    /// Concatenation along channels.
    pub fn concat(&mut self, name: &str, parts: &[NodeId]) -> NodeId {
        self.node(name, Op::Concat, parts)
    }

    /// Pixel shuffle: `factor` times the rows and columns out of channels.
    pub fn pixel_shuffle(&mut self, name: &str, x: NodeId, factor: usize) -> NodeId {
        self.node(name, Op::PixelShuffle { factor }, &[x])
    }

    /// Branches weighed by the softmax of their gates, channel by channel.
    pub fn select(&mut self, name: &str, gates: &[NodeId], branches: &[NodeId]) -> NodeId {
        self.node(name, Op::Select, &[gates, branches].concat())
    }

    /// Max pooling.
    pub fn max_pool(&mut self, name: &str, x: NodeId, k: usize, s: usize, p: usize) -> NodeId {
        let op = Op::MaxPool2d {
            kernel: [k; 2],
            stride: [s; 2],
            padding: [p; 2],
            ceil: false,
        };
        self.node(name, op, &[x])
    }

    /// Average pooling.
    pub fn avg_pool(&mut self, name: &str, x: NodeId, k: usize, s: usize) -> NodeId {
        self.node(
            name,
            Op::AvgPool2d {
                kernel: [k; 2],
                stride: [s; 2],
            },
            &[x],
        )
    }

    /// Global pooling, flattening, optional dropout and a linear layer called `name`.
    pub fn classifier(&mut self, name: &str, x: NodeId, from: usize, head: &Head) -> NodeId {
        let pooled = self.node("pool", head.pooling.op(), &[x]);
        let mut flat = self.node("flatten", Op::Flatten, &[pooled]);
        if head.dropout > 0.0 {
            flat = self.node("dropout", Op::Dropout { p: head.dropout }, &[flat]);
        }
        self.linear(name, flat, from, head.classes)
    }

    /// A linear layer with bias.
    pub fn linear(&mut self, name: &str, x: NodeId, from: usize, to: usize) -> NodeId {
        let weight = self.param(
            format!("{name}.weight"),
            &[to, from],
            ParamRole::Weight,
            Init::UniformFanIn,
        );
        let bias = Some(self.bias(name, to));
        self.node(name, Op::Linear { weight, bias }, &[x])
    }

    /// A table `name.weight` whose rows a channel of the input chooses.
    pub fn embedding(
        &mut self,
        name: &str,
        input: NodeId,
        channel: usize,
        table: [usize; 2],
    ) -> NodeId {
        let weight = self.table(name, table);
        self.node(name, Op::Embedding { weight, channel }, &[input])
    }

    /// A table `name.weight` with a row for each place.
    pub fn position_embedding(&mut self, name: &str, like: NodeId, table: [usize; 2]) -> NodeId {
        let weight = self.table(name, table);
        self.node(name, Op::PositionEmbedding { weight, offset: 0 }, &[like])
    }

    /// A learned token called `name` before the places of every image, stored as `[1, 1, d]`.
    pub fn prepend_token(&mut self, name: &str, x: NodeId, d: usize) -> NodeId {
        let weight = self.tokens(name, &[1, 1, d]);
        self.node(name, Op::PrependToken { weight }, &[x])
    }

    /// A table called `name` with a row for each place, stored as `[1, rows, d]`.
    pub fn token_places(&mut self, name: &str, like: NodeId, [rows, d]: [usize; 2]) -> NodeId {
        let weight = self.tokens(name, &[1, rows, d]);
        self.node(name, Op::PositionEmbedding { weight, offset: 0 }, &[like])
    }

    fn tokens(&mut self, name: &str, shape: &[usize]) -> ParamId {
        let init = Init::Normal { std: TABLE_STD };
        self.param(name.to_owned(), shape, ParamRole::Weight, init)
    }

    fn table(&mut self, name: &str, shape: [usize; 2]) -> ParamId {
        self.param(
            format!("{name}.weight"),
            &shape,
            ParamRole::Weight,
            Init::Normal { std: TABLE_STD },
        )
    }

    /// Layer normalisation called `name`.
    pub fn layer_norm(&mut self, name: &str, x: NodeId, channels: usize, eps: f32) -> NodeId {
        let part = |b: &mut Self, key: &str, value: f32| {
            let name = format!("{name}.{key}");
            b.param(name, &[channels], ParamRole::Norm, Init::Constant(value))
        };
        let (weight, bias) = (part(self, "weight", 1.0), part(self, "bias", 0.0));
        self.node(name, Op::LayerNorm { weight, bias, eps }, &[x])
    }

    /// Dropout, or nothing where `p` is zero.
    pub fn dropout(&mut self, name: &str, x: NodeId, p: f32) -> NodeId {
        if p > 0.0 {
            self.node(name, Op::Dropout { p }, &[x])
        } else {
            x
        }
    }

    /// A linear layer whose weight is the graph's first table (tied words), with `name.bias` of its own.
    pub fn linear_with_table(&mut self, name: &str, x: NodeId, rows: usize) -> NodeId {
        let table = self.graph.nodes.iter().find_map(|node| match node.op {
            Op::Embedding { weight, .. } => Some(weight),
            _ => None,
        });
        let bias = Some(self.bias(name, rows));
        // Without a table the shape check refuses the graph: the parameter does not exist.
        let weight = table.unwrap_or(usize::MAX);
        self.node(name, Op::Linear { weight, bias }, &[x])
    }

    /// Names a node as an output.
    pub fn output(&mut self, name: &str, x: NodeId) {
        self.graph.outputs.push((name.to_owned(), x));
    }

    /// The finished graph.
    pub fn finish(self) -> Graph {
        self.graph
    }
}

/// How feature maps become a vector (Wang et al. 2017, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Mean.
    Average,
    /// Maximum.
    Max,
    /// Log-sum-exp with sharpness `r`.
    LogSumExp {
        /// Sharpness.
        r: f32,
    },
}

impl Pooling {
    fn op(self) -> Op {
        match self {
            Pooling::Average => Op::GlobalAvgPool,
            Pooling::Max => Op::GlobalMaxPool,
            Pooling::LogSumExp { r } => Op::GlobalLsePool { r },
        }
    }
}

/// The classifying end of a backbone.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    /// Number of logits.
    pub classes: usize,
    /// Global pooling.
    pub pooling: Pooling,
    /// Dropout before the last layer.
    pub dropout: f32,
}

impl Head {
    /// Average pooling without dropout.
    pub fn plain(classes: usize) -> Self {
        Head {
            classes,
            pooling: Pooling::Average,
            dropout: 0.0,
        }
    }
}
