//! The images with their overlays, and the controls that switch and fade them.
//!
//! Each image is one SVG in pixels of the stored image, so that boxes and lines need no conversion.

use super::explanations::{layer_key, method_name};
use super::layers::{Film, HeatMap};
use crate::terminal;
use crate::wording::{Answer, answer};
use hilum_core::{Finding, ImageRecord, NamedLine, Reading, Rect, Region};
use maud::{Markup, html};

/// Layer name, label, starting opacity in percent, whether it is shown at first. A dozen boxes that the model itself did not
/// decide on hide the film, so they wait until they are asked for: by their switch, or by their sentence.
const LAYERS: [(&str, &str, u8, bool); 5] = [
    ("lungs", "Lungs", 18, true),
    ("heart", "Heart", 22, true),
    ("boxes", "Boxes", 100, true),
    (UNDECIDED, "Undecided boxes", 100, false),
    ("lines", "Lines", 100, true),
];

/// Layer of the boxes of findings without a decision.
const UNDECIDED: &str = "undecided";

/// Switches and faders for all images.
pub(super) fn controls(reading: &Reading, films: &[Film]) -> Markup {
    let mapped = mapped(reading, films);
    html! {
        div.controls role="group" aria-label="Overlays" {
            @for (layer, label, opacity, shown) in LAYERS {
                @if has_layer(reading, films, layer) {
                    div.control {
                        label { input type="checkbox" checked[shown] data-toggle=(layer); span.swatch data-swatch=(layer) {} (label) }
                        input type="range" min="0" max="100" value=(opacity) data-fade=(layer)
                            aria-label={ "Opacity of " (label.to_lowercase()) };
                    }
                }
            }
            @if !mapped.is_empty() {
                div.control.wide {
                    label { "Heat map "
                        select data-heat-select="" {
                            option value="" { "none" }
                            @for (key, label) in mapped { option value=(key) { (label) } }
                        }
                    }
                    input type="range" min="0" max="100" value="60" data-fade="heat" aria-label="Opacity of the heat map";
                }
            }
            div.control {
                label { "Brightness " input type="range" min="40" max="220" value="100" data-tone="brightness"; }
            }
            div.control {
                label { "Contrast " input type="range" min="40" max="260" value="100" data-tone="contrast"; }
            }
            div.buttons {
                button type="button" data-zoom="in" aria-label="Zoom in" { "+" }
                button type="button" data-zoom="out" aria-label="Zoom out" { "−" }
                button type="button" data-zoom="reset" { "Reset view" }
            }
        }
    }
}

/// Keys and labels of the maps of all images, each once, in the order of the findings.
fn mapped(reading: &Reading, films: &[Film]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (n, finding) in reading.findings.iter().enumerate() {
        let own = films.iter().flat_map(|film| &film.heatmaps);
        for map in own.filter(|map| map.finding == n) {
            let label = match &map.method {
                None => finding.name.clone(),
                Some(method) => format!("{}: {}", finding.name, method_name(method)),
            };
            if !found.iter().any(|(known, _)| *known == key(map)) {
                found.push((key(map), label));
            }
        }
    }
    found
}

/// What switches a map on.
fn key(map: &HeatMap) -> String {
    match &map.method {
        None => map.finding.to_string(),
        Some(method) => layer_key(map.finding, method),
    }
}

/// What sentences light up: the class activation map alone, so that two maps never lie over each other.
fn link_key(map: &HeatMap, image: usize) -> String {
    let letter = if map.method.is_none() { "h" } else { "e" };
    format!("{letter}{}-{image}", map.finding)
}

fn has_layer(reading: &Reading, films: &[Film], layer: &str) -> bool {
    match layer {
        "lungs" => films.iter().any(|film| film.lungs.is_some()),
        "heart" => films.iter().any(|film| film.heart.is_some()),
        "boxes" => boxed(reading, false),
        UNDECIDED => boxed(reading, true),
        _ => reading
            .measurements
            .iter()
            .any(|measurement| !measurement.lines.is_empty()),
    }
}

/// Whether any finding with or without a decision has boxes.
fn boxed(reading: &Reading, open: bool) -> bool {
    let mut findings = reading.findings.iter();
    findings.any(|finding| !finding.regions.is_empty() && is_open(finding) == open)
}

