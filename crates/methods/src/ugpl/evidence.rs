//! The uncertainty map, and what it learns by.

use statrs::function::gamma::{digamma, ln_gamma};

/// ln(1 + e^x).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A map with its slopes by the head's two channels a class.
pub struct Map {
    /// Uncertainty of each place.
    pub values: Vec<f64>,
    /// d value / d channel, `[2 classes][places]`.
    pub slopes: Vec<Vec<f64>>,
}

/// The published map: α = softplus(e₁) + 1, β = softplus(e₂), u = 1/α + β / (α (α + 1)), mean over classes.
/// `head` is `[2 classes, places]`, α's channel of a class before β's.
pub fn uncertainty(head: &[f32], classes: usize) -> Map {
    let places = head.len() / (2 * classes);
    let share = 1.0 / classes as f64;
    let mut map = Map {
        values: vec![0.0; places],
        slopes: vec![vec![0.0; places]; 2 * classes],
    };
    for c in 0..classes {
        for p in 0..places {
            let e1 = f64::from(head[2 * c * places + p]);
            let e2 = f64::from(head[(2 * c + 1) * places + p]);
            let (a, b) = (softplus(e1) + 1.0, softplus(e2));
            let product = a * (a + 1.0);
            map.values[p] += share * (1.0 / a + b / product);
            let by_a = -1.0 / (a * a) - b * (2.0 * a + 1.0) / (product * product);
            map.slopes[2 * c][p] = share * by_a * sigmoid(e1);
            map.slopes[2 * c + 1][p] = share / product * sigmoid(e2);
        }
    }
    map
}

/// Vacuity of a Dirichlet map: u = C / S with αc = softplus(e₁c) + 1 and S their sum. β's channels are not used.
pub fn vacuity(head: &[f32], classes: usize) -> Vec<f64> {
    let places = head.len() / (2 * classes);
    let of = |p: usize| {
        let sum: f64 = (0..classes)
            .map(|c| softplus(f64::from(head[2 * c * places + p])) + 1.0)
            .sum();
        classes as f64 / sum
    };
    (0..places).map(of).collect()
}

/// Scales a map to 0..1 of its own range; an even one becomes zeros. Gives its range too.
pub fn scaled(values: &[f64]) -> (Vec<f64>, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = high - low;
    if range <= 1e-9 {
        return (vec![0.0; values.len()], 0.0);
    }
    (values.iter().map(|v| (v - low) / range).collect(), range)
}

/// Squared error of the scaled map against `wanted`, mean over places, and its gradient by the head. The range is
/// held fixed.
pub fn map_loss(head: &[f32], classes: usize, wanted: f64) -> (f64, Vec<f32>) {
    let map = uncertainty(head, classes);
    let (values, range) = scaled(&map.values);
    let places = values.len();
    let value = values.iter().map(|v| (v - wanted).powi(2)).sum::<f64>() / places as f64;
    let mut grad = Vec::with_capacity(head.len());
    for slopes in &map.slopes {
        for (p, slope) in slopes.iter().enumerate() {
            let by_value = if range > 0.0 {
                2.0 * (values[p] - wanted) / range / places as f64
            } else {
                0.0
            };
            grad.push((by_value * slope) as f32);
        }
    }
    (value, grad)
}

/// The evidential loss at every place (Sensoy et al. 2018): ψ(S) − ψ(α_y), plus `anneal` times the divergence of the
/// Dirichlet without the right class's evidence from the even one. Mean over places, with its gradient by the head.
pub fn dirichlet_loss(head: &[f32], classes: usize, class: usize, anneal: f64) -> (f64, Vec<f32>) {
    let places = head.len() / (2 * classes);
    let share = 1.0 / places as f64;
    let mut value = 0.0;
    let mut grad = vec![0.0; head.len()];
    for p in 0..places {
        let e: Vec<f64> = (0..classes)
            .map(|c| f64::from(head[2 * c * places + p]))
            .collect();
        let alpha: Vec<f64> = e.iter().map(|e| softplus(*e) + 1.0).collect();
        let s: f64 = alpha.iter().sum();
        value += share * (digamma(s) - digamma(alpha[class]));
        let mut rest = alpha.clone();
        rest[class] = 1.0;
        let (kl, by_rest) = divergence(&rest);
        value += share * anneal * kl;
        for c in 0..classes {
            let mut by_alpha = trigamma(s);
            if c == class {
                by_alpha -= trigamma(alpha[c]);
            } else {
                by_alpha += anneal * by_rest[c];
            }
            grad[2 * c * places + p] = (share * by_alpha * sigmoid(e[c])) as f32;
        }
    }
    (value, grad)
}

