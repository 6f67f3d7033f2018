//! Resampling with the kernels of Pillow, OpenCV and PyTorch. A network sees the right numbers only through the
//! kernel that it was trained with, so the kernels are told apart by library.

mod taps;

use crate::error::ImageError;
use crate::plane::{Gray, Plane};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use taps::{Tap, axis_taps};

/// A resampling kernel, named after the library whose numbers it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// Pillow `NEAREST`.
    PilNearest,
    /// Pillow `BOX`, antialiased.
    PilBox,
    /// Pillow `BILINEAR`, antialiased.
    PilBilinear,
    /// Pillow `BICUBIC` (a = -0.5), antialiased.
    PilBicubic,
    /// Pillow `LANCZOS` (3 lobes), antialiased.
    PilLanczos,
    /// OpenCV `INTER_NEAREST`.
    CvNearest,
    /// OpenCV `INTER_LINEAR`, not antialiased.
    CvLinear,
    /// OpenCV `INTER_CUBIC` (a = -0.75), not antialiased.
    CvCubic,
    /// OpenCV `INTER_AREA`.
    CvArea,
    /// PyTorch `nearest`.
    TorchNearest,
    /// PyTorch `nearest-exact`.
    TorchNearestExact,
    /// PyTorch `bilinear`, `align_corners=False`, no antialias.
    TorchBilinear,
    /// PyTorch `bilinear`, `align_corners=True`.
    TorchBilinearAlignCorners,
    /// PyTorch `bilinear`, `antialias=True`.
    TorchBilinearAntialias,
    /// PyTorch `bicubic` (a = -0.75), no antialias.
    TorchBicubic,
    /// PyTorch `bicubic` (a = -0.5), `antialias=True`.
    TorchBicubicAntialias,
    /// PyTorch `area` (adaptive average pooling).
    TorchArea,
}

impl Kernel {
    /// All kernels.
    pub const ALL: [Kernel; 17] = [
        Kernel::PilNearest,
        Kernel::PilBox,
        Kernel::PilBilinear,
        Kernel::PilBicubic,
        Kernel::PilLanczos,
        Kernel::CvNearest,
        Kernel::CvLinear,
        Kernel::CvCubic,
        Kernel::CvArea,
        Kernel::TorchNearest,
        Kernel::TorchNearestExact,
        Kernel::TorchBilinear,
        Kernel::TorchBilinearAlignCorners,
        Kernel::TorchBilinearAntialias,
        Kernel::TorchBicubic,
        Kernel::TorchBicubicAntialias,
        Kernel::TorchArea,
    ];

    /// Name in snake case, as in an input contract.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::PilNearest => "pil_nearest",
            Kernel::PilBox => "pil_box",
            Kernel::PilBilinear => "pil_bilinear",
            Kernel::PilBicubic => "pil_bicubic",
            Kernel::PilLanczos => "pil_lanczos",
            Kernel::CvNearest => "cv_nearest",
            Kernel::CvLinear => "cv_linear",
            Kernel::CvCubic => "cv_cubic",
            Kernel::CvArea => "cv_area",
            Kernel::TorchNearest => "torch_nearest",
            Kernel::TorchNearestExact => "torch_nearest_exact",
            Kernel::TorchBilinear => "torch_bilinear",
            Kernel::TorchBilinearAlignCorners => "torch_bilinear_align_corners",
            Kernel::TorchBilinearAntialias => "torch_bilinear_antialias",
            Kernel::TorchBicubic => "torch_bicubic",
            Kernel::TorchBicubicAntialias => "torch_bicubic_antialias",
            Kernel::TorchArea => "torch_area",
        }
    }

    fn is_pil(self) -> bool {
        matches!(
            self,
            Kernel::PilBox | Kernel::PilBilinear | Kernel::PilBicubic | Kernel::PilLanczos
        )
    }
}

impl FromStr for Kernel {
    type Err = ImageError;

    fn from_str(name: &str) -> Result<Self, ImageError> {
        Kernel::ALL
            .into_iter()
            .find(|k| k.name() == name)
            .ok_or_else(|| ImageError::UnknownName {
                what: "resize kernel",
                name: name.to_owned(),
                known: "pil_*, cv_* and torch_* as listed by Kernel::ALL",
            })
    }
}

/// Resizes numbers without rounding (Pillow's mode `F`, OpenCV's and PyTorch's float32).
///
/// # Errors
/// [`ImageError::ZeroSize`] when either side of source or target is zero.
pub fn resize(
    image: &Gray,
    width: usize,
    height: usize,
    kernel: Kernel,
) -> Result<Gray, ImageError> {
    check_sides(image, width, height)?;
    let (columns, rows) = axis_taps(kernel, (image.width, width), (image.height, height));
    let narrow = horizontal(image, &columns);
    Ok(vertical(&narrow, &rows))
}

/// Resizes 8-bit values with the rounding of the library: bit-exact for Pillow (fixed point, rounded between the
/// passes), within one grey level for OpenCV. PyTorch kernels are computed in float32 and rounded half to even.
///
/// # Errors
/// [`ImageError::ZeroSize`] when either side of source or target is zero.
pub fn resize_u8(
    image: &Plane<u8>,
    width: usize,
    height: usize,
    kernel: Kernel,
) -> Result<Plane<u8>, ImageError> {
    check_sides(image, width, height)?;
    if !kernel.is_pil() {
        let float = resize(&image.to_gray(), width, height, kernel)?;
        return Ok(float.map(|v| v.round_ties_even().clamp(0.0, 255.0) as u8));
    }
    let (columns, rows) = axis_taps(kernel, (image.width, width), (image.height, height));
    Ok(fixed_vertical(&fixed_horizontal(image, &columns), &rows))
}

