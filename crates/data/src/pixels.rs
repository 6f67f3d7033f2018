//! Decoding: the one place where this crate turns files into grey planes.

use crate::error::{DataError, Result};
use crate::sample::{MaskForm, MaskRef, Pixels};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Changes whenever decoding or resizing may give other values; part of every cache key.
pub const PIPELINE_VERSION: &str = "data-1";

/// A row-major plane of 8-bit values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane8 {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values, row by row.
    pub data: Vec<u8>,
}

/// NumPy arrays that samples point into, each read once.
#[derive(Debug, Default)]
pub struct Arrays {
    arrays: HashMap<(PathBuf, String), Array>,
}

#[derive(Debug)]
struct Array {
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Arrays {
    /// Reads the arrays that `pixels` point into.
    ///
    /// # Errors
    /// [`DataError::Format`] for a file that is no archive, lacks the array, or holds no `uint8`.
    pub fn load<'a>(pixels: impl Iterator<Item = &'a Pixels>) -> Result<Self> {
        let mut all = Arrays::default();
        for p in pixels {
            if let Pixels::Array { file, name, .. } = p {
                let key = (file.clone(), name.clone());
                if let std::collections::hash_map::Entry::Vacant(slot) = all.arrays.entry(key) {
                    let (shape, data) = read_npz_u8(file, name)?;
                    slot.insert(Array { shape, data });
                }
            }
        }
        Ok(all)
    }

    fn plane(&self, file: &Path, name: &str, index: usize) -> Result<Plane8> {
        let key = (file.to_owned(), name.to_owned());
        let array = self.arrays.get(&key).ok_or_else(|| DataError::format(file, format!("no array {name}")))?;
        let [n, height, width, channels] = match *array.shape {
            [n, h, w] => [n, h, w, 1],
            [n, h, w, c @ (1 | 3)] => [n, h, w, c],
            _ => return Err(DataError::format(file, format!("{name} has the shape {:?}", array.shape))),
        };
        if index >= n {
            return Err(DataError::format(file, format!("{name} has {n} entries, none at {index}")));
        }
        let one = width * height * channels;
        let data = array.data[index * one..(index + 1) * one]
            .chunks_exact(channels)
            .map(|p| if let [r, g, b] = *p { luma(r, g, b) } else { p[0] })
            .collect();
        Ok(Plane8 { width, height, data })
    }
}

/// BT.601 luma, rounded.
fn luma(r: u8, g: u8, b: u8) -> u8 {
    ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500) / 1000) as u8
}

/// Reads one `uint8` array (C order) of a NumPy archive: its shape and values.
///
/// # Errors
/// [`DataError::Format`].
pub fn read_npz_u8(file: &Path, name: &str) -> Result<(Vec<usize>, Vec<u8>)> {
    let bad = |e: std::io::Error| DataError::format(file, format!("{name}: {e}"));
    let opened = std::fs::File::open(file).map_err(|e| DataError::io(file, e))?;
    let mut archive = zip::ZipArchive::new(opened).map_err(|e| DataError::format(file, e))?;
    let entry = archive.by_name(&format!("{name}.npy")).map_err(|e| DataError::format(file, format!("{name}: {e}")))?;
    let array = npyz::NpyFile::new(entry).map_err(bad)?;
    if array.order() != npyz::Order::C {
        return Err(DataError::format(file, format!("{name} is in Fortran order")));
    }
    let shape = array.shape().iter().map(|n| *n as usize).collect();
    Ok((shape, array.into_vec::<u8>().map_err(bad)?))
}

/// The image of a sample as grey values.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Decode`], [`DataError::Format`].
pub fn load_gray(pixels: &Pixels, arrays: &Arrays) -> Result<Plane8> {
    match pixels {
        Pixels::File(path) => decode_file(path),
        Pixels::Array { file, name, index } => arrays.plane(file, name, *index),
    }
}

fn decode_file(path: &Path) -> Result<Plane8> {
    let bad = |e: image::ImageError| match e {
        image::ImageError::IoError(e) => DataError::io(path, e),
        e => DataError::Decode { path: path.into(), reason: e.to_string() },
    };
    let reader = image::ImageReader::open(path)
        .and_then(|r| r.with_guessed_format())
        .map_err(|e| DataError::io(path, e))?;
    let gray = reader.decode().map_err(bad)?.into_luma8();
    let (width, height) = (gray.width() as usize, gray.height() as usize);
    Ok(Plane8 { width, height, data: gray.into_raw() })
}

