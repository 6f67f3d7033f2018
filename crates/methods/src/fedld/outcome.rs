//! What the study leaves in the run folder between training and measuring.

use super::algorithm::Algorithm;
use super::config::{Config, Skew, TaskName};
use crate::blocks::multiclass::Said;
use serde::{Deserialize, Serialize};

/// Everything that was said about the test cases.
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
    /// Tasks.
    pub tasks: Vec<TaskOutcome>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// Which.
    pub task: TaskName,
    /// Classes of the test cases.
    pub y: Vec<usize>,
    /// Their patients.
    pub groups: Vec<usize>,
    /// Federations.
    pub federations: Vec<Federation>,
}

/// One deal of the training cases, with what every algorithm made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Federation {
    /// How the cases were dealt out.
    pub skew: Skew,
    /// Seed.
    pub seed: u64,
    /// Training cases of each client by class.
    pub cases: Vec<Vec<usize>>,
    /// Weight of each test case in each client's own mix of cases.
    pub mixes: Vec<Vec<f64>>,
    /// Algorithms.
    pub arms: Vec<Arm>,
}

/// What one algorithm made of a deal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Which.
    pub algorithm: Algorithm,
    /// What each model said about the test cases: one model, or one a client.
    pub said: Vec<Said>,
    /// Bytes sent to the clients and received from them.
    pub bytes: (u64, u64),
    /// Validation accuracy after each round, mean over the models.
    pub curve: Vec<f64>,
}

impl Federation {
    /// The arm of an algorithm.
    pub fn arm(&self, algorithm: Algorithm) -> Option<&Arm> {
        self.arms.iter().find(|a| a.algorithm == algorithm)
    }
}
