//! The three tasks: phantom slices with known nodules, real CT slices, radiographs of children.

use super::config::{Config, TaskName};
use crate::blocks::classes::{self, ClassSet};
use crate::blocks::parts::Parts;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_data::splits::k_folds;
use hilum_data::{Sample, Split};
use hilum_image::{Gray, Kernel, Plane, resize};
use hilum_nn::InputContract;
use hilum_phantom::patient::Exposure;
use hilum_phantom::render::Scene;
use hilum_phantom::{Patient, Thorax};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Pictures of a task, with the rounds of training and testing.
pub struct Data {
    /// All pictures.
    pub set: ClassSet,
    /// Pixels of the lesion in each picture; empty where there is none or it is not known.
    pub lesions: Vec<Vec<usize>>,
    /// Rounds: what is trained on, and what is then asked.
    pub rounds: Vec<[Vec<usize>; 2]>,
}

/// Hashes over the real pictures of all tasks.
///
/// # Errors
/// Data that are not there.
pub fn hashes(ctx: &Context<'_>, config: &Config) -> Result<[String; 2]> {
    let mut all = Vec::new();
    for study in &config.studies {
        if let Some(set) = set_of(study.task) {
            all.extend(ctx.samples("ugpl", &[set])?);
        }
    }
    Ok([
        data_hash(&all, ContentHash::Stated, None)?,
        split_hash(&all),
    ])
}

fn set_of(task: TaskName) -> Option<&'static str> {
    match task {
        TaskName::Phantom => None,
        TaskName::Iqoth => Some("ct_iqoth"),
        TaskName::Paediatric => Some("kermany_paediatric"),
    }
}

/// The pictures of a task.
///
/// # Errors
/// Data that are not there, a class that is missing.
pub fn load(
    ctx: &Context<'_>,
    config: &Config,
    parts: &Parts<'_>,
    task: TaskName,
    most: usize,
) -> Result<Data> {
    let data = match task {
        TaskName::Phantom => phantoms(ctx, config, parts)?,
        TaskName::Iqoth => iqoth(ctx, config, most)?,
        TaskName::Paediatric => paediatric(ctx, config, most)?,
    };
    for [train, test] in &data.rounds {
        data.set
            .select(train)
            .check_classes(&format!("{}, training cases", task.name()))?;
        data.set
            .select(test)
            .check_classes(&format!("{}, test cases", task.name()))?;
    }
    Ok(data)
}

/// Development slices by folds: the test split has two patients with cancer.
fn iqoth(ctx: &Context<'_>, config: &Config, most: usize) -> Result<Data> {
    let class = |s: &Sample| {
        let label = s.raw_labels.first().map(String::as_str);
        match label {
            Some("normal") => Some(0),
            Some("malignant") => Some(1),
            _ => None,
        }
    };
    let all: Vec<Sample> = ctx
        .samples("ugpl", &["ct_iqoth"])?
        .into_iter()
        .filter(|s| matches!(s.split, Some(Split::Train | Split::Val)))
        .collect();
    let samples = ctx.limit(all, most);
    let set = ClassSet::load(&samples, config.side, 2, class)?;
    let strata: Vec<u32> = set.y.iter().map(|y| *y as u32).collect();
    let fold = k_folds(&samples, &strata, config.folds, ctx.seed)?;
    let rounds = (0..config.folds).map(|k| {
        let (held, own) = (0..samples.len()).partition(|&i| fold[i] == k);
        [own, held]
    });
    Ok(Data {
        rounds: rounds.collect(),
        lesions: vec![Vec::new(); set.len()],
        set,
    })
}

fn paediatric(ctx: &Context<'_>, config: &Config, most: usize) -> Result<Data> {
    let all = ctx.samples("ugpl", &["kermany_paediatric"])?;
    let of = |split: Split, most: usize| -> Vec<Sample> {
        let own: Vec<Sample> = all
            .iter()
            .filter(|s| s.split == Some(split))
            .cloned()
            .collect();
        // Every k-th, so that all classes stay in.
        let step = own.len().div_ceil(most.max(1)).max(1);
        own.into_iter().step_by(step).collect()
    };
    let tiny = if ctx.tiny { most } else { usize::MAX };
    let (train, test) = (of(Split::Train, most), of(Split::Test, tiny));
    let n = train.len();
    let set = ClassSet::load(&[train, test].concat(), config.side, 3, classes::paediatric)?;
    Ok(Data {
        rounds: vec![[(0..n).collect(), (n..set.len()).collect()]],
        lesions: vec![Vec::new(); set.len()],
        set,
    })
}

