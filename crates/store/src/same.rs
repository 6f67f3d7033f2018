//! Whether two encodings of one SOP instance carry the same content.
//!
//! PS3.5 lets an object travel in any transfer syntax that both sides know, so a sender that stored it in one may send it again in
//! another. That is no second object under a taken UID as long as every attribute and every decoded pixel are equal. A lossy copy
//! is another object and needs a UID of its own (PS3.3, C.7.6.1.1.5).

use dicom_core::header::Header;
use dicom_core::{PrimitiveValue, Tag, value::Value};
use dicom_dictionary_std::tags;
use dicom_object::{InMemDicomObject, mem::InMemElement};
use hilum_dicom::{DicomImage, object};
use hilum_image::Limits;

/// Attributes that belong to the encoding and not to what is encoded.
const OF_THE_ENCODING: [Tag; 3] = [
    tags::PIXEL_DATA,
    tags::PLANAR_CONFIGURATION,
    tags::DATA_SET_TRAILING_PADDING,
];

/// Whether two files hold the same attributes and, decoded, the same pixels. What cannot be decoded is not the same.
pub(crate) fn same_content(one: &[u8], other: &[u8]) -> bool {
    let (Ok(a), Ok(b)) = (object::parse(one), object::parse(other)) else {
        return false;
    };
    same_attributes(&a.data, &b.data) && same_pixels((&a.data, one), (&b.data, other))
}

/// The attributes that are compared, in order of their tags. A colour picture may be coded in another colour space; its decoded
/// pixels tell then.
fn compared(data: &InMemDicomObject) -> impl Iterator<Item = &InMemElement> {
    let colour = object::numbers(data, tags::SAMPLES_PER_PIXEL).is_some_and(|n| n == [3.0]);
    data.iter().filter(move |element| {
        let tag = element.tag();
        let space = colour && tag == tags::PHOTOMETRIC_INTERPRETATION;
        tag.element() != 0 && !space && !OF_THE_ENCODING.contains(&tag)
    })
}

fn same_attributes(a: &InMemDicomObject, b: &InMemDicomObject) -> bool {
    let (mut left, mut right) = (compared(a), compared(b));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) if x.tag() == y.tag() && same_value(x, y) => {}
            _ => return false,
        }
    }
}

fn same_value(a: &InMemElement, b: &InMemElement) -> bool {
    match (a.value(), b.value()) {
        (Value::Primitive(x), Value::Primitive(y)) => unpadded(x) == unpadded(y),
        (Value::Sequence(x), Value::Sequence(y)) => {
            let (x, y) = (x.items(), y.items());
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_attributes(x, y))
        }
        // A sequence without items may come as an empty value of an unknown kind.
        (Value::Sequence(items), Value::Primitive(value))
        | (Value::Primitive(value), Value::Sequence(items)) => {
            items.items().is_empty() && unpadded(value).is_empty()
        }
        _ => false,
    }
}

/// The bytes of a value without what fills it up to an even length.
fn unpadded(value: &PrimitiveValue) -> Vec<u8> {
    let mut bytes = value.to_bytes().into_owned();
    while matches!(bytes.last(), Some(b' ' | 0)) {
        bytes.pop();
    }
    bytes
}

fn same_pixels(one: (&InMemDicomObject, &[u8]), other: (&InMemDicomObject, &[u8])) -> bool {
    let there = |data: &InMemDicomObject| data.get(tags::PIXEL_DATA).is_some();
    match (there(one.0), there(other.0)) {
        (false, false) => true,
        (true, true) => same_frames(one.1, other.1).unwrap_or(false),
        _ => false,
    }
}

/// Frame by frame, so that one of each is in memory at a time.
fn same_frames(one: &[u8], other: &[u8]) -> Result<bool, hilum_dicom::DicomError> {
    let limits = Limits::default();
    let (a, b) = (
        DicomImage::from_bytes(one, &limits)?,
        DicomImage::from_bytes(other, &limits)?,
    );
    if a.attributes.frames != b.attributes.frames {
        return Ok(false);
    }
    for frame in 0..a.attributes.frames {
        if a.stored(frame)? != b.stored(frame)? {
            return Ok(false);
        }
    }
    Ok(true)
}
