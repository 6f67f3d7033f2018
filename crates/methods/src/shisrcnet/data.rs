//! Pairs of a small picture and the true one.

use super::config::{Config, Task, TaskName};
use crate::blocks::classes::patient;
use crate::blocks::regions::spread_evenly;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::{Sample, Split};
use hilum_image::decode::{Limits, decode_colour};
use hilum_image::{Gray, Kernel, Plane, resize, transform};
use hilum_kernels::Tensor;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Small and true pictures of one task, values from 0 to 1.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    /// Colours.
    pub channels: usize,
    /// Side of the true pictures.
    pub side: usize,
    /// Side of the small ones.
    pub small_side: usize,
    /// Small pictures, made from the true ones by bicubic reduction.
    pub small: Vec<Vec<f32>>,
    /// Small pictures enlarged again by the bicubic kernel.
    pub bicubic: Vec<Vec<f32>>,
    /// True pictures.
    pub truth: Vec<Vec<f32>>,
    /// Class of each.
    pub y: Vec<usize>,
    /// Patient of each.
    pub patients: Vec<String>,
}

/// The picture that a network sees of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The small one.
    Small,
    /// The small one enlarged by the bicubic kernel.
    Bicubic,
    /// The true one.
    Truth,
}

impl Pairs {
    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// A batch `[n, channels, side, side]`; each pair is mirrored as `seed` and its place say, and not at all without a seed.
    pub fn batch(&self, at: &[usize], shown: Shown, seed: Option<u64>) -> Tensor {
        let (of, side) = match shown {
            Shown::Small => (&self.small, self.small_side),
            Shown::Bicubic => (&self.bicubic, self.side),
            Shown::Truth => (&self.truth, self.side),
        };
        let mut data = Vec::with_capacity(at.len() * self.channels * side * side);
        for &i in at {
            let first = data.len();
            data.extend_from_slice(&of[i]);
            if seed.is_some_and(|seed| mirrored(seed, i)) {
                data[first..].chunks_mut(side).for_each(<[f32]>::reverse);
            }
        }
        Tensor {
            shape: vec![at.len(), self.channels, side, side],
            data,
        }
    }

    fn push(&mut self, planes: &[Plane<u8>], class: usize, patient: String) -> Result<()> {
        let (mut small, mut bicubic, mut truth) = (Vec::new(), Vec::new(), Vec::new());
        for plane in planes {
            let side = self.small_side;
            let little = resize::resize_u8(plane, side, side, Kernel::PilBicubic)?;
            let again = resize::resize(&unit(&little), self.side, self.side, Kernel::PilBicubic)?;
            small.extend(unit(&little).data);
            bicubic.extend(again.data);
            truth.extend(unit(plane).data);
        }
        self.small.push(small);
        self.bicubic.push(bicubic);
        self.truth.push(truth);
        self.y.push(class);
        self.patients.push(patient);
        Ok(())
    }

    fn check(&self, what: &str) -> Result<()> {
        match (0..2).find(|k| !self.y.contains(k)) {
            None => Ok(()),
            Some(class) => Err(MethodError::TooFew {
                what: format!("{what}, class {class}"),
                found: 0,
                needed: 1,
            }),
        }
    }
}

fn mirrored(seed: u64, place: usize) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(place as u64);
    rng.random_bool(0.5)
}

/// Levels from 0 to 1.
fn unit(plane: &Plane<u8>) -> Gray {
    plane.map(|&v| f32::from(v) / 255.0)
}

/// Set of a task.
pub fn set_of(task: TaskName) -> &'static str {
    match task {
        TaskName::Histology => "histo_idc",
        TaskName::Films => "nih14_64px",
    }
}

/// 1 for carcinoma, or for a film with a finding.
fn class(task: TaskName, s: &Sample) -> Option<usize> {
    match task {
        TaskName::Histology => match s.raw_labels.first().map(String::as_str) {
            Some("idc") => Some(1),
            Some("no_idc") => Some(0),
            _ => None,
        },
        TaskName::Films => {
            let known = s.raw_labels.first().is_some_and(|l| !l.is_empty());
            known.then(|| usize::from(!s.labels.is_positive("no_finding")))
        }
    }
}

