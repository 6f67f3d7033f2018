//! What the study leaves in the run folder between training and measuring.

use super::concepts::Concept;
use super::config::Config;
use super::propose::Proposal;
use crate::blocks::confounded::{Nuisance, Ties};
use serde::{Deserialize, Serialize};

/// A classifier of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Concepts and the prior: the paper's.
    KnoBo,
    /// Concepts without the prior.
    NoPrior,
    /// Concepts, then a residual on the embedding (post-hoc CBM-h).
    PosthocCbm,
    /// A linear layer on the embedding.
    Probe,
    /// The whole network, tuned.
    EndToEnd,
}

impl Model {
    /// All of them.
    pub const ALL: [Model; 5] = [
        Model::KnoBo,
        Model::NoPrior,
        Model::PosthocCbm,
        Model::Probe,
        Model::EndToEnd,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Model::KnoBo => "KnoBo",
            Model::NoPrior => "concepts without the prior",
            Model::PosthocCbm => "post-hoc CBM with residual",
            Model::Probe => "linear probe",
            Model::EndToEnd => "end to end",
        }
    }
}

/// Everything that was said about the test films.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Settings.
    pub config: Config,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Hash of the films.
    pub data_hash: String,
    /// Hash of the split.
    pub split_hash: String,
    /// Patients of the test films.
    pub groups: Vec<usize>,
    /// Labels and nuisances of the test films, one a nuisance of the settings.
    pub ties: Vec<Ties>,
    /// Findings of the test films, a row a film; none where not labelled.
    pub findings: Vec<Vec<Option<bool>>>,
    /// Questions of the corpus, and the concepts that they make.
    pub questions: usize,
    /// Concepts.
    pub bank: Vec<Concept>,
    /// Concepts from retrieval.
    pub proposals: Vec<Proposal>,
    /// Seeds' results.
    pub runs: Vec<Run>,
}

/// One seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Seed.
    pub seed: u64,
    /// Grounded concepts: places in the bank.
    pub grounded: Vec<usize>,
    /// Probabilities of the grounded concepts for the test films, a row a film.
    pub concepts: Vec<Vec<f32>>,
    /// Classifiers.
    pub arms: Vec<Arm>,
}

/// One classifier on one confounded set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Which.
    pub model: Model,
    /// What the label was tied to.
    pub nuisance: Nuisance,
    /// Training cases of a class; all where none.
    pub shots: Option<usize>,
    /// Cases it was trained on.
    pub trained: usize,
    /// Whether a finding was said, for each test film.
    pub said: Vec<bool>,
    /// Weights for "finding" minus those for "none", one a grounded concept; for concept models.
    pub weights: Vec<f64>,
}
