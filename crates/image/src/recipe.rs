//! Named ways from stored values to 8-bit display values. The same names hold for DICOM and for 16-bit PNG or TIFF.

use crate::error::ImageError;
use crate::histogram;
use crate::plane::{Gray, Plane};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// How stored values become display values between 0 and 255.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// As a viewer shows it: modality LUT, then VOI LUT or window, then inversion (DICOM PS3.4 N.2). Files without a
    /// window use their smallest and largest value; PNG, JPEG and TIFF use their full bit depth.
    #[default]
    Voi,
    /// Smallest value to 0, largest to 255, no window. Pixel padding is left out of the range and shown black.
    Linear,
    /// As MIMIC-CXR-JPG was made (Johnson et al. 2019, arXiv:1901.07042, "the DICOM to JPG conversion"): subtract the
    /// smallest value, divide by the largest, times 255 with truncation; MONOCHROME1 inverted; then OpenCV's histogram
    /// equalisation. No window is used. The JPEG step (quality 95) is left out.
    MimicJpg,
    /// Histogram equalisation at the full bit depth, then 8 bit. Irvin et al. 2019 (arXiv:1901.07031) do not publish the conversion of
    /// CheXpert's images; this is an approximation of how those images look, not a reproduction of their pixels.
    Chexpert,
}

impl Recipe {
    /// All recipes in the order of their documentation.
    pub const ALL: [Recipe; 4] = [
        Recipe::Voi,
        Recipe::Linear,
        Recipe::MimicJpg,
        Recipe::Chexpert,
    ];

    /// The name used on the command line and in provenance.
    pub fn name(self) -> &'static str {
        match self {
            Recipe::Voi => "voi",
            Recipe::Linear => "linear",
            Recipe::MimicJpg => "mimic-jpg",
            Recipe::Chexpert => "chexpert",
        }
    }
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Recipe {
    type Err = ImageError;

    fn from_str(name: &str) -> Result<Self, ImageError> {
        Recipe::ALL
            .into_iter()
            .find(|r| r.name() == name)
            .ok_or_else(|| ImageError::UnknownName {
                what: "recipe",
                name: name.to_owned(),
                known: "voi, linear, mimic-jpg, chexpert",
            })
    }
}

/// `floor(255 * clip((v - lo) / (hi - lo), 0, 1) + 0.5)`; 0 everywhere when `lo == hi`. `invert` turns it over before
/// rounding.
pub fn to_display(values: impl Iterator<Item = f64>, lo: f64, hi: f64, invert: bool) -> Vec<f32> {
    values.map(|v| display_value(v, lo, hi, invert)).collect()
}

/// One value of [`to_display`].
pub fn display_value(v: f64, lo: f64, hi: f64, invert: bool) -> f32 {
    let unit = if hi > lo {
        ((v - lo) / (hi - lo)).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let unit = if invert { 1.0 - unit } else { unit };
    (255.0 * unit + 0.5).floor() as f32
}

/// The MIMIC-CXR-JPG conversion of modality values: see [`Recipe::MimicJpg`].
pub fn mimic_jpg(values: &Plane<f32>, invert: bool) -> Gray {
    let (lo, hi) = values.min_max().unwrap_or((0.0, 0.0));
    let (lo, span) = (f64::from(lo), f64::from(hi) - f64::from(lo));
    let eight = values.map(|&v| {
        let unit = if span > 0.0 {
            (f64::from(v) - lo) / span
        } else {
            0.0
        };
        let level = (unit * 255.0) as u8;
        if invert { 255 - level } else { level }
    });
    histogram::equalise(&eight).to_gray()
}

/// Histogram equalisation on up to 65536 levels, then 8 bit: see [`Recipe::Chexpert`].
pub fn chexpert(values: &Plane<f32>, invert: bool) -> Gray {
    let (lo, hi) = values.min_max().unwrap_or((0.0, 0.0));
    let span = f64::from(hi) - f64::from(lo);
    let level = |v: f32| {
        if span > 0.0 {
            ((f64::from(v) - f64::from(lo)) / span * 65535.0).round() as usize
        } else {
            0
        }
    };
    let mut cumulative = vec![0usize; 65536];
    for &v in &values.data {
        cumulative[level(v)] += 1;
    }
    let first = cumulative.iter().copied().find(|&c| c > 0).unwrap_or(0);
    let mut sum = 0usize;
    for c in &mut cumulative {
        sum += *c;
        *c = sum;
    }
    let top = values.data.len().saturating_sub(first) as f64;
    values.map(|&v| {
        display_value(
            cumulative[level(v)].saturating_sub(first) as f64,
            0.0,
            top,
            invert,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for recipe in Recipe::ALL {
            assert_eq!(recipe.name().parse::<Recipe>().unwrap(), recipe);
            assert_eq!(
                serde_json::to_string(&recipe).unwrap(),
                format!("{:?}", recipe.name())
            );
        }
        assert!("window".parse::<Recipe>().is_err());
    }

    #[test]
    fn inversion_comes_before_rounding() {
        assert_eq!(display_value(1.0, 0.0, 2.0, false), 128.0);
        assert_eq!(display_value(1.0, 0.0, 2.0, true), 128.0);
        assert_eq!(display_value(5.0, 5.0, 5.0, false), 0.0);
    }

    #[test]
    fn equalising_recipes_span_the_range() {
        let ramp = Plane::from_fn(64, 64, |x, y| ((x + 64 * y) as f32).sqrt());
        for image in [mimic_jpg(&ramp, false), chexpert(&ramp, false)] {
            let (lo, hi) = image.min_max().unwrap();
            assert_eq!((lo, hi), (0.0, 255.0));
            let mean = image.data.iter().sum::<f32>() / image.data.len() as f32;
            assert!((mean - 127.5).abs() < 3.0, "equalised mean {mean}");
        }
        let plain = chexpert(&ramp, false);
        let inverted = chexpert(&ramp, true);
        assert!(plain.data[0] < 1.0 && inverted.data[0] > 254.0);
    }
}
