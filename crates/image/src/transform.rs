//! Crop, pad, flip, and the fit of an image into a network's square with the way back.

use crate::error::ImageError;
use crate::plane::{Gray, Mask, Plane};
use crate::resize::{Kernel, resize, resize_mask};
use hilum_core::{Line, Point, Rect};

/// The part of an image inside a rectangle of pixels.
///
/// # Errors
/// [`ImageError::OutOfBounds`], also for an empty rectangle.
pub fn crop<T: Clone>(
    image: &Plane<T>,
    x: usize,
    y: usize,
    w: usize,
    h: usize,
) -> Result<Plane<T>, ImageError> {
    let inside = |from: usize, length: usize, side: usize| {
        length > 0 && from.checked_add(length).is_some_and(|end| end <= side)
    };
    if !inside(x, w, image.width) || !inside(y, h, image.height) {
        return Err(ImageError::OutOfBounds {
            x,
            y,
            w,
            h,
            width: image.width,
            height: image.height,
        });
    }
    let data = (y..y + h)
        .flat_map(|row| image.row(row)[x..x + w].iter().cloned())
        .collect();
    Ok(Plane {
        width: w,
        height: h,
        data,
    })
}

/// The image with margins of one value.
pub fn pad<T: Clone>(
    image: &Plane<T>,
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
    value: T,
) -> Plane<T> {
    let mut out = Plane::filled(
        image.width + left + right,
        image.height + top + bottom,
        value,
    );
    for y in 0..image.height {
        out.row_mut(y + top)[left..left + image.width].clone_from_slice(image.row(y));
    }
    out
}

/// Mirrored left to right.
pub fn flip_horizontal<T: Clone>(image: &Plane<T>) -> Plane<T> {
    let mut out = image.clone();
    out.data
        .chunks_exact_mut(image.width.max(1))
        .for_each(<[T]>::reverse);
    out
}

/// Mirrored top to bottom.
pub fn flip_vertical<T: Clone>(image: &Plane<T>) -> Plane<T> {
    let data = (0..image.height)
        .rev()
        .flat_map(|y| image.row(y).iter().cloned())
        .collect();
    Plane {
        width: image.width,
        height: image.height,
        data,
    }
}

/// How an image is brought to the size of a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitMode {
    /// Stretched, the aspect is lost.
    #[default]
    Stretch,
    /// Whole image, margins of one value on the shorter side.
    Letterbox,
    /// Central square of the image (torchxrayvision's `XRayCenterCrop`).
    CenterCrop,
}

/// A fit of stored pixels into net pixels: `net = (stored - crop) * scale + offset`, with both directions.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Fit {
    /// Stored width and height.
    pub stored: (usize, usize),
    /// Net width and height.
    pub net: (usize, usize),
    /// Part of the stored image that is shown: left, top, width, height.
    pub source: (usize, usize, usize, usize),
    /// Part of the net image that shows it: left, top, width, height.
    pub target: (usize, usize, usize, usize),
}

impl Fit {
    /// A fit of an image of `stored` (width, height) into `net` (width, height).
    ///
    /// # Errors
    /// [`ImageError::ZeroSize`].
    pub fn new(
        stored: (usize, usize),
        net: (usize, usize),
        mode: FitMode,
    ) -> Result<Self, ImageError> {
        for (what, (width, height)) in [("the stored image", stored), ("the net's input", net)] {
            if width == 0 || height == 0 {
                return Err(ImageError::ZeroSize {
                    what,
                    width,
                    height,
                });
            }
        }
        let (mut source, mut target) = ((0, 0, stored.0, stored.1), (0, 0, net.0, net.1));
        match mode {
            FitMode::Stretch => {}
            FitMode::Letterbox => target = letterbox(stored, net),
            FitMode::CenterCrop => {
                let side = stored.0.min(stored.1);
                source = ((stored.0 - side) / 2, (stored.1 - side) / 2, side, side);
            }
        }
        Ok(Fit {
            stored,
            net,
            source,
            target,
        })
    }

    /// The image as the net sees it; margins take `fill`.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] when the image has not the stored size.
    pub fn apply(&self, image: &Gray, kernel: Kernel, fill: f32) -> Result<Gray, ImageError> {
        let part = self.cut(image)?;
        let small = resize(&part, self.target.2, self.target.3, kernel)?;
        Ok(self.place(&small, fill))
    }

    /// A mask as the net sees it.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] when the mask has not the stored size.
    pub fn apply_mask(&self, mask: &Mask) -> Result<Mask, ImageError> {
        let small = resize_mask(&self.cut(mask)?, self.target.2, self.target.3)?;
        Ok(self.place(&small, 0))
    }

    /// A map in net pixels (e.g. probabilities or heat) at the stored size; `fill` where the net saw nothing.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] when the map has not the net's size.
    pub fn map_back(&self, map: &Gray, fill: f32) -> Result<Gray, ImageError> {
        map.check_same_size(&Plane {
            width: self.net.0,
            height: self.net.1,
            data: Vec::<()>::new(),
        })?;
        let (x, y, w, h) = self.target;
        let big = resize(
            &crop(map, x, y, w, h)?,
            self.source.2,
            self.source.3,
            Kernel::TorchBilinear,
        )?;
        Ok(self.unplace(&big, fill))
    }

    /// A mask in net pixels at the stored size. Edges are smoothed: the mask is enlarged as numbers and cut at one half.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] when the mask has not the net's size.
    pub fn mask_back(&self, mask: &Mask) -> Result<Mask, ImageError> {
        let numbers = mask.map(|&v| if v == 0 { 0.0 } else { 1.0f32 });
        Ok(self
            .map_back(&numbers, 0.0)?
            .map(|&v| if v >= 0.5 { 255 } else { 0 }))
    }

