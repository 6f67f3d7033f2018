//! The forward pass of one node.

use super::layers::{concat, conv_shape, global, linear_shape, window};
use super::schedule::{Way, activation};
use super::{Mode, Saved, Trainer};
use crate::buffer::Buffer;
use crate::graph::{NodeId, Op, Params};
use crate::ops::conv::{self, Epilogue};
use crate::ops::{activation as act, batch_norm, copy, dropout, elementwise, global_pool, layout, pool, resize};
use crate::view::ViewMut;

/// Batch norm's parameters and settings, taken out of its node.
pub(super) struct Bn {
    pub weight: usize,
    pub bias: usize,
    pub mean: usize,
    pub var: usize,
    pub eps: f32,
    pub momentum: f32,
}

impl Bn {
    pub fn of(op: &Op) -> Option<Self> {
        match *op {
            Op::BatchNorm { weight, bias, mean, var, eps, momentum } => Some(Bn { weight, bias, mean, var, eps, momentum }),
            _ => None,
        }
    }
}

/// Dropout of each layer draws from its own stream.
pub(super) fn dropout_seed(seed: u64, node: NodeId) -> u64 {
    seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ (node as u64).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

impl Trainer {
    pub(super) fn forward_node(&mut self, id: NodeId, params: &mut Params, mode: Mode) {
        match self.schedule.way[id] {
            Way::Absorbed => {}
            Way::BnRelu => {
                let norm = self.graph.nodes[id].inputs[0];
                self.forward_norm(norm, id, params, mode, true);
            }
            Way::InPlace => {
                let input = self.graph.nodes[id].inputs[0];
                if let Some(mut buffer) = self.values[input].take() {
                    self.pointwise(id, mode, &mut buffer);
                    self.values[id] = Some(buffer);
                }
            }
            Way::Plain if matches!(self.graph.nodes[id].op, Op::BatchNorm { .. }) => self.forward_norm(id, id, params, mode, false),
            Way::Plain => {
                let mut buffer = self.pool.take(self.dims(id).len());
                self.compute(id, params, mode, &mut buffer);
                self.values[id] = Some(buffer);
            }
        }
    }

    fn pointwise(&self, id: NodeId, mode: Mode, buffer: &mut [f32]) {
        match (&self.graph.nodes[id].op, mode) {
            (Op::Dropout { p }, Mode::Train { seed }) => dropout::apply(buffer, *p, dropout_seed(seed, id)),
            (op, _) => {
                if let Some(kind) = activation(op) {
                    act::apply(kind, buffer);
                }
            }
        }
    }

    fn compute(&mut self, id: NodeId, params: &Params, mode: Mode, out: &mut Buffer) {
        let node = self.graph.nodes[id].clone();
        let dims = self.dims(id);
        let input = |i: usize| self.value(node.inputs[i]);
        match &node.op {
            Op::Conv2d { .. } | Op::ConvTranspose2d { .. } | Op::Linear { .. } => self.product(id, params, out),
            Op::Add => elementwise::add(input(0), input(1), ViewMut::new(out, dims)),
            Op::Mul => elementwise::mul(input(0), input(1), ViewMut::new(out, dims)),
            Op::Concat => concat(node.inputs.iter().map(|&i| self.value(i)), out, dims.c),
            Op::UpsampleLike { align_corners } => resize::bilinear(input(0), *align_corners, ViewMut::new(out, dims)),
            Op::FitLike => copy::fit(input(0), ViewMut::new(out, dims)),
            Op::Flatten => layout::to_channels_first(input(0), out),
            Op::MaxPool2d { .. } => self.max_pool(id, out),
            op => {
                if let Some(window) = window(op) {
                    pool::avg(input(0), &window, ViewMut::new(out, dims));
                } else if let Some(kind) = global(op) {
                    global_pool::forward(kind, input(0), ViewMut::new(out, dims));
                } else {
                    copy::copy(input(0), ViewMut::new(out, dims));
                    self.pointwise(id, mode, out);
                }
            }
        }
    }

    fn product(&self, id: NodeId, params: &Params, out: &mut Buffer) {
        let node = &self.graph.nodes[id];
        let (x, dims) = (self.value(node.inputs[0]), self.dims(id));
        let out = ViewMut::new(out, dims);
        let bias_of = |bias: &Option<usize>| Epilogue { bias: bias.map(|b| params[b].as_slice()), after: None };
        match &node.op {
            Op::Linear { weight, bias } => {
                let shape = linear_shape(x.dims, dims);
                conv::forward(x, &conv::pack_forward(&params[*weight], &shape), bias_of(bias), &shape, out);
            }
            Op::Conv2d { weight, bias, .. } => {
                if let Some(shape) = conv_shape(&node.op, &self.graph.params[*weight].shape, x.dims, dims) {
                    conv::forward(x, &conv::pack_forward(&params[*weight], &shape), bias_of(bias), &shape, out);
                }
            }
            Op::ConvTranspose2d { weight, bias, .. } => {
                if let Some(shape) = conv_shape(&node.op, &self.graph.params[*weight].shape, x.dims, dims) {
                    conv::input_gradient(x, &conv::pack_backward(&params[*weight], &shape), bias_of(bias), &shape, out);
                }
            }
            _ => {}
        }
    }

    fn max_pool(&mut self, id: NodeId, out: &mut Buffer) {
        let node = &self.graph.nodes[id];
        let (input, dims) = (node.inputs[0], self.dims(id));
        let Some(window) = window(&node.op) else { return };
        let mut places = match std::mem::take(&mut self.saved[id]) {
            Saved::Places(places) => places,
            _ => Vec::new(),
        };
        places.resize(dims.len(), 0);
        pool::max(self.value(input), &window, ViewMut::new(out, dims), Some(&mut places));
        self.saved[id] = Saved::Places(places);
    }

    /// Batch norm `norm`, whose result (rectified when `relu`) is the activation of `id`.
    fn forward_norm(&mut self, norm: NodeId, id: NodeId, params: &mut Params, mode: Mode, relu: bool) {
        let node = &self.graph.nodes[norm];
        let (input, dims) = (node.inputs[0], self.dims(id));
        let Some(bn) = Bn::of(&node.op) else { return };
        let mut out = self.pool.take(dims.len());
        let x = self.value(input);
        let moments = match mode {
            Mode::Eval => batch_norm::Moments::fixed(&params[bn.mean], &params[bn.var], bn.eps),
            Mode::Train { .. } => {
                let moments = batch_norm::Moments::of(x, bn.eps);
                let mut mean = std::mem::take(&mut params[bn.mean]);
                moments.update_running(&mut mean, &mut params[bn.var], bn.momentum, dims.rows());
                params[bn.mean] = mean;
                moments
            }
        };
        let (scale, shift) = moments.affine(&params[bn.weight], &params[bn.bias]);
        batch_norm::affine(x, &scale, &shift, relu, ViewMut::new(&mut out, dims));
        self.saved[norm] = Saved::Moments(moments);
        self.values[id] = Some(out);
    }

    /// Gives back the activations that nobody reads after node `id`.
    pub(super) fn drop_values_read_last_by(&mut self, id: NodeId) {
        let norm = self.graph.nodes[id].inputs.first().copied().unwrap_or(0);
        let inputs = match self.schedule.way[id] {
            Way::BnRelu => self.graph.nodes[norm].inputs.clone(),
            _ => self.graph.nodes[id].inputs.clone(),
        };
        for input in inputs.into_iter().chain([id]) {
            if self.schedule.last_reader[input] == id && !self.schedule.keep[input]
                && let Some(buffer) = self.values[input].take()
            {
                self.pool.give(buffer);
            }
        }
    }
}
