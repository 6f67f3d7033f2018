//! Robust and Interpretable Medical Image Classifiers via Concept Bottleneck Models (Yan et al. 2023), forerunner of
//! [`crate::knobo`].
//!
//! Reproduced: scores of concept sentences by the best patch's cosine, scaled by the training films' least and largest, a
//! linear layer over them by cross entropy and Adam from the association of concepts and classes, duplicates merged, small
//! versions by weight, a linear probe and a fine-tuned encoder beside it, sets whose label is tied to sex or age with the
//! tie turned in the test, interventions, and explanations of classes and films. What stands in for the paper's parts: a
//! list of sentences of our own for the language model's; for BioViL, a small residual network and a small BERT that learn
//! on films of the other half of the training patients (and of children) paired with sentences of real reports of other
//! people that say what the film's label says. Not reproduced: ties to age mix and hospital, the label-free baselines.

pub mod bank;
pub mod config;
mod encoder;
mod eval;
pub mod layer;
mod outcome;
pub mod sentences;
mod sheet;
pub mod similarity;
mod train;

pub use config::Config;

use crate::blocks::stored;
use crate::blocks::study::{OUTCOME, Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::curves::Curve;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use std::path::PathBuf;

/// File of the explanation sheet.
const SHEET: &str = "concepts.html";

static INFO: MethodInfo = MethodInfo {
    card: Some(59),
    name: "robust_cbm",
    title: "Robust and interpretable classifiers via concept bottlenecks",
    link: "https://arxiv.org/abs/2310.03182",
    tasks: &[TaskKind::Classifier],
    data: DataKind::PseudoPaired,
    claim: "scores of concept sentences withstand confounders that a linear probe of the same encoder falls for",
};

/// The method.
pub struct RobustCbm;

impl Study for RobustCbm {
    type Config = Config;
    type Outcome = outcome::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, config)?;
        let page = ctx.run_folder(INFO.name).join(SHEET);
        stored::write_text(&page, &sheet::page(&outcome))?;
        Ok(vec![
            stored::write(ctx, INFO.name, OUTCOME, &outcome)?,
            page,
        ])
    }

    fn rows(outcome: &Self::Outcome) -> Result<Vec<ClaimRow>> {
        Ok(eval::rows(outcome))
    }

    fn trace(outcome: &Self::Outcome) -> Trace {
        Trace::new(&outcome.seeds, &outcome.data_hash, &outcome.split_hash)
    }

    fn curves(outcome: &Self::Outcome) -> Vec<Curve> {
        eval::curves(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{
        check_missing_class, check_study, concept_files, context, nih, paediatric,
    };
    use crate::method::Method;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    fn write(root: &Path) {
        paediatric(root);
        nih(root);
        concept_files(root);
    }

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let a = check_study(&RobustCbm, write, &["outcome.json", SHEET]);
        assert!(!a.curves.is_empty());
        let kinds = [
            "minus linear probe",
            "growth",
            "set to their true values",
            "concepts, mean of both tests",
            "concept AUROC, pneumonia",
            "strength 0.5",
            "tied to sex: mean of both tests, fine-tuned encoder",
        ];
        for kind in kinds {
            let row = a.rows.iter().find(|r| r.claim.contains(kind));
            let row = row.unwrap_or_else(|| panic!("{kind}: {}", a.table()));
            assert!(row.here.is_some(), "{kind}: {}", a.table());
        }
    }

    #[test]
    fn films_without_a_finding_cannot_be_tied() {
        let none = [
            ("nih14", "No Finding", "Mass"),
            ("nih14_64px", "No Finding", "Mass"),
        ];
        check_missing_class(&RobustCbm, write, &none);
    }

    #[test]
    fn reports_that_are_missing_are_named() {
        let stop = AtomicBool::new(false);
        let dir = tempfile::tempdir().unwrap();
        let ctx = context(dir.path(), &stop);
        paediatric(dir.path());
        nih(dir.path());
        let told = RobustCbm.train(&ctx).unwrap_err().to_string();
        assert!(told.contains("iu_reports"), "{told}");
    }

    #[test]
    fn the_sheet_names_concepts_weights_and_labels() {
        let stop = AtomicBool::new(false);
        let dir = tempfile::tempdir().unwrap();
        let ctx = context(dir.path(), &stop);
        write(dir.path());
        RobustCbm.train(&ctx).unwrap();
        let page = std::fs::read_to_string(ctx.run_folder(INFO.name).join(SHEET)).unwrap();
        for part in [
            "There is pneumonia.",
            "Label tied to sex",
            "Labels: pneumonia",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }
}
