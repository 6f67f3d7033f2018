//! Readings as text for a terminal.
//!
//! Tables are aligned by display width. Colour is written only when asked for. Text that comes from
//! files (ids, paths, messages) is stripped of control and direction characters, so that it can
//! neither recolour nor reorder the output.

mod beside;

use crate::RESEARCH_NOTICE;
use crate::wording::{Answer, answer};
use comfy_table::{
    Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width, presets,
};
use hilum_core::{FailedPath, Finding, Measurement, Reading, Section, Unit, View};
use std::fmt::Write;

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether to write ANSI colours.
    pub color: bool,
    /// Columns of the terminal; tables and sentences are wrapped to it, at least at 40.
    pub width: u16,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            color: false,
            width: 100,
        }
    }
}

/// One study in full: gate, findings, measurements, report, provenance.
pub fn study(reading: &Reading, options: &Options) -> String {
    let mut out = String::new();
    heading(reading, options, &mut out);
    gate(reading, options, &mut out);
    findings(reading, options, &mut out);
    beside::write(reading, options, &mut out);
    measurements(reading, options, &mut out);
    report(reading, options, &mut out);
    provenance(reading, options, &mut out);
    out
}

/// Many studies, one row each, then the files that failed.
pub fn summary(readings: &[Reading], failed: &[FailedPath], options: &Options) -> String {
    let mut out = String::new();
    if !readings.is_empty() {
        let mut table = table(options);
        table.set_header(header(&[
            "File",
            "View",
            "Gate",
            "Present",
            "Undecided",
            "CTR",
        ]));
        for reading in readings {
            table.add_row(summary_row(reading));
        }
        let _ = writeln!(out, "{table}");
    }
    if !failed.is_empty() {
        let mut table = table(options);
        table.set_header(header(&["Not read", "Kind", "Reason"]));
        for line in failed {
            table.add_row([
                Cell::new(clean(&line.path)),
                Cell::new(clean(&line.error.kind)).fg(Color::Red),
                Cell::new(clean(&line.error.message)),
            ]);
        }
        let _ = writeln!(out, "{table}");
    }
    let _ = writeln!(
        out,
        "{} read, {} failed. {RESEARCH_NOTICE}",
        readings.len(),
        failed.len()
    );
    tidy(&out)
}

fn summary_row(reading: &Reading) -> Vec<Cell> {
    let names = |wanted: Answer| {
        let found: Vec<String> = reading
            .findings
            .iter()
            .filter(|f| answer(f) == wanted)
            .map(|f| clean(&f.name))
            .collect();
        if found.is_empty() {
            "–".to_owned()
        } else {
            found.join(", ")
        }
    };
    let ratio = reading
        .measurements
        .iter()
        .find(|m| m.name == hilum_core::measurement::CARDIOTHORACIC_RATIO);
    let views: Vec<&str> = reading
        .images
        .iter()
        .map(|image| view(image.view))
        .collect();
    vec![
        Cell::new(file_names(reading)),
        Cell::new(views.join(" ")),
        gate_cell(reading),
        Cell::new(names(Answer::Present)).fg(Color::Yellow),
        Cell::new(names(Answer::Undecided)).fg(Color::Cyan),
        right(
            ratio
                .and_then(|m| m.value)
                .map_or("–".to_owned(), |value| format!("{value:.2}")),
        ),
    ]
}

/// What a person calls a study: its first file, and how many more there are. The id of a picture without
/// a Study Instance UID is a hash that nobody would recognise.
fn file_names(reading: &Reading) -> String {
    let Some(first) = reading.images.first() else {
        return clean(&reading.study.id);
    };
    let name = std::path::Path::new(&first.path).file_name().map_or_else(
        || first.path.clone(),
        |name| name.to_string_lossy().into_owned(),
    );
    match reading.images.len() {
        1 => clean(&name),
        n => format!("{} +{}", clean(&name), n - 1),
    }
}

