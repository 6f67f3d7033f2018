//! Segmentation (PS3.3, A.51): binary, one frame a structure.

use crate::code::{self, Code};
use crate::context::{Context, ObjectKind};
use crate::error::{ObjectError, Result};
use crate::item::{code_item, first_code, items, meaning, put_schemes, reference};
use dicom_core::{PrimitiveValue, Tag, VR, dicom_value};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use hilum_dicom::object::{Object, text};
use hilum_dicom::write::DataSet;
use hilum_dicom::{DicomError, Limits};
use hilum_image::{Mask, Plane};

/// Masks of one image at its stored size.
#[derive(Debug, Clone, Default)]
pub struct Structures {
    /// Index of the image.
    pub image: usize,
    /// Both lungs.
    pub lungs: Option<Mask>,
    /// Heart.
    pub heart: Option<Mask>,
}

impl Structures {
    fn list(&self) -> Vec<(&'static str, Code, Option<Code>, &Mask)> {
        let lungs = self.lungs.iter();
        let lungs = lungs.map(|m| ("Lungs", code::LUNG, Some(code::BILATERAL), m));
        let heart = self.heart.iter().map(|m| ("Heart", code::HEART, None, m));
        lungs.chain(heart).collect()
    }
}

/// The bytes of a segmentation of one image; null when there is no mask.
///
/// # Errors
/// A mask that is not of the image's size.
pub fn encode(context: &Context<'_>, structures: &Structures) -> Result<Option<Vec<u8>>> {
    let list = structures.list();
    let wrong = |reason: String| ObjectError::Reading { reason };
    let record = context
        .reading
        .images
        .get(structures.image)
        .ok_or_else(|| wrong(format!("there is no image {}", structures.image)))?;
    let Some((_, _, _, first)) = list.first() else {
        return Ok(None);
    };
    let side = |v: u32| {
        u16::try_from(v).map_err(|_| wrong(format!("{v} pixels are too many for a segmentation")))
    };
    let (rows, columns) = (side(record.height)?, side(record.width)?);
    for (name, _, _, mask) in &list {
        if (mask.width, mask.height) != (usize::from(columns), usize::from(rows)) {
            let size = format!("{}x{}", mask.width, mask.height);
            return Err(wrong(format!(
                "the mask of {name} is {size}, the image {columns}x{rows}"
            )));
        }
    }
    debug_assert!(!first.data.is_empty());
    let kind = ObjectKind {
        name: "seg",
        class: uids::SEGMENTATION_STORAGE,
        modality: "SEG".to_owned(),
        series_number: "9902",
        description: "Hilum: lungs and heart (research only)",
        number: structures.image,
    };
    let mut set = context.object(&kind);
    identity(context, &mut set, structures.image);
    pixels(context, &mut set, structures.image, (rows, columns), &list);
    segments(context, &mut set, &list);
    groups(context, &mut set, structures.image, list.len());
    put_schemes(&mut set);
    Ok(Some(set.file(kind.class, &context.instance(&kind))?))
}

fn identity(context: &Context<'_>, set: &mut DataSet, image: usize) {
    context.moment(set, tags::CONTENT_DATE, tags::CONTENT_TIME);
    set.text(tags::CONTENT_LABEL, VR::CS, "LUNGS_HEART");
    let words = "Lungs and heart outlined by software; research only";
    set.text(tags::CONTENT_DESCRIPTION, VR::LO, words);
    set.text(tags::CONTENT_CREATOR_NAME, VR::PN, "Hilum^Software");
    set.sequence(
        tags::REFERENCED_SERIES_SEQUENCE,
        context.series_references(&[image], tags::REFERENCED_INSTANCE_SEQUENCE),
    );
    if let Some(frame) = context
        .sources
        .images
        .get(image)
        .and_then(|i| i.frame_of_reference.as_ref())
    {
        set.text(tags::FRAME_OF_REFERENCE_UID, VR::UI, frame);
        set.empty(&[(tags::POSITION_REFERENCE_INDICATOR, VR::LO)]);
    }
}