    /// A point of the stored image in net pixels.
    pub fn to_net(&self, p: Point) -> Point {
        let (sx, sy) = self.scale();
        let x = (p.x - self.source.0 as f64) * sx + self.target.0 as f64;
        let y = (p.y - self.source.1 as f64) * sy + self.target.1 as f64;
        Point { x, y }
    }

    /// A point in net pixels in the stored image (may lie outside when the net's margin is meant).
    pub fn to_stored(&self, p: Point) -> Point {
        let (sx, sy) = self.scale();
        let x = (p.x - self.target.0 as f64) / sx + self.source.0 as f64;
        let y = (p.y - self.target.1 as f64) / sy + self.source.1 as f64;
        Point { x, y }
    }

    /// A line in net pixels in the stored image.
    pub fn line_to_stored(&self, line: Line) -> Line {
        Line {
            from: self.to_stored(line.from),
            to: self.to_stored(line.to),
        }
    }

    /// A box in net pixels in the stored image, cut at its edges.
    pub fn rect_to_stored(&self, rect: Rect) -> Rect {
        let from = self.to_stored(Point {
            x: rect.x,
            y: rect.y,
        });
        let to = self.to_stored(Point {
            x: rect.x + rect.w,
            y: rect.y + rect.h,
        });
        let (w, h) = (self.stored.0 as f64, self.stored.1 as f64);
        let (x0, y0) = (from.x.clamp(0.0, w), from.y.clamp(0.0, h));
        Rect {
            x: x0,
            y: y0,
            w: to.x.clamp(0.0, w) - x0,
            h: to.y.clamp(0.0, h) - y0,
        }
    }

    /// A box of the stored image in net pixels.
    pub fn rect_to_net(&self, rect: Rect) -> Rect {
        let from = self.to_net(Point {
            x: rect.x,
            y: rect.y,
        });
        let to = self.to_net(Point {
            x: rect.x + rect.w,
            y: rect.y + rect.h,
        });
        Rect {
            x: from.x,
            y: from.y,
            w: to.x - from.x,
            h: to.y - from.y,
        }
    }

    fn scale(&self) -> (f64, f64) {
        (
            self.target.2 as f64 / self.source.2 as f64,
            self.target.3 as f64 / self.source.3 as f64,
        )
    }

    fn cut<T: Clone>(&self, image: &Plane<T>) -> Result<Plane<T>, ImageError> {
        image.check_same_size(&Plane {
            width: self.stored.0,
            height: self.stored.1,
            data: Vec::<()>::new(),
        })?;
        crop(
            image,
            self.source.0,
            self.source.1,
            self.source.2,
            self.source.3,
        )
    }

    fn place<T: Clone>(&self, small: &Plane<T>, fill: T) -> Plane<T> {
        let (x, y, w, h) = self.target;
        pad(small, x, y, self.net.0 - x - w, self.net.1 - y - h, fill)
    }

    fn unplace<T: Clone>(&self, big: &Plane<T>, fill: T) -> Plane<T> {
        let (x, y, w, h) = self.source;
        pad(
            big,
            x,
            y,
            self.stored.0 - x - w,
            self.stored.1 - y - h,
            fill,
        )
    }
}

fn letterbox(stored: (usize, usize), net: (usize, usize)) -> (usize, usize, usize, usize) {
    let scale = (net.0 as f64 / stored.0 as f64).min(net.1 as f64 / stored.1 as f64);
    let side =
        |length: usize, limit: usize| ((length as f64 * scale).round() as usize).clamp(1, limit);
    let (w, h) = (side(stored.0, net.0), side(stored.1, net.1));
    ((net.0 - w) / 2, (net.1 - h) / 2, w, h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crop_pad_and_flips() {
        let image = Plane::from_fn(3, 2, |x, y| x + 10 * y);
        assert_eq!(crop(&image, 1, 0, 2, 2).unwrap().data, vec![1, 2, 11, 12]);
        assert!(crop(&image, 2, 0, 2, 1).is_err());
        assert!(crop(&image, 0, 0, 0, 1).is_err());
        assert_eq!(
            pad(&image, 1, 0, 0, 1, 9).data,
            vec![9, 0, 1, 2, 9, 10, 11, 12, 9, 9, 9, 9]
        );
        assert_eq!(flip_horizontal(&image).data, vec![2, 1, 0, 12, 11, 10]);
        assert_eq!(flip_vertical(&image).data, vec![10, 11, 12, 0, 1, 2]);
    }

    #[test]
    fn points_go_there_and_back() {
        for mode in [FitMode::Stretch, FitMode::Letterbox, FitMode::CenterCrop] {
            let fit = Fit::new((2000, 2500), (224, 224), mode).unwrap();
            let p = Point {
                x: 700.0,
                y: 1234.5,
            };
            let q = fit.to_stored(fit.to_net(p));
            assert!(
                (p.x - q.x).abs() < 1e-9 && (p.y - q.y).abs() < 1e-9,
                "{mode:?}"
            );
        }
    }

    #[test]
    fn a_mask_survives_the_way_there_and_back() {
        let mask = Plane::from_fn(200, 100, |x, y| {
            if (40..160).contains(&x) && (20..80).contains(&y) {
                255u8
            } else {
                0
            }
        });
        let fit = Fit::new((200, 100), (128, 128), FitMode::Letterbox).unwrap();
        assert_eq!(fit.target, (0, 32, 128, 64));
        let back = fit.mask_back(&fit.apply_mask(&mask).unwrap()).unwrap();
        let shared = back.and(&mask).unwrap().count() as f64;
        assert!(2.0 * shared / (back.count() + mask.count()) as f64 > 0.98);
        assert!(fit.apply_mask(&Plane::filled(3, 3, 0)).is_err());
    }
}
