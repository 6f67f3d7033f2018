//! Decoding: the one place where this crate turns files into grey planes.

use crate::error::{DataError, Result};
use crate::sample::{MaskForm, MaskRef, Pixels};
use hilum_core::Point;
use hilum_image::{Kernel, Limits, Plane, Recipe, decode};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Changes whenever decoding or resizing may give other values; part of every cache key.
pub const PIPELINE_VERSION: &str = "data-2";

/// A row-major plane of 8-bit values.
pub type Plane8 = Plane<u8>;

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
        let array = self
            .arrays
            .get(&key)
            .ok_or_else(|| DataError::format(file, format!("no array {name}")))?;
        let [n, height, width, channels] = match *array.shape {
            [n, h, w] => [n, h, w, 1],
            [n, h, w, c @ (1 | 3)] => [n, h, w, c],
            _ => {
                return Err(DataError::format(
                    file,
                    format!("{name} has the shape {:?}", array.shape),
                ));
            }
        };
        if index >= n {
            return Err(DataError::format(
                file,
                format!("{name} has {n} entries, none at {index}"),
            ));
        }
        let one = width * height * channels;
        let data = array.data[index * one..(index + 1) * one]
            .chunks_exact(channels)
            .map(|p| {
                if let [r, g, b] = *p {
                    luma(r, g, b)
                } else {
                    p[0]
                }
            })
            .collect();
        Ok(Plane8 {
            width,
            height,
            data,
        })
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
    let entry = archive
        .by_name(&format!("{name}.npy"))
        .map_err(|e| DataError::format(file, format!("{name}: {e}")))?;
    let array = npyz::NpyFile::new(entry).map_err(bad)?;
    if array.order() != npyz::Order::C {
        return Err(DataError::format(
            file,
            format!("{name} is in Fortran order"),
        ));
    }
    let shape = array.shape().iter().map(|n| *n as usize).collect();
    Ok((shape, array.into_vec::<u8>().map_err(bad)?))
}

/// The image of a sample as display values, through the pixel path of the reader.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Decode`], [`DataError::Format`].
pub fn load_gray(pixels: &Pixels, recipe: Recipe, arrays: &Arrays) -> Result<Plane8> {
    match pixels {
        Pixels::File(path) if is_jsrt_raw(path) => decode_jsrt(path),
        Pixels::File(path) => load_file(path, recipe),
        Pixels::Array { file, name, index } => arrays.plane(file, name, *index),
    }
}

fn load_file(path: &Path, recipe: Recipe) -> Result<Plane8> {
    let loaded = hilum_dicom::load(path, recipe).map_err(|e| match e {
        hilum_dicom::LoadError::Io { path, source } => DataError::Io { path, source },
        e => DataError::Decode {
            path: path.into(),
            reason: without_path(path, &e),
        },
    })?;
    Ok(loaded.pixels.to_u8())
}

/// The reader's message without the path, which [`DataError::Decode`] already names.
fn without_path(path: &Path, error: &hilum_dicom::LoadError) -> String {
    let text = error.to_string();
    text.strip_prefix(&format!("{}: ", path.display()))
        .unwrap_or(&text)
        .to_owned()
}

fn is_jsrt_raw(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("img"))
}

/// The raw format of JSRT (Shiraishi et al. 2000): 2048 x 2048 big-endian words of 12 bit, low values bright.
fn decode_jsrt(path: &Path) -> Result<Plane8> {
    const SIDE: usize = 2048;
    let bytes = std::fs::read(path).map_err(|e| DataError::io(path, e))?;
    if bytes.len() != 2 * SIDE * SIDE {
        let reason = format!(
            "{} bytes, a JSRT image has {}",
            bytes.len(),
            2 * SIDE * SIDE
        );
        return Err(DataError::Decode {
            path: path.into(),
            reason,
        });
    }
    let value = |w: &[u8]| 255 - (u16::from_be_bytes([w[0], w[1]]).min(4095) >> 4) as u8;
    Ok(Plane8 {
        width: SIDE,
        height: SIDE,
        data: bytes.chunks_exact(2).map(value).collect(),
    })
}

/// A mask file as stored, without any windowing.
fn decode_mask(path: &Path, is_in: impl Fn(u16) -> bool) -> Result<Plane8> {
    let bytes = std::fs::read(path).map_err(|e| DataError::io(path, e))?;
    let raster = decode::decode(&bytes, &Limits::default());
    let raster = raster.map_err(|e| DataError::Decode {
        path: path.into(),
        reason: e.to_string(),
    })?;
    Ok(raster.values.map(|v| if is_in(*v) { 255 } else { 0 }))
}

