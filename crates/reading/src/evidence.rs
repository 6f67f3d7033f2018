//! Checks that sentences point at things the reading really has.

use crate::ReadingError;
use hilum_core::{Evidence, EvidenceKind, Reading};

/// True when the reading has what `evidence` points at.
pub fn exists(reading: &Reading, evidence: &Evidence) -> bool {
    let target = evidence.target.as_str();
    match evidence.kind {
        EvidenceKind::Finding => reading
            .findings
            .iter()
            .any(|finding| finding.code == target),
        EvidenceKind::Region => reading
            .findings
            .iter()
            .flat_map(|finding| &finding.regions)
            .any(|region| region.id == target),
        EvidenceKind::Measurement => reading.measurements.iter().any(|m| m.name == target),
        EvidenceKind::Gate => reading
            .gate
            .reasons
            .iter()
            .any(|reason| reason.code == target),
        EvidenceKind::Image => target
            .parse::<usize>()
            .is_ok_and(|index| index < reading.images.len()),
    }
}

/// Checks every sentence of the report.
///
/// # Errors
/// [`ReadingError::Evidence`] for the first sentence without evidence or with evidence that does not exist.
pub fn check(reading: &Reading) -> Result<(), ReadingError> {
    for (sentence, found) in reading.report.sentences.iter().enumerate() {
        let missing = if found.evidence.is_empty() {
            Some("nothing".to_owned())
        } else {
            found
                .evidence
                .iter()
                .find(|evidence| !exists(reading, evidence))
                .map(|e| format!("{:?} {}", e.kind, e.target))
        };
        if let Some(missing) = missing {
            return Err(ReadingError::Evidence {
                sentence,
                text: found.text.clone(),
                missing,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sample, write_report};
    use hilum_core::{Section, Sentence};

    #[test]
    fn written_reports_pass_and_dangling_pointers_do_not() {
        let mut reading = sample::reading();
        reading.report = write_report(&reading);
        check(&reading).expect("a written report has its evidence");
        for evidence in [
            vec![],
            vec![Evidence::finding("teapot")],
            vec![Evidence::region("pneumonia/99")],
            vec![Evidence::measurement("teapot")],
            vec![Evidence::gate("teapot")],
            vec![Evidence::image(7)],
        ] {
            let mut broken = reading.clone();
            broken.report.sentences.push(Sentence {
                section: Section::Findings,
                text: "X.".into(),
                evidence,
            });
            assert!(matches!(check(&broken), Err(ReadingError::Evidence { .. })));
        }
    }
}
