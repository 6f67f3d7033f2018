//! What the study leaves in the run folder between training and measuring.

use super::bank::Concept;
use super::config::Config;
use crate::blocks::confounded::{Nuisance, Ties};
use serde::{Deserialize, Serialize};

/// A classifier of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// A linear layer on the concepts' scores, from the association of concepts and classes: the paper's.
    Concepts,
    /// The same from zero.
    FromZero,
    /// The same on cosines of the whole film in place of the best patch.
    Whole,
    /// A linear layer on the encoder's features.
    Probe,
    /// The whole encoder, tuned.
    Tuned,
}

impl Model {
    /// All of them.
    pub const ALL: [Model; 5] = [
        Model::Concepts,
        Model::FromZero,
        Model::Whole,
        Model::Probe,
        Model::Tuned,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Model::Concepts => "concepts",
            Model::FromZero => "concepts from zero",
            Model::Whole => "concepts of the whole film",
            Model::Probe => "linear probe",
            Model::Tuned => "fine-tuned encoder",
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
    /// Names of the test films.
    pub films: Vec<String>,
    /// Their patients.
    pub groups: Vec<usize>,
    /// Their labels and nuisances, one a nuisance of the settings.
    pub ties: Vec<Ties>,
    /// Their findings, a row a film; none where not labelled.
    pub findings: Vec<Vec<Option<bool>>>,
    /// The concept bank.
    pub bank: Vec<Concept>,
    /// Sentences of reports that the encoders learned from, and words with a row of their own.
    pub text: [usize; 2],
    /// Share of the bank's words among them.
    pub known: f64,
    /// Seeds' results.
    pub runs: Vec<Run>,
}

/// One seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Seed.
    pub seed: u64,
    /// Concepts in use: places in the bank, without duplicates.
    pub kept: Vec<usize>,
    /// Cosines of the best patch with them, a row a test film.
    pub patch: Vec<Vec<f32>>,
    /// Which patch that is.
    pub at: Vec<Vec<usize>>,
    /// Cosines of the whole film.
    pub whole: Vec<Vec<f32>>,
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
    /// How strongly.
    pub strength: f64,
    /// Concepts it reads; all where none.
    pub size: Option<usize>,
    /// Concepts set to their true values, those with the largest weights; every one that has a truth where it is as many.
    pub set: usize,
    /// Films it was trained on.
    pub trained: usize,
    /// Whether a finding was said, for each test film.
    pub said: Vec<bool>,
    /// Weights for "finding" minus those for "none", one a concept in use; for concept models on all concepts.
    pub weights: Vec<f64>,
    /// Least and largest score of each concept among the training films.
    pub range: Vec<[f64; 2]>,
}
