//! Grayscale Softcopy Presentation State (PS3.3, A.33.1): boxes, outlines and measuring lines over one image, shown as
//! the image itself asks to be shown.

use crate::code;
use crate::context::{Context, ObjectKind};
use crate::error::{ObjectError, Result};
use crate::item::{code_item, reference};
use dicom_core::{PrimitiveValue, VR, dicom_value};
use dicom_dictionary_std::{tags, uids};
use hilum_core::{FindingStatus, Point, PredictionSet};
use hilum_dicom::write::DataSet;

/// A marked place with its words.
struct Mark {
    layer: &'static str,
    points: Vec<Point>,
    words: String,
}

const FINDINGS: &str = "FINDINGS";
const MEASUREMENTS: &str = "MEASUREMENTS";
const NOTICE: &str = "NOTICE";

/// The bytes of a presentation state of one image; null for a colour image, to which it cannot be applied.
///
/// # Errors
/// An image that is not there or too large.
pub fn encode(context: &Context<'_>, image: usize) -> Result<Option<Vec<u8>>> {
    let wrong = |reason: String| ObjectError::Reading { reason };
    let (Some(source), Some(record)) = (
        context.sources.images.get(image),
        context.reading.images.get(image),
    ) else {
        return Err(wrong(format!("there is no image {image}")));
    };
    if !source.grey {
        return Ok(None);
    }
    let kind = ObjectKind {
        name: "gsps",
        class: uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
        modality: "PR".to_owned(),
        series_number: "9903",
        description: "Hilum: marks (research only)",
        number: image,
    };
    let mut set = context.object(&kind);
    set.text(tags::CONTENT_LABEL, VR::CS, "HILUM");
    let words = "Boxes, outlines and lines by software; research only";
    set.text(tags::CONTENT_DESCRIPTION, VR::LO, words);
    set.text(tags::CONTENT_CREATOR_NAME, VR::PN, "Hilum^Software");
    set.empty(&[(tags::LATERALITY, VR::CS)]);
    context.moment(
        &mut set,
        tags::PRESENTATION_CREATION_DATE,
        tags::PRESENTATION_CREATION_TIME,
    );
    set.sequence(
        tags::REFERENCED_SERIES_SEQUENCE,
        context.series_references(&[image], tags::REFERENCED_IMAGE_SEQUENCE),
    );
    displayed_area(&mut set, record.width, record.height).map_err(wrong)?;
    set.0.extend_display(source);
    let frame = (source.frames > 1).then_some(1);
    let target = reference(&source.class, &source.instance, frame);
    annotations(context, &mut set, image, &target, record.width);
    Ok(Some(set.file(kind.class, &context.instance(&kind))?))
}

/// Puts the image's own way to display values into a presentation state, where nothing is taken from the image.
trait ExtendDisplay {
    fn extend_display(&mut self, source: &crate::source::SourceImage);
}

impl ExtendDisplay for dicom_object::InMemDicomObject {
    fn extend_display(&mut self, source: &crate::source::SourceImage) {
        for element in &source.display {
            self.put(element.clone());
        }
    }
}

/// The whole image, fitted to the window.
fn displayed_area(set: &mut DataSet, width: u32, height: u32) -> std::result::Result<(), String> {
    let side = |v: u32| i32::try_from(v).map_err(|_| format!("{v} pixels are too many"));
    let mut area = DataSet::default();
    area.put(
        tags::DISPLAYED_AREA_TOP_LEFT_HAND_CORNER,
        VR::SL,
        dicom_value!(I32, [1, 1]),
    );
    area.put(
        tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER,
        VR::SL,
        dicom_value!(I32, [side(width)?, side(height)?]),
    );
    area.text(tags::PRESENTATION_SIZE_MODE, VR::CS, "SCALE TO FIT");
    area.texts(tags::PRESENTATION_PIXEL_ASPECT_RATIO, VR::IS, &["1", "1"]);
    set.sequence(tags::DISPLAYED_AREA_SELECTION_SEQUENCE, vec![area]);
    Ok(())
}

fn annotations(
    context: &Context<'_>,
    set: &mut DataSet,
    image: usize,
    target: &DataSet,
    width: u32,
) {
    let mut layers = Vec::new();
    let mut list = Vec::new();
    let mut add = |name: &'static str, graphics: Vec<DataSet>, texts: Vec<DataSet>| {
        let mut item = DataSet::default();
        item.sequence(tags::REFERENCED_IMAGE_SEQUENCE, vec![target.clone()]);
        item.text(tags::GRAPHIC_LAYER, VR::CS, name);
        if !texts.is_empty() {
            item.sequence(tags::TEXT_OBJECT_SEQUENCE, texts);
        }
        if !graphics.is_empty() {
            item.sequence(tags::GRAPHIC_OBJECT_SEQUENCE, graphics);
        }
        list.push(item);
        layers.push(name);
    };
    let marks = marks(context, image);
    for layer in [FINDINGS, MEASUREMENTS] {
        let of: Vec<&Mark> = marks.iter().filter(|m| m.layer == layer).collect();
        if !of.is_empty() {
            let graphics = of.iter().map(|m| polyline(&m.points)).collect();
            add(layer, graphics, of.iter().map(|m| label(m)).collect());
        }
    }
    let corner = Point { x: 1.0, y: 1.0 };
    let far = Point {
        x: f64::from(width),
        y: f64::from(width) / 25.0,
    };
    let notice = boxed_text(
        "Hilum: research use only, not a medical device",
        corner,
        far,
    );
    add(NOTICE, Vec::new(), vec![notice]);
    set.sequence(tags::GRAPHIC_ANNOTATION_SEQUENCE, list);
    set.sequence(
        tags::GRAPHIC_LAYER_SEQUENCE,
        layers
            .iter()
            .enumerate()
            .map(|(n, l)| layer(n, l))
            .collect(),
    );
}

