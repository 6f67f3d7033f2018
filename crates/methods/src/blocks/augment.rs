//! Random variants of training pictures: one affine warp, then grey-level changes.
//!
//! The random stream of a picture depends on seed, epoch and picture alone, so a run gives the same
//! batches whatever the number of threads.

use crate::error::{MethodError, Result};
use hilum_image::Plane;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How far pictures are changed; every value is the largest deviation, drawn evenly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AugmentConfig {
    /// Rotation in degrees.
    pub rotation: f32,
    /// Relative change of size.
    pub scale: f32,
    /// Shift as a share of the side.
    pub shift: f32,
    /// Chance of a mirror image; 0 where the label or the anatomy has a side.
    pub flip: f64,
    /// Relative change of contrast.
    pub contrast: f32,
    /// Change of brightness in shares of 255.
    pub brightness: f32,
    /// Exponent of a power law between 1/(1+x) and 1+x.
    pub gamma: f32,
    /// Deviation of added noise in shares of 255.
    pub noise: f32,
    /// Chance of halving the resolution (down and up again), against sets that differ in resolution.
    pub coarse: f64,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        AugmentConfig {
            rotation: 10.0,
            scale: 0.15,
            shift: 0.08,
            flip: 0.0,
            contrast: 0.25,
            brightness: 0.12,
            gamma: 0.3,
            noise: 0.02,
            coarse: 0.0,
        }
    }
}

impl AugmentConfig {
    /// No change at all.
    pub fn none() -> Self {
        AugmentConfig {
            rotation: 0.0,
            scale: 0.0,
            shift: 0.0,
            flip: 0.0,
            contrast: 0.0,
            brightness: 0.0,
            gamma: 0.0,
            noise: 0.0,
            coarse: 0.0,
        }
    }

    fn validate(&self) -> Result<()> {
        let shares = [
            self.scale,
            self.shift,
            self.contrast,
            self.brightness,
            self.noise,
        ];
        let fits = shares.iter().all(|v| (0.0..1.0).contains(v))
            && (0.0..=180.0).contains(&self.rotation)
            && (0.0..=10.0).contains(&self.gamma)
            && (0.0..=1.0).contains(&self.flip)
            && (0.0..=1.0).contains(&self.coarse);
        if fits {
            Ok(())
        } else {
            Err(MethodError::Config("augmentation out of range".into()))
        }
    }
}

/// A picture with the masks that must move along.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// Grey levels.
    pub plane: &'a Plane<u8>,
    /// Masks of the same size; `None` where the picture has none.
    pub masks: Vec<Option<&'a Plane<u8>>>,
    /// Key of its random stream.
    pub key: u64,
}

/// Makes variants.
#[derive(Debug, Clone)]
pub struct Augment {
    config: AugmentConfig,
}

impl Augment {
    /// Refuses settings out of range.
    pub fn new(config: AugmentConfig) -> Result<Self> {
        config.validate()?;
        Ok(Augment { config })
    }