#[cfg(not(test))]
use self::one_phantom as drawn;
#[cfg(test)]
use self::shared::slices as drawn;

/// Volumes take seconds, and tests ask for the same ones again.
#[cfg(test)]
mod shared {
    use super::{Result, Slice, one_phantom};
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    /// Seed, patient, slices, side.
    type Key = (u64, u64, usize, usize);
    static DRAWN: Mutex<BTreeMap<Key, Vec<Slice>>> = Mutex::new(BTreeMap::new());

    pub(super) fn slices(seed: u64, patient: u64, n: usize, side: usize) -> Result<Vec<Slice>> {
        let mut drawn = DRAWN.lock().unwrap();
        let key = (seed, patient, n, side);
        if let Some(slices) = drawn.get(&key) {
            return Ok(slices.clone());
        }
        let slices = one_phantom(seed, patient, n, side)?;
        drawn.insert(key, slices.clone());
        Ok(slices)
    }
}

/// One slice of a phantom.
#[derive(Clone, Serialize, Deserialize)]
struct Slice {
    levels: Vec<u8>,
    lesion: Vec<usize>,
    patient: u64,
}

/// Axial slices through the lungs of healthy phantoms, every other one with a nodule whose place is known. Two of three
/// patients train, the third is asked.
fn phantoms(ctx: &Context<'_>, config: &Config, parts: &Parts<'_>) -> Result<Data> {
    let (patients, slices) = config.phantoms;
    let mut all = Vec::new();
    for patient in 0..patients {
        let own: Vec<Slice> = parts.get(&format!("phantom {patient}"), || {
            drawn(ctx.seed, patient, slices, config.side)
        })?;
        all.extend(own);
    }
    let contract = InputContract::square(config.side);
    let mut set = ClassSet {
        side: config.side,
        classes: 2,
        ..ClassSet::default()
    };
    let mut rounds = [Vec::new(), Vec::new()];
    for (i, slice) in all.iter().enumerate() {
        let plane = Plane::new(config.side, config.side, slice.levels.clone())?;
        set.x.push(contract.values(&plane));
        set.y.push(usize::from(!slice.lesion.is_empty()));
        set.patients.push(format!("phantom {}", slice.patient));
        rounds[usize::from(slice.patient % 3 == 2)].push(i);
    }
    Ok(Data {
        rounds: vec![rounds],
        lesions: all.into_iter().map(|s| s.lesion).collect(),
        set,
    })
}

