//! From bytes to a data set: preamble, file meta information (also when either is missing), transfer syntax.

use crate::error::DicomError;
use crate::walk::{self, Coding};
use dicom_core::Tag;
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use hilum_image::guard;
use std::error::Error;
use std::io::Read;

/// Implicit VR little endian.
pub const IMPLICIT_LE: &str = "1.2.840.10008.1.2";
/// Explicit VR little endian.
pub const EXPLICIT_LE: &str = "1.2.840.10008.1.2.1";
/// Explicit VR big endian (retired).
pub const EXPLICIT_BE: &str = "1.2.840.10008.1.2.2";

/// Deflated explicit VR little endian.
pub const DEFLATED_LE: &str = "1.2.840.10008.1.2.1.99";

/// A parsed object.
#[derive(Debug, Clone)]
pub struct Object {
    /// The data set without the file meta group.
    pub data: InMemDicomObject,
    /// Transfer syntax of the file meta information, or what the first element looks like.
    pub transfer_syntax: String,
    /// True when the file does not state its transfer syntax.
    pub guessed: bool,
}

/// True when the bytes have the DICOM prefix or start with a plausible data element.
pub fn looks_like_dicom(bytes: &[u8]) -> bool {
    has_prefix(bytes) || guess_syntax(bytes).is_some()
}

/// True when the bytes have the DICOM prefix.
pub(crate) fn has_prefix(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM") || bytes.starts_with(b"DICM")
}

/// Parses a DICOM file or a bare data set.
///
/// # Errors
/// [`DicomError::NotDicom`], [`DicomError::Truncated`], [`DicomError::Parse`],
/// [`DicomError::UnsupportedTransferSyntax`] for an unknown one.
pub fn parse(bytes: &[u8]) -> Result<Object, DicomError> {
    let start = match bytes.get(128..132) {
        Some(b"DICM") => 132,
        _ if bytes.starts_with(b"DICM") => 4,
        _ => 0,
    };
    let (stated, data_start) = read_meta(bytes, start)?;
    let rest = &bytes[data_start..];
    if rest.is_empty() && start > 0 {
        return Err(DicomError::Truncated {
            what: "no data set after the file meta information".into(),
        });
    }
    let guessed = stated.is_none();
    let transfer_syntax = match stated {
        Some(uid) => uid,
        None => guess_syntax(rest).ok_or(DicomError::NotDicom)?.to_owned(),
    };
    let coding = element_coding(rest, &transfer_syntax);
    let data = guard::catch(|| read_data_set(rest, coding))
        .unwrap_or_else(|reason| Err(DicomError::Parse { reason }))?;
    Ok(Object {
        data,
        transfer_syntax,
        guessed,
    })
}

/// The syntax to parse elements with. Some writers state an explicit syntax and write implicit elements, or the reverse;
/// the first element tells.
fn element_coding<'a>(data: &[u8], stated: &'a str) -> &'a str {
    let deflated = stated == DEFLATED_LE || stated == "1.2.840.10008.1.2.4.95";
    match guess_syntax(data) {
        Some(IMPLICIT_LE) if stated != IMPLICIT_LE && stated != EXPLICIT_BE && !deflated => {
            IMPLICIT_LE
        }
        Some(EXPLICIT_LE) if stated == IMPLICIT_LE => EXPLICIT_LE,
        _ => stated,
    }
}

/// Most bytes that a deflated data set may inflate to.
const MAX_INFLATED: u64 = 1 << 30;

fn read_data_set(bytes: &[u8], uid: &str) -> Result<InMemDicomObject, DicomError> {
    let syntax =
        TransferSyntaxRegistry
            .get(uid)
            .ok_or_else(|| DicomError::UnsupportedTransferSyntax {
                uid: uid.to_owned(),
            })?;
    if uid == DEFLATED_LE {
        let mut inflated = Vec::new();
        let read = flate2::read::DeflateDecoder::new(bytes)
            .take(MAX_INFLATED)
            .read_to_end(&mut inflated);
        read.map_err(|e| DicomError::Truncated {
            what: format!("in the deflated data set: {e}"),
        })?;
        return read_data_set(&inflated, EXPLICIT_LE);
    }
    let coding = match uid {
        IMPLICIT_LE => Coding::Implicit,
        EXPLICIT_BE => Coding::ExplicitBig,
        _ => Coding::Explicit,
    };
    let end = walk::checked_end(bytes, coding)?;
    InMemDicomObject::read_dataset_with_ts(&bytes[..end], syntax).map_err(|error| {
        let reason = chain(&error);
        if ends_early(&error) {
            DicomError::Truncated { what: reason }
        } else {
            DicomError::Parse { reason }
        }
    })
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut link = error.source();
    while let Some(e) = link {
        text.push_str(": ");
        text.push_str(&e.to_string());
        link = e.source();
    }
    text
}

fn ends_early(error: &(dyn Error + 'static)) -> bool {
    let mut link: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(e) = link {
        if e.downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::UnexpectedEof)
        {
            return true;
        }
        if matches!(
            e.downcast_ref(),
            Some(dicom_object::ReadError::PrematureEnd { .. })
        ) {
            return true;
        }
        link = e.source();
    }
    false
}

