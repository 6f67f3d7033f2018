//! The shape check of the layers for sequences, and the check of row numbers in the input.

use crate::error::KernelError;
use crate::graph::{Graph, Op, ParamId};
use crate::shapes::{Check, Shape};
use crate::tensor::Tensor;

impl Graph {
    /// The row numbers in an input `[n, c, h, w]` of a checked shape must be rows of the tables that they choose from.
    pub(crate) fn check_rows(&self, x: &Tensor) -> Result<(), KernelError> {
        for node in &self.nodes {
            let Op::Embedding { weight, channel } = node.op else {
                continue;
            };
            let shape = &self.params[weight].shape;
            let rows = shape.iter().rev().skip(1).product::<usize>();
            let pixels = x.shape[2] * x.shape[3];
            for image in x.data.chunks_exact(x.shape[1] * pixels) {
                let values = &image[channel * pixels..][..pixels];
                let fits = |v: &f32| *v >= 0.0 && v.fract() == 0.0 && (*v as usize) < rows;
                if let Some(&value) = values.iter().find(|v| !fits(v)) {
                    return Err(KernelError::Row {
                        node: node.name.clone(),
                        value,
                        rows,
                    });
                }
            }
        }
        Ok(())
    }
}

impl Check<'_> {
    /// Parameters of the layers for sequences have the axes they need.
    pub(crate) fn token_params(&self) -> Result<(), KernelError> {
        match self.node.op {
            Op::Embedding { weight, .. } => {
                self.table(weight)?;
                self.reads_input(0)
            }
            Op::PositionEmbedding { weight, .. } => self.table(weight).map(drop),
            Op::LayerNorm { weight, bias, .. } => {
                let shape = self.param_info(weight)?.shape.clone();
                self.param(bias, &shape)
            }
            Op::PrependToken { weight } => self.param_info(weight).map(drop),
            Op::Attention { mask: Some(_), .. } => self.reads_input(3),
            _ => Ok(()),
        }
    }

    fn reads_input(&self, at: usize) -> Result<(), KernelError> {
        if self.node.inputs.get(at) == Some(&0) {
            return Ok(());
        }
        Err(KernelError::NotTheInput { node: self.name() })
    }

    /// Rows and columns of a table, both at least one.
    fn table(&self, id: ParamId) -> Result<[usize; 2], KernelError> {
        let info = self.param_info(id)?;
        // Published checkpoints store places as `[1, rows, d]` too.
        match info.shape[..] {
            [rows, d] | [1, rows, d] if rows > 0 && d > 0 => Ok([rows, d]),
            _ => Err(KernelError::ParamShape {
                node: self.name(),
                name: info.name.clone(),
                expected: vec![1, 1],
                got: info.shape.clone(),
            }),
        }
    }

    pub(crate) fn tokens(&self, inputs: &[&Shape]) -> Result<Shape, KernelError> {
        self.token_params()?;
        let x = self.image(inputs[0])?;
        match self.node.op {
            Op::Embedding { weight, channel } => {
                self.setting("channel", channel as f64, channel < x[1])?;
                Ok(vec![x[0], self.table(weight)?[1], x[2], x[3]])
            }
            Op::PositionEmbedding { weight, offset } => self.positions(x, weight, offset),
            Op::PrependToken { weight } => {
                let info = self.param_info(weight)?;
                if info.shape.iter().product::<usize>() != x[1] {
                    return self.param(weight, &[x[1]]).map(|()| Vec::new());
                }
                Ok(vec![x[0], x[1], 1, 1 + x[2] * x[3]])
            }
            Op::TakePlace { index } => {
                self.setting("index", index as f64, index < x[2] * x[3])?;
                Ok(vec![x[0], x[1]])
            }
            Op::LayerNorm { weight, eps, .. } => {
                self.param(weight, &[x[1]])?;
                self.setting("eps", f64::from(eps), eps > 0.0)?;
                Ok(inputs[0].clone())
            }
            Op::Attention {
                heads,
                causal,
                mask,
            } => self.attention(inputs, heads, causal, mask),
            Op::ChannelAttention { groups } => {
                let fits = groups > 0 && x[1].is_multiple_of(groups);
                self.setting("groups", groups as f64, fits)?;
                self.same(inputs[0], inputs[1], inputs[0] == inputs[1])?;
                self.same(inputs[0], inputs[2], inputs[0] == inputs[2])
            }
            Op::SplitWindows { side } => {
                self.setting("side", side as f64, side > 0)?;
                let windows = self.windows_of(x, side)?;
                Ok(vec![windows, x[1], side, side])
            }
            Op::JoinWindows => {
                let like = self.image(inputs[1])?;
                let square = x[2] == x[3];
                let fits = square && x[0] == self.windows_of(like, x[2])?;
                self.same(inputs[0], inputs[1], fits)?;
                Ok(vec![like[0], x[1], like[2], like[3]])
            }
            _ => Err(KernelError::NoInput),
        }
    }

    /// Windows of `side` rows and columns in all images of this shape.
    fn windows_of(&self, [n, _, h, w]: [usize; 4], side: usize) -> Result<usize, KernelError> {
        let in_one = h.div_ceil(side).checked_mul(w.div_ceil(side));
        in_one
            .and_then(|count| count.checked_mul(n))
            .ok_or_else(|| KernelError::Overflow { node: self.name() })
    }

    fn positions(
        &self,
        x: [usize; 4],
        weight: ParamId,
        offset: usize,
    ) -> Result<Shape, KernelError> {
        let [rows, d] = self.table(weight)?;
        let (places, rows) = (x[2] * x[3], rows.saturating_sub(offset));
        if places > rows {
            return Err(KernelError::Places {
                node: self.name(),
                places,
                rows,
            });
        }
        Ok(vec![x[0], d, x[2], x[3]])
    }

    fn attention(
        &self,
        inputs: &[&Shape],
        heads: usize,
        causal: bool,
        mask: Option<usize>,
    ) -> Result<Shape, KernelError> {
        let (q, k, v) = (
            self.image(inputs[0])?,
            self.image(inputs[1])?,
            self.image(inputs[2])?,
        );
        self.setting(
            "heads",
            heads as f64,
            heads > 0 && q[1].is_multiple_of(heads),
        )?;
        let width = q[1] / heads;
        let shared = k[1].is_multiple_of(width) && heads.is_multiple_of((k[1] / width).max(1));
        self.same(
            inputs[0],
            inputs[1],
            shared && q[0] == k[0] && (!causal || q[2..] == k[2..]),
        )?;
        self.same(inputs[1], inputs[2], k == v)?;
        if let Some(channel) = mask {
            let image = self.image(inputs[3])?;
            self.setting("mask", channel as f64, channel < image[1])?;
            self.same(inputs[1], inputs[3], image[2..] == k[2..])?;
        }
        Ok(inputs[0].clone())
    }
}
