//! Pictures of exclusive classes as a network sees them.

use super::pictures::{Lungs, Picture, load_pictures};
use crate::error::{MethodError, Result};
use hilum_data::Sample;
use hilum_kernels::Tensor;
use hilum_nn::InputContract;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Classes of the children's films.
pub const PAEDIATRIC: [&str; 3] = ["normal", "bacterial pneumonia", "viral pneumonia"];

/// The place of a child's film in [`PAEDIATRIC`]; nothing where its kind of pneumonia is not stated.
pub fn paediatric(sample: &Sample) -> Option<usize> {
    let is = |code| sample.labels.is_positive(code);
    if is("viral_pneumonia") {
        Some(2)
    } else if is("bacterial_pneumonia") {
        Some(1)
    } else {
        is("no_finding").then_some(0)
    }
}

/// Pictures with one class each, all of one square size.
#[derive(Debug, Clone, Default)]
pub struct ClassSet {
    /// Network values, `side * side` a picture.
    pub x: Vec<Vec<f32>>,
    /// Class of each.
    pub y: Vec<usize>,
    /// Patient of each.
    pub patients: Vec<String>,
    /// Side.
    pub side: usize,
    /// Number of classes, whether they occur or not.
    pub classes: usize,
}

impl ClassSet {
    /// Loads `samples` at `side` pixels through the one pixel path; `class` gives each its class.
    ///
    /// # Errors
    /// A picture that cannot be read, a sample without a class.
    pub fn load(
        samples: &[Sample],
        side: usize,
        classes: usize,
        class: impl Fn(&Sample) -> Option<usize>,
    ) -> Result<Self> {
        let contract = InputContract::square(side);
        let pictures = load_pictures(samples, &contract, Lungs::None, &[])?;
        Self::of(samples, &pictures, &contract, classes, class)
    }

    /// From pictures that were loaded already.
    ///
    /// # Errors
    /// A sample without a class.
    pub fn of(
        samples: &[Sample],
        pictures: &[Picture],
        contract: &InputContract,
        classes: usize,
        class: impl Fn(&Sample) -> Option<usize>,
    ) -> Result<Self> {
        let known = |s: &Sample| {
            class(s).filter(|c| *c < classes).ok_or_else(|| {
                MethodError::Config(format!("{} has none of the {classes} classes", s.id))
            })
        };
        Ok(ClassSet {
            x: pictures.iter().map(|p| contract.values(&p.plane)).collect(),
            y: samples.iter().map(known).collect::<Result<_>>()?,
            patients: samples.iter().map(patient).collect(),
            side: contract.width,
            classes,
        })
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// True without pictures.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// The pictures at these places.
    pub fn select(&self, at: &[usize]) -> ClassSet {
        ClassSet {
            x: at.iter().map(|&i| self.x[i].clone()).collect(),
            y: at.iter().map(|&i| self.y[i]).collect(),
            patients: at.iter().map(|&i| self.patients[i].clone()).collect(),
            side: self.side,
            classes: self.classes,
        }
    }

    /// These and then those of `other`.
    pub fn joined(&self, other: &ClassSet) -> ClassSet {
        ClassSet {
            x: [self.x.as_slice(), &other.x].concat(),
            y: [self.y.as_slice(), &other.y].concat(),
            patients: [self.patients.as_slice(), &other.patients].concat(),
            side: self.side,
            classes: self.classes,
        }
    }

    /// Patients numbered in order of appearance.
    pub fn groups(&self) -> Vec<usize> {
        super::measure::patient_ids(self.patients.iter().map(String::as_str))
    }

    /// Pictures of each class.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        self.y.iter().for_each(|&y| counts[y] += 1);
        counts
    }

    /// Fails when a class has no picture.
    ///
    /// # Errors
    /// [`MethodError::TooFew`].
    pub fn check_classes(&self, what: &str) -> Result<()> {
        check_counts(&self.counts(), what)
    }

