//! The inner kernels of convolution: a tile of pixels by channels held in registers.

use crate::simd::{Level, Portable, Simd, level};
use crate::view::LANES;

/// One tile of the product: `R` rows of `C` pixels by `NV` blocks of output channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// Source of the first pixel, first depth block.
    pub a: *const f32,
    /// Floats from one tile row of the source to the next.
    pub a_row: usize,
    /// Floats from one depth block of the source to the next.
    pub a_block: usize,
    /// Offsets of the taps in the source.
    pub taps: *const usize,
    /// Number of taps.
    pub tap_count: usize,
    /// Depth blocks.
    pub blocks: usize,
    /// Channels of a depth block, as stored in the weights.
    pub inner: usize,
    /// Channels of the last depth block that count.
    pub last: usize,
    /// Weights `[block][tap][inner][NV * 16]`.
    pub w: *const f32,
    /// `NV * 16` start values, or null.
    pub bias: *const f32,
    /// Added to the result, laid out as `out`; or null.
    pub add: *const f32,
    /// Result.
    pub out: *mut f32,
    /// Floats from one tile row of the result to the next.
    pub out_row: usize,
    /// Floats from one pixel of the result to the next.
    pub out_pixel: usize,
    /// Floats from one block of output channels to the next.
    pub out_block: usize,
    /// Whether max(., 0) is applied.
    pub relu: bool,
}

/// # Safety
/// The instruction set of `S` is there; every address that the fields of the tile describe is valid: source
/// pixels at `PX` floats from one another, weights, bias, results.
#[inline(always)]
unsafe fn tile<S: Simd, const PX: usize, const R: usize, const C: usize, const NV: usize>(
    t: &Tile,
) {
    // SAFETY: by contract.
    unsafe {
        let mut acc = [[[S::zero(); NV]; C]; R];
        let mut w = t.w;
        for b in 0..t.blocks {
            // A planar source has one channel a block; a constant lets the loop below disappear.
            let depth = if PX == 1 {
                1
            } else if b + 1 == t.blocks {
                t.last
            } else {
                t.inner
            };
            let plane = t.a.add(b * t.a_block);
            for k in 0..t.tap_count {
                let a = plane.add(*t.taps.add(k));
                for i in 0..depth {
                    let mut wv = [S::zero(); NV];
                    for (j, v) in wv.iter_mut().enumerate() {
                        *v = S::load(w.add((i * NV + j) * LANES));
                    }
                    for r in 0..R {
                        for c in 0..C {
                            let x = S::splat(a.add(r * t.a_row + c * PX + i));
                            for j in 0..NV {
                                acc[r][c][j] = S::fma(wv[j], x, acc[r][c][j]);
                            }
                        }
                    }
                }
                w = w.add(t.inner * NV * LANES);
            }
        }
        for (r, row) in acc.iter().enumerate() {
            for (c, pixel) in row.iter().enumerate() {
                for (j, &v) in pixel.iter().enumerate() {
                    let at = r * t.out_row + c * t.out_pixel + j * t.out_block;
                    let mut v = v;
                    if !t.bias.is_null() {
                        v = S::add(v, S::load(t.bias.add(j * LANES)));
                    }
                    if !t.add.is_null() {
                        v = S::add(v, S::load(t.add.add(at)));
                    }
                    S::store(t.out.add(at), if t.relu { S::relu(v) } else { v });
                }
            }
        }
    }
}

