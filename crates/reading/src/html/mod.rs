//! `report.html`: one self-contained page for one reading.
//!
//! Everything is inside the file: styles, script and pictures. A content security policy forbids any
//! network access and any script or style other than the page's own, by hash. All text goes through
//! the template's escaping.

mod explanations;
mod layers;
mod links;
mod panels;
mod provenance;
mod similar;
mod stage;

use crate::{RESEARCH_NOTICE, ReadingError, evidence};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hilum_core::Reading;
use layers::Film;
use links::Links;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Pictures of one image, as PNG bytes.
#[derive(Debug, Clone, Default)]
pub struct ImageLayers {
    /// The image as shown, upright and not inverted; may be smaller than the stored image.
    pub image_png: Vec<u8>,
    /// Lung mask, grey, 255 inside; same shape as the image, any size.
    pub lungs_png: Option<Vec<u8>>,
    /// Heart mask, likewise.
    pub heart_png: Option<Vec<u8>>,
    /// Finding code and its heat map over the whole stored image, stretched to it. A grey PNG is
    /// coloured by the page (0 is transparent), any other is shown as it is.
    pub heatmaps: Vec<(String, Vec<u8>)>,
    /// Attribution maps, likewise.
    pub maps: Vec<MapLayer>,
}

/// An attribution map over the whole stored image.
#[derive(Debug, Clone, Default)]
pub struct MapLayer {
    /// Finding.
    pub code: String,
    /// Name of the attribution.
    pub method: String,
    /// Grey PNG.
    pub png: Vec<u8>,
}

/// What the page is made from.
#[derive(Debug, Clone, Copy)]
pub struct PageInput<'a> {
    /// The reading, its report written.
    pub reading: &'a Reading,
    /// Pictures, one entry for each image of the reading, in its order.
    pub layers: &'a [ImageLayers],
    /// PNGs of the similar cases, as `similar` of the reading lists them; missing ones are shown as none.
    pub thumbnails: &'a [Vec<Option<Vec<u8>>>],
}

/// Draws the page.
///
/// # Errors
/// [`ReadingError::Evidence`] when a sentence points at nothing; [`ReadingError::LayerCount`],
/// [`ReadingError::LayerNotPng`], [`ReadingError::LayerShape`] or [`ReadingError::UnknownHeatMap`]
/// when the pictures do not fit the reading.
pub fn render(input: &PageInput) -> Result<String, ReadingError> {
    let reading = input.reading;
    evidence::check(reading)?;
    let films = layers::films(reading, input.layers)?;
    let links = Links::of(reading);
    Ok(page(reading, &films, &links, input.thumbnails).into_string())
}

fn page(
    reading: &Reading,
    films: &[Film],
    links: &Links,
    thumbnails: &[Vec<Option<Vec<u8>>>],
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="dark light";
                meta name="generator" content={ "Hilum " (reading.provenance.version) };
                title { "Reading of " (reading.study.id) " – Hilum" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#report" { "Skip to the report" }
                p.notice role="note" { strong { "Research use only. " } (notice_rest()) }
                (panels::header(reading))
                main {
                    section.viewer aria-label="Images and overlays" {
                        (stage::controls(reading, films))
                        (stage::figures(reading, films))
                    }
                    div.side {
                        div.column {
                            (panels::gate(reading))
                            (panels::report(reading, links))
                            (panels::measurements(reading))
                        }
                        div.column {
                            (panels::findings(reading, films))
                            (explanations::panel(reading))
                            (similar::panel(reading, thumbnails))
                            (panels::not_assessed(reading))
                            (provenance::panel(reading))
                        }
                    }
                }
                footer { (RESEARCH_NOTICE) " This draft was written by software and checked by no one." }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// The notice after its first sentence, which the page sets in bold.
fn notice_rest() -> &'static str {
    RESEARCH_NOTICE
        .split_once(". ")
        .map_or("", |(_, rest)| rest)
}

/// Allows the page's own style and script and pictures inside the file, and nothing else.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

#[cfg(test)]
mod tests;
