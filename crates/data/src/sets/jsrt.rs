//! JSRT (Shiraishi et al. 2000) with the SCR segmentations (van Ginneken et al. 2006).
//!
//! Images are the original `.IMG` (2048 x 2048, big-endian 12 bit, see [`crate::pixels`]) or conversions with
//! the same stem. `CLNDAT_EN.txt` and `CNNDAT_EN.txt` hold the clinical data; nodule places are in pixels of the
//! original. SCR outlines are `.pfs` landmark files in a frame of 1024 x 1024, or mask images in folders
//! named after the structure.

use super::common::{ending, files, labelled, missing, stem};
use crate::error::{DataError, Result};
use crate::sample::{BoxLabel, MaskForm, MaskRef, Sample, parse_sex};
use hilum_core::{Point, Rect, View};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

const SET: &str = "jsrt";
const SIDE: f64 = 2048.0;
const PIXEL_MM: f64 = 0.175;
const LANDMARK_FRAME: u32 = 1024;

/// Structure names of SCR with ours.
const STRUCTURES: [(&str, &str); 5] = [
    ("right lung", "right_lung"),
    ("left lung", "left_lung"),
    ("heart", "heart"),
    ("right clavicle", "right_clavicle"),
    ("left clavicle", "left_clavicle"),
];

/// Reads the set.
///
/// # Errors
/// [`DataError::Layout`] without images, [`DataError::Row`] for clinical data that cannot be read.
pub fn load(root: &Path) -> Result<Vec<Sample>> {
    let all = files(root)?;
    let clinical = read_clinical(&all)?;
    let mut masks = read_masks(&all)?;
    let mut samples = Vec::new();
    for (name, path) in images(&all) {
        let word = if name.starts_with("JPCLN") {
            "nodule"
        } else {
            "non-nodule"
        };
        let side = width_of(&path)?;
        let mut s = labelled(SET, root, path, vec![word.to_owned()]);
        s.patient = Some(name.clone());
        s.view = View::Pa;
        s.label_source = "file name".into();
        s.original_size = Some((SIDE as u32, SIDE as u32));
        s.masks = masks.remove(&name).unwrap_or_default();
        if let Some(c) = clinical.get(&name) {
            (s.sex, s.age, s.extra) = (c.sex, c.age, c.extra.clone());
            s.boxes = c
                .nodule
                .iter()
                .map(|n| nodule_box(*n, side / SIDE))
                .collect();
        }
        samples.push(s);
    }
    if samples.is_empty() {
        return Err(missing(root, SET, "images named JPCLN* or JPCNN*"));
    }
    Ok(samples)
}

/// Images by stem; below a folder named after a structure are masks.
fn images(all: &[PathBuf]) -> BTreeMap<String, PathBuf> {
    let is_image = |p: &&PathBuf| {
        let named = stem(p).starts_with("JPCLN") || stem(p).starts_with("JPCNN");
        named
            && ["img", "png", "jpg", "jpeg", "tif", "tiff"].contains(&ending(p).as_str())
            && structure_of(p).is_none()
    };
    all.iter()
        .filter(is_image)
        .map(|p| (stem(p).to_owned(), p.clone()))
        .collect()
}

fn width_of(path: &Path) -> Result<f64> {
    if ending(path) == "img" {
        return Ok(SIDE);
    }
    let size = image::image_dimensions(path);
    let (width, _) = size.map_err(|e| DataError::Decode {
        path: path.into(),
        reason: e.to_string(),
    })?;
    Ok(f64::from(width))
}

#[derive(Debug, Clone, Default)]
struct Clinical {
    sex: Option<hilum_core::Sex>,
    age: Option<f32>,
    nodule: Option<(f64, f64, f64)>,
    extra: Vec<(String, String)>,
}

