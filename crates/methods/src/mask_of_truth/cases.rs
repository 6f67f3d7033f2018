//! The sets with their regions: children's films, adults' films, fundi, and two sets whose answer is known.

use super::config::Config;
use crate::blocks::cells::Folds;
use crate::blocks::classify::ClassifyData;
use crate::blocks::pictures::Picture;
use crate::blocks::regions::{spread_evenly, with_region};
use crate::blocks::thoraxes::{self, Pattern, phantom_sample};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_audit::masking::bounds;
use hilum_core::{Sex, View};
use hilum_data::{LabelMatrix, LabelPolicy, Sample, Split};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A set of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetName {
    /// Children's films with published lung masks.
    Paediatric,
    /// NIH films; the lungs are found by the project's own segmenter.
    Nih,
    /// Fundi; the region is the disc, the label a large cup.
    Fundus,
    /// Children's films whose label is a coin's, and a marker in a corner that tells it.
    Planted,
    /// Phantoms whose label is an opacity inside the lungs, painted there and nowhere else.
    Phantom,
}

impl SetName {
    /// In the order of the tables.
    pub const ALL: [SetName; 5] = [
        SetName::Paediatric,
        SetName::Nih,
        SetName::Fundus,
        SetName::Planted,
        SetName::Phantom,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            SetName::Paediatric => "paediatric",
            SetName::Nih => "NIH",
            SetName::Fundus => "fundus",
            SetName::Planted => "planted marker",
            SetName::Phantom => "phantom",
        }
    }

    /// Name in files.
    pub fn stem(self) -> &'static str {
        match self {
            SetName::Paediatric => "paediatric",
            SetName::Nih => "nih",
            SetName::Fundus => "fundus",
            SetName::Planted => "planted",
            SetName::Phantom => "phantom",
        }
    }

    /// What the region is called in the paper's manner.
    pub fn region(self) -> &'static str {
        match self {
            SetName::Fundus => "Disc",
            _ => "Lung",
        }
    }

    /// Outputs; the first is the one that tables are about.
    pub fn codes(self) -> &'static [&'static str] {
        match self {
            SetName::Paediatric => &["pneumonia", "bacterial_pneumonia", "viral_pneumonia"],
            SetName::Nih => &[
                "pneumonia",
                "infiltration",
                "pleural_effusion",
                "atelectasis",
            ],
            SetName::Fundus => &["large_cup"],
            SetName::Planted => &["coin"],
            SetName::Phantom => &["opacity"],
        }
    }

    /// Whether the answer is known beforehand.
    pub fn is_control(self) -> bool {
        matches!(self, SetName::Planted | SetName::Phantom)
    }

    fn manifest(self) -> &'static str {
        match self {
            SetName::Nih => "nih14",
            SetName::Fundus => "fundus_drishti",
            _ => "kermany_paediatric",
        }
    }
}

/// A set made ready.
pub struct CaseSet {
    /// Which.
    pub name: SetName,
    /// Samples in the order of `data`.
    pub samples: Vec<Sample>,
    /// Pictures, each with the mask of its region, and targets.
    pub data: ClassifyData,
    /// Images left out for want of a region (or because the marker would touch it).
    pub left_out: usize,
    /// What is known of each image without looking at it.
    pub metadata: Vec<Option<Vec<f64>>>,
}

impl CaseSet {
    /// Indices of the test split.
    pub fn test(&self) -> Vec<usize> {
        let test = |&i: &usize| self.samples[i].split == Some(Split::Test);
        (0..self.samples.len()).filter(test).collect()
    }

    /// Folds over the rest, balanced over the first output.
    ///
    /// # Errors
    /// Fewer patients than folds.
    pub fn folds(&self, k: usize, seed: u64) -> Result<Folds> {
        let positive = |s: &Sample| {
            let at = self.samples.iter().position(|o| o.id == s.id);
            u32::from(at.is_some_and(|i| self.data.targets[i][0] >= 0.5))
        };
        Folds::new(&self.samples, positive, k, seed)
    }
}

/// Loads or makes a set.
///
/// # Errors
/// Missing data, or one class only.
pub fn load(ctx: &Context<'_>, config: &Config, name: SetName) -> Result<CaseSet> {
    let set = match name {
        SetName::Phantom => phantom(ctx, config)?,
        SetName::Planted => planted(ctx, config)?,
        _ => real(ctx, config, name)?,
    };
    check_classes(&set)?;
    Ok(set)
}