fn one_phantom(seed: u64, patient: u64, slices: usize, side: usize) -> Result<Vec<Slice>> {
    let exposure = Exposure::draw(seed, patient, 0, false);
    let thorax = Thorax::new(Patient::draw(seed, patient), exposure, Vec::new(), seed);
    let volume = Scene::new(&thorax, seed).volume();
    let volume = Hounsfield {
        size: volume.size,
        data: volume.data,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(patient);
    let levels = lung_levels(&volume);
    if levels.is_empty() {
        return Err(MethodError::TooFew {
            what: format!("slices of phantom {patient} through its lungs"),
            found: 0,
            needed: 1,
        });
    }
    (0..slices)
        .map(|n| {
            let k = levels[n * levels.len() / slices];
            let mut hu = axial(&volume, k);
            let lesion = if n % 2 == 1 {
                nodule(&mut hu, &mut rng)
            } else {
                Vec::new()
            };
            Ok(Slice {
                levels: window(&hu, side)?,
                lesion: shrink(&lesion, hu.width, side),
                patient,
            })
        })
        .collect()
}

/// A volume in Hounsfield units, slice after slice.
struct Hounsfield {
    size: [usize; 3],
    data: Vec<f32>,
}

/// Is this tissue of the lungs?
fn is_lung(hu: f32) -> bool {
    (-950.0..-500.0).contains(&hu)
}

/// Slices in which at least a twelfth of the picture is lung.
fn lung_levels(volume: &Hounsfield) -> Vec<usize> {
    let plane = volume.size[0] * volume.size[1];
    let share = |k: &usize| {
        let own = &volume.data[k * plane..(k + 1) * plane];
        own.iter().filter(|v| is_lung(**v)).count() * 12 > plane
    };
    (0..volume.size[2]).filter(share).collect()
}

/// A slice in a square of air.
fn axial(volume: &Hounsfield, k: usize) -> Gray {
    let [w, h, _] = volume.size;
    let side = w.max(h);
    let (left, top) = ((side - w) / 2, (side - h) / 2);
    Plane::from_fn(side, side, |x, y| {
        if (left..left + w).contains(&x) && (top..top + h).contains(&y) {
            volume.data[(k * h + y - top) * w + x - left]
        } else {
            -1000.0
        }
    })
}

/// Puts a soft ball of 8 to 16 mm into the lung; gives its pixels. Nothing where no place is found.
fn nodule(hu: &mut Gray, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let side = hu.width;
    // The fine grid has 2 mm.
    let radius = rng.random_range(2.0..4.0_f32);
    let reach = radius.ceil() as usize + 1;
    for _ in 0..2000 {
        let (cx, cy) = (
            rng.random_range(reach..side - reach),
            rng.random_range(reach..side - reach),
        );
        let around = |d: [i64; 2]| {
            let (x, y) = (cx as i64 + d[0], cy as i64 + d[1]);
            is_lung(hu.data[y as usize * side + x as usize])
        };
        let r = reach as i64;
        let free = [[0, 0], [r, 0], [-r, 0], [0, r], [0, -r]]
            .into_iter()
            .all(around);
        if !free {
            continue;
        }
        let mut pixels = Vec::new();
        for y in cy - reach..=cy + reach {
            for x in cx - reach..=cx + reach {
                let (dx, dy) = (x as f32 - cx as f32, y as f32 - cy as f32);
                let inside = (radius + 0.5 - dx.hypot(dy)).clamp(0.0, 1.0);
                let v = &mut hu.data[y * side + x];
                *v += inside * (20.0 - *v);
                if inside >= 0.5 {
                    pixels.push(y * side + x);
                }
            }
        }
        return pixels;
    }
    Vec::new()
}

/// Lung window, at network size.
fn window(hu: &Gray, side: usize) -> Result<Vec<u8>> {
    let levels = hu.map(|v| ((v + 1350.0) / 1500.0 * 255.0).round().clamp(0.0, 255.0) as u8);
    Ok(resize::resize_u8(&levels, side, side, Kernel::PilBilinear)?.data)
}

/// Pixels of a lesion at another size, each once.
fn shrink(lesion: &[usize], from: usize, to: usize) -> Vec<usize> {
    let place = |v: usize| v * to / from;
    let mut own: Vec<usize> = lesion
        .iter()
        .map(|p| place(p / from) * to + place(p % from))
        .collect();
    own.sort_unstable();
    own.dedup();
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodules_lie_in_the_lung_and_change_their_pixels_alone() {
        let lung = |x: usize, y: usize| (30..80).contains(&x) && (30..90).contains(&y);
        let plain = Plane::from_fn(120, 120, |x, y| if lung(x, y) { -800.0 } else { 40.0 });
        let mut hu = plain.clone();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let pixels = nodule(&mut hu, &mut rng);
        assert!(pixels.len() > 8);
        assert!(pixels.iter().all(|p| lung(p % 120, p / 120)));
        assert!(pixels.iter().all(|&p| hu.data[p] > plain.data[p] + 300.0));
        let changed = hu
            .data
            .iter()
            .zip(&plain.data)
            .filter(|(a, b)| a != b)
            .count();
        assert!(changed < 3 * pixels.len());
        let mut none = Plane::from_fn(40, 40, |_, _| 40.0);
        assert!(nodule(&mut none, &mut rng).is_empty());
        let small = shrink(&pixels, 120, 40);
        assert!(!small.is_empty() && small.iter().all(|p| lung(p % 40 * 3, p / 40 * 3)));
    }
}