    /// Variants of pictures of one size, as grey levels between 0 and 255, one after the other; and their
    /// masks as shares between 0 and 1, `NaN` throughout where a mask is missing.
    pub fn batch(&self, items: &[Item<'_>], seed: u64, epoch: u64) -> (Vec<f32>, Vec<f32>) {
        let one = |item: &Item<'_>| self.variant(item, seed, epoch);
        let parts: Vec<(Vec<f32>, Vec<f32>)> = items.par_iter().map(one).collect();
        let mut x = Vec::with_capacity(parts.len() * parts.first().map_or(0, |p| p.0.len()));
        let mut masks = Vec::with_capacity(parts.len() * parts.first().map_or(0, |p| p.1.len()));
        for (image, mask) in parts {
            x.extend(image);
            masks.extend(mask);
        }
        (x, masks)
    }

    fn variant(&self, item: &Item<'_>, seed: u64, epoch: u64) -> (Vec<f32>, Vec<f32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ epoch.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        rng.set_stream(item.key);
        let warp = Warp::draw(&self.config, item.plane, &mut rng);
        let mut image = warp.apply(item.plane, Outside::Edge);
        self.grey_levels(&mut image, &mut rng);
        if rng.random_bool(self.config.coarse) {
            halve(&mut image, item.plane.width);
        }
        let mut masks = Vec::with_capacity(item.masks.len() * image.len());
        for mask in &item.masks {
            match mask {
                Some(mask) => {
                    masks.extend(warp.apply(mask, Outside::Zero).iter().map(|v| v / 255.0));
                }
                None => masks.extend(std::iter::repeat_n(f32::NAN, image.len())),
            }
        }
        (image, masks)
    }

    fn grey_levels(&self, image: &mut [f32], rng: &mut ChaCha8Rng) {
        let c = &self.config;
        let contrast = 1.0 + around(rng, c.contrast);
        let shift = around(rng, c.brightness) * 255.0;
        let gamma = (around(rng, c.gamma.ln_1p())).exp();
        // The power law as a table: a logarithm a pixel would cost more than the warp.
        let table: Vec<f32> = (0..=255)
            .map(|v| (v as f32 / 255.0).powf(gamma) * 255.0)
            .collect();
        let noise = c.noise * 255.0;
        for v in image.iter_mut() {
            let curved = table[v.clamp(0.0, 255.0) as usize];
            *v = (curved - 128.0) * contrast + 128.0 + shift;
            if noise > 0.0 {
                *v += noise * bell(rng);
            }
        }
    }
}

/// A number near 0 with deviation 1: the sum of twelve even ones.
fn bell(rng: &mut ChaCha8Rng) -> f32 {
    let bits: u64 = rng.random();
    let sum: u32 = (0..8).map(|k| (bits >> (8 * k)) as u8 as u32).sum();
    (sum as f32 - 1020.0) / 209.0
}

fn around(rng: &mut ChaCha8Rng, most: f32) -> f32 {
    (rng.random::<f32>() * 2.0 - 1.0) * most
}

#[derive(Clone, Copy, PartialEq)]
enum Outside {
    Edge,
    Zero,
}

/// Where each target pixel comes from: an affine map about the centre.
struct Warp {
    matrix: [f32; 4],
    offset: [f32; 2],
}

impl Warp {
    fn draw(c: &AugmentConfig, plane: &Plane<u8>, rng: &mut ChaCha8Rng) -> Self {
        let (w, h) = (plane.width as f32, plane.height as f32);
        let angle = around(rng, c.rotation).to_radians();
        let scale = 1.0 + around(rng, c.scale);
        let stretch = 1.0 + around(rng, c.scale * 0.5);
        let mirror = if rng.random_bool(c.flip) { -1.0 } else { 1.0 };
        let (sin, cos) = angle.sin_cos();
        let (sx, sy) = (scale * stretch * mirror, scale / stretch);
        let matrix = [cos * sx, -sin * sy, sin * sx, cos * sy];
        let centre = [(w - 1.0) / 2.0, (h - 1.0) / 2.0];
        let shift = [around(rng, c.shift) * w, around(rng, c.shift) * h];
        let offset = [
            centre[0] - matrix[0] * centre[0] - matrix[1] * centre[1] + shift[0],
            centre[1] - matrix[2] * centre[0] - matrix[3] * centre[1] + shift[1],
        ];
        Warp { matrix, offset }
    }