/// One mask as 0 and 255, at the size it is stored in; polygons and run lengths at `size`.
///
/// # Errors
/// Those of decoding; [`DataError::Format`] for runs that leave the image.
pub fn load_mask(mask: &MaskRef, size: (usize, usize)) -> Result<Plane8> {
    match &mask.form {
        MaskForm::File(path) => Ok(threshold(decode_file(path)?, |v| v != 0)),
        MaskForm::Class { path, class } => Ok(threshold(decode_file(path)?, |v| v == *class)),
        MaskForm::Runs { runs, width, height } => fill_runs(runs, *width as usize, *height as usize),
        MaskForm::Polygon(points) => Ok(fill_polygon(points, size.0, size.1)),
    }
}

/// Pixels that are in any of the masks of a structure.
///
/// # Errors
/// Those of [`load_mask`]; [`DataError::Format`] when the parts differ in size.
pub fn load_union(parts: &[&MaskRef], image: &Path, size: (usize, usize)) -> Result<Option<Plane8>> {
    let mut union: Option<Plane8> = None;
    for part in parts {
        let next = load_mask(part, size)?;
        match &mut union {
            None => union = Some(next),
            Some(u) if (u.width, u.height) == (next.width, next.height) => {
                u.data.iter_mut().zip(&next.data).for_each(|(a, b)| *a |= b);
            }
            Some(_) => return Err(DataError::format(image, "the masks of one structure differ in size")),
        }
    }
    Ok(union)
}

/// Resizes with the triangle kernel, widened when shrinking so that no pixel is skipped.
pub fn resize(plane: Plane8, width: usize, height: usize) -> Plane8 {
    if (plane.width, plane.height) == (width, height) {
        return plane;
    }
    let (w, h) = (plane.width as u32, plane.height as u32);
    let Some(image) = image::GrayImage::from_raw(w, h, plane.data) else {
        return Plane8 { width, height, data: vec![0; width * height] };
    };
    let triangle = image::imageops::FilterType::Triangle;
    let data = image::imageops::resize(&image, width as u32, height as u32, triangle).into_raw();
    Plane8 { width, height, data }
}

fn threshold(mut plane: Plane8, is_in: impl Fn(u8) -> bool) -> Plane8 {
    plane.data.iter_mut().for_each(|v| *v = if is_in(*v) { 255 } else { 0 });
    plane
}

fn fill_runs(runs: &[(u32, u32)], width: usize, height: usize) -> Result<Plane8> {
    let mut data = vec![0; width * height];
    let mut at = 0usize;
    for (gap, length) in runs {
        at += *gap as usize;
        let end = at + *length as usize;
        if end > data.len() {
            return Err(DataError::format(Path::new("run lengths"), "a run leaves the image"));
        }
        (at..end).for_each(|i| data[(i % height) * width + i / height] = 255);
        at = end;
    }
    Ok(Plane8 { width, height, data })
}

/// Even-odd fill: a pixel is inside when its centre is.
fn fill_polygon(points: &[hilum_core::Point], width: usize, height: usize) -> Plane8 {
    let mut data = vec![0; width * height];
    for (row, line) in data.chunks_exact_mut(width.max(1)).enumerate() {
        let y = row as f64 + 0.5;
        let mut crossings: Vec<f64> = points
            .iter()
            .zip(points.iter().cycle().skip(1))
            .filter(|(a, b)| (a.y <= y) != (b.y <= y))
            .map(|(a, b)| a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x))
            .collect();
        crossings.sort_by(f64::total_cmp);
        for span in crossings.chunks_exact(2) {
            let column = |x: f64| (x - 0.5).ceil().clamp(0.0, width as f64) as usize;
            line[column(span[0])..column(span[1])].fill(255);
        }
    }
    Plane8 { width, height, data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::Point;

    #[test]
    fn runs_go_down_the_columns() {
        let p = fill_runs(&[(1, 2), (1, 1)], 2, 3).unwrap();
        assert_eq!(p.data, [0, 0, 255, 255, 255, 0]);
        assert!(fill_runs(&[(5, 2)], 2, 3).is_err());
    }

    #[test]
    fn a_polygon_covers_pixel_centres() {
        let square = [(1.0, 1.0), (3.0, 1.0), (3.0, 2.0), (1.0, 2.0)].map(|(x, y)| Point { x, y });
        let p = fill_polygon(&square, 4, 3);
        assert_eq!(p.data, [0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_file_that_is_no_image_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        std::fs::write(&path, b"hello").unwrap();
        assert!(matches!(decode_file(&path), Err(DataError::Decode { .. })));
        assert!(matches!(decode_file(&dir.path().join("b.png")), Err(DataError::Io { .. })));
    }
}
