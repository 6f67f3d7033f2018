//! The transforms: of taps to points and back, of source tiles, of results and of their gradients.

use super::{IN, OUT, POINTS};
use crate::simd::{Level, Portable, Simd, level, multiversion};
use crate::view::LANES;

/// sqrt(1/2) and sqrt(2).
const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;

/// Output channels that are packed side by side at most.
pub(super) const MOST_WIDTH: usize = 3 * LANES;
/// One value of each output channel.
pub(super) type Row = [f32; MOST_WIDTH];

multiversion! {
    /// G g G^T.
    pub(super) fn transform_taps(taps: &[Row; 9]) -> [Row; POINTS] {
        let mut out = [[0.0f32; MOST_WIDTH]; POINTS];
        for lane in 0..MOST_WIDTH {
            let mut rows = [[0.0f32; 3]; IN];
            for c in 0..3 {
                let column = transform_three([taps[c][lane], taps[3 + c][lane], taps[6 + c][lane]]);
                (0..IN).for_each(|r| rows[r][c] = column[r]);
            }
            for (r, row) in rows.iter().enumerate() {
                let line = transform_three(*row);
                (0..IN).for_each(|c| out[r * IN + c][lane] = line[c]);
            }
        }
        out
    }
}

/// G g for three taps: values of the polynomial at the points, over the products of the points' differences.
#[inline(always)]
fn transform_three([x, y, z]: [f32; 3]) -> [f32; IN] {
    // Differences multiply to 1 at 0, to 2 a^2 (a^2 - b^2) = -3/2 at +-a, to 2 b^2 (b^2 - a^2) = 6 at +-b.
    let (even_a, odd_a) = ((x + 0.5 * z) * (-2.0 / 3.0), A * y * (-2.0 / 3.0));
    let (even_b, odd_b) = ((x + 2.0 * z) * (1.0 / 6.0), B * y * (1.0 / 6.0));
    [
        x,
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        z,
    ]
}

multiversion! {
    /// G^T u G.
    pub(super) fn transform_back(values: &[Row; POINTS]) -> [Row; 9] {
        let mut out = [[0.0f32; MOST_WIDTH]; 9];
        for lane in 0..MOST_WIDTH {
            let mut rows = [[0.0f32; 3]; IN];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = back_three(std::array::from_fn(|c| values[r * IN + c][lane]));
            }
            for c in 0..3 {
                let column = back_three(std::array::from_fn(|r| rows[r][c]));
                (0..3).for_each(|r| out[r * 3 + c][lane] = column[r]);
            }
        }
        out
    }
}

/// G^T u for six values.
#[inline(always)]
fn back_three(u: [f32; IN]) -> [f32; 3] {
    let (sum_a, diff_a) = (
        (u[1] + u[2]) * (-2.0 / 3.0),
        (u[1] - u[2]) * (-2.0 / 3.0 * A),
    );
    let (sum_b, diff_b) = ((u[3] + u[4]) * (1.0 / 6.0), (u[3] - u[4]) * (1.0 / 6.0 * B));
    [
        u[0] + sum_a + sum_b,
        diff_a + diff_b,
        0.5 * sum_a + 2.0 * sum_b + u[5],
    ]
}

/// B^T d for six values.
///
/// # Safety
/// The instruction set of `S` is there.
#[inline(always)]
unsafe fn source_line<S: Simd>(d: [S::V; IN]) -> [S::V; IN] {
    // SAFETY: by contract.
    unsafe {
        let (a, b) = (S::set(A), S::set(B));
        let minus = |k: f32, x: S::V, y: S::V| S::fma(S::set(-k), x, y);
        let (even_a, odd_a) = (minus(2.0, d[2], d[4]), S::mul(a, minus(2.0, d[1], d[3])));
        let (even_b, odd_b) = (minus(0.5, d[2], d[4]), S::mul(b, minus(0.5, d[1], d[3])));
        [
            S::add(d[0], minus(2.5, d[2], d[4])),
            S::add(even_a, odd_a),
            S::sub(even_a, odd_a),
            S::add(even_b, odd_b),
            S::sub(even_b, odd_b),
            S::add(d[1], minus(2.5, d[3], d[5])),
        ]
    }
}

/// A^T m for six values.
///
/// # Safety
/// The instruction set of `S` is there.
#[inline(always)]
unsafe fn result_line<S: Simd>(m: [S::V; IN]) -> [S::V; OUT] {
    // SAFETY: by contract.
    unsafe {
        let (sum_a, diff_a) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (sum_b, diff_b) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(m[0], S::add(sum_a, sum_b)),
            S::fma(S::set(B), diff_b, S::mul(S::set(A), diff_a)),
            S::fma(S::set(B * B), sum_b, S::mul(S::set(A * A), sum_a)),
            S::add(
                m[5],
                S::fma(S::set(B * B * B), diff_b, S::mul(S::set(A * A * A), diff_a)),
            ),
        ]
    }
}

