//! A reading of the labels for people: each sentence with its mentions and what turned them.

use super::{LabelValue, Labels, Mention};
use crate::report::ReportText;
use crate::sentence;
use std::fmt::Write;

/// One line per sentence with a mention, and under it one line per mention.
pub fn explain(report: &ReportText, labels: &Labels) -> String {
    let mut out = String::new();
    for (index, section) in report.sections.iter().enumerate() {
        for (number, range) in sentence::split(&section.text).into_iter().enumerate() {
            let here: Vec<&Mention> = labels
                .mentions
                .iter()
                .filter(|m| m.section_index == index && m.sentence == number)
                .collect();
            if here.is_empty() {
                continue;
            }
            let text = section.text[range]
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            // Writing to a String cannot fail.
            let _ = writeln!(out, "[{}] {text}", section.kind.name());
            for mention in here {
                let _ = writeln!(out, "    {}", line(mention));
            }
        }
    }
    out
}

fn line(mention: &Mention) -> String {
    let value = match mention.value {
        LabelValue::Present => "present",
        LabelValue::Absent => "absent",
        LabelValue::Uncertain => "uncertain",
    };
    let mut line = format!(
        "{} = {value}: \"{}\"",
        mention.codes.join(" + "),
        mention.text
    );
    if let Some(cue) = &mention.cue {
        let class = serde_json::to_value(cue.class).ok();
        let class = class.as_ref().and_then(|v| v.as_str()).unwrap_or_default();
        let leans = if cue.leans { ", leans to it" } else { "" };
        line += &format!(", because of \"{}\" ({class}{leans})", cue.text);
    }
    let a = &mention.attributes;
    let places = (!a.places.is_empty()).then(|| a.places.join(" "));
    let size = a
        .size
        .as_ref()
        .map(|s| format!("{:?} {}", s.values, s.unit));
    for part in [&a.severity, &a.side, &places, &a.change, &size]
        .into_iter()
        .flatten()
    {
        line += &format!("; {part}");
    }
    line
}
