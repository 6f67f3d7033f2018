//! Views of activations as the kernels see them.
//!
//! Inside the engine an activation is `[batch, block, row, column, 16]`: channels in blocks of sixteen, the last
//! block filled up with lanes that no one reads. One pixel of one block is one AVX-512 register and one cache
//! line, and the address of its neighbour is a constant away whatever the number of channels. A view has its own
//! distance from image to image, so that the blocks of several layers can live in one buffer (concatenation
//! without copies).

/// Channels in a block.
pub const LANES: usize = 16;

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
        Dims {
            n: at(0),
            h: at(2),
            w: at(3),
            c: at(1),
        }
    }

    /// Pixels of one image.
    pub fn pixels(&self) -> usize {
        self.h * self.w
    }

    /// Blocks of channels.
    pub fn blocks(&self) -> usize {
        self.c.div_ceil(LANES)
    }

    /// Floats of one block of one image.
    pub fn plane(&self) -> usize {
        self.pixels() * LANES
    }

    /// Floats of one image.
    pub fn image(&self) -> usize {
        self.blocks() * self.plane()
    }

    /// Floats of the whole, filling lanes included.
    pub fn stored(&self) -> usize {
        self.n * self.image()
    }

    /// Values, without filling lanes.
    pub fn values(&self) -> usize {
        self.n * self.c * self.pixels()
    }

    /// Lanes of block `b` that hold channels.
    pub fn lanes(&self, b: usize) -> usize {
        (self.c - b * LANES).min(LANES)
    }
}

fn fits(len: usize, dims: Dims, image_stride: usize) -> bool {
    image_stride >= dims.image()
        && (dims.n == 0 || len >= (dims.n - 1) * image_stride + dims.image())
}

/// Activation to read.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// From the first block of the first image on.
    pub data: &'a [f32],
    /// Extents.
    pub dims: Dims,
    /// Floats from one image to the next.
    pub image_stride: usize,
}

impl<'a> View<'a> {
    /// Contiguous activation.
    pub fn new(data: &'a [f32], dims: Dims) -> Self {
        Self::strided(data, dims, dims.image())
    }

    /// Activation whose images are `image_stride` floats apart.
    pub fn strided(data: &'a [f32], dims: Dims, image_stride: usize) -> Self {
        assert!(
            fits(data.len(), dims, image_stride),
            "view {dims:?} with image stride {image_stride} over {} values",
            data.len()
        );
        View {
            data,
            dims,
            image_stride,
        }
    }

    /// Pixels of one block of one image.
    #[inline(always)]
    pub fn plane(&self, n: usize, b: usize) -> &'a [f32] {
        let len = self.dims.plane();
        &self.data[n * self.image_stride + b * len..][..len]
    }

    /// `count` channels from block `first` on.
    pub fn channels(&self, first: usize, count: usize) -> View<'a> {
        let dims = Dims {
            c: count,
            ..self.dims
        };
        View::strided(
            &self.data[first * self.dims.plane()..],
            dims,
            self.image_stride,
        )
    }
}

/// Activation to write.
#[derive(Debug)]
pub struct ViewMut<'a> {
    /// From the first block of the first image on.
    pub data: &'a mut [f32],
    /// Extents.
    pub dims: Dims,
    /// Floats from one image to the next.
    pub image_stride: usize,
}

impl<'a> ViewMut<'a> {
    /// Contiguous activation.
    pub fn new(data: &'a mut [f32], dims: Dims) -> Self {
        Self::strided(data, dims, dims.image())
    }

    /// Activation whose images are `image_stride` floats apart.
    pub fn strided(data: &'a mut [f32], dims: Dims, image_stride: usize) -> Self {
        assert!(
            fits(data.len(), dims, image_stride),
            "view {dims:?} with image stride {image_stride} over {} values",
            data.len()
        );
        ViewMut {
            data,
            dims,
            image_stride,
        }
    }

    /// To read.
    pub fn as_view(&self) -> View<'_> {
        View {
            data: self.data,
            dims: self.dims,
            image_stride: self.image_stride,
        }
    }

    /// The same view for a shorter time.
    pub fn reborrow(&mut self) -> ViewMut<'_> {
        ViewMut {
            data: self.data,
            dims: self.dims,
            image_stride: self.image_stride,
        }
    }

    /// `count` channels from block `first` on.
    pub fn channels(&mut self, first: usize, count: usize) -> ViewMut<'_> {
        let dims = Dims {
            c: count,
            ..self.dims
        };
        ViewMut::strided(
            &mut self.data[first * self.dims.plane()..],
            dims,
            self.image_stride,
        )
    }
}
