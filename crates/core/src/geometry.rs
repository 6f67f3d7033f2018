//! Points, rectangles and lines in pixels of the stored image.

use serde::{Deserialize, Serialize};

/// A point in pixels of the stored image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Column, to the right.
    pub x: f64,
    /// Row, downwards.
    pub y: f64,
}

/// An axis-aligned rectangle: left, top, width and height in pixels of the stored image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width, not negative.
    pub w: f64,
    /// Height, not negative.
    pub h: f64,
}

impl Rect {
    /// Area in square pixels.
    pub fn area(&self) -> f64 {
        self.w * self.h
    }

    /// Area shared with `other`, in square pixels.
    pub fn intersection(&self, other: &Rect) -> f64 {
        let w = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let h = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        if w > 0.0 && h > 0.0 { w * h } else { 0.0 }
    }
}

/// A straight line between two points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Where it starts.
    pub from: Point,
    /// Where it ends.
    pub to: Point,
}

impl Line {
    /// Length in pixels.
    pub fn length(&self) -> f64 {
        (self.to.x - self.from.x).hypot(self.to.y - self.from.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intersection_of_disjoint_rectangles_is_zero() {
        let a = Rect {
            x: 0.0,
            y: 0.0,
            w: 2.0,
            h: 2.0,
        };
        let b = Rect {
            x: 2.0,
            y: 0.0,
            w: 2.0,
            h: 2.0,
        };
        assert_eq!(a.intersection(&b), 0.0);
        let c = Rect {
            x: 1.0,
            y: 1.0,
            w: 2.0,
            h: 2.0,
        };
        assert_eq!(a.intersection(&c), 1.0);
    }
}
