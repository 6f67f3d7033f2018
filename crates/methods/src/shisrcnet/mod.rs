//! SHISRCNet: Super-resolution And Classification Network For Low-resolution Breast Cancer Histopathology Image (Xie et al., MICCAI 2023).
//!
//! Reproduced: multi-features extraction blocks with weighed branches, pixel shuffle, a selective-kernel classifier with fusion over three
//! scales; joint training by 0.6 L1 + 0.3 focal (half enlarged, half true picture) + 0.1 NT-Xent between the features of the same case;
//! the low-resolution picture alone when it is used. Beside it: bicubic or a separate module before a classifier, a classifier that is
//! given the true picture, joint training without the true picture. Where it differs: the contrastive
//! term pairs both sets of features (the release compares one with itself, and swaps features and logits); the module makes the
//! difference to the bicubic picture; a quarter of the channels, two blocks, one unit a stage, no pooling after the stem and no groups,
//! few passes. Not reproduced: BreaKHis with its four magnifications (the patches at hand are of one), scale 8.

pub mod config;
mod data;
mod eval;
mod model;
mod net;
mod outcome;
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
    card: Some(45),
    name: "shisrcnet",
    title: "SHISRCNet: joint super-resolution and classification",
    link: "https://github.com/xiely-123/SHISRCNet",
    tasks: &[TaskKind::Classifier],
    data: DataKind::PseudoPaired,
    claim: "enlarging and classifying learned together classify low-resolution pictures better than learned apart",
};

/// The method.
pub struct Shisrcnet;

impl Study for Shisrcnet {
    type Config = Config;
    type Outcome = outcome::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, config)?;
        let table = ctx.run_folder(INFO.name).join("losses.csv");
        stored::write_text(&table, &eval::losses(&outcome))?;
        Ok(vec![
            stored::write(ctx, INFO.name, OUTCOME, &outcome)?,
            table,
        ])
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
    use crate::blocks::made_up::{Row, check_missing_class, check_study, context, nih, write_set};
    use crate::error::MethodError;
    use crate::method::Method;
    use std::path::Path;

    fn write(root: &Path) {
        nih(root);
        write_set(root, "histo_idc", 90, |i, _| Row {
            labels: ["idc", "no_idc"][i / 2 % 2].to_owned(),
            view: "",
            sex: "",
            notes: String::new(),
            mark: (90, i / 2 % 2),
        });
    }

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let a = check_study(&Shisrcnet, write, &["outcome.json", "losses.csv"]);
        assert_eq!(a.rows.len(), 2 * (6 + 3 + 5), "{}", a.table());
        assert!(a.rows.iter().all(|r| r.here.is_some()), "{}", a.table());
    }

    #[test]
    fn a_missing_class_and_another_device_are_errors() {
        check_missing_class(&Shisrcnet, write, &[("histo_idc", "no_idc", "idc")]);
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        let stop = std::sync::atomic::AtomicBool::new(false);
        let ctx = Context {
            device: "vulkan".to_owned(),
            ..context(dir.path(), &stop)
        };
        let told = Shisrcnet.train(&ctx).unwrap_err();
        assert!(matches!(told, MethodError::Config(_)), "{told}");
    }
}
