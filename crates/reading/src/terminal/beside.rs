//! What stands beside the findings: verdicts of maps, spread of answers, known cases.

use super::{Options, bold, clean, ordered, wrap};
use crate::wording::{map_verdict, uncertainty_lines};
use hilum_core::{Explanation, Reading};
use std::fmt::Write;

/// Maps of findings and known cases, each part only where there is something to say.
pub(super) fn write(reading: &Reading, options: &Options, out: &mut String) {
    explanations(reading, options, out);
    similar(reading, options, out);
}

fn explanations(reading: &Reading, options: &Options, out: &mut String) {
    let explained = || {
        ordered(reading)
            .into_iter()
            .filter(|f| !f.explanations.is_empty())
    };
    if explained().next().is_none() {
        return;
    }
    let _ = writeln!(out, "\n{}", bold("Where the network looked", options));
    for finding in explained() {
        for explanation in &finding.explanations {
            let text = format!("{}, {}", clean(&finding.name), verdict(explanation));
            wrap(&text, "  ", options, out);
        }
        let spread = uncertainty_lines(finding);
        if !spread.is_empty() {
            let text = format!("{}: {}", clean(&finding.name), spread.join("; "));
            wrap(&text, "  ", options, out);
        }
    }
}

fn verdict(explanation: &Explanation) -> String {
    let method = clean(&explanation.method);
    match &explanation.trust {
        Some(trust) => {
            let word = match trust.trusted {
                true => "believable",
                false => "NOT TO BE TRUSTED",
            };
            format!(
                "{method}: {word} (p {:.2}). {}",
                trust.p,
                map_verdict(trust)
            )
        }
        None => format!(
            "{method}: {}",
            clean(explanation.note.as_deref().unwrap_or("no map"))
        ),
    }
}

fn similar(reading: &Reading, options: &Options, out: &mut String) {
    for found in &reading.similar {
        let title = format!("Similar known cases of image {}", found.image + 1);
        let _ = writeln!(out, "\n{}", bold(&title, options));
        if let Some(note) = &found.note {
            wrap(&clean(note), "  ", options, out);
        }
        for case in &found.cases {
            let labels = match case.labels.is_empty() {
                true => "no label".to_owned(),
                false => clean(&case.labels.join(", ")),
            };
            let text = format!("{:.3}  {labels}  ({})", case.distance, clean(&case.id));
            wrap(&text, "  ", options, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use hilum_core::{Similar, SimilarCase};

    #[test]
    fn nothing_is_written_where_there_is_nothing_to_say() {
        let mut reading = sample::reading();
        let mut out = String::new();
        write(&reading, &Options::default(), &mut out);
        assert!(out.is_empty());
        reading.similar.push(Similar {
            image: 0,
            model: "m".into(),
            cases: vec![SimilarCase {
                id: "a\u{1b}[31m.png".into(),
                labels: vec!["Mass".into()],
                distance: 0.25,
                percentile: None,
            }],
            note: None,
        });
        reading.findings[0].explanations.push(Explanation {
            image: 0,
            method: "cam".into(),
            model: "m".into(),
            map: None,
            trust: None,
            note: Some("no map here".into()),
        });
        write(&reading, &Options::default(), &mut out);
        assert!(out.contains("0.250  Mass") && out.contains("cam: no map here"));
        assert!(!out.contains('\u{1b}'));
    }
}
