//! The fused answer and the seven parts of its loss, with their gradients in closed form.

use super::config::Weights;
use crate::blocks::short::shares;

/// What the networks said of one picture.
#[derive(Debug, Clone)]
pub struct Said {
    /// Global logits.
    pub global: Vec<f32>,
    /// Logits of each patch.
    pub local: Vec<Vec<f32>>,
    /// Confidence of each patch, before the logistic function.
    pub trust: Vec<f32>,
    /// Weight of the global answer, before the logistic function.
    pub mix: f32,
}

/// Gradients in the same order.
pub type Grads = Said;

/// The parts of the loss of one picture, weighted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Parts {
    /// Cross entropy of the fused answer.
    pub fused: f64,
    /// Of the global one.
    pub global: f64,
    /// Of the patches.
    pub local: f64,
    /// Of the map; filled in by the caller.
    pub map: f64,
    /// Disagreement with the whole.
    pub agree: f64,
    /// Error of the confidence.
    pub confidence: f64,
    /// Likeness of the patches.
    pub diversity: f64,
}

impl Parts {
    /// The whole loss.
    pub fn sum(&self) -> f64 {
        self.each().iter().map(|(_, v)| v).sum()
    }

    /// Each part with its name.
    pub fn each(&self) -> [(&'static str, f64); 7] {
        [
            ("fused", self.fused),
            ("global", self.global),
            ("local", self.local),
            ("map", self.map),
            ("agree", self.agree),
            ("confidence", self.confidence),
            ("diversity", self.diversity),
        ]
    }
}

fn sigmoid(x: f32) -> f64 {
    1.0 / (1.0 + f64::from(-x).exp())
}

/// The confidence-weighted mean of the patches' logits.
fn patched(said: &Said) -> Vec<f64> {
    let trust: Vec<f64> = said.trust.iter().map(|t| sigmoid(*t)).collect();
    let all: f64 = trust.iter().sum();
    (0..said.global.len())
        .map(|c| {
            let each = said.local.iter().zip(&trust);
            each.map(|(l, t)| t * f64::from(l[c])).sum::<f64>() / all
        })
        .collect()
}

/// w · global + (1 − w) · patches.
pub fn fuse(said: &Said) -> Vec<f32> {
    let w = sigmoid(said.mix);
    let mean = patched(said);
    said.global
        .iter()
        .zip(mean)
        .map(|(g, m)| (w * f64::from(*g) + (1.0 - w) * m) as f32)
        .collect()
}

fn probabilities(z: &[f32]) -> Vec<f64> {
    shares(z).iter().map(|p| f64::from(*p)).collect()
}

/// Cross entropy and its gradient by the logits.
fn entropy(z: &[f32], class: usize) -> (f64, Vec<f64>) {
    let mut p = probabilities(z);
    let value = -p[class].max(1e-30).ln();
    p[class] -= 1.0;
    (value, p)
}

fn add(into: &mut [f32], by: &[f64], share: f64) {
    for (a, b) in into.iter_mut().zip(by) {
        *a += (share * b) as f32;
    }
}

fn right(z: &[f32], class: usize) -> bool {
    crate::blocks::exclusive::argmax(z) == class
}

/// The loss of one picture of class `class`, without the map, and its gradients. In the agreement the global answer is held
/// fixed: it teaches the patches and does not learn from them.
pub fn judge(said: &Said, class: usize, weights: &Weights) -> (Parts, Grads) {
    let k = said.local.len() as f64;
    let mut grads = Said {
        global: vec![0.0; said.global.len()],
        local: said.local.iter().map(|l| vec![0.0; l.len()]).collect(),
        trust: vec![0.0; said.trust.len()],
        mix: 0.0,
    };
    let mut parts = Parts::default();
    let (value, by_global) = entropy(&said.global, class);
    parts.global = weights.global * value;
    add(&mut grads.global, &by_global, weights.global);
    for (l, g) in said.local.iter().zip(&mut grads.local) {
        let (value, by) = entropy(l, class);
        parts.local += weights.local * value / k;
        add(g, &by, weights.local / k);
    }
    parts.fused = fused(said, class, weights.fused, &mut grads);
    parts.agree = agree(said, weights.agree, &mut grads);
    for (i, l) in said.local.iter().enumerate() {
        let c = sigmoid(said.trust[i]);
        let off = c - f64::from(u8::from(right(l, class)));
        parts.confidence += weights.confidence * off * off / k;
        grads.trust[i] += (weights.confidence / k * 2.0 * off * c * (1.0 - c)) as f32;
    }
    parts.diversity = diversity(said, weights.diversity, &mut grads);
    (parts, grads)
}

fn fused(said: &Said, class: usize, weight: f64, grads: &mut Grads) -> f64 {
    let (value, by) = entropy(&fuse(said), class);
    let w = sigmoid(said.mix);
    let mean = patched(said);
    let trust: Vec<f64> = said.trust.iter().map(|t| sigmoid(*t)).collect();
    let all: f64 = trust.iter().sum();
    let mut by_w = 0.0;
    for (c, d) in by.iter().enumerate() {
        by_w += d * (f64::from(said.global[c]) - mean[c]);
        grads.global[c] += (weight * w * d) as f32;
        for (i, t) in trust.iter().enumerate() {
            grads.local[i][c] += (weight * (1.0 - w) * d * t / all) as f32;
        }
    }
    grads.mix += (weight * by_w * w * (1.0 - w)) as f32;
    for (i, t) in trust.iter().enumerate() {
        let by_t: f64 = by
            .iter()
            .enumerate()
            .map(|(c, d)| (1.0 - w) * d * (f64::from(said.local[i][c]) - mean[c]) / all)
            .sum();
        grads.trust[i] += (weight * by_t * t * (1.0 - t)) as f32;
    }
    weight * value
}

fn agree(said: &Said, weight: f64, grads: &mut Grads) -> f64 {
    let k = said.local.len() as f64;
    let p = probabilities(&said.global);
    let mut value = 0.0;
    for (i, l) in said.local.iter().enumerate() {
        let q = probabilities(l);
        let each = p.iter().zip(&q);
        let kl: f64 = each
            .map(|(p, q)| p * (p.max(1e-30) / q.max(1e-30)).ln())
            .sum();
        let c = sigmoid(said.trust[i]);
        value += weight / k * c * kl;
        let by: Vec<f64> = q.iter().zip(&p).map(|(q, p)| q - p).collect();
        add(&mut grads.local[i], &by, weight / k * c);
        grads.trust[i] += (weight / k * kl * c * (1.0 - c)) as f32;
    }
    value
}

/// Mean cosine of the patches' probabilities, pair by pair.
fn diversity(said: &Said, weight: f64, grads: &mut Grads) -> f64 {
    let n = said.local.len();
    if n < 2 {
        return 0.0;
    }
    let p: Vec<Vec<f64>> = said.local.iter().map(|l| probabilities(l)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let norm: Vec<f64> = p.iter().map(|v| dot(v, v).sqrt()).collect();
    let share = weight / (n * (n - 1) / 2) as f64;
    let mut value = 0.0;
    for i in 0..n {
        for j in 0..n {
            if i == j {
                continue;
            }
            let cosine = dot(&p[i], &p[j]) / (norm[i] * norm[j]);
            if i < j {
                value += share * cosine;
            }
            // By the i-th probabilities, then through its softmax.
            let by: Vec<f64> = (0..p[i].len())
                .map(|c| p[j][c] / (norm[i] * norm[j]) - cosine * p[i][c] / (norm[i] * norm[i]))
                .collect();
            let mean = dot(&by, &p[i]);
            let through: Vec<f64> = by.iter().zip(&p[i]).map(|(b, p)| p * (b - mean)).collect();
            add(&mut grads.local[i], &through, share);
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ugpl::Config;

    fn said() -> Said {
        Said {
            global: vec![0.4, -0.3, 0.9],
            local: vec![
                vec![0.1, 0.8, -0.5],
                vec![-0.2, 0.3, 1.1],
                vec![0.7, 0.0, 0.2],
            ],
            trust: vec![0.3, -0.6, 1.2],
            mix: 0.25,
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        // The agreement holds the global answer fixed, which finite differences do not: it is left out for that one.
        let whole = Config::default().weights;
        let without = Weights {
            agree: 0.0,
            ..whole
        };
        let (_, grads) = judge(&said(), 1, &whole);
        let (_, by_global) = judge(&said(), 1, &without);
        let slope = |weights: &Weights, change: &dyn Fn(&mut Said, f32)| {
            let at = |step: f32| {
                let mut s = said();
                change(&mut s, step);
                judge(&s, 1, weights).0.sum()
            };
            ((at(1e-2) - at(-1e-2)) / 2e-2) as f32
        };
        for c in 0..3 {
            let wanted = slope(&without, &|s, h| s.global[c] += h);
            assert!((wanted - by_global.global[c]).abs() < 1e-3, "global {c}");
            for i in 0..3 {
                let wanted = slope(&whole, &|s, h| s.local[i][c] += h);
                assert!((wanted - grads.local[i][c]).abs() < 1e-3, "local {i} {c}");
            }
        }
        for i in 0..3 {
            let wanted = slope(&whole, &|s, h| s.trust[i] += h);
            assert!((wanted - grads.trust[i]).abs() < 1e-3, "trust {i}");
        }
        let wanted = slope(&whole, &|s, h| s.mix += h);
        assert!((wanted - grads.mix).abs() < 1e-3);
    }

    #[test]
    fn the_mix_chooses_between_whole_and_patches() {
        let mut s = said();
        s.mix = 30.0;
        assert!((fuse(&s)[2] - 0.9).abs() < 1e-5);
        s.mix = -30.0;
        s.trust = vec![30.0, -30.0, -30.0];
        assert!((fuse(&s)[1] - 0.8).abs() < 1e-4);
        assert_eq!(judge(&s, 0, &Config::default().weights).0.each().len(), 7);
    }
}
