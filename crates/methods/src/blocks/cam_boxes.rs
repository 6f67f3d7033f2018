//! Boxes from a class activation map (Wang et al. 2017, section 3.3): the map is scaled to 0..255, cut at
//! two levels, and a box is drawn round every connected component.

use hilum_core::Rect;
use hilum_image::mask::{Component, Connectivity, label};
use hilum_image::{Kernel, Plane, resize};

/// The two levels of the paper.
pub const LEVELS: [f32; 2] = [60.0, 180.0];

/// A box with the map's mean inside its component, between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CamBox {
    /// In pixels of the stored image.
    pub rect: Rect,
    /// Mean of the scaled map inside, divided by 255.
    pub score: f64,
    /// Level that it was cut at.
    pub level: f32,
}

/// The map scaled so that its least value is 0 and its greatest 255; `None` for an even map, which points nowhere.
pub fn scaled(map: &Plane<f32>) -> Option<Plane<f32>> {
    let (low, high) = map.min_max()?;
    let span = high - low;
    (span > 1e-6 && span.is_finite()).then(|| map.map(|&v| (v - low) / span * 255.0))
}

/// Boxes of a map that shows the part `crop` of the stored image, strongest first. Components smaller than
/// `least` of the crop's area are dropped.
pub fn boxes(map: &Plane<f32>, crop: Rect, levels: &[f32], least: f64) -> Vec<CamBox> {
    const GRID: usize = 128;
    let Some(map) = scaled(map) else {
        return Vec::new();
    };
    let Ok(fine) = resize::resize(&map, GRID, GRID, Kernel::PilBilinear) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for &level in levels {
        let mask = fine.map(|&v| if v >= level { 255 } else { 0 });
        let labels = label(&mask, Connectivity::Eight);
        found.extend(labels.components.iter().filter_map(|part| {
            let share = part.area as f64 / (GRID * GRID) as f64;
            (share >= least).then(|| CamBox {
                rect: in_image(part.bounds, crop, GRID as f64),
                score: mean_inside(&fine, &labels.map, part),
                level,
            })
        }));
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

fn in_image((x, y, w, h): (usize, usize, usize, usize), crop: Rect, grid: f64) -> Rect {
    let (sx, sy) = (crop.w / grid, crop.h / grid);
    Rect {
        x: crop.x + x as f64 * sx,
        y: crop.y + y as f64 * sy,
        w: w as f64 * sx,
        h: h as f64 * sy,
    }
}

fn mean_inside(map: &Plane<f32>, labels: &Plane<u32>, part: &Component) -> f64 {
    let inside = map
        .data
        .iter()
        .zip(&labels.data)
        .filter(|(_, l)| **l == part.label);
    inside.map(|(&v, _)| f64::from(v)).sum::<f64>() / part.area.max(1) as f64 / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crop() -> Rect {
        Rect {
            x: 10.0,
            y: 20.0,
            w: 128.0,
            h: 128.0,
        }
    }

    #[test]
    fn two_levels_give_the_wide_and_the_narrow_box() {
        // 0 outside, 100 in a square, 255 in its corner: known components at both levels.
        let map = Plane::from_fn(128, 128, |x, y| {
            let wide = (32..64).contains(&x) && (16..48).contains(&y);
            let narrow = (32..40).contains(&x) && (16..24).contains(&y);
            if narrow {
                255.0
            } else if wide {
                100.0
            } else {
                0.0
            }
        });
        let found = boxes(&map, crop(), &LEVELS, 0.0);
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0].rect,
            Rect {
                x: 42.0,
                y: 36.0,
                w: 8.0,
                h: 8.0
            }
        );
        assert_eq!(
            found[1].rect,
            Rect {
                x: 42.0,
                y: 36.0,
                w: 32.0,
                h: 32.0
            }
        );
        assert!(found[0].score > found[1].score);
    }

    #[test]
    fn separate_parts_are_separate_boxes_and_an_even_map_has_none() {
        let map = Plane::from_fn(128, 128, |x, y| {
            f32::from(u8::from(y < 10 && !(10..100).contains(&x)))
        });
        assert_eq!(boxes(&map, crop(), &[180.0], 0.0).len(), 2);
        assert!(boxes(&Plane::filled(8, 8, 3.0), crop(), &LEVELS, 0.0).is_empty());
        assert!(
            boxes(&map, crop(), &[180.0], 0.5).is_empty(),
            "both are small"
        );
    }
}
