//! Pixel attributes and stored values of one frame.

use crate::codec::{self, Encoding, FrameSpec};
use crate::error::DicomError;
use crate::object::{EXPLICIT_BE, Object, text};
use dicom_core::value::{PixelFragmentSequence, Value};
use dicom_core::{DataElement, Tag};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use hilum_image::{ImageError, Limits, Plane};

/// Image Pixel module, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct PixelAttributes {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Samples per pixel, 1 or 3.
    pub samples: usize,
    /// Photometric Interpretation.
    pub photometric: String,
    /// Bits Allocated: 1, 8, 16 or 32.
    pub bits_allocated: u32,
    /// Bits Stored, at most Bits Allocated.
    pub bits_stored: u32,
    /// Pixel Representation: signed.
    pub signed: bool,
    /// Planar Configuration: samples plane by plane.
    pub planar: bool,
    /// Number of Frames.
    pub frames: usize,
}

/// Stored values of one frame, samples interleaved: `data[(y * width + x) * samples + s]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Samples per pixel: 1 grey, 3 RGB (YBR is converted).
    pub samples: usize,
    /// Values.
    pub data: Vec<i32>,
}

impl Frame {
    /// The frame as a plane; `None` for colour.
    pub fn into_plane(self) -> Option<Plane<i32>> {
        (self.samples == 1).then_some(Plane {
            width: self.width,
            height: self.height,
            data: self.data,
        })
    }
}

fn integer(
    data: &InMemDicomObject,
    tag: Tag,
    name: &'static str,
) -> Result<Option<u32>, DicomError> {
    let Some(value) = text(data, tag) else {
        return Ok(None);
    };
    let number = value.parse().map_err(|_| DicomError::BadAttribute {
        name,
        value,
        reason: "no whole number",
    })?;
    Ok(Some(number))
}

/// Reads and checks the Image Pixel module.
///
/// # Errors
/// Missing or senseless attributes, a size over the limits, a palette, an unknown photometric interpretation.
pub fn attributes(data: &InMemDicomObject, limits: &Limits) -> Result<PixelAttributes, DicomError> {
    let need = |tag, name| integer(data, tag, name)?.ok_or(DicomError::MissingAttribute { name });
    let rows = need(tags::ROWS, "Rows")?;
    let columns = need(tags::COLUMNS, "Columns")?;
    let bits_allocated = need(tags::BITS_ALLOCATED, "BitsAllocated")?;
    let bits_stored = integer(data, tags::BITS_STORED, "BitsStored")?.unwrap_or(bits_allocated);
    let samples = integer(data, tags::SAMPLES_PER_PIXEL, "SamplesPerPixel")?.unwrap_or(1);
    let frames = integer(data, tags::NUMBER_OF_FRAMES, "NumberOfFrames")?.unwrap_or(1);
    let photometric =
        text(data, tags::PHOTOMETRIC_INTERPRETATION).ok_or(DicomError::MissingAttribute {
            name: "PhotometricInterpretation",
        })?;
    check_numbers(rows, columns, bits_allocated, bits_stored, frames)?;
    check_photometric(&photometric, samples)?;
    limits.check(u64::from(columns), u64::from(rows))?;
    if u64::from(columns) * u64::from(rows) * u64::from(samples) * 4 > limits.max_bytes {
        return Err(ImageError::MemoryLimit {
            max_bytes: limits.max_bytes,
        }
        .into());
    }
    Ok(PixelAttributes {
        rows: rows as usize,
        columns: columns as usize,
        samples: samples as usize,
        photometric,
        bits_allocated,
        bits_stored,
        signed: integer(data, tags::PIXEL_REPRESENTATION, "PixelRepresentation")? == Some(1),
        planar: integer(data, tags::PLANAR_CONFIGURATION, "PlanarConfiguration")? == Some(1),
        frames: frames as usize,
    })
}

