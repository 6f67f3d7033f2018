//! Pictures on their way into the page: checked, and turned into data addresses.

use super::ImageLayers;
use crate::ReadingError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hilum_core::{ImageRecord, Reading};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Rounding a scaled size may change the shape by this share.
const SHAPE_TOLERANCE: f64 = 0.02;
/// PNG colour type of grey without alpha.
const GREY: u8 = 0;

/// The pictures of one image, ready for the page.
pub(super) struct Film {
    pub image: String,
    pub lungs: Option<String>,
    pub heart: Option<String>,
    pub heatmaps: Vec<HeatMap>,
}

/// A heat map and the finding it belongs to.
pub(super) struct HeatMap {
    /// Name of the attribution; null for the class activation map.
    pub method: Option<String>,
    /// Index into `findings`.
    pub finding: usize,
    pub href: String,
    /// Whether the page is to colour it.
    pub grey: bool,
}

/// Checks the pictures of all images.
pub(super) fn films(reading: &Reading, layers: &[ImageLayers]) -> Result<Vec<Film>, ReadingError> {
    let images = reading.images.len();
    if layers.len() != images {
        return Err(ReadingError::LayerCount {
            layers: layers.len(),
            images,
        });
    }
    let pairs = reading.images.iter().zip(layers).enumerate();
    pairs
        .map(|(index, (record, layers))| film(reading, index, record, layers))
        .collect()
}

fn film(
    reading: &Reading,
    index: usize,
    record: &ImageRecord,
    layers: &ImageLayers,
) -> Result<Film, ReadingError> {
    let mask = |name: &str, png: &Option<Vec<u8>>| match png {
        Some(bytes) => shaped(index, record, name, bytes).map(Some),
        None => Ok(None),
    };
    let cams = layers.heatmaps.iter().map(|(code, png)| (code, None, png));
    let maps = layers
        .maps
        .iter()
        .map(|m| (&m.code, Some(m.method.clone()), &m.png));
    let heatmaps = cams.chain(maps).map(|(code, method, png)| {
        let finding = reading
            .findings
            .iter()
            .position(|finding| finding.code == *code)
            .ok_or_else(|| ReadingError::UnknownHeatMap {
                image: index,
                code: code.clone(),
            })?;
        let header = header(index, code, png)?;
        Ok(HeatMap {
            method,
            finding,
            href: address(png),
            grey: header.color == GREY,
        })
    });
    Ok(Film {
        image: shaped(index, record, "image", &layers.image_png)?,
        lungs: mask("lungs", &layers.lungs_png)?,
        heart: mask("heart", &layers.heart_png)?,
        heatmaps: heatmaps.collect::<Result<_, ReadingError>>()?,
    })
}

struct Header {
    width: u32,
    height: u32,
    color: u8,
}

/// Reads the fixed first chunk of a PNG (PNG specification, section 11.2.1).
fn header(image: usize, layer: &str, png: &[u8]) -> Result<Header, ReadingError> {
    let not_png = || ReadingError::LayerNotPng {
        image,
        layer: layer.to_owned(),
    };
    let rest = png.strip_prefix(SIGNATURE).ok_or_else(not_png)?;
    let number = |at: usize| -> Option<u32> {
        let bytes: [u8; 4] = rest.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    match (rest.get(4..8), number(8), number(12), rest.get(17)) {
        (Some(b"IHDR"), Some(width @ 1..), Some(height @ 1..), Some(&color)) => Ok(Header {
            width,
            height,
            color,
        }),
        _ => Err(not_png()),
    }
}

/// The address of a picture that must have the shape of its image.
fn shaped(
    image: usize,
    record: &ImageRecord,
    layer: &str,
    png: &[u8],
) -> Result<String, ReadingError> {
    let Header { width, height, .. } = header(image, layer, png)?;
    let ratio = f64::from(width) * f64::from(record.height)
        / (f64::from(height) * f64::from(record.width.max(1)));
    if (ratio - 1.0).abs() > SHAPE_TOLERANCE {
        return Err(ReadingError::LayerShape {
            image,
            layer: layer.to_owned(),
            width,
            height,
            expected_width: record.width,
            expected_height: record.height,
        });
    }
    Ok(address(png))
}

pub(super) fn address(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}
