//! MedImageInsight: An Open-Source Embedding Model for General Domain Medical Imaging (Codella et al., 2024).
//!
//! Reproduced at our scale: a DaViT image tower and a transformer text tower trained from nothing with the unified contrastive loss on five domains
//! (adults' and children's chest radiographs, CT slices, mammograms, generated chests with reports), with the same labels or the same
//! report as positives; classification by search among the vectors, by prompts and by linear adapters beside a tuned classifier and an
//! untrained encoder; thresholds from the ROC curve; ages; AUROC by sex and age; an evidence sheet; a decoder that writes findings of
//! generated films with the encoder frozen, beside a template reporter and the nearest film's report; retrieval of generated volumes by pooled
//! slices; an approximate index. Labels stand in for most of the reports, through templates. Not reproduced: the paper's data and sizes.

pub mod ages;
pub mod config;
mod eval;
mod fairness;
pub mod films;
mod measure;
mod outcome;
mod readers;
mod reports;
mod sheet;
mod space;
mod template;
pub mod towers;
mod train;
mod volumes;
mod written;

pub use config::Config;

use crate::blocks::stored;
use crate::blocks::study::{OUTCOME, Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::scores::Score;
use std::path::PathBuf;

static INFO: MethodInfo = MethodInfo {
    card: Some(27),
    name: "medimageinsight",
    title: "MedImageInsight: one embedding for many imaging domains",
    link: "https://arxiv.org/abs/2410.06542",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "labels of the nearest known films classify as a tuned network does, by an embedding that many domains share",
};

/// The method.
pub struct MedImageInsight;

impl Study for MedImageInsight {
    type Config = Config;
    type Outcome = outcome::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        let (outcome, films) = train::run(ctx, config)?;
        let mut paths = vec![stored::write(ctx, INFO.name, OUTCOME, &outcome)?];
        let table = ctx.run_folder(INFO.name).join("fairness.csv");
        stored::write_text(&table, &fairness::table(&outcome))?;
        paths.push(table);
        if let Some(first) = outcome.runs.first() {
            paths.push(sheet::write(ctx, &films, &outcome.references, first)?);
        }
        Ok(paths)
    }

    fn rows(outcome: &Self::Outcome) -> Result<Vec<ClaimRow>> {
        eval::rows(outcome)
    }

    fn scores(outcome: &Self::Outcome) -> Vec<Score> {
        eval::scores(outcome)
    }

    fn trace(outcome: &Self::Outcome) -> Trace {
        Trace::new(&outcome.seeds, &outcome.data_hash, &outcome.split_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{
        check_missing_class, check_study, ct_slices, mammograms, nih, paediatric,
    };
    use std::path::Path;

    fn write(root: &Path) {
        nih(root);
        paediatric(root);
        ct_slices(root);
        mammograms(root);
    }

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let files = ["outcome.json", "fairness.csv", "evidence.html"];
        let a = check_study(&MedImageInsight, write, &files);
        assert!(a.rows.len() > 25, "{}", a.table());
        for row in &a.rows[..3] {
            assert!(row.here.is_some() && row.holds.is_some(), "{}", a.table());
        }
        let asked = a.rows.iter().filter(|r| r.claim.starts_with("AUROC of"));
        assert!(asked.count() > 2, "{}", a.table());
    }

    #[test]
    fn films_without_findings_are_too_few() {
        let gone = ["nih14", "nih14_64px"].map(|set| {
            [
                (set, "Pneumonia", "No Finding"),
                (set, "Effusion|Infiltration", "No Finding"),
            ]
        });
        check_missing_class(&MedImageInsight, write, gone.as_flattened());
    }
}