fn heading(reading: &Reading, options: &Options, out: &mut String) {
    let study = &reading.study;
    let mut line = format!("Study {}", clean(&study.id));
    for (label, value) in [("patient", &study.patient), ("date", &study.date)] {
        if let Some(value) = value {
            let _ = write!(line, "  {label} {}", clean(value));
        }
    }
    let _ = writeln!(out, "{}", bold(&line, options));
    for image in &reading.images {
        let inverted = if image.inverted {
            ", inverted before analysis"
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "  {}  {} x {}, {} (view from: {}){inverted}",
            clean(&image.path),
            image.width,
            image.height,
            view(image.view),
            clean(&image.view_source)
        );
    }
}

fn gate(reading: &Reading, options: &Options, out: &mut String) {
    let state = if reading.gate.analysable {
        "passed"
    } else {
        "NOT ANALYSED"
    };
    let _ = writeln!(out, "\n{} {state}", bold("Gate", options));
    for reason in &reading.gate.reasons {
        let weight = if reason.blocking { "stops" } else { "caution" };
        let score = reason
            .score
            .map(|score| format!(" (score {score:.2})"))
            .unwrap_or_default();
        let text = format!(
            "{weight}: {} [{}]{score}",
            clean(&reason.message),
            clean(&reason.code)
        );
        wrap(&text, "  ", options, out);
    }
}

fn gate_cell(reading: &Reading) -> Cell {
    if !reading.gate.analysable {
        let codes: Vec<String> = reading
            .gate
            .reasons
            .iter()
            .filter(|reason| reason.blocking)
            .map(|reason| clean(&reason.code))
            .collect();
        return Cell::new(format!("not analysed: {}", codes.join(", "))).fg(Color::Red);
    }
    match reading.gate.reasons.len() {
        0 => Cell::new("passed"),
        n => Cell::new(format!("passed, {n} noted")),
    }
}

fn findings(reading: &Reading, options: &Options, out: &mut String) {
    let assessed: Vec<&Finding> = ordered(reading)
        .into_iter()
        .filter(|f| answer(f) != Answer::NotAssessed)
        .collect();
    let missing: Vec<&Finding> = reading
        .findings
        .iter()
        .filter(|f| answer(f) == Answer::NotAssessed)
        .collect();
    let _ = writeln!(out, "\n{}", bold("Findings", options));
    if !assessed.is_empty() {
        let mut table = table(options);
        table.set_header(header(&[
            "Finding",
            "Probability",
            "Operating point",
            "Set",
            "Where",
        ]));
        for finding in assessed {
            table.add_row(finding_row(finding));
        }
        let _ = writeln!(out, "{}", tidy(&table.to_string()));
    }
    for (reason, names) in by_reason(&missing) {
        let text = format!("Not assessed ({reason}): {}", names.join(", "));
        wrap(&text, "  ", options, out);
    }
}

/// Findings as they are shown: present, undecided, without a set, absent; the likelier first.
pub(crate) fn ordered(reading: &Reading) -> Vec<&Finding> {
    let mut list: Vec<&Finding> = reading.findings.iter().collect();
    let rank = |finding: &Finding| match answer(finding) {
        Answer::Present => 0,
        Answer::Undecided => 1,
        Answer::Undetermined => 2,
        Answer::Absent => 3,
        Answer::NotAssessed => 4,
    };
    let probability = |finding: &Finding| finding.probability.unwrap_or(0.0);
    list.sort_by(|a, b| {
        rank(a)
            .cmp(&rank(b))
            .then(probability(b).total_cmp(&probability(a)))
    });
    list
}

/// Findings that were not assessed, gathered by reason in the order of the reading.
pub(crate) fn by_reason(missing: &[&Finding]) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for finding in missing {
        let reason = clean(finding.reason.as_deref().unwrap_or("no reason given"));
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(clean(&finding.name)),
            None => groups.push((reason, vec![clean(&finding.name)])),
        }
    }
    groups
}

