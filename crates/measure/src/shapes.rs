//! Drawn masks with known measures, for tests.

use crate::masks::MaskSet;
use crate::structure::Structure;
use hilum_image::Mask;

/// Masks drawn one by one.
pub(crate) struct Shapes(MaskSet);

impl Shapes {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Shapes(MaskSet::new(width, height).unwrap())
    }

    /// Adds the pixels whose centre is inside.
    pub(crate) fn with(mut self, s: Structure, inside: impl Fn(f64, f64) -> bool) -> Self {
        let (w, h) = self.0.size();
        let mask = Mask::from_fn(w, h, |x, y| {
            u8::from(inside(x as f64 + 0.5, y as f64 + 0.5)) * 255
        });
        self.0.insert(s, mask).unwrap();
        self
    }

    pub(crate) fn done(self) -> MaskSet {
        self.0
    }
}

/// Distance to a line piece.
fn near(x: f64, y: f64, a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let t = ((x - a.0) * dx + (y - a.1) * dy) / (dx * dx + dy * dy);
    let t = t.clamp(0.0, 1.0);
    (x - a.0 - t * dx).hypot(y - a.1 - t * dy)
}

/// A trachea 40 wide that divides at row 300 into two straight bronchi, each `half` degrees off the vertical.
pub(crate) fn airway(x0: f64, half: f64) -> impl Fn(f64, f64) -> bool {
    let (s, c) = half.to_radians().sin_cos();
    move |x, y| {
        let end = |side: f64| (x0 + side * 260.0 * s, 300.0 + 260.0 * c);
        // Its rounded end stays above the notch.
        near(x, y, (x0, 60.0), (x0, 280.0)) < 20.0
            || near(x, y, (x0, 300.0), end(-1.0)) < 12.0
            || near(x, y, (x0, 300.0), end(1.0)) < 12.0
    }
}

/// Two lungs, 40 to 170 and 230 to 360 of 400, from row 60 to 340, moved by `dx`, `dy`.
pub(crate) fn lungs(shapes: Shapes, dx: f64, dy: f64) -> Shapes {
    let block = move |x0: f64, x1: f64| {
        move |x: f64, y: f64| (x0..x1).contains(&(x - dx)) && (60.0..340.0).contains(&(y - dy))
    };
    shapes
        .with(Structure::RightLung, block(40.0, 170.0))
        .with(Structure::LeftLung, block(230.0, 360.0))
}
