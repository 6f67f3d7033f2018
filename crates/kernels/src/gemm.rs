//! Single-threaded matrix products with checked bounds, over the `gemm` crate.

/// A matrix inside a slice: element (i, j) is at `i * rs + j * cs`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mat<'a> {
    pub data: &'a [f32],
    pub rs: usize,
    pub cs: usize,
}

impl<'a> Mat<'a> {
    pub fn new(data: &'a [f32], rs: usize, cs: usize) -> Self {
        Mat { data, rs, cs }
    }
}

fn inside(len: usize, rows: usize, cols: usize, rs: usize, cs: usize) -> bool {
    rows == 0 || cols == 0 || (rows - 1) * rs + (cols - 1) * cs < len
}

/// `out = a b` or `out += a b`, `a` is m by k, `b` is k by n, `out` is m by n with rows `ld` apart.
pub(crate) fn gemm([m, n, k]: [usize; 3], a: Mat, b: Mat, out: &mut [f32], ld: usize, accumulate: bool) {
    assert!(inside(a.data.len(), m, k, a.rs, a.cs) && inside(b.data.len(), k, n, b.rs, b.cs), "operand bounds");
    assert!(inside(out.len(), m, n, ld, 1) && ld >= n, "result bounds");
    // SAFETY: every element (i, j) of the three matrices lies inside its slice (asserted above), and the
    // result, borrowed mutably, overlaps neither operand and none of its own rows.
    unsafe {
        gemm::gemm(
            m, n, k,
            out.as_mut_ptr(), 1, ld as isize, accumulate,
            a.data.as_ptr(), a.cs as isize, a.rs as isize,
            b.data.as_ptr(), b.cs as isize, b.rs as isize,
            1.0, 1.0, false, false, false,
            gemm::Parallelism::None,
        );
    }
}
