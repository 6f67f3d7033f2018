//! TSDDNet: weakly supervised detection and diagnosis of breast lesions with partially annotated ultrasound (two stages).
//!
//! Reproduced: a detector and a classifier of crops, the choice among candidate boxes by the probability of the true class (the
//! drawn box, boxes near it, the detector's that overlap it; the detector's best ones where no box was drawn), both again on
//! the chosen boxes; one network with a shared trunk, region and whole-picture features, and self-distillation. There is no
//! code of the paper's, and its detector, candidate rules, temperature and weights are not stated in what could be read: a
//! detector of one stage on a coarse grid stands in for a Faster R-CNN, by the same losses. Ours besides: drawn boxes are chosen
//! by networks of the other half of them. Data: a speckle phantom with clean boxes and injected noise, and mammograms with
//! one lesion; the paper's set is private, and the pack's BUSI pictures come without masks.

mod boxes;
pub mod config;
mod data;
mod detector;
mod eval;
mod outcome;
mod roi;
pub mod speckle;
mod stage1;
mod stage2;
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
    card: Some(33),
    name: "tsddnet",
    title: "TSDDNet: detection and diagnosis with partially annotated ultrasound",
    link: "https://arxiv.org/abs/2306.06982",
    tasks: &[TaskKind::Localiser, TaskKind::Classifier],
    data: DataKind::Phantom,
    claim: "class labels move coarse boxes towards lesions, and pictures without a box help to find and to tell them",
};

/// The method.
pub struct TsddNet;

impl Study for TsddNet {
    type Config = Config;
    type Outcome = outcome::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, config)?;
        Ok(vec![stored::write(ctx, INFO.name, OUTCOME, &outcome)?])
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
    use crate::blocks::made_up::{Row, check_missing_class, check_study, write_set};
    use std::fmt::Write as _;
    use std::path::Path;

    const SET: &str = "mammo_mias";

    /// Mammograms whose lesion is a bright quarter.
    fn write(root: &Path) {
        let classes = ["fatty|benign", "fatty|malignant"];
        let corner = |i: usize| [(0, 0), (32, 0), (0, 32), (32, 32)][i % 4];
        write_set(root, SET, 60, |i, _| Row {
            labels: classes[i / 2 % 2].to_owned(),
            view: "MLO",
            sex: "",
            notes: String::new(),
            mark: (80, i % 4),
        });
        let mut text = "path,split,label,x,y,w,h,box_source\n".to_owned();
        for i in 0..60 {
            let split = ["train", "test", "train", "val", "train"][i / 2 % 5];
            let (x, y) = corner(i);
            let _ = writeln!(
                text,
                "images/{SET}/{i:04}.png,{split},MISC,{x},{y},32,32,made up"
            );
        }
        std::fs::write(root.join(format!("manifests/{SET}_boxes.csv")), text).unwrap();
    }

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let a = check_study(&TsddNet, write, &["outcome.json"]);
        assert_eq!(a.rows.len(), 2 * (1 + 2 + 1 + 1 + 1 + 4), "{}", a.table());
        assert!(a.rows.iter().all(|r| r.here.is_some()), "{}", a.table());
    }

    #[test]
    fn a_class_that_is_missing_is_an_error() {
        check_missing_class(&TsddNet, write, &[(SET, "malignant", "benign")]);
    }
}
