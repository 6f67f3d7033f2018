//! What the study leaves in the run folder between training and measuring.

use super::config::{Config, TaskName, Variant};
use super::patches::Corner;
use crate::blocks::multiclass::Said;
use serde::{Deserialize, Serialize};

/// Everything that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Settings.
    pub config: Config,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Hash of the real pictures.
    pub data_hash: String,
    /// Hash of their split.
    pub split_hash: String,
    /// Tasks.
    pub tasks: Vec<TaskOutcome>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// Which.
    pub task: TaskName,
    /// Classes of the pictures asked.
    pub y: Vec<usize>,
    /// Their patients.
    pub groups: Vec<usize>,
    /// Pixels of their lesions.
    pub lesions: Vec<Vec<usize>>,
    /// Variants and seeds.
    pub arms: Vec<Arm>,
}

/// One variant at one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Which.
    pub variant: Variant,
    /// Seed.
    pub seed: u64,
    /// Fused probabilities, one row a picture asked.
    pub fused: Said,
    /// The global network's own.
    pub global: Said,
    /// Mean uncertainty of each picture.
    pub uncertainty: Vec<f32>,
    /// Its patches.
    pub patches: Vec<Vec<Corner>>,
    /// Patches about the class activation map's peaks; for the phantom.
    pub cam: Vec<Vec<Corner>>,
    /// Mean of each part of the loss by pass.
    pub losses: Vec<Vec<f64>>,
}
