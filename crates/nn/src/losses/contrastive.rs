//! Contrastive loss between images and sentences (Radford et al. 2021), with several right sentences for an image
//! (Yang et al. 2022, UniCL, equations 1 to 3).

use super::Loss;

/// Mean of two cross entropies over similarities `[image, sentence]` divided by `temperature`: of each image over the
/// sentences, and of each sentence over the images. A target is 1 where they belong together, 0 where not; `NaN` where
/// nobody knows, and such a pair competes with none. Several right partners share the probability evenly; an image or
/// sentence without a right partner says nothing.
pub fn contrastive(
    similarities: &[f32],
    targets: &[f32],
    sentences: usize,
    temperature: f64,
) -> Loss {
    let images = similarities.len() / sentences.max(1);
    let rows = (0..images).map(|i| (i * sentences..(i + 1) * sentences).collect());
    let columns = (0..sentences).map(|j| (j..similarities.len()).step_by(sentences).collect());
    let mut whole = Loss {
        value: 0.0,
        grad: vec![0.0; similarities.len()],
    };
    let sides: [Vec<Vec<usize>>; 2] = [rows.collect(), columns.collect()];
    for side in sides {
        let speaks = |line: &&Vec<usize>| line.iter().any(|&k| targets[k] >= 0.5);
        let lines: Vec<&Vec<usize>> = side.iter().filter(speaks).collect();
        let share = 0.5 / lines.len().max(1) as f64;
        for line in lines {
            whole.value += share
                * entropy(similarities, targets, line, temperature, |k, g| {
                    whole.grad[k] += (share * g) as f32;
                });
        }
    }
    whole
}

/// Cross entropy of one line; `add` receives its gradient by each similarity.
fn entropy(
    similarities: &[f32],
    targets: &[f32],
    line: &[usize],
    temperature: f64,
    mut add: impl FnMut(usize, f64),
) -> f64 {
    let known: Vec<usize> = line
        .iter()
        .copied()
        .filter(|&k| !targets[k].is_nan())
        .collect();
    let z = |k: usize| f64::from(similarities[k]) / temperature;
    let top = known
        .iter()
        .map(|&k| z(k))
        .fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = known.iter().map(|&k| (z(k) - top).exp()).sum();
    let right = known.iter().filter(|&&k| targets[k] >= 0.5).count() as f64;
    let mut value = 0.0;
    for &k in &known {
        let wanted = if targets[k] >= 0.5 { 1.0 / right } else { 0.0 };
        value -= wanted * (z(k) - top - total.ln());
        add(k, ((z(k) - top).exp() / total - wanted) / temperature);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: [f32; 6] = [0.4, -0.1, 0.7, 0.9, 0.1, -0.3];

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        let targets = [1.0, 0.0, 1.0, 0.0, f32::NAN, 1.0];
        let loss = contrastive(&S, &targets, 3, 0.5);
        for k in 0..S.len() {
            let at = |step: f32| {
                let mut moved = S;
                moved[k] += step;
                contrastive(&moved, &targets, 3, 0.5).value
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((slope - f64::from(loss.grad[k])).abs() < 1e-4, "{k}");
        }
        assert_eq!(loss.grad[4], 0.0);
    }

    #[test]
    fn one_partner_each_is_the_mean_of_both_cross_entropies() {
        let s = [2.0, 1.0, 0.5, 3.0];
        let of = |own: f64, other: f64| (1.0 + (other - own).exp()).ln();
        let wanted = 0.25 * (of(2.0, 1.0) + of(3.0, 0.5)) + 0.25 * (of(2.0, 0.5) + of(3.0, 1.0));
        let got = contrastive(&s, &[1.0, 0.0, 0.0, 1.0], 2, 1.0).value;
        assert!((got - wanted).abs() < 1e-12, "{got} {wanted}");
    }

    #[test]
    fn nothing_that_belongs_together_says_nothing() {
        let loss = contrastive(&S, &[0.0; 6], 3, 0.1);
        assert_eq!((loss.value, loss.grad), (0.0, vec![0.0; 6]));
    }
}
