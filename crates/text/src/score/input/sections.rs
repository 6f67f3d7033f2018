//! The text that is scored: cut to sections, put together from fields, not too long.

use super::{Entry, InputOptions, problem};
use crate::report::{ReportText, SectionKind};
use crate::stream::{LineError, Problem};

/// Longest text that is scored, in bytes; longer ones are errors, as no report is that long and some
/// scores take the square of it.
pub const MAX_TEXT: usize = 256 << 10;

/// Cuts texts to the sections asked for and refuses what is too long.
pub(super) fn finish(mut entry: Entry, options: &InputOptions) -> Result<Entry, LineError> {
    for text in &mut entry.texts {
        if !options.sections.is_empty() {
            *text = cut_sections(text, &options.sections).ok_or_else(|| {
                let wanted: Vec<&str> = options.sections.iter().map(|s| s.name()).collect();
                let message = format!("no text in the sections {}", wanted.join(", "));
                problem(
                    entry.line,
                    Some(entry.id.clone()),
                    Problem::NoSuchSection,
                    message,
                )
            })?;
        }
        if text.len() > MAX_TEXT {
            let message = format!(
                "a text of {} bytes; at most {MAX_TEXT} are scored",
                text.len()
            );
            return Err(problem(
                entry.line,
                Some(entry.id),
                Problem::TooLong,
                message,
            ));
        }
    }
    Ok(entry)
}

/// Text of the sections; a text without any heading stays whole.
pub(super) fn cut_sections(text: &str, sections: &[SectionKind]) -> Option<String> {
    let report = ReportText::from_text(text);
    if report
        .sections
        .iter()
        .all(|s| s.kind == SectionKind::Unlabelled)
    {
        return Some(text.to_owned());
    }
    let joined = report.joined(sections);
    (!joined.trim().is_empty()).then_some(joined)
}

/// Fields named like sections as one text, with headings where sections are cut out again.
pub(super) fn join_parts(parts: &[(&str, &str)], headings: bool) -> Option<String> {
    if parts.is_empty() {
        return None;
    }
    let part = |(name, text): &(&str, &str)| {
        if headings {
            format!("{}:\n{text}", name.to_uppercase())
        } else {
            (*text).to_owned()
        }
    };
    Some(parts.iter().map(part).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sections_asked_for() {
        let text = "FINDINGS: Clear lungs.\nIMPRESSION: Normal.";
        assert_eq!(
            cut_sections(text, &[SectionKind::Impression]).as_deref(),
            Some("Normal.")
        );
        assert_eq!(
            cut_sections("No heading", &[SectionKind::Impression]).as_deref(),
            Some("No heading")
        );
        assert_eq!(cut_sections(text, &[SectionKind::Comparison]), None);
    }
}