/// Both classes of the first output must be on both sides of the test split, or no cell means anything.
fn check_classes(set: &CaseSet) -> Result<()> {
    for (what, test) in [("test split", true), ("other splits", false)] {
        for class in [false, true] {
            let found = (0..set.samples.len())
                .filter(|&i| (set.samples[i].split == Some(Split::Test)) == test)
                .filter(|&i| set.data.targets[i][0] == f32::from(u8::from(class)))
                .count();
            if found < 2 {
                return Err(MethodError::TooFew {
                    what: format!(
                        "{}, {what}: images {} `{}`",
                        set.name.name(),
                        if class { "with" } else { "without" },
                        set.name.codes()[0]
                    ),
                    found,
                    needed: 2,
                });
            }
        }
    }
    Ok(())
}

/// Samples of a manifest: at most `most` that are not of the test split, and the test split.
fn samples(ctx: &Context<'_>, config: &Config, name: SetName) -> Result<Vec<Sample>> {
    let all = ctx.samples("mask_of_truth", &[name.manifest()])?;
    let (test, rest): (Vec<Sample>, Vec<Sample>) =
        all.into_iter().partition(|s| s.split == Some(Split::Test));
    let mut out = spread_evenly(rest, config.most);
    out.extend(if ctx.tiny {
        spread_evenly(test, config.most / 2)
    } else {
        test
    });
    Ok(out)
}

fn real(ctx: &Context<'_>, config: &Config, name: SetName) -> Result<CaseSet> {
    let samples = samples(ctx, config, name)?;
    let structure = if name == SetName::Fundus {
        "disc"
    } else {
        "lungs"
    };
    let contract = config.contract();
    let pictures = with_region(ctx, &samples, &contract, structure, config.least_region)?;
    let targets = match name {
        SetName::Fundus => large_cups(&samples)?,
        _ => labelled(&samples, name.codes())?,
    };
    Ok(assemble(name, samples, pictures, targets))
}

fn labelled(samples: &[Sample], codes: &[&str]) -> Result<Vec<Vec<f32>>> {
    let labels = LabelMatrix::new(samples, codes, LabelPolicy::IGNORE)?;
    let row = |i: usize| {
        labels
            .row(i)
            .iter()
            .map(|t| t.unwrap_or(f32::NAN))
            .collect()
    };
    Ok((0..samples.len()).map(row).collect())
}