fn pixels(
    context: &Context<'_>,
    set: &mut DataSet,
    image: usize,
    (rows, columns): (u16, u16),
    list: &[(&str, Code, Option<Code>, &Mask)],
) {
    set.texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "PRIMARY"]);
    orientation(context, set, image);
    set.number(tags::SAMPLES_PER_PIXEL, 1);
    set.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    set.text(tags::NUMBER_OF_FRAMES, VR::IS, &list.len().to_string());
    set.number(tags::ROWS, rows);
    set.number(tags::COLUMNS, columns);
    for (tag, value) in [
        (tags::BITS_ALLOCATED, 1),
        (tags::BITS_STORED, 1),
        (tags::HIGH_BIT, 0),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        set.number(tag, value);
    }
    // Said of the segmentation itself; what was done to the image stays with the image.
    set.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
    set.text(tags::SEGMENTATION_TYPE, VR::CS, "BINARY");
    set.text(tags::SEGMENTS_OVERLAP, VR::CS, "UNDEFINED");
    if let Some(body) = context
        .sources
        .images
        .get(image)
        .and_then(|i| i.body_part.as_deref())
    {
        let plain = body.len() <= 16
            && body
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ' || b == b'_');
        if plain {
            set.text(tags::BODY_PART_EXAMINED, VR::CS, body);
        }
    }
    let masks: Vec<&Mask> = list.iter().map(|(_, _, _, mask)| *mask).collect();
    set.put(
        tags::PIXEL_DATA,
        VR::OB,
        PrimitiveValue::U8(pack(&masks).into()),
    );
}

/// Where rows and columns lead in the patient: as in the image, since the mask lies over it.
fn orientation(context: &Context<'_>, set: &mut DataSet, image: usize) {
    let source = context.sources.images.get(image);
    match source.and_then(|i| i.orientation.as_ref()) {
        Some([row, column]) => set.texts(tags::PATIENT_ORIENTATION, VR::CS, &[row, column]),
        None => set.empty(&[(tags::PATIENT_ORIENTATION, VR::CS)]),
    }
}

/// One bit a pixel, the first pixel lowest, frame after frame without a gap (PS3.5, 8.1.1); an even number of bytes.
fn pack(masks: &[&Mask]) -> Vec<u8> {
    let bits = masks.iter().map(|m| m.data.len()).sum::<usize>();
    let mut bytes = vec![0u8; bits.div_ceil(16) * 2];
    for (at, _) in masks
        .iter()
        .flat_map(|m| &m.data)
        .enumerate()
        .filter(|(_, v)| **v != 0)
    {
        bytes[at / 8] |= 1 << (at % 8);
    }
    bytes
}

/// Name and version of what outlined: the segmenter's weights, else the program as a whole.
fn segmenter(context: &Context<'_>) -> (String, String) {
    let version = &context.reading.provenance.version;
    match &context.segmenter {
        None => ("Hilum".to_owned(), meaning(version)),
        // A version has 64 characters: as much of the hash as fits.
        Some(model) => (
            meaning(&model.name),
            meaning(&format!("{version} sha256={}", model.sha256)),
        ),
    }
}

fn segments(context: &Context<'_>, set: &mut DataSet, list: &[(&str, Code, Option<Code>, &Mask)]) {
    let (name, version) = segmenter(context);
    let colours = [[45_000u16, 22_000, 20_000], [35_000, 48_000, 40_000]];
    let mut items = Vec::new();
    for (number, (label, structure, side, _)) in list.iter().enumerate() {
        let mut item = DataSet::default();
        item.number(tags::SEGMENT_NUMBER, number as u16 + 1);
        item.text(tags::SEGMENT_LABEL, VR::LO, label);
        item.text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC");
        item.text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, &name);
        item.sequence(
            tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE,
            vec![code_item(&code::ANATOMICAL_STRUCTURE, &[])],
        );
        let mut kind = code_item(structure, &[]);
        if let Some(side) = side {
            kind.sequence(
                tags::SEGMENTED_PROPERTY_TYPE_MODIFIER_CODE_SEQUENCE,
                vec![code_item(side, &[])],
            );
        }
        item.sequence(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE, vec![kind]);
        let mut algorithm = DataSet::default();
        algorithm.sequence(
            tags::ALGORITHM_FAMILY_CODE_SEQUENCE,
            vec![code_item(&code::ARTIFICIAL_INTELLIGENCE, &[])],
        );
        algorithm.text(tags::ALGORITHM_NAME, VR::LO, &name);
        algorithm.text(tags::ALGORITHM_VERSION, VR::LO, &version);
        item.sequence(
            tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE,
            vec![algorithm],
        );
        item.put(
            tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE,
            VR::US,
            PrimitiveValue::U16(colours[number % 2].into_iter().collect()),
        );
        item.text(tags::TRACKING_ID, VR::UT, label);
        item.text(
            tags::TRACKING_UID,
            VR::UI,
            &context.uid(&["segment", label]),
        );
        items.push(item);
    }
    set.sequence(tags::SEGMENT_SEQUENCE, items);
}

fn pointer(tag: Tag) -> PrimitiveValue {
    PrimitiveValue::Tags([tag].into_iter().collect())
}