fn check_numbers(
    rows: u32,
    columns: u32,
    allocated: u32,
    stored: u32,
    frames: u32,
) -> Result<(), DicomError> {
    let bad = |name, value: u32, reason| {
        Err(DicomError::BadAttribute {
            name,
            value: value.to_string(),
            reason,
        })
    };
    if rows == 0 || rows > 65535 {
        return bad("Rows", rows, "1 to 65535 are allowed");
    }
    if columns == 0 || columns > 65535 {
        return bad("Columns", columns, "1 to 65535 are allowed");
    }
    if frames == 0 {
        return bad("NumberOfFrames", frames, "at least one is needed");
    }
    if !matches!(allocated, 1 | 8 | 16 | 32) {
        return Err(DicomError::UnsupportedPixels {
            what: format!("{allocated} bits allocated"),
        });
    }
    if stored == 0 || stored > allocated {
        return bad("BitsStored", stored, "1 to BitsAllocated are allowed");
    }
    Ok(())
}

fn check_photometric(value: &str, samples: u32) -> Result<(), DicomError> {
    let refuse = |reason| {
        Err(DicomError::UnsupportedPhotometric {
            value: value.to_owned(),
            reason,
        })
    };
    match (value, samples) {
        ("MONOCHROME1" | "MONOCHROME2", 1) => Ok(()),
        ("RGB" | "YBR_FULL" | "YBR_FULL_422" | "YBR_RCT" | "YBR_ICT", 3) => Ok(()),
        ("PALETTE COLOR", _) => refuse("palette indices are no intensities"),
        (
            "MONOCHROME1" | "MONOCHROME2" | "RGB" | "YBR_FULL" | "YBR_FULL_422" | "YBR_RCT"
            | "YBR_ICT",
            _,
        ) => refuse("it does not fit the number of samples per pixel"),
        _ => refuse("not a known grey or RGB encoding"),
    }
}

/// Stored values of one frame as pydicom's `pixel_array` gives them.
///
/// # Errors
/// See [`DicomError`].
pub fn stored(
    object: &Object,
    attributes: &PixelAttributes,
    frame: usize,
) -> Result<Frame, DicomError> {
    if frame >= attributes.frames {
        return Err(DicomError::NoSuchFrame {
            frame,
            frames: attributes.frames,
        });
    }
    let encoding = Encoding::of(&object.transfer_syntax).ok_or_else(|| {
        DicomError::UnsupportedTransferSyntax {
            uid: object.transfer_syntax.clone(),
        }
    })?;
    let element = pixel_element(&object.data)?;
    let spec = FrameSpec {
        columns: attributes.columns,
        rows: attributes.rows,
        samples: attributes.samples,
        bits_allocated: attributes.bits_allocated,
        ybr: attributes.photometric.starts_with("YBR"),
    };
    let mut data = match (encoding, element.value()) {
        (Encoding::Native, Value::Primitive(_)) => {
            native(object, attributes, element, &spec, frame)?
        }
        (Encoding::Native, Value::PixelSequence(fragments)) => {
            let bytes = frame_bytes(fragments, attributes.frames, frame, encoding)?;
            unpack(&bytes, 0, attributes, &spec, false)?
        }
        (Encoding::DeflatedFrame, Value::PixelSequence(fragments)) => {
            let bytes = frame_bytes(fragments, attributes.frames, frame, encoding)?;
            unpack(
                &codec::inflate(&bytes, &spec, frame)?,
                0,
                attributes,
                &spec,
                false,
            )?
        }
        (_, Value::PixelSequence(fragments)) => {
            let bytes = frame_bytes(fragments, attributes.frames, frame, encoding)?;
            codec::decode(encoding, &bytes, &spec, frame)?
        }
        _ => {
            return Err(DicomError::Parse {
                reason: "pixel data is not encapsulated although it is compressed".into(),
            });
        }
    };
    extend_sign(&mut data, attributes)?;
    if spec.ybr
        && matches!(
            encoding,
            Encoding::Native | Encoding::Rle | Encoding::DeflatedFrame | Encoding::JpegLs
        )
    {
        ybr_to_rgb(&mut data, attributes.bits_stored);
    }
    Ok(Frame {
        width: attributes.columns,
        height: attributes.rows,
        samples: attributes.samples,
        data,
    })
}

type Element = DataElement<InMemDicomObject, dicom_object::mem::InMemFragment>;