/// Whether the model left the finding open.
fn is_open(finding: &Finding) -> bool {
    matches!(answer(finding), Answer::Undecided | Answer::Undetermined)
}

/// All images; tabs choose between them where there are several.
pub(super) fn figures(reading: &Reading, films: &[Film]) -> Markup {
    html! {
        @if films.len() > 1 {
            div.tabs role="group" aria-label="Images" {
                @for (n, record) in reading.images.iter().enumerate() {
                    button type="button" data-show=(n) aria-pressed=(if n == 0 { "true" } else { "false" }) {
                        "Image " (n + 1) " · " (terminal::view(record.view))
                    }
                }
            }
        }
        @for (n, (record, film)) in reading.images.iter().zip(films).enumerate() {
            (figure(reading, n, record, film))
        }
    }
}

fn figure(reading: &Reading, n: usize, record: &ImageRecord, film: &Film) -> Markup {
    let (width, height) = (record.width, record.height);
    let name = format!(
        "Chest radiograph, image {}, view: {}",
        n + 1,
        terminal::view(record.view)
    );
    html! {
        figure.film id={ "i" (n) } data-key={ "i" (n) } data-image=(n) {
            svg.stage viewBox={ "0 0 " (width) " " (height) } role="group" aria-label=(name) tabindex="0" {
                (definitions(n, record, film))
                image.base href=(film.image) width=(width) height=(height) preserveAspectRatio="none" {}
                @for (organ, _) in masks(film) {
                    g.tint data-layer=(organ) { rect width=(width) height=(height) mask={ "url(#" (organ) "-" (n) ")" } {} }
                }
                g data-layer="heat" {
                    @for map in &film.heatmaps {
                        g.heat data-key=(link_key(map, n)) data-finding=(key(map)) {
                            image href=(map.href) width=(width) height=(height) preserveAspectRatio="none"
                                filter=[map.grey.then(|| format!("url(#heat-{n})"))] {}
                        }
                    }
                }
                g data-layer="boxes" { (regions(reading, n, record)) }
                g data-layer="lines" { (lines(reading, n, record)) }
            }
            figcaption {
                bdi { (record.path) } " · " (width) " × " (height) " px · " (terminal::view(record.view))
                @if record.inverted { " · shown inverted, as analysed" }
            }
        }
    }
}

fn masks(film: &Film) -> impl Iterator<Item = (&'static str, &String)> {
    [("lungs", &film.lungs), ("heart", &film.heart)]
        .into_iter()
        .filter_map(|(organ, href)| href.as_ref().map(|href| (organ, href)))
}

/// Masks by luminance, and the colour scale of heat maps: strength becomes colour and opacity.
fn definitions(n: usize, record: &ImageRecord, film: &Film) -> Markup {
    html! {
        defs {
            @for (organ, href) in masks(film) {
                mask id={ (organ) "-" (n) } {
                    image href=(href) width=(record.width) height=(record.height) preserveAspectRatio="none" {}
                }
            }
            filter id={ "heat-" (n) } x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB" {
                feColorMatrix values="1 0 0 0 0  1 0 0 0 0  1 0 0 0 0  1.6 0 0 0 -0.12" {}
                feComponentTransfer {
                    feFuncR type="table" tableValues="0.16 0.45 0.78 0.96 0.99" {}
                    feFuncG type="table" tableValues="0.04 0.09 0.22 0.51 0.91" {}
                    feFuncB type="table" tableValues="0.36 0.43 0.33 0.14 0.45" {}
                }
            }
        }
    }
}

fn regions(reading: &Reading, image: usize, record: &ImageRecord) -> Markup {
    let mut labels = Labels {
        size: letter_size(record),
        taken: Vec::new(),
    };
    // The labels of what is shown at first get the best places.
    let findings = || reading.findings.iter().enumerate();
    let decided = findings().filter(|(_, finding)| !is_open(finding));
    let open = findings().filter(|(_, finding)| is_open(finding));
    html! {
        @for (f, finding) in decided.chain(open) {
            @for (r, region) in finding.regions.iter().enumerate().filter(|(_, region)| region.image == image) {
                @let y = labels.place(region, &finding.name);
                (region_box(f, r, finding, region, (labels.size, y)))
            }
        }
    }
}

