//! The input contract: what an image must look like before a network may see it.
//!
//! It is stored inside the weight file. Training and inference prepare images by [`InputContract::prepare`]
//! alone, so that what the network was trained on is what it gets.

use crate::error::NnError;
use hilum_core::Rect;
use hilum_image::{Gray, Kernel, Mask, Plane, histogram, resize};
use serde::{Deserialize, Serialize};

/// How a picture is brought to the network's shape.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fit {
    /// Both axes are scaled on their own; proportions are lost.
    Stretch,
    /// The box around both lungs, widened by `margin` of its size on every side and stretched.
    LungBox {
        /// Share of the box's width and height.
        margin: f32,
    },
}

/// How grey levels become network values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Scaling {
    /// (level / 255 - mean) / deviation with fixed constants.
    Fixed {
        /// Mean.
        mean: f32,
        /// Standard deviation.
        deviation: f32,
    },
    /// Zero mean and unit deviation of this image.
    Standardise,
}

/// What a network expects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputContract {
    /// Channels; only 1 (grey) is prepared from X-rays.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Crop and scaling of the geometry.
    pub fit: Fit,
    /// Resize kernel, by its name in the image crate (`pil_bilinear`).
    pub kernel: String,
    /// Global histogram equalisation after the crop and before resizing.
    pub equalise: bool,
    /// Grey levels to network values.
    pub scaling: Scaling,
    /// Polarity: bone bright. Inverted images must be turned before.
    pub polarity: String,
    /// Views that the network was trained on, e.g. `frontal`.
    pub views: Vec<String>,
    /// Ages that it was trained on: `paediatric`, `adult` or both.
    pub ages: Vec<String>,
    /// Pixels outside the lungs are set to black before the network sees the picture.
    #[serde(default)]
    pub lungs_only: bool,
}

/// A picture in the network's shape, still in grey levels, and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// Grey levels at the network's size.
    pub plane: Plane<u8>,
    /// The part of the stored image that it shows.
    pub crop: Rect,
}

impl InputContract {
    /// A grey, stretched, bone-bright input of `size` x `size` for frontal views.
    pub fn square(size: usize) -> Self {
        InputContract {
            channels: 1,
            height: size,
            width: size,
            fit: Fit::Stretch,
            kernel: Kernel::PilBilinear.name().to_owned(),
            equalise: false,
            scaling: Scaling::Standardise,
            polarity: "bone_bright".to_owned(),
            views: vec!["frontal".to_owned()],
            ages: vec!["adult".to_owned(), "paediatric".to_owned()],
            lungs_only: false,
        }
    }

    /// Refuses a contract that this version cannot keep.
    pub fn validate(&self) -> Result<(), NnError> {
        let bad = |what: String| Err(NnError::Contract(what));
        if self.channels != 1 {
            return bad(format!("{} channels; X-rays give one", self.channels));
        }
        if self.height == 0 || self.width == 0 || self.height > 4096 || self.width > 4096 {
            return bad(format!(
                "size {}x{} is out of range",
                self.width, self.height
            ));
        }
        if self.kernel != Kernel::PilBilinear.name() {
            return bad(format!("unknown resize kernel `{}`", self.kernel));
        }
        if self.polarity != "bone_bright" {
            return bad(format!("unknown polarity `{}`", self.polarity));
        }
        Ok(())
    }

    /// True when [`InputContract::prepare`] needs the lungs.
    pub fn needs_lungs(&self) -> bool {
        self.lungs_only || matches!(self.fit, Fit::LungBox { .. })
    }

    /// Brings an image (display levels 0 to 255, bone bright) to the network's shape. `lungs` is a mask of
    /// the image's size; it is an error when the contract needs it and it is missing or empty.
    pub fn prepare(&self, image: &Gray, lungs: Option<&Mask>) -> Result<Prepared, NnError> {
        self.validate()?;
        let lungs = match (self.needs_lungs(), lungs) {
            (false, _) => None,
            (true, Some(mask)) => Some(mask),
            (true, None) => return Err(NnError::Contract("the lungs are not known".to_owned())),
        };
        let crop = self.crop(image, lungs)?;
        let levels = image.to_u8();
        let mut part = if lungs.is_some() {
            cut(&levels, crop)
        } else {
            levels
        };
        if self.equalise {
            part = histogram::equalise(&part);
        }
        let mut plane = resize::resize_u8(&part, self.width, self.height, Kernel::PilBilinear)
            .map_err(contract)?;
        if let (true, Some(mask)) = (self.lungs_only, lungs) {
            let inside =
                resize::resize_mask(&cut(mask, crop), self.width, self.height).map_err(contract)?;
            blacken(&mut plane, &inside);
        }
        Ok(Prepared { plane, crop })
    }