/// Shared and per-frame functional groups, and the one dimension: the segment.
fn groups(context: &Context<'_>, set: &mut DataSet, image: usize, frames: usize) {
    let organisation = context.uid(&["dimensions"]);
    let mut item = DataSet::default();
    item.text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &organisation);
    set.sequence(tags::DIMENSION_ORGANIZATION_SEQUENCE, vec![item]);
    let mut index = DataSet::default();
    index.text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &organisation);
    index.put(
        tags::DIMENSION_INDEX_POINTER,
        VR::AT,
        pointer(tags::REFERENCED_SEGMENT_NUMBER),
    );
    index.put(
        tags::FUNCTIONAL_GROUP_POINTER,
        VR::AT,
        pointer(tags::SEGMENT_IDENTIFICATION_SEQUENCE),
    );
    index.text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, "Segment");
    set.sequence(tags::DIMENSION_INDEX_SEQUENCE, vec![index]);

    // No pixel measures: with them highdicom wants a slice's thickness, which a film has not. Its spacing stands in the film.
    set.sequence(
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        vec![DataSet::default()],
    );
    let frames = (1..=frames as u16).map(|number| {
        let mut content = DataSet::default();
        content.put(
            tags::DIMENSION_INDEX_VALUES,
            VR::UL,
            dicom_value!(U32, [u32::from(number)]),
        );
        let mut segment = DataSet::default();
        segment.number(tags::REFERENCED_SEGMENT_NUMBER, number);
        let mut frame = DataSet::default();
        frame.sequence(tags::FRAME_CONTENT_SEQUENCE, vec![content]);
        frame.sequence(tags::SEGMENT_IDENTIFICATION_SEQUENCE, vec![segment]);
        // The same for all frames, but readers look for it frame by frame.
        frame.sequence(
            tags::DERIVATION_IMAGE_SEQUENCE,
            vec![derivation(context, image)],
        );
        frame
    });
    set.sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.collect());
}

fn derivation(context: &Context<'_>, image: usize) -> DataSet {
    let mut item = DataSet::default();
    item.sequence(
        tags::DERIVATION_CODE_SEQUENCE,
        vec![code_item(&code::SEGMENTATION, &[])],
    );
    let sources = context.sources.images.get(image).map(|source| {
        let frame = (source.frames > 1).then_some(1);
        let mut from = reference(&source.class, &source.instance, frame);
        from.text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES");
        from.sequence(
            tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
            vec![code_item(&code::SOURCE_FOR_SEGMENTATION, &[])],
        );
        from
    });
    item.sequence(tags::SOURCE_IMAGE_SEQUENCE, sources.into_iter().collect());
    item
}

/// One segment of a segmentation of anybody's.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Its number.
    pub number: u16,
    /// Its label.
    pub label: String,
    /// What it is.
    pub structure: Option<Code>,
    /// Which side.
    pub side: Option<Code>,
    /// What made it: name of the algorithm, else `AUTOMATIC`, `SEMIAUTOMATIC` or `MANUAL`.
    pub made_by: String,
}

/// One frame: a mask of one segment in one image.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentFrame {
    /// Position in [`Segmentation::segments`].
    pub segment: usize,
    /// SOP Instance UID of the image it was drawn on, where the object tells.
    pub source: Option<String>,
    /// The mask, 0 or 255.
    pub mask: Mask,
}

/// A binary segmentation of anybody's.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmentation {
    /// Study Instance UID.
    pub study_uid: String,
    /// SOP Instance UID.
    pub instance: String,
    /// Its segments.
    pub segments: Vec<Segment>,
    /// Its frames.
    pub frames: Vec<SegmentFrame>,
}

