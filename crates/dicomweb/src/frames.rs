//! Frames of an object: as stored, or decoded.

use crate::error::{Result, WebError};
use crate::metadata;
use dicom_core::DicomValue;
use dicom_dictionary_std::tags;
use hilum_dicom::object::Object;
use hilum_dicom::{DicomError, DicomImage, Limits};
use std::path::Path;

/// A frame and its media type.
pub(crate) struct FrameData {
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
}

/// An object whose frames are asked for. It is read once, whatever the number of frames.
pub(crate) enum Opened {
    /// Frames are decoded.
    Decoded(Box<DicomImage>),
    /// Frames are given as they are stored.
    Stored {
        /// All of it.
        object: Box<Object>,
        /// How it is compressed.
        transfer_syntax: String,
    },
}

impl Opened {
    /// Reads an object to give its frames as samples.
    pub(crate) fn to_decode(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| WebError::Internal(e.to_string()))?;
        let image = DicomImage::from_bytes(&bytes, &Limits::default())?;
        Ok(Opened::Decoded(Box::new(image)))
    }

    /// Reads an object to give its frames as they are stored; samples where nothing is compressed.
    pub(crate) fn as_stored(path: &Path, transfer_syntax: &str) -> Result<Self> {
        let object = metadata::whole(path)?;
        let no_pixels = || WebError::NotAcceptable("the object has no pixel data".to_owned());
        let element = object.data.get(tags::PIXEL_DATA).ok_or_else(no_pixels)?;
        if !matches!(element.value(), DicomValue::PixelSequence(_)) {
            return Opened::to_decode(path);
        }
        Ok(Opened::Stored {
            object: Box::new(object),
            transfer_syntax: transfer_syntax.to_owned(),
        })
    }

    /// How many frames there are.
    fn frames(&self) -> usize {
        match self {
            Opened::Decoded(image) => image.attributes.frames,
            Opened::Stored { object, .. } => object
                .data
                .get(tags::NUMBER_OF_FRAMES)
                .and_then(|e| e.to_int::<usize>().ok())
                .unwrap_or(1),
        }
    }

    /// Whether there are all of these.
    ///
    /// # Errors
    /// The first one that is not there.
    pub(crate) fn check(&self, wanted: &[usize]) -> Result<()> {
        let frames = self.frames();
        match wanted.iter().find(|frame| **frame >= frames) {
            Some(&frame) => Err(DicomError::NoSuchFrame { frame, frames }.into()),
            None => Ok(()),
        }
    }

    /// One frame.
    pub(crate) fn frame(&self, frame: usize) -> Result<FrameData> {
        match self {
            Opened::Decoded(image) => decoded(image, frame),
            Opened::Stored {
                object,
                transfer_syntax,
            } => {
                let kind = media_type(transfer_syntax);
                Ok(FrameData {
                    kind: format!("{kind}; transfer-syntax={transfer_syntax}"),
                    bytes: compressed(object, frame, self.frames())?,
                })
            }
        }
    }
}

