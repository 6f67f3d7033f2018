//! ViDi: descriptive visual data clustering as radiologist assistant in COVID-19 streamline diagnostic
//! (Ravi, Khoshrou and Pechenizkiy 2020).
//!
//! Reproduced: a VGG, DeepSHAP of the class that it says, groups of images by these maps, a page that describes each group
//! by its mean favourable and unfavourable map and its most typical members, and whether such groups are more alike in
//! severity than groups by pixels or by features. The paper's clustering algorithm, map resolution and references could
//! not be verified; k-means over block means of the positive and negative parts, with the number of groups chosen by
//! silhouette, are choices made here. Not reproduced: VGG-19 with ImageNet weights (a narrow VGG learns from scratch at 64
//! pixels), and one network over COVID, pneumonia and normal films of several sources: each set is alone.

mod cases;
pub mod config;
mod eval;
mod groups;
mod sheet;
mod train;

pub use config::Config;

use crate::blocks::study::{Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use std::path::PathBuf;

const NAME: &str = "vidi";

static INFO: MethodInfo = MethodInfo {
    card: Some(55),
    name: NAME,
    title: "ViDi: descriptive clusters of X-rays by model explanations",
    link: "https://arxiv.org/abs/2011.14871",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "groups of images by DeepSHAP are more alike in severity than groups by pixels or features",
};

/// The method.
pub struct Vidi;

impl Study for Vidi {
    type Config = Config;
    type Outcome = train::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        train::run(ctx, config)
    }

    fn rows(outcome: &Self::Outcome) -> Result<Vec<ClaimRow>> {
        Ok(eval::rows(outcome))
    }

    fn trace(outcome: &Self::Outcome) -> Trace {
        Trace::new(&outcome.seeds, &outcome.data_hash, &outcome.split_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{check_missing_class, check_study};
    use crate::blocks::regions::samples::write_films;

    #[test]
    fn the_tiny_run_writes_what_it_promises_and_is_the_same_twice() {
        let files = [
            "outcome.json",
            "paediatric_groups.html",
            "paediatric_group1.png",
            "covid_groups.html",
            "phantom_groups.html",
        ];
        let a = check_study(&Vidi, write_films, &files);
        assert!(a.rows.len() > 20, "{}", a.table());
    }

    #[test]
    fn a_class_that_is_missing_is_an_error() {
        let gone = [
            ("kermany_paediatric", "normal", "viral_pneumonia"),
            ("covid_cohen", "COVID-19", "SARS"),
        ];
        check_missing_class(&Vidi, write_films, &gone);
    }
}
