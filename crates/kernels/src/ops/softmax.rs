//! Softmax over the last axis, for losses and heads.

/// Replaces each row of `width` values by its softmax.
pub fn softmax_rows(data: &mut [f32], width: usize) {
    for row in data.chunks_mut(width.max(1)) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|v| *v = (*v - max).exp());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|v| *v /= sum);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows_sum_to_one_and_large_values_hold() {
        let mut x = vec![1000.0, 1000.0, -1000.0, 0.0, 1.0, 2.0];
        super::softmax_rows(&mut x, 3);
        assert!((x[0] - 0.5).abs() < 1e-6 && x[2] == 0.0);
        assert!((x[3..].iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((x[5] / x[4] - std::f32::consts::E).abs() < 1e-5);
    }
}
