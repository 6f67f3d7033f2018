//! The shape check of the layers that rearrange channels and weigh branches.

use crate::error::KernelError;
use crate::graph::Op;
use crate::shapes::{Check, Shape};

/// True for the layers of this file.
pub(crate) fn is(op: &Op) -> bool {
    matches!(op, Op::PixelShuffle { .. } | Op::Select)
}

/// True when the layer's gradient reads its inputs.
pub(crate) fn reads_inputs(op: &Op) -> bool {
    matches!(op, Op::Select)
}

/// Inputs that a selection of branches must have when it has `got`: gates, then as many branches, two at least.
pub(crate) fn select_arity(got: usize) -> usize {
    (got + got % 2).max(4)
}

impl Check<'_> {
    pub(crate) fn branches(&self, inputs: &[&Shape]) -> Result<Shape, KernelError> {
        let [n, c, h, w] = self.image(inputs[0])?;
        let Op::PixelShuffle { factor } = self.node.op else {
            return self.select(inputs);
        };
        let area = factor.checked_mul(factor).filter(|&area| area > 0);
        let fits = area.is_some_and(|area| c.is_multiple_of(area));
        self.setting("factor", factor as f64, fits)?;
        let grown = |len: usize| {
            len.checked_mul(factor)
                .ok_or_else(|| KernelError::Overflow { node: self.name() })
        };
        Ok(vec![n, c / area.unwrap_or(1), grown(h)?, grown(w)?])
    }

    fn select(&self, inputs: &[&Shape]) -> Result<Shape, KernelError> {
        let (gates, branches) = inputs.split_at(inputs.len() / 2);
        let out = self.image(branches[0])?;
        for gate in gates {
            let fits = gate[..] == [out[0], out[1], 1, 1];
            self.same(branches[0], gate, fits)?;
        }
        for branch in branches {
            self.same(branches[0], branch, branches[0] == *branch)?;
        }
        Ok(out.to_vec())
    }
}
