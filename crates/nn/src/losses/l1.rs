//! Absolute error.

use super::Loss;

/// Mean absolute difference of what was made and what was wanted; where they are equal the gradient is zero.
pub fn l1(made: &[f32], wanted: &[f32]) -> Loss {
    let n = made.len().max(1) as f64;
    let mut value = 0.0;
    let grad = made
        .iter()
        .zip(wanted)
        .map(|(a, b)| {
            let gap = f64::from(*a) - f64::from(*b);
            value += gap.abs();
            let sign = if gap == 0.0 { 0.0 } else { gap.signum() };
            (sign / n) as f32
        })
        .collect();
    Loss {
        value: value / n,
        grad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_mean_of_the_distances() {
        let got = l1(&[1.0, -1.0, 2.0, 0.0], &[0.0, 1.0, 2.0, 0.5]);
        assert_eq!(got.value, 3.5 / 4.0);
        assert_eq!(got.grad, [0.25, -0.25, 0.0, -0.25]);
    }
}
