//! Pixels for the viewer: stored values as 16-bit numbers, larger is brighter, and the window in the same numbers.

use crate::error::{Result, RoomError};
use dicom_dictionary_std::tags;
use dicom_object::OpenFileOptions;
use hilum_dicom::lut::{Modality, Voi, WindowFunction};
use hilum_dicom::{DicomError, DicomImage, DicomMeta, Limits, LoadError, Recipe};
use hilum_image::{Kernel, Plane, draw, resize};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is visible at first: black at `center - width / 2`, white at `center + width / 2`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Window {
    /// Middle.
    pub center: f64,
    /// Width.
    pub width: f64,
}

/// An image as the viewer gets it.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) bits: u32,
    pub(crate) window: Window,
    pub(crate) meta: DicomMeta,
    /// Little-endian unsigned 16-bit, row by row.
    pub(crate) bytes: axum::body::Bytes,
}

impl Picture {
    /// The pixels with both sides halved so often. A screen that shows a film small needs a fraction of it first.
    pub(crate) fn halved(&self, times: u32) -> axum::body::Bytes {
        if times == 0 {
            return self.bytes.clone();
        }
        let (mut columns, mut rows) = (self.columns, self.rows);
        let mut bytes = halved(&self.bytes, columns, rows);
        for _ in 1..times {
            (columns, rows) = (columns.div_ceil(2), rows.div_ceil(2));
            bytes = halved(&bytes, columns, rows);
        }
        bytes.into()
    }
}

/// Mean of 2x2 blocks, rounded; the last row or column is repeated when the size is odd. The viewer halves in the same way.
fn halved(bytes: &[u8], columns: usize, rows: usize) -> Vec<u8> {
    let at = |row: &[u8], x: usize| u32::from(u16::from_le_bytes([row[2 * x], row[2 * x + 1]]));
    let row = |y: usize| &bytes[2 * y * columns..][..2 * columns];
    let mean = |sum: u32| (((sum + 2) >> 2) as u16).to_le_bytes();
    let mut out = vec![0u8; 2 * columns.div_ceil(2) * rows.div_ceil(2)];
    for (y, line) in out.chunks_exact_mut(2 * columns.div_ceil(2)).enumerate() {
        let (top, bottom) = (row(2 * y), row((2 * y + 1).min(rows - 1)));
        let pairs = top.chunks_exact(4).zip(bottom.chunks_exact(4));
        for (to, (a, b)) in line.chunks_exact_mut(2).zip(pairs) {
            to.copy_from_slice(&mean(at(a, 0) + at(a, 1) + at(b, 0) + at(b, 1)));
        }
        if columns % 2 == 1 {
            let last = columns - 1;
            line[last..].copy_from_slice(&mean(2 * (at(top, last) + at(bottom, last))));
        }
    }
    out
}

/// Elements before the pixels.
pub(crate) fn head(path: &Path) -> Option<DicomMeta> {
    let read = || {
        OpenFileOptions::new()
            .read_until(tags::PIXEL_DATA)
            .open_file(path)
    };
    let object = hilum_image::guard::catch(read).ok()?.ok()?;
    Some(DicomMeta::read(&object))
}

/// Decodes the first frame of an object.
///
/// # Errors
/// As [`hilum_dicom::load`].
pub(crate) fn picture(path: &Path) -> Result<Picture> {
    let image = DicomImage::open(path)?;
    let failed = |source: DicomError| LoadError::Dicom {
        path: path.to_owned(),
        source,
    };
    let (values, bits, window) = values(&image).map_err(failed)?;
    let mut bytes = Vec::with_capacity(2 * values.len());
    values
        .iter()
        .for_each(|v| bytes.extend_from_slice(&v.to_le_bytes()));
    Ok(Picture {
        columns: image.attributes.columns,
        rows: image.attributes.rows,
        bits,
        window,
        meta: image.meta,
        bytes: bytes.into(),
    })
}

