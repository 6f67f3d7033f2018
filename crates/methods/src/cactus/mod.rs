//! CACTUS: An Open Dataset and Framework for Automated Cardiac Assessment and Classification of Ultrasound Images Using Deep
//! Transfer Learning (Elmekki et al. 2025).
//!
//! Reproduced: an encoder that first learns to name views by cross entropy; the same encoder with a new multilayer head tuned to
//! grade quality by squared error; training from scratch and multi-task training (both heads at once, losses summed) beside it, with
//! the same number of passes; a view added later by a wider classifier from few pictures, and grading it. **No cardiac ultrasound is at
//! hand.** The same components learn on chest radiographs: projections of the phantom with known rotation, inspiration and exposure,
//! and real films (PA, AP, other body parts) exposed wrongly by a known amount. The published set is read in its own layout
//! ([`published`]) and joins as a third source when it lies in the data folder at `cactus/`; that was tried on made-up files only.
//! Not reproduced: ResNet-18 at full width and 224 pixels, the comparison of architectures, the experts' questionnaire, smoothing over
//! frames, the scans on a robot.

pub mod config;
mod data;
mod eval;
mod model;
mod outcome;
mod phantoms;
pub mod published;
pub mod quality;
mod train;

pub use config::Config;

use crate::blocks::stored;
use crate::blocks::study::{OUTCOME, Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use std::path::PathBuf;

static INFO: MethodInfo = MethodInfo {
    card: Some(39),
    name: "cactus",
    title: "CACTUS: view classification and quality grading by transfer",
    link: "https://arxiv.org/abs/2503.05604",
    tasks: &[TaskKind::Classifier, TaskKind::Gate],
    data: DataKind::Phantom,
    claim: "an encoder that learned to name views grades quality better than one trained from scratch",
};

/// The method.
pub struct Cactus;

impl Study for Cactus {
    type Config = Config;
    type Outcome = outcome::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        let (outcome, speeds) = train::run(ctx, config)?;
        let folder = ctx.run_folder(INFO.name);
        let mut paths = vec![stored::write(ctx, INFO.name, OUTCOME, &outcome)?];
        let tables = [
            ("confusion.csv", eval::confusions(&outcome)),
            ("speed.csv", speeds),
        ];
        for (name, text) in tables {
            let path = folder.join(name);
            stored::write_text(&path, &text)?;
            paths.push(path);
        }
        Ok(paths)
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
    use crate::blocks::made_up::{
        Row, check_missing_class, check_study, mammograms, nih, write_set,
    };
    use std::path::Path;

    fn films(root: &Path) {
        nih(root);
        mammograms(root);
        let labels = ["HEAD", "ABD", "CHEST"];
        write_set(root, "vqa_rad", 90, |i, _| Row {
            labels: labels[i / 2 % 3].to_owned(),
            view: "",
            sex: "",
            notes: String::new(),
            mark: (90, i / 2 % 3),
        });
    }

    fn with_echoes(root: &Path) {
        films(root);
        published::made_up::write(&root.join("cactus"), 20);
    }

    const FILES: [&str; 3] = ["outcome.json", "confusion.csv", "speed.csv"];

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let a = check_study(&Cactus, films, &FILES);
        assert_eq!(a.rows.len(), 2 * (3 + 6 + 6), "{}", a.table());
        assert!(a.rows.iter().all(|r| r.here.is_some()), "{}", a.table());
    }

    #[test]
    fn the_published_set_joins_where_it_lies_in_the_data_folder() {
        let dir = tempfile::tempdir().unwrap();
        with_echoes(dir.path());
        let stop = std::sync::atomic::AtomicBool::new(false);
        let ctx = crate::blocks::made_up::context(dir.path(), &stop);
        let a = crate::Method::reproduce(&Cactus, &ctx).unwrap();
        assert_eq!(a.rows.len(), 3 * (3 + 6 + 6), "{}", a.table());
        assert!(a.rows.iter().any(|r| r.claim.contains("`PSMV`")));
    }

    #[test]
    fn a_view_that_is_missing_is_an_error() {
        check_missing_class(
            &Cactus,
            films,
            &[("vqa_rad", "HEAD", "CHEST"), ("vqa_rad", "ABD", "CHEST")],
        );
    }
}