    /// A batch `[n, 1, side, side]` with its targets; `jitter` is the chance of a mirror image and the largest
    /// shift in pixels, drawn from `seed` and the picture's place alone.
    pub fn batch(
        &self,
        at: &[usize],
        (mirror, shift): (f64, usize),
        seed: u64,
    ) -> (Tensor, Vec<Option<usize>>) {
        let mut x = Tensor::zeros(&[at.len(), 1, self.side, self.side]);
        for (row, &i) in x.data.chunks_mut(self.side * self.side).zip(at) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(i as u64);
            let flip = mirror > 0.0 && rng.random_bool(mirror);
            let reach = shift as i64;
            let moved = [0; 2].map(|_: i64| {
                if reach == 0 {
                    0
                } else {
                    rng.random_range(-reach..=reach)
                }
            });
            place(&self.x[i], row, self.side, flip, moved);
        }
        (x, at.iter().map(|&i| Some(self.y[i])).collect())
    }
}

/// Fails when a class has no picture, or when there is one class only.
///
/// # Errors
/// [`MethodError::TooFew`].
pub fn check_counts(counts: &[usize], what: &str) -> Result<()> {
    match counts.iter().position(|&n| n == 0) {
        None if counts.len() > 1 => Ok(()),
        missing => Err(MethodError::TooFew {
            what: format!("{what}, class {}", missing.unwrap_or(0)),
            found: 0,
            needed: 1,
        }),
    }
}

/// The patient of a sample, or its own name where none is stated.
pub fn patient(sample: &Sample) -> String {
    sample.patient.clone().unwrap_or_else(|| sample.id.clone())
}

/// Copies a picture, mirrored and shifted; what comes in from outside repeats the edge.
pub fn place(from: &[f32], to: &mut [f32], side: usize, flip: bool, [dx, dy]: [i64; 2]) {
    if !flip && dx == 0 && dy == 0 {
        to.copy_from_slice(from);
        return;
    }
    let last = side as i64 - 1;
    for (y, row) in to.chunks_mut(side).enumerate() {
        let source = (y as i64 + dy).clamp(0, last) as usize * side;
        for (x, v) in row.iter_mut().enumerate() {
            let column = (x as i64 + dx).clamp(0, last);
            let column = if flip { last - column } else { column };
            *v = from[source + column as usize];
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    /// Noise with a bright square whose corner tells the class; classes take turns, two pictures a patient.
    pub(crate) fn squares(n: usize, side: usize, classes: usize, seed: u64) -> ClassSet {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut set = ClassSet {
            side,
            classes,
            ..ClassSet::default()
        };
        for i in 0..n {
            let class = i % classes;
            let (left, top) = (class % 2 * side / 2, class / 2 * side / 2);
            let x = (0..side * side).map(|p| {
                let inside = (left..left + side / 2).contains(&(p % side))
                    && (top..top + side / 2).contains(&(p / side));
                rng.random_range(-0.5..0.5) + if inside { 1.0 } else { 0.0 }
            });
            set.x.push(x.collect());
            set.y.push(class);
            set.patients
                .push(format!("p{}", i / (2 * classes) * classes + class));
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_without_jitter_is_the_pictures() {
        let set = samples::squares(6, 8, 3, 1);
        let (x, y) = set.batch(&[4, 1], (0.0, 0), 9);
        assert_eq!(x.shape, [2, 1, 8, 8]);
        assert_eq!(&x.data[..64], &set.x[4][..]);
        assert_eq!(y, [Some(1), Some(1)]);
        assert_eq!(set.counts(), [2, 2, 2]);
    }

    #[test]
    fn jitter_moves_pixels_and_hangs_on_seed_and_place_only() {
        let set = samples::squares(6, 8, 2, 1);
        let (a, _) = set.batch(&[0, 1, 2, 3], (0.5, 2), 3);
        let (b, _) = set.batch(&[3, 2, 1, 0], (0.5, 2), 3);
        assert_eq!(a.data[..64], b.data[192..]);
        assert_ne!(a.data[..64], set.x[0][..]);
        let mut mirrored = vec![0.0; 4];
        place(&[1.0, 2.0, 3.0, 4.0], &mut mirrored, 2, true, [0, 0]);
        assert_eq!(mirrored, [2.0, 1.0, 4.0, 3.0]);
    }

    #[test]
    fn a_missing_class_is_named() {
        let mut set = samples::squares(6, 8, 3, 1);
        set.y.iter_mut().for_each(|y| *y = (*y).min(1));
        let told = set.check_classes("the fold").unwrap_err().to_string();
        assert!(told.contains("the fold, class 2"), "{told}");
    }
}
