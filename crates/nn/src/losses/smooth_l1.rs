//! The loss of box offsets of Fast R-CNN (Girshick 2015, equation 3).

use super::Loss;

/// Mean over the known values of ½ d² / `beta` where the difference d is below `beta`, |d| − ½ `beta` elsewhere; targets that
/// are `NaN` carry nothing.
pub fn smooth_l1(values: &[f32], targets: &[f32], beta: f64) -> Loss {
    let known = targets.iter().filter(|t| !t.is_nan()).count().max(1) as f64;
    let mut value = 0.0;
    let mut grad = vec![0.0; values.len()];
    for ((v, t), g) in values.iter().zip(targets).zip(&mut grad) {
        if t.is_nan() {
            continue;
        }
        let d = f64::from(*v) - f64::from(*t);
        let (own, slope) = if d.abs() < beta {
            (0.5 * d * d / beta, d / beta)
        } else {
            (d.abs() - 0.5 * beta, d.signum())
        };
        value += own;
        *g = (slope / known) as f32;
    }
    Loss {
        value: value / known,
        grad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_square_near_and_straight_far_off() {
        let loss = smooth_l1(&[0.5, 3.0, 9.0], &[0.0, 0.0, f32::NAN], 1.0);
        assert!((loss.value - (0.125 + 2.5) / 2.0).abs() < 1e-12);
        assert_eq!(loss.grad, [0.25, 0.5, 0.0]);
    }
}
