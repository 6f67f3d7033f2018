//! What the study leaves in the run folder between training and measuring.

use super::config::{Config, TaskName};
use super::detector::Scored;
use hilum_core::Rect;
use serde::{Deserialize, Serialize};

/// A way of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Detector and classifier on the pictures with a drawn box alone.
    Boxed,
    /// Both after the choice of boxes, with the pictures that have a class only.
    Stage1,
    /// The unified network without distillation.
    Plain,
    /// The unified network with it: the paper's.
    Stage2,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Boxed, Kind::Stage1, Kind::Plain, Kind::Stage2];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boxed => "boxed pictures alone",
            Kind::Stage1 => "stage 1",
            Kind::Plain => "stage 2 without distillation",
            Kind::Stage2 => "stage 2",
        }
    }
}

/// Everything that was said about pictures held out.
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

/// One task at one share of pictures with a box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// Which.
    pub task: TaskName,
    /// Share.
    pub share: f64,
    /// Rounds of training by seed, each over all folds.
    pub runs: Vec<Vec<Round>>,
}

/// A round: one fold held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Classes of the pictures held out.
    pub y: Vec<usize>,
    /// Their patients.
    pub groups: Vec<usize>,
    /// Their clean boxes.
    pub clean: Vec<Rect>,
    /// What each way of training said of them.
    pub arms: Vec<Arm>,
    /// The first stage's classifier in the unified network's boxes: probability of the second class.
    pub same: Vec<f32>,
    /// Boxes of training pictures before and after the choice.
    pub boxes: Vec<Chosen>,
}

/// What one way of training said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Which.
    pub kind: Kind,
    /// Boxes with their scores, the best first.
    pub found: Vec<Vec<Scored>>,
    /// Probability of the second class.
    pub p: Vec<f32>,
}

/// A training picture's box.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// Patient.
    pub group: usize,
    /// Overlap of the drawn box with the clean one; none where no box was drawn.
    pub before: Option<f64>,
    /// Overlap of the chosen box with it.
    pub after: f64,
}
