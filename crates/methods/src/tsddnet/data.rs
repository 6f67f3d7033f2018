//! Pictures with one lesion, its class and its clean box; folds; coarse boxes for a share of them.

use super::boxes::moved;
use super::config::{Config, TaskName};
use super::speckle::phantom;
use super::stage1::Boxes;
use crate::blocks::classes::ClassSet;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_core::Rect;
use hilum_data::splits::k_folds;
use hilum_data::{Pixels, Sample, Split};
use hilum_nn::InputContract;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SET: &str = "mammo_mias";
/// Boxes narrower than this share of the picture are single calcifications, which are no pixel wide here.
const LEAST: f64 = 0.04;

/// Pictures of a task.
pub struct Data {
    /// Pictures; class 1 is malignant.
    pub set: ClassSet,
    /// Clean boxes in pixels of the network's picture.
    pub clean: Vec<Rect>,
    /// Fold of each.
    pub fold: Vec<usize>,
}

/// The real pictures: mammograms of the training and validation split with one lesion that is wide enough.
///
/// # Errors
/// Data that are not there.
pub fn samples(ctx: &Context<'_>) -> Result<Vec<Sample>> {
    let own = ctx.samples("tsddnet", &[SET])?.into_iter().filter(|s| {
        let development = matches!(s.split, Some(Split::Train | Split::Val));
        let one = match (&s.boxes[..], s.size) {
            ([b], Some((w, h))) => b.rect.w >= LEAST * f64::from(w.max(h)),
            _ => false,
        };
        development && one && class(s).is_some()
    });
    Ok(own.collect())
}

fn class(sample: &Sample) -> Option<usize> {
    sample.raw_labels.iter().find_map(|l| match l.as_str() {
        "benign" => Some(0),
        "malignant" => Some(1),
        _ => None,
    })
}

/// Loads a task.
///
/// # Errors
/// A class that is missing, a picture that cannot be read.
pub fn load(
    ctx: &Context<'_>,
    config: &Config,
    task: TaskName,
    samples: &[Sample],
) -> Result<Data> {
    match task {
        TaskName::Speckle => phantoms(ctx, config),
        TaskName::Mammograms => mammograms(ctx, config, samples),
    }
}

fn mammograms(ctx: &Context<'_>, config: &Config, samples: &[Sample]) -> Result<Data> {
    let set = ClassSet::load(samples, config.side, 2, class)?;
    set.check_classes("mammograms with a lesion")?;
    let scaled = |s: &Sample| {
        let (w, h) = s.size?;
        let side = config.side as f64;
        let (x, y) = (side / f64::from(w), side / f64::from(h));
        let r = s.boxes.first()?.rect;
        Some(Rect {
            x: r.x * x,
            y: r.y * y,
            w: r.w * x,
            h: r.h * y,
        })
    };
    let clean: Vec<Rect> = samples.iter().filter_map(scaled).collect();
    Ok(Data {
        fold: folds(ctx, config, samples, &set)?,
        set,
        clean,
    })
}

fn phantoms(ctx: &Context<'_>, config: &Config) -> Result<Data> {
    let contract = InputContract::square(config.side);
    let mut set = ClassSet {
        side: config.side,
        classes: 2,
        ..ClassSet::default()
    };
    let (mut clean, mut names) = (Vec::new(), Vec::new());
    for number in 0..config.phantoms {
        let made = phantom(number as u64, config.side, ctx.seed)?;
        set.x.push(contract.values(&made.plane));
        set.y.push(number % 2);
        let name = format!("phantom {number}");
        set.patients.push(name.clone());
        let mut sample = Sample::new("speckle", &name, Pixels::File("speckle".into()));
        sample.patient = Some(name);
        names.push(sample);
        clean.push(made.rect);
    }
    Ok(Data {
        fold: folds(ctx, config, &names, &set)?,
        set,
        clean,
    })
}

fn folds(
    ctx: &Context<'_>,
    config: &Config,
    samples: &[Sample],
    set: &ClassSet,
) -> Result<Vec<usize>> {
    let strata: Vec<u32> = set.y.iter().map(|y| *y as u32).collect();
    let fold = k_folds(samples, &strata, config.folds, ctx.seed)?;
    for k in 0..config.folds {
        let held: Vec<usize> = (0..fold.len()).filter(|&i| fold[i] == k).collect();
        set.select(&held).check_classes(&format!("fold {k}"))?;
    }
    Ok(fold)
}

/// Coarse boxes for a share of the pictures of `at`, of either class alike; no box for all others.
///
/// # Errors
/// Too few pictures of a class for a half of them to hold one.
pub fn drawn(data: &Data, config: &Config, at: &[usize], share: f64, seed: u64) -> Result<Boxes> {
    let mut boxes: Boxes = vec![None; data.set.len()];
    let side = config.side as f64;
    for class in 0..2 {
        let own: Vec<usize> = at
            .iter()
            .copied()
            .filter(|&i| data.set.y[i] == class)
            .collect();
        let n = (share * own.len() as f64).round() as usize;
        if n < 2 {
            return Err(MethodError::TooFew {
                what: format!("boxed pictures of class {class}"),
                found: n,
                needed: 2,
            });
        }
        let order = crate::blocks::classify::shuffled(own.len(), seed ^ 0xb0, class);
        for &k in &order[..n] {
            let i = own[k];
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xd4);
            rng.set_stream(i as u64);
            boxes[i] = Some(moved(&data.clean[i], &config.noise, side, &mut rng));
        }
    }
    Ok(boxes)
}