    fn crop(&self, image: &Gray, lungs: Option<&Mask>) -> Result<Rect, NnError> {
        let (w, h) = (image.width as f64, image.height as f64);
        let (Fit::LungBox { margin }, Some(mask)) = (self.fit, lungs) else {
            return Ok(Rect {
                x: 0.0,
                y: 0.0,
                w,
                h,
            });
        };
        image.check_same_size(mask).map_err(contract)?;
        let tight = bounds(mask)
            .ok_or_else(|| NnError::Contract("no lungs were found in the image".to_owned()))?;
        let (dx, dy) = (tight.w * f64::from(margin), tight.h * f64::from(margin));
        let x = (tight.x - dx).round().max(0.0);
        let y = (tight.y - dy).round().max(0.0);
        let right = (tight.x + tight.w + dx).round().min(w);
        let bottom = (tight.y + tight.h + dy).round().min(h);
        Ok(Rect {
            x,
            y,
            w: right - x,
            h: bottom - y,
        })
    }

    /// Grey levels to network values.
    pub fn values(&self, plane: &Plane<u8>) -> Vec<f32> {
        let mut out = vec![0.0; plane.data.len()];
        out.iter_mut()
            .zip(&plane.data)
            .for_each(|(o, &v)| *o = f32::from(v));
        self.scale(&mut out);
        out
    }

    /// Scales grey levels (0 to 255) of one picture in place.
    pub fn scale(&self, levels: &mut [f32]) {
        let (mean, deviation) = match self.scaling {
            Scaling::Fixed { mean, deviation } => (mean * 255.0, deviation * 255.0),
            Scaling::Standardise => moments(levels),
        };
        levels.iter_mut().for_each(|v| *v = (*v - mean) / deviation);
    }
}

fn contract(e: hilum_image::ImageError) -> NnError {
    NnError::Contract(e.to_string())
}

/// Mean and deviation; the deviation of an even picture is taken as one grey level.
fn moments(levels: &[f32]) -> (f32, f32) {
    let n = levels.len().max(1) as f64;
    let mean = levels.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let var = levels
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / n;
    (mean as f32, var.sqrt().max(1.0) as f32)
}

fn cut(plane: &Plane<u8>, crop: Rect) -> Plane<u8> {
    let (x0, y0) = (crop.x as usize, crop.y as usize);
    Plane::from_fn(crop.w as usize, crop.h as usize, |x, y| {
        plane.row(y0 + y)[x0 + x]
    })
}

fn bounds(mask: &Mask) -> Option<Rect> {
    let (mut x0, mut y0, mut x1, mut y1) = (usize::MAX, usize::MAX, 0, 0);
    for y in 0..mask.height {
        let row = mask.row(y);
        let (Some(first), Some(last)) = (
            row.iter().position(|&v| v > 0),
            row.iter().rposition(|&v| v > 0),
        ) else {
            continue;
        };
        (x0, x1) = (x0.min(first), x1.max(last + 1));
        (y0, y1) = (y0.min(y), y + 1);
    }
    (x0 < x1).then(|| Rect {
        x: x0 as f64,
        y: y0 as f64,
        w: (x1 - x0) as f64,
        h: (y1 - y0) as f64,
    })
}

fn blacken(plane: &mut Plane<u8>, inside: &Mask) {
    plane
        .data
        .iter_mut()
        .zip(&inside.data)
        .filter(|(_, m)| **m == 0)
        .for_each(|(p, _)| *p = 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Gray {
        Plane::from_fn(40, 20, |x, y| (x + 3 * y) as f32)
    }

    #[test]
    fn lung_box_is_cropped_with_its_margin() {
        let contract = InputContract {
            fit: Fit::LungBox { margin: 0.1 },
            ..InputContract::square(8)
        };
        let mask = Plane::from_fn(40, 20, |x, y| {
            if (10..30).contains(&x) && (5..15).contains(&y) {
                255
            } else {
                0
            }
        });
        let p = contract.prepare(&ramp(), Some(&mask)).unwrap();
        assert_eq!(
            p.crop,
            Rect {
                x: 8.0,
                y: 4.0,
                w: 24.0,
                h: 12.0
            }
        );
        assert!(contract.prepare(&ramp(), None).is_err());
        let empty = Plane::filled(40, 20, 0);
        assert!(contract.prepare(&ramp(), Some(&empty)).is_err());
    }

    #[test]
    fn standardised_values_have_zero_mean_and_unit_deviation() {
        let contract = InputContract::square(16);
        let p = contract.prepare(&ramp(), None).unwrap();
        let v = contract.values(&p.plane);
        let (mean, deviation) = moments(&v);
        assert!(mean.abs() < 1e-4 && (deviation - 1.0).abs() < 1e-3);
    }

    #[test]
    fn an_unknown_kernel_is_refused() {
        let contract = InputContract {
            kernel: "lanczos".into(),
            ..InputContract::square(8)
        };
        assert!(contract.prepare(&ramp(), None).is_err());
    }
}
