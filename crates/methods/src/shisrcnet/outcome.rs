//! What the study leaves in the run folder between training and measuring.

use super::config::{Config, TaskName};
use crate::blocks::multiclass::Said;
use serde::{Deserialize, Serialize};

/// How pictures are enlarged and classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Bicubic, then a classifier that learned on such pictures.
    Bicubic,
    /// A module that learned to enlarge, then a classifier that learned on its pictures.
    Separate,
    /// Both at once, the true picture beside the enlarged one.
    Joint,
    /// Both at once without the true picture in the classifier, and so without the contrastive term.
    NoTruth,
    /// A classifier that is given the true picture.
    Truth,
}

impl Way {
    /// In the order of the tables.
    pub const ALL: [Way; 5] = [
        Way::Bicubic,
        Way::Separate,
        Way::Joint,
        Way::NoTruth,
        Way::Truth,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Way::Bicubic => "bicubic",
            Way::Separate => "enlarged, then classified",
            Way::Joint => "joint",
            Way::NoTruth => "joint without the true picture",
            Way::Truth => "true picture given",
        }
    }
}

/// Everything that was said and made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Settings.
    pub config: Config,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Hash of the pictures.
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
    /// Their patients, numbered.
    pub groups: Vec<usize>,
    /// Pictures learned from.
    pub learned: usize,
    /// Ways and seeds.
    pub arms: Vec<Arm>,
}

/// How near an enlarged picture is to the true one; null where it is undefined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Likeness {
    /// Peak signal-to-noise ratio in dB; null for equal pictures.
    pub psnr: Option<f64>,
    /// Structural similarity, the mean over the colours.
    pub ssim: f64,
}

/// One way at one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Which.
    pub way: Way,
    /// Seed.
    pub seed: u64,
    /// Probabilities of the classes, a row a picture asked.
    pub said: Said,
    /// Likeness of what the classifier saw to the true picture; empty where that was given.
    pub likeness: Vec<Likeness>,
    /// Mean parts of the loss by pass: pixels, classes, contrast.
    pub losses: Vec<[f64; 3]>,
}