/// Pixel Data, or why there is none.
pub(crate) fn pixel_element(data: &InMemDicomObject) -> Result<&Element, DicomError> {
    if let Some(element) = crate::object::element(data, tags::PIXEL_DATA) {
        return Ok(element);
    }
    if data.get(tags::FLOAT_PIXEL_DATA).is_some()
        || data.get(tags::DOUBLE_FLOAT_PIXEL_DATA).is_some()
    {
        return Err(DicomError::UnsupportedPixels {
            what: "floating-point pixel data".into(),
        });
    }
    let or_unknown = |tag| text(data, tag).unwrap_or_else(|| "unknown".into());
    Err(DicomError::NoPixelData {
        modality: or_unknown(tags::MODALITY),
        sop_class: or_unknown(tags::SOP_CLASS_UID),
    })
}

fn native(
    object: &Object,
    attributes: &PixelAttributes,
    element: &Element,
    spec: &FrameSpec,
    frame: usize,
) -> Result<Vec<i32>, DicomError> {
    let bytes = element.to_bytes().map_err(|e| DicomError::Parse {
        reason: e.to_string(),
    })?;
    let swapped = object.transfer_syntax == EXPLICIT_BE && attributes.bits_allocated == 32;
    if attributes.photometric == "YBR_FULL_422" {
        let length = 2 * attributes.columns * attributes.rows;
        let packed = bytes
            .get(frame * length..(frame + 1) * length)
            .ok_or_else(|| too_short(&bytes, length, attributes))?;
        return Ok(packed
            .chunks_exact(4)
            .flat_map(|p| [p[0], p[2], p[3], p[1], p[2], p[3]].map(i32::from))
            .collect());
    }
    unpack(&bytes, frame, attributes, spec, swapped)
}

fn too_short(bytes: &[u8], frame: usize, attributes: &PixelAttributes) -> DicomError {
    DicomError::Truncated {
        what: format!(
            "{} bytes of pixel data for {} frames of {frame} bytes",
            bytes.len(),
            attributes.frames
        ),
    }
}

/// Little-endian samples of frame `frame`, planes interleaved. `swapped`: 32-bit values whose 16-bit halves are swapped.
fn unpack(
    bytes: &[u8],
    frame: usize,
    attributes: &PixelAttributes,
    spec: &FrameSpec,
    swapped: bool,
) -> Result<Vec<i32>, DicomError> {
    let count = attributes.columns * attributes.rows * attributes.samples;
    let short = || too_short(bytes, spec.bytes(), attributes);
    if attributes.bits_allocated == 1 {
        let first = frame * count;
        let bit = |i: usize| bytes.get(i / 8).map(|b| i32::from(b >> (i % 8) & 1));
        return (first..first + count)
            .map(bit)
            .collect::<Option<_>>()
            .ok_or_else(short);
    }
    let start = frame * spec.bytes();
    let own = bytes.get(start..start + spec.bytes()).ok_or_else(short)?;
    let values: Vec<i32> = match attributes.bits_allocated {
        8 => own.iter().map(|&b| i32::from(b)).collect(),
        16 => own
            .chunks_exact(2)
            .map(|b| i32::from(u16::from_le_bytes([b[0], b[1]])))
            .collect(),
        _ if swapped => own
            .chunks_exact(4)
            .map(|b| i32::from_le_bytes([b[2], b[3], b[0], b[1]]))
            .collect(),
        _ => own
            .chunks_exact(4)
            .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect(),
    };
    if attributes.planar && attributes.samples > 1 {
        let pixels = attributes.columns * attributes.rows;
        return Ok((0..pixels)
            .flat_map(|i| (0..attributes.samples).map(move |s| (i, s)))
            .map(|(i, s)| values[s * pixels + i])
            .collect());
    }
    Ok(values)
}

