//! Which images may have text in their pixels. Nothing is taken out of pixels: a person decides.
//!
//! Tags say so, or the pixels do: characters of an annotation are small, sharp, of one grey value at the top of the scale, and
//! stand in a row. Side markers of one or two letters are no identification and are not listed.

use dicom_core::Tag;
use dicom_core::header::Header;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use hilum_dicom::{DicomImage, Limits};
use hilum_image::{Plane, Recipe};

/// Why the image should be looked at; empty when nothing speaks for text.
pub fn suspect(file: &[u8], data: &InMemDicomObject) -> Vec<String> {
    let mut reasons = by_tags(data);
    if data.get(tags::PIXEL_DATA).is_none() {
        return reasons;
    }
    match hilum_image::guard::catch(|| by_pixels(file)) {
        Ok(Ok(found)) => reasons.extend(found),
        Ok(Err(_)) | Err(_) => {
            reasons.push("the pixels cannot be read, so they were not looked at".to_owned())
        }
    }
    reasons
}

/// Frames that are looked at, at most.
const FRAMES: usize = 200;

fn by_pixels(file: &[u8]) -> Result<Vec<String>, hilum_dicom::DicomError> {
    let image = DicomImage::from_bytes(file, &Limits::default())?;
    let frames = image.attributes.frames;
    let mut reasons = Vec::new();
    for frame in 0..frames.min(FRAMES) {
        let lines = lines_of_text(&image.display(frame, Recipe::Linear)?.pixels.to_u8());
        if lines > 0 {
            let number = frame + 1;
            reasons.push(format!(
                "{lines} rows of shapes like characters in frame {number}"
            ));
            // One is enough for a person to look.
            return Ok(reasons);
        }
    }
    if frames > FRAMES {
        reasons.push(format!(
            "of {frames} frames the first {FRAMES} were looked at"
        ));
    }
    Ok(reasons)
}

/// A word about overlay planes that were kept: they can hold text as bits, which cleaning of texts does not reach.
pub(crate) fn overlays(kept: &InMemDicomObject) -> Option<String> {
    let plane = |t: Tag| t.group() & 0xFF01 == 0x6000 && t.element() == 0x3000;
    let found = kept.into_iter().any(|e| plane(e.tag()));
    found.then(|| "overlay planes were kept, which may hold text".to_owned())
}

fn by_tags(data: &InMemDicomObject) -> Vec<String> {
    let text = |tag| {
        let value = data.get(tag).and_then(|e| e.to_str().ok());
        value
            .map(|v| v.trim_matches([' ', '\0']).to_ascii_uppercase())
            .unwrap_or_default()
    };
    let mut reasons = Vec::new();
    match text(tags::BURNED_IN_ANNOTATION).as_str() {
        "YES" => reasons.push("BurnedInAnnotation is YES".to_owned()),
        "NO" => {}
        _ => {
            if text(tags::SOP_CLASS_UID).starts_with("1.2.840.10008.5.1.4.1.1.7")
                || !text(tags::CONVERSION_TYPE).is_empty()
            {
                reasons
                    .push("a secondary capture that does not say whether it has text".to_owned());
            }
            if matches!(
                text(tags::MODALITY).as_str(),
                "US" | "OT" | "SC" | "ES" | "XC" | "DOC"
            ) {
                reasons.push(
                    "a modality whose images often have text, and it does not say".to_owned(),
                );
            }
        }
    }
    if text(tags::IMAGE_TYPE).contains("SCREEN SAVE") {
        reasons.push("ImageType says SCREEN SAVE".to_owned());
    }
    reasons
}

/// Smallest and largest height of a character in pixels.
const HEIGHTS: std::ops::RangeInclusive<usize> = 6..=80;
/// Characters that make a row of text.
const CHARACTERS: usize = 5;

/// A connected shape.
#[derive(Debug, Clone, Copy)]
struct Shape {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
    area: usize,
}

impl Shape {
    fn height(&self) -> usize {
        self.bottom - self.top + 1
    }

    fn width(&self) -> usize {
        self.right - self.left + 1
    }

    /// As high, wide and filled as characters are.
    fn is_like_a_character(&self) -> bool {
        let (w, h) = (self.width(), self.height());
        let filled = self.area as f64 / (w * h) as f64;
        HEIGHTS.contains(&h) && w <= 2 * h && w * 8 >= h && (0.15..0.95).contains(&filled)
    }
}

/// Rows of shapes like characters, at the bright end and at the dark end of the scale.
fn lines_of_text(plane: &Plane<u8>) -> usize {
    let bright = rows(shapes(plane, |v| v >= 250));
    let dark = rows(shapes(plane, |v| v <= 3));
    bright + dark
}

