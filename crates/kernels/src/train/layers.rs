//! From a layer's settings to the kernels' own terms; shared by training and inference.

use crate::graph::Op;
use crate::ops::conv::ConvShape;
use crate::ops::copy;
use crate::ops::global_pool::Global;
use crate::ops::pool::Window;
use crate::view::{Dims, View, ViewMut};

/// A linear layer as a 1 by 1 convolution.
pub(crate) fn linear_shape(x: Dims, out: Dims) -> ConvShape {
    ConvShape { x, out, kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 }
}

/// Each input's channels behind those of the one before.
pub(crate) fn concat<'a>(inputs: impl Iterator<Item = View<'a>>, out: &mut [f32], channels: usize) {
    let mut offset = 0;
    for x in inputs {
        copy::copy(x, ViewMut::strided(&mut out[offset..], x.dims, channels));
        offset += x.dims.c;
    }
}

/// The window of a pooling layer.
pub(crate) fn window(op: &Op) -> Option<Window> {
    match *op {
        Op::MaxPool2d { kernel, stride, padding, .. } => Some(Window { kernel, stride, padding }),
        Op::AvgPool2d { kernel, stride } => Some(Window { kernel, stride, padding: [0, 0] }),
        _ => None,
    }
}

/// The kind of a global pooling layer.
pub(crate) fn global(op: &Op) -> Option<Global> {
    match *op {
        Op::GlobalAvgPool => Some(Global::Avg),
        Op::GlobalMaxPool => Some(Global::Max),
        Op::GlobalLsePool { r } => Some(Global::Lse(r)),
        _ => None,
    }
}

/// The convolution of a layer between these extents; a transposed one is described by its gradient, from its output to its input.
pub(crate) fn conv_shape(op: &Op, weight: &[usize], x: Dims, out: Dims) -> Option<ConvShape> {
    let kernel = [*weight.get(2)?, *weight.get(3)?];
    match *op {
        Op::Conv2d { stride, padding, dilation, groups, .. } => Some(ConvShape { x, out, kernel, stride, padding, dilation, groups }),
        Op::ConvTranspose2d { stride, padding, .. } => Some(ConvShape { x: out, out: x, kernel, stride, padding, dilation: [1, 1], groups: 1 }),
        _ => None,
    }
}
