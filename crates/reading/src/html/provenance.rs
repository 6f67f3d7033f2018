//! The panel that tells where the reading came from.

use crate::terminal;
use hilum_core::{ImageRecord, Reading, SpacingKind};
use maud::{Markup, html};

pub(super) fn panel(reading: &Reading) -> Markup {
    let provenance = &reading.provenance;
    html! {
        section.panel.provenance aria-labelledby="provenance-title" {
            h2 #provenance-title { "Provenance" }
            dl {
                div { dt { "Hilum" } dd { (provenance.version) } }
                div { dt { "Engine" } dd { (provenance.engine) } }
                div { dt { "8-bit recipe" } dd { (provenance.recipe) } }
                @if let Some(file) = &provenance.calibration {
                    div { dt { "Own calibration" } dd { bdi { (file.name) } " " code { "sha256 " (file.sha256) } } }
                }
                @if let Some(file) = &provenance.index {
                    div { dt { "Index of cases" } dd { bdi { (file.name) } " " code { "sha256 " (file.sha256) } } }
                }
                div { dt { "Time" } dd { (provenance.elapsed_ms) " ms" } }
            }
            h3 { "Models" }
            @if provenance.models.is_empty() { p.quiet { "None ran." } }
            ul.hashes { @for model in &provenance.models {
                li { bdi { (model.name) } code { "sha256 " (model.sha256) } }
            } }
            h3 { "Images" }
            ul.hashes { @for record in &reading.images {
                li { bdi { (record.path) } small { (facts(record)) } code { "sha256 " (record.sha256) } }
            } }
        }
    }
}

/// What is known of how the image was taken.
fn facts(record: &ImageRecord) -> String {
    let mut facts = vec![format!(
        "view {} (from: {})",
        terminal::view(record.view),
        record.view_source
    )];
    match &record.spacing {
        Some(spacing) => {
            let kind = match spacing.kind {
                SpacingKind::Pixel => "pixel spacing, calibration not stated",
                SpacingKind::Imager => "at the detector",
                SpacingKind::Calibrated => "calibrated",
            };
            facts.push(format!(
                "spacing {} × {} mm, {kind}",
                spacing.row_mm, spacing.column_mm
            ));
        }
        None => facts.push("spacing unknown, so no millimetres".to_owned()),
    }
    if record.inverted {
        facts.push("inverted before analysis".to_owned());
    }
    facts.join("; ")
}