/// Connected shapes (8 neighbours) of pixels that `inside` accepts and whose outline is sharp.
fn shapes(plane: &Plane<u8>, inside: impl Fn(u8) -> bool) -> Vec<Shape> {
    let (w, h) = (plane.width, plane.height);
    let mut seen = vec![false; w * h];
    let (mut found, mut stack) = (Vec::new(), Vec::new());
    for start in 0..w * h {
        if seen[start] || !inside(plane.data[start]) {
            continue;
        }
        seen[start] = true;
        stack.push(start);
        let (x, y) = (start % w, start / w);
        let mut shape = Shape {
            left: x,
            right: x,
            top: y,
            bottom: y,
            area: 0,
        };
        let (mut edge, mut sharp) = (0usize, 0usize);
        while let Some(at) = stack.pop() {
            let (x, y) = (at % w, at / w);
            shape.left = shape.left.min(x);
            shape.right = shape.right.max(x);
            shape.top = shape.top.min(y);
            shape.bottom = shape.bottom.max(y);
            shape.area += 1;
            for ny in y.saturating_sub(1)..(y + 2).min(h) {
                for nx in x.saturating_sub(1)..(x + 2).min(w) {
                    let next = ny * w + nx;
                    if inside(plane.data[next]) {
                        if !seen[next] {
                            seen[next] = true;
                            stack.push(next);
                        }
                    } else {
                        edge += 1;
                        sharp += usize::from(plane.data[at].abs_diff(plane.data[next]) >= 40);
                    }
                }
            }
        }
        if shape.is_like_a_character() && sharp * 2 > edge {
            found.push(shape);
        }
    }
    found
}

/// Rows of at least [`CHARACTERS`] shapes of like height, close to each other, on one base line.
fn rows(mut shapes: Vec<Shape>) -> usize {
    // Noise makes thousands of shapes; text makes few.
    if shapes.len() > 5000 {
        return 0;
    }
    shapes.sort_by_key(|s| s.left);
    let mut used = vec![false; shapes.len()];
    let mut count = 0;
    for first in 0..shapes.len() {
        if used[first] {
            continue;
        }
        let (mut last, mut members) = (first, vec![first]);
        for next in first + 1..shapes.len() {
            if !used[next] && follows(&shapes[last], &shapes[next]) {
                members.push(next);
                last = next;
            }
        }
        if members.len() >= CHARACTERS {
            count += 1;
            members.iter().for_each(|&m| used[m] = true);
        }
    }
    count
}

fn follows(a: &Shape, b: &Shape) -> bool {
    let height = a.height().max(b.height());
    let like = a.height().min(b.height()) * 3 >= height * 2;
    let level = a.bottom.abs_diff(b.bottom) * 4 <= height;
    like && level && b.left > a.left && b.left <= a.right + 2 * height
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters of blocks: an `E` and an `H` in turns.
    fn written(letters: usize, value: u8) -> Plane<u8> {
        Plane::from_fn(300, 100, |x, y| {
            let (column, dx) = (x / 12, x % 12);
            let inside = column < letters && dx < 8 && (40..56).contains(&y);
            let dy = y.wrapping_sub(40);
            let e = dx < 2 || dy % 7 < 2;
            let h = !(2..6).contains(&dx) || (7..9).contains(&dy);
            let ink = if column % 2 == 0 { e } else { h };
            if inside && ink {
                value
            } else {
                90 + (x % 7) as u8
            }
        })
    }

    #[test]
    fn a_row_of_letters_is_found_and_a_side_marker_is_not() {
        assert_eq!(lines_of_text(&written(12, 255)), 1);
        assert_eq!(lines_of_text(&written(12, 0)), 1);
        assert_eq!(lines_of_text(&written(2, 255)), 0);
        assert_eq!(lines_of_text(&written(12, 130)), 0);
    }

    #[test]
    fn a_plane_that_was_kept_is_to_be_looked_at() {
        use dicom_core::{DataElement, PrimitiveValue, VR};
        let bits = PrimitiveValue::from(vec![1u8, 0]);
        let plane = DataElement::new(Tag(0x6002, 0x3000), VR::OB, bits);
        assert!(overlays(&InMemDicomObject::from_element_iter([plane])).is_some());
        let rows = DataElement::new(Tag(0x6000, 0x0010), VR::US, PrimitiveValue::from(1u16));
        assert!(overlays(&InMemDicomObject::from_element_iter([rows])).is_none());
    }

    #[test]
    fn tags_that_speak_of_text() {
        use dicom_core::{DataElement, VR};
        let yes = InMemDicomObject::from_element_iter([DataElement::new(
            tags::BURNED_IN_ANNOTATION,
            VR::CS,
            "YES",
        )]);
        assert_eq!(by_tags(&yes).len(), 1);
        let no = InMemDicomObject::from_element_iter([
            DataElement::new(tags::BURNED_IN_ANNOTATION, VR::CS, "NO"),
            DataElement::new(tags::MODALITY, VR::CS, "US"),
        ]);
        assert!(by_tags(&no).is_empty());
    }
}
