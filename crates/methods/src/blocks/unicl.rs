//! The unified contrastive loss (Yang et al., CVPR 2022, "Unified contrastive learning in image-text-label space", equations 1 to 3): images
//! and texts of one label are each other's positives.
//!
//! Over a batch of triplets (image, text, label), with cosines times a scale as logits `s` and `P(i)` the places with the label of `i`,
//!
//! `L = 1/2n sum over i of 1/|P(i)| sum over k in P(i) of (-log softmax_j(s[i][j])[k] - log softmax_j(s[j][i])[k])`.
//!
//! With labels that are all different it is CLIP's loss.

/// A batch.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// Image vectors, one after the other, of any length.
    pub images: &'a [f32],
    /// Text vectors.
    pub texts: &'a [f32],
    /// Values of a vector.
    pub width: usize,
    /// Label of each pair.
    pub labels: &'a [usize],
    /// What cosines are multiplied by: one over the temperature.
    pub scale: f64,
}

/// The loss and its gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrast {
    /// The loss, nats a pair.
    pub value: f64,
    /// By the image vectors.
    pub images: Vec<f32>,
    /// By the text vectors.
    pub texts: Vec<f32>,
    /// By the scale.
    pub scale: f64,
}

/// Shorter vectors are taken as this long, as PyTorch's `normalize` does.
const LEAST_LENGTH: f64 = 1e-12;

/// Vectors of length one with their lengths.
struct Units {
    vectors: Vec<f64>,
    lengths: Vec<f64>,
    width: usize,
}

impl Units {
    fn new(rows: &[f32], width: usize) -> Self {
        let mut units = Units {
            vectors: Vec::with_capacity(rows.len()),
            lengths: Vec::with_capacity(rows.len() / width.max(1)),
            width,
        };
        for row in rows.chunks_exact(width) {
            let square: f64 = row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
            let length = square.sqrt().max(LEAST_LENGTH);
            units.lengths.push(length);
            let scaled = row.iter().map(|v| f64::from(*v) / length);
            units.vectors.extend(scaled);
        }
        units
    }

    fn row(&self, at: usize) -> &[f64] {
        &self.vectors[at * self.width..][..self.width]
    }

