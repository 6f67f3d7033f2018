//! Known cases that look like the images of the study.

use super::layers::address;
use hilum_core::{Reading, Similar, SimilarCase};
use maud::{Markup, html};

/// Thumbnails of one image's cases.
type Row = Vec<Option<Vec<u8>>>;

pub(super) fn panel(reading: &Reading, thumbnails: &[Row]) -> Markup {
    if reading.similar.is_empty() {
        return html! {};
    }
    let several = reading.images.len() > 1;
    html! {
        section.panel aria-labelledby="similar-title" {
            h2 #similar-title { "Similar known cases" }
            @for (n, similar) in reading.similar.iter().enumerate() {
                @if several { h3 { "Image " (similar.image + 1) } }
                (cases(similar, thumbnails.get(n)))
            }
            p.legend {
                "Nearest by the features of the network, which see more than findings: position, exposure, devices. "
                "Their labels are those of the index and say nothing certain about this study."
            }
        }
    }
}

fn cases(similar: &Similar, thumbnails: Option<&Row>) -> Markup {
    html! {
        @if let Some(note) = &similar.note { p.quiet { (note) } }
        ul.cases {
            @for (n, case) in similar.cases.iter().enumerate() {
                (one(case, thumbnails.and_then(|row| row.get(n)?.as_deref())))
            }
        }
        p.quiet { "Compared by " code { (similar.model) } "." }
    }
}

fn one(case: &SimilarCase, thumbnail: Option<&[u8]>) -> Markup {
    html! {
        li {
            @match thumbnail {
                Some(png) if is_png(png) => { img src=(address(png)) alt={ "Known case " (case.id) }; }
                _ => { span.blank { "no picture" } }
            }
            div.labels {
                @if case.labels.is_empty() { "no label" } @else { (case.labels.join(", ")) }
            }
            small { "distance " (format!("{:.3}", case.distance)) }
            @if let Some(share) = case.percentile { small { (nearness(share)) } }
            small { bdi { (case.id) } }
        }
    }
}

/// What a distance means beside those within the index.
fn nearness(percentile: f64) -> &'static str {
    match percentile {
        p if p < 0.5 => "as near as cases of the index are to each other",
        p if p < 0.95 => "further than half of the index's cases are",
        _ => "far: hardly any case of the index is as alone",
    }
}

/// Only a PNG may go into the page, whatever the index file holds.
fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG\r\n\x1a\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_words() {
        assert!(nearness(0.2).starts_with("as near"));
        assert!(nearness(0.99).starts_with("far"));
    }
}
