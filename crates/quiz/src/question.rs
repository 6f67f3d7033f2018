//! Cases, questions and their key, as they stand in the files.

use hilum_core::View;
use hilum_measure::Index;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A step of the reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The decision at first sight.
    Initial,
    /// What decides.
    Criterion,
    /// From which value on.
    RefinedCriterion,
    /// Which structures, and where on them.
    BodyPart,
    /// How much.
    Measurement,
    /// The decision, with the value.
    Final,
}

impl Stage {
    /// Name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Initial => "initial",
            Stage::Criterion => "criterion",
            Stage::RefinedCriterion => "refined_criterion",
            Stage::BodyPart => "body_part",
            Stage::Measurement => "measurement",
            Stage::Final => "final",
        }
    }
}

/// Which way a question belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Path 1: without help.
    Direct,
    /// Path 2: each stage is taught before it is asked.
    Guided,
    /// Path 1 again on another case, after the guidance.
    Review,
}

impl Path {
    /// Name in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Path::Direct => "direct",
            Path::Guided => "guided",
            Path::Review => "review",
        }
    }
}

/// How many options are to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// One.
    One,
    /// All that apply.
    All,
}

/// An option: words or a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// A, B, ...
    pub letter: char,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// Picture, relative to the set.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<String>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Name of the question; answers refer to it.
    pub id: String,
    /// Stage.
    pub stage: Stage,
    /// Part of a stage with several questions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub part: Option<String>,
    /// What is taught before it is asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub teach: Option<String>,
    /// Pictures that are shown with it, relative to the set; the radiograph comes first.
    pub images: Vec<String>,
    /// The question.
    pub text: String,
    /// How many to choose.
    pub select: Select,
    /// The options.
    pub options: Vec<Choice>,
    /// Names of the numbers that are asked for too; empty when none is.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub values: Vec<String>,
}

/// One study and one task: a line of `cases.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Name of the case.
    pub case: String,
    /// The study.
    pub study: String,
    /// The task.
    pub task: Index,
    /// Projection that the reader is told; unknown for the task that asks for it.
    pub view: View,
    /// The radiograph, relative to the set.
    pub image: String,
    /// Path 1.
    pub direct: Vec<Question>,
    /// Path 2.
    pub guided: Vec<Question>,
    /// Case that the review is about; null when the task has one case only.
    pub review_case: Option<String>,
    /// Path 1 on the review case.
    pub review: Vec<Question>,
}

/// What is right: a line of `key.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// The question.
    pub id: String,
    /// The case that it is asked in.
    pub case: String,
    /// The task.
    pub task: Index,
    /// The way.
    pub path: Path,
    /// The stage.
    pub stage: Stage,
    /// Choices that count as right, each a set of letters.
    pub accepts: Vec<Vec<char>>,
    /// All letters.
    pub letters: Vec<char>,
    /// How many to choose.
    pub select: Select,
    /// The letter of "I don't know".
    pub unknown: Option<char>,
    /// What letters mean, where decisions are compared.
    pub meanings: BTreeMap<char, String>,
    /// Range of each number that is asked for: from, up to.
    pub ranges: Vec<[f64; 2]>,
}

impl Key {
    /// The probability that a choice at random is right: one letter, or any set of letters that is not empty.
    pub fn chance(&self) -> f64 {
        let n = self.letters.len() as f64;
        let ways = match self.select {
            Select::One => n,
            Select::All => n.exp2() - 1.0,
        };
        self.accepts.len() as f64 / ways
    }
}
