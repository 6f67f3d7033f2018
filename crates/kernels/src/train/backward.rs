//! The backward pass.

use std::time::Instant;

use super::forward::{Bn, dropout_seed};
use super::layers::{Product, global, has_params, pointwise, window};
use super::schedule::Way;
use super::{Gradients, Mode, Rule, Saved, Trainer, Wanted, tokens};
use crate::branch_shapes;
use crate::buffer::Buffer;
use crate::conv::{
    Direction, Epilogue, PackedWeights, Source, bias_gradient, correlate, weight_gradient,
};
use crate::error::KernelError;
use crate::graph::{Node, NodeId, Op, ParamId, Params};
use crate::ops::{
    activation, batch_norm, copy, dropout, elementwise, global_pool, layout, pool, resize,
};
use crate::parallel::on_pool;
use crate::slice_shapes;
use crate::tensor::Tensor;
use crate::timing;
use crate::view::{View, ViewMut};

/// What the pass needs besides the trainer.
pub(super) struct Pass<'a> {
    pub(super) params: &'a Params,
    mode: Mode,
    /// Nodes whose gradient somebody waits for.
    pub(super) needed: Vec<bool>,
    pub(super) want_params: bool,
    rule: Rule,
    found: Vec<Option<Vec<f32>>>,
}

impl Pass<'_> {
    pub(super) fn add_param(&mut self, id: ParamId, grad: Vec<f32>) {
        match &mut self.found[id] {
            Some(sum) => sum.iter_mut().zip(grad).for_each(|(s, g)| *s += g),
            slot => *slot = Some(grad),
        }
    }
}

impl Trainer {
    /// Gradients of `sum over outputs of <output, d_outputs>`, `d_outputs` in the order of the graph's outputs.
    ///
    /// # Errors
    /// No forward pass to go back through, output gradients that do not fit, unknown nodes.
    pub fn backward(
        &mut self,
        params: &Params,
        d_outputs: &[Tensor],
        want: Wanted,
    ) -> Result<Gradients, KernelError> {
        let mode = self.mode.ok_or(KernelError::NoForward)?;
        self.check_backward(params, d_outputs, &want)?;
        Ok(on_pool(|| {
            self.run_backward(params, d_outputs, &want, mode)
        }))
    }

    fn run_backward(
        &mut self,
        params: &Params,
        d_outputs: &[Tensor],
        want: &Wanted,
        mode: Mode,
    ) -> Gradients {
        for (i, d) in d_outputs.iter().enumerate() {
            let node = self.graph.outputs[i].1;
            let grad = self.load(node, d);
            self.add_grad(node, grad);
        }
        let needed = self.needed(want);
        let mut pass = Pass {
            params,
            mode,
            needed,
            want_params: want.params,
            rule: want.rule,
            found: vec![None; params.len()],
        };
        let mut out = Gradients {
            params: Vec::new(),
            input: None,
            nodes: want
                .nodes
                .iter()
                .map(|&id| (id, Tensor::zeros(&self.shapes[id])))
                .collect(),
        };
        for id in (0..self.graph.nodes.len()).rev() {
            if let Some(grad) = self.grads[id].take() {
                self.hand_out(id, &grad, want, &mut out);
                if id != 0 && pass.needed[id] {
                    let start = Instant::now();
                    self.backward_node(id, grad, &mut pass);
                    self.note(id, timing::Pass::Backward, start);
                } else {
                    self.pool.give(grad);
                }
            }
            if !want.keep
                && !self.schedule.visible[id]
                && let Some(value) = self.values[id].take()
            {
                self.pool.give(value);
            }
        }
        if !want.keep {
            self.mode = None;
        }
        if want.input && out.input.is_none() {
            out.input = Some(Tensor::zeros(&self.shapes[0]));
        }
        out.params = pass.found;
        out
    }

    fn check_backward(
        &self,
        params: &Params,
        d_outputs: &[Tensor],
        want: &Wanted,
    ) -> Result<(), KernelError> {
        self.graph.check_params(params)?;
        if want.rule != Rule::Gradient {
            self.check_rule(want.rule)?;
        }
        if d_outputs.len() != self.graph.outputs.len() {
            return Err(KernelError::GradientCount {
                expected: self.graph.outputs.len(),
                got: d_outputs.len(),
            });
        }
        for (d, (name, id)) in d_outputs.iter().zip(&self.graph.outputs) {
            if d.shape != self.shapes[*id] {
                return Err(KernelError::GradientShape {
                    name: name.clone(),
                    expected: self.shapes[*id].clone(),
                    got: d.shape.clone(),
                });
            }
            if d.data.len() != self.dims(*id).values() {
                return Err(KernelError::Length {
                    shape: d.shape.clone(),
                    len: d.data.len(),
                });
            }
        }
        for &id in &want.nodes {
            let way = self
                .schedule
                .way
                .get(id)
                .ok_or(KernelError::UnknownNode { id })?;
            if *way == Way::Absorbed {
                return Err(KernelError::NotRetained {
                    node: self.graph.nodes[id].name.clone(),
                });
            }
        }
        Ok(())
    }

