//! Seeded augmentation of image, masks and boxes together, with one bilinear warp.

use crate::error::{DataError, Result};
use crate::random::{Draws, PixelNoise};
use crate::store::PlacedBox;
use hilum_core::Rect;
use serde::{Deserialize, Serialize};

/// How far images are changed; every range is symmetric around "unchanged".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Largest rotation in degrees, either way.
    pub rotation: f32,
    /// Largest relative change of size: 0.1 draws 0.9 to 1.1.
    pub scale: f32,
    /// Largest shift as a share of the side, in each direction.
    pub translation: f32,
    /// Probability of mirroring left and right. Keep 0 when a label or a mask has a side that matters:
    /// masks named `left_...` and `right_...` are swapped, labels are not.
    pub flip: f32,
    /// Largest change of brightness, on values between 0 and 1.
    pub brightness: f32,
    /// Largest relative change of contrast around mid grey.
    pub contrast: f32,
    /// Largest relative change of gamma: 0.2 draws 1/1.2 to 1.2.
    pub gamma: f32,
    /// Largest standard deviation of the noise, on values between 0 and 1.
    pub noise: f32,
    /// Probability of erasing a rectangle (Zhong et al. 2020) of 2 to 20 percent of the area.
    pub erase: f32,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        AugmentConfig::NONE
    }
}

impl AugmentConfig {
    /// No change.
    pub const NONE: AugmentConfig = AugmentConfig {
        rotation: 0.0,
        scale: 0.0,
        translation: 0.0,
        flip: 0.0,
        brightness: 0.0,
        contrast: 0.0,
        gamma: 0.0,
        noise: 0.0,
        erase: 0.0,
    };