/// Centre in pixels of the original and diameter in mm, as a box in the stored image.
fn nodule_box((x, y, mm): (f64, f64, f64), scale: f64) -> BoxLabel {
    let side = mm / PIXEL_MM;
    let rect = Rect {
        x: (x - side / 2.0) * scale,
        y: (y - side / 2.0) * scale,
        w: side * scale,
        h: side * scale,
    };
    BoxLabel {
        label: "nodule".into(),
        code: Some("nodule"),
        rect,
        source: "JSRT centre and diameter".into(),
    }
}

fn read_clinical(all: &[PathBuf]) -> Result<HashMap<String, Clinical>> {
    let mut clinical = HashMap::new();
    for path in all
        .iter()
        .filter(|p| ["CLNDAT_EN", "CNNDAT_EN"].contains(&stem(p)))
    {
        let text = std::fs::read_to_string(path).map_err(|e| DataError::io(path, e))?;
        for (i, line) in text
            .lines()
            .enumerate()
            .filter(|(_, l)| l.trim_start().starts_with("JPC"))
        {
            let (name, entry) = read_line(line).ok_or_else(|| {
                DataError::row(
                    path,
                    i as u64 + 1,
                    format!("no clinical data: {:?}", line.trim()),
                )
            })?;
            clinical.insert(name, entry);
        }
    }
    Ok(clinical)
}

/// `JPCLN001.IMG 5 15 53 Male 1634 692 malignant l.upper lobe lung cancer`, or for a film without nodule the
/// name followed by age and sex in either order.
fn read_line(line: &str) -> Option<(String, Clinical)> {
    let fields: Vec<&str> = if line.contains('\t') {
        line.split('\t')
            .map(str::trim)
            .filter(|f| !f.is_empty())
            .collect()
    } else {
        line.split_whitespace().collect()
    };
    let name = fields.first()?.split('.').next()?.to_owned();
    let number = |i: usize| fields.get(i)?.parse::<f64>().ok();
    let mut c = Clinical {
        sex: fields.iter().find_map(|f| parse_sex(f)),
        ..Clinical::default()
    };
    if !name.starts_with("JPCLN") {
        c.age = fields.iter().skip(1).find_map(|f| f.parse().ok());
        return Some((name, c));
    }
    c.age = number(3).map(|a| a as f32);
    c.nodule = Some((number(5)?, number(6)?, number(2)?));
    let further = [
        ("subtlety", 1),
        ("size_mm", 2),
        ("state", 7),
        ("position", 8),
        ("diagnosis", 9),
    ];
    c.extra = further
        .iter()
        .filter_map(|(k, i)| Some(((*k).to_owned(), (*fields.get(*i)?).to_owned())))
        .collect();
    Some((name, c))
}

fn structure_of(path: &Path) -> Option<&'static str> {
    let folder = path.parent()?.file_name()?.to_str()?;
    STRUCTURES
        .iter()
        .find(|(theirs, ours)| *theirs == folder || *ours == folder)
        .map(|(_, ours)| *ours)
}

fn read_masks(all: &[PathBuf]) -> Result<HashMap<String, Vec<MaskRef>>> {
    let mut masks: HashMap<String, Vec<MaskRef>> = HashMap::new();
    for path in all {
        let entry = || stem(path).to_owned();
        match (ending(path).as_str(), structure_of(path)) {
            ("pfs", _) => masks
                .entry(entry())
                .or_default()
                .extend(read_landmarks(path)?),
            ("png" | "tif" | "tiff", Some(structure)) => {
                let form = MaskForm::File(path.clone());
                masks.entry(entry()).or_default().push(MaskRef {
                    name: structure.into(),
                    form,
                });
            }
            _ => {}
        }
    }
    Ok(masks)
}