    fn needed(&self, want: &Wanted) -> Vec<bool> {
        let mut needed = vec![false; self.graph.nodes.len()];
        for (id, node) in self.graph.nodes.iter().enumerate() {
            let has_params = has_params(&node.op);
            needed[id] = (id == 0 && want.input)
                || (has_params && want.params)
                || want.nodes.contains(&id)
                || node.inputs.iter().any(|&input| needed[input]);
        }
        needed
    }

    fn hand_out(&self, id: NodeId, grad: &[f32], want: &Wanted, out: &mut Gradients) {
        let view = View::new(grad, self.dims(id));
        if id == 0 && want.input {
            out.input = Some(self.tensor(0, view));
        }
        for (_, tensor) in out.nodes.iter_mut().filter(|(node, _)| *node == id) {
            layout::to_planar(view, &mut tensor.data);
        }
    }

    fn add_grad(&mut self, node: NodeId, grad: Buffer) {
        let dims = self.dims(node);
        match &mut self.grads[node] {
            Some(sum) => {
                copy::accumulate(View::new(&grad, dims), ViewMut::new(sum, dims));
                self.pool.give(grad);
            }
            slot => *slot = Some(grad),
        }
    }

    /// A gradient for `node`: `body` fills it, or adds to it when told so.
    fn emit(&mut self, node: NodeId, pass: &Pass, body: impl FnOnce(&Self, ViewMut, bool)) {
        if !pass.needed[node] {
            return;
        }
        let dims = self.dims(node);
        let (mut buffer, sum) = match self.grads[node].take() {
            Some(buffer) => (buffer, true),
            None => (self.pool.take(dims.stored()), false),
        };
        body(self, ViewMut::new(&mut buffer, dims), sum);
        self.grads[node] = Some(buffer);
    }

    /// A gradient for `node` by a `body` that can only fill.
    pub(super) fn emit_new(
        &mut self,
        node: NodeId,
        pass: &Pass,
        body: impl FnOnce(&Self, ViewMut),
    ) {
        if !pass.needed[node] {
            return;
        }
        let dims = self.dims(node);
        let mut buffer = self.pool.take(dims.stored());
        body(self, ViewMut::new(&mut buffer, dims));
        self.add_grad(node, buffer);
    }

    fn backward_node(&mut self, id: NodeId, mut grad: Buffer, pass: &mut Pass) {
        if pass.rule != Rule::Gradient {
            self.rule_on_arrival(id, pass.rule, &mut grad);
        }
        let node = self.graph.nodes[id].clone();
        let dy = View::new(&grad, self.dims(id));
        match &node.op {
            _ if self.schedule.way[id].norm() => {
                let masked = pass.rule != Rule::Deconvolution;
                return self.backward_norm(node.inputs[0], masked, grad, pass);
            }
            Op::BatchNorm { .. } => return self.backward_norm(id, false, grad, pass),
            Op::Conv2d { .. } | Op::ConvTranspose2d { .. } | Op::Linear { .. } => {
                self.backward_product(id, node.inputs[0], dy, pass)
            }
            Op::Add => {
                self.emit(node.inputs[1], pass, |_, dx, sum| {
                    if sum {
                        copy::accumulate(dy, dx)
                    } else {
                        copy::copy(dy, dx)
                    }
                });
                return self.pass_on(node.inputs[0], grad, pass);
            }
            Op::Concat => self.backward_concat(&node, dy, pass),
            Op::Flatten => self.backward_flatten(id, node.inputs[0], dy, pass),
            Op::Mul => self.backward_mul(&node, dy, pass),
            op if slice_shapes::is(op) => self.backward_slices(&node, dy, pass),
            op if branch_shapes::is(op) => self.backward_branches(&node, dy, pass),
            op if tokens::is(op) => self.backward_tokens(&node, dy, pass),
            op if pointwise(op).is_some() || matches!(op, Op::Dropout { .. }) => {
                return self.backward_pointwise(id, &node, grad, pass);
            }
            _ => self.backward_spatial(id, &node, dy, pass),
        }
        self.pool.give(grad);
    }

    fn backward_flatten(&mut self, id: NodeId, input: NodeId, dy: View, pass: &Pass) {
        let planar = self.tensor(id, dy);
        self.emit_new(input, pass, |_, dx| layout::to_blocked(&planar.data, dx));
    }

    fn pass_on(&mut self, node: NodeId, grad: Buffer, pass: &Pass) {
        if pass.needed[node] {
            self.add_grad(node, grad);
        } else {
            self.pool.give(grad);
        }
    }

