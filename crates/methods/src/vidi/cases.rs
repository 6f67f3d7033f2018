//! Three sets: children whose kind of pneumonia is kept from the network, COVID films whose lesions readers drew, phantoms.

use super::config::Config;
use crate::blocks::cells::select;
use crate::blocks::classify::{ClassifyData, classify_data};
use crate::blocks::pictures::{Lungs, load_pictures};
use crate::blocks::regions::spread_evenly;
use crate::blocks::thoraxes::{Pattern, healthy, paint, phantom_sample};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::{Sample, Split};
use hilum_image::{Mask, Plane};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetName {
    /// Children: normal or pneumonia; bacterial or viral is hidden from the network.
    Paediatric,
    /// COVID-19 or another pneumonia; the share of the lungs that readers drew as ill is hidden.
    Covid,
    /// Phantoms: opacities or none; their pattern and extent are hidden.
    Phantom,
}

impl SetName {
    /// In the order of the tables.
    pub const ALL: [SetName; 3] = [SetName::Paediatric, SetName::Covid, SetName::Phantom];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            SetName::Paediatric => "paediatric",
            SetName::Covid => "COVID set",
            SetName::Phantom => "phantom",
        }
    }

    /// Name in files.
    pub fn stem(self) -> &'static str {
        match self {
            SetName::Paediatric => "paediatric",
            SetName::Covid => "covid",
            SetName::Phantom => "phantom",
        }
    }

    /// What the network answers.
    pub fn code(self) -> &'static str {
        match self {
            SetName::Paediatric => "pneumonia",
            SetName::Covid => "covid_19",
            SetName::Phantom => "opacity",
        }
    }

    /// The hidden subtypes.
    pub fn subtypes(self) -> &'static [&'static str] {
        match self {
            SetName::Paediatric => &["bacterial", "viral"],
            SetName::Covid => &[],
            SetName::Phantom => &["peripheral", "focal"],
        }
    }
}

/// A set made ready.
pub struct CaseSet {
    /// Which.
    pub name: SetName,
    /// Learned from.
    pub train: ClassifyData,
    /// Selects the epoch.
    pub val: ClassifyData,
    /// Samples of both.
    pub samples: Vec<Sample>,
    /// Measured on: how often what is said to be positive is.
    pub test: ClassifyData,
    /// Pictures that are explained where they are said to be positive; the network learned from none of their patients.
    pub explained: ClassifyData,
    /// Hidden severity of each of them.
    pub severity: Option<Vec<f64>>,
    /// Hidden subtype of each of them.
    pub subtype: Option<Vec<usize>>,
}

/// Loads or makes a set.
///
/// # Errors
/// Missing data, a class that is missing.
pub fn load(ctx: &Context<'_>, config: &Config, name: SetName) -> Result<CaseSet> {
    let set = match name {
        SetName::Paediatric => paediatric(ctx, config)?,
        SetName::Covid => covid(ctx, config)?,
        SetName::Phantom => phantom(ctx, config)?,
    };
    for (what, data) in [("training", &set.train), ("validation", &set.val)] {
        let positives = data.labelled(0).iter().filter(|(_, y)| *y).count();
        for (kind, found) in [("with", positives), ("without", data.len() - positives)] {
            if found < 2 {
                return Err(MethodError::TooFew {
                    what: format!(
                        "{}, {what} split: images {kind} `{}`",
                        name.name(),
                        name.code()
                    ),
                    found,
                    needed: 2,
                });
            }
        }
    }
    Ok(set)
}

fn of_split(samples: &[Sample], split: Split) -> Vec<Sample> {
    samples
        .iter()
        .filter(|s| s.split == Some(split))
        .cloned()
        .collect()
}

fn paediatric(ctx: &Context<'_>, config: &Config) -> Result<CaseSet> {
    let name = SetName::Paediatric;
    let all = ctx.samples("vidi", &["kermany_paediatric"])?;
    let train = spread_evenly(of_split(&all, Split::Train), config.most.0);
    let val = spread_evenly(of_split(&all, Split::Val), config.most.0 / 4);
    let test = spread_evenly(of_split(&all, Split::Test), config.most.1 * 3 / 2);
    let ill: Vec<Sample> = test
        .iter()
        .filter(|s| s.labels.is_positive("pneumonia"))
        .cloned()
        .collect();
    let subtype = ill
        .iter()
        .map(|s| usize::from(s.labels.is_positive("viral_pneumonia")))
        .collect();
    let data = |s: &[Sample]| classify_data(s, &[name.code()], &config.contract(), Lungs::None);
    Ok(CaseSet {
        name,
        train: data(&train)?,
        val: data(&val)?,
        test: data(&test)?,
        explained: data(&ill)?,
        samples: [train, val].concat(),
        severity: None,
        subtype: Some(subtype),
    })
}

