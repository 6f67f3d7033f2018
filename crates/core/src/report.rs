//! The draft report: sentences that each point at what they rest on.

use serde::{Deserialize, Serialize};

/// What kind of thing a sentence rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// A finding, by its code.
    Finding,
    /// A region, by its id.
    Region,
    /// A measurement, by its name.
    Measurement,
    /// A gate reason, by its code.
    Gate,
    /// An image, by its index.
    Image,
}

/// A pointer from a sentence into the reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What is pointed at.
    pub kind: EvidenceKind,
    /// Its code, id, name or index.
    #[serde(rename = "ref")]
    pub target: String,
}

impl Evidence {
    /// Points at a finding by its code.
    pub fn finding(code: impl Into<String>) -> Self {
        Evidence {
            kind: EvidenceKind::Finding,
            target: code.into(),
        }
    }

    /// Points at a region by its id.
    pub fn region(id: impl Into<String>) -> Self {
        Evidence {
            kind: EvidenceKind::Region,
            target: id.into(),
        }
    }

    /// Points at a measurement by its name.
    pub fn measurement(name: impl Into<String>) -> Self {
        Evidence {
            kind: EvidenceKind::Measurement,
            target: name.into(),
        }
    }

    /// Points at a gate reason by its code.
    pub fn gate(code: impl Into<String>) -> Self {
        Evidence {
            kind: EvidenceKind::Gate,
            target: code.into(),
        }
    }

    /// Points at an image by its index.
    pub fn image(index: usize) -> Self {
        Evidence {
            kind: EvidenceKind::Image,
            target: index.to_string(),
        }
    }
}

/// Section of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// Findings.
    Findings,
    /// Impression.
    Impression,
}

/// One sentence; `evidence` is never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// Where it stands.
    pub section: Section,
    /// The sentence.
    pub text: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

/// The draft.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The findings section as running text.
    pub findings: String,
    /// The impression as running text.
    pub impression: String,
    /// The same sentences with their evidence, in order.
    pub sentences: Vec<Sentence>,
}
