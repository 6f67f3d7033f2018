//! Made-up ultrasound pictures of the breast: multiplicative Rayleigh speckle on layers of tissue with one dark lesion, a smooth
//! wide ellipse with a rim and enhancement behind it where it is benign, a tall spiculated one with a shadow where it is
//! malignant. Every sign is sometimes that of the other class.

use crate::error::Result;
use hilum_core::Rect;
use hilum_image::Plane;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;

/// Chance that a sign is the other class's.
const MIXED: f64 = 0.2;

/// A picture with the box of its lesion.
pub struct Phantom {
    /// Grey levels.
    pub plane: Plane<u8>,
    /// The clean box.
    pub rect: Rect,
}

/// The outline of a lesion and what lies behind it.
struct Lesion {
    centre: [f64; 2],
    radii: [f64; 2],
    waves: [(f64, f64, f64); 2],
    spicules: Option<(f64, f64)>,
    echo: f64,
    rim: f64,
    behind: f64,
}

impl Lesion {
    fn draw(malignant: bool, side: f64, rng: &mut ChaCha8Rng) -> Lesion {
        let mut sign = || malignant != rng.random_bool(MIXED);
        let (tall, spiky, shadow, rimmed) = (sign(), sign(), sign(), !sign());
        let wide = side * rng.random_range(0.08..0.18);
        let aspect = if tall {
            rng.random_range(0.8..1.3)
        } else {
            rng.random_range(0.5..0.8)
        };
        let mut wave =
            |n: f64, size: f64| (n, rng.random_range(0.0..size), rng.random_range(0.0..TAU));
        let waves = [wave(2.0, 0.08), wave(3.0, 0.06)];
        Lesion {
            centre: [
                side * rng.random_range(0.25..0.75),
                side * rng.random_range(0.35..0.65),
            ],
            radii: [wide, wide * aspect],
            waves,
            spicules: spiky.then(|| {
                (
                    f64::from(rng.random_range(6..11_i32)),
                    rng.random_range(0.0..TAU),
                )
            }),
            echo: rng.random_range(0.25..0.5),
            rim: if rimmed { 1.5 } else { 1.0 },
            behind: if shadow {
                rng.random_range(0.35..0.7)
            } else {
                rng.random_range(1.2..1.7)
            },
        }
    }

    /// Distance from the centre in radii of the outline: below 1 inside.
    fn depth(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = (
            (x - self.centre[0]) / self.radii[0],
            (y - self.centre[1]) / self.radii[1],
        );
        let angle = dy.atan2(dx);
        let mut outline = 1.0;
        for (n, size, phase) in self.waves {
            outline += size * (n * angle + phase).cos();
        }
        if let Some((n, phase)) = self.spicules {
            outline += 0.45 * (0.5 * (n * angle + phase).cos() + 0.5).powi(6);
        }
        dx.hypot(dy) / outline
    }
}

/// Draws picture `number`; odd numbers are malignant.
///
/// # Errors
/// Pixels that do not fill the plane.
pub fn phantom(number: u64, side: usize, seed: u64) -> Result<Phantom> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    let size = side as f64;
    let lesion = Lesion::draw(number % 2 == 1, size, &mut rng);
    let mut echo = tissue(side, &mut rng);
    let mut corners = [f64::INFINITY, f64::INFINITY, 0.0, 0.0];
    for y in 0..side {
        for x in 0..side {
            let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
            let depth = lesion.depth(px, py);
            let value = &mut echo[y * side + x];
            if depth < 1.0 {
                *value *= lesion.echo;
                corners = [
                    corners[0].min(x as f64),
                    corners[1].min(y as f64),
                    corners[2].max(x as f64 + 1.0),
                    corners[3].max(y as f64 + 1.0),
                ];
            } else if depth < 1.15 {
                *value *= lesion.rim;
            } else if py > lesion.centre[1] {
                let aside = (px - lesion.centre[0]).abs() / (0.8 * lesion.radii[0]);
                let share = (-aside.powi(4)).exp();
                *value *= 1.0 + share * (lesion.behind - 1.0);
            }
        }
    }
    let [left, top, right, bottom] = corners;
    Ok(Phantom {
        plane: Plane::new(side, side, speckled(&echo, side, &mut rng))?,
        rect: Rect {
            x: left,
            y: top,
            w: right - left,
            h: bottom - top,
        },
    })
}