fn finding_row(finding: &Finding) -> Vec<Cell> {
    let point = finding
        .operating_point
        .as_ref()
        .map_or("–".to_owned(), |point| {
            let sign = if point.positive { "≥" } else { "<" };
            format!("{sign} {:.2}", point.threshold)
        });
    let (word, color) = match answer(finding) {
        Answer::Present => ("present", Some(Color::Yellow)),
        Answer::Undecided => ("undecided", Some(Color::Cyan)),
        Answer::Undetermined => ("no set", Some(Color::Cyan)),
        Answer::Absent => ("absent", None),
        Answer::NotAssessed => ("not assessed", None),
    };
    let mut places: Vec<String> = Vec::new();
    for place in finding
        .regions
        .iter()
        .filter_map(|region| region.place.as_deref())
    {
        let place = clean(place);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let set = Cell::new(word);
    vec![
        Cell::new(clean(&finding.name)),
        right(
            finding
                .probability
                .map_or("–".to_owned(), |p| format!("{p:.3}")),
        ),
        right(point),
        color.map_or(set.clone(), |color| set.fg(color)),
        Cell::new(places.join(", ")),
    ]
}

fn measurements(reading: &Reading, options: &Options, out: &mut String) {
    if reading.measurements.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", bold("Measurements", options));
    let mut table = table(options);
    table.set_header(header(&["Measurement", "Value", "Interval", "Note"]));
    for measurement in &reading.measurements {
        table.add_row([
            Cell::new(measurement_name(measurement)),
            right(value(measurement)),
            Cell::new(interval(measurement)),
            Cell::new(clean(measurement.note.as_deref().unwrap_or(""))),
        ]);
    }
    let _ = writeln!(out, "{}", tidy(&table.to_string()));
}

/// `cardiothoracic_ratio` as `Cardiothoracic ratio`.
pub(crate) fn measurement_name(measurement: &Measurement) -> String {
    let words = clean(&measurement.name).replace('_', " ");
    let mut chars = words.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

/// The value with its unit, or a dash.
pub(crate) fn value(measurement: &Measurement) -> String {
    measurement
        .value
        .map_or("–".to_owned(), |value| with_unit(value, measurement.unit))
}

/// `0.52 to 0.58 (90%)`, or nothing.
pub(crate) fn interval(measurement: &Measurement) -> String {
    measurement.interval.map_or(String::new(), |interval| {
        let (low, high) = (
            number(interval.low, measurement.unit),
            with_unit(interval.high, measurement.unit),
        );
        format!("{low} to {high} ({:.0}%)", interval.level * 100.0)
    })
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ratio => format!("{value:.2}"),
        Unit::Pixel | Unit::Percent => format!("{value:.0}"),
        Unit::Mm | Unit::MmDetector => format!("{value:.1}"),
    }
}

fn with_unit(value: f64, unit: Unit) -> String {
    let suffix = match unit {
        Unit::Ratio => "",
        Unit::Pixel => " px",
        Unit::Percent => "%",
        Unit::Mm => " mm",
        Unit::MmDetector => " mm at the detector",
    };
    format!("{}{suffix}", number(value, unit))
}

fn report(reading: &Reading, options: &Options, out: &mut String) {
    for (title, section) in [
        ("Findings (draft)", Section::Findings),
        ("Impression (draft)", Section::Impression),
    ] {
        let sentences: Vec<String> = reading
            .report
            .sentences
            .iter()
            .filter(|s| s.section == section)
            .map(|s| clean(&s.text))
            .collect();
        if !sentences.is_empty() {
            let _ = writeln!(out, "\n{}", bold(title, options));
            for sentence in sentences {
                wrap(&sentence, "  ", options, out);
            }
        }
    }
}

fn provenance(reading: &Reading, options: &Options, out: &mut String) {
    let provenance = &reading.provenance;
    let models: Vec<String> = provenance
        .models
        .iter()
        .map(|model| {
            format!(
                "{} {}",
                clean(&model.name),
                model.sha256.chars().take(12).collect::<String>()
            )
        })
        .collect();
    out.push('\n');
    let text = format!(
        "Hilum {}, recipe {}, engine {}, {} ms. Models: {}.",
        clean(&provenance.version),
        clean(&provenance.recipe),
        clean(&provenance.engine),
        provenance.elapsed_ms,
        if models.is_empty() {
            "none".to_owned()
        } else {
            models.join(", ")
        }
    );
    wrap(&text, "", options, out);
    wrap(RESEARCH_NOTICE, "", options, out);
}

/// The view in a few letters.
pub(crate) fn view(view: View) -> &'static str {
    match view {
        View::Pa => "PA",
        View::Ap => "AP",
        View::Frontal => "frontal",
        View::Lateral => "lateral",
        View::Other => "other view",
        View::Unknown => "view unknown",
    }
}