/// Keeps the labels of boxes off each other.
struct Labels {
    size: f64,
    taken: Vec<Rect>,
}

impl Labels {
    /// Base line for the label of `region`: above the box, higher where that is taken, inside the
    /// box where there is no room above.
    fn place(&mut self, region: &Region, text: &str) -> f64 {
        let height = self.size * 1.15;
        let width = self.size * 0.6 * text.chars().count() as f64;
        let at = |top: f64| Rect {
            x: region.rect.x,
            y: top,
            w: width,
            h: height,
        };
        let free = |label: &Rect| {
            label.y >= 0.0
                && self
                    .taken
                    .iter()
                    .all(|other| label.intersection(other) == 0.0)
        };
        let above = (1..=6).map(|n| at(region.rect.y - self.size * 0.3 - height * f64::from(n)));
        let inside = (0..6).map(|n| at(region.rect.y + height * f64::from(n)));
        let label = above.chain(inside).find(free).unwrap_or(at(region.rect.y));
        self.taken.push(label);
        label.y + self.size
    }
}

fn region_box(
    f: usize,
    r: usize,
    finding: &Finding,
    region: &Region,
    (size, y): (f64, f64),
) -> Markup {
    let set = set_class(finding);
    let place = region.place.as_deref().unwrap_or("place not named");
    let label = format!("{}, {place}, strength {:.2}", finding.name, region.score);
    let rect = region.rect;
    let points: Vec<String> = region
        .outline
        .iter()
        .map(|p| format!("{},{}", p.x, p.y))
        .collect();
    html! {
        g class={ "region " (set) } id={ "r" (f) "-" (r) } data-key={ "r" (f) "-" (r) } data-links={ "f" (f) }
            data-layer=[is_open(finding).then_some(UNDECIDED)] data-trigger="" tabindex="0" role="button" aria-pressed="false" aria-label=(label) {
            title { (label) }
            rect x=(rect.x) y=(rect.y) width=(rect.w) height=(rect.h) {}
            @if !points.is_empty() { polygon points=(points.join(" ")) {} }
            text x=(rect.x) y=(y) font-size=(size) { (finding.name) }
        }
    }
}

/// Height of letters in pixels of the stored image.
fn letter_size(record: &ImageRecord) -> f64 {
    (f64::from(record.width.max(record.height)) / 56.0).max(1.0)
}

/// Class that colours a finding by its set.
pub(super) fn set_class(finding: &Finding) -> &'static str {
    match answer(finding) {
        Answer::Present => "present",
        Answer::Absent => "absent",
        Answer::Undecided => "undecided",
        Answer::Undetermined => "undetermined",
        Answer::NotAssessed => "not-assessed",
    }
}

fn lines(reading: &Reading, image: usize, record: &ImageRecord) -> Markup {
    html! {
        @for (m, measurement) in reading.measurements.iter().enumerate() {
            @for line in measurement.lines.iter().filter(|line| line.image == image) {
                (ruler(m, line, record))
            }
        }
    }
}

fn ruler(m: usize, named: &NamedLine, record: &ImageRecord) -> Markup {
    let (from, to) = (named.line.from, named.line.to);
    let length = named.line.length().max(f64::MIN_POSITIVE);
    let size = letter_size(record);
    // Unit normal, for the ticks at both ends.
    let (nx, ny) = (
        -(to.y - from.y) / length * size * 0.7,
        (to.x - from.x) / length * size * 0.7,
    );
    let heart = if named.name.contains("heart") {
        "ruler heart"
    } else {
        "ruler"
    };
    let name = named.name.replace('_', " ");
    html! {
        g class=(heart) data-key={ "m" (m) } data-line=(named.name) {
            title { (name) ", " (format!("{:.0}", named.line.length())) " px" }
            line x1=(from.x) y1=(from.y) x2=(to.x) y2=(to.y) {}
            @for end in [from, to] {
                line x1=(end.x - nx) y1=(end.y - ny) x2=(end.x + nx) y2=(end.y + ny) {}
            }
            text x=((from.x + to.x) / 2.0) y=((from.y + to.y) / 2.0 - size * 0.45) font-size=(size) text-anchor="middle" { (name) }
        }
    }
}
