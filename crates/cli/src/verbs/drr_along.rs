//! What `hilum drr` projects along with the picture: masks, points and boxes.

use super::drr::write;
use anyhow::{Context, Result};
use hilum_drr::geometry::Geometry;
use hilum_drr::structures::{self, PixelBox};
use hilum_image::draw;
use hilum_volume::load::{Loaded, load};
use hilum_volume::{Vec3, Volume};
use serde::Serialize;
use std::path::Path;

/// A point with a name, LPS mm.
#[derive(Debug, Clone)]
pub struct NamedPoint {
    name: String,
    mm: Vec3,
}

/// A box with a name, LPS mm.
#[derive(Debug, Clone)]
pub struct NamedBox {
    name: String,
    low: Vec3,
    high: Vec3,
}

#[derive(Debug, Serialize)]
pub(super) struct MaskRecord {
    label: u8,
    path: String,
    area: usize,
    #[serde(rename = "box")]
    bounds: Option<PixelBox>,
}

#[derive(Debug, Serialize)]
pub(super) struct PointRecord {
    name: String,
    mm: Vec3,
    /// Column and row, whole numbers at pixel centres; null behind the source.
    pixel: Option<[f64; 2]>,
}

#[derive(Debug, Serialize)]
pub(super) struct BoxRecord {
    name: String,
    low_mm: Vec3,
    high_mm: Vec3,
    /// Around the eight corners, with pixel edges at whole numbers as for the masks; may reach over the picture's edge. Null when
    /// a corner lies behind the source.
    #[serde(rename = "box")]
    bounds: Option<PixelBox>,
}

pub(super) fn parse_numbers<const N: usize>(text: &str) -> Result<[f64; N], String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|t| t.trim().parse::<f64>()).collect();
    numbers
        .ok()
        .filter(|n| n.iter().all(|v| v.is_finite()))
        .and_then(|n| n.try_into().ok())
        .ok_or_else(|| format!("{text:?} is not {N} numbers joined with commas"))
}

pub(super) fn parse_place(text: &str) -> Result<Vec3, String> {
    parse_numbers(text)
}

fn named<'t>(text: &'t str, form: &str) -> Result<(String, &'t str), String> {
    let (name, place) = text
        .split_once('=')
        .filter(|(name, _)| !name.trim().is_empty())
        .ok_or_else(|| format!("{text:?} is not {form}"))?;
    Ok((name.to_owned(), place))
}

pub(super) fn parse_point(text: &str) -> Result<NamedPoint, String> {
    let (name, place) = named(text, "NAME=X,Y,Z")?;
    let mm = parse_numbers(place)?;
    Ok(NamedPoint { name, mm })
}

pub(super) fn parse_box(text: &str) -> Result<NamedBox, String> {
    let (name, place) = named(text, "NAME=X,Y,Z,X,Y,Z")?;
    let corners: [f64; 6] = parse_numbers(place)?;
    let by = |take: fn(f64, f64) -> f64| std::array::from_fn(|k| take(corners[k], corners[k + 3]));
    Ok(NamedBox {
        name,
        low: by(f64::min),
        high: by(f64::max),
    })
}

pub(super) fn points(wanted: &[NamedPoint], geometry: &Geometry) -> Vec<PointRecord> {
    let one = |p: &NamedPoint| PointRecord {
        name: p.name.clone(),
        mm: p.mm,
        pixel: geometry.project(p.mm),
    };
    wanted.iter().map(one).collect()
}

pub(super) fn boxes(wanted: &[NamedBox], geometry: &Geometry) -> Vec<BoxRecord> {
    let one = |b: &NamedBox| BoxRecord {
        name: b.name.clone(),
        low_mm: b.low,
        high_mm: b.high,
        bounds: structures::project_box(b.low, b.high, geometry),
    };
    wanted.iter().map(one).collect()
}

/// Writes the silhouette of every label of a volume on the CT's grid as `label-N.png`.
pub(super) fn masks(
    labels: &Path,
    folder: &Path,
    ct: &Loaded,
    geometry: &Geometry,
) -> Result<Vec<MaskRecord>> {
    let volume = load(labels)?.volume;
    if !volume.same_grid(&ct.volume) {
        anyhow::bail!(
            "{}: does not lie on the grid of {} ({:?} and {:?} voxels, or another orientation)",
            labels.display(),
            "the CT",
            volume.size,
            ct.volume.size
        );
    }
    let volume = label_values(&volume).with_context(|| labels.display().to_string())?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let wanted = structures::labels(&volume);
    let masks = structures::project_labels(&volume, &wanted, geometry)?;
    let mut records = Vec::new();
    for (label, mask) in wanted.into_iter().zip(masks) {
        let path = folder.join(format!("label-{label}.png"));
        write(&path, &draw::encode_gray_png(&mask)?)?;
        records.push(MaskRecord {
            label,
            path: path.display().to_string(),
            area: mask.count(),
            bounds: structures::mask_box(&mask),
        });
    }
    Ok(records)
}

/// Labels are whole numbers from 0 to 255.
fn label_values(volume: &Volume<f32>) -> Result<Volume<u8>> {
    if let Some(v) = volume
        .data
        .iter()
        .find(|v| v.fract() != 0.0 || **v < 0.0 || **v > 255.0)
    {
        anyhow::bail!("{v} is no label: whole numbers from 0 to 255 are");
    }
    Ok(volume.map(|&v| v as u8))
}
