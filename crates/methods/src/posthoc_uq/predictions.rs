//! What the fitted models and calibrators said about each case, as kept in the run folder.

use super::Config;
use hilum_tabular::LearnerKind;
use hilum_trust::{LabelPValues, VennAbersInterval};
use serde::{Deserialize, Serialize};

/// Everything that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Settings.
    pub config: Config,
    /// Seeds of the repeats.
    pub seeds: Vec<u64>,
    /// Hash of the tables.
    pub data_hash: String,
    /// Hash of their splits.
    pub split_hash: String,
    /// One entry a table and part of it.
    pub cohorts: Vec<Cohort>,
}

/// How a part of a table was predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Development rows, each by models of folds without it.
    Folds,
    /// Test rows by models of the development rows.
    Test,
}

/// Cases of a part of a table, and what each run said about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cohort {
    /// Name of the table.
    pub table: String,
    /// Which part.
    pub part: Part,
    /// Labels.
    pub y: Vec<bool>,
    /// Patient or row.
    pub groups: Vec<usize>,
    /// Runs.
    pub runs: Vec<Run>,
}

/// One learner at one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Which learner.
    pub learner: LearnerKind,
    /// Whether it saw few features only.
    pub lean: bool,
    /// Seed of the repeat.
    pub seed: u64,
    /// One a case.
    pub cases: Vec<Case>,
}

/// Probabilities of "present" of one case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The learner's own.
    pub raw: f64,
    /// By Platt's sigmoid.
    pub platt: f64,
    /// By isotonic regression.
    pub isotonic: f64,
    /// By Venn-ABERS.
    pub venn_abers: VennAbersInterval,
    /// Conformal p-values.
    pub conformal: LabelPValues,
}

/// A way to state uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uq {
    /// None: the learner's own probability.
    Raw,
    /// Platt scaling.
    Platt,
    /// Isotonic regression.
    Isotonic,
    /// Venn-ABERS.
    VennAbers,
    /// Conformal p-values.
    Conformal,
}

impl Uq {
    /// The paper's four.
    pub const METHODS: [Uq; 4] = [Uq::Platt, Uq::Isotonic, Uq::VennAbers, Uq::Conformal];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Uq::Raw => "none",
            Uq::Platt => "Platt",
            Uq::Isotonic => "isotonic",
            Uq::VennAbers => "Venn-ABERS",
            Uq::Conformal => "conformal",
        }
    }

    /// Probability of "present".
    pub fn probability(self, case: &Case) -> f64 {
        match self {
            Uq::Raw => case.raw,
            Uq::Platt => case.platt,
            Uq::Isotonic => case.isotonic,
            Uq::VennAbers => case.venn_abers.probability(),
            Uq::Conformal => case.conformal.probability(),
        }
    }

    /// How certain the likelier label is: its probability, for conformal p-values 1 minus the other's.
    pub fn certainty(self, case: &Case) -> f64 {
        match self {
            Uq::Conformal => case.conformal.certainty(),
            _ => {
                let p = self.probability(case);
                p.max(1.0 - p)
            }
        }
    }
}
