//! What the study leaves in the run folder between training and measuring.

use super::classify::Kind;
use super::config::Config;
use crate::blocks::multiclass::Said;
use serde::{Deserialize, Serialize};

/// What the encoders see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Four quarters.
    Quarters,
    /// The whole picture.
    Whole,
}

/// What the classifiers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// All features.
    Raw,
    /// As many principal components as the code has numbers.
    Pca,
    /// The autoencoder's code.
    Code,
    /// Features of a network trained for the task.
    Task,
}

/// One way from a picture to a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// What the encoders see.
    pub view: View,
    /// Encoders that were trained, or random ones.
    pub trained: bool,
    /// What the classifiers see.
    pub form: Form,
    /// Classifier; the end-to-end network's own layer where none.
    pub kind: Option<Kind>,
}

impl Way {
    /// Name in tables.
    pub fn name(&self) -> String {
        let bank = match (self.form, self.view) {
            (Form::Task, _) => "end-to-end network",
            (_, View::Quarters) => "quarters",
            (_, View::Whole) => "whole picture",
        };
        let random = if self.trained {
            ""
        } else {
            ", random encoders"
        };
        let form = match self.form {
            Form::Raw => ", all features",
            Form::Pca => ", PCA",
            Form::Code => ", code",
            Form::Task if self.kind.is_some() => ", its features",
            Form::Task => "",
        };
        let kind = self
            .kind
            .map_or(String::new(), |k| format!(", {}", k.name()));
        format!("{bank}{random}{form}{kind}")
    }
}

/// Everything that was said about the cases, each by models of the folds without it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Settings.
    pub config: Config,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Hash of the pictures.
    pub data_hash: String,
    /// Hash of the split.
    pub split_hash: String,
    /// Classes.
    pub y: Vec<usize>,
    /// Patients.
    pub groups: Vec<usize>,
    /// Numbers that the bank gives for quarters and for the whole picture.
    pub widths: [usize; 2],
    /// What the networks of each seed said.
    pub runs: Vec<Run>,
}

/// What networks of one seed said, each about cases that it had not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Answers by way.
    pub arms: Vec<(Way, Said)>,
    /// Task features from the code: squared error and length a case.
    pub task_from_code: Vec<[f64; 2]>,
    /// The bank's features from task features.
    pub bank_from_task: Vec<[f64; 2]>,
    /// The bank's features from the code, by ridge regression as well.
    pub bank_from_code: Vec<[f64; 2]>,
    /// Size, then share of the features' variance that autoencoder and PCA leave unexplained on held cases.
    pub curve: Vec<(usize, f64, f64)>,
}
