//! The backward pass.

use super::forward::{Bn, dropout_seed};
use super::layers::{conv_shape, global, linear_shape, window};
use super::schedule::{Way, activation};
use super::{Gradients, Mode, Saved, Trainer, Wanted};
use crate::buffer::Buffer;
use crate::error::KernelError;
use crate::graph::{Node, NodeId, Op, ParamId, Params};
use crate::ops::conv::{self, ConvShape, Epilogue};
use crate::ops::{activation as act, batch_norm, copy, dropout, elementwise, global_pool, layout, pool, resize};
use crate::tensor::Tensor;
use crate::view::{Dims, View, ViewMut};

/// What the pass needs besides the trainer.
struct Pass<'a> {
    params: &'a Params,
    mode: Mode,
    /// Nodes whose gradient somebody waits for.
    needed: Vec<bool>,
    want_params: bool,
    found: Vec<Option<Vec<f32>>>,
}

impl Pass<'_> {
    fn add_param(&mut self, id: ParamId, grad: Vec<f32>) {
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
    pub fn backward(&mut self, params: &Params, d_outputs: &[Tensor], want: Wanted) -> Result<Gradients, KernelError> {
        let mode = self.mode.ok_or(KernelError::NoForward)?;
        self.check_backward(params, d_outputs, &want)?;
        for (i, d) in d_outputs.iter().enumerate() {
            let node = self.graph.outputs[i].1;
            let grad = self.load(node, d);
            self.add_grad(node, grad);
        }
        let needed = self.needed(&want);
        let mut pass = Pass { params, mode, needed, want_params: want.params, found: vec![None; params.len()] };
        let mut out = Gradients { params: Vec::new(), input: None, nodes: want.nodes.iter().map(|&id| (id, Tensor::zeros(&self.shapes[id]))).collect() };
        for id in (0..self.graph.nodes.len()).rev() {
            if let Some(grad) = self.grads[id].take() {
                self.hand_out(id, &grad, &want, &mut out);
                if id != 0 && pass.needed[id] {
                    self.backward_node(id, grad, &mut pass);
                } else {
                    self.pool.give(grad);
                }
            }
            if !want.keep && !self.schedule.visible[id] && let Some(value) = self.values[id].take() {
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
        Ok(out)
    }

    fn check_backward(&self, params: &Params, d_outputs: &[Tensor], want: &Wanted) -> Result<(), KernelError> {
        self.graph.check_params(params)?;
        if d_outputs.len() != self.graph.outputs.len() {
            return Err(KernelError::GradientCount { expected: self.graph.outputs.len(), got: d_outputs.len() });
        }
        for (d, (name, id)) in d_outputs.iter().zip(&self.graph.outputs) {
            if d.shape != self.shapes[*id] {
                return Err(KernelError::GradientShape { name: name.clone(), expected: self.shapes[*id].clone(), got: d.shape.clone() });
            }
            if d.data.len() != self.dims(*id).len() {
                return Err(KernelError::Length { shape: d.shape.clone(), len: d.data.len() });
            }
        }
        for &id in &want.nodes {
            let way = self.schedule.way.get(id).ok_or(KernelError::UnknownNode { id })?;
            if *way == Way::Absorbed {
                return Err(KernelError::NotRetained { node: self.graph.nodes[id].name.clone() });
            }
        }
        Ok(())
    }

    fn needed(&self, want: &Wanted) -> Vec<bool> {
        let mut needed = vec![false; self.graph.nodes.len()];
        for (id, node) in self.graph.nodes.iter().enumerate() {
            let has_params = matches!(node.op, Op::Conv2d { .. } | Op::ConvTranspose2d { .. } | Op::BatchNorm { .. } | Op::Linear { .. });
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
            layout::to_channels_first(view, &mut tensor.data);
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

    /// Adds a gradient that is only lent.
    fn add_grad_view(&mut self, node: NodeId, grad: View) {
        let dims = self.dims(node);
        match &mut self.grads[node] {
            Some(sum) => copy::accumulate(grad, ViewMut::new(sum, dims)),
            slot => {
                let mut buffer = self.pool.take(dims.len());
                copy::copy(grad, ViewMut::new(&mut buffer, dims));
                *slot = Some(buffer);
            }
        }
    }

    /// A new gradient for `node`, filled by `body` and added to what is there.
    fn emit(&mut self, node: NodeId, pass: &Pass, body: impl FnOnce(&Self, ViewMut)) {
        if !pass.needed[node] {
            return;
        }
        let dims = self.dims(node);
        let mut buffer = self.pool.take(dims.len());
        body(self, ViewMut::new(&mut buffer, dims));
        self.add_grad(node, buffer);
    }

    fn backward_node(&mut self, id: NodeId, grad: Buffer, pass: &mut Pass) {
        let node = self.graph.nodes[id].clone();
        let dims = self.dims(id);
        let way = self.schedule.way[id];
        match &node.op {
            _ if way == Way::BnRelu => return self.backward_norm(node.inputs[0], Some(id), grad, pass),
            Op::BatchNorm { .. } => return self.backward_norm(id, None, grad, pass),
            Op::Conv2d { weight, bias, .. } | Op::ConvTranspose2d { weight, bias, .. } | Op::Linear { weight, bias } => {
                self.backward_product(&node, *weight, *bias, View::new(&grad, dims), pass);
            }
            Op::Add => {
                if pass.needed[node.inputs[1]] {
                    self.add_grad_view(node.inputs[1], View::new(&grad, dims));
                }
                return self.pass_on(node.inputs[0], grad, pass);
            }
            Op::Concat => self.backward_concat(&node, &grad, dims.c, pass),
            Op::Flatten => self.emit(node.inputs[0], pass, |_, out| layout::to_channels_last(&grad, out)),
            Op::Mul => self.backward_mul(&node, View::new(&grad, dims), pass),
            op if activation(op).is_some() || matches!(op, Op::Dropout { .. }) => return self.backward_pointwise(id, &node, grad, pass),
            _ => self.backward_spatial(id, &node, View::new(&grad, dims), pass),
        }
        self.pool.give(grad);
    }

    fn pass_on(&mut self, node: NodeId, grad: Buffer, pass: &Pass) {
        if pass.needed[node] {
            self.add_grad(node, grad);
        } else {
            self.pool.give(grad);
        }
    }

    fn backward_pointwise(&mut self, id: NodeId, node: &Node, mut grad: Buffer, pass: &Pass) {
        match (&node.op, pass.mode) {
            (Op::Dropout { p }, Mode::Train { seed }) => dropout::apply(&mut grad, *p, dropout_seed(seed, id)),
            (op, _) => {
                if let Some(kind) = activation(op) {
                    let kept = if kind.from_output() { self.value(id) } else { self.value(node.inputs[0]) };
                    act::backward(kind, kept, &mut grad);
                }
            }
        }
        self.pass_on(node.inputs[0], grad, pass);
    }

    /// Pooling and resizing.
    fn backward_spatial(&mut self, id: NodeId, node: &Node, dy: View, pass: &Pass) {
        self.emit(node.inputs[0], pass, |this, dx| match (&node.op, &this.saved[id], window(&node.op), global(&node.op)) {
            (Op::MaxPool2d { .. }, Saved::Places(places), Some(window), _) => pool::max_backward(dy, places, &window, dx),
            (_, _, Some(window), _) => pool::avg_backward(dy, &window, dx),
            (_, _, _, Some(kind)) => {
                // The mean's gradient reads neither activation, and they were not kept.
                let (x, y) = if kind == global_pool::Global::Avg { (None, None) } else { (Some(this.value(node.inputs[0])), Some(this.value(id))) };
                global_pool::backward(kind, x, y, dy, dx);
            }
            (Op::UpsampleLike { align_corners }, ..) => resize::bilinear_backward(dy, *align_corners, dx),
            _ => copy::fit(dy, dx),
        });
    }

    fn backward_concat(&mut self, node: &Node, grad: &[f32], channels: usize, pass: &Pass) {
        let mut offset = 0;
        for &input in &node.inputs {
            let dims = self.dims(input);
            if pass.needed[input] {
                self.add_grad_view(input, View::strided(&grad[offset..], dims, channels));
            }
            offset += dims.c;
        }
    }

    fn backward_mul(&mut self, node: &Node, dy: View, pass: &Pass) {
        let (a, b) = (node.inputs[0], node.inputs[1]);
        self.emit(a, pass, |this, dx| elementwise::mul(dy, this.value(b), dx));
        self.emit(b, pass, |this, dx| {
            if this.dims(a) == this.dims(b) {
                elementwise::mul(dy, this.value(a), dx);
            } else {
                elementwise::gate_gradient(this.value(a), dy, dx);
            }
        });
    }

    fn backward_norm(&mut self, norm: NodeId, rectified: Option<NodeId>, mut grad: Buffer, pass: &mut Pass) {
        let input = self.graph.nodes[norm].inputs[0];
        let (Some(bn), Saved::Moments(moments)) = (Bn::of(&self.graph.nodes[norm].op), &self.saved[norm]) else { return };
        let (x, dims) = (self.value(input), self.dims(norm));
        let y = rectified.map(|id| self.value(id));
        let train = pass.mode != Mode::Eval;
        let sums = (train || pass.want_params).then(|| batch_norm::backward_sums(x, y, View::new(&grad, dims), moments));
        if pass.needed[input] {
            let terms = sums.as_ref().filter(|_| train);
            batch_norm::backward_input(x, y, ViewMut::new(&mut grad, dims), moments, &pass.params[bn.weight], terms);
        }
        if let Some(sums) = sums.filter(|_| pass.want_params) {
            pass.add_param(bn.weight, sums.weight);
            pass.add_param(bn.bias, sums.bias);
        }
        self.pass_on(input, grad, pass);
    }

    fn backward_product(&mut self, node: &Node, weight: ParamId, bias: Option<ParamId>, dy: View, pass: &mut Pass) {
        let input = node.inputs[0];
        let transposed = matches!(node.op, Op::ConvTranspose2d { .. });
        let Some(shape) = self.product_shape(node, weight, dy.dims) else { return };
        if pass.want_params {
            let x = self.value(input);
            let grad = if transposed { conv::weight_gradient(dy, x, &shape) } else { conv::weight_gradient(x, dy, &shape) };
            pass.add_param(weight, grad);
            if let Some(bias) = bias {
                pass.add_param(bias, conv::bias_gradient(dy));
            }
        }
        let weight = &pass.params[weight];
        self.emit(input, pass, |_, dx| {
            if transposed {
                conv::forward(dy, &conv::pack_forward(weight, &shape), Epilogue::default(), &shape, dx);
            } else {
                conv::input_gradient(dy, &conv::pack_backward(weight, &shape), Epilogue::default(), &shape, dx);
            }
        });
    }

    fn product_shape(&self, node: &Node, weight: ParamId, out: Dims) -> Option<ConvShape> {
        let x = self.dims(node.inputs[0]);
        match node.op {
            Op::Linear { .. } => Some(linear_shape(x, out)),
            _ => conv_shape(&node.op, &self.graph.params[weight].shape, x, out),
        }
    }
}
