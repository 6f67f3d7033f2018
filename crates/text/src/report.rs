//! A report as text: its sections in order.

use crate::error::TextError;
use serde::{Deserialize, Serialize};

/// What a section is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SectionKind {
    /// Kind of examination ("CHEST, PA AND LATERAL").
    Examination,
    /// Why the study was asked for.
    Indication,
    /// What is known about the patient.
    History,
    /// How the images were made.
    Technique,
    /// What it was compared with.
    Comparison,
    /// What was seen.
    Findings,
    /// What it means.
    Impression,
    /// What should be done next.
    Recommendation,
    /// A text added later.
    Addendum,
    /// Who was told, and when.
    Notification,
    /// A heading that is none of these.
    Other,
    /// Text without any heading.
    Unlabelled,
}

impl SectionKind {
    /// Every kind, in the order of a full report.
    pub const ALL: [SectionKind; 12] = [
        SectionKind::Examination,
        SectionKind::Indication,
        SectionKind::History,
        SectionKind::Technique,
        SectionKind::Comparison,
        SectionKind::Findings,
        SectionKind::Impression,
        SectionKind::Recommendation,
        SectionKind::Addendum,
        SectionKind::Notification,
        SectionKind::Other,
        SectionKind::Unlabelled,
    ];

    /// Snake-case name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            SectionKind::Examination => "examination",
            SectionKind::Indication => "indication",
            SectionKind::History => "history",
            SectionKind::Technique => "technique",
            SectionKind::Comparison => "comparison",
            SectionKind::Findings => "findings",
            SectionKind::Impression => "impression",
            SectionKind::Recommendation => "recommendation",
            SectionKind::Addendum => "addendum",
            SectionKind::Notification => "notification",
            SectionKind::Other => "other",
            SectionKind::Unlabelled => "unlabelled",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Result<Self, TextError> {
        Self::ALL
            .into_iter()
            .find(|k| k.name() == name)
            .ok_or_else(|| TextError::UnknownName {
                what: "section",
                name: name.to_owned(),
                known: Self::ALL.map(SectionKind::name).join(", "),
            })
    }
}

/// One section with its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SectionText {
    /// What it is for.
    pub kind: SectionKind,
    /// The heading as written, empty when there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub heading: String,
    /// The text, trimmed.
    pub text: String,
    /// Where `text` starts in the whole report, in Unicode scalar values, when it was cut from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<usize>,
}

/// A report: its id, if any, and its sections in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportText {
    /// Id given by the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Sections in the order of the text.
    pub sections: Vec<SectionText>,
}

impl ReportText {
    /// A report of running text, cut into sections by its headings (see [`crate::sections::split`]).
    pub fn from_text(text: &str) -> Self {
        ReportText {
            id: None,
            sections: crate::sections::split(text),
        }
    }

    /// A report of which findings and impression are known; empty ones are left out.
    pub fn from_parts(findings: &str, impression: &str) -> Self {
        let mut report = ReportText::default();
        report.push(SectionKind::Findings, findings);
        report.push(SectionKind::Impression, impression);
        report
    }

    /// Adds a section unless its text is blank.
    pub fn push(&mut self, kind: SectionKind, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.sections.push(SectionText {
                kind,
                heading: String::new(),
                text: text.to_owned(),
                start: None,
            });
        }
    }

    /// Sections of one kind.
    pub fn of(&self, kind: SectionKind) -> impl Iterator<Item = &SectionText> {
        self.sections.iter().filter(move |s| s.kind == kind)
    }

    /// Text of all sections of the kinds given, joined by a blank; empty if there are none.
    pub fn joined(&self, kinds: &[SectionKind]) -> String {
        let parts: Vec<&str> = self
            .sections
            .iter()
            .filter(|s| kinds.contains(&s.kind))
            .map(|s| s.text.as_str())
            .collect();
        parts.join(" ")
    }

    /// Whether no section has text.
    pub fn is_empty(&self) -> bool {
        self.sections.iter().all(|s| s.text.trim().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in SectionKind::ALL {
            assert_eq!(SectionKind::from_name(kind.name()).unwrap(), kind);
        }
        assert!(SectionKind::from_name("finding").is_err());
    }

    #[test]
    fn blank_parts_are_left_out() {
        let report = ReportText::from_parts("  ", "Clear.");
        assert_eq!(report.sections.len(), 1);
        assert_eq!(
            report.joined(&[SectionKind::Findings, SectionKind::Impression]),
            "Clear."
        );
    }
}
