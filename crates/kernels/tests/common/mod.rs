//! A naive interpreter of graphs in double precision, written from the definitions, and builders for test graphs.
#![allow(dead_code, clippy::unwrap_used, clippy::too_many_arguments)]

pub mod check;

use hilum_kernels::{
    Graph, Init, Node, NodeId, Op, ParamId, ParamInfo, ParamRole, Params, SlicePooling, Tensor,
};

/// Small deterministic random numbers.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// In `low..=high`.
    pub fn range(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() % (high - low + 1) as u64) as usize
    }
    /// In -1..1.
    pub fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
    pub fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let len = shape.iter().product();
        Tensor::from_vec(shape, (0..len).map(|_| self.signed()).collect()).unwrap()
    }
}

#[derive(Default)]
pub struct Builder {
    pub graph: Graph,
}

impl Builder {
    pub fn new(channels: usize) -> Self {
        let mut b = Builder::default();
        b.push(Op::Input { channels }, &[]);
        b
    }
    pub fn push(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
        let name = format!("n{}", self.graph.nodes.len());
        self.graph.nodes.push(Node {
            name,
            op,
            inputs: inputs.to_vec(),
        });
        self.graph.nodes.len() - 1
    }
    pub fn param(&mut self, shape: &[usize], role: ParamRole) -> ParamId {
        let name = format!("p{}", self.graph.params.len());
        self.graph.params.push(ParamInfo {
            name,
            shape: shape.to_vec(),
            role,
            init: Init::Constant(0.0),
        });
        self.graph.params.len() - 1
    }
    pub fn conv(
        &mut self,
        x: NodeId,
        [i, o]: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        dilation: [usize; 2],
        groups: usize,
        bias: bool,
    ) -> NodeId {
        let weight = self.param(&[o, i / groups, kernel[0], kernel[1]], ParamRole::Weight);
        let bias = bias.then(|| self.param(&[o], ParamRole::Bias));
        self.push(
            Op::Conv2d {
                weight,
                bias,
                stride,
                padding,
                dilation,
                groups,
            },
            &[x],
        )
    }
    pub fn conv_transpose(
        &mut self,
        x: NodeId,
        [i, o]: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        output_padding: [usize; 2],
    ) -> NodeId {
        let weight = self.param(&[i, o, kernel[0], kernel[1]], ParamRole::Weight);
        let bias = Some(self.param(&[o], ParamRole::Bias));
        self.push(
            Op::ConvTranspose2d {
                weight,
                bias,
                stride,
                padding,
                output_padding,
            },
            &[x],
        )
    }
    pub fn bn(&mut self, x: NodeId, c: usize) -> NodeId {
        let weight = self.param(&[c], ParamRole::Norm);
        let bias = self.param(&[c], ParamRole::Norm);
        let mean = self.param(&[c], ParamRole::Buffer);
        let var = self.param(&[c], ParamRole::Buffer);
        self.push(
            Op::BatchNorm {
                weight,
                bias,
                mean,
                var,
                eps: 1e-5,
                momentum: 0.1,
            },
            &[x],
        )
    }
    pub fn linear(&mut self, x: NodeId, [i, o]: [usize; 2]) -> NodeId {
        let weight = self.param(&[o, i], ParamRole::Weight);
        let bias = Some(self.param(&[o], ParamRole::Bias));
        self.push(Op::Linear { weight, bias }, &[x])
    }
    pub fn output(&mut self, id: NodeId) {
        self.graph
            .outputs
            .push((format!("out{}", self.graph.outputs.len()), id));
    }
    /// Random parameters; variances positive.
    pub fn params(&self, rng: &mut Rng) -> Params {
        let variances: Vec<ParamId> = self
            .graph
            .nodes
            .iter()
            .filter_map(|n| {
                if let Op::BatchNorm { var, .. } = n.op {
                    Some(var)
                } else {
                    None
                }
            })
            .collect();
        self.graph
            .params
            .iter()
            .enumerate()
            .map(|(id, info)| {
                let len: usize = info.shape.iter().product();
                let scale = if info.role == ParamRole::Weight {
                    (3.0 / info.shape[1..].iter().product::<usize>() as f32).sqrt()
                } else {
                    0.5
                };
                (0..len)
                    .map(|_| {
                        if variances.contains(&id) {
                            1.0 + 0.5 * rng.signed()
                        } else if info.role == ParamRole::Norm {
                            0.6 + 0.5 * rng.signed()
                        } else {
                            scale * rng.signed()
                        }
                    })
                    .collect()
            })
            .collect()
    }
}

