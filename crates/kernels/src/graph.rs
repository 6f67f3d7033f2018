//! A network as a graph of layers with named parameters.
//!
//! The graph is the single definition of a network: the inference plan, the training step, the ONNX
//! export and any other engine walk the same nodes. Parameter names are the keys of the published
//! checkpoints (torchvision's naming), so weights load by name.

use crate::ops::slices::{SlicePooling, SliceWindow};

/// Index of a node; node 0 is the input.
pub type NodeId = usize;
/// Index of a parameter in [`Graph::params`] and [`Params`].
pub type ParamId = usize;
/// Values of all parameters, in the order of [`Graph::params`].
pub type Params = Vec<Vec<f32>>;

/// What a parameter is to the optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamRole {
    /// Convolution or linear weight: decays.
    Weight,
    /// Bias: does not decay.
    Bias,
    /// Scale or shift of a normalisation: does not decay.
    Norm,
    /// Running statistics: not trained by gradients.
    Buffer,
}

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Kaiming normal, fan out, for ReLU (He et al. 2015), as torchvision's ResNet.
    KaimingFanOut,
    /// Kaiming normal, fan in, for ReLU.
    KaimingFanIn,
    /// Uniform in ±1/sqrt(fan in), PyTorch's default for linear layers.
    UniformFanIn,
    /// Normal around zero.
    Normal {
        /// Standard deviation.
        std: f32,
    },
    /// A constant.
    Constant(f32),
}

/// Name, shape and role of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamInfo {
    /// Key in the checkpoint, e.g. `layer1.0.conv1.weight`.
    pub name: String,
    /// Shape as in PyTorch (convolution `[out, in / groups, kh, kw]`, transposed `[in, out / groups, kh, kw]`, linear `[out, in]`).
    pub shape: Vec<usize>,
    /// Role.
    pub role: ParamRole,
    /// Start value.
    pub init: Init,
}