/// How units of the modality and the numbers of the viewer go together: `number = (unit - shift) * scale`.
#[derive(Debug, Clone, Copy)]
struct Line {
    shift: f64,
    scale: f64,
}

impl Line {
    fn at(self, unit: f64) -> f64 {
        (unit - self.shift) * self.scale
    }
}

type Values = (Vec<u16>, u32, Window);

fn values(image: &DicomImage) -> std::result::Result<Values, DicomError> {
    let frame = image.stored(0)?;
    let stored_bits = image.attributes.bits_stored;
    if frame.samples == 3 {
        return Ok(colour(&frame.data, stored_bits));
    }
    let modality = image.modality()?;
    let (voi, _) = image.voi()?;
    if matches!(modality, Modality::Lut(_)) || matches!(voi, Voi::Lut(_)) {
        return Ok(through_tables(image, &frame.data, &modality, &voi));
    }
    let (slope, intercept) = match modality {
        Modality::Rescale { slope, intercept } => (slope, intercept),
        _ => (1.0, 0.0),
    };
    let (low, span) = stored_range(image, &frame.data);
    // More than 16 bits do not fit; fewer stay what they are.
    let step = if span > 65_535.0 {
        65_535.0 / span
    } else {
        1.0
    };
    let top = (span * step).round();
    let mut numbers: Vec<u16> = frame
        .data
        .iter()
        .map(|&v| ((f64::from(v) - low) * step).round().clamp(0.0, top) as u16)
        .collect();
    let line = Line {
        shift: low * slope + intercept,
        scale: step / slope,
    };
    let mut ends = match ends(&voi) {
        Some((dark, bright)) => (line.at(dark), line.at(bright)),
        None => range(&numbers),
    };
    // A negative slope turns the order of the stored values.
    let falls = slope < 0.0;
    if falls && matches!(voi, Voi::None) {
        ends = (ends.1, ends.0);
    }
    if image.inverted() != falls {
        numbers.iter_mut().for_each(|v| *v = top as u16 - *v);
        ends = (top - ends.0, top - ends.1);
    }
    if falls || image.inverted() {
        ends = (ends.0.min(ends.1), ends.0.max(ends.1));
    }
    let bits = (top + 1.0).log2().ceil().clamp(1.0, 16.0) as u32;
    Ok((numbers, bits, window(ends)))
}

/// Where the window is black and where it is white, in units of the modality.
fn ends(voi: &Voi) -> Option<(f64, f64)> {
    let Voi::Window {
        center,
        width,
        function,
    } = voi
    else {
        return None;
    };
    Some(match function {
        WindowFunction::Linear => {
            let (center, width) = (center - 0.5, (width - 1.0).max(1.0));
            (center - width / 2.0, center + width / 2.0)
        }
        WindowFunction::LinearExact | WindowFunction::Sigmoid => {
            (center - width / 2.0, center + width / 2.0)
        }
    })
}

/// Smallest stored value that the numbers start at, and how far they reach.
fn stored_range(image: &DicomImage, data: &[i32]) -> (f64, f64) {
    let bits = image.attributes.bits_stored;
    if bits <= 16 {
        let span = f64::from((1u32 << bits) - 1);
        let low = if image.attributes.signed {
            -f64::from(1u32 << (bits - 1))
        } else {
            0.0
        };
        return (low, span);
    }
    let low = data.iter().min().copied().map_or(0.0, f64::from);
    let high = data.iter().max().copied().map_or(0.0, f64::from);
    (low, (high - low).max(1.0))
}

fn range(numbers: &[u16]) -> (f64, f64) {
    let low = numbers.iter().min().copied().unwrap_or(0);
    let high = numbers.iter().max().copied().unwrap_or(0);
    (f64::from(low), f64::from(high))
}

fn window((low, high): (f64, f64)) -> Window {
    Window {
        center: (low + high) / 2.0,
        width: (high - low).max(1.0),
    }
}

