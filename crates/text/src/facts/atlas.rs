//! Boxes of the 29 Chest ImaGenome locations in a frontal view, by proportion.
//!
//! Inside a [`Frame`] (boxes of the two lungs, from masks where there are any) the locations are
//! fixed shares of the lungs: zones are thirds of a lung's height, the apex its upper sixth, the
//! costophrenic angle its lower outer corner, the mediastinum what lies between. Without masks the
//! frame itself is a share of the image, for a well-centred adult film. These are reference boxes,
//! not measurements of an image.

use crate::error::TextError;
use hilum_core::Rect;

/// The two lungs. Sides are the patient's: the right lung is on the left of the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Box of the right lung in pixels.
    pub right_lung: Rect,
    /// Box of the left lung in pixels.
    pub left_lung: Rect,
}

/// Where the frames of images come from; this crate looks at no image, so one from masks is brought by an
/// upper crate.
pub trait Frames: std::fmt::Debug + Send + Sync {
    /// The frame of the image of that id.
    ///
    /// # Errors
    /// [`TextError::NoMask`] or [`TextError::UnusableMask`] when the image's own mask gives none.
    fn frame(&self, id: &str) -> Result<Frame, TextError>;
}

/// One frame for every image.
impl Frames for Frame {
    fn frame(&self, _: &str) -> Result<Frame, TextError> {
        Ok(*self)
    }
}

/// Names of the 29 locations, in the order of the published list.
pub const LOCATIONS: [&str; 29] = [
    "right lung",
    "right upper lung zone",
    "right mid lung zone",
    "right lower lung zone",
    "right hilar structures",
    "right apical zone",
    "right costophrenic angle",
    "right hemidiaphragm",
    "left lung",
    "left upper lung zone",
    "left mid lung zone",
    "left lower lung zone",
    "left hilar structures",
    "left apical zone",
    "left costophrenic angle",
    "left hemidiaphragm",
    "trachea",
    "spine",
    "right clavicle",
    "left clavicle",
    "aortic arch",
    "mediastinum",
    "upper mediastinum",
    "svc",
    "cardiac silhouette",
    "cavoatrial junction",
    "right atrium",
    "carina",
    "abdomen",
];

impl Frame {
    /// The frame of an image without masks.
    pub fn of_image(width: f64, height: f64) -> Frame {
        let lung = |x: f64| Rect {
            x: x * width,
            y: 0.12 * height,
            w: 0.34 * width,
            h: 0.66 * height,
        };
        Frame {
            right_lung: lung(0.11),
            left_lung: lung(0.55),
        }
    }

    /// Box of a location, `None` for a name that is not one of [`LOCATIONS`].
    pub fn location(&self, name: &str) -> Option<Rect> {
        if let Some(rest) = name.strip_prefix("right ") {
            if rest != "atrium" {
                return lung_part(&self.right_lung, rest, false);
            }
        } else if let Some(rest) = name.strip_prefix("left ") {
            return lung_part(&self.left_lung, rest, true);
        }
        self.middle_part(name)
    }

    /// Structures between the lungs, by shares of the space that reaches from the middle of the
    /// right lung to the middle of the left one.
    fn middle_part(&self, name: &str) -> Option<Rect> {
        let (r, l) = (&self.right_lung, &self.left_lung);
        let left = r.x + 0.5 * r.w;
        let right = l.x + 0.5 * l.w;
        let top = r.y.min(l.y);
        let bottom = (r.y + r.h).max(l.y + l.h);
        let (x0, x1, y0, y1) = match name {
            "trachea" => (0.42, 0.58, -0.08, 0.28),
            "carina" => (0.42, 0.60, 0.26, 0.36),
            "spine" => (0.38, 0.62, -0.10, 1.15),
            "aortic arch" => (0.50, 0.72, 0.18, 0.34),
            "upper mediastinum" => (0.30, 0.72, 0.00, 0.30),
            "mediastinum" => (0.18, 0.90, 0.00, 1.00),
            "svc" => (0.30, 0.46, 0.14, 0.46),
            "cavoatrial junction" => (0.28, 0.46, 0.44, 0.58),
            "right atrium" => (0.20, 0.46, 0.54, 0.86),
            "cardiac silhouette" => (0.20, 1.00, 0.46, 0.98),
            "abdomen" => (-0.50, 1.50, 0.98, 1.40),
            _ => return None,
        };
        let (w, h) = (right - left, bottom - top);
        Some(Rect {
            x: left + x0 * w,
            y: top + y0 * h,
            w: (x1 - x0) * w,
            h: (y1 - y0) * h,
        })
    }
}

/// Part of one lung as shares of its box: from the outer edge to the inner, from top to bottom.
fn lung_part(lung: &Rect, name: &str, left: bool) -> Option<Rect> {
    let third = 1.0 / 3.0;
    let (outer, inner, y0, y1) = match name {
        "lung" => (0.0, 1.0, 0.0, 1.0),
        "upper lung zone" => (0.0, 1.0, 0.0, third),
        "mid lung zone" => (0.0, 1.0, third, 2.0 * third),
        "lower lung zone" => (0.0, 1.0, 2.0 * third, 1.0),
        "apical zone" => (0.1, 0.9, 0.0, 1.0 / 6.0),
        "hilar structures" => (0.55, 1.0, 0.34, 0.62),
        "costophrenic angle" => (0.0, 0.35, 0.84, 1.0),
        "hemidiaphragm" => (0.0, 1.0, 0.84, 1.04),
        "clavicle" => (0.1, 1.0, -0.02, 0.12),
        _ => return None,
    };
    // The outer edge is on the left of the image for the right lung.
    let (x0, x1) = if left {
        (1.0 - inner, 1.0 - outer)
    } else {
        (outer, inner)
    };
    Some(Rect {
        x: lung.x + x0 * lung.w,
        y: lung.y + y0 * lung.h,
        w: (x1 - x0) * lung.w,
        h: (y1 - y0) * lung.h,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_location_has_a_box_and_zones_lie_in_their_lung() {
        let frame = Frame::of_image(1000.0, 1200.0);
        for name in LOCATIONS {
            let rect = frame.location(name).unwrap();
            assert!(rect.w > 0.0 && rect.h > 0.0, "{name}");
        }
        assert!(frame.location("spleen").is_none());
        for side in ["left", "right"] {
            let lung = frame.location(&format!("{side} lung")).unwrap();
            let mut area = 0.0;
            for zone in ["upper", "mid", "lower"] {
                let rect = frame.location(&format!("{side} {zone} lung zone")).unwrap();
                assert!((lung.intersection(&rect) - rect.area()).abs() < 1e-6);
                area += rect.area();
            }
            assert!((area - lung.area()).abs() < 1e-6);
        }
    }

    #[test]
    fn sides_are_the_patients() {
        let frame = Frame::of_image(1000.0, 1000.0);
        let x = |name: &str| frame.location(name).unwrap().x;
        assert!(x("right lung") < x("left lung"));
        let angle = frame.location("left costophrenic angle").unwrap();
        let lung = frame.location("left lung").unwrap();
        assert!((angle.x + angle.w - lung.x - lung.w).abs() < 1e-9);
        assert!(x("right costophrenic angle") == x("right lung"));
    }
}
