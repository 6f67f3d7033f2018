//! Overlap of two boxes.

use hilum_core::Rect;

/// Keeps quotients of empty boxes finite, as torchvision does.
const EPSILON: f64 = 1e-7;

fn union(a: &Rect, b: &Rect) -> f64 {
    a.area() + b.area() - a.intersection(b)
}

/// Intersection over union; 0 for two boxes without area.
pub fn iou(a: &Rect, b: &Rect) -> f64 {
    share(a.intersection(b), union(a, b))
}

/// Intersection over the area of the *detected* box (ChestX-ray8, section 4.3); 0 when that has no area.
/// Not symmetric: a small box inside the reference scores 1.
pub fn iobb(detected: &Rect, reference: &Rect) -> f64 {
    share(detected.intersection(reference), detected.area())
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Width and height of the smallest box round both.
fn hull(a: &Rect, b: &Rect) -> (f64, f64) {
    let side = |a0: f64, a1: f64, b0: f64, b1: f64| (a0 + a1).max(b0 + b1) - a0.min(b0);
    (side(a.x, a.w, b.x, b.w), side(a.y, a.h, b.y, b.h))
}

/// Generalised IoU: IoU less the share of the hull that neither covers (Rezatofighi 2019).
pub fn generalized_iou(a: &Rect, b: &Rect) -> f64 {
    let (w, h) = hull(a, b);
    iou(a, b) - share(w * h - union(a, b), w * h)
}

/// Distance IoU: IoU less the squared distance of centres over the squared diagonal (Zheng 2020).
pub fn distance_iou(a: &Rect, b: &Rect) -> f64 {
    let (w, h) = hull(a, b);
    let dx = (a.x + a.w / 2.0) - (b.x + b.w / 2.0);
    let dy = (a.y + a.h / 2.0) - (b.y + b.h / 2.0);
    iou(a, b) - (dx * dx + dy * dy) / (w * w + h * h + EPSILON)
}

/// Complete IoU: distance IoU less a term for the aspect ratio (Zheng 2020).
pub fn complete_iou(a: &Rect, b: &Rect) -> f64 {
    let gap = (a.w / a.h).atan() - (b.w / b.h).atan();
    let v = 4.0 / (std::f64::consts::PI * std::f64::consts::PI) * gap * gap;
    let alpha = v / (1.0 - iou(a, b) + v + EPSILON);
    distance_iou(a, b) - alpha * v
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iobb_asks_about_the_detected_box() {
        let small = Rect {
            x: 2.0,
            y: 2.0,
            w: 2.0,
            h: 2.0,
        };
        let large = Rect {
            x: 0.0,
            y: 0.0,
            w: 10.0,
            h: 10.0,
        };
        assert_eq!(iobb(&small, &large), 1.0);
        assert_eq!(iobb(&large, &small), 0.04);
        assert_eq!(iou(&small, &large), 0.04);
    }

    #[test]
    fn boxes_without_area_overlap_nothing() {
        let point = Rect {
            x: 1.0,
            y: 1.0,
            w: 0.0,
            h: 0.0,
        };
        assert_eq!(iou(&point, &point), 0.0);
        assert_eq!(iobb(&point, &point), 0.0);
    }
}
