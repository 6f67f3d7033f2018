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
mod outcome;
pub mod propose;
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

impl Study for KnoBo {
    type Config = Config;
    type Outcome = outcome::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, config)?;
        let bank = ctx.run_folder(INFO.name).join("concepts.csv");
        stored::write_text(&bank, &table(&outcome.bank))?;
        Ok(vec![
            stored::write(ctx, INFO.name, OUTCOME, &outcome)?,
            bank,
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
    use crate::blocks::made_up::{check_study, concept_files, context, nih, paediatric};
    use crate::error::MethodError;
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
        let a = check_study(&KnoBo, write, &["outcome.json", "concepts.csv"]);
        assert!(a.rows.len() > 12, "{}", a.table());
        assert!(a.rows[0].here.is_some(), "{}", a.table());
        assert!(!a.curves.is_empty());
    }

    #[test]
    fn the_bank_is_a_table_of_questions() {
        let bank = [concepts::Concept {
            code: "edema".to_owned(),
            questions: vec!["Is there \"white\" edema?".to_owned()],
            signs: [-1.0, 1.0],
        }];
        let text = table(&bank);
        assert!(
            text.ends_with("edema,-1,1,\"Is there \"\"white\"\" edema?\"\n"),
            "{text}"
        );
    }

    #[test]
    fn concepts_that_are_missing_or_broken_are_named() {
        let stop = AtomicBool::new(false);
        let dir = tempfile::tempdir().unwrap();
        let ctx = context(dir.path(), &stop);
        paediatric(dir.path());
        nih(dir.path());
        let told = KnoBo.train(&ctx).unwrap_err().to_string();
        assert!(told.contains("cxr_concepts"), "{told}");
        concept_files(dir.path());
        let answers = "text/cxr_concepts/xray_class2concept2answer.json.gz";
        std::fs::write(dir.path().join(answers), b"not compressed").unwrap();
        assert!(matches!(KnoBo.train(&ctx), Err(MethodError::Config(_))));
    }
}
