//! A walk over the element headers before the real parse. dicom-rs makes room for an element before it reads it, so a
//! length of 4 GB in a file of 100 bytes would take 4 GB of memory; here every length is held against what is left. The
//! walk must see the same headers as the parser, so lengths at which the parser would lose its step are refused too.

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
/// Most sequences and items inside each other: the parser calls itself for each, and would run out of stack on a file
/// that is nothing but nesting. Structured reports have about thirty.
const MAX_NESTING: usize = 128;
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

struct Header {
    tag: Tag,
    vr: VR,
    length: u32,
    size: usize,
}

impl Header {
    /// Bytes of one value; the parser reads whole values only and would go on in the middle of a broken one.
    fn unit(&self) -> u32 {
        match self.vr {
            VR::US | VR::SS | VR::OW => 2,
            VR::UL | VR::SL | VR::FL | VR::AT | VR::OF | VR::OL => 4,
            VR::FD | VR::OD | VR::OV | VR::SV | VR::UV => 8,
            _ => 1,
        }
    }

    fn check(&self) -> Result<(), DicomError> {
        let reason = if self.length == UNDEFINED
            && !matches!(self.vr, VR::SQ | VR::UN)
            && self.tag != PIXEL_DATA
        {
            "cannot have an undefined length".to_owned()
        } else if self.length != UNDEFINED && !self.length.is_multiple_of(self.unit()) {
            format!("has {} bytes, which are no whole values", self.length)
        } else {
            return Ok(());
        };
        Err(DicomError::Parse {
            reason: format!("element {} {} {reason}", self.tag, self.vr.to_string()),
        })
    }
}

/// Checks all lengths. Returns where the data set ends: the end of the bytes, or the end of the last element when what
/// follows the pixel data cannot be read (some writers leave garbage there).
///
/// # Errors
/// [`DicomError::Truncated`] with the element whose value is not all there.
pub(crate) fn checked_end(bytes: &[u8], coding: Coding) -> Result<usize, DicomError> {
    let (mut at, mut depth, mut after_pixels, mut seen_pixels) = (0usize, 0usize, None, false);
    let mut pixels = Pixels::None;
    let mut nesting = Nesting::default();
    while at < bytes.len() {
        nesting.reach(at);
        let Some(h) = header(bytes, at, coding) else {
            return after_pixels.ok_or_else(|| DicomError::Truncated {
                what: format!("inside the element header at byte {at}"),
            });
        };
        at += h.size;
        let left = bytes.len() - at;
        let fits = h.length as usize <= left;
        match h.tag {
            SEQUENCE_END => {
                nesting.close();
                depth = depth.saturating_sub(1);
                pixels = Pixels::None;
            }
            ITEM if pixels != Pixels::None => {
                if !fits {
                    return Err(short(h.tag, h.length, left));
                }
                if pixels == Pixels::Offsets && !h.length.is_multiple_of(4) {
                    return Err(DicomError::Parse {
                        reason: format!("an offset table of {} bytes", h.length),
                    });
                }
                pixels = Pixels::Fragments;
                at += h.length as usize;
            }
            ITEM => nesting.open(at, h.length)?,
            ITEM_END => nesting.close(),
            Tag(0xFFFE, _) => {
                return after_pixels.ok_or_else(|| DicomError::Parse {
                    reason: format!("unknown delimiter {}", h.tag),
                });
            }
            _ => {
                if let Err(error) = h.check() {
                    return after_pixels.ok_or(error);
                }
                if h.length == UNDEFINED || h.vr == VR::SQ {
                    nesting.open(at, h.length)?;
                }
                if h.length == UNDEFINED {
                    depth += 1;
                    pixels = if h.tag == PIXEL_DATA {
                        Pixels::Offsets
                    } else {
                        Pixels::None
                    };
                } else if h.vr != VR::SQ {
                    if !fits {
                        return after_pixels.ok_or_else(|| short(h.tag, h.length, left));
                    }
                    at += h.length as usize;
                }
            }
        }
        seen_pixels |= h.tag == PIXEL_DATA && depth <= 1;
        if depth == 0 && seen_pixels {
            after_pixels = Some(at);
        }
    }
    Ok(at)
}

/// The sequences and items that are open: where each ends, the largest number for those that end by a delimiter.
#[derive(Debug, Default)]
struct Nesting(Vec<usize>);

impl Nesting {
    fn open(&mut self, at: usize, length: u32) -> Result<(), DicomError> {
        if self.0.len() >= MAX_NESTING {
            return Err(DicomError::Parse {
                reason: format!("more than {MAX_NESTING} sequences and items inside each other"),
            });
        }
        self.0.push(match length {
            UNDEFINED => usize::MAX,
            length => at.saturating_add(length as usize),
        });
        Ok(())
    }

    /// A delimiter closes the innermost one that waits for it, and what is inside.
    fn close(&mut self) {
        if let Some(open) = self.0.iter().rposition(|&end| end == usize::MAX) {
            self.0.truncate(open);
        }
    }