/// Keeps the stored bits and takes the sign from Pixel Representation.
fn extend_sign(data: &mut [i32], attributes: &PixelAttributes) -> Result<(), DicomError> {
    if attributes.bits_stored == 32 {
        if !attributes.signed && data.iter().any(|&v| v < 0) {
            return Err(DicomError::UnsupportedPixels {
                what: "unsigned 32-bit values over 2147483647".into(),
            });
        }
        return Ok(());
    }
    let shift = 32 - attributes.bits_stored;
    if attributes.signed {
        data.iter_mut().for_each(|v| *v = *v << shift >> shift);
    } else {
        let mask = (1i32 << attributes.bits_stored).wrapping_sub(1);
        data.iter_mut().for_each(|v| *v &= mask);
    }
    Ok(())
}

/// PS3.3 C.7.6.3.1.2, rounded half up and clipped.
fn ybr_to_rgb(data: &mut [i32], bits: u32) {
    let (half, top) = (
        f64::from(1u32 << (bits - 1)),
        f64::from(((1u64 << bits) - 1) as u32),
    );
    for px in data.chunks_exact_mut(3) {
        let (y, cb, cr) = (
            f64::from(px[0]),
            f64::from(px[1]) - half,
            f64::from(px[2]) - half,
        );
        let rgb = [
            y + 1.402 * cr,
            y - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587,
            y + 1.772 * cb,
        ];
        for (target, value) in px.iter_mut().zip(rgb) {
            *target = (value + 0.5).floor().clamp(0.0, top) as i32;
        }
    }
}

/// The bytes of one frame: one fragment a frame, all fragments for a single frame, else by the basic offset table.
fn frame_bytes<'a>(
    sequence: &'a PixelFragmentSequence<dicom_object::mem::InMemFragment>,
    frames: usize,
    frame: usize,
    encoding: Encoding,
) -> Result<std::borrow::Cow<'a, [u8]>, DicomError> {
    use std::borrow::Cow;
    let fragments = sequence.fragments();
    if fragments.is_empty() {
        return Err(DicomError::Truncated {
            what: "no fragment of pixel data".into(),
        });
    }
    if frames == 1 {
        return Ok(if fragments.len() == 1 {
            Cow::Borrowed(&fragments[0][..])
        } else {
            Cow::Owned(fragments.concat())
        });
    }
    if fragments.len() == frames {
        return Ok(Cow::Borrowed(&fragments[frame][..]));
    }
    let offsets = sequence.offset_table();
    let lost = || DicomError::Decode {
        codec: encoding.name(),
        frame,
        reason: format!(
            "{} fragments for {frames} frames and no offset table",
            fragments.len()
        ),
    };
    if offsets.len() != frames {
        return Err(lost());
    }
    let (from, to) = (
        offsets[frame],
        offsets.get(frame + 1).copied().unwrap_or(u32::MAX),
    );
    let mut at = 0u32;
    let mut own = Vec::new();
    for fragment in fragments {
        if (from..to).contains(&at) {
            own.extend_from_slice(fragment);
        }
        at = at.saturating_add(8).saturating_add(fragment.len() as u32);
    }
    if own.is_empty() {
        Err(lost())
    } else {
        Ok(Cow::Owned(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(bits_stored: u32, signed: bool) -> PixelAttributes {
        PixelAttributes {
            rows: 1,
            columns: 2,
            samples: 1,
            photometric: "MONOCHROME2".into(),
            bits_allocated: 16,
            bits_stored,
            signed,
            planar: false,
            frames: 1,
        }
    }

    #[test]
    fn signs_come_from_the_stored_bits() {
        let mut data = vec![0x0FFF, 0x0001];
        extend_sign(&mut data, &grey(12, true)).unwrap();
        assert_eq!(data, vec![-1, 1]);
        let mut data = vec![0xFFFF, 0x0001];
        extend_sign(&mut data, &grey(12, false)).unwrap();
        assert_eq!(data, vec![0x0FFF, 1]);
    }

    #[test]
    fn grey_ybr_stays_grey() {
        let mut data = vec![77, 128, 128];
        ybr_to_rgb(&mut data, 8);
        assert_eq!(data, vec![77, 77, 77]);
    }

    #[test]
    fn palettes_are_refused_with_a_reason() {
        assert!(matches!(
            check_photometric("PALETTE COLOR", 1),
            Err(DicomError::UnsupportedPhotometric { .. })
        ));
        assert!(check_photometric("RGB", 1).is_err());
    }
}
