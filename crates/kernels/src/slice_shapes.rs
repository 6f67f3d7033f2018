//! The shape check of the layers that go from slice to slice of volumes.

use crate::error::KernelError;
use crate::graph::Op;
use crate::ops::slices::{SlicePooling, SliceWindow};
use crate::shapes::{Check, Shape, windowed};

/// True for the layers of this file.
pub(crate) fn is(op: &Op) -> bool {
    matches!(
        op,
        Op::GatherSlices { .. }
            | Op::SpreadSlices { .. }
            | Op::PoolSlices { .. }
            | Op::ResizeSlices { .. }
    )
}

/// The window of a layer; a layer that spreads windows has that of the side it spreads to.
pub(crate) fn slice_window(op: &Op) -> Option<SliceWindow> {
    match *op {
        Op::GatherSlices { window } => Some(window),
        Op::SpreadSlices { window } => Some(SliceWindow {
            slices: spread_slices(&window)?,
            ..window
        }),
        Op::PoolSlices { window, .. } => Some(window),
        _ => None,
    }
}

/// Slices that windows of `window.slices` windows reach, less the padding.
fn spread_slices(window: &SliceWindow) -> Option<usize> {
    let reach = window.slices.checked_sub(1)?.checked_mul(window.stride)?;
    reach
        .checked_add(window.taps)?
        .checked_sub(window.padding.checked_mul(2)?)
        .filter(|&slices| slices > 0)
}

impl Check<'_> {
    pub(crate) fn slices(&self, input: &Shape) -> Result<Shape, KernelError> {
        let [n, c, h, w] = self.image(input)?;
        let shape = |n, c| Ok(vec![n, c, h, w]);
        match self.node.op {
            Op::GatherSlices { window } => {
                let volumes = self.volumes(n, window.slices)?;
                let windows = self.windows(&window)?;
                shape(self.times(volumes, windows)?, self.times(c, window.taps)?)
            }
            Op::SpreadSlices { window } => {
                let volumes = self.volumes(n, window.slices)?;
                self.window_settings(&window)?;
                self.setting("taps", window.taps as f64, c.is_multiple_of(window.taps))?;
                let slices = spread_slices(&window);
                let Some(slices) = slices else {
                    return self
                        .setting("padding", window.padding as f64, false)
                        .map(|()| Vec::new());
                };
                shape(self.times(volumes, slices)?, c / window.taps)
            }
            Op::PoolSlices { window, .. } => {
                let volumes = self.volumes(n, window.slices)?;
                self.setting("padding", window.padding as f64, window.padding == 0)?;
                shape(self.times(volumes, self.windows(&window)?)?, c)
            }
            Op::ResizeSlices { slices, to, .. } => {
                self.setting("to", to as f64, to > 0)?;
                shape(self.times(self.volumes(n, slices)?, to)?, c)
            }
            _ => Err(KernelError::NoInput),
        }
    }

    /// Whole volumes among `images` images.
    fn volumes(&self, images: usize, slices: usize) -> Result<usize, KernelError> {
        if slices > 0 && images.is_multiple_of(slices) {
            return Ok(images / slices);
        }
        Err(KernelError::Slices {
            node: self.name(),
            images,
            slices,
        })
    }

    fn window_settings(&self, window: &SliceWindow) -> Result<(), KernelError> {
        self.setting("taps", window.taps as f64, window.taps > 0)?;
        self.setting("stride", window.stride as f64, window.stride > 0)
    }

    fn windows(&self, window: &SliceWindow) -> Result<usize, KernelError> {
        self.window_settings(window)?;
        let count = windowed(window.slices, window.taps, window.stride, window.padding);
        count.ok_or_else(|| KernelError::Setting {
            node: self.name(),
            field: "taps",
            value: window.taps as f64,
        })
    }

    fn times(&self, a: usize, b: usize) -> Result<usize, KernelError> {
        a.checked_mul(b)
            .ok_or_else(|| KernelError::Overflow { node: self.name() })
    }
}

/// True when the layer's gradient reads its input.
pub(crate) fn reads_input(op: &Op) -> bool {
    matches!(
        op,
        Op::PoolSlices {
            kind: SlicePooling::Max,
            ..
        }
    )
}
