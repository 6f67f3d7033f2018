//! The layers that rearrange channels and weigh branches, forward (also for inference) and backward.

use super::Trainer;
use super::backward::Pass;
use crate::graph::{Node, Op};
use crate::ops::{select, shuffle};
use crate::view::{View, ViewMut};

/// One layer; does nothing for others.
pub(crate) fn forward(op: &Op, inputs: &[View], out: ViewMut) {
    match *op {
        Op::PixelShuffle { factor } => shuffle::shuffle(inputs[0], factor, out),
        Op::Select => {
            let (gates, branches) = inputs.split_at(inputs.len() / 2);
            select::select(gates, branches, out);
        }
        _ => {}
    }
}

impl Trainer {
    pub(super) fn backward_branches(&mut self, node: &Node, dy: View, pass: &Pass) {
        if let Op::PixelShuffle { factor } = node.op {
            return self.emit_new(node.inputs[0], pass, |_, dx| {
                shuffle::gather(dy, factor, dx);
            });
        }
        let count = node.inputs.len() / 2;
        for (at, &input) in node.inputs.iter().enumerate() {
            self.emit_new(input, pass, |this, dx| {
                let views: Vec<View> = node.inputs.iter().map(|&i| this.value(i)).collect();
                let (gates, branches) = views.split_at(count);
                if at < count {
                    select::gate_gradient(gates, branches, at, dy, dx);
                } else {
                    select::branch_gradient(gates, at - count, dy, dx);
                }
            });
        }
    }
}