    /// What differs between two films of one patient: position, distance, exposure. Not mirrored.
    pub const POSITIONING: AugmentConfig = AugmentConfig {
        rotation: 10.0,
        scale: 0.1,
        translation: 0.05,
        brightness: 0.1,
        contrast: 0.2,
        gamma: 0.2,
        noise: 0.02,
        ..AugmentConfig::NONE
    };

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DataError::Setting`].
    pub fn validate(&self) -> Result<()> {
        let check = |name, value: f32, most: f32, wanted| {
            if (0.0..=most).contains(&value) {
                Ok(())
            } else {
                Err(DataError::setting(name, wanted, value))
            }
        };
        check(
            "rotation",
            self.rotation,
            180.0,
            "between 0 and 180 degrees",
        )?;
        check("scale", self.scale, 0.9, "between 0 and 0.9")?;
        check("gamma", self.gamma, 10.0, "between 0 and 10")?;
        for (name, value) in [
            ("translation", self.translation),
            ("flip", self.flip),
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("noise", self.noise),
            ("erase", self.erase),
        ] {
            check(name, value, 1.0, "between 0 and 1")?;
        }
        Ok(())
    }
}

/// Square to square, for pixel centres: `source = matrix * target + shift`, relative to the middle.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Warp {
    matrix: [f32; 4],
    shift: [f32; 2],
}

/// One drawn change, to be applied to an image and all that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Augmentation {
    size: usize,
    warp: Option<Warp>,
    flip: bool,
    brightness: f32,
    contrast: f32,
    gamma: f32,
    noise: f32,
    noise_seed: u64,
    erase: Option<(usize, usize, usize, usize, f32)>,
}

const PURPOSE: u64 = 0x6175_676d;

impl Augmentation {
    /// Draws the change of one sample in one epoch for squares of side `size`.
    pub fn draw(config: &AugmentConfig, size: usize, seed: u64, epoch: u64, sample: u64) -> Self {
        let mut d = Draws::new(seed, PURPOSE, epoch, sample);
        let angle = d.within(config.rotation).to_radians();
        let zoom = 1.0 + d.within(config.scale);
        let shift =
            [d.within(config.translation), d.within(config.translation)].map(|t| t * size as f32);
        let flip = d.chance(config.flip);
        let brightness = d.within(config.brightness);
        let contrast = 1.0 + d.within(config.contrast);
        let gamma = (1.0 + config.gamma).powf(d.within(1.0));
        let noise = d.unit() * config.noise;
        let noise_seed = d.word();
        let erase = draw_erase(&mut d, config.erase, size);
        let moved = config.rotation > 0.0 || config.scale > 0.0 || config.translation > 0.0 || flip;
        let warp = moved.then(|| Warp::new(angle, zoom, shift, flip));
        Augmentation {
            size,
            warp,
            flip,
            brightness,
            contrast,
            gamma,
            noise,
            noise_seed,
            erase,
        }
    }

    /// Whether left and right are swapped.
    pub fn is_flipped(&self) -> bool {
        self.flip
    }

    /// The changed image, values about 0 to 1, into `out` (`size * size`, as `image`).
    pub fn image(&self, image: &[u8], out: &mut [f32]) {
        let table = self.table();
        match &self.warp {
            Some(warp) => warp.apply(image, &table, self.size, out),
            None => out
                .iter_mut()
                .zip(image)
                .for_each(|(o, v)| *o = table[usize::from(*v)]),
        }
        if self.noise > 0.0 {
            self.add_noise(out);
        }
        if let Some((left, top, width, height, value)) = self.erase {
            out.chunks_exact_mut(self.size)
                .skip(top)
                .take(height)
                .for_each(|r| r[left..left + width].fill(value));
        }
    }

    /// The moved mask, 0 or 1, into `out`; what comes from outside is 0.
    pub fn mask(&self, mask: &[u8], out: &mut [f32]) {
        let table: [f32; 256] = std::array::from_fn(|v| if v >= 128 { 1.0 } else { 0.0 });
        match &self.warp {
            Some(warp) => warp.apply(mask, &table, self.size, out),
            None => out
                .iter_mut()
                .zip(mask)
                .for_each(|(o, v)| *o = table[usize::from(*v)]),
        }
        out.iter_mut()
            .for_each(|v| *v = if *v >= 0.5 { 1.0 } else { 0.0 });
    }

    /// The moved boxes, cut at the border; those that keep less than a quarter of their area are dropped.
    pub fn boxes(&self, boxes: &[PlacedBox]) -> Vec<PlacedBox> {
        let Some(warp) = &self.warp else {
            return boxes.to_vec();
        };
        let square = Rect {
            x: 0.0,
            y: 0.0,
            w: self.size as f64,
            h: self.size as f64,
        };
        let moved = |b: &PlacedBox| {
            let full = warp.move_box(&b.rect, self.size)?;
            let share = full.intersection(&square) / full.area();
            let rect = cut(&full, self.size as f64);
            (share >= 0.25).then(|| PlacedBox { rect, ..b.clone() })
        };
        boxes.iter().filter_map(moved).collect()
    }

    /// Gamma, then contrast around mid grey, then brightness, cut to 0..1: the value of each byte.
    fn table(&self) -> [f32; 256] {
        std::array::from_fn(|v| {
            let v = (v as f32 / 255.0).powf(self.gamma);
            ((v - 0.5) * self.contrast + 0.5 + self.brightness).clamp(0.0, 1.0)
        })
    }

    fn add_noise(&self, out: &mut [f32]) {
        let mut noise = PixelNoise(self.noise_seed);
        for two in out.chunks_mut(2) {
            let pair = noise.pair();
            two[0] += pair.0 * self.noise;
            if let Some(second) = two.get_mut(1) {
                *second += pair.1 * self.noise;
            }
        }
    }
}

fn draw_erase(
    d: &mut Draws,
    probability: f32,
    size: usize,
) -> Option<(usize, usize, usize, usize, f32)> {
    if !d.chance(probability) {
        return None;
    }
    let area = (0.02 + 0.18 * d.unit()) * (size * size) as f32;
    let aspect = 3f32.powf(d.within(1.0));
    let side = |s: f32| (s.round() as usize).clamp(1, size);
    let (width, height) = (side((area * aspect).sqrt()), side((area / aspect).sqrt()));
    let (left, top) = (d.below(size - width + 1), d.below(size - height + 1));
    Some((left, top, width, height, d.unit()))
}

fn cut(r: &Rect, size: f64) -> Rect {
    let (x, y) = (r.x.clamp(0.0, size), r.y.clamp(0.0, size));
    Rect {
        x,
        y,
        w: (r.x + r.w).clamp(0.0, size) - x,
        h: (r.y + r.h).clamp(0.0, size) - y,
    }
}

impl Warp {
    /// The inverse of: mirror, scale by `zoom`, rotate by `angle`, shift.
    fn new(angle: f32, zoom: f32, shift: [f32; 2], flip: bool) -> Self {
        let (sin, cos) = angle.sin_cos();
        let mirror = if flip { -1.0 } else { 1.0 };
        let m = [
            mirror * cos / zoom,
            mirror * sin / zoom,
            -sin / zoom,
            cos / zoom,
        ];
        let back = [
            -(m[0] * shift[0] + m[1] * shift[1]),
            -(m[2] * shift[0] + m[3] * shift[1]),
        ];
        Warp {
            matrix: m,
            shift: back,
        }
    }

    /// Bilinear, through `table`; what comes from outside is `table[0]`.
    fn apply(&self, image: &[u8], table: &[f32; 256], size: usize, out: &mut [f32]) {
        let middle = (size as f32 - 1.0) / 2.0;
        let [a, b, c, d] = self.matrix;
        // A border of one pixel on each side makes every tap of an edge pixel valid.
        let stride = size + 2;
        let mut framed = vec![table[0]; stride * stride];
        for (row, line) in image.chunks_exact(size).enumerate() {
            let start = (row + 1) * stride + 1;
            framed[start..start + size]
                .iter_mut()
                .zip(line)
                .for_each(|(f, v)| *f = table[usize::from(*v)]);
        }
        for (row, line) in out.chunks_exact_mut(size).enumerate() {
            let y = row as f32 - middle;
            let start = [
                b * y + self.shift[0] + middle - a * middle,
                d * y + self.shift[1] + middle - c * middle,
            ];
            let last = (stride - 1) as f32;
            let inside = between(start[0] + 1.0, a, last, size);
            let inside = intersection(inside, between(start[1] + 1.0, c, last, size));
            line[..inside.0].fill(table[0]);
            line[inside.1..].fill(table[0]);
            for (column, o) in (inside.0..inside.1).zip(&mut line[inside.0..inside.1]) {
                let x = column as f32;
                *o = sample(
                    &framed,
                    stride,
                    start[0] + a * x + 1.0,
                    start[1] + c * x + 1.0,
                );
            }
        }
    }

    /// The bounding box of a moved box; `None` when it has no area.
    fn move_box(&self, r: &Rect, size: usize) -> Option<Rect> {
        let [a, b, c, d] = self.matrix.map(f64::from);
        let determinant = a * d - b * c;
        let middle = size as f64 / 2.0;
        let corners = [
            (r.x, r.y),
            (r.x + r.w, r.y),
            (r.x, r.y + r.h),
            (r.x + r.w, r.y + r.h),
        ]
        .map(|(x, y)| {
            let (x, y) = (
                x - middle - f64::from(self.shift[0]),
                y - middle - f64::from(self.shift[1]),
            );
            (
                (d * x - b * y) / determinant + middle,
                (a * y - c * x) / determinant + middle,
            )
        });
        let edge = |pick: fn(&(f64, f64)) -> f64| {
            corners
                .iter()
                .map(pick)
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
                    (l.min(v), h.max(v))
                })
        };
        let ((left, right), (top, bottom)) = (edge(|c| c.0), edge(|c| c.1));
        let moved = Rect {
            x: left,
            y: top,
            w: right - left,
            h: bottom - top,
        };
        (moved.area() > 0.0).then_some(moved)
    }
}

/// The columns `x` in `0..size` for which `start + step * x` is safely within `0..last`; the few at the very
/// edge that rounding could carry outside are left to the border, which has the same value.
fn between(start: f32, step: f32, last: f32, size: usize) -> (usize, usize) {
    let margin = 1e-3f32.max(last * 1e-6);
    if step.abs() < 1e-6 {
        return if start > margin && start < last - margin {
            (0, size)
        } else {
            (0, 0)
        };
    }
    let (p, q) = ((margin - start) / step, (last - margin - start) / step);
    let bound = |v: f32| v.clamp(0.0, size as f32) as usize;
    let (first, end) = (bound(p.min(q).ceil()), bound(p.max(q).ceil()));
    (first, end.max(first))
}

fn intersection(a: (usize, usize), b: (usize, usize)) -> (usize, usize) {
    let first = a.0.max(b.0);
    (first, a.1.min(b.1).max(first))
}

/// Value between four pixels of a framed square.
#[inline(always)]
fn sample(framed: &[f32], stride: usize, x: f32, y: f32) -> f32 {
    let (column, row) = (x as i32, y as i32);
    let (u, v) = (x - column as f32, y - row as f32);
    let at = row as usize * stride + column as usize;
    let taps = &framed[at..at + stride + 2];
    let upper = taps[0] + (taps[1] - taps[0]) * u;
    let lower = taps[stride] + (taps[stride + 1] - taps[stride]) * u;
    upper + (lower - upper) * v
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(flip: f32) -> AugmentConfig {
        AugmentConfig {
            flip,
            ..AugmentConfig::NONE
        }
    }

    fn placed(x: f64, y: f64, w: f64, h: f64) -> PlacedBox {
        PlacedBox {
            code: None,
            label: String::new(),
            rect: Rect { x, y, w, h },
        }
    }

    #[test]
    fn no_change_is_exact() {
        let image: Vec<u8> = (0..16).map(|v| v * 16).collect();
        let mut out = vec![0.0; 16];
        Augmentation::draw(&AugmentConfig::NONE, 4, 1, 2, 3).image(&image, &mut out);
        assert!(
            out.iter()
                .zip(&image)
                .all(|(o, v)| (o - f32::from(*v) / 255.0).abs() < 1e-6)
        );
    }

    #[test]
    fn mirroring_swaps_columns_and_boxes() {
        let image: Vec<u8> = vec![0, 50, 100, 150, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0];
        let mut out = vec![0.0; 16];
        let a = Augmentation::draw(&only(1.0), 4, 0, 0, 0);
        assert!(a.is_flipped());
        a.image(&image, &mut out);
        let bytes: Vec<_> = out.iter().map(|v| (v * 255.0).round() as u8).collect();
        assert_eq!(
            bytes,
            [150, 100, 50, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0]
        );
        let b = a.boxes(&[placed(0.0, 2.0, 1.0, 1.0)]);
        assert_eq!(
            b[0].rect,
            Rect {
                x: 3.0,
                y: 2.0,
                w: 1.0,
                h: 1.0
            }
        );
    }

    #[test]
    fn a_box_follows_its_pixels() {
        let config = AugmentConfig {
            rotation: 20.0,
            scale: 0.2,
            translation: 0.1,
            flip: 0.5,
            ..AugmentConfig::NONE
        };
        let size = 64;
        let mut mask = vec![0u8; size * size];
        (20..30).for_each(|y| mask[y * size + 35..y * size + 50].fill(255));
        for sample in 0..20 {
            let a = Augmentation::draw(&config, size, 9, 0, sample);
            let mut out = vec![0.0; size * size];
            a.mask(&mask, &mut out);
            let b = a.boxes(&[placed(35.0, 20.0, 15.0, 10.0)])[0].rect;
            let inside = |i: usize| {
                let (x, y) = ((i % size) as f64 + 0.5, (i / size) as f64 + 0.5);
                x > b.x - 0.6 && x < b.x + b.w + 0.6 && y > b.y - 0.6 && y < b.y + b.h + 0.6
            };
            let ones: Vec<_> = (0..size * size).filter(|i| out[*i] == 1.0).collect();
            assert!(
                ones.len() > 80 && ones.iter().all(|i| inside(*i)),
                "draw {sample}"
            );
            let columns = ones.iter().map(|i| (i % size) as f64);
            assert!(
                (columns.clone().fold(f64::MAX, f64::min) - b.x).abs() < 1.6,
                "draw {sample}: tight"
            );
        }
    }

    #[test]
    fn draws_depend_on_epoch_and_sample_only() {
        let draw = |e, s| Augmentation::draw(&AugmentConfig::POSITIONING, 32, 5, e, s);
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(2, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
    }

    #[test]
    fn erasing_stays_inside() {
        let config = AugmentConfig {
            erase: 1.0,
            ..AugmentConfig::NONE
        };
        let image = vec![255u8; 100];
        for sample in 0..50 {
            let mut out = vec![0.0; 100];
            Augmentation::draw(&config, 10, 0, 0, sample).image(&image, &mut out);
            let gone = out.iter().filter(|v| **v != 1.0).count();
            assert!((1..=60).contains(&gone), "{gone}");
        }
        assert!(
            AugmentConfig {
                flip: 1.5,
                ..AugmentConfig::NONE
            }
            .validate()
            .is_err()
        );
    }
}