/// Whether a cup is larger than that of half of the discs: a label that by its making lies inside the region.
fn large_cups(samples: &[Sample]) -> Result<Vec<Vec<f32>>> {
    let ratio = |s: &Sample| {
        let text = s.note("vertical_cup_disc_ratio")?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    let ratios: Vec<f64> = samples
        .iter()
        .map(|s| {
            ratio(s).ok_or_else(|| {
                MethodError::Config(format!("{}: no ratio of cup to disc in its notes", s.id))
            })
        })
        .collect::<Result<_>>()?;
    let mut sorted = ratios.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    Ok(ratios
        .iter()
        .map(|r| vec![f32::from(u8::from(*r >= middle))])
        .collect())
}

/// Leaves out what has no region or no label in the first output.
fn assemble(
    name: SetName,
    samples: Vec<Sample>,
    pictures: Vec<Picture>,
    targets: Vec<Vec<f32>>,
) -> CaseSet {
    let all = samples.len();
    let mut set = CaseSet {
        name,
        samples: Vec::new(),
        data: ClassifyData::default(),
        left_out: 0,
        metadata: Vec::new(),
    };
    for ((sample, picture), target) in samples.into_iter().zip(pictures).zip(targets) {
        if picture.masks[0].is_none() || target[0].is_nan() {
            continue;
        }
        set.data
            .patients
            .push(sample.patient.clone().unwrap_or_else(|| sample.id.clone()));
        set.data.pictures.push(picture);
        set.data.targets.push(target);
        set.metadata.push(metadata(name, &sample));
        set.samples.push(sample);
    }
    set.left_out = all - set.samples.len();
    set
}

/// What is known of an image without looking at it: view, sex and age; of children only the shape of the film.
fn metadata(name: SetName, s: &Sample) -> Option<Vec<f64>> {
    match name {
        SetName::Nih => {
            let view = f64::from(u8::from(s.view == View::Ap));
            let sex = f64::from(u8::from(s.sex? == Sex::Male));
            Some(vec![view, sex, f64::from(s.age?)])
        }
        SetName::Paediatric => {
            let (w, h) = s.original_size?;
            let (w, h) = (f64::from(w), f64::from(h));
            (w > 0.0 && h > 0.0).then(|| vec![w / h, (w * h).ln()])
        }
        _ => None,
    }
}

/// Children's films with a coin's label and a marker that tells it.
fn planted(ctx: &Context<'_>, config: &Config) -> Result<CaseSet> {
    let mut base = real(ctx, config, SetName::Paediatric)?;
    let mut rng = ChaCha8Rng::seed_from_u64(ctx.seed ^ 0x5EED);
    let mut out = CaseSet {
        name: SetName::Planted,
        samples: Vec::new(),
        data: ClassifyData::default(),
        left_out: base.left_out,
        metadata: Vec::new(),
    };
    let corner = (config.marker + 3) as f64;
    for i in 0..base.samples.len() {
        let label = rng.random_bool(0.5);
        let shown = rng.random_bool(config.marker_tells) == label;
        let region = base.data.pictures[i].masks[0].as_ref();
        let touches = region
            .and_then(bounds)
            .is_none_or(|b| b.x < corner && b.y < corner);
        if touches {
            out.left_out += 1;
            continue;
        }
        let mut picture = base.data.pictures[i].clone();
        if shown {
            thoraxes::mark(&mut picture.plane, config.marker);
        }
        out.data.pictures.push(picture);
        out.data.targets.push(vec![f32::from(u8::from(label))]);
        out.data
            .patients
            .push(std::mem::take(&mut base.data.patients[i]));
        out.samples.push(base.samples[i].clone());
    }
    Ok(out)
}

/// Phantoms with a coin's label; the positive ones get an opacity inside the lungs.
fn phantom(ctx: &Context<'_>, config: &Config) -> Result<CaseSet> {
    let (patients, copies) = config.phantoms;
    let pictures = thoraxes::healthy(patients, 1, config.size, ctx.seed)?;
    let mut rng = ChaCha8Rng::seed_from_u64(ctx.seed ^ 0xFA);
    let (mut samples, mut painted, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..pictures.len() * copies as usize {
        let patient = i / copies as usize;
        let mut picture = pictures[patient].clone();
        let label = rng.random_bool(0.5);
        if label {
            thoraxes::paint(&mut picture, Pattern::Focal, 0.12, ctx.seed ^ i as u64)?;
        }
        targets.push(vec![f32::from(u8::from(label))]);
        samples.push(phantom_sample(i, patient as u64, &picture.plane));
        painted.push(picture);
    }
    Ok(assemble(SetName::Phantom, samples, painted, targets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_data::Pixels;
    use hilum_image::Plane;

    #[test]
    fn cups_are_cut_at_the_middle_one_and_a_missing_ratio_is_an_error() {
        let sample = |note: &str| {
            let mut s = Sample::new("x", note, Pixels::File("x".into()));
            s.extra.push(("notes".into(), note.into()));
            s
        };
        let all: Vec<Sample> = ["0.4", "0.9", "0.6", "0.7"]
            .iter()
            .map(|v| sample(&format!("a=b;vertical_cup_disc_ratio={v} (from masks)")))
            .collect();
        let got: Vec<f32> = large_cups(&all).unwrap().concat();
        assert_eq!(got, [0.0, 1.0, 0.0, 1.0]);
        assert!(large_cups(&[sample("a=b")]).is_err());
    }

    #[test]
    fn a_class_that_is_missing_is_named() {
        let plane = Plane::filled(4, 4, 0u8);
        let samples: Vec<Sample> = (0..8)
            .map(|i| phantom_sample(i, i as u64, &plane))
            .collect();
        let set = CaseSet {
            name: SetName::Phantom,
            data: ClassifyData {
                targets: vec![vec![0.0]; 8],
                ..ClassifyData::default()
            },
            samples,
            left_out: 0,
            metadata: Vec::new(),
        };
        let error = check_classes(&set).unwrap_err().to_string();
        assert!(
            error.contains("phantom, test split: images with `opacity`"),
            "{error}"
        );
    }
}
