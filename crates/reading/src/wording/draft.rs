//! A report in the making. It is the one place where sentences come to be, and it takes none
//! without evidence.

use super::grammar::capitalise;
use hilum_core::{Evidence, Report, Section, Sentence};

#[derive(Default)]
pub(crate) struct Draft {
    sentences: Vec<Sentence>,
}

impl Draft {
    /// Adds `text` as a sentence; without evidence it is not written.
    pub(crate) fn say(
        &mut self,
        section: Section,
        text: &str,
        evidence: impl IntoIterator<Item = Evidence>,
    ) {
        let mut unique: Vec<Evidence> = Vec::new();
        for pointer in evidence {
            if !unique.contains(&pointer) {
                unique.push(pointer);
            }
        }
        if unique.is_empty() || text.is_empty() {
            return;
        }
        let text = format!("{}.", capitalise(text));
        self.sentences.push(Sentence {
            section,
            text,
            evidence: unique,
        });
    }

    pub(crate) fn finding(&mut self, text: &str, evidence: impl IntoIterator<Item = Evidence>) {
        self.say(Section::Findings, text, evidence);
    }

    pub(crate) fn impression(&mut self, text: &str, evidence: impl IntoIterator<Item = Evidence>) {
        self.say(Section::Impression, text, evidence);
    }

    /// The report, findings before impression.
    pub(crate) fn finish(self) -> Report {
        let (findings, impression): (Vec<_>, Vec<_>) = self
            .sentences
            .into_iter()
            .partition(|sentence| sentence.section == Section::Findings);
        let running = |sentences: &[Sentence]| {
            sentences
                .iter()
                .map(|sentence| sentence.text.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        Report {
            findings: running(&findings),
            impression: running(&impression),
            sentences: findings.into_iter().chain(impression).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_without_evidence_is_not_written() {
        let mut draft = Draft::default();
        draft.finding("the heart is fine", []);
        draft.impression("seen", [Evidence::image(0), Evidence::image(0)]);
        let report = draft.finish();
        assert_eq!(report.findings, "");
        assert_eq!(report.impression, "Seen.");
        assert_eq!(report.sentences[0].evidence, [Evidence::image(0)]);
    }
}
