//! The forward pass of one node.

use super::layers::{Product, global, pointwise, window};
use super::schedule::Way;
use super::{Mode, Norm, Saved, Trainer, branches, slices, tokens};
use crate::branch_shapes;
use crate::buffer::Buffer;
use crate::conv::{Epilogue, PackedWeights, Source, correlate};
use crate::graph::{NodeId, Op, Params};
use crate::ops::{
    activation, batch_norm, copy, dropout, elementwise, global_pool, layout, pool, resize,
};
use crate::slice_shapes;
use crate::view::{View, ViewMut};

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
            Op::BatchNorm {
                weight,
                bias,
                mean,
                var,
                eps,
                momentum,
            } => Some(Bn {
                weight,
                bias,
                mean,
                var,
                eps,
                momentum,
            }),
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
            way if way.norm() => {
                self.forward_norm(self.graph.nodes[id].inputs[0], id, params, mode)
            }
            Way::InPlace => {
                let input = self.graph.nodes[id].inputs[0];
                if let Some(mut buffer) = self.values[input].take() {
                    self.pointwise(id, mode, &mut buffer);
                    self.values[id] = Some(buffer);
                }
            }
            _ if matches!(self.graph.nodes[id].op, Op::BatchNorm { .. }) => {
                self.forward_norm(id, id, params, mode)
            }
            _ => {
                let mut buffer = self.pool.take(self.dims(id).stored());
                self.compute(id, params, mode, &mut buffer);
                self.values[id] = Some(buffer);
            }
        }
    }

    fn pointwise(&self, id: NodeId, mode: Mode, buffer: &mut [f32]) {
        let data = ViewMut::new(buffer, self.dims(id));
        match (&self.graph.nodes[id].op, mode) {
            (Op::Dropout { p }, Mode::Train { seed }) => {
                dropout::apply(data, *p, dropout_seed(seed, id))
            }
            (op, _) => {
                if let Some(kind) = pointwise(op) {
                    activation::apply(kind, data);
                }
            }
        }
    }

    fn compute(&mut self, id: NodeId, params: &Params, mode: Mode, buffer: &mut Buffer) {
        let node = &self.graph.nodes[id];
        let mut out = ViewMut::new(buffer, self.dims(id));
        let input = |i: usize| self.value(node.inputs[i]);
        match &node.op {
            Op::Conv2d { .. } | Op::ConvTranspose2d { .. } | Op::Linear { .. } => {
                self.product(id, params, out)
            }
            Op::Add => elementwise::add(input(0), input(1), out),
            Op::Mul => elementwise::mul(input(0), input(1), out),
            Op::Concat => copy::concat(
                &node
                    .inputs
                    .iter()
                    .map(|&i| self.value(i))
                    .collect::<Vec<View>>(),
                out,
            ),
            Op::UpsampleLike { align_corners } => resize::bilinear(input(0), *align_corners, out),
            Op::FitLike => copy::fit(input(0), out),
            Op::Flatten => self.flatten(node.inputs[0], out),
            Op::MaxPool2d { .. } => self.max_pool(id, buffer),
            op if slice_shapes::is(op) => slices::forward(op, input(0), out),
            op if branch_shapes::is(op) => {
                let inputs: Vec<View> = node.inputs.iter().map(|&i| self.value(i)).collect();
                branches::forward(op, &inputs, out);
            }
            op if tokens::is(op) => {
                let inputs: Vec<View> = node.inputs.iter().map(|&i| self.value(i)).collect();
                tokens::forward(op, &inputs, |id| params[id].as_slice(), out);
            }
            op => {
                if let Some(window) = window(op) {
                    pool::avg(input(0), &window, out);
                } else if let Some(kind) = global(op) {
                    global_pool::forward(kind, input(0), out);
                } else {
                    copy::copy(input(0), out.reborrow());
                    self.pointwise(id, mode, out.data);
                }
            }
        }
    }

    fn flatten(&self, input: NodeId, out: ViewMut) {
        let x = self.value(input);
        if x.dims.pixels() == 1 {
            return copy::copy(View::strided(x.data, out.dims, x.image_stride), out);
        }
        let mut planar = vec![0.0; x.dims.values()];
        layout::to_planar(x, &mut planar);
        layout::to_blocked(&planar, out);
    }

    /// What a convolution reads: the image as it came, a normalisation that is not stored, or an activation.
    pub(super) fn source(&self, input: NodeId, planar: bool) -> Source<'_> {
        if input == 0 && planar {
            return Source::Planar(self.image.as_deref().unwrap_or(&[]), self.dims(0));
        }
        if self.schedule.way[input] == Way::Lazy {
            let norm = self.graph.nodes[input].inputs[0];
            if let Saved::Norm(saved) = &self.saved[norm] {
                return Source::Blocked(
                    self.value(self.graph.nodes[norm].inputs[0]),
                    Some(saved.line.map(true)),
                );
            }
        }
        Source::Blocked(self.value(input), None)
    }

    fn product(&self, id: NodeId, params: &Params, out: ViewMut) {
        let Some(product) = Product::of(&self.graph, id) else {
            return;
        };
        let input = self.graph.nodes[id].inputs[0];
        let planar = input == 0 && product.planar();
        let packed = PackedWeights::new(
            params[product.weight].as_slice(),
            product.spec,
            product.direction,
            planar,
        );
        let epilogue = Epilogue {
            bias: product.bias.map(|b| params[b].as_slice()),
            ..Epilogue::default()
        };
        correlate(self.source(input, planar), &packed, epilogue, out);
    }

    fn max_pool(&mut self, id: NodeId, buffer: &mut Buffer) {
        let node = &self.graph.nodes[id];
        let (input, dims) = (node.inputs[0], self.dims(id));
        let Some(window) = window(&node.op) else {
            return;
        };
        let mut places = match std::mem::take(&mut self.saved[id]) {
            Saved::Places(places) => places,
            _ => Vec::new(),
        };
        places.resize(dims.stored(), 0);
        pool::max(
            self.value(input),
            &window,
            ViewMut::new(buffer, dims),
            Some(&mut places),
        );
        self.saved[id] = Saved::Places(places);
    }

    /// Batch norm `norm`, whose result (rectified when `id` is another node) is the activation of `id`.
    fn forward_norm(&mut self, norm: NodeId, id: NodeId, params: &mut Params, mode: Mode) {
        let node = &self.graph.nodes[norm];
        let (input, dims) = (node.inputs[0], self.dims(id));
        let Some(bn) = Bn::of(&node.op) else { return };
        let x = self.value(input);
        let moments = match mode {
            Mode::Eval => batch_norm::Moments::fixed(&params[bn.mean], &params[bn.var], bn.eps),
            Mode::Train { .. } => {
                let moments = batch_norm::Moments::of(x, bn.eps);
                let mut mean = std::mem::take(&mut params[bn.mean]);
                moments.update_running(
                    &mut mean,
                    &mut params[bn.var],
                    bn.momentum,
                    dims.n * dims.pixels(),
                );
                params[bn.mean] = mean;
                moments
            }
        };
        let line = moments.affine(&params[bn.weight], &params[bn.bias]);
        if self.schedule.way[id] != Way::Lazy {
            let mut out = self.pool.take(dims.stored());
            batch_norm::affine(
                self.value(input),
                line.map(norm != id),
                ViewMut::new(&mut out, dims),
            );
            self.values[id] = Some(out);
        }
        self.saved[norm] = Saved::Norm(Norm { moments, line });
    }

    /// Gives back the activations that nobody reads after node `id`.
    pub(super) fn drop_values_read_last_by(&mut self, id: NodeId) {
        let own = &self.graph.nodes[id].inputs;
        let inputs = if self.schedule.way[id].norm() {
            &self.graph.nodes[own[0]].inputs
        } else {
            own
        };
        for input in inputs.iter().copied().chain([id]) {
            if self.schedule.last_reader[input] == id
                && !self.schedule.keep[input]
                && let Some(buffer) = self.values[input].take()
            {
                self.pool.give(buffer);
            }
        }
    }
}
