//! What the study leaves in the run folder between training and measuring.

use super::config::Config;
use super::data::Source;
use crate::blocks::multiclass::Said;
use serde::{Deserialize, Serialize};

/// How a network was trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Views alone: the first component.
    Views,
    /// Grades, from the encoder that learned views.
    Transfer,
    /// Grades alone, with the passes of both components.
    Scratch,
    /// Grades alone, with the passes of the second component only, as in the paper.
    ScratchShort,
    /// Views and grades at once, with the passes of both components.
    MultiTask,
}

impl Order {
    /// In the order of the tables.
    pub const ALL: [Order; 5] = [
        Order::Views,
        Order::Transfer,
        Order::Scratch,
        Order::ScratchShort,
        Order::MultiTask,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Order::Views => "views alone",
            Order::Transfer => "transfer",
            Order::Scratch => "scratch",
            Order::ScratchShort => "scratch, grading passes only",
            Order::MultiTask => "multi-task",
        }
    }

    /// True when it learns to name views.
    pub fn names_views(self) -> bool {
        matches!(self, Order::Views | Order::MultiTask)
    }

    /// True when it learns to grade.
    pub fn grades(self) -> bool {
        self != Order::Views
    }
}

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
    /// One entry a source.
    pub sources: Vec<SourceOutcome>,
}

/// One source of pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceOutcome {
    /// Which.
    pub source: Source,
    /// Names of the views; the last one came later.
    pub views: Vec<String>,
    /// What is graded.
    pub criteria: Vec<String>,
    /// The pictures of the first views that were asked.
    pub old: Asked,
    /// Those of the later view.
    pub new: Asked,
    /// Pictures that were learned from.
    pub learned: usize,
    /// Orders and seeds.
    pub arms: Vec<Arm>,
    /// Adding the later view, by seed.
    pub later: Vec<Later>,
}

/// Pictures that were asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// View of each.
    pub y: Vec<usize>,
    /// Patient of each, numbered.
    pub groups: Vec<usize>,
    /// Grades of each.
    pub grades: Vec<Vec<f32>>,
}

/// What one network said of the pictures of the first views.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// How it was trained.
    pub order: Order,
    /// Seed.
    pub seed: u64,
    /// Probabilities of the views; empty when it did not learn them.
    pub views: Said,
    /// Grades from 0 to 10; empty when it did not learn them.
    pub grades: Vec<Vec<f32>>,
}

/// A view added to one network with few pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Later {
    /// Seed.
    pub seed: u64,
    /// True when pictures of the old views were shown again beside the new ones.
    pub rehearsed: bool,
    /// Pictures of the new view that were shown.
    pub shown: usize,
    /// Probabilities for the old views' pictures.
    pub old: Said,
    /// And for the new view's.
    pub new: Said,
    /// Grades of the new view's pictures by the transferred grader, before and after it was tuned on the same few.
    pub graded: [Vec<Vec<f32>>; 2],
}