    fn apply(&self, plane: &Plane<u8>, outside: Outside) -> Vec<f32> {
        let (w, h) = (plane.width, plane.height);
        let mut out = Vec::with_capacity(w * h);
        for y in 0..h {
            let mut sx = self.matrix[1] * y as f32 + self.offset[0];
            let mut sy = self.matrix[3] * y as f32 + self.offset[1];
            for _ in 0..w {
                out.push(sample(plane, sx, sy, outside));
                sx += self.matrix[0];
                sy += self.matrix[2];
            }
        }
        out
    }
}

/// Bilinear value at a point in pixel centres.
fn sample(plane: &Plane<u8>, x: f32, y: f32, outside: Outside) -> f32 {
    let (right, bottom) = (plane.width as f32 - 1.0, plane.height as f32 - 1.0);
    if outside == Outside::Zero && (x < -0.5 || y < -0.5 || x > right + 0.5 || y > bottom + 0.5) {
        return 0.0;
    }
    let (x, y) = (x.clamp(0.0, right), y.clamp(0.0, bottom));
    let (x0, y0) = (x as usize, y as usize);
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let x1 = (x0 + 1).min(plane.width - 1);
    let y1 = (y0 + 1).min(plane.height - 1);
    let at = |x: usize, y: usize| f32::from(plane.data[y * plane.width + x]);
    let top = at(x0, y0) + fx * (at(x1, y0) - at(x0, y0));
    let low = at(x0, y1) + fx * (at(x1, y1) - at(x0, y1));
    top + fy * (low - top)
}

/// Replaces each 2x2 block by a bilinear enlargement of the block means.
fn halve(image: &mut [f32], width: usize) {
    let height = image.len() / width;
    let (w, h) = (width / 2, height / 2);
    if w < 2 || h < 2 {
        return;
    }
    let mean = |x: usize, y: usize| {
        let i = 2 * y * width + 2 * x;
        (image[i] + image[i + 1] + image[i + width] + image[i + width + 1]) / 4.0
    };
    let small: Vec<f32> = (0..h)
        .flat_map(|y| (0..w).map(move |x| (x, y)))
        .map(|(x, y)| mean(x, y))
        .collect();
    for y in 0..height {
        let sy = ((y as f32 - 0.5) / 2.0).clamp(0.0, (h - 1) as f32);
        let (y0, fy) = (sy as usize, sy.fract());
        let y1 = (y0 + 1).min(h - 1);
        for x in 0..width {
            let sx = ((x as f32 - 0.5) / 2.0).clamp(0.0, (w - 1) as f32);
            let (x0, fx) = (sx as usize, sx.fract());
            let x1 = (x0 + 1).min(w - 1);
            let row = |y: usize| small[y * w + x0] * (1.0 - fx) + small[y * w + x1] * fx;
            image[y * width + x] = row(y0) * (1.0 - fy) + row(y1) * fy;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane() -> Plane<u8> {
        Plane::from_fn(32, 24, |x, y| (x * 5 + y * 3) as u8)
    }

    #[test]
    fn without_changes_the_picture_stays() {
        let p = plane();
        let a = Augment::new(AugmentConfig::none()).unwrap();
        let (x, masks) = a.batch(
            &[Item {
                plane: &p,
                masks: vec![None],
                key: 3,
            }],
            1,
            2,
        );
        let worst = x
            .iter()
            .zip(&p.data)
            .map(|(a, &b)| (a - f32::from(b)).abs())
            .fold(0.0, f32::max);
        assert!(worst < 0.01, "{worst}");
        assert!(masks.iter().all(|m| m.is_nan()));
    }

    #[test]
    fn the_same_key_gives_the_same_variant_and_masks_move_along() {
        let p = plane();
        let a = Augment::new(AugmentConfig {
            contrast: 0.0,
            brightness: 0.0,
            gamma: 0.0,
            noise: 0.0,
            ..Default::default()
        })
        .unwrap();
        let item = |key| Item {
            plane: &p,
            masks: vec![Some(&p)],
            key,
        };
        let (x, m) = a.batch(&[item(1), item(2)], 7, 0);
        let (again, _) = a.batch(&[item(1)], 7, 0);
        assert_eq!(x[..again.len()], again);
        assert_ne!(x[..again.len()], x[again.len()..]);
        // Inside the picture, image and mask are the same warp of the same plane.
        let mid = 12 * 32 + 16;
        assert!((x[mid] / 255.0 - m[mid]).abs() < 0.01);
    }

    #[test]
    fn other_epochs_give_other_variants() {
        let p = plane();
        let a = Augment::new(AugmentConfig::default()).unwrap();
        let item = || Item {
            plane: &p,
            masks: vec![],
            key: 1,
        };
        assert_ne!(a.batch(&[item()], 7, 0).0, a.batch(&[item()], 7, 1).0);
        let wild = AugmentConfig {
            scale: 2.0,
            ..Default::default()
        };
        assert!(Augment::new(wild).is_err());
    }
}
