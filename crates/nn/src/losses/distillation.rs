//! What a teacher's softened probabilities teach (Hinton et al. 2015, section 2).

use super::Loss;

/// Mean over cases of T² KL(softmax(teacher / T) ‖ softmax(student / T)), logits `[case, class]`, T the `temperature`; the
/// gradient is by the student's logits.
pub fn distillation(student: &[f32], teacher: &[f32], classes: usize, temperature: f64) -> Loss {
    let cases = (student.len() / classes.max(1)).max(1) as f64;
    let mut value = 0.0;
    let mut grad = Vec::with_capacity(student.len());
    for (s, t) in student.chunks(classes).zip(teacher.chunks(classes)) {
        let (ls, lt) = (log_softmax(s, temperature), log_softmax(t, temperature));
        for (a, b) in ls.iter().zip(&lt) {
            value += temperature * temperature * b.exp() * (b - a) / cases;
            grad.push((temperature * (a.exp() - b.exp()) / cases) as f32);
        }
    }
    Loss { value, grad }
}

fn log_softmax(z: &[f32], temperature: f64) -> Vec<f64> {
    let z: Vec<f64> = z.iter().map(|v| f64::from(*v) / temperature).collect();
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = z.iter().map(|v| (v - top).exp()).sum();
    z.iter().map(|v| v - top - total.ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        let (student, teacher) = ([0.4_f32, -1.1, 0.7, 2.0], [1.0_f32, 0.2, -0.5, 0.3]);
        let loss = distillation(&student, &teacher, 2, 3.0);
        for k in 0..student.len() {
            let at = |step: f32| {
                let mut moved = student;
                moved[k] += step;
                distillation(&moved, &teacher, 2, 3.0).value
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((slope - f64::from(loss.grad[k])).abs() < 1e-4, "{k}");
        }
    }

    #[test]
    fn one_who_agrees_has_nothing_to_learn() {
        let z = [1e4_f32, -1e4, 0.3, 0.1];
        let loss = distillation(&z, &z, 2, 2.0);
        assert!(loss.value.abs() < 1e-12 && loss.grad.iter().all(|g| *g == 0.0));
    }
}
