//! The two sets, each with itself alone.

use super::config::Config;
use crate::blocks::cells::Folds;
use crate::blocks::classify::{ClassifyData, classify_data};
use crate::blocks::pictures::{Lungs, Picture, load_pictures};
use crate::blocks::regions::spread_evenly;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::{Sample, Split};
use hilum_image::{Mask, Plane};
use serde::{Deserialize, Serialize};

/// A set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetName {
    /// Films of case reports: COVID-19 and other pneumonias.
    Covid,
    /// Children of one hospital: normal, bacterial, viral.
    Paediatric,
}

impl SetName {
    /// Both, in the order of the tables.
    pub const ALL: [SetName; 2] = [SetName::Covid, SetName::Paediatric];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            SetName::Covid => "COVID set",
            SetName::Paediatric => "paediatric",
        }
    }

    /// Name in files.
    pub fn stem(self) -> &'static str {
        match self {
            SetName::Covid => "covid",
            SetName::Paediatric => "paediatric",
        }
    }

    /// Outputs, from special to general where the labels are nested; the first is explained.
    pub fn codes(self) -> &'static [&'static str] {
        match self {
            SetName::Covid => &["covid_19", "viral_pneumonia", "bacterial_pneumonia"],
            SetName::Paediatric => &["pneumonia", "bacterial_pneumonia", "viral_pneumonia"],
        }
    }

    /// Names of the groups whose activation profiles are compared.
    pub fn groups(self) -> &'static [&'static str] {
        match self {
            SetName::Covid => &["COVID-19", "other pneumonia"],
            SetName::Paediatric => &["normal", "bacterial", "viral"],
        }
    }

    /// The group of a sample.
    pub fn group(self, s: &Sample) -> Option<usize> {
        let is = |code: &str| s.labels.is_positive(code);
        match self {
            SetName::Covid if is("covid_19") => Some(0),
            SetName::Covid => is("pneumonia").then_some(1),
            SetName::Paediatric if is("bacterial_pneumonia") => Some(1),
            SetName::Paediatric if is("viral_pneumonia") => Some(2),
            SetName::Paediatric => Some(0),
        }
    }
}

/// A set made ready: everything but the test split, in folds.
pub struct CaseSet {
    /// Which.
    pub name: SetName,
    /// Samples in the order of `data`.
    pub samples: Vec<Sample>,
    /// Pictures and targets.
    pub data: ClassifyData,
    /// Folds by patient.
    pub folds: Folds,
    /// Pictures to be explained.
    pub explained: Vec<Explainee>,
}

/// A picture to be explained, by the networks of the fold that it is held out of.
pub struct Explainee {
    /// Radiograph.
    pub plane: Plane<u8>,
    /// Lungs.
    pub lungs: Mask,
    /// Ground glass and consolidation as drawn by readers, where they were.
    pub lesion: Option<Mask>,
    /// Its patient.
    pub patient: String,
    /// Its fold.
    pub fold: usize,
}

/// Loads a set.
///
/// # Errors
/// Missing data, a class that is missing, fewer patients than folds.
pub fn load(ctx: &Context<'_>, config: &Config, name: SetName) -> Result<CaseSet> {
    let (manifest, shown) = match name {
        SetName::Covid => ("covid_cohen", "covid_structures"),
        SetName::Paediatric => ("kermany_paediatric", "kermany_paediatric"),
    };
    let all = ctx.samples("covid_interpretability", &[manifest])?;
    let known = |s: &Sample| {
        let code = name.codes()[0];
        s.labels.get(code).is_some() && name.group(s).is_some()
    };
    let own: Vec<Sample> = all
        .into_iter()
        .filter(|s| s.split != Some(Split::Test) && known(s))
        .collect();
    let samples = spread_evenly(own, config.most);
    let contract = config.contract();
    let mut data = classify_data(&samples, name.codes(), &contract, Lungs::None)?;
    if name == SetName::Covid {
        one_cause(&mut data);
    }
    check_classes(name, &data)?;
    let stratum = |s: &Sample| name.group(s).map_or(0, |g| g as u32);
    let folds = Folds::new(&samples, stratum, config.folds, ctx.seed)?;
    let candidates = match name {
        SetName::Covid => ctx.samples("covid_interpretability", &[shown])?,
        SetName::Paediatric => samples.clone(),
    };
    let explained = explainees(config, name, &samples, &folds, candidates)?;
    Ok(CaseSet {
        name,
        samples,
        data,
        folds,
        explained,
    })
}

/// A case report names one cause, and says nothing of the others: what is not named is taken for absent.
fn one_cause(data: &mut ClassifyData) {
    for target in data.targets.iter_mut().flatten() {
        if target.is_nan() {
            *target = 0.0;
        }
    }
}

fn check_classes(name: SetName, data: &ClassifyData) -> Result<()> {
    for (output, code) in name.codes().iter().enumerate() {
        let labelled = data.labelled(output);
        let positives = labelled.iter().filter(|(_, y)| *y).count();
        for (what, found) in [("with", positives), ("without", labelled.len() - positives)] {
            if found < 3 {
                return Err(MethodError::TooFew {
                    what: format!("{}: images {what} `{code}`", name.name()),
                    found,
                    needed: 3,
                });
            }
        }
    }
    Ok(())
}

/// Positive pictures with lungs whose patient is in a fold.
fn explainees(
    config: &Config,
    name: SetName,
    samples: &[Sample],
    folds: &Folds,
    candidates: Vec<Sample>,
) -> Result<Vec<Explainee>> {
    let fold_of = |s: &Sample| {
        let at = samples.iter().position(|o| o.patient == s.patient)?;
        folds.of[at]
    };
    let usable: Vec<Sample> = candidates
        .into_iter()
        .filter(|s| s.split != Some(Split::Test) && s.labels.is_positive(name.codes()[0]))
        .filter(|s| !s.mask_parts("lungs").is_empty() && fold_of(s).is_some())
        .collect();
    let chosen = spread_evenly(usable, config.explained);
    let structures = ["lungs", "ground_glass_opacities", "consolidation"];
    let pictures = load_pictures(&chosen, &config.contract(), Lungs::None, &structures)?;
    let mut out = Vec::new();
    for (s, picture) in chosen.iter().zip(pictures) {
        let Picture { plane, masks, .. } = picture;
        let mut masks = masks.into_iter().map(|m| m.map(|m| binary(&m)));
        let lungs = masks.next().flatten();
        let lesion = masks.flatten().reduce(|a, b| a.or(&b).unwrap_or(a));
        let (Some(lungs), Some(fold)) = (lungs, fold_of(s)) else {
            continue;
        };
        if lungs.count() == 0 {
            continue;
        }
        out.push(Explainee {
            plane,
            lungs,
            lesion: lesion.filter(|l| l.count() > 0),
            patient: s.patient.clone().unwrap_or_else(|| s.id.clone()),
            fold,
        });
    }
    if out.is_empty() {
        return Err(MethodError::TooFew {
            what: format!("{}: positive images with lung masks", name.name()),
            found: 0,
            needed: 1,
        });
    }
    Ok(out)
}

fn binary(mask: &Plane<u8>) -> Mask {
    mask.map(|&v| if v >= 128 { 255 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_that_are_not_named_are_absent() {
        let mut data = ClassifyData {
            targets: vec![vec![1.0, f32::NAN, 0.0]],
            ..ClassifyData::default()
        };
        one_cause(&mut data);
        assert_eq!(data.targets, [[1.0, 0.0, 0.0]]);
    }
}