/// A double-precision array, `[n, c, h, w]` or `[n, c]`.
#[derive(Clone, Debug)]
pub struct Arr {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Arr {
    fn new(shape: &[usize]) -> Self {
        Arr {
            shape: shape.to_vec(),
            data: vec![0.0; shape.iter().product()],
        }
    }
    fn dims(&self) -> [usize; 4] {
        let at = |i: usize| self.shape.get(i).copied().unwrap_or(1);
        [at(0), at(1), at(2), at(3)]
    }
    fn at(&self, n: usize, c: usize, y: usize, x: usize) -> f64 {
        let [_, cs, h, w] = self.dims();
        self.data[((n * cs + c) * h + y) * w + x]
    }
    fn padded(&self, n: usize, c: usize, y: isize, x: isize) -> Option<f64> {
        let [_, _, h, w] = self.dims();
        (y >= 0 && x >= 0 && (y as usize) < h && (x as usize) < w)
            .then(|| self.at(n, c, y as usize, x as usize))
    }
    fn fill(&mut self, f: impl Fn([usize; 4]) -> f64) {
        let [_, c, h, w] = self.dims();
        for i in 0..self.data.len() {
            self.data[i] = f([i / (c * h * w), i / (h * w) % c, i / w % h, i % w]);
        }
    }
}

/// All activations of the graph; batch statistics when `train`. Dropout is not interpreted.
pub fn naive(graph: &Graph, params: &[Vec<f64>], x: &Arr, train: bool) -> Vec<Arr> {
    let input = [x.shape[0], x.shape[1], x.shape[2], x.shape[3]];
    let shapes = graph.shapes(input).unwrap();
    let mut values: Vec<Arr> = vec![x.clone()];
    for (id, node) in graph.nodes.iter().enumerate().skip(1) {
        let inputs: Vec<&Arr> = node.inputs.iter().map(|&i| &values[i]).collect();
        let mut out = Arr::new(&shapes[id]);
        naive_node(graph, &node.op, params, &inputs, &mut out, train);
        values.push(out);
    }
    values
}

fn naive_node(
    graph: &Graph,
    op: &Op,
    params: &[Vec<f64>],
    inputs: &[&Arr],
    out: &mut Arr,
    train: bool,
) {
    let x = inputs[0];
    let [_, xc, xh, xw] = x.dims();
    let od = out.dims();
    match op {
        Op::Input { .. } => {}
        Op::Conv2d {
            weight,
            bias,
            stride,
            padding,
            dilation,
            groups,
        } => {
            let ws = graph.params[*weight].shape.clone();
            let (w, ig) = (&params[*weight], ws[1]);
            out.fill(|[n, o, y, xx]| {
                let g = o / (ws[0] / groups);
                let mut sum = bias.map_or(0.0, |b| params[b][o]);
                for i in 0..ig {
                    for ky in 0..ws[2] {
                        for kx in 0..ws[3] {
                            let iy =
                                (y * stride[0] + ky * dilation[0]) as isize - padding[0] as isize;
                            let ix =
                                (xx * stride[1] + kx * dilation[1]) as isize - padding[1] as isize;
                            sum += x.padded(n, g * ig + i, iy, ix).unwrap_or(0.0)
                                * w[((o * ig + i) * ws[2] + ky) * ws[3] + kx];
                        }
                    }
                }
                sum
            });
        }
        Op::ConvTranspose2d {
            weight,
            bias,
            stride,
            padding,
            ..
        } => {
            let ws = graph.params[*weight].shape.clone();
            let w = &params[*weight];
            out.fill(|[n, o, y, xx]| {
                let mut sum = bias.map_or(0.0, |b| params[b][o]);
                for i in 0..xc {
                    for iy in 0..xh {
                        for ix in 0..xw {
                            let ky = (y + padding[0]) as isize - (iy * stride[0]) as isize;
                            let kx = (xx + padding[1]) as isize - (ix * stride[1]) as isize;
                            if ky >= 0 && kx >= 0 && (ky as usize) < ws[2] && (kx as usize) < ws[3]
                            {
                                sum += x.at(n, i, iy, ix)
                                    * w[((i * ws[1] + o) * ws[2] + ky as usize) * ws[3]
                                        + kx as usize];
                            }
                        }
                    }
                }
                sum
            });
        }
        Op::BatchNorm {
            weight,
            bias,
            mean,
            var,
            eps,
            ..
        } => {
            let [n, c, h, w] = x.dims();
            let count = (n * h * w) as f64;
            let each = |ch: usize, f: &dyn Fn(f64) -> f64| {
                let mut sum = 0.0;
                for i in 0..x.data.len() {
                    if i / (h * w) % c == ch {
                        sum += f(x.data[i]);
                    }
                }
                sum / count
            };
            let stats: Vec<(f64, f64)> = (0..c)
                .map(|ch| {
                    if train {
                        let m = each(ch, &|v| v);
                        (m, each(ch, &|v| (v - m) * (v - m)))
                    } else {
                        (params[*mean][ch], params[*var][ch])
                    }
                })
                .collect();
            out.fill(|[n, c, y, xx]| {
                (x.at(n, c, y, xx) - stats[c].0) / (stats[c].1 + f64::from(*eps)).sqrt()
                    * params[*weight][c]
                    + params[*bias][c]
            });
        }
        Op::Relu => out.fill(|[n, c, y, xx]| x.at(n, c, y, xx).max(0.0)),
        Op::Relu6 => out.fill(|[n, c, y, xx]| x.at(n, c, y, xx).clamp(0.0, 6.0)),
        Op::LeakyRelu { slope } => out.fill(|[n, c, y, xx]| {
            let v = x.at(n, c, y, xx);
            if v > 0.0 { v } else { v * f64::from(*slope) }
        }),
        Op::Sigmoid => out.fill(|[n, c, y, xx]| 1.0 / (1.0 + (-x.at(n, c, y, xx)).exp())),
        Op::Silu => {
            out.fill(|[n, c, y, xx]| x.at(n, c, y, xx) / (1.0 + (-x.at(n, c, y, xx)).exp()))
        }
        Op::Add => out.fill(|[n, c, y, xx]| x.at(n, c, y, xx) + inputs[1].at(n, c, y, xx)),
        Op::Mul => {
            let gate = inputs[1].dims()[2..] == [1, 1];
            out.fill(|[n, c, y, xx]| {
                x.at(n, c, y, xx)
                    * if gate {
                        inputs[1].at(n, c, 0, 0)
                    } else {
                        inputs[1].at(n, c, y, xx)
                    }
            });
        }
        Op::Concat => out.fill(|[n, mut c, y, xx]| {
            for a in inputs {
                if c < a.dims()[1] {
                    return a.at(n, c, y, xx);
                }
                c -= a.dims()[1];
            }
            unreachable!()
        }),
        Op::MaxPool2d {
            kernel,
            stride,
            padding,
            ..
        } => out.fill(|[n, c, y, xx]| {
            let mut max = f64::NEG_INFINITY;
            for ky in 0..kernel[0] {
                for kx in 0..kernel[1] {
                    let iy = (y * stride[0] + ky) as isize - padding[0] as isize;
                    let ix = (xx * stride[1] + kx) as isize - padding[1] as isize;
                    max = max.max(x.padded(n, c, iy, ix).unwrap_or(f64::NEG_INFINITY));
                }
            }
            max
        }),
        Op::AvgPool2d { kernel, stride } => out.fill(|[n, c, y, xx]| {
            let mut sum = 0.0;
            for ky in 0..kernel[0] {
                for kx in 0..kernel[1] {
                    sum += x.at(n, c, y * stride[0] + ky, xx * stride[1] + kx);
                }
            }
            sum / (kernel[0] * kernel[1]) as f64
        }),
        Op::GlobalAvgPool | Op::GlobalMaxPool | Op::GlobalLsePool { .. } => {
            out.fill(|[n, c, _, _]| {
                let all: Vec<f64> = (0..xh * xw).map(|p| x.at(n, c, p / xw, p % xw)).collect();
                let (count, max) = (
                    all.len() as f64,
                    all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                );
                match op {
                    Op::GlobalAvgPool => all.iter().sum::<f64>() / count,
                    Op::GlobalLsePool { r } => {
                        max + (all
                            .iter()
                            .map(|v| (f64::from(*r) * (v - max)).exp())
                            .sum::<f64>()
                            / count)
                            .ln()
                            / f64::from(*r)
                    }
                    _ => max,
                }
            })
        }
        Op::UpsampleLike { align_corners } => {
            let at = |o: usize, from: usize, to: usize| {
                let p = if *align_corners {
                    if to == 1 {
                        0.0
                    } else {
                        o as f64 * (from - 1) as f64 / (to - 1) as f64
                    }
                } else {
                    ((o as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0)
                };
                let low = (p.floor() as usize).min(from - 1);
                (low, (low + 1).min(from - 1), p - low as f64)
            };
            out.fill(|[n, c, y, xx]| {
                let ((y0, y1, fy), (x0, x1, fx)) = (at(y, xh, od[2]), at(xx, xw, od[3]));
                let row = |r: usize| x.at(n, c, r, x0) * (1.0 - fx) + x.at(n, c, r, x1) * fx;
                row(y0) * (1.0 - fy) + row(y1) * fy
            });
        }
        Op::FitLike => {
            out.fill(|[n, c, y, xx]| x.padded(n, c, y as isize, xx as isize).unwrap_or(0.0))
        }
        Op::Flatten | Op::Dropout { .. } => out.data.copy_from_slice(&x.data),
        Op::Linear { weight, bias } => out.fill(|[n, o, y, xx]| {
            (0..xc)
                .map(|i| x.at(n, i, y, xx) * params[*weight][o * xc + i])
                .sum::<f64>()
                + bias.map_or(0.0, |b| params[b][o])
        }),
        Op::Gelu => out.fill(|[n, c, y, xx]| {
            let v = x.at(n, c, y, xx);
            v * 0.5 * (1.0 + erf(v / 2f64.sqrt()))
        }),
        Op::GeluTanh => out.fill(|[n, c, y, xx]| {
            let v = x.at(n, c, y, xx);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v.powi(3));
            0.5 * v * (1.0 + inner.tanh())
        }),
        Op::Tanh => out.fill(|[n, c, y, xx]| x.at(n, c, y, xx).tanh()),
        Op::Embedding { weight, channel } => {
            out.fill(|[n, c, y, xx]| params[*weight][x.at(n, *channel, y, xx) as usize * od[1] + c])
        }
        Op::PositionEmbedding { weight, offset } => {
            out.fill(|[_, c, y, xx]| params[*weight][(offset + y * xw + xx) * od[1] + c])
        }
        Op::PrependToken { weight } => out.fill(|[n, c, _, p]| match p {
            0 => params[*weight][c],
            p => x.at(n, c, (p - 1) / xw, (p - 1) % xw),
        }),
        Op::TakePlace { index } => out.fill(|[n, c, _, _]| x.at(n, c, index / xw, index % xw)),
        Op::LayerNorm { weight, bias, eps } => out.fill(|[n, c, y, xx]| {
            let all: Vec<f64> = (0..xc).map(|i| x.at(n, i, y, xx)).collect();
            let mean = all.iter().sum::<f64>() / xc as f64;
            let var = all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / xc as f64;
            (all[c] - mean) / (var + f64::from(*eps)).sqrt() * params[*weight][c] + params[*bias][c]
        }),
        Op::GatherSlices { window: w } => {
            let s2 = od[0] / (x.dims()[0] / w.slices);
            out.fill(|[n, c, y, xx]| {
                let slice = (n % s2 * w.stride + c / xc) as isize - w.padding as isize;
                if slice < 0 || slice as usize >= w.slices {
                    return 0.0;
                }
                x.at(n / s2 * w.slices + slice as usize, c % xc, y, xx)
            });
        }
        Op::SpreadSlices { window: w } => {
            let s2 = od[0] / (x.dims()[0] / w.slices);
            out.fill(|[n, c, y, xx]| {
                let mut sum = 0.0;
                for i in 0..w.slices {
                    for tap in 0..w.taps {
                        if i * w.stride + tap == n % s2 + w.padding {
                            sum += x.at(n / s2 * w.slices + i, tap * od[1] + c, y, xx);
                        }
                    }
                }
                sum
            });
        }
        Op::PoolSlices { window: w, kind } => {
            let s2 = od[0] / (x.dims()[0] / w.slices);
            out.fill(|[n, c, y, xx]| {
                let first = n / s2 * w.slices + n % s2 * w.stride;
                let all = (0..w.taps).map(|tap| x.at(first + tap, c, y, xx));
                match kind {
                    SlicePooling::Max => all.fold(f64::NEG_INFINITY, f64::max),
                    SlicePooling::Mean => all.sum::<f64>() / w.taps as f64,
                }
            });
        }
        Op::ResizeSlices {
            slices,
            to,
            align_corners,
        } => out.fill(|[n, c, y, xx]| {
            let o = (n % to) as f64;
            let p = match (*align_corners, *to) {
                (true, 1) => 0.0,
                (true, _) => o * (slices - 1) as f64 / (to - 1) as f64,
                _ => ((o + 0.5) * *slices as f64 / *to as f64 - 0.5).max(0.0),
            };
            let low = (p.floor() as usize).min(slices - 1);
            let high = (low + 1).min(slices - 1);
            let at = |s: usize| x.at(n / to * slices + s, c, y, xx);
            at(low) * (1.0 - (p - low as f64)) + at(high) * (p - low as f64)
        }),
        Op::PixelShuffle { factor: r } => {
            out.fill(|[n, c, y, xx]| x.at(n, (c * r + y % r) * r + xx % r, y / r, xx / r))
        }
        Op::Select => {
            let (gates, branches) = inputs.split_at(inputs.len() / 2);
            out.fill(|[n, c, y, xx]| {
                let weights: Vec<f64> = gates.iter().map(|g| g.at(n, c, 0, 0).exp()).collect();
                let each = branches.iter().zip(&weights);
                each.map(|(b, w)| w * b.at(n, c, y, xx)).sum::<f64>() / weights.iter().sum::<f64>()
            });
        }
        Op::Attention {
            heads,
            causal,
            mask,
        } => {
            let (k, v) = (inputs[1], inputs[2]);
            let [_, kc, _, kw] = k.dims();
            let width = xc / heads;
            let shared = heads / (kc / width);
            let places = k.dims()[2] * kw;
            out.fill(|[n, c, y, xx]| {
                let (i, head) = (y * xw + xx, c / width);
                let first = head / shared * width;
                let terms: Vec<(f64, f64)> = (0..places)
                    .filter(|j| !causal || *j <= i)
                    .filter(|j| mask.is_none_or(|ch| inputs[3].at(n, ch, j / kw, j % kw) != 0.0))
                    .map(|j| {
                        let dot: f64 = (0..width)
                            .map(|d| {
                                x.at(n, head * width + d, y, xx)
                                    * k.at(n, first + d, j / kw, j % kw)
                            })
                            .sum();
                        let weight = (dot / (width as f64).sqrt()).exp();
                        (weight, weight * v.at(n, first + c % width, j / kw, j % kw))
                    })
                    .collect();
                let total: f64 = terms.iter().map(|t| t.0).sum();
                if total == 0.0 {
                    return 0.0;
                }
                terms.iter().map(|t| t.1).sum::<f64>() / total
            });
        }
        Op::ChannelAttention { groups } => {
            let (k, v) = (inputs[1], inputs[2]);
            let width = xc / groups;
            let dot = |n: usize, a: usize, b: usize| {
                let places = (0..xh * xw).map(|p| (p / xw, p % xw));
                let sum: f64 = places
                    .map(|(y, xx)| x.at(n, a, y, xx) * k.at(n, b, y, xx))
                    .sum();
                (sum / ((xh * xw) as f64).sqrt()).exp()
            };
            out.fill(|[n, c, y, xx]| {
                let keys = c / width * width..(c / width + 1) * width;
                let total: f64 = keys.clone().map(|j| dot(n, c, j)).sum();
                let sum: f64 = keys.map(|j| dot(n, c, j) * v.at(n, j, y, xx)).sum();
                sum / total
            });
        }
        Op::SplitWindows { side } => {
            let (rows, columns) = (xh.div_ceil(*side), xw.div_ceil(*side));
            out.fill(|[n, c, y, xx]| {
                let window = n % (rows * columns);
                let y = window / columns * side + y;
                let xx = window % columns * side + xx;
                let inside = y < xh && xx < xw;
                if inside {
                    x.at(n / (rows * columns), c, y, xx)
                } else {
                    0.0
                }
            });
        }
        Op::JoinWindows => {
            let (rows, columns) = (od[2].div_ceil(xh), od[3].div_ceil(xw));
            out.fill(|[n, c, y, xx]| {
                let window = n * rows * columns + y / xh * columns + xx / xw;
                x.at(window, c, y % xh, xx % xw)
            });
        }
    }
}

/// The error function by its series, for arguments of a few units.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

pub fn widen(params: &[Vec<f32>]) -> Vec<Vec<f64>> {
    params
        .iter()
        .map(|p| p.iter().map(|&v| f64::from(v)).collect())
        .collect()
}

pub fn widen_tensor(x: &Tensor) -> Arr {
    Arr {
        shape: x.shape.clone(),
        data: x.data.iter().map(|&v| f64::from(v)).collect(),
    }
}

/// Fails when any value is further than `tolerance * (1 + |expected|)`.
pub fn assert_close(what: &str, got: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    for (i, (&g, &e)) in got.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(g) - e).abs() <= tolerance * (1.0 + e.abs()),
            "{what}: value {i} is {g}, expected {e}"
        );
    }
}
