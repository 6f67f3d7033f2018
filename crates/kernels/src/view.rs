//! Views of activations as the kernels see them: pixels in rows, channels innermost.
//!
//! Inside the engine activations are `[batch, row, column, channel]`. A view has a row stride, so that the
//! channels of one layer can live between those of another (concatenation without copies).

/// Extents of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dims {
    /// Batch.
    pub n: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Channels.
    pub c: usize,
}

impl Dims {
    /// From a checked logical shape, `[n, c, h, w]` or `[n, c]`.
    pub fn from_shape(shape: &[usize]) -> Self {
        let at = |axis: usize| shape.get(axis).copied().unwrap_or(1);
        Dims { n: at(0), h: at(2), w: at(3), c: at(1) }
    }

    /// Pixels of all images.
    pub fn rows(&self) -> usize {
        self.n * self.h * self.w
    }

    /// Pixels of one image.
    pub fn pixels(&self) -> usize {
        self.h * self.w
    }

    /// Values.
    pub fn len(&self) -> usize {
        self.rows() * self.c
    }

    /// True without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn fits(len: usize, dims: Dims, ld: usize) -> bool {
    ld >= dims.c && (dims.rows() == 0 || len >= (dims.rows() - 1) * ld + dims.c)
}

/// Activation to read.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// From the first channel of the first pixel on.
    pub data: &'a [f32],
    /// Extents.
    pub dims: Dims,
    /// Floats from one pixel to the next.
    pub ld: usize,
}

impl<'a> View<'a> {
    /// Contiguous activation.
    pub fn new(data: &'a [f32], dims: Dims) -> Self {
        Self::strided(data, dims, dims.c)
    }

    /// Activation whose pixels are `ld` floats apart.
    pub fn strided(data: &'a [f32], dims: Dims, ld: usize) -> Self {
        assert!(fits(data.len(), dims, ld), "view {dims:?} with row stride {ld} over {} values", data.len());
        View { data, dims, ld }
    }

    /// Channels of one pixel.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.ld..row * self.ld + self.dims.c]
    }

    /// The same values seen with other extents of as many pixels.
    pub fn reshape(self, dims: Dims) -> Self {
        Self::strided(self.data, dims, self.ld)
    }
}

/// Activation to write.
#[derive(Debug)]
pub struct ViewMut<'a> {
    /// From the first channel of the first pixel on.
    pub data: &'a mut [f32],
    /// Extents.
    pub dims: Dims,
    /// Floats from one pixel to the next.
    pub ld: usize,
}

impl<'a> ViewMut<'a> {
    /// Contiguous activation.
    pub fn new(data: &'a mut [f32], dims: Dims) -> Self {
        Self::strided(data, dims, dims.c)
    }

    /// Activation whose pixels are `ld` floats apart.
    pub fn strided(data: &'a mut [f32], dims: Dims, ld: usize) -> Self {
        assert!(fits(data.len(), dims, ld), "view {dims:?} with row stride {ld} over {} values", data.len());
        ViewMut { data, dims, ld }
    }

    /// To read.
    pub fn as_view(&self) -> View<'_> {
        View { data: self.data, dims: self.dims, ld: self.ld }
    }
}