fn table(options: &Options) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(options.width.max(40));
    if options.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

fn header(names: &[&str]) -> Vec<Cell> {
    names
        .iter()
        .map(|name| Cell::new(name).add_attribute(comfy_table::Attribute::Dim))
        .collect()
}

fn right(text: impl Into<String>) -> Cell {
    Cell::new(text.into()).set_alignment(CellAlignment::Right)
}

fn bold(text: &str, options: &Options) -> String {
    if options.color {
        format!("\u{1b}[1m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// No spaces at the ends of lines, which would only make output noisy to compare.
fn tidy(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect::<String>()
        .trim_end_matches('\n')
        .to_owned()
        + if text.ends_with('\n') { "\n" } else { "" }
}

/// Writes `text` wrapped by display width, each line behind `indent`.
fn wrap(text: &str, indent: &str, options: &Options, out: &mut String) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .force_no_tty();
    let room = usize::from(options.width.max(40)) - indent.len();
    table.add_row([text]);
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 0));
        let room = u16::try_from(room).unwrap_or(u16::MAX);
        column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(room)));
    }
    table.set_width(u16::try_from(room).unwrap_or(u16::MAX));
    for line in table.to_string().lines() {
        let _ = writeln!(out, "{indent}{}", line.trim_end());
    }
}

/// One line without control characters and without marks that change the direction of writing.
pub(crate) fn clean(text: &str) -> String {
    let harmless = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() => '\u{fffd}',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sample, write_report};
    use hilum_core::ReadError;
    use unicode_width::UnicodeWidthStr;

    fn written() -> Reading {
        let mut reading = sample::reading();
        reading.report = write_report(&reading);
        reading
    }

    #[test]
    fn a_study_shows_every_part_without_colour() {
        let text = study(&written(), &Options::default());
        for part in [
            "Gate passed",
            "Pneumonia",
            "0.810",
            "≥ 0.40",
            "present",
            "undecided",
            "absent",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        for part in [
            "Not assessed (no shipped model",
            "Cardiothoracic ratio",
            "Impression (draft)",
            "Research use only",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert!(
            study(
                &written(),
                &Options {
                    color: true,
                    width: 100
                }
            )
            .contains("\u{1b}[")
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut reading = written();
        reading.findings[1].regions[0].place = Some("右下肺野".repeat(9));
        for width in [60, 80, 120] {
            let text = study(
                &reading,
                &Options {
                    color: false,
                    width,
                },
            );
            for line in text.lines().skip(2) {
                assert!(line.width() <= usize::from(width), "{width}: {line}");
            }
        }
    }

    #[test]
    fn columns_stay_aligned_beside_wide_letters() {
        let mut reading = written();
        reading.findings[2].name = "肺炎".into();
        let text = study(
            &reading,
            &Options {
                color: false,
                width: 120,
            },
        );
        let column = |needle: &str, of: &str| {
            let line = text
                .lines()
                .find(|line| line.contains(needle))
                .expect(needle);
            line[..line.find(of).expect(of)].width()
        };
        assert_eq!(
            column("肺炎", "present"),
            column("Pleural effusion ", "present")
        );
    }

    #[test]
    fn file_text_cannot_steer_the_terminal() {
        let mut reading = written();
        reading.study.patient = Some("\u{1b}[31mred\u{202e}\r\nStudy fake".into());
        reading.images[0].path = "a\u{7}b".into();
        let text = study(&reading, &Options::default());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        assert!(!text.contains('\u{202e}'));
        assert_eq!(
            text.lines()
                .filter(|line| line.starts_with("Study"))
                .count(),
            1
        );
    }

    #[test]
    fn a_summary_has_one_row_a_study_and_the_failures() {
        let failed = FailedPath {
            path: "bad.dcm".into(),
            error: ReadError {
                kind: "truncated".into(),
                message: "ends after 12 bytes".into(),
            },
        };
        let text = summary(
            &[written(), sample::blocked()],
            &[failed],
            &Options::default(),
        );
        assert!(text.contains("not analysed"), "{text}");
        assert!(
            text.contains("truncated") && text.contains("2 read, 1 failed"),
            "{text}"
        );
    }
}