/// Films of case reports. Those with drawn lesions are explained, so the network learns from no other film of their
/// patients.
fn covid(ctx: &Context<'_>, config: &Config) -> Result<CaseSet> {
    let name = SetName::Covid;
    let drawn = ctx.samples("vidi", &["covid_structures"])?;
    let taken: BTreeSet<Option<String>> = drawn.iter().map(|s| s.patient.clone()).collect();
    let known = |s: &Sample| s.labels.get(name.code()).is_some();
    let free: Vec<Sample> = ctx
        .samples("vidi", &["covid_cohen"])?
        .into_iter()
        .filter(|s| known(s) && !taken.contains(&s.patient))
        .collect();
    let train = spread_evenly(of_split(&free, Split::Train), config.most.0);
    let val = of_split(&free, Split::Val);
    let test = of_split(&free, Split::Test);
    let ill: Vec<Sample> = drawn
        .into_iter()
        .filter(|s| s.labels.is_positive(name.code()) && !s.mask_parts("lungs").is_empty())
        .collect();
    let ill = spread_evenly(ill, config.most.1);
    let severity = severity(config, &ill)?;
    let data = |s: &[Sample]| classify_data(s, &[name.code()], &config.contract(), Lungs::None);
    Ok(CaseSet {
        name,
        train: data(&train)?,
        val: data(&val)?,
        test: data(&test)?,
        explained: data(&ill)?,
        samples: [train, val].concat(),
        severity: Some(severity),
        subtype: None,
    })
}

/// Share of the lungs that readers drew as ground glass or consolidation; 0 where nothing was drawn.
fn severity(config: &Config, samples: &[Sample]) -> Result<Vec<f64>> {
    let structures = ["lungs", "ground_glass_opacities", "consolidation"];
    // Masks are counted at twice the network's size, where small lesions are not yet lost.
    let contract = hilum_nn::InputContract::square(2 * config.size);
    let pictures = load_pictures(samples, &contract, Lungs::None, &structures)?;
    pictures
        .into_iter()
        .zip(samples)
        .map(|(picture, s)| {
            let mut masks = picture.masks.into_iter().map(|m| m.map(|m| binary(&m)));
            let lungs = masks.next().flatten().filter(|l| l.count() > 0);
            let Some(lungs) = lungs else {
                return Err(MethodError::Config(format!(
                    "{}: the lung mask is empty",
                    s.id
                )));
            };
            let lesion = masks.flatten().reduce(|a, b| a.or(&b).unwrap_or(a));
            let ill = match lesion {
                Some(l) => l.and(&lungs)?.count(),
                None => 0,
            };
            Ok(ill as f64 / lungs.count() as f64)
        })
        .collect()
}

fn binary(mask: &Plane<u8>) -> Mask {
    mask.map(|&v| if v >= 128 { 255 } else { 0 })
}

/// Phantoms: a third healthy, the others with opacities of one of two patterns over 2 to 40 % of the lungs.
fn phantom(ctx: &Context<'_>, config: &Config) -> Result<CaseSet> {
    let (patients, copies) = config.phantoms;
    let base = healthy(patients, 1, config.size, ctx.seed)?;
    let mut rng = ChaCha8Rng::seed_from_u64(ctx.seed ^ 0x71D1);
    let mut all = ClassifyData::default();
    let (mut samples, mut severity, mut subtype) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..base.len() * copies as usize {
        let patient = i / copies as usize;
        let mut picture = base[patient].clone();
        let pattern = [None, Some(Pattern::Peripheral), Some(Pattern::Focal)][i % 3];
        let share = match pattern {
            Some(Pattern::Peripheral) => rng.random_range(0.05..0.4),
            _ => rng.random_range(0.02..0.2),
        };
        let covered = match pattern {
            Some(pattern) => paint(&mut picture, pattern, share, ctx.seed ^ i as u64)?,
            None => 0.0,
        };
        samples.push(phantom_sample(i, patient as u64, &picture.plane));
        all.pictures.push(picture);
        all.targets
            .push(vec![f32::from(u8::from(pattern.is_some()))]);
        all.patients.push(format!("PH-{patient}"));
        severity.push(covered);
        subtype.push(usize::from(pattern == Some(Pattern::Focal)));
    }
    // Every fourth patient is a test patient; of the others every eighth selects the epoch.
    let at = |keep: &dyn Fn(usize) -> bool| -> Vec<usize> {
        (0..samples.len())
            .filter(|&i| keep(i / copies as usize))
            .collect()
    };
    let test = at(&|p| p % 4 == 3);
    let val = at(&|p| p % 8 == 0);
    let train = at(&|p| p % 4 != 3 && p % 8 != 0);
    let ill: Vec<usize> = test
        .iter()
        .copied()
        .filter(|&i| all.targets[i][0] > 0.5)
        .collect();
    Ok(CaseSet {
        name: SetName::Phantom,
        train: select(&all, &train),
        val: select(&all, &val),
        test: select(&all, &test),
        explained: select(&all, &ill),
        samples: train
            .iter()
            .chain(&val)
            .map(|&i| samples[i].clone())
            .collect(),
        severity: Some(ill.iter().map(|&i| severity[i]).collect()),
        subtype: Some(ill.iter().map(|&i| subtype[i]).collect()),
    })
}