/// Tables are no line: the numbers are what comes out of them.
fn through_tables(image: &DicomImage, data: &[i32], modality: &Modality, voi: &Voi) -> Values {
    let out: Vec<f64> = data
        .iter()
        .map(|&v| match voi {
            Voi::Lut(lut) => lut.apply(modality.apply(f64::from(v))),
            _ => modality.apply(f64::from(v)),
        })
        .collect();
    let top = match (voi, modality) {
        (Voi::Lut(lut), _) => lut.top(),
        (_, Modality::Lut(lut)) => lut.top(),
        _ => 65_535.0,
    };
    let mut numbers: Vec<u16> = out.iter().map(|v| v.clamp(0.0, top) as u16).collect();
    let mut ends = match (voi, ends(voi)) {
        (Voi::Lut(_), _) => (0.0, top),
        (_, Some(ends)) => ends,
        _ => range(&numbers),
    };
    if image.inverted() {
        numbers.iter_mut().for_each(|v| *v = top as u16 - *v);
        ends = (top - ends.1, top - ends.0);
    }
    let bits = (top + 1.0).log2().ceil().clamp(1.0, 16.0) as u32;
    (numbers, bits, window(ends))
}

/// Colour is shown as its luma, as the reader sees it.
fn colour(data: &[i32], bits: u32) -> Values {
    let numbers: Vec<u16> = data
        .chunks_exact(3)
        .map(|px| {
            let [r, g, b] = [px[0], px[1], px[2]].map(f64::from);
            (0.299 * r + 0.587 * g + 0.114 * b).clamp(0.0, 65_535.0) as u16
        })
        .collect();
    let top = f64::from((1u32 << bits.min(16)) - 1);
    (numbers, bits.min(16), window((0.0, top)))
}

/// The last decoded pictures: a page asks for the study first and for its pixels next.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    kept: Mutex<VecDeque<(String, Arc<Picture>)>>,
    making: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

/// Most bytes of pixels that are kept.
const KEPT: usize = 256 << 20;

impl Pictures {
    /// The picture of an object, decoded when it is not among the last ones. `key` stands for its content.
    ///
    /// # Errors
    /// As [`picture`].
    pub(crate) fn get(&self, key: &str, path: &Path) -> Result<Arc<Picture>> {
        if let Some(found) = self.find(key) {
            return Ok(found);
        }
        // Readers that open the same film wait for one to decode it.
        let turn = Arc::clone(self.making().entry(key.to_owned()).or_default());
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.find(key) {
            return Ok(found);
        }
        let made = picture(path).map(Arc::new);
        self.making().remove(key);
        let made = made?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front((key.to_owned(), Arc::clone(&made)));
        let mut sum = 0;
        kept.retain(|(_, picture)| {
            sum += picture.bytes.len();
            sum <= KEPT
        });
        Ok(made)
    }

    fn making(&self) -> MutexGuard<'_, HashMap<String, Arc<Mutex<()>>>> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The picture, when it is among the last ones.
    pub(crate) fn find(&self, key: &str) -> Option<Arc<Picture>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(k, _)| k == key)?;
        let entry = kept.remove(at)?;
        let found = Arc::clone(&entry.1);
        kept.push_front(entry);
        Some(found)
    }
}

/// A small picture as PNG, shown as the reader sees it, its longer side `size`.
///
/// # Errors
/// As [`hilum_dicom::load`].
pub(crate) fn thumbnail(path: &Path, size: usize) -> Result<Vec<u8>> {
    let loaded = hilum_dicom::load_frame(path, Recipe::default(), 0, &Limits::default())?;
    let small = fitted(&loaded.pixels.to_u8(), size)?;
    draw::encode_gray_png(&small).map_err(|e| RoomError::Internal(e.to_string()))
}