/// Training and test pairs of a task, by the published split of patients.
///
/// # Errors
/// Data that are not there, a picture smaller than the task's side, a class that is missing.
pub fn load(ctx: &Context<'_>, config: &Config, task: &Task) -> Result<[Pairs; 2]> {
    let samples = ctx.samples("shisrcnet", &[set_of(task.task)])?;
    let side = |split: Split, most: usize| -> Result<Pairs> {
        let own = samples
            .iter()
            .filter(|s| s.split == Some(split) && class(task.task, s).is_some());
        let own = spread_evenly(own.cloned().collect(), most);
        let pairs = of_samples(config, task, &own)?;
        pairs.check(&format!("{}, {}", task.task.name(), split.name()))?;
        Ok(pairs)
    };
    let asked = if ctx.tiny { task.most } else { usize::MAX };
    Ok([side(Split::Train, task.most)?, side(Split::Test, asked)?])
}

fn of_samples(config: &Config, task: &Task, samples: &[Sample]) -> Result<Pairs> {
    let mut pairs = Pairs {
        channels: task.task.channels(),
        side: task.side,
        small_side: task.side / config.scale,
        ..Pairs::default()
    };
    for s in samples {
        let Some(class) = class(task.task, s) else {
            continue;
        };
        let planes = planes(s, task)?;
        pairs.push(&planes, class, patient(s))?;
    }
    Ok(pairs)
}

/// The middle of a picture, a plane a colour. Films go the one pixel path of radiographs; stained tissue is decoded in colour.
fn planes(sample: &Sample, task: &Task) -> Result<Vec<Plane<u8>>> {
    if task.task == TaskName::Films {
        let film = hilum_dicom::load(sample.path(), hilum_image::Recipe::Voi)?.pixels;
        return Ok(vec![middle(&film.to_u8(), task.side, &sample.id)?]);
    }
    let path = sample.path();
    let bytes = std::fs::read(path).map_err(|source| MethodError::Io {
        path: path.to_owned(),
        source,
    })?;
    let colours = middle(
        &decode_colour(&bytes, &Limits::default())?,
        task.side,
        &sample.id,
    )?;
    Ok((0..3).map(|k| colours.map(|p| p[k])).collect())
}

fn middle<T: Clone>(plane: &Plane<T>, side: usize, id: &str) -> Result<Plane<T>> {
    if plane.width < side || plane.height < side {
        return Err(MethodError::Config(format!(
            "{id} has {}x{} pixels, fewer than the {side} that are shown",
            plane.width, plane.height
        )));
    }
    let (left, top) = ((plane.width - side) / 2, (plane.height - side) / 2);
    Ok(transform::crop(plane, left, top, side, side)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> Pairs {
        let mut pairs = Pairs {
            channels: 1,
            side: 32,
            small_side: 8,
            ..Pairs::default()
        };
        for k in 0..3usize {
            let plane = Plane::from_fn(32, 32, |x, y| (3 * x + (k + 1) * y) as u8);
            pairs.push(&[plane], k % 2, format!("p{k}")).unwrap();
        }
        pairs
    }

    #[test]
    fn all_three_pictures_of_a_pair_are_mirrored_alike() {
        let pairs = pairs();
        let plain = |shown| pairs.batch(&[0, 1, 2], shown, None);
        assert_eq!(plain(Shown::Small).shape, [3, 1, 8, 8]);
        assert_eq!(plain(Shown::Truth).shape, [3, 1, 32, 32]);
        // A plane that rises evenly is enlarged as it was, but for its rim.
        let (a, b) = (plain(Shown::Bicubic), plain(Shown::Truth));
        assert!((a.data[16 * 32 + 16] - b.data[16 * 32 + 16]).abs() < 0.02);
        let turned = |shown, i: usize| {
            let size = plain(shown).data.len() / 3;
            let own = |t: Tensor| t.data[i * size..(i + 1) * size].to_vec();
            own(pairs.batch(&[0, 1, 2], shown, Some(4))) != own(plain(shown))
        };
        let all: Vec<bool> = (0..3).map(|i| turned(Shown::Small, i)).collect();
        assert!(all.contains(&true) || (0..20).any(|seed| mirrored(seed, 0)));
        for (i, t) in all.into_iter().enumerate() {
            assert_eq!(turned(Shown::Truth, i), t);
            assert_eq!(turned(Shown::Bicubic, i), t);
        }
    }

    #[test]
    fn a_missing_class_and_a_small_picture_are_errors() {
        let mut pairs = pairs();
        pairs.check("x").unwrap();
        pairs.y = vec![0; 3];
        let told = pairs.check("x").unwrap_err().to_string();
        assert!(told.contains("x, class 1"), "{told}");
        let told = middle(&Plane::filled(40, 20, 0u8), 32, "a.png").unwrap_err();
        assert!(told.to_string().contains("a.png has 40x20"), "{told}");
    }
}