fn layer(order: usize, name: &str) -> DataSet {
    let mut item = DataSet::default();
    item.text(tags::GRAPHIC_LAYER, VR::CS, name);
    item.text(tags::GRAPHIC_LAYER_ORDER, VR::IS, &(order + 1).to_string());
    item.number(
        tags::GRAPHIC_LAYER_RECOMMENDED_DISPLAY_GRAYSCALE_VALUE,
        u16::MAX,
    );
    item
}

fn marks(context: &Context<'_>, image: usize) -> Vec<Mark> {
    let reading = context.reading;
    let mut marks = Vec::new();
    for finding in &reading.findings {
        for region in finding.regions.iter().filter(|r| r.image == image) {
            let r = region.rect;
            let mut points = region.outline.clone();
            if points.is_empty() {
                let at = |x: f64, y: f64| Point { x, y };
                points = vec![
                    at(r.x, r.y),
                    at(r.x + r.w, r.y),
                    at(r.x + r.w, r.y + r.h),
                    at(r.x, r.y + r.h),
                ];
            }
            points.push(points[0]);
            marks.push(Mark {
                layer: FINDINGS,
                points,
                words: finding_words(finding),
            });
        }
    }
    for measurement in &reading.measurements {
        for line in measurement.lines.iter().filter(|l| l.image == image) {
            marks.push(Mark {
                layer: MEASUREMENTS,
                points: vec![line.line.from, line.line.to],
                words: line.name.replace('_', " "),
            });
        }
    }
    marks
}

/// What stands beside a mark: the name, the probability and, unless the answer is "present", that it is open.
fn finding_words(finding: &hilum_core::Finding) -> String {
    let mut words = finding.name.clone();
    if let Some(p) = finding.probability {
        words.push_str(&format!(" {:.0}%", 100.0 * p));
    }
    let open = match (finding.status, finding.set) {
        (FindingStatus::NotAssessed, _) => ", not assessed",
        (_, Some(PredictionSet::Present)) => "",
        (_, Some(PredictionSet::Absent)) => ", absent by the model",
        (_, Some(PredictionSet::Undecided) | None) => ", undecided",
    };
    words.push_str(open);
    words
}

fn floats(points: &[Point]) -> PrimitiveValue {
    let flat = points.iter().flat_map(|p| [p.x as f32, p.y as f32]);
    PrimitiveValue::F32(flat.collect())
}

fn polyline(points: &[Point]) -> DataSet {
    let mut item = DataSet::default();
    item.text(tags::GRAPHIC_ANNOTATION_UNITS, VR::CS, "PIXEL");
    item.number(tags::GRAPHIC_DIMENSIONS, 2);
    let count = points.len().min(usize::from(u16::MAX));
    item.number(tags::NUMBER_OF_GRAPHIC_POINTS, count as u16);
    item.put(tags::GRAPHIC_DATA, VR::FL, floats(&points[..count]));
    item.text(tags::GRAPHIC_TYPE, VR::CS, "POLYLINE");
    if points.first() == points.last() {
        item.text(tags::GRAPHIC_FILLED, VR::CS, "N");
    }
    item
}

/// Words at the first point of a mark.
fn label(mark: &Mark) -> DataSet {
    let mut item = DataSet::default();
    item.text(tags::ANCHOR_POINT_ANNOTATION_UNITS, VR::CS, "PIXEL");
    item.text(
        tags::UNFORMATTED_TEXT_VALUE,
        VR::ST,
        &text_value(&mark.words),
    );
    item.put(tags::ANCHOR_POINT, VR::FL, floats(&mark.points[..1]));
    item.text(tags::ANCHOR_POINT_VISIBILITY, VR::CS, "N");
    item
}

fn boxed_text(words: &str, from: Point, to: Point) -> DataSet {
    let mut item = DataSet::default();
    item.text(tags::BOUNDING_BOX_ANNOTATION_UNITS, VR::CS, "PIXEL");
    item.text(tags::UNFORMATTED_TEXT_VALUE, VR::ST, words);
    item.put(
        tags::BOUNDING_BOX_TOP_LEFT_HAND_CORNER,
        VR::FL,
        floats(&[from]),
    );
    item.put(
        tags::BOUNDING_BOX_BOTTOM_RIGHT_HAND_CORNER,
        VR::FL,
        floats(&[to]),
    );
    item.text(
        tags::BOUNDING_BOX_TEXT_HORIZONTAL_JUSTIFICATION,
        VR::CS,
        "LEFT",
    );
    item
}

/// Without characters that a short text cannot hold.
fn text_value(words: &str) -> String {
    words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(1024)
        .collect()
}

/// Reference with the purpose that secondary captures give.
pub(crate) fn processing_source(class: &str, instance: &str) -> DataSet {
    let mut item = reference(class, instance, None);
    item.sequence(
        tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
        vec![code_item(&code::SOURCE_FOR_PROCESSING, &[])],
    );
    item
}