/// The picture within a square, never larger than it is.
pub(crate) fn fitted(plane: &Plane<u8>, size: usize) -> Result<Plane<u8>> {
    let longest = plane.width.max(plane.height);
    if longest <= size {
        return Ok(plane.clone());
    }
    let side = |n: usize| (n * size).div_ceil(longest).max(1);
    resize::resize_u8(plane, side(plane.width), side(plane.height), Kernel::PilBox)
        .map_err(|e| RoomError::Internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_dicom::write::{DxImage, encode};

    fn dx(values: &[u16], inverted: bool) -> Vec<u8> {
        encode(&DxImage {
            width: 3,
            height: 2,
            values,
            bits: 12,
            inverted,
            view_position: "PA",
            orientation: ["L", "F"],
            imager_pixel_mm: 0.2,
            source_to_detector_mm: 1800.0,
            source_to_patient_mm: 1600.0,
            derivation: "a test",
        })
        .unwrap()
    }

    fn open(bytes: &[u8]) -> Picture {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        picture(file.path()).unwrap()
    }

    fn numbers(picture: &Picture) -> Vec<u16> {
        let pairs = picture.bytes.chunks_exact(2);
        pairs.map(|b| u16::from_le_bytes([b[0], b[1]])).collect()
    }

    #[test]
    fn stored_values_stay_and_monochrome1_is_turned() {
        let values = [0, 1, 2, 4000, 4094, 4095];
        let plain = open(&dx(&values, false));
        assert_eq!(numbers(&plain), values);
        assert_eq!((plain.columns, plain.rows, plain.bits), (3, 2, 12));
        let turned = open(&dx(&values, true));
        assert_eq!(numbers(&turned), values.map(|v| 4095 - v));
        // A window over everything is black at 0 and white at the top, whichever way the values go.
        for p in [&plain, &turned] {
            assert!((p.window.center - 2047.5).abs() < 1e-9, "{:?}", p.window);
            assert!((p.window.width - 4095.0).abs() < 1e-9, "{:?}", p.window);
        }
    }

    #[test]
    fn halved_pixels_are_means_of_four() {
        let plain = open(&dx(&[0, 1, 2, 4000, 4094, 4095], false));
        let words = |bytes: axum::body::Bytes| -> Vec<u16> {
            let pairs = bytes.chunks_exact(2);
            pairs.map(|b| u16::from_le_bytes([b[0], b[1]])).collect()
        };
        // 3x2 becomes 2x1 and then 1x1.
        let once = [(1 + 4000 + 4094 + 2) / 4, (2 * (2 + 4095) + 2) / 4];
        assert_eq!(words(plain.halved(1)), once);
        assert_eq!(words(plain.halved(2)), [(2 * (once[0] + once[1]) + 2) / 4]);
        assert_eq!(words(plain.halved(6)).len(), 1);
        assert_eq!(plain.halved(0), plain.bytes);
    }

    #[test]
    fn what_is_shown_is_what_the_reader_sees() {
        let values = [0, 500, 1000, 2000, 3000, 4095];
        for inverted in [false, true] {
            let bytes = dx(&values, inverted);
            let shown = hilum_dicom::load_bytes(
                &bytes,
                Path::new("x"),
                Recipe::default(),
                0,
                &Limits::default(),
            )
            .unwrap();
            let p = open(&bytes);
            let low = p.window.center - p.window.width / 2.0;
            for (number, reader) in numbers(&p).iter().zip(&shown.pixels.data) {
                let level = (f64::from(*number) - low) / p.window.width * 255.0;
                assert!(
                    (level - f64::from(*reader)).abs() <= 1.0,
                    "{number} {reader}"
                );
            }
        }
    }

    #[test]
    fn the_last_pictures_are_kept() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), dx(&[0; 6], false)).unwrap();
        let pictures = Pictures::default();
        let first = pictures.get("a", file.path()).unwrap();
        let again = pictures.get("a", Path::new("/nowhere")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(pictures.get("b", Path::new("/nowhere")).is_err());
    }
}
