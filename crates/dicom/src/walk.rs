//! A walk over the element headers before the real parse. dicom-rs makes room for an element before it reads it, so a
//! length of 4 GB in a file of 100 bytes would take 4 GB of memory; here every length is held against what is left.

use crate::error::DicomError;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Implicit,
    Explicit,
    ExplicitBig,
}

const UNDEFINED: u32 = u32::MAX;
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

struct Header {
    tag: Tag,
    sequence: bool,
    length: u32,
    size: usize,
}

/// Checks all lengths. Returns where the data set ends: the end of the bytes, or the end of the last element when what
/// follows the pixel data cannot be read (some writers leave garbage there).
///
/// # Errors
/// [`DicomError::Truncated`] with the element whose value is not all there.
pub(crate) fn checked_end(bytes: &[u8], coding: Coding) -> Result<usize, DicomError> {
    let (mut at, mut after_pixels, mut in_pixels, mut seen_pixels) = (0usize, None, false, false);
    // Coding of every open undefined length, so that the end of one restores what was before.
    let mut open: Vec<Coding> = Vec::new();
    let mut now = coding;
    while at < bytes.len() {
        let Some(h) = header(bytes, at, now) else {
            return after_pixels.ok_or_else(|| DicomError::Truncated { what: format!("inside the element header at byte {at}") });
        };
        at += h.size;
        let left = bytes.len() - at;
        match (h.tag, h.length) {
            (Tag(0xFFFE, 0xE0DD), _) => {
                now = open.pop().unwrap_or(coding);
                in_pixels = false;
            }
            (Tag(0xFFFE, 0xE000), length) if in_pixels && length as usize > left => return Err(short(h.tag, length, left)),
            (Tag(0xFFFE, 0xE000), length) if in_pixels => at += length as usize,
            (Tag(0xFFFE, _), _) => {}
            (tag, UNDEFINED) => {
                open.push(now);
                in_pixels = tag == PIXEL_DATA;
                if !h.sequence && !in_pixels {
                    now = Coding::Implicit;
                }
            }
            (_, _) if h.sequence => {}
            (tag, length) if length as usize > left => return after_pixels.ok_or_else(|| short(tag, length, left)),
            (_, length) => at += length as usize,
        }
        seen_pixels |= h.tag == PIXEL_DATA && open.len() <= 1;
        if open.is_empty() && seen_pixels {
            after_pixels = Some(at);
        }
    }
    Ok(at)
}

fn short(tag: Tag, length: u32, left: usize) -> DicomError {
    DicomError::Truncated { what: format!("element {tag} has {length} bytes, {left} are left") }
}

fn header(bytes: &[u8], at: usize, coding: Coding) -> Option<Header> {
    let head: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
    let two = |i: usize| {
        let b = [head[i], head[i + 1]];
        if coding == Coding::ExplicitBig { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) }
    };
    let tag = Tag(two(0), two(2));
    let four = |b: [u8; 4]| if coding == Coding::ExplicitBig { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) };
    let plain = four([head[4], head[5], head[6], head[7]]);
    if tag.0 == 0xFFFE {
        return Some(Header { tag, sequence: false, length: plain, size: 8 });
    }
    if coding == Coding::Implicit {
        let vr = StandardDataDictionary.by_tag(tag).and_then(|e| e.vr().exact());
        return Some(Header { tag, sequence: vr == Some(VR::SQ), length: plain, size: 8 });
    }
    let vr = &head[4..6];
    const SHORT: [&[u8; 2]; 20] = [
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL",
    ];
    if vr == b"US" || SHORT.iter().any(|s| &s[..] == vr) {
        return Some(Header { tag, sequence: false, length: u32::from(two(6)), size: 8 });
    }
    let length = four(bytes.get(at + 8..at + 12)?.try_into().ok()?);
    Some(Header { tag, sequence: vr == b"SQ", length, size: 12 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_data_is_found_also_inside_sequences() {
        let flat = b"\x10\0\x20\0LO\x10\0abc";
        assert!(matches!(checked_end(flat, Coding::Explicit), Err(DicomError::Truncated { .. })));
        let mut nested = b"\x08\0\x15\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF".to_vec();
        nested.extend(b"\x10\0\x20\0UT\0\0\xF0\xFF\xFF\xFFab");
        assert!(matches!(checked_end(&nested, Coding::Explicit), Err(DicomError::Truncated { .. })));
        let implicit = b"\x08\0\x15\x11\x20\0\0\0\xFE\xFF\x00\xE0\x18\0\0\0\x10\0\x20\0\xF0\xFF\xFF\x7Fab";
        assert!(matches!(checked_end(implicit, Coding::Implicit), Err(DicomError::Truncated { .. })));
    }

    #[test]
    fn garbage_behind_the_pixels_is_cut_off() {
        let mut bytes = b"\xE0\x7F\x10\0OW\0\0\x02\0\0\0ab".to_vec();
        let end = bytes.len();
        assert_eq!(checked_end(&bytes, Coding::Explicit).unwrap(), end);
        bytes.extend(b"GARBAGE");
        assert_eq!(checked_end(&bytes, Coding::Explicit).unwrap(), end);
    }
}