/// Outlines of a landmark file: `[Label=right lung]` followed by `{x , y}` points.
fn read_landmarks(path: &Path) -> Result<Vec<MaskRef>> {
    let text = std::fs::read_to_string(path).map_err(|e| DataError::io(path, e))?;
    let mut outlines: Vec<(String, Vec<Point>)> = Vec::new();
    for (i, line) in text.lines().map(str::trim).enumerate() {
        if let Some(label) = line
            .strip_prefix("[Label=")
            .and_then(|l| l.strip_suffix(']'))
        {
            outlines.push((label.trim().to_lowercase(), Vec::new()));
        } else if let (Some((x, y)), Some((_, points))) =
            (line.split_once(','), outlines.last_mut())
        {
            let number = |t: &str| {
                t.trim_matches([' ', '{', '}'])
                    .parse::<f64>()
                    .ok()
                    .filter(|v| v.is_finite())
            };
            let point = number(x).zip(number(y)).map(|(x, y)| Point { x, y });
            points.push(point.ok_or_else(|| {
                DataError::row(path, i as u64 + 1, format!("no point: {line:?}"))
            })?);
        }
    }
    let frame = (LANDMARK_FRAME, LANDMARK_FRAME);
    let known = |label: &str| {
        STRUCTURES
            .iter()
            .find(|(theirs, _)| *theirs == label)
            .map(|(_, ours)| *ours)
    };
    let mask = |(label, points): (String, Vec<Point>)| {
        Some(MaskRef {
            name: known(&label)?.into(),
            form: MaskForm::Polygon { points, frame },
        })
    };
    Ok(outlines
        .into_iter()
        .filter(|(_, p)| p.len() >= 3)
        .filter_map(mask)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::LabelState;
    use crate::{Fit, ImageStore, StoreConfig};

    #[test]
    fn clinical_data_and_outlines_are_joined() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["JPCLN001", "JPCNN001"] {
            image::GrayImage::from_pixel(64, 64, image::Luma([9]))
                .save(root.join(format!("{name}.png")))
                .unwrap();
        }
        let nodule =
            "JPCLN001.IMG\t5\t15\t53\tMale\t1634\t692\tmalignant\tl.upper lobe\tlung cancer\n";
        std::fs::write(root.join("CLNDAT_EN.txt"), nodule).unwrap();
        std::fs::write(
            root.join("CNNDAT_EN.txt"),
            "JPCNN001.IMG\tFemale\t34\tnon-nodule\n",
        )
        .unwrap();
        let outline = "[Label=right lung]\n{\n{ 256.0 , 256.0 }\n{ 512.0 , 256.0 }\n{ 512.0 , 768.0 }\n{ 256.0 , 768.0 }\n}\n";
        std::fs::create_dir(root.join("landmarks")).unwrap();
        std::fs::write(root.join("landmarks/JPCLN001.pfs"), outline).unwrap();
        let all = load(root).unwrap();
        let (a, b) = (&all[0], &all[1]);
        assert!(
            a.labels.is_positive("nodule") && b.labels.get("nodule") == Some(LabelState::Negative)
        );
        assert_eq!(
            (a.age, b.age, a.extra("state")),
            (Some(53.0), Some(34.0), Some("malignant"))
        );
        let r = a.boxes[0].rect;
        assert!(
            (r.x + r.w / 2.0 - 1634.0 / 32.0).abs() < 1e-9
                && (r.w - 15.0 / 0.175 / 32.0).abs() < 1e-9
        );
        let config = StoreConfig {
            masks: vec!["right_lung".into()],
            fit: Fit::Stretch,
            ..StoreConfig::square(64)
        };
        let store = ImageStore::load(&all, &config, None)
            .unwrap()
            .strict()
            .unwrap();
        let mask = store.mask(0, "right_lung").unwrap();
        assert_eq!(mask.iter().filter(|v| **v == 255).count(), 16 * 32);
        assert_eq!(
            (
                mask[16 * 64 + 16],
                mask[16 * 64 + 32],
                store.mask(1, "right_lung")
            ),
            (255, 0, None)
        );
        std::fs::write(
            root.join("CLNDAT_EN.txt"),
            "JPCLN001.IMG\t5\tx\t53\tMale\t1\t2\n",
        )
        .unwrap();
        assert!(load(root).unwrap_err().to_string().contains("row 1"));
    }
}