/// Samples of a frame as in explicit little endian: interleaved, as many bytes as Bits Allocated says. Colour is RGB.
fn decoded(image: &DicomImage, frame: usize) -> Result<FrameData> {
    let stored = image.stored(frame)?;
    let bytes = match image.attributes.bits_allocated {
        1 => packed(&stored.data),
        8 => stored.data.iter().map(|v| v.to_le_bytes()[0]).collect(),
        16 => stored
            .data
            .iter()
            .flat_map(|v| [v.to_le_bytes()[0], v.to_le_bytes()[1]])
            .collect(),
        _ => stored.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    Ok(FrameData {
        kind: "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1".to_owned(),
        bytes,
    })
}

/// Bits of a frame, the first one lowest.
fn packed(values: &[i32]) -> Vec<u8> {
    let byte = |bits: &[i32]| {
        bits.iter()
            .enumerate()
            .fold(0u8, |b, (i, &v)| b | u8::from(v != 0) << i)
    };
    values.chunks(8).map(byte).collect()
}

/// The compressed bytes of a frame, as they are stored.
fn compressed(object: &Object, frame: usize, frames: usize) -> Result<Vec<u8>> {
    let no_pixels = || WebError::NotAcceptable("the object has no pixel data".to_owned());
    let element = object.data.get(tags::PIXEL_DATA).ok_or_else(no_pixels)?;
    let DicomValue::PixelSequence(sequence) = element.value() else {
        return Err(no_pixels());
    };
    if frame >= frames {
        return Err(DicomError::NoSuchFrame { frame, frames }.into());
    }
    let fragments = sequence.fragments();
    if fragments.len() == frames {
        Ok(fragments[frame].clone())
    } else if frames == 1 {
        Ok(fragments.concat())
    } else {
        by_offsets(sequence.offset_table(), fragments, frame)
    }
}

/// The fragments between a frame's offset and the next one's. Offsets count from the first fragment's item tag.
fn by_offsets(offsets: &[u32], fragments: &[Vec<u8>], frame: usize) -> Result<Vec<u8>> {
    let start = offsets.get(frame).copied().ok_or_else(|| {
        WebError::NotAcceptable("frames in several fragments without an offset table".to_owned())
    })?;
    let end = offsets.get(frame + 1).copied().unwrap_or(u32::MAX);
    let (mut at, mut bytes) = (0u64, Vec::new());
    for fragment in fragments {
        if at >= u64::from(start) && at < u64::from(end) {
            bytes.extend_from_slice(fragment);
        }
        at += fragment.len() as u64 + 8;
    }
    Ok(bytes)
}

/// Media type of compressed frames (PS3.18, table 8.7.3-5).
pub(crate) fn media_type(transfer_syntax: &str) -> &'static str {
    match transfer_syntax.strip_prefix("1.2.840.10008.1.2.") {
        Some("4.50" | "4.51" | "4.57" | "4.70") => "image/jpeg",
        Some("4.80" | "4.81") => "image/jls",
        Some("4.90" | "4.91" | "4.201" | "4.202" | "4.203") => "image/jp2",
        Some("4.92" | "4.93") => "image/jpx",
        Some("5") => "image/dicom-rle",
        _ => "application/octet-stream",
    }
}

/// Frame numbers of a path, from 1 there and from 0 here. A frame that is asked for twice is refused: the answer would have no end.
pub(crate) fn numbers(list: &str) -> Result<Vec<usize>> {
    let wrong = || {
        WebError::BadRequest("frames are numbers from 1, each once, separated by commas".to_owned())
    };
    let mut seen = std::collections::HashSet::new();
    list.split(',')
        .map(|n| {
            let number = n.trim().parse::<usize>().ok();
            let frame = number.and_then(|n| n.checked_sub(1)).ok_or_else(wrong)?;
            seen.insert(frame).then_some(frame).ok_or_else(wrong)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_lists_and_packed_bits() {
        assert_eq!(numbers("1,3").unwrap(), [0, 2]);
        assert!(numbers("0").is_err() && numbers("").is_err() && numbers("a").is_err());
        assert!(numbers("1,1").is_err() && numbers("2,1,2").is_err());
        assert_eq!(packed(&[1, 0, 0, 0, 0, 0, 0, 1, 1]), [0x81, 0x01]);
    }

    #[test]
    fn frames_in_several_fragments_are_put_together_by_offsets() {
        let fragments = vec![vec![1u8, 2], vec![3, 4], vec![5, 6]];
        assert_eq!(by_offsets(&[0, 20], &fragments, 0).unwrap(), [1, 2, 3, 4]);
        assert_eq!(by_offsets(&[0, 20], &fragments, 1).unwrap(), [5, 6]);
        assert!(by_offsets(&[], &fragments, 0).is_err());
    }
}
