//! Cosines of patches and sentences: of the patch that fits best, and of the mean of all patches; and what their gradients
//! are to the vectors.

use hilum_kernels::Tensor;

/// Added to lengths, so that a zero vector is no division by zero.
const EPS: f32 = 1e-6;

/// Cosines of `n` films with `m` sentences.
#[derive(Debug, Clone, PartialEq)]
pub struct Cosines {
    /// Of the best patch, `[n, m]`.
    pub patch: Vec<f32>,
    /// Which patch that is.
    pub at: Vec<usize>,
    /// Of the mean of all patches, `[n, m]`.
    pub whole: Vec<f32>,
}

/// Vectors of unit length with the lengths they had.
struct Units {
    values: Vec<Vec<f32>>,
    lengths: Vec<f32>,
}

impl Units {
    fn new(vectors: Vec<Vec<f32>>) -> Units {
        let lengths: Vec<f32> = vectors.iter().map(|v| dot(v, v).sqrt() + EPS).collect();
        let unit = |(v, l): (&Vec<f32>, &f32)| v.iter().map(|x| x / l).collect();
        Units {
            values: vectors.iter().zip(&lengths).map(unit).collect(),
            lengths,
        }
    }

    /// Gradient by the vector from that by its unit: the part along the vector changes nothing.
    fn back(&self, k: usize, grad: &[f32]) -> Vec<f32> {
        let along = dot(&self.values[k], grad);
        let each = grad.iter().zip(&self.values[k]);
        each.map(|(g, u)| (g - along * u) / self.lengths[k])
            .collect()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Films and sentences made ready: patches `[n, d, h, w]`, sentences `[m, d]`.
pub struct Similarity {
    shape: Vec<usize>,
    patches: Units,
    wholes: Units,
    sentences: Units,
}

impl Similarity {
    /// Takes the outputs of both encoders.
    pub fn new(patches: &Tensor, sentences: &Tensor) -> Similarity {
        let (d, places) = (patches.shape[1], patches.shape[2] * patches.shape[3]);
        let mut vectors = Vec::new();
        let mut wholes = Vec::new();
        for film in patches.data.chunks(d * places) {
            let at = |p: usize| (0..d).map(|c| film[c * places + p]).collect();
            vectors.extend((0..places).map(at));
            let mean = |c: &[f32]| c.iter().sum::<f32>() / places as f32;
            wholes.push(film.chunks(places).map(mean).collect());
        }
        Similarity {
            shape: patches.shape.clone(),
            patches: Units::new(vectors),
            wholes: Units::new(wholes),
            sentences: Units::new(sentences.data.chunks(d).map(<[f32]>::to_vec).collect()),
        }
    }

    fn places(&self) -> usize {
        self.shape[2] * self.shape[3]
    }

    /// All cosines.
    pub fn cosines(&self) -> Cosines {
        let mut all = Cosines {
            patch: Vec::new(),
            at: Vec::new(),
            whole: Vec::new(),
        };
        for (i, whole) in self.wholes.values.iter().enumerate() {
            let own = &self.patches.values[i * self.places()..(i + 1) * self.places()];
            for sentence in &self.sentences.values {
                let mut best = (0, f32::NEG_INFINITY);
                for (p, patch) in own.iter().enumerate() {
                    let c = dot(patch, sentence);
                    if c > best.1 {
                        best = (p, c);
                    }
                }
                all.at.push(best.0);
                all.patch.push(best.1);
                all.whole.push(dot(whole, sentence));
            }
        }
        all
    }

    /// Gradients by patches and sentences from those by both cosines; of a film's patches, the best one learns.
    pub fn back(&self, at: &[usize], by_patch: &[f32], by_whole: &[f32]) -> [Tensor; 2] {
        let (d, places, m) = (self.shape[1], self.places(), self.sentences.values.len());
        let mut films = Tensor::zeros(&self.shape);
        let mut sentences = vec![vec![0.0; d]; m];
        for (i, film) in films.data.chunks_mut(d * places).enumerate() {
            let mut own = vec![vec![0.0; d]; places];
            let mut whole = vec![0.0; d];
            for (j, by_sentence) in sentences.iter_mut().enumerate() {
                let k = i * m + j;
                let p = at[k];
                let text = &self.sentences.values[j];
                add(&mut own[p], text, by_patch[k]);
                add(&mut whole, text, by_whole[k]);
                let patch = &self.patches.values[i * places + p];
                add(by_sentence, patch, by_patch[k]);
                add(by_sentence, &self.wholes.values[i], by_whole[k]);
            }
            let mean = self.wholes.back(i, &whole);
            for (p, grad) in own.iter().enumerate() {
                let raw = self.patches.back(i * places + p, grad);
                for c in 0..d {
                    film[c * places + p] = raw[c] + mean[c] / places as f32;
                }
            }
        }
        let raw = sentences.iter().enumerate();
        let data = raw.flat_map(|(j, g)| self.sentences.back(j, g)).collect();
        let shape = vec![m, d];
        [films, Tensor { shape, data }]
    }
}

fn add(to: &mut [f32], from: &[f32], share: f32) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += share * f);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn drawn(shape: &[usize], rng: &mut ChaCha8Rng) -> Tensor {
        let mut t = Tensor::zeros(shape);
        t.data.fill_with(|| rng.random_range(-1.0..1.0));
        t
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let patches = drawn(&[2, 4, 1, 3], &mut rng);
        let sentences = drawn(&[3, 4], &mut rng);
        let weights: Vec<f32> = (0..12).map(|_| rng.random_range(-1.0..1.0)).collect();
        let value = |p: &Tensor, s: &Tensor| {
            let c = Similarity::new(p, s).cosines();
            let all = c.patch.iter().chain(&c.whole).zip(&weights);
            all.map(|(c, w)| f64::from(c * w)).sum::<f64>()
        };
        let both = Similarity::new(&patches, &sentences);
        let at = both.cosines().at;
        let grads = both.back(&at, &weights[..6], &weights[6..]);
        for (which, grad) in grads.iter().enumerate() {
            for k in 0..grad.data.len() {
                let moved = |step: f32| {
                    let (mut p, mut s) = (patches.clone(), sentences.clone());
                    [&mut p, &mut s][which].data[k] += step;
                    value(&p, &s)
                };
                let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
                let own = f64::from(grad.data[k]);
                assert!((slope - own).abs() < 2e-3, "{which} {k}: {slope} {own}");
            }
        }
    }

    #[test]
    fn the_best_patch_is_found_and_nothing_is_like_nothing() {
        let patches = Tensor {
            shape: vec![1, 2, 1, 2],
            data: vec![1.0, 0.0, 0.0, 3.0],
        };
        let sentences = Tensor {
            shape: vec![2, 2],
            data: vec![0.0, 5.0, 0.0, 0.0],
        };
        let c = Similarity::new(&patches, &sentences).cosines();
        assert_eq!(c.at, [1, 0]);
        assert!((c.patch[0] - 1.0).abs() < 1e-5 && c.patch[1] == 0.0);
        assert!((c.whole[0] - 3.0 / 10.0_f32.sqrt()).abs() < 1e-5);
    }
}