    /// From the gradient by the units to that by the vectors as they came.
    fn through(&self, grads: &[f64]) -> Vec<f32> {
        let mut out = Vec::with_capacity(grads.len());
        for (at, grad) in grads.chunks_exact(self.width).enumerate() {
            let unit = self.row(at);
            let along = dot(unit, grad);
            let across = grad.iter().zip(unit).map(|(g, u)| g - along * u);
            out.extend(across.map(|g| (g / self.lengths[at]) as f32));
        }
        out
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The loss of a batch; vectors that do not fill a row are left out.
pub fn unicl(batch: &Pairs<'_>) -> Contrast {
    let n = batch.labels.len();
    let u = Units::new(batch.images, batch.width);
    let v = Units::new(batch.texts, batch.width);
    let cosines: Vec<f64> = (0..n * n)
        .map(|at| dot(u.row(at / n), v.row(at % n)))
        .collect();
    let logits: Vec<f64> = cosines.iter().map(|c| batch.scale * c).collect();
    let mut by_logits = vec![0.0; n * n];
    let forth = direction(&logits, batch.labels, |i, j| i * n + j, &mut by_logits);
    let back = direction(&logits, batch.labels, |i, j| j * n + i, &mut by_logits);
    let share = 1.0 / (2 * n.max(1)) as f64;
    by_logits.iter_mut().for_each(|g| *g *= share);
    let (mut by_u, mut by_v) = (vec![0.0; n * batch.width], vec![0.0; n * batch.width]);
    for (at, g) in by_logits.iter().enumerate() {
        let (i, j) = (at / n, at % n);
        let own = |m: usize| m * batch.width..(m + 1) * batch.width;
        add_scaled(g * batch.scale, v.row(j), &mut by_u[own(i)]);
        add_scaled(g * batch.scale, u.row(i), &mut by_v[own(j)]);
    }
    Contrast {
        value: (forth + back) * share,
        images: u.through(&by_u),
        texts: v.through(&by_v),
        scale: dot(&by_logits, &cosines),
    }
}

fn add_scaled(factor: f64, x: &[f64], sums: &mut [f64]) {
    sums.iter_mut().zip(x).for_each(|(s, x)| *s += factor * x);
}

/// One half of the loss, summed over the pairs; `place(i, j)` is where logit `j` of row `i` stands. Adds the gradient by the logits.
fn direction(
    logits: &[f64],
    labels: &[usize],
    place: impl Fn(usize, usize) -> usize,
    grads: &mut [f64],
) -> f64 {
    let n = labels.len();
    let mut sum = 0.0;
    for (i, label) in labels.iter().enumerate() {
        let row = |j: usize| logits[place(i, j)];
        let top = (0..n).map(row).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = (0..n).map(|j| (row(j) - top).exp()).sum();
        let log_total = top + total.ln();
        let positives = labels.iter().filter(|l| *l == label).count();
        let weight = 1.0 / positives as f64;
        for (j, other) in labels.iter().enumerate() {
            let positive = other == label;
            if positive {
                sum += weight * (log_total - row(j));
            }
            let target = if positive { weight } else { 0.0 };
            grads[place(i, j)] += (row(j) - log_total).exp() - target;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const WIDTH: usize = 5;

    fn vectors(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n * WIDTH)
            .map(|_| rng.random_range(-1.0..1.0))
            .collect()
    }

    fn batch<'a>(images: &'a [f32], texts: &'a [f32], labels: &'a [usize]) -> Pairs<'a> {
        Pairs {
            images,
            texts,
            width: WIDTH,
            labels,
            scale: 7.0,
        }
    }

    /// CLIP (Radford et al. 2021, figure 3): cross entropy against the own pair, rows and columns.
    fn clip(batch: &Pairs<'_>) -> f64 {
        let n = batch.labels.len();
        let (u, v) = (
            Units::new(batch.images, WIDTH),
            Units::new(batch.texts, WIDTH),
        );
        let s = |i: usize, j: usize| batch.scale * dot(u.row(i), v.row(j));
        let cross_entropy = |i: usize, logits: Vec<f64>| {
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = logits.iter().map(|z| (z - top).exp()).sum();
            top + total.ln() - logits[i]
        };
        let rows: f64 = (0..n)
            .map(|i| cross_entropy(i, (0..n).map(|j| s(i, j)).collect()))
            .sum();
        let columns: f64 = (0..n)
            .map(|i| cross_entropy(i, (0..n).map(|j| s(j, i)).collect()))
            .sum();
        (rows + columns) * (1.0 / (2 * n) as f64)
    }

    #[test]
    fn it_is_clips_loss_to_the_bit_when_labels_are_unique() {
        for n in [1, 2, 9] {
            let (images, texts) = (vectors(n, 1), vectors(n, 2));
            let labels: Vec<usize> = (0..n).rev().collect();
            let batch = batch(&images, &texts, &labels);
            assert_eq!(unicl(&batch).value.to_bits(), clip(&batch).to_bits());
            let twice: Vec<usize> = (0..n).map(|i| i / 2).collect();
            let other = unicl(&Pairs {
                labels: &twice,
                ..batch
            });
            assert_eq!(n == 1, other.value == clip(&batch));
        }
    }

    #[test]
    fn duplicates_are_positives() {
        // Two pairs of one label, all four cosines 1: every softmax is even, whichever is the positive.
        let same = vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let got = unicl(&batch(&same, &same, &[3, 3]));
        assert!((got.value - 2f64.ln()).abs() < 1e-12);
        // The target is even too, so nothing is pushed apart; with two labels it would be.
        assert!(got.images.iter().chain(&got.texts).all(|g| g.abs() < 1e-7));
        assert!(got.scale.abs() < 1e-12);
        let (images, texts) = (vectors(4, 3), vectors(4, 4));
        let by_hand = {
            let (u, v) = (Units::new(&images, WIDTH), Units::new(&texts, WIDTH));
            let s = |i: usize, j: usize| 7.0 * dot(u.row(i), v.row(j));
            let of =
                |z: [f64; 4], k: usize| -(z[k].exp() / z.map(f64::exp).iter().sum::<f64>()).ln();
            let labels = [0, 1, 0, 0];
            let mut sum = 0.0;
            for i in 0..4 {
                let own: Vec<usize> = (0..4).filter(|&k| labels[k] == labels[i]).collect();
                for &k in &own {
                    let row = [0, 1, 2, 3].map(|j| s(i, j));
                    let column = [0, 1, 2, 3].map(|j| s(j, i));
                    sum += (of(row, k) + of(column, k)) / own.len() as f64;
                }
            }
            sum / 8.0
        };
        let got = unicl(&batch(&images, &texts, &[0, 1, 0, 0])).value;
        assert!((got - by_hand).abs() < 1e-12, "{got} {by_hand}");
    }

    #[test]
    fn gradients_are_those_of_differences() {
        let (images, texts) = (vectors(6, 5), vectors(6, 6));
        let labels = [0, 1, 0, 2, 1, 3];
        let got = unicl(&batch(&images, &texts, &labels));
        let value = |i: &[f32], t: &[f32]| unicl(&batch(i, t, &labels)).value;
        let moved = |x: &[f32], at: usize, by: f32| {
            let mut x = x.to_vec();
            x[at] += by;
            x
        };
        let step = 1e-3;
        for at in 0..images.len() {
            let [high, low] = [step, -step].map(|by| moved(&images, at, by));
            let width = f64::from(high[at]) - f64::from(low[at]);
            let slope = (value(&high, &texts) - value(&low, &texts)) / width;
            let (image, text) = (f64::from(got.images[at]), f64::from(got.texts[at]));
            assert!((image - slope).abs() < 1e-4, "{at}: {image} {slope}");
            let [high, low] = [step, -step].map(|by| moved(&texts, at, by));
            let width = f64::from(high[at]) - f64::from(low[at]);
            let slope = (value(&images, &high) - value(&images, &low)) / width;
            assert!((text - slope).abs() < 1e-4, "{at}: {text} {slope}");
        }
        let at_scale = |scale: f64| {
            unicl(&Pairs {
                scale,
                ..batch(&images, &texts, &labels)
            })
            .value
        };
        let slope = (at_scale(7.001) - at_scale(6.999)) / 0.002;
        assert!((got.scale - slope).abs() < 1e-6);
    }
}
