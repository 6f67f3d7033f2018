//! The layers that go from slice to slice of volumes, forward (also for inference) and backward.

use super::Trainer;
use super::backward::Pass;
use crate::graph::{Node, Op};
use crate::ops::slices::{self, SlicePooling};
use crate::slice_shapes::slice_window;
use crate::view::{View, ViewMut};

/// One layer; does nothing for others.
pub(crate) fn forward(op: &Op, x: View, out: ViewMut) {
    match (op, slice_window(op)) {
        (Op::GatherSlices { .. }, Some(window)) => slices::gather(x, &window, out),
        (Op::SpreadSlices { .. }, Some(window)) => slices::spread(x, &window, out),
        (Op::PoolSlices { kind, .. }, Some(window)) => slices::pool(x, &window, *kind, out),
        (
            Op::ResizeSlices {
                slices,
                to,
                align_corners,
            },
            _,
        ) => slices::resize(x, [*slices, *to], *align_corners, out),
        _ => {}
    }
}

impl Trainer {
    pub(super) fn backward_slices(&mut self, node: &Node, dy: View, pass: &Pass) {
        let input = node.inputs[0];
        self.emit_new(input, pass, |this, dx| {
            match (&node.op, slice_window(&node.op)) {
                (Op::GatherSlices { .. }, Some(window)) => slices::spread(dy, &window, dx),
                (Op::SpreadSlices { .. }, Some(window)) => slices::gather(dy, &window, dx),
                (Op::PoolSlices { kind, .. }, Some(window)) => {
                    // The mean's gradient does not read its input, which was not kept.
                    let x = (*kind == SlicePooling::Max).then(|| this.value(input));
                    slices::pool_backward(x, dy, &window, dx)
                }
                (
                    Op::ResizeSlices {
                        slices,
                        to,
                        align_corners,
                    },
                    _,
                ) => slices::resize_backward(dy, [*slices, *to], *align_corners, dx),
                _ => {}
            }
        });
    }
}
