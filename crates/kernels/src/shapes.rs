//! The shape check: every layer's output shape for one input shape, or what does not fit, in words.

use std::collections::HashSet;

use crate::branch_shapes;
use crate::error::KernelError;
use crate::graph::{Graph, Node, NodeId, Op, ParamId};

/// Values one tensor may hold: byte offsets stay far from overflow, also after padding and packing.
const MAX_VALUES: usize = isize::MAX as usize / 64;

pub(crate) type Shape = Vec<usize>;

impl Graph {
    /// The index of the node called `name`.
    pub fn node(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// The output shape of every node for an input `[n, c, h, w]`, in the order of the nodes.
    ///
    /// # Errors
    /// Whatever does not fit: the graph's structure, parameter shapes, channels, windows, empty axes, sizes that overflow.
    pub fn shapes(&self, input: [usize; 4]) -> Result<Vec<Shape>, KernelError> {
        self.check_structure()?;
        if input.contains(&0) {
            return Err(KernelError::EmptyInput {
                shape: input.to_vec(),
            });
        }
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let inputs: Vec<&Shape> = node.inputs.iter().map(|&i| &shapes[i]).collect();
            let shape = Check { graph: self, node }.output(&inputs, &input)?;
            let values = shape.iter().try_fold(1usize, |acc, &n| acc.checked_mul(n));
            if values.is_none_or(|n| n > MAX_VALUES) {
                return Err(KernelError::Overflow {
                    node: node.name.clone(),
                });
            }
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// Order, names, inputs and outputs of the nodes.
    pub(crate) fn check_structure(&self) -> Result<(), KernelError> {
        let mut names = HashSet::new();
        for (id, node) in self.nodes.iter().enumerate() {
            if matches!(node.op, Op::Input { .. }) != (id == 0) {
                return Err(KernelError::NoInput);
            }
            if !names.insert(node.name.as_str()) {
                return Err(KernelError::DuplicateName {
                    node: node.name.clone(),
                });
            }
            if let Some(&input) = node.inputs.iter().find(|&&input| input >= id) {
                return Err(KernelError::Order {
                    node: node.name.clone(),
                    input,
                });
            }
        }
        if self.nodes.is_empty() {
            return Err(KernelError::NoInput);
        }
        if self.outputs.is_empty() {
            return Err(KernelError::NoOutputs);
        }
        match self.outputs.iter().find(|(_, id)| *id >= self.nodes.len()) {
            Some((name, id)) => Err(KernelError::UnknownOutput {
                name: name.clone(),
                id: *id,
            }),
            None => Ok(()),
        }
    }

    /// Parameters that nodes name exist and weights have the axes their layers need, before any input is known.
    pub(crate) fn check_references(&self) -> Result<(), KernelError> {
        for node in &self.nodes {
            let check = Check { graph: self, node };
            check.arity(node.inputs.len())?;
            match &node.op {
                Op::Conv2d {
                    weight,
                    bias,
                    groups,
                    ..
                } => {
                    let shape = check.weight4(*weight)?;
                    check.setting(
                        "groups",
                        *groups as f64,
                        *groups > 0 && shape[0] % groups == 0,
                    )?;
                    bias.map_or(Ok(()), |id| check.param(id, &shape[..1]))?;
                }
                Op::ConvTranspose2d { weight, bias, .. } => {
                    let shape = check.weight4(*weight)?;
                    bias.map_or(Ok(()), |id| check.param(id, &shape[1..2]))?;
                }
                Op::Linear { weight, bias } => check.linear_params(*weight, *bias)?,
                Op::BatchNorm {
                    weight,
                    bias,
                    mean,
                    var,
                    ..
                } => {
                    let shape = check.param_info(*weight)?.shape.clone();
                    [bias, mean, var]
                        .into_iter()
                        .try_for_each(|id| check.param(*id, &shape))?;
                }
                _ => check.token_params()?,
            }
        }
        Ok(())
    }

    /// Every parameter array must have the length of its declared shape.
    pub(crate) fn check_params(&self, params: &[Vec<f32>]) -> Result<(), KernelError> {
        if params.len() != self.params.len() {
            return Err(KernelError::ParamCount {
                expected: self.params.len(),
                got: params.len(),
            });
        }
        for (info, values) in self.params.iter().zip(params) {
            let expected = info.shape.iter().product();
            if values.len() != expected {
                return Err(KernelError::ParamLength {
                    name: info.name.clone(),
                    expected,
                    got: values.len(),
                });
            }
        }
        Ok(())
    }
}

/// Output length of a strided window; `None` when it does not fit.
pub(crate) fn windowed(
    input: usize,
    window: usize,
    stride: usize,
    padding: usize,
) -> Option<usize> {
    let padded = input.checked_add(padding.checked_mul(2)?)?;
    Some(padded.checked_sub(window)? / stride + 1)
}

/// Output length of a pooling window with `ceil_mode`: the last window must begin inside the input or its left padding.
fn windowed_ceil(input: usize, window: usize, stride: usize, padding: usize) -> Option<usize> {
    let padded = input.checked_add(padding.checked_mul(2)?)?;
    let out = padded.checked_sub(window)?.div_ceil(stride) + 1;
    Some(if (out - 1) * stride >= input + padding {
        out - 1
    } else {
        out
    })
}

pub(crate) struct Check<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) node: &'a Node,
}