/// Layers from skin to muscle, slow changes, and a few faint dark lobules that are no lesion.
fn tissue(side: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let size = side as f64;
    let waves: Vec<[f64; 4]> = (0..4)
        .map(|_| {
            [
                rng.random_range(0.5..2.5) * TAU / size,
                rng.random_range(0.5..2.5) * TAU / size,
                rng.random_range(0.0..TAU),
                rng.random_range(0.05..0.15),
            ]
        })
        .collect();
    let lobules: Vec<[f64; 4]> = (0..rng.random_range(2..5))
        .map(|_| {
            [
                size * rng.random_range(0.0..1.0),
                size * rng.random_range(0.15..0.9),
                size * rng.random_range(0.05..0.12),
                rng.random_range(0.55..0.85),
            ]
        })
        .collect();
    let (skin, fat) = (rng.random_range(0.05..0.1), rng.random_range(0.2..0.3));
    let mut echo = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            let (px, py) = (x as f64, y as f64);
            let layer = match py / size {
                d if d < skin => 1.4,
                d if d < fat => 0.7,
                d if d > 0.88 => 0.8,
                _ => 1.0,
            };
            let slow: f64 = waves
                .iter()
                .map(|w| w[3] * (w[0] * px + w[1] * py + w[2]).cos())
                .sum();
            let dark: f64 = lobules
                .iter()
                .map(|l| {
                    let d = ((px - l[0]) / (1.6 * l[2])).hypot((py - l[1]) / l[2]);
                    1.0 - (1.0 - l[3]) * (-d.powi(4)).exp()
                })
                .product();
            echo.push((layer * (1.0 + slow) * dark).max(0.05));
        }
    }
    echo
}

/// Rayleigh amplitudes, smeared along the beam's width, in decibels.
fn speckled(echo: &[f64], side: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let raw: Vec<f64> = echo
        .iter()
        .map(|e| {
            // Of mean 1.
            let u: f64 = 1.0 - rng.random::<f64>();
            e * (-2.0 * u.ln()).sqrt() / (TAU / 4.0).sqrt()
        })
        .collect();
    let at = |p: usize, d: isize| {
        let x = (p % side) as isize + d;
        raw[p - p % side + x.clamp(0, side as isize - 1) as usize]
    };
    (0..raw.len())
        .map(|p| {
            let smeared = 0.25 * at(p, -1) + 0.5 * raw[p] + 0.25 * at(p, 1);
            let db = 20.0 * smeared.max(1e-3).log10();
            (170.0 + 5.0 * db).clamp(0.0, 255.0) as u8
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesion_is_darker_than_what_surrounds_it_and_fills_its_box() {
        let mut darker = 0;
        for number in 0..20 {
            let p = phantom(number, 96, 1).unwrap();
            let b = p.rect;
            assert!(
                b.x >= 0.0 && b.x + b.w <= 96.0 && b.w >= 8.0 && b.h >= 6.0,
                "{b:?}"
            );
            let mean = |inside: bool| {
                let of = |x: usize, y: usize| {
                    let (dx, dy) = (
                        (x as f64 - b.x - b.w / 2.0).abs() / b.w,
                        (y as f64 - b.y - b.h / 2.0).abs() / b.h,
                    );
                    let far = dx.max(dy);
                    if inside {
                        far < 0.25
                    } else {
                        (0.6..1.0).contains(&far) && y < 80
                    }
                };
                let values: Vec<f64> = (0..96 * 96)
                    .filter(|i| of(i % 96, i / 96))
                    .map(|i| f64::from(p.plane.data[i]))
                    .collect();
                values.iter().sum::<f64>() / values.len() as f64
            };
            darker += usize::from(mean(true) + 10.0 < mean(false));
        }
        assert!(darker >= 17, "{darker}");
    }

    #[test]
    fn pictures_are_the_same_again_and_differ_from_each_other() {
        let of = |n, seed| phantom(n, 48, seed).unwrap();
        assert_eq!(of(3, 1).plane, of(3, 1).plane);
        assert_ne!(of(3, 1).plane, of(5, 1).plane);
        assert_ne!(of(3, 1).plane, of(3, 2).plane);
    }
}