    fn reach(&mut self, at: usize) {
        while self.0.last().is_some_and(|&end| end <= at) {
            self.0.pop();
        }
    }
}

/// Where the walk is inside encapsulated pixel data: its first item is the offset table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pixels {
    None,
    Offsets,
    Fragments,
}

fn short(tag: Tag, length: u32, left: usize) -> DicomError {
    DicomError::Truncated {
        what: format!("element {tag} has {length} bytes, {left} are left"),
    }
}

fn header(bytes: &[u8], at: usize, coding: Coding) -> Option<Header> {
    let head: [u8; 8] = bytes.get(at..at + 8)?.try_into().ok()?;
    let two = |i: usize| {
        let b = [head[i], head[i + 1]];
        if coding == Coding::ExplicitBig {
            u16::from_be_bytes(b)
        } else {
            u16::from_le_bytes(b)
        }
    };
    let tag = Tag(two(0), two(2));
    let four = |b: [u8; 4]| {
        if coding == Coding::ExplicitBig {
            u32::from_be_bytes(b)
        } else {
            u32::from_le_bytes(b)
        }
    };
    let plain = four([head[4], head[5], head[6], head[7]]);
    if tag.0 == 0xFFFE {
        return Some(Header {
            tag,
            vr: VR::UN,
            length: plain,
            size: 8,
        });
    }
    if coding == Coding::Implicit {
        let vr = StandardDataDictionary
            .by_tag(tag)
            .map_or(VR::UN, |e| e.vr().relaxed());
        return Some(Header {
            tag,
            vr,
            length: plain,
            size: 8,
        });
    }
    let vr = VR::from_binary([head[4], head[5]]).unwrap_or(VR::UN);
    if is_short(vr) {
        return Some(Header {
            tag,
            vr,
            length: u32::from(two(6)),
            size: 8,
        });
    }
    let length = four(bytes.get(at + 8..at + 12)?.try_into().ok()?);
    Some(Header {
        tag,
        vr,
        length,
        size: 12,
    })
}

/// Value representations whose explicit length has two bytes (PS3.5 7.1.2).
fn is_short(vr: VR) -> bool {
    use VR::{AE, AS, AT, CS, DA, DS, DT, FD, FL, IS, LO, LT, PN, SH, SL, SS, ST, TM, UI, UL, US};
    matches!(
        vr,
        AE | AS
            | AT
            | CS
            | DA
            | DS
            | DT
            | FD
            | FL
            | IS
            | LO
            | LT
            | PN
            | SH
            | SL
            | SS
            | ST
            | TM
            | UI
            | UL
            | US
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_data_is_found_also_inside_sequences() {
        let flat = b"\x10\0\x20\0LO\x10\0abc";
        assert!(matches!(
            checked_end(flat, Coding::Explicit),
            Err(DicomError::Truncated { .. })
        ));
        let mut nested =
            b"\x08\0\x15\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF".to_vec();
        nested.extend(b"\x10\0\x20\0UT\0\0\xF0\xFF\xFF\xFFab");
        assert!(matches!(
            checked_end(&nested, Coding::Explicit),
            Err(DicomError::Truncated { .. })
        ));
        let implicit =
            b"\x08\0\x15\x11\x20\0\0\0\xFE\xFF\x00\xE0\x18\0\0\0\x10\0\x20\0\xF0\xFF\xFF\x7Fab";
        assert!(matches!(
            checked_end(implicit, Coding::Implicit),
            Err(DicomError::Truncated { .. })
        ));
    }

    #[test]
    fn a_value_that_is_no_whole_number_of_values_is_refused() {
        let broken = b"\x28\0\x03\x01FD\x02\0\0\0";
        assert!(matches!(
            checked_end(broken, Coding::Explicit),
            Err(DicomError::Parse { .. })
        ));
        let implicit = b"\x28\0\x10\0\x03\0\0\0abc";
        assert!(matches!(
            checked_end(implicit, Coding::Implicit),
            Err(DicomError::Parse { .. })
        ));
    }

    #[test]
    fn nesting_has_an_end() {
        let refused = |bytes: &[u8], coding| {
            let error = checked_end(bytes, coding).unwrap_err().to_string();
            assert!(error.contains("inside each other"), "{error}");
        };
        // Explicit, undefined lengths.
        let level = b"\x08\0\x15\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF";
        refused(&level.repeat(100_000), Coding::Explicit);
        // Implicit, defined lengths: each sequence holds the rest of the file.
        let levels = 1000u32;
        let mut bytes = Vec::new();
        for left in (0..levels).rev() {
            bytes.extend(b"\x08\0\x15\x11");
            bytes.extend((left * 16 + 8).to_le_bytes());
            bytes.extend(b"\xFE\xFF\x00\xE0");
            bytes.extend((left * 16).to_le_bytes());
        }
        refused(&bytes, Coding::Implicit);
        // Many beside each other are fine.
        let beside = b"\x08\0\x15\x11SQ\0\0\x08\0\0\0\xFE\xFF\x00\xE0\0\0\0\0";
        assert!(checked_end(&beside.repeat(1000), Coding::Explicit).is_ok());
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
