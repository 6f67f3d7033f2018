//! Cutting a report into its sections: MIMIC's free text, Open-I's XML and plain forms.
//!
//! A heading is a line start (or, in one-line reports, a place after a full stop) with a known
//! title and a colon. The titles come from NegBio's list (ncbi-nlp/NegBio, US public domain) and
//! the forms seen in public reports, sorted into [`SectionKind`]s. Unknown titles in capitals with
//! a colon open a section of kind `other`, so that their text is never taken for findings.

pub mod openi;

use crate::report::{SectionKind, SectionText};

/// Title beginnings by kind, upper case. First match wins, so the particular stand first.
const TITLES: [(&str, SectionKind); 46] = [
    ("FINDINGS AND IMPRESSION", SectionKind::Findings),
    ("FINDINGS/IMPRESSION", SectionKind::Findings),
    ("FINDINGS", SectionKind::Findings),
    ("FINDING", SectionKind::Findings),
    ("IMPRESSIONS", SectionKind::Impression),
    ("IMPRESSION", SectionKind::Impression),
    ("CONCLUSIONS", SectionKind::Impression),
    ("CONCLUSION", SectionKind::Impression),
    ("OPINION", SectionKind::Impression),
    ("SUMMARY", SectionKind::Impression),
    ("INTERPRETATION", SectionKind::Impression),
    ("REASON FOR EXAMINATION", SectionKind::Indication),
    ("REASON FOR THIS EXAMINATION", SectionKind::Indication),
    ("REASON FOR EXAM", SectionKind::Indication),
    ("REASON FOR STUDY", SectionKind::Indication),
    ("CLINICAL INDICATION", SectionKind::Indication),
    ("INDICATIONS", SectionKind::Indication),
    ("INDICATION", SectionKind::Indication),
    ("QUESTIONS TO BE ANSWERED", SectionKind::Indication),
    ("CLINICAL INFORMATION", SectionKind::History),
    ("CLINICAL HISTORY", SectionKind::History),
    ("CLINICAL DATA", SectionKind::History),
    ("PATIENT HISTORY", SectionKind::History),
    ("MEDICAL CONDITION", SectionKind::History),
    ("HISTORY", SectionKind::History),
    ("TECHNIQUE", SectionKind::Technique),
    ("PROCEDURE", SectionKind::Technique),
    ("IV CONTRAST", SectionKind::Technique),
    ("VIEWS", SectionKind::Technique),
    ("COMPARISONS", SectionKind::Comparison),
    ("COMPARISON", SectionKind::Comparison),
    ("COMPARISON EXAM", SectionKind::Comparison),
    ("COMPARISON FILM", SectionKind::Comparison),
    ("REFERENCE EXAM", SectionKind::Comparison),
    ("PRIOR", SectionKind::Comparison),
    ("RECOMMENDATIONS", SectionKind::Recommendation),
    ("RECOMMENDATION", SectionKind::Recommendation),
    ("ADDENDUM", SectionKind::Addendum),
    ("NOTIFICATION", SectionKind::Notification),
    ("TYPE OF EXAMINATION", SectionKind::Examination),
    ("EXAMINATION", SectionKind::Examination),
    ("EXAM", SectionKind::Examination),
    ("STUDY", SectionKind::Examination),
    ("WET READ", SectionKind::Other),
    ("FINAL REPORT", SectionKind::Examination),
    ("REPORT", SectionKind::Findings),
];

/// Longest heading in characters; longer capitals before a colon are text.
const MAX_HEADING: usize = 60;
/// Bytes of a line that are looked at for one.
const MAX_LINE: usize = 1024;

/// A heading: its text and where the text after it begins.
struct Heading {
    kind: SectionKind,
    start: usize,
    body: usize,
}

/// Sections of `text` in order. Text before the first heading is `unlabelled`; so is a text
/// without any. Sections without text are left out.
pub fn split(text: &str) -> Vec<SectionText> {
    let headings = headings(text);
    let first = headings.first().map_or(text.len(), |h| h.start);
    let mut sections = Vec::new();
    push(text, SectionKind::Unlabelled, "", 0, first, &mut sections);
    for (i, heading) in headings.iter().enumerate() {
        let end = headings.get(i + 1).map_or(text.len(), |h| h.start);
        let title = text[heading.start..heading.body]
            .trim()
            .trim_end_matches(':')
            .trim_end();
        push(text, heading.kind, title, heading.body, end, &mut sections);
    }
    lift_described_views(&mut sections);
    sections
}

fn push(
    text: &str,
    kind: SectionKind,
    heading: &str,
    from: usize,
    to: usize,
    sections: &mut Vec<SectionText>,
) {
    let part = &text[from..to];
    let trimmed = part.trim();
    if trimmed.chars().any(char::is_alphanumeric) {
        let start = from + (part.len() - part.trim_start().len());
        sections.push(SectionText {
            kind,
            heading: heading.to_owned(),
            text: trimmed.to_owned(),
            start: Some(text[..start].chars().count()),
        });
    }
}

