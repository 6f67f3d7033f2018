//! The panels beside the image: gate, report, findings, measurements, what was not assessed.

use super::layers::{Film, HeatMap};
use super::links::{Links, Target};
use super::stage::set_class;
use crate::terminal::{by_reason, interval, measurement_name, ordered, value};
use crate::wording::{Answer, answer};
use hilum_core::{EvidenceKind, Finding, LungZone, Measurement, Reading, Section, Sentence};
use maud::{Markup, html};

/// Chips shown after a sentence before the rest is only counted.
const CHIPS: usize = 4;

pub(super) fn header(reading: &Reading) -> Markup {
    let study = &reading.study;
    html! {
        header {
            h1 { span.mark { "Hilum" } " reading" }
            dl.facts {
                div { dt { "Study" } dd { bdi { (study.id) } } }
                div { dt { "Patient" } dd { bdi { (study.patient.as_deref().unwrap_or("not given")) } } }
                div { dt { "Date" } dd { bdi { (study.date.as_deref().unwrap_or("not given")) } } }
            }
            @if reading.gate.analysable { span.state.ok { "Analysed" } } @else { span.state.stop { "Not analysed" } }
        }
    }
}

pub(super) fn gate(reading: &Reading) -> Markup {
    let open = reading.gate.analysable && reading.gate.reasons.is_empty();
    html! {
        section.panel.gate.stop[!reading.gate.analysable] aria-labelledby="gate-title" {
            h2 #gate-title { "Gate" }
            p {
                @if !reading.gate.analysable { strong { "This study was not analysed." } }
                @else if open { "Passed, nothing noted." }
                @else { "Passed, with notes." }
            }
            @if !reading.gate.reasons.is_empty() {
                ul.reasons {
                    @for (n, reason) in reading.gate.reasons.iter().enumerate() {
                        li id={ "g" (n) } data-key={ "g" (n) } data-links={ "i" (reason.image) } {
                            @if reason.blocking { span.badge.stop { "stops" } } @else { span.badge.caution { "caution" } }
                            " " span.message { (reason.message) }
                            small { " " code { (reason.code) } ", image " (reason.image + 1)
                                @if let Some(score) = reason.score { ", score " (format!("{score:.2}")) } }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn report(reading: &Reading, links: &Links) -> Markup {
    html! {
        section.panel.report #report aria-labelledby="report-title" tabindex="-1" {
            h2 #report-title { "Draft report" }
            p.hint { "Point at a sentence to see what it rests on; press it to keep it, Esc to let go." }
            (sentences(reading, links, Section::Impression, "Impression"))
            (sentences(reading, links, Section::Findings, "Findings"))
        }
    }
}

fn sentences(reading: &Reading, links: &Links, section: Section, title: &str) -> Markup {
    let listed = reading
        .report
        .sentences
        .iter()
        .enumerate()
        .filter(|(_, sentence)| sentence.section == section);
    let listed: Vec<(usize, &Sentence)> = listed.collect();
    html! {
        h3 { (title) }
        @if listed.is_empty() { p.quiet { "No sentence." } }
        ul.sentences {
            @for (n, sentence) in listed {
                li {
                    span.sentence id={ "s" (n) } data-key={ "s" (n) } data-links=(links.keys(&sentence.evidence))
                        data-trigger="" tabindex="0" role="button" aria-pressed="false" { (sentence.text) }
                    (chips(sentence, links))
                }
            }
        }
    }
}

/// Boxes have no chip beside that of their finding: they show on the image.
fn chips(sentence: &Sentence, links: &Links) -> Markup {
    let shown = sentence
        .evidence
        .iter()
        .filter(|evidence| evidence.kind != EvidenceKind::Region);
    let targets: Vec<Target> = shown.flat_map(|evidence| links.targets(evidence)).collect();
    let more = targets.len().saturating_sub(CHIPS);
    html! {
        span.chips {
            @for target in targets.iter().take(CHIPS) {
                " " a.chip href={ "#" (target.key) } { (target.label) }
            }
            @if more > 0 { " " span.chip.more { "+" (more) } }
        }
    }
}

pub(super) fn findings(reading: &Reading, films: &[Film]) -> Markup {
    let rows: Vec<&Finding> = ordered(reading)
        .into_iter()
        .filter(|finding| answer(finding) != Answer::NotAssessed)
        .collect();
    let mut rules: Vec<&str> = Vec::new();
    for point in rows
        .iter()
        .filter_map(|finding| finding.operating_point.as_ref())
    {
        if !rules.contains(&point.rule.as_str()) {
            rules.push(&point.rule);
        }
    }
    html! {
        section.panel aria-labelledby="findings-title" {
            h2 #findings-title { "Findings" }
            @if rows.is_empty() { p.quiet { "No finding was assessed." } } @else {
                table.findings {
                    thead { tr {
                        th scope="col" { "Finding" }
                        th scope="col" { "Probability" }
                        th.point scope="col" { "Operating point" }
                        th scope="col" { "Set" }
                        th scope="col" { span.hidden { "Heat map" } }
                    } }
                    tbody { @for finding in rows { (finding_row(reading, films, finding)) } }
                }
                p.legend {
                    "Bar: calibrated probability; tick: operating point, with its sensitivity and specificity on the validation split. "
                    @if !rules.is_empty() { "Chosen by: " (rules.join("; ")) ". " }
                    "The set decides the wording."
                }
            }
        }
    }
}

fn finding_row(reading: &Reading, films: &[Film], finding: &Finding) -> Markup {
    let n = reading
        .findings
        .iter()
        .position(|other| std::ptr::eq(other, finding))
        .unwrap_or_default();
    let maps: Vec<String> = (0..films.len())
        .filter(|image| {
            let own = |map: &HeatMap| map.finding == n && map.method.is_none();
            films[*image].heatmaps.iter().any(own)
        })
        .map(|image| format!("h{n}-{image}"))
        .collect();
    let mut places: Vec<&str> = finding
        .regions
        .iter()
        .filter_map(|region| region.place.as_deref())
        .collect();
    places.dedup();
    html! {
        tr class=(set_class(finding)) id={ "f" (n) } data-key={ "f" (n) } data-links=(maps.join(" ")) {
            th scope="row" {
                span.name data-trigger="" tabindex="0" role="button" aria-pressed="false" { (finding.name) }
                @if !places.is_empty() { small { (places.join(", ")) } }
            }
            td.probability { (probability(finding)) }
            td.point { (operating_point(finding)) }
            td { (badge(finding)) }
            td.map { @if !maps.is_empty() {
                button type="button" data-map=(n) aria-pressed="false" aria-label={ "Heat map of " (finding.name) } { "Map" }
            } }
        }
    }
}

/// Bar with the operating point as a tick, and the number.
fn probability(finding: &Finding) -> Markup {
    let Some(p) = finding.probability else {
        return html! { span.quiet { "none" } };
    };
    let threshold = finding
        .operating_point
        .as_ref()
        .map(|point| point.threshold);
    let spoken = match threshold {
        Some(threshold) => format!("probability {p:.3}, operating point {threshold:.2}"),
        None => format!("probability {p:.3}"),
    };
    html! {
        span.number { (format!("{p:.3}")) }
        svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=(spoken) {
            rect.track x="0" y="2" width="100" height="6" {}
            rect.fill x="0" y="2" width=(format!("{:.2}", p.clamp(0.0, 1.0) * 100.0)) height="6" {}
            @if let Some(threshold) = threshold {
                @let x = format!("{:.2}", threshold.clamp(0.0, 1.0) * 100.0);
                line.tick x1=(x) x2=(x) y1="0" y2="10" {}
            }
        }
        @if let Some(logit) = finding.logit { small { "logit " (format!("{logit:.2}")) } }
        @for line in crate::wording::uncertainty_lines(finding) { small.beside { (line) } }
    }
}

fn operating_point(finding: &Finding) -> Markup {
    html! {
        @if let Some(point) = &finding.operating_point {
            (if point.positive { "≥ " } else { "< " }) (format!("{:.2}", point.threshold))
            small {
                @if let Some(value) = point.sensitivity { "sens " (format!("{value:.2}")) }
                @if point.sensitivity.is_some() && point.specificity.is_some() { ", " }
                @if let Some(value) = point.specificity { "spec " (format!("{value:.2}")) }
            }
        } @else { span.quiet { "none" } }
    }
}

fn badge(finding: &Finding) -> Markup {
    let (sign, word) = match answer(finding) {
        Answer::Present => ("●", "present"),
        Answer::Undecided => ("◐", "undecided"),
        Answer::Undetermined => ("?", "no set"),
        Answer::Absent => ("○", "absent"),
        Answer::NotAssessed => ("–", "not assessed"),
    };
    html! { span class={ "badge " (set_class(finding)) } { span aria-hidden="true" { (sign) " " } (word) } }
}

pub(super) fn measurements(reading: &Reading) -> Markup {
    let zone = |m: &Measurement| {
        LungZone::ALL
            .iter()
            .any(|zone| zone.opacity_extent() == m.name)
    };
    let (zones, others): (Vec<_>, Vec<_>) = reading
        .measurements
        .iter()
        .enumerate()
        .partition(|(_, m)| zone(m));
    html! {
        section.panel aria-labelledby="measurements-title" {
            h2 #measurements-title { "Measurements" }
            @if reading.measurements.is_empty() { p.quiet { "None taken." } }
            @if !others.is_empty() {
                table.measurements {
                    thead { tr { th scope="col" { "Measurement" } th scope="col" { "Value" } th scope="col" { "Interval" } } }
                    tbody { @for (n, measurement) in others { (measurement_row(n, measurement)) } }
                }
            }
            @if !zones.is_empty() { (zone_table(&zones)) }
        }
    }
}

fn measurement_row(n: usize, measurement: &Measurement) -> Markup {
    html! {
        tr id={ "m" (n) } data-key={ "m" (n) } {
            th scope="row" {
                span.name data-trigger="" tabindex="0" role="button" aria-pressed="false" { (measurement_name(measurement)) }
                @if let Some(note) = &measurement.note { small { (note) } }
            }
            td.number { (value(measurement)) }
            td { (interval(measurement)) }
        }
    }
}

/// Extent of opacity as the film is looked at: the patient's right on the left. A note that all zones have is said once.
fn zone_table(zones: &[(usize, &Measurement)]) -> Markup {
    let shared = zones.first().and_then(|(_, m)| m.note.as_deref());
    let shared = shared.filter(|note| zones.iter().all(|(_, m)| m.note.as_deref() == Some(note)));
    html! {
        table.zones {
            caption {
                "Opacity extent by zone, in percent of the zone"
                @if let Some(note) = shared { small { "; " (note) } }
            }
            thead { tr { td {} th scope="col" { "Right" } th scope="col" { "Left" } } }
            tbody { @for level in ["upper", "middle", "lower"] {
                tr {
                    th scope="row" { (level) }
                    @for side in ["right", "left"] {
                        @let wanted = LungZone::from_place(&format!("{side} {level} zone"));
                        @let found = zones.iter().find(|(_, m)| wanted.is_some_and(|zone| zone.opacity_extent() == m.name));
                        @match found { Some((n, measurement)) => (zone_cell(*n, measurement, shared)), None => td.quiet { "–" } }
                    }
                }
            } }
        }
    }
}

fn zone_cell(n: usize, measurement: &Measurement, shared: Option<&str>) -> Markup {
    let own = measurement
        .note
        .as_deref()
        .filter(|note| Some(*note) != shared);
    let share = measurement.value.unwrap_or(0.0).clamp(0.0, 100.0);
    html! {
        td id={ "m" (n) } data-key={ "m" (n) } {
            svg.fill viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                rect width=(format!("{share:.1}")) height="10" {}
            }
            span.number { (value(measurement)) }
            @if let Some(note) = own { small { (note) } }
        }
    }
}

pub(super) fn not_assessed(reading: &Reading) -> Markup {
    let missing: Vec<&Finding> = reading
        .findings
        .iter()
        .filter(|finding| answer(finding) == Answer::NotAssessed)
        .collect();
    if missing.is_empty() {
        return html! {};
    }
    html! {
        section.panel aria-labelledby="unseen-title" {
            h2 #unseen-title { "Not assessed" }
            p.reason { "Nobody looked for these. None of them is excluded." }
            @for (reason, _) in by_reason(&missing) {
                p.reason { (reason) }
                ul.unseen { @for (n, finding) in reading.findings.iter().enumerate() {
                    @if answer(finding) == Answer::NotAssessed && by_reason(&[finding])[0].0 == reason {
                        li id={ "f" (n) } data-key={ "f" (n) } { (finding.name) }
                    }
                } }
            }
        }
    }
}