impl Check<'_> {
    pub(crate) fn name(&self) -> String {
        self.node.name.clone()
    }

    fn output(&self, inputs: &[&Shape], graph_input: &[usize; 4]) -> Result<Shape, KernelError> {
        self.arity(inputs.len())?;
        match &self.node.op {
            Op::Input { channels } => self.input(*channels, graph_input),
            Op::Conv2d { .. } => self.conv(inputs[0]),
            Op::ConvTranspose2d { .. } => self.conv_transpose(inputs[0]),
            Op::BatchNorm {
                weight,
                bias,
                mean,
                var,
                eps,
                momentum,
            } => {
                for &id in [weight, bias, mean, var] {
                    self.param(id, &[inputs[0][1]])?;
                }
                self.setting("eps", f64::from(*eps), *eps > 0.0)?;
                self.setting(
                    "momentum",
                    f64::from(*momentum),
                    (0.0..=1.0).contains(momentum),
                )?;
                Ok(inputs[0].clone())
            }
            Op::Relu
            | Op::Relu6
            | Op::LeakyRelu { .. }
            | Op::Sigmoid
            | Op::Silu
            | Op::Gelu
            | Op::GeluTanh
            | Op::Tanh => Ok(inputs[0].clone()),
            Op::Dropout { p } => {
                self.setting("p", f64::from(*p), (0.0..1.0).contains(p))?;
                Ok(inputs[0].clone())
            }
            Op::Add => self.same(inputs[0], inputs[1], inputs[0] == inputs[1]),
            Op::Mul => {
                let gate = inputs[0].len() == 4
                    && inputs[1].len() == 4
                    && inputs[0][..2] == inputs[1][..2]
                    && inputs[1][2..] == [1, 1];
                self.same(inputs[0], inputs[1], gate || inputs[0] == inputs[1])
            }
            Op::Concat => self.concat(inputs),
            Op::MaxPool2d {
                kernel,
                stride,
                padding,
                ceil,
            } => self.max_pool(inputs[0], kernel, stride, padding, *ceil),
            Op::AvgPool2d { kernel, stride } => {
                self.window(inputs[0], inputs[0], *kernel, *stride, [0, 0])
            }
            Op::GlobalLsePool { r } => {
                self.setting("r", f64::from(*r), *r > 0.0 && r.is_finite())?;
                self.global(inputs[0])
            }
            Op::GlobalAvgPool | Op::GlobalMaxPool => self.global(inputs[0]),
            Op::UpsampleLike { .. } | Op::FitLike => {
                let (x, like) = (self.image(inputs[0])?, self.image(inputs[1])?);
                Ok(vec![x[0], x[1], like[2], like[3]])
            }
            Op::Flatten => Ok(vec![inputs[0][0], self.product(&inputs[0][1..])?]),
            Op::Linear { weight, bias } => self.linear(inputs[0], *weight, *bias),
            Op::Embedding { .. }
            | Op::PositionEmbedding { .. }
            | Op::PrependToken { .. }
            | Op::TakePlace { .. }
            | Op::LayerNorm { .. }
            | Op::Attention { .. }
            | Op::ChannelAttention { .. }
            | Op::SplitWindows { .. }
            | Op::JoinWindows => self.tokens(inputs),
            Op::GatherSlices { .. }
            | Op::SpreadSlices { .. }
            | Op::PoolSlices { .. }
            | Op::ResizeSlices { .. } => self.slices(inputs[0]),
            Op::PixelShuffle { .. } | Op::Select => self.branches(inputs),
        }
    }

    fn arity(&self, got: usize) -> Result<(), KernelError> {
        let expected = match self.node.op {
            Op::Input { .. } => 0,
            Op::Add | Op::Mul | Op::UpsampleLike { .. } | Op::FitLike | Op::JoinWindows => 2,
            Op::ChannelAttention { .. } => 3,
            Op::Concat => got.max(1),
            Op::Select => branch_shapes::select_arity(got),
            Op::Attention { mask, .. } => 3 + usize::from(mask.is_some()),
            _ => 1,
        };
        if expected == got {
            Ok(())
        } else {
            Err(KernelError::Arity {
                node: self.name(),
                expected,
                got,
            })
        }
    }

    fn input(&self, channels: usize, input: &[usize; 4]) -> Result<Shape, KernelError> {
        if input[1] == channels {
            Ok(input.to_vec())
        } else {
            Err(KernelError::Channels {
                node: self.name(),
                expected: channels,
                got: input[1],
            })
        }
    }

    pub(crate) fn image(&self, shape: &Shape) -> Result<[usize; 4], KernelError> {
        <[usize; 4]>::try_from(shape.as_slice()).map_err(|_| KernelError::Rank {
            node: self.name(),
            expected: 4,
            shape: shape.clone(),
        })
    }

    pub(crate) fn param(&self, id: ParamId, expected: &[usize]) -> Result<(), KernelError> {
        let info = self.param_info(id)?;
        if info.shape == expected {
            return Ok(());
        }
        Err(KernelError::ParamShape {
            node: self.name(),
            name: info.name.clone(),
            expected: expected.to_vec(),
            got: info.shape.clone(),
        })
    }

    pub(crate) fn param_info(&self, id: ParamId) -> Result<&crate::graph::ParamInfo, KernelError> {
        self.graph
            .params
            .get(id)
            .ok_or_else(|| KernelError::UnknownParam {
                node: self.name(),
                id,
            })
    }

    fn weight4(&self, id: ParamId) -> Result<[usize; 4], KernelError> {
        let info = self.param_info(id)?;
        match <[usize; 4]>::try_from(info.shape.as_slice()) {
            Ok(shape) if !shape.contains(&0) => Ok(shape),
            _ => Err(KernelError::ParamShape {
                node: self.name(),
                name: info.name.clone(),
                expected: vec![1; 4],
                got: info.shape.clone(),
            }),
        }
    }

    pub(crate) fn setting(
        &self,
        field: &'static str,
        value: f64,
        fits: bool,
    ) -> Result<(), KernelError> {
        if fits {
            Ok(())
        } else {
            Err(KernelError::Setting {
                node: self.name(),
                field,
                value,
            })
        }
    }

    fn positive(&self, field: &'static str, values: &[usize]) -> Result<(), KernelError> {
        self.setting(field, 0.0, !values.contains(&0))
    }

    fn product(&self, axes: &[usize]) -> Result<usize, KernelError> {
        axes.iter()
            .try_fold(1usize, |acc, &n| acc.checked_mul(n))
            .ok_or_else(|| KernelError::Overflow { node: self.name() })
    }

    pub(crate) fn same(
        &self,
        left: &Shape,
        right: &Shape,
        fits: bool,
    ) -> Result<Shape, KernelError> {
        if fits {
            return Ok(left.clone());
        }
        Err(KernelError::Mismatch {
            node: self.name(),
            left: left.clone(),
            right: right.clone(),
        })
    }

    /// `[n, c, rows, columns]` of a window slid over the input; channels are those of `like`.
    fn window(
        &self,
        x: &Shape,
        like: &[usize],
        window: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Result<Shape, KernelError> {
        let x = self.image(x)?;
        self.positive("window", &window)?;
        self.positive("stride", &stride)?;
        let size = |a: usize| windowed(x[2 + a], window[a], stride[a], padding[a]);
        match (size(0), size(1)) {
            (Some(h), Some(w)) => Ok(vec![x[0], like[1], h, w]),
            _ => Err(KernelError::Window {
                node: self.name(),
                window,
                input: [x[2], x[3]],
            }),
        }
    }

    fn conv(&self, x: &Shape) -> Result<Shape, KernelError> {
        let Op::Conv2d {
            weight,
            bias,
            stride,
            padding,
            dilation,
            groups,
        } = &self.node.op
        else {
            return Err(KernelError::NoInput);
        };
        let [_, channels, ..] = self.image(x)?;
        let [out, per_group, kh, kw] = self.weight4(*weight)?;
        self.positive("dilation", dilation)?;
        self.setting(
            "groups",
            *groups as f64,
            *groups > 0 && channels % groups == 0 && out % groups == 0,
        )?;
        if per_group * groups != channels {
            return Err(KernelError::Channels {
                node: self.name(),
                expected: per_group * groups,
                got: channels,
            });
        }
        if let Some(id) = bias {
            self.param(*id, &[out])?;
        }
        let reach = |k: usize, d: usize| d.checked_mul(k - 1).and_then(|r| r.checked_add(1));
        let (Some(rows), Some(columns)) = (reach(kh, dilation[0]), reach(kw, dilation[1])) else {
            return Err(KernelError::Overflow { node: self.name() });
        };
        self.window(x, &[0, out], [rows, columns], *stride, *padding)
    }

    fn conv_transpose(&self, x: &Shape) -> Result<Shape, KernelError> {
        let Op::ConvTranspose2d {
            weight,
            bias,
            stride,
            padding,
            output_padding,
        } = &self.node.op
        else {
            return Err(KernelError::NoInput);
        };
        let [n, channels, h, w] = self.image(x)?;
        let [inner, out, kh, kw] = self.weight4(*weight)?;
        if inner != channels {
            return Err(KernelError::Channels {
                node: self.name(),
                expected: inner,
                got: channels,
            });
        }
        if let Some(id) = bias {
            self.param(*id, &[out])?;
        }
        self.positive("stride", stride)?;
        let fits = output_padding[0] < stride[0] && output_padding[1] < stride[1];
        self.setting(
            "output_padding",
            output_padding[0].max(output_padding[1]) as f64,
            fits,
        )?;
        let size = |input: usize, k: usize, a: usize| {
            (input - 1)
                .checked_mul(stride[a])?
                .checked_add(k)?
                .checked_add(output_padding[a])?
                .checked_sub(padding[a].checked_mul(2)?)
                .filter(|&len| len > 0)
        };
        match (size(h, kh, 0), size(w, kw, 1)) {
            (Some(oh), Some(ow)) => Ok(vec![n, out, oh, ow]),
            _ => Err(KernelError::Window {
                node: self.name(),
                window: [kh, kw],
                input: [h, w],
            }),
        }
    }

    fn concat(&self, inputs: &[&Shape]) -> Result<Shape, KernelError> {
        let first = inputs[0];
        let mut channels = 0usize;
        for shape in inputs {
            let fits =
                shape.len() == first.len() && shape[0] == first[0] && shape[2..] == first[2..];
            self.same(first, shape, fits)?;
            channels = channels
                .checked_add(shape[1])
                .ok_or_else(|| KernelError::Overflow { node: self.name() })?;
        }
        let mut out = first.clone();
        out[1] = channels;
        Ok(out)
    }

    fn max_pool(
        &self,
        x: &Shape,
        kernel: &[usize; 2],
        stride: &[usize; 2],
        padding: &[usize; 2],
        ceil: bool,
    ) -> Result<Shape, KernelError> {
        // PyTorch's rule: padding beyond half the window would make windows of nothing but padding.
        for a in 0..2 {
            self.setting("padding", padding[a] as f64, padding[a] <= kernel[a] / 2)?;
        }
        // The place of the maximum inside its window is kept in a byte.
        self.setting(
            "window",
            (kernel[0].saturating_mul(kernel[1])) as f64,
            kernel[0].saturating_mul(kernel[1]) <= 255,
        )?;
        let mut out = self.window(x, x, *kernel, *stride, *padding)?;
        if ceil {
            for a in 0..2 {
                out[2 + a] =
                    windowed_ceil(x[2 + a], kernel[a], stride[a], padding[a]).unwrap_or(out[2 + a]);
            }
        }
        Ok(out)
    }

    fn global(&self, x: &Shape) -> Result<Shape, KernelError> {
        let [n, c, ..] = self.image(x)?;
        Ok(vec![n, c, 1, 1])
    }

    fn linear_params(&self, weight: ParamId, bias: Option<ParamId>) -> Result<(), KernelError> {
        let info = self.param_info(weight)?;
        match info.shape.as_slice() {
            &[out, inner] if out > 0 && inner > 0 => {
                bias.map_or(Ok(()), |id| self.param(id, &[out]))
            }
            other => Err(KernelError::ParamShape {
                node: self.name(),
                name: info.name.clone(),
                expected: vec![1, 1],
                got: other.to_vec(),
            }),
        }
    }

    fn linear(
        &self,
        x: &Shape,
        weight: ParamId,
        bias: Option<ParamId>,
    ) -> Result<Shape, KernelError> {
        if x.len() != 2 && x.len() != 4 {
            return Err(KernelError::Rank {
                node: self.name(),
                expected: 2,
                shape: x.clone(),
            });
        }
        self.linear_params(weight, bias)?;
        let out = self.param_info(weight)?.shape[0];
        self.param(weight, &[out, x[1]])?;
        let mut shape = x.clone();
        shape[1] = out;
        Ok(shape)
    }
}
