//! Backward rules of attribution methods: what a layer passes down in place of its gradient.
//!
//! Every rule here is the gradient with another factor at some layers (Ancona et al. 2018, "Towards better
//! understanding of gradient-based attribution methods", section 3), so one backward pass serves them all.

use super::layers::{pointwise, window};
use super::schedule::Way;
use super::{Saved, Trainer, tokens};
use crate::buffer::Buffer;
use crate::error::KernelError;
use crate::graph::{NodeId, Op};
use crate::ops::activation::{self, Activation};
use crate::ops::pool;
use crate::slice_shapes;
use crate::view::{View, ViewMut};

/// Below this difference of two inputs a multiplier is the gradient, as in captum.
const LEAST_DIFFERENCE: f32 = 1e-10;

/// What layers pass down in the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Rule {
    /// The gradient.
    #[default]
    Gradient,
    /// Guided backpropagation (Springenberg et al. 2015, section 3.4): rectifiers also drop negative gradients.
    Guided,
    /// Deconvolution (Zeiler and Fergus 2014, section 2.1): rectifiers rectify the gradient and look at nothing else.
    Deconvolution,
    /// DeepLIFT's rescale rule (Shrikumar et al. 2017, section 3.5.1). The batch holds the inputs and then as
    /// many references; max pooling hands the whole difference of its output to the places of the maxima.
    Rescale,
    /// Layer-wise relevance propagation with this stabiliser (Bach et al. 2015, equation 58), as a factor of the gradient:
    /// relevance is the gradient under this rule times the activation.
    Epsilon(f32),
}

/// True when the layer is linear in its input, so that relevance is shared out by the epsilon rule.
fn shares_relevance(op: &Op) -> bool {
    matches!(
        op,
        Op::Conv2d { .. }
            | Op::ConvTranspose2d { .. }
            | Op::Linear { .. }
            | Op::BatchNorm { .. }
            | Op::Add
            | Op::MaxPool2d { .. }
            | Op::AvgPool2d { .. }
            | Op::GlobalAvgPool
    )
}

fn rectifies(op: &Op) -> bool {
    matches!(op, Op::Relu | Op::Relu6)
}

/// True when the rule reads this layer's inputs and output.
fn reads(rule: Rule, op: &Op) -> bool {
    match rule {
        Rule::Rescale => pointwise(op).is_some() || matches!(op, Op::MaxPool2d { .. }),
        Rule::Epsilon(_) => shares_relevance(op),
        _ => false,
    }
}

impl Rule {
    /// True when the rule says what to do at such a layer.
    pub fn covers(self, op: &Op) -> bool {
        match self {
            Rule::Gradient => true,
            // None of these rules was published for normalisation over channels, for attention or for weighed branches.
            _ if tokens::is(op) || matches!(op, Op::Select) => false,
            Rule::Guided | Rule::Deconvolution => {
                pointwise(op).is_none_or(|_| rectifies(op)) && !matches!(op, Op::Mul)
            }
            Rule::Rescale => {
                !matches!(op, Op::Mul | Op::GlobalMaxPool | Op::GlobalLsePool { .. })
                    && !slice_shapes::reads_input(op)
            }
            Rule::Epsilon(_) => {
                shares_relevance(op)
                    || rectifies(op)
                    || matches!(
                        op,
                        Op::Input { .. }
                            | Op::Concat
                            | Op::Flatten
                            | Op::Dropout { .. }
                            | Op::PixelShuffle { .. }
                    )
            }
        }
    }
}

impl Trainer {
    /// The nodes to name in [`Trainer::retain`] before a forward pass that a backward pass under `rule` will follow.
    pub fn needed_by(&self, rule: Rule) -> Vec<NodeId> {
        let mut needed = std::collections::BTreeSet::new();
        for (id, node) in self.graph.nodes.iter().enumerate() {
            if !reads(rule, &node.op) {
                continue;
            }
            needed.insert(id);
            if rule == Rule::Rescale {
                needed.extend(&node.inputs);
            }
        }
        needed.into_iter().collect()
    }