/// Reads a binary segmentation.
///
/// # Errors
/// [`ObjectError::Segmentation`] for fractional or label map segmentations, compressed pixels, frames that do not fit
/// their data, and numbers of segments that are not there.
pub fn decode(object: &Object, limits: &Limits) -> Result<Segmentation> {
    let data = &object.data;
    let wrong = |reason: String| ObjectError::Segmentation { reason };
    let kind = text(data, tags::SEGMENTATION_TYPE).unwrap_or_default();
    if kind != "BINARY" {
        let reason = format!("its type is {kind:?}; only BINARY ones are read");
        return Err(wrong(reason));
    }
    let side = |tag, name| {
        text(data, tag)
            .and_then(|t| t.parse::<usize>().ok())
            .filter(|&v| v > 0)
            .ok_or_else(|| wrong(format!("it has no {name}")))
    };
    let (rows, columns) = (side(tags::ROWS, "rows")?, side(tags::COLUMNS, "columns")?);
    limits
        .check(columns as u64, rows as u64)
        .map_err(DicomError::from)?;
    let segments = read_segments(data)?;
    let per_frame = items(data, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let stated = side(tags::NUMBER_OF_FRAMES, "frames")?;
    if per_frame.len() != stated {
        let reason = format!(
            "{stated} frames are stated and {} described",
            per_frame.len()
        );
        return Err(wrong(reason));
    }
    let size = rows * columns;
    let bytes = packed(data, limits, size, stated)?;
    let shared = items(data, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
    let mut frames = Vec::new();
    for (at, group) in per_frame.iter().enumerate() {
        let number = segment_number(group)
            .or_else(|| shared.and_then(segment_number))
            .ok_or_else(|| wrong(format!("frame {} belongs to no segment", at + 1)))?;
        let segment = segments
            .iter()
            .position(|s| s.number == number)
            .ok_or_else(|| wrong(format!("there is no segment {number}")))?;
        let bit = |i: usize| {
            let place = at * size + i;
            bytes[place / 8] >> (place % 8) & 1
        };
        frames.push(SegmentFrame {
            segment,
            source: source_of(group).or_else(|| shared.and_then(source_of)),
            mask: Plane::from_fn(columns, rows, |x, y| bit(y * columns + x) * 255),
        });
    }
    Ok(Segmentation {
        study_uid: text(data, tags::STUDY_INSTANCE_UID).unwrap_or_default(),
        instance: text(data, tags::SOP_INSTANCE_UID).unwrap_or_default(),
        segments,
        frames,
    })
}

/// The packed bits, checked against the frames they are for and the memory these will take.
fn packed(data: &InMemDicomObject, limits: &Limits, size: usize, frames: usize) -> Result<Vec<u8>> {
    let wrong = |reason: String| ObjectError::Segmentation { reason };
    let bits = size
        .checked_mul(frames)
        .filter(|&b| b as u64 <= limits.max_bytes)
        .ok_or_else(|| wrong(format!("{frames} frames of {size} pixels are too many")))?;
    let element = data
        .get(tags::PIXEL_DATA)
        .ok_or_else(|| wrong("it has no pixel data".to_owned()))?;
    let bytes = element
        .to_bytes()
        .map_err(|_| wrong("its pixel data are compressed; only plain ones are read".to_owned()))?;
    if bytes.len() < bits.div_ceil(8) {
        let reason = format!("{} bytes are too few for {frames} frames", bytes.len());
        return Err(wrong(reason));
    }
    Ok(bytes.into_owned())
}

fn read_segments(data: &InMemDicomObject) -> Result<Vec<Segment>> {
    let mut segments: Vec<Segment> = Vec::new();
    for item in items(data, tags::SEGMENT_SEQUENCE) {
        let number = text(item, tags::SEGMENT_NUMBER).and_then(|n| n.parse().ok());
        let number = number.ok_or_else(|| ObjectError::Segmentation {
            reason: "a segment has no number".to_owned(),
        })?;
        let kind = items(item, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE).first();
        let made_by = [tags::SEGMENT_ALGORITHM_NAME, tags::SEGMENT_ALGORITHM_TYPE];
        segments.push(Segment {
            number,
            label: text(item, tags::SEGMENT_LABEL).unwrap_or_default(),
            structure: first_code(item, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE),
            side: kind
                .and_then(|k| first_code(k, tags::SEGMENTED_PROPERTY_TYPE_MODIFIER_CODE_SEQUENCE)),
            made_by: made_by
                .into_iter()
                .find_map(|t| text(item, t))
                .unwrap_or_default(),
        });
    }
    if segments.is_empty() {
        return Err(ObjectError::Segmentation {
            reason: "it has no segments".to_owned(),
        });
    }
    Ok(segments)
}

fn segment_number(group: &InMemDicomObject) -> Option<u16> {
    let item = items(group, tags::SEGMENT_IDENTIFICATION_SEQUENCE).first()?;
    text(item, tags::REFERENCED_SEGMENT_NUMBER)?.parse().ok()
}

fn source_of(group: &InMemDicomObject) -> Option<String> {
    let derivation = items(group, tags::DERIVATION_IMAGE_SEQUENCE).first()?;
    let source = items(derivation, tags::SOURCE_IMAGE_SEQUENCE).first()?;
    text(source, tags::REFERENCED_SOP_INSTANCE_UID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_packed_from_the_lowest_across_frames() {
        let one = Plane::new(3, 1, vec![255u8, 0, 255]).unwrap();
        let two = Plane::new(3, 1, vec![0u8, 255, 0]).unwrap();
        assert_eq!(pack(&[&one, &two]), [0b0001_0101, 0]);
    }
}