/// A layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The network's input, `[n, c, h, w]`.
    Input {
        /// Channels.
        channels: usize,
    },
    /// 2-D convolution (cross-correlation), zero padding.
    Conv2d {
        /// Weight `[out, in / groups, kh, kw]`.
        weight: ParamId,
        /// Bias `[out]`.
        bias: Option<ParamId>,
        /// Stride by axis (rows, columns).
        stride: [usize; 2],
        /// Padding by axis, both sides.
        padding: [usize; 2],
        /// Dilation by axis.
        dilation: [usize; 2],
        /// Groups.
        groups: usize,
    },
    /// 2-D transposed convolution, groups 1, dilation 1.
    ConvTranspose2d {
        /// Weight `[in, out, kh, kw]`.
        weight: ParamId,
        /// Bias `[out]`.
        bias: Option<ParamId>,
        /// Stride by axis.
        stride: [usize; 2],
        /// Padding by axis.
        padding: [usize; 2],
        /// Extra rows and columns at the end.
        output_padding: [usize; 2],
    },
    /// Batch normalisation over `[n, h, w]`; in training the biased variance normalises and the unbiased one updates the buffer.
    BatchNorm {
        /// Scale.
        weight: ParamId,
        /// Shift.
        bias: ParamId,
        /// Running mean buffer.
        mean: ParamId,
        /// Running variance buffer.
        var: ParamId,
        /// Added to the variance.
        eps: f32,
        /// Share of the new statistics (PyTorch's convention, 0.1).
        momentum: f32,
    },
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// x if positive, slope * x otherwise.
    LeakyRelu {
        /// Slope for negative values.
        slope: f32,
    },
    /// Logistic function.
    Sigmoid,
    /// x * sigmoid(x).
    Silu,
    /// x Φ(x), Φ the normal distribution (Hendrycks and Gimpel 2016).
    Gelu,
    /// GELU by its tanh approximation, as GPT-2's.
    GeluTanh,
    /// Hyperbolic tangent.
    Tanh,
    /// Sum of two inputs of one shape.
    Add,
    /// Product; the second input may be `[n, c, 1, 1]` (squeeze and excitation).
    Mul,
    /// Concatenation along channels.
    Concat,
    /// Max pooling; padding counts as minus infinity.
    MaxPool2d {
        /// Window.
        kernel: [usize; 2],
        /// Stride.
        stride: [usize; 2],
        /// Padding.
        padding: [usize; 2],
        /// Round the output size up, as PyTorch's `ceil_mode`.
        ceil: bool,
    },
    /// Average pooling without padding.
    AvgPool2d {
        /// Window.
        kernel: [usize; 2],
        /// Stride.
        stride: [usize; 2],
    },
    /// Mean over rows and columns, `[n, c, h, w]` to `[n, c, 1, 1]`.
    GlobalAvgPool,
    /// Maximum over rows and columns, to `[n, c, 1, 1]`.
    GlobalMaxPool,
    /// Log-sum-exp pooling of ChestX-ray8 (Wang et al. 2017, section 3.2): m + ln(mean(exp(r (x - m)))) / r, m the maximum, to `[n, c, 1, 1]`.
    GlobalLsePool {
        /// Sharpness; to 0 is the mean, to infinity the maximum.
        r: f32,
    },
    /// Bilinear resize of the first input to the rows and columns of the second input.
    UpsampleLike {
        /// PyTorch's `align_corners`.
        align_corners: bool,
    },
    /// Zero padding (right, bottom) or cropping of the first input to the rows and columns of the second.
    FitLike,
    /// `[n, c, h, w]` to `[n, c h w]`.
    Flatten,
    /// `x W^T + b` on `[n, in]`, or for every place of `[n, in, h, w]`.
    Linear {
        /// Weight `[out, in]`.
        weight: ParamId,
        /// Bias `[out]`.
        bias: Option<ParamId>,
    },
    /// Rows of a table, chosen by one channel of the graph's input, whose values are whole numbers:
    /// `[n, channels, h, w]` to `[n, d, h, w]`. Sequences of tokens are images of one row.
    Embedding {
        /// Table `[rows, d]`.
        weight: ParamId,
        /// Channel that holds the row numbers.
        channel: usize,
    },
    /// Rows of a table by place: `[n, _, h, w]` to `[n, d, h, w]`, row `offset + y w + x`.
    PositionEmbedding {
        /// Table `[rows, d]`.
        weight: ParamId,
        /// Row of the first place.
        offset: usize,
    },
    /// A learned vector before the places of every image: `[n, d, h, w]` to `[n, d, 1, 1 + h w]`
    /// (class and register tokens).
    PrependToken {
        /// The vector, of `d` values in any shape.
        weight: ParamId,
    },
    /// The values at one place, row after row: `[n, d, h, w]` to `[n, d]`.
    TakePlace {
        /// Which.
        index: usize,
    },
    /// Normalisation over the channels of each place (Ba et al. 2016), biased variance.
    LayerNorm {
        /// Scale `[d]`.
        weight: ParamId,
        /// Shift `[d]`.
        bias: ParamId,
        /// Added to the variance.
        eps: f32,
    },
    /// Scaled dot-product attention of queries `[n, heads e, h, w]` to keys and values `[n, k e, ..]` (Vaswani et al. 2017,
    /// section 3.2), from place to place; `k` divides `heads`, fewer key heads are shared by neighbouring query heads.
    /// Inputs: queries, keys, values and, with `mask`, the graph's input.
    Attention {
        /// Heads of the queries.
        heads: usize,
        /// A place sees itself and the places before it only.
        causal: bool,
        /// Channel of the graph's input that is zero at places nobody may attend to.
        mask: Option<usize>,
    },
    /// Attention from channel to channel (DaViT, Ding et al. 2022, section 3.3): in each group of `c / groups` channels, every channel
    /// is a token whose vector is its map, `softmax(q kᵀ / sqrt(h w)) v`. Inputs: queries, keys and values of one shape
    /// `[n, c, h, w]`. The scale is that of the published code's second version; the paper's is by the channels of a group.
    ChannelAttention {
        /// Groups.
        groups: usize,
    },
    /// Square windows of an image as images of their own, row after row: `[n, c, h, w]` to `[n ⌈h/side⌉ ⌈w/side⌉, c, side, side]`, zeros
    /// below and right of the image (Swin, Liu et al. 2021, section 3.2). With attention behind it, window attention.
    SplitWindows {
        /// Rows and columns of a window.
        side: usize,
    },
    /// Back from windows to images: the first input has the windows, the second the rows and columns to come back to.
    JoinWindows,
    /// The slices of windows along volumes as channels, tap after tap: `[v s, c, h, w]`, `s` slices of each of `v` volumes one
    /// behind the other, to `[v s', c taps, h, w]`. With a convolution behind it, a 3-D convolution.
    GatherSlices {
        /// Slices of the input, and the windows on them.
        window: SliceWindow,
    },
    /// The transpose: `[v s, c taps, h, w]` to `[v s', c, h, w]`, `s' = (s - 1) stride + taps - 2 padding`. Behind a transposed
    /// convolution, a transposed 3-D convolution.
    SpreadSlices {
        /// Slices of the input, each of which stands for a window on the output.
        window: SliceWindow,
    },
    /// Pooling along the slices, without padding; with pooling of the images before it, 3-D pooling.
    PoolSlices {
        /// Slices of the input, and the windows on them.
        window: SliceWindow,
        /// Maximum or mean.
        kind: SlicePooling,
    },
    /// Linear resizing along the slices; with bilinear resizing of the images, trilinear.
    ResizeSlices {
        /// Slices of the input.
        slices: usize,
        /// Slices of the output.
        to: usize,
        /// PyTorch's `align_corners`.
        align_corners: bool,
    },
    /// Channels become rows and columns: `[n, c factor², h, w]` to `[n, c, h factor, w factor]` (Shi et al. 2016), in PyTorch's order.
    PixelShuffle {
        /// How much larger.
        factor: usize,
    },
    /// Branches weighed against each other channel by channel (Li et al. 2019): `sum over k of softmax(gates)_k branch_k`. Inputs: two or
    /// more gates `[n, c, 1, 1]`, then as many branches `[n, c, h, w]`.
    Select,
    /// Inverted dropout in training, identity otherwise.
    Dropout {
        /// Chance of a zero.
        p: f32,
    },
}

/// A layer in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Module path, e.g. `layer1.0.conv1`; unique.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// Where its inputs come from; always smaller than its own index.
    pub inputs: Vec<NodeId>,
}

/// A network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    /// Layers in order of execution.
    pub nodes: Vec<Node>,
    /// Parameters.
    pub params: Vec<ParamInfo>,
    /// Named outputs.
    pub outputs: Vec<(String, NodeId)>,
}
