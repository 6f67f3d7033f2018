//! What a method is, for every table that lists methods.

use serde::Serialize;

/// What a trained method can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Probabilities of findings.
    Classifier,
    /// Regions of findings.
    Localiser,
    /// Masks.
    Segmenter,
    /// Report text.
    Reporter,
    /// Labels, entities and relations out of report text.
    Labeler,
    /// Measurements and indices of a picture.
    Measurer,
    /// May the image be analysed?
    Gate,
}

/// The kind of data a result stands on. Never mixed in one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DataKind {
    /// Real images or tables with their own labels.
    Real,
    /// Real images with pairs or labels made from each other.
    PseudoPaired,
    /// Generated images.
    Phantom,
}

/// Identity of a method.
#[derive(Debug, Clone, Serialize)]
pub struct MethodInfo {
    /// Number of the method card; none for parts of the project's own.
    pub card: Option<u8>,
    /// Name on the command line.
    pub name: &'static str,
    /// Title of the paper, or what the part does.
    pub title: &'static str,
    /// Where the paper is.
    pub link: &'static str,
    /// What it can do.
    pub tasks: &'static [TaskKind],
    /// What its result stands on.
    pub data: DataKind,
    /// The paper's claim in one line.
    pub claim: &'static str,
}