/// MIMIC often writes what was seen under the name of the views ("PORTABLE AP CHEST RADIOGRAPH:
/// There is ...") and has no findings section: then that text is the findings.
fn lift_described_views(sections: &mut [SectionText]) {
    if sections.iter().any(|s| s.kind == SectionKind::Findings) {
        return;
    }
    let names_a_view = |s: &SectionText| {
        let heading = s.heading.to_uppercase();
        s.kind == SectionKind::Other
            && ["CHEST", "VIEW", "AP ", "PA ", "LATERAL", "RADIOGRAPH"]
                .iter()
                .any(|w| heading.contains(w))
    };
    for section in sections.iter_mut().filter(|s| names_a_view(s)) {
        section.kind = SectionKind::Findings;
    }
}

fn headings(text: &str) -> Vec<Heading> {
    let mut found = Vec::new();
    let mut at_start = true;
    for (at, c) in text.char_indices() {
        if at_start && c.is_alphabetic() {
            found.extend(heading_at(text, at));
            at_start = false;
        } else if matches!(c, '\n' | '.') {
            at_start = true;
        } else if !c.is_whitespace() {
            at_start = false;
        }
    }
    found
}

/// The heading that begins at `at`, if one does.
fn heading_at(text: &str, at: usize) -> Option<Heading> {
    // A line is only looked at as far as a heading goes: a report may be one line of a megabyte.
    let rest = &text[at..text.floor_char_boundary(at.saturating_add(MAX_LINE))];
    let line_end = rest.find('\n').unwrap_or(rest.len());
    let colon = rest[..line_end]
        .char_indices()
        .take(MAX_HEADING + 1)
        .find(|(_, c)| *c == ':')
        .map(|(i, _)| i);
    if let Some(colon) = colon {
        let title = rest[..colon].trim();
        let kind = kind_of(title)?;
        return Some(Heading {
            kind,
            start: at,
            body: at + colon + 1,
        });
    }
    // A known title alone on its line needs no colon.
    if line_end == rest.len() && at + rest.len() < text.len() {
        return None;
    }
    let line = rest[..line_end].trim();
    let own_line =
        text[..at].trim_end_matches([' ', '\t']).ends_with('\n') || text[..at].trim().is_empty();
    let exact = TITLES.iter().find(|(t, _)| own_line && *t == line)?;
    Some(Heading {
        kind: exact.1,
        start: at,
        body: at + line_end,
    })
}

fn kind_of(title: &str) -> Option<SectionKind> {
    let upper = title.to_uppercase();
    let known = TITLES.iter().find(|(t, _)| upper == *t);
    if let Some((_, kind)) = known {
        return Some(*kind);
    }
    let capitals = title.chars().filter(|c| c.is_alphabetic()).count() >= 3
        && !title.chars().any(char::is_lowercase)
        && !title.contains(['.', ';']);
    if !capitals {
        return None;
    }
    // `IMPRESSION PORTABLE CHEST`: the first word decides.
    let starts = TITLES
        .iter()
        .find(|(t, _)| upper.strip_prefix(t).is_some_and(|r| r.starts_with(' ')));
    Some(starts.map_or(SectionKind::Other, |(_, kind)| *kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(SectionKind, String)> {
        split(text).into_iter().map(|s| (s.kind, s.text)).collect()
    }

    #[test]
    fn mimic_free_text_is_cut_at_its_headings() {
        let text = "                                 FINAL REPORT\n EXAMINATION:  CHEST (PA AND LAT)\n\n INDICATION:  ___ year old woman with cough: fever.\n\n COMPARISON:  ___\n\n FINDINGS: \n \n The lungs are clear: no\n effusion.\n\n IMPRESSION: \n \n No acute process.\n";
        let got = kinds(text);
        let order: Vec<_> = got.iter().map(|(k, _)| *k).collect();
        use SectionKind::*;
        assert_eq!(order, [Examination, Indication, Findings, Impression]);
        assert_eq!(got[2].1, "The lungs are clear: no\n effusion.");
        assert_eq!(got[3].1, "No acute process.");
    }

    #[test]
    fn described_views_stand_in_for_findings() {
        let got = kinds(
            "FINAL REPORT\nHISTORY: Cough.\nPORTABLE AP CHEST RADIOGRAPH: Small effusion.\nIMPRESSION: Effusion.",
        );
        assert_eq!(
            got[1],
            (SectionKind::Findings, "Small effusion.".to_owned())
        );
        let got = kinds("FINDINGS: Clear.\nPA AND LATERAL: two views.");
        assert_eq!(got[1].0, SectionKind::Other);
    }

    #[test]
    fn one_line_and_mixed_case_forms_work_and_prose_is_left_alone() {
        let got = kinds("Findings: Clear lungs. Impression: Normal.");
        assert_eq!(
            got,
            [
                (SectionKind::Findings, "Clear lungs.".to_owned()),
                (SectionKind::Impression, "Normal.".to_owned())
            ]
        );
        let got = kinds("Clear lungs. Note: no prior was there.");
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].0, SectionKind::Unlabelled);
    }

    #[test]
    fn starts_count_characters_and_empty_sections_are_left_out() {
        let sections = split("Été.\nFINDINGS:\n\nIMPRESSION: Ok");
        assert_eq!(sections.len(), 2);
        assert_eq!(sections[1].start, Some(28));
        assert!(split("  \n ").is_empty());
    }
}