/// KL(Dir(α) ‖ Dir(1)) and its gradient.
fn divergence(alpha: &[f64]) -> (f64, Vec<f64>) {
    let n = alpha.len() as f64;
    let s: f64 = alpha.iter().sum();
    let mut value = ln_gamma(s) - ln_gamma(n);
    for a in alpha {
        value += (a - 1.0) * (digamma(*a) - digamma(s)) - ln_gamma(*a);
    }
    let grad = alpha
        .iter()
        .map(|a| (a - 1.0) * trigamma(*a) - (s - n) * trigamma(s))
        .collect();
    (value, grad)
}

/// The derivative of digamma for positive numbers: the recurrence up to 12, then the asymptotic series (Abramowitz and
/// Stegun 6.4.6 and 6.4.12).
pub fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 12.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    sum + 1.0 / x + r / 2.0 + r / x * (1.0 / 6.0 - r * (1.0 / 30.0 - r * (1.0 / 42.0 - r / 30.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: [f32; 12] = [
        0.3, -0.5, 1.2, 0.1, 0.9, -0.2, -1.0, 0.4, 0.6, 0.2, -0.7, 0.5,
    ];

    #[test]
    fn gamma_functions_are_those_of_the_tables() {
        let euler = 0.577_215_664_901_532_9;
        let pi2 = std::f64::consts::PI * std::f64::consts::PI;
        assert!((digamma(1.0) + euler).abs() < 1e-12);
        assert!((digamma(0.5) + euler + 2.0 * 2.0_f64.ln()).abs() < 1e-12);
        assert!((ln_gamma(5.0) - 24.0_f64.ln()).abs() < 1e-12);
        assert!((trigamma(1.0) - pi2 / 6.0).abs() < 1e-12);
        assert!((trigamma(0.5) - pi2 / 2.0).abs() < 1e-12);
        assert!((trigamma(10.0) - 0.105_166_335_681_685_75).abs() < 1e-12);
    }

    fn slope(k: usize, f: &dyn Fn(&[f32]) -> f64) -> f64 {
        let at = |step: f32| {
            let mut head = HEAD;
            head[k] += step;
            f(&head)
        };
        (at(1e-3) - at(-1e-3)) / 2e-3
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (_, grad) = dirichlet_loss(&HEAD, 2, 1, 0.4);
        for (k, g) in grad.iter().enumerate() {
            let wanted = slope(k, &|h| dirichlet_loss(h, 2, 1, 0.4).0);
            assert!((wanted - f64::from(*g)).abs() < 1e-3, "{k}");
        }
        let map = uncertainty(&HEAD, 2);
        for c in 0..4 {
            for p in 0..3 {
                let wanted = slope(c * 3 + p, &|h| uncertainty(h, 2).values[p]);
                assert!((wanted - map.slopes[c][p]).abs() < 1e-3, "{c} {p}");
            }
        }
    }

    #[test]
    fn evidence_lowers_uncertainty_and_maps_are_scaled() {
        let little = vacuity(&[-4.0, -4.0, -4.0, -4.0], 2)[0];
        let much = vacuity(&[6.0, -4.0, -4.0, -4.0], 2)[0];
        assert!(little > 0.95 && much < 0.5);
        let (values, range) = scaled(&[1.0, 3.0, 2.0]);
        assert_eq!((values, range), (vec![0.0, 1.0, 0.5], 2.0));
        assert_eq!(scaled(&[1.0; 3]), (vec![0.0; 3], 0.0));
        let (even, grad) = map_loss(&[0.0; 12], 2, 1.0);
        assert!((even - 1.0).abs() < 1e-9 && grad.iter().all(|g| *g == 0.0));
    }
}