macro_rules! choose {
    ($S:ty, $px:literal, $t:expr, $r:expr, $c:expr, $nv:expr; $(($R:literal, $C:literal, $NV:literal))*) => {
        match ($r, $c, $nv) {
            $(($R, $C, $NV) => tile::<$S, $px, $R, $C, $NV>($t),)*
            other => unreachable!("no tile kernel {other:?}"),
        }
    };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
unsafe fn tile_avx512(t: &Tile, planar: bool, r: usize, c: usize, nv: usize) {
    use crate::simd::Avx512;
    // SAFETY: the contract of `run` and the instruction set of this function.
    unsafe {
        if planar {
            choose!(Avx512, 1, t, r, c, nv;
                (1,1,1)(1,2,1)(1,3,1)(1,4,1)(1,5,1)(1,6,1)(1,7,1)(1,8,1)(1,9,1)(1,10,1)(1,11,1)(1,12,1)(1,13,1)(1,14,1)
                (1,1,2)(1,2,2)(1,3,2)(1,4,2)(1,5,2)(1,6,2)(1,7,2)(1,8,2)(1,9,2)(1,10,2)(1,11,2)(1,12,2)(1,13,2)(1,14,2)
                (1,1,3)(1,2,3)(1,3,3)(1,4,3)(1,5,3)(1,6,3)(1,7,3)(1,8,3)(1,9,3))
        } else {
            choose!(Avx512, 16, t, r, c, nv;
                (1,1,1)(1,2,1)(1,3,1)(1,4,1)(1,5,1)(1,6,1)(1,7,1)(1,8,1)(1,9,1)(1,10,1)(1,11,1)(1,12,1)(1,13,1)(1,14,1)
                (2,1,1)(2,2,1)(2,3,1)(2,4,1)(2,5,1)(2,6,1)(2,7,1)
                (1,1,2)(1,2,2)(1,3,2)(1,4,2)(1,5,2)(1,6,2)(1,7,2)(1,8,2)(1,9,2)(1,10,2)(1,11,2)(1,12,2)(1,13,2)(1,14,2)
                (2,1,2)(2,2,2)(2,3,2)(2,4,2)(2,5,2)(2,6,2)(2,7,2)
                (1,1,3)(1,2,3)(1,3,3)(1,4,3)(1,5,3)(1,6,3)(1,7,3)(1,8,3)(1,9,3)
                (2,1,3)(2,2,3)(2,3,3)(2,4,3))
        }
    }
}

macro_rules! narrow {
    ($S:ty, $planar:expr, $t:expr, $r:expr, $c:expr, $nv:expr) => {
        if $planar {
            choose!($S, 1, $t, $r, $c, $nv; (1,1,1)(1,2,1)(1,3,1)(1,4,1)(1,5,1)(1,6,1))
        } else {
            choose!($S, 16, $t, $r, $c, $nv; (1,1,1)(1,2,1)(1,3,1)(1,4,1)(1,5,1)(1,6,1)(2,1,1)(2,2,1)(2,3,1))
        }
    };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_avx2(t: &Tile, planar: bool, r: usize, c: usize, nv: usize) {
    // SAFETY: the contract of `run` and the instruction set of this function.
    unsafe { narrow!(crate::simd::Avx2, planar, t, r, c, nv) }
}

unsafe fn tile_portable(t: &Tile, planar: bool, r: usize, c: usize, nv: usize) {
    // SAFETY: the contract of `run`.
    unsafe { narrow!(Portable, planar, t, r, c, nv) }
}

/// Pixels a tile may have for `nv` blocks of output channels.
pub(super) fn most_pixels(nv: usize) -> usize {
    match (level(), nv) {
        (Level::Avx512, 3) => 9,
        (Level::Avx512, _) => 14,
        _ => 6,
    }
}

/// The same for a planar source: there the compiler keeps more broadcast values at once, and sums that do not fit
/// into registers cost more than smaller tiles.
pub(super) fn most_planar_pixels(nv: usize) -> usize {
    match (level(), nv) {
        (Level::Avx512, 3) => 7,
        (Level::Avx512, 2) => 10,
        (Level::Avx512, _) => 14,
        _ => 4,
    }
}

/// Sizes of the groups that `blocks` output blocks are computed in.
pub(super) fn channel_groups(blocks: usize) -> Vec<usize> {
    if level() != Level::Avx512 {
        return vec![1; blocks];
    }
    match (blocks, blocks % 2) {
        (1, _) => vec![1],
        (_, 0) => vec![2; blocks / 2],
        _ => std::iter::once(3)
            .chain(std::iter::repeat_n(2, (blocks - 3) / 2))
            .collect(),
    }
}

/// Computes one tile of `r` rows by `c` pixels by `nv` blocks.
///
/// # Safety
/// Every address the tile describes must be valid, and the result must not be read or written elsewhere meanwhile.
pub(super) unsafe fn run(t: &Tile, planar: bool, [r, c, nv]: [usize; 3]) {
    // SAFETY: `level` found the instruction set; the rest is the caller's promise.
    unsafe {
        match level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => tile_avx512(t, planar, r, c, nv),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => tile_avx2(t, planar, r, c, nv),
            _ => tile_portable(t, planar, r, c, nv),
        }
    }
}
