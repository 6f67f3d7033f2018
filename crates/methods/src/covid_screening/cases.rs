//! The schemes: who is told from whom.

use super::config::Config;
use crate::blocks::cells::Folds;
use crate::blocks::classify::ClassifyData;
use crate::blocks::regions::{spread_evenly, with_region};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::{Sample, Split};
use serde::{Deserialize, Serialize};

/// A scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Children: normal or viral pneumonia.
    Two,
    /// Children: normal, bacterial or viral pneumonia.
    Three,
    /// Films of case reports: COVID-19 or another pneumonia.
    Covid,
    /// As in the paper: normal children, children with viral pneumonia, COVID-19 from case reports. The source tells the
    /// label; it is here to show how much.
    Mixed,
}

impl Scheme {
    /// In the order of the tables.
    pub const ALL: [Scheme; 4] = [Scheme::Three, Scheme::Two, Scheme::Covid, Scheme::Mixed];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Two => "children, two classes",
            Scheme::Three => "children, three classes",
            Scheme::Covid => "COVID set, two classes",
            Scheme::Mixed => "mixed sources, three classes",
        }
    }

    /// Name in files.
    pub fn stem(self) -> &'static str {
        match self {
            Scheme::Two => "two",
            Scheme::Three => "three",
            Scheme::Covid => "covid",
            Scheme::Mixed => "mixed",
        }
    }

    /// The classes in order; the first is healthy, or what is not screened for.
    pub fn classes(self) -> &'static [&'static str] {
        match self {
            Scheme::Two => &["normal", "viral"],
            Scheme::Three => &["normal", "bacterial", "viral"],
            Scheme::Covid => &["other pneumonia", "COVID-19"],
            Scheme::Mixed => &["normal child", "viral, child", "COVID-19, case report"],
        }
    }

    /// The class of a sample.
    fn class(self, s: &Sample) -> Option<usize> {
        let is = |code: &str| s.labels.is_positive(code);
        let child = s.set == "kermany_paediatric";
        let normal = child && !is("pneumonia");
        match self {
            Scheme::Two if normal => Some(0),
            Scheme::Two => (child && is("viral_pneumonia")).then_some(1),
            Scheme::Three if normal => Some(0),
            Scheme::Three if child && is("bacterial_pneumonia") => Some(1),
            Scheme::Three => (child && is("viral_pneumonia")).then_some(2),
            Scheme::Covid if child => None,
            Scheme::Covid if is("covid_19") => Some(1),
            Scheme::Covid => is("pneumonia").then_some(0),
            Scheme::Mixed if normal => Some(0),
            Scheme::Mixed if child => is("viral_pneumonia").then_some(1),
            Scheme::Mixed => is("covid_19").then_some(2),
        }
    }

    fn sets(self) -> &'static [&'static str] {
        match self {
            Scheme::Two | Scheme::Three => &["kermany_paediatric"],
            Scheme::Covid => &["covid_cohen"],
            Scheme::Mixed => &["kermany_paediatric", "covid_cohen"],
        }
    }
}

/// Images of a scheme, without the test split, in folds by patient.
pub struct CaseSet {
    /// Which.
    pub scheme: Scheme,
    /// Samples in the order of `data`.
    pub samples: Vec<Sample>,
    /// Pictures with their lungs and one-hot targets.
    pub data: ClassifyData,
    /// Class of each picture.
    pub class: Vec<usize>,
    /// Folds.
    pub folds: Folds,
    /// Images left out for want of lungs.
    pub left_out: usize,
}

/// Loads a scheme.
///
/// # Errors
/// Missing data; a class with fewer patients than folds.
pub fn load(ctx: &Context<'_>, config: &Config, scheme: Scheme) -> Result<CaseSet> {
    let all = ctx.samples("covid_screening", scheme.sets())?;
    let mut samples = Vec::new();
    for class in 0..scheme.classes().len() {
        let own: Vec<Sample> = all
            .iter()
            .filter(|s| s.split != Some(Split::Test) && scheme.class(s) == Some(class))
            .cloned()
            .collect();
        let most = match scheme {
            Scheme::Covid if !ctx.tiny => own.len(),
            _ => config.most.0,
        };
        samples.extend(spread_evenly(own, most));
    }
    let before = samples.len();
    let pictures = with_region(
        ctx,
        &samples,
        &config.contract(),
        "lungs",
        config.least_region,
    )?;
    let mut set = CaseSet {
        scheme,
        samples: Vec::new(),
        data: ClassifyData::default(),
        class: Vec::new(),
        folds: Folds {
            k: config.folds,
            of: Vec::new(),
        },
        left_out: 0,
    };
    for (sample, picture) in samples.into_iter().zip(pictures) {
        let Some(class) = scheme.class(&sample).filter(|_| picture.masks[0].is_some()) else {
            continue;
        };
        let mut target = vec![0.0; scheme.classes().len()];
        target[class] = 1.0;
        set.data.pictures.push(picture);
        set.data.targets.push(target);
        set.data
            .patients
            .push(sample.patient.clone().unwrap_or_else(|| sample.id.clone()));
        set.class.push(class);
        set.samples.push(sample);
    }
    set.left_out = before - set.samples.len();
    for (class, name) in scheme.classes().iter().enumerate() {
        let found = set.class.iter().filter(|c| **c == class).count();
        if found < config.folds {
            return Err(MethodError::TooFew {
                what: format!("{}: images of class `{name}`", scheme.name()),
                found,
                needed: config.folds,
            });
        }
    }
    let stratum = |s: &Sample| scheme.class(s).map_or(0, |c| c as u32);
    set.folds = Folds::new(&set.samples, stratum, config.folds, ctx.seed)?;
    Ok(set)
}

/// The places of a training split repeated until every class is as large as the largest: the paper's copies that balance
/// the classes, each copy warped in its own way.
pub fn balanced(at: &[usize], class: &[usize], classes: usize) -> Vec<usize> {
    let of: Vec<Vec<usize>> = (0..classes)
        .map(|c| at.iter().copied().filter(|&i| class[i] == c).collect())
        .collect();
    let most = of.iter().map(Vec::len).max().unwrap_or(0);
    of.iter()
        .filter(|own| !own.is_empty())
        .flat_map(|own| own.iter().copied().cycle().take(most))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_class_is_repeated() {
        let class = [0, 0, 0, 1];
        let got = balanced(&[0, 1, 2, 3], &class, 2);
        assert_eq!(got, [0, 1, 2, 3, 3, 3]);
        assert_eq!(balanced(&[0], &class, 2), [0]);
    }
}