/// One mask as 0 and 255, at the size it is stored in; polygons and run lengths at `size`.
///
/// # Errors
/// Those of decoding; [`DataError::Format`] for runs that leave the image.
pub fn load_mask(mask: &MaskRef, size: (usize, usize)) -> Result<Plane8> {
    match &mask.form {
        MaskForm::File(path) => decode_mask(path, |v| v != 0),
        MaskForm::Class { path, class } => decode_mask(path, |v| v == u16::from(*class)),
        MaskForm::Runs {
            runs,
            width,
            height,
        } => fill_runs(runs, *width as usize, *height as usize),
        MaskForm::Polygon { points, frame } => {
            let scale = (
                size.0 as f64 / f64::from(frame.0),
                size.1 as f64 / f64::from(frame.1),
            );
            let points: Vec<_> = points
                .iter()
                .map(|p| Point {
                    x: p.x * scale.0,
                    y: p.y * scale.1,
                })
                .collect();
            Ok(fill_polygon(&points, size.0, size.1))
        }
    }
}

/// Pixels that are in any of the masks of a structure.
///
/// # Errors
/// Those of [`load_mask`]; [`DataError::Format`] for a mask of another size than the image.
pub fn load_union(
    parts: &[&MaskRef],
    image: &Path,
    size: (usize, usize),
) -> Result<Option<Plane8>> {
    let mut union: Option<Plane8> = None;
    for part in parts {
        let next = load_mask(part, size)?;
        if (next.width, next.height) != size {
            let reason = format!(
                "mask `{}` is {}x{}, the image {}x{}",
                part.name, next.width, next.height, size.0, size.1
            );
            return Err(DataError::format(image, reason));
        }
        match &mut union {
            None => union = Some(next),
            Some(u) => u.data.iter_mut().zip(&next.data).for_each(|(a, b)| *a |= b),
        }
    }
    Ok(union)
}

/// Resizes with the rounding of the kernel's library.
///
/// # Errors
/// [`DataError::Format`] when a side is 0.
pub fn resize(
    plane: Plane8,
    width: usize,
    height: usize,
    kernel: Kernel,
    of: &Path,
) -> Result<Plane8> {
    if (plane.width, plane.height) == (width, height) {
        return Ok(plane);
    }
    hilum_image::resize::resize_u8(&plane, width, height, kernel)
        .map_err(|e| DataError::format(of, e))
}

fn fill_runs(runs: &[(u32, u32)], width: usize, height: usize) -> Result<Plane8> {
    let mut data = vec![0; width * height];
    let mut at = 0usize;
    for (gap, length) in runs {
        at += *gap as usize;
        let end = at + *length as usize;
        if end > data.len() {
            return Err(DataError::format(
                Path::new("run lengths"),
                "a run leaves the image",
            ));
        }
        (at..end).for_each(|i| data[(i % height) * width + i / height] = 255);
        at = end;
    }
    Ok(Plane8 {
        width,
        height,
        data,
    })
}

/// Even-odd fill: a pixel is inside when its centre is.
fn fill_polygon(points: &[Point], width: usize, height: usize) -> Plane8 {
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
    Plane8 {
        width,
        height,
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_mask_of_another_size_than_its_image_is_an_error() {
        let runs = |width, height| MaskRef {
            name: "lungs".to_owned(),
            form: MaskForm::Runs {
                runs: vec![(1, 2)],
                width,
                height,
            },
        };
        let image = Path::new("film.png");
        let own = runs(2, 3);
        let union = load_union(&[&own, &own], image, (2, 3)).unwrap().unwrap();
        assert_eq!(union.data.iter().filter(|v| **v > 0).count(), 2);
        assert!(load_union(&[], image, (2, 3)).unwrap().is_none());
        let told = load_union(&[&own, &runs(3, 2)], image, (2, 3)).unwrap_err();
        let told = told.to_string();
        assert!(
            told.contains("mask `lungs` is 3x2, the image 2x3"),
            "{told}"
        );
    }

    #[test]
    fn a_file_that_is_no_image_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        std::fs::write(&path, b"hello").unwrap();
        let read = |p: PathBuf| load_gray(&Pixels::File(p), Recipe::Voi, &Arrays::default());
        assert!(matches!(read(path), Err(DataError::Decode { .. })));
        assert!(matches!(
            read(dir.path().join("b.png")),
            Err(DataError::Io { .. })
        ));
        std::fs::write(dir.path().join("c.IMG"), [0; 9]).unwrap();
        assert!(
            read(dir.path().join("c.IMG"))
                .unwrap_err()
                .to_string()
                .contains("9 bytes")
        );
    }
}