    fn backward_pointwise(&mut self, id: NodeId, node: &Node, mut grad: Buffer, pass: &Pass) {
        let dy = ViewMut::new(&mut grad, self.dims(id));
        match (&node.op, pass.mode) {
            (Op::Dropout { p }, Mode::Train { seed }) => {
                dropout::apply(dy, *p, dropout_seed(seed, id))
            }
            (op, _) => {
                if pass.rule == Rule::Deconvolution {
                    // The rectified gradient, which arrived, is all there is to it.
                } else if let (Some(kind), Rule::Rescale) = (pointwise(op), pass.rule) {
                    self.rescale(id, kind, dy);
                } else if let Some(kind) = pointwise(op) {
                    let kept = if kind.from_output() {
                        self.value(id)
                    } else {
                        self.value(node.inputs[0])
                    };
                    activation::backward(kind, kept, dy);
                }
            }
        }
        self.pass_on(node.inputs[0], grad, pass);
    }

    /// Pooling and resizing.
    fn backward_spatial(&mut self, id: NodeId, node: &Node, dy: View, pass: &Pass) {
        self.emit_new(node.inputs[0], pass, |this, dx| {
            match (
                &node.op,
                &this.saved[id],
                window(&node.op),
                global(&node.op),
            ) {
                (Op::MaxPool2d { .. }, ..) if pass.rule == Rule::Rescale => {
                    this.rescale_max(id, dy, dx)
                }
                (Op::MaxPool2d { .. }, Saved::Places(places), Some(window), _) => {
                    pool::max_backward(dy, places, &window, dx)
                }
                (_, _, Some(window), _) => pool::avg_backward(dy, &window, dx),
                (_, _, _, Some(kind)) => {
                    // The mean's gradient reads neither activation, and they were not kept.
                    let (x, y) = if kind == global_pool::Global::Avg {
                        (None, None)
                    } else {
                        (Some(this.value(node.inputs[0])), Some(this.value(id)))
                    };
                    global_pool::backward(kind, x, y, dy, dx);
                }
                (Op::UpsampleLike { align_corners }, ..) => {
                    resize::bilinear_backward(dy, *align_corners, dx)
                }
                _ => copy::fit(dy, dx),
            }
        });
    }

    fn backward_concat(&mut self, node: &Node, dy: View, pass: &Pass) {
        let mut offset = 0;
        for &input in &node.inputs {
            self.emit(input, pass, |_, dx, sum| {
                copy::take_channels(dy, offset, sum, dx)
            });
            offset += self.dims(input).c;
        }
    }

    fn backward_mul(&mut self, node: &Node, dy: View, pass: &Pass) {
        let (a, b) = (node.inputs[0], node.inputs[1]);
        self.emit_new(a, pass, |this, dx| elementwise::mul(dy, this.value(b), dx));
        self.emit_new(b, pass, |this, dx| {
            if this.dims(a) == this.dims(b) {
                elementwise::mul(dy, this.value(a), dx);
            } else {
                elementwise::gate_gradient(this.value(a), dy, dx);
            }
        });
    }

    fn backward_norm(&mut self, norm: NodeId, relu: bool, mut grad: Buffer, pass: &mut Pass) {
        let input = self.graph.nodes[norm].inputs[0];
        let (Some(bn), Saved::Norm(saved)) =
            (Bn::of(&self.graph.nodes[norm].op), &self.saved[norm])
        else {
            return;
        };
        let (x, dims) = (self.value(input), self.dims(norm));
        let train = pass.mode != Mode::Eval;
        let map = saved.line.map(relu);
        let sums = (train || pass.want_params)
            .then(|| batch_norm::backward_sums(x, View::new(&grad, dims), &saved.moments, map));
        if pass.needed[input] {
            let terms = sums.as_ref().filter(|_| train);
            batch_norm::backward_input(
                x,
                ViewMut::new(&mut grad, dims),
                &saved.moments,
                map,
                terms,
            );
        }
        if let Some(sums) = sums.filter(|_| pass.want_params) {
            pass.add_param(bn.weight, sums.weight);
            pass.add_param(bn.bias, sums.bias);
        }
        self.pass_on(input, grad, pass);
    }

    fn backward_product(&mut self, id: NodeId, input: NodeId, dy: View, pass: &mut Pass) {
        let Some(product) = Product::of(&self.graph, id) else {
            return;
        };
        if pass.want_params {
            let source = self.source(input, input == 0 && product.planar());
            let grad = match (product.direction, source) {
                (Direction::Forward, _) => weight_gradient(source, dy, &product.spec),
                // The convolution behind a transposed one goes from its output to its input.
                (Direction::Backward, Source::Blocked(x, None)) => {
                    weight_gradient(Source::Blocked(dy, None), x, &product.spec)
                }
                (Direction::Backward, _) => return,
            };
            pass.add_param(product.weight, grad);
            if let Some(bias) = product.bias {
                pass.add_param(bias, bias_gradient(dy));
            }
        }
        let weight = pass.params[product.weight].as_slice();
        self.emit(input, pass, |_, dx, accumulate| {
            let packed = PackedWeights::new(weight, product.spec, product.reverse(), false);
            correlate(
                Source::Blocked(dy, None),
                &packed,
                Epilogue {
                    accumulate,
                    ..Epilogue::default()
                },
                dx,
            );
        });
    }
}
