//! Binary cross entropy and the weighted form of ChestX-ray8.

use super::{Loss, sigmoid, softplus};

/// Mean binary cross entropy over the labelled elements.
///
/// `pos_weight`, if given, has one factor a class for the positive term (PyTorch's `pos_weight`);
/// elements are ordered `[batch, class]`. Soft targets are allowed. Without a labelled element the
/// loss is 0 and so is its gradient.
pub fn bce_with_logits(logits: &[f32], targets: &[f32], pos_weight: Option<&[f32]>) -> Loss {
    let labelled = targets.iter().filter(|t| !t.is_nan()).count().max(1) as f64;
    let mut value = 0.0;
    let mut grad = vec![0.0; logits.len()];
    for (i, (&z, &t)) in logits.iter().zip(targets).enumerate() {
        if t.is_nan() {
            continue;
        }
        let w = pos_weight.map_or(1.0, |p| f64::from(p[i % p.len()]));
        let (z, t) = (f64::from(z), f64::from(t));
        value += w * t * softplus(-z) + (1.0 - t) * softplus(z);
        let p = sigmoid(z);
        grad[i] = ((w * t * (p - 1.0) + (1.0 - t) * p) / labelled) as f32;
    }
    Loss {
        value: value / labelled,
        grad,
    }
}

/// Weighted cross entropy of ChestX-ray8 (Wang et al. 2017, section 3.2): positives and negatives are
/// weighted by (|P|+|N|)/|P| and (|P|+|N|)/|N|, counted over all labels of the batch; mean over the
/// labelled elements. A batch without positives (or negatives) has no such term, as in the paper.
pub fn weighted_bce_chestxray8(logits: &[f32], targets: &[f32]) -> Loss {
    let positives = targets.iter().filter(|&&t| t >= 0.5).count() as f64;
    let negatives = targets.iter().filter(|&&t| t < 0.5).count() as f64;
    let total = positives + negatives;
    let weight = |count: f64| if count > 0.0 { total / count } else { 0.0 };
    let (beta_p, beta_n) = (weight(positives), weight(negatives));
    let mut value = 0.0;
    let mut grad = vec![0.0; logits.len()];
    for (i, (&z, &t)) in logits.iter().zip(targets).enumerate() {
        let z = f64::from(z);
        if t >= 0.5 {
            value += beta_p * softplus(-z);
            grad[i] = (beta_p * (sigmoid(z) - 1.0) / total) as f32;
        } else if t < 0.5 {
            value += beta_n * softplus(z);
            grad[i] = (beta_n * sigmoid(z) / total) as f32;
        }
    }
    Loss {
        value: value / total.max(1.0),
        grad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlabelled_elements_are_silent() {
        let a = bce_with_logits(&[0.3, -1.0], &[1.0, f32::NAN], None);
        let b = bce_with_logits(&[0.3], &[1.0], None);
        assert_eq!(a.value, b.value);
        assert_eq!(a.grad, vec![b.grad[0], 0.0]);
    }

    #[test]
    fn extreme_logits_stay_finite() {
        let l = bce_with_logits(&[1e4, -1e4], &[0.0, 1.0], None);
        assert!(l.value.is_finite() && l.grad.iter().all(|g| g.is_finite()));
    }
}
