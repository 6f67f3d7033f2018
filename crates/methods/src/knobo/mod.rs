//! KnoBo: A Textbook Remedy for Domain Shifts: Knowledge Priors for Medical Image Analysis (Yang et al., NeurIPS 2024).
//!
//! Reproduced: grounding functions by balanced logistic regression on a frozen encoder's embeddings, the linear
//! layer over their probabilities with the prior on its weights, confounded sets whose tie is turned round in the
//! test, linear probe, post-hoc CBM with residual and an end-to-end network, the prior's ablation. What stands in for the
//! paper's parts: labels of films from the other half of the training patients (and of children) for the reports that a
//! language model labels, so questions about one finding are one concept; a small encoder pre-trained on those
//! films for one pre-trained on X-ray and report pairs; retrieval by BM25 and a template for the language model
//! that proposes concepts. Not reproduced: language-shaped learning, the zero-shot dot product, skin images, race.

pub mod concepts;
pub mod config;
mod eval;
pub mod linear;
mod outcome;
pub mod propose;
mod train;

pub use config::Config;

use crate::blocks::stored;
use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

/// Where the run folder keeps what was said.
const FILE: &str = "outcome.json";

static INFO: MethodInfo = MethodInfo {
    card: Some(48),
    name: "knobo",
    title: "KnoBo: knowledge priors against domain shift",
    link: "https://arxiv.org/abs/2405.14839",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "a concept bottleneck with a knowledge prior withstands confounders that a tuned network falls for",
};

/// The method.
pub struct KnoBo;

impl KnoBo {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for KnoBo {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, &Self::config(ctx))?;
        let bank = ctx.run_folder(INFO.name).join("concepts.csv");
        stored::write_text(&bank, &table(&outcome.bank))?;
        Ok(vec![stored::write(ctx, INFO.name, FILE, &outcome)?, bank])
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx, &INFO, FILE)
    }
}

/// The bank as a table: a row a question.
fn table(bank: &[concepts::Concept]) -> String {
    let mut text = "concept,sign_none,sign_finding,question\n".to_owned();
    for c in bank {
        for q in &c.questions {
            let q = q.replace('"', "\"\"");
            text.push_str(&format!(
                "{},{},{},\"{q}\"\n",
                c.code, c.signs[0], c.signs[1]
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{concept_files, context, context_in, nih, paediatric};
    use crate::error::MethodError;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let stop = AtomicBool::new(false);
        let data = tempfile::tempdir().unwrap();
        paediatric(data.path());
        nih(data.path());
        concept_files(data.path());
        let run = || {
            let runs = tempfile::tempdir().unwrap();
            let ctx = context_in(data.path(), runs.path(), &stop);
            let result = KnoBo.reproduce(&ctx).unwrap();
            let bank = ctx.run_folder("knobo").join("concepts.csv");
            (result, std::fs::read_to_string(bank).unwrap())
        };
        let (a, bank) = run();
        assert!(
            bank.contains("pleural_effusion,-1,1,\"Is there pleural effusion?\""),
            "{bank}"
        );
        assert!(a.tiny && a.rows.len() > 12, "{}", a.table());
        assert!(a.rows[0].here.is_some(), "{}", a.table());
        assert_eq!((a, bank), run());
    }

    #[test]
    fn what_is_missing_is_named() {
        let stop = AtomicBool::new(false);
        let dir = tempfile::tempdir().unwrap();
        let ctx = context(dir.path(), &stop);
        assert!(matches!(KnoBo.train(&ctx), Err(MethodError::NoData { .. })));
        assert!(matches!(KnoBo.eval(&ctx), Err(MethodError::NoModel(_))));
        paediatric(dir.path());
        nih(dir.path());
        let told = KnoBo.train(&ctx).unwrap_err().to_string();
        assert!(told.contains("cxr_concepts"), "{told}");
        concept_files(dir.path());
        let gz = dir
            .path()
            .join("text/cxr_concepts/xray_class2concept2answer.json.gz");
        std::fs::write(gz, b"not compressed").unwrap();
        assert!(matches!(KnoBo.train(&ctx), Err(MethodError::Config(_))));
    }

    #[test]
    fn a_stop_is_seen() {
        let stop = AtomicBool::new(true);
        let dir = tempfile::tempdir().unwrap();
        paediatric(dir.path());
        nih(dir.path());
        concept_files(dir.path());
        let ctx = context(dir.path(), &stop);
        assert!(matches!(KnoBo.train(&ctx), Err(MethodError::Stopped)));
    }
}