/// Walks group 0002 without trusting its group length. Returns the transfer syntax and where the data set starts.
fn read_meta(bytes: &[u8], start: usize) -> Result<(Option<String>, usize), DicomError> {
    let (mut at, mut syntax) = (start, None);
    while let Some(head) = bytes.get(at..at + 8) {
        if u16::from_le_bytes([head[0], head[1]]) != 2 {
            break;
        }
        let (value_at, length) = meta_element(bytes, at)?;
        let end = value_at
            .checked_add(length)
            .filter(|&end| end <= bytes.len());
        let end = end.ok_or_else(|| DicomError::Truncated {
            what: "inside the file meta information".into(),
        })?;
        if head[2..4] == [0x10, 0x00] {
            let text = String::from_utf8_lossy(&bytes[value_at..end]);
            syntax = Some(text.trim_end_matches(['\0', ' ']).trim().to_owned())
                .filter(|s| !s.is_empty());
        }
        at = end;
    }
    Ok((syntax, at))
}

/// Start and length of the value of the element at `at`, whether its VR is explicit or not.
fn meta_element(bytes: &[u8], at: usize) -> Result<(usize, usize), DicomError> {
    let cut = || DicomError::Truncated {
        what: "inside the file meta information".into(),
    };
    let vr = &bytes[at + 4..at + 6];
    if !vr.iter().all(u8::is_ascii_uppercase) {
        let length =
            u32::from_le_bytes([bytes[at + 4], bytes[at + 5], bytes[at + 6], bytes[at + 7]]);
        return Ok((at + 8, length as usize));
    }
    if matches!(
        vr,
        b"OB"
            | b"OW"
            | b"OF"
            | b"OD"
            | b"OL"
            | b"OV"
            | b"SQ"
            | b"UC"
            | b"UN"
            | b"UR"
            | b"UT"
            | b"SV"
            | b"UV"
    ) {
        let length = bytes.get(at + 8..at + 12).ok_or_else(cut)?;
        return Ok((
            at + 12,
            u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize,
        ));
    }
    Ok((
        at + 8,
        usize::from(u16::from_le_bytes([bytes[at + 6], bytes[at + 7]])),
    ))
}

/// The encoding that the first element looks like. Data sets start with a low even group.
fn guess_syntax(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.get(..8)?;
    let little = u16::from_le_bytes([head[0], head[1]]);
    let big = u16::from_be_bytes([head[0], head[1]]);
    let plausible = |group: u16| {
        matches!(
            group,
            0x0002 | 0x0004 | 0x0008 | 0x0010 | 0x0018 | 0x0020 | 0x0028
        )
    };
    let explicit = head[4..6].iter().all(u8::is_ascii_uppercase);
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    if explicit && plausible(little) {
        Some(EXPLICIT_LE)
    } else if explicit && plausible(big) {
        Some(EXPLICIT_BE)
    } else if plausible(little)
        && length <= bytes.len() - 8
        && length.is_multiple_of(2)
        && length < 1 << 16
    {
        Some(IMPLICIT_LE)
    } else {
        None
    }
}

/// The element of a tag, if it is there and not empty.
pub fn element(data: &InMemDicomObject, tag: Tag) -> Option<&InMemElement> {
    data.get(tag).filter(|e| {
        !matches!(
            e.value(),
            dicom_core::DicomValue::Primitive(dicom_core::PrimitiveValue::Empty)
        )
    })
}

/// Text of an element, trimmed; `None` when missing, empty or no text.
pub fn text(data: &InMemDicomObject, tag: Tag) -> Option<String> {
    let text = element(data, tag)?
        .to_str()
        .ok()?
        .trim_matches(['\0', ' ', '\t', '\r', '\n'])
        .to_owned();
    (!text.is_empty()).then_some(text)
}

/// Numbers of a decimal or numeric element; `None` when missing or not all are finite numbers.
pub fn numbers(data: &InMemDicomObject, tag: Tag) -> Option<Vec<f64>> {
    let values = element(data, tag)?.to_multi_float64().ok()?;
    (!values.is_empty() && values.iter().all(|v| v.is_finite())).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_elements_tell_their_encoding() {
        assert_eq!(guess_syntax(b"\x08\0\x05\0CS\x02\0ab"), Some(EXPLICIT_LE));
        assert_eq!(guess_syntax(b"\0\x08\0\x05CS\0\x02ab"), Some(EXPLICIT_BE));
        assert_eq!(guess_syntax(b"\x08\0\x05\0\x02\0\0\0ab"), Some(IMPLICIT_LE));
        assert_eq!(guess_syntax(b"hello world, this is text"), None);
        assert_eq!(guess_syntax(b""), None);
    }

    #[test]
    fn a_meta_group_that_is_cut_is_truncated() {
        let mut bytes = vec![0u8; 128];
        bytes.extend(b"DICM\x02\0\x10\0UI\xFF\x00abc");
        assert!(matches!(parse(&bytes), Err(DicomError::Truncated { .. })));
        assert!(matches!(
            parse(b"some text that is no DICOM at all"),
            Err(DicomError::NotDicom)
        ));
    }
}