    /// Refuses what the rule has no answer for, and activations that it would miss.
    pub(super) fn check_rule(&self, rule: Rule) -> Result<(), KernelError> {
        if let Some(node) = self.graph.nodes.iter().find(|n| !rule.covers(&n.op)) {
            return Err(KernelError::NoRule {
                node: node.name.clone(),
                rule: format!("{rule:?}"),
            });
        }
        if rule == Rule::Rescale && !self.dims(0).n.is_multiple_of(2) {
            return Err(KernelError::Unpaired { n: self.dims(0).n });
        }
        let kept = |id: NodeId| {
            self.schedule.visible[id] && matches!(self.schedule.way[id], Way::Plain | Way::BnRelu)
        };
        match self.needed_by(rule).into_iter().find(|&id| !kept(id)) {
            Some(id) => Err(KernelError::NotRetained {
                node: self.graph.nodes[id].name.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Changes the gradient that arrives at a node's output, where the rule asks for that.
    pub(super) fn rule_on_arrival(&self, id: NodeId, rule: Rule, grad: &mut Buffer) {
        let op = &self.graph.nodes[id].op;
        match rule {
            Rule::Guided | Rule::Deconvolution if rectifies(op) => {
                grad.iter_mut().for_each(|g| *g = g.max(0.0));
            }
            Rule::Epsilon(eps) if shares_relevance(op) => {
                let z = self.value(id).data;
                grad.iter_mut().zip(z).for_each(|(g, &z)| {
                    let sign = if z >= 0.0 { 1.0 } else { -1.0 };
                    *g *= z / (z + eps * sign);
                });
            }
            _ => {}
        }
    }

    /// The rescale rule at a pointwise layer: the gradient becomes the ratio of differences.
    pub(super) fn rescale(&self, id: NodeId, kind: Activation, dy: ViewMut) {
        let input = self.graph.nodes[id].inputs[0];
        let (x, y) = (self.value(input).data, self.value(id).data);
        let mut plain = dy.data.to_vec();
        let kept = if kind.from_output() { y } else { x };
        activation::backward(
            kind,
            View::new(kept, dy.dims),
            ViewMut::new(&mut plain, dy.dims),
        );
        let half = dy.data.len() / 2;
        for at in 0..half {
            let (dx, dout) = (x[at] - x[at + half], y[at] - y[at + half]);
            for i in [at, at + half] {
                dy.data[i] = if dx.abs() < LEAST_DIFFERENCE {
                    plain[i]
                } else {
                    dy.data[i] * dout / dx
                };
            }
        }
    }

    /// The rescale rule at max pooling: each output's difference from the larger of both outputs is
    /// carried to the place of the maximum of its own half, and the sum divided by the input's difference.
    pub(super) fn rescale_max(&self, id: NodeId, dy: View, mut dx: ViewMut) {
        let node = &self.graph.nodes[id];
        let (Saved::Places(places), Some(window)) = (&self.saved[id], window(&node.op)) else {
            return;
        };
        pool::max_backward(dy, places, &window, dx.reborrow());
        let y = self.value(id).data;
        let mut carried = dy.data[..y.len()].to_vec();
        let half = y.len() / 2;
        for at in 0..half {
            let top = y[at].max(y[at + half]);
            carried[at] *= top - y[at + half];
            carried[at + half] *= y[at] - top;
        }
        let mut spread = vec![0.0; dx.data.len()];
        pool::max_backward(
            View::new(&carried, dy.dims),
            places,
            &window,
            ViewMut::new(&mut spread, dx.dims),
        );
        let x = self.value(node.inputs[0]).data;
        let half = x.len() / 2;
        for at in 0..half {
            let difference = x[at] - x[at + half];
            if difference.abs() >= LEAST_DIFFERENCE {
                let value = (spread[at] + spread[at + half]) / difference;
                (dx.data[at], dx.data[at + half]) = (value, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_say_which_layers_they_cover() {
        assert!(Rule::Gradient.covers(&Op::Mul));
        assert!(!Rule::Epsilon(1e-9).covers(&Op::Silu));
        assert!(Rule::Rescale.covers(&Op::Silu));
        assert!(!Rule::Rescale.covers(&Op::GlobalMaxPool));
        assert!(!Rule::Guided.covers(&Op::Sigmoid));
        assert!(Rule::Deconvolution.covers(&Op::Relu6));
    }
}