/// Resizes a mask by nearest pixel centres; the result is again 0 or 255.
///
/// # Errors
/// [`ImageError::ZeroSize`] when either side of source or target is zero.
pub fn resize_mask(mask: &Plane<u8>, width: usize, height: usize) -> Result<Plane<u8>, ImageError> {
    check_sides(mask, width, height)?;
    let columns: Vec<usize> = (0..width)
        .map(|x| (2 * x + 1) * mask.width / (2 * width))
        .collect();
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = mask.row((2 * y + 1) * mask.height / (2 * height));
        data.extend(columns.iter().map(|&x| if row[x] == 0 { 0 } else { 255 }));
    }
    Plane::new(width, height, data)
}

fn check_sides<T>(image: &Plane<T>, width: usize, height: usize) -> Result<(), ImageError> {
    if image.width == 0 || image.height == 0 {
        return Err(ImageError::ZeroSize {
            what: "the image to resize",
            width: image.width,
            height: image.height,
        });
    }
    if width == 0 || height == 0 {
        return Err(ImageError::ZeroSize {
            what: "the size to resize to",
            width,
            height,
        });
    }
    Ok(())
}

fn horizontal(image: &Gray, taps: &[Tap]) -> Gray {
    let mut data = Vec::with_capacity(taps.len() * image.height);
    for row in image.data.chunks_exact(image.width) {
        data.extend(taps.iter().map(|tap| {
            let window = &row[tap.start..tap.start + tap.weights.len()];
            window
                .iter()
                .zip(&tap.weights)
                .map(|(&v, &w)| v * w as f32)
                .sum::<f32>()
        }));
    }
    Plane {
        width: taps.len(),
        height: image.height,
        data,
    }
}

fn vertical(image: &Gray, taps: &[Tap]) -> Gray {
    let mut out = Plane::filled(image.width, taps.len(), 0.0f32);
    for (tap, target) in taps.iter().zip(out.data.chunks_exact_mut(image.width)) {
        for (offset, &weight) in tap.weights.iter().enumerate() {
            let weight = weight as f32;
            for (t, &v) in target.iter_mut().zip(image.row(tap.start + offset)) {
                *t += v * weight;
            }
        }
    }
    out
}

/// Pillow's fixed point: 32 bits less 8 for the value and 2 for overshoot.
const PRECISION_BITS: u32 = 22;

fn fixed(tap: &Tap) -> Vec<i64> {
    let scale = f64::from(1u32 << PRECISION_BITS);
    tap.weights
        .iter()
        .map(|w| (w * scale).round() as i64)
        .collect()
}

fn clip(sum: i64) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

const HALF: i64 = 1 << (PRECISION_BITS - 1);

fn fixed_horizontal(image: &Plane<u8>, taps: &[Tap]) -> Plane<u8> {
    let weights: Vec<Vec<i64>> = taps.iter().map(fixed).collect();
    let mut data = Vec::with_capacity(taps.len() * image.height);
    for row in image.data.chunks_exact(image.width) {
        data.extend(taps.iter().zip(&weights).map(|(tap, weights)| {
            let window = row[tap.start..].iter().zip(weights);
            clip(HALF + window.map(|(&v, &w)| i64::from(v) * w).sum::<i64>())
        }));
    }
    Plane {
        width: taps.len(),
        height: image.height,
        data,
    }
}

fn fixed_vertical(image: &Plane<u8>, taps: &[Tap]) -> Plane<u8> {
    let mut data = Vec::with_capacity(taps.len() * image.width);
    let mut sums = vec![0i64; image.width];
    for tap in taps {
        sums.fill(HALF);
        for (offset, weight) in fixed(tap).into_iter().enumerate() {
            for (sum, &v) in sums.iter_mut().zip(image.row(tap.start + offset)) {
                *sum += i64::from(v) * weight;
            }
        }
        data.extend(sums.iter().map(|&sum| clip(sum)));
    }
    Plane {
        width: image.width,
        height: taps.len(),
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_keeps_a_flat_image_and_its_size() {
        let flat = Plane::filled(13, 7, 42.0f32);
        for kernel in Kernel::ALL {
            for (w, h) in [(5, 3), (13, 7), (29, 20), (1, 1), (40, 2)] {
                let out = resize(&flat, w, h, kernel).unwrap();
                assert_eq!((out.width, out.height), (w, h));
                assert!(
                    out.data.iter().all(|v| (v - 42.0).abs() < 1e-3),
                    "{kernel:?} {w}x{h}"
                );
            }
        }
    }

    #[test]
    fn same_size_is_the_identity() {
        let image = Plane::from_fn(6, 5, |x, y| (x * 7 + y * 13) as f32);
        for kernel in Kernel::ALL {
            let out = resize(&image, 6, 5, kernel).unwrap();
            assert!(
                out.data
                    .iter()
                    .zip(&image.data)
                    .all(|(a, b)| (a - b).abs() < 1e-3),
                "{kernel:?}"
            );
        }
    }

    #[test]
    fn zero_sides_are_refused_and_names_round_trip() {
        let image = Plane::filled(2, 2, 0.0f32);
        assert!(resize(&image, 0, 2, Kernel::CvLinear).is_err());
        assert!(resize(&Plane::filled(0, 2, 0.0f32), 2, 2, Kernel::CvLinear).is_err());
        for kernel in Kernel::ALL {
            assert_eq!(kernel.name().parse::<Kernel>().unwrap(), kernel);
        }
    }

    #[test]
    fn masks_stay_binary() {
        let mask = Plane::from_fn(4, 4, |x, _| if x < 2 { 0u8 } else { 9 });
        let big = resize_mask(&mask, 8, 8).unwrap();
        assert_eq!(big.row(0), &[0, 0, 0, 0, 255, 255, 255, 255]);
    }
}