/// Transforms one tile of one block: rows of the source are `row` floats apart, points of the result `point`.
///
/// # Safety
/// The instruction set of `S` is there; six by six pixels of sixteen floats can be read, 36 written.
#[inline(always)]
unsafe fn source_tile<S: Simd>(from: *const f32, row: usize, out: *mut f32, point: usize) {
    // SAFETY: by contract.
    unsafe {
        let mut half = [[S::zero(); IN]; IN];
        for (y, line) in half.iter_mut().enumerate() {
            let mut d = [S::zero(); IN];
            for (x, v) in d.iter_mut().enumerate() {
                *v = S::load(from.add(y * row + x * LANES));
            }
            *line = source_line::<S>(d);
        }
        for x in 0..IN {
            let column = source_line::<S>([
                half[0][x], half[1][x], half[2][x], half[3][x], half[4][x], half[5][x],
            ]);
            for (y, &v) in column.iter().enumerate() {
                S::store(out.add((y * IN + x) * point), v);
            }
        }
    }
}

/// Transforms the products of one tile of one block back and stores four by four pixels, sixteen floats each.
///
/// # Safety
/// As [`source_tile`], with 36 points read and 256 floats written.
#[inline(always)]
unsafe fn result_tile<S: Simd>(from: *const f32, point: usize, out: *mut f32) {
    // SAFETY: by contract.
    unsafe {
        let mut half = [[S::zero(); OUT]; IN];
        for (y, line) in half.iter_mut().enumerate() {
            let mut m = [S::zero(); IN];
            for (x, v) in m.iter_mut().enumerate() {
                *v = S::load(from.add((y * IN + x) * point));
            }
            *line = result_line::<S>(m);
        }
        for x in 0..OUT {
            let column = result_line::<S>([
                half[0][x], half[1][x], half[2][x], half[3][x], half[4][x], half[5][x],
            ]);
            for (y, &v) in column.iter().enumerate() {
                S::store(out.add((y * OUT + x) * LANES), v);
            }
        }
    }
}

/// A e for four values.
///
/// # Safety
/// The instruction set of `S` is there.
#[inline(always)]
unsafe fn gradient_line<S: Simd>(e: [S::V; OUT]) -> [S::V; IN] {
    // SAFETY: by contract.
    unsafe {
        let (even_a, odd_a) = (
            S::fma(S::set(A * A), e[2], e[0]),
            S::mul(S::set(A), S::fma(S::set(A * A), e[3], e[1])),
        );
        let (even_b, odd_b) = (
            S::fma(S::set(B * B), e[2], e[0]),
            S::mul(S::set(B), S::fma(S::set(B * B), e[3], e[1])),
        );
        [
            e[0],
            S::add(even_a, odd_a),
            S::sub(even_a, odd_a),
            S::add(even_b, odd_b),
            S::sub(even_b, odd_b),
            e[3],
        ]
    }
}

/// Transforms four by four pixels of the result's gradient.
///
/// # Safety
/// As [`source_tile`], with sixteen pixels read and 36 points written.
#[inline(always)]
unsafe fn gradient_tile<S: Simd>(from: *const f32, row: usize, out: *mut f32, point: usize) {
    // SAFETY: by contract.
    unsafe {
        let mut half = [[S::zero(); IN]; OUT];
        for (y, line) in half.iter_mut().enumerate() {
            let mut e = [S::zero(); OUT];
            for (x, v) in e.iter_mut().enumerate() {
                *v = S::load(from.add(y * row + x * LANES));
            }
            *line = gradient_line::<S>(e);
        }
        for x in 0..IN {
            let column = gradient_line::<S>([half[0][x], half[1][x], half[2][x], half[3][x]]);
            for (y, &v) in column.iter().enumerate() {
                S::store(out.add((y * IN + x) * point), v);
            }
        }
    }
}

macro_rules! by_level {
    ($name:ident, $avx512:ident, $avx2:ident, $inner:ident, ($($arg:ident: $ty:ty),*)) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
        unsafe fn $avx512($($arg: $ty),*) {
            // SAFETY: the caller's contract and the instruction set of this function.
            unsafe { $inner::<crate::simd::Avx512>($($arg),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $avx2($($arg: $ty),*) {
            // SAFETY: as above.
            unsafe { $inner::<crate::simd::Avx2>($($arg),*) }
        }
        /// # Safety
        /// The addresses are valid as the generic function says.
        pub(super) unsafe fn $name($($arg: $ty),*) {
            // SAFETY: `level` found the instruction set; the rest is the caller's promise.
            unsafe {
                match level() {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => $avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => $avx2($($arg),*),
                    _ => $inner::<Portable>($($arg),*),
                }
            }
        }
    };
}
by_level!(to_points, to_points_avx512, to_points_avx2, source_tile, (from: *const f32, row: usize, out: *mut f32, point: usize));
by_level!(gradient_to_points, gradient_to_points_avx512, gradient_to_points_avx2, gradient_tile, (from: *const f32, row: usize, out: *mut f32, point: usize));
by_level!(from_points, from_points_avx512, from_points_avx2, result_tile, (from: *const f32, point: usize, out: *mut f32));
