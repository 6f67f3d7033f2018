//! What makes line integrals look like a radiograph: scatter, blur, noise, the detector's logarithm, edge
//! enhancement, and the display curve.

use crate::error::DrrError;
use crate::noise::{blur, normal};
use hilum_image::Gray;
use hilum_image::histogram::percentile;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The options, each off at 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// Scattered over primary signal, on average; spreads over [`SCATTER_MM`].
    pub scatter: f64,
    /// Photons that reach a pixel without a body in the way; 0 for no noise.
    pub photons: f64,
    /// Blur of focus and detector: standard deviation in mm on the detector.
    pub blur_mm: f64,
    /// Share of the detail under 2 mm that is added again.
    pub sharpen: f64,
    /// Share of the contrast over more than [`EQUALISE_MM`] that is taken away, so that lungs and mediastinum both show detail.
    pub equalise: f64,
    /// Exponent of the display curve: over 1 darkens the lungs.
    pub gamma: f64,
    /// How strongly the ends of the grey scale are compressed, 0 to 1.
    pub shoulder: f64,
    /// Line integrals that become black and white; percentiles of the pixels behind the body when not given.
    pub window: Option<(f64, f64)>,
    /// The percentiles.
    pub percentiles: (f64, f64),
    /// Share of their difference that is shown darker than the lower one.
    pub toe: f64,
    /// Line integral over which a pixel counts as behind the body.
    pub floor: f64,
    /// Seed of the noise.
    pub seed: u64,
}

/// Width of the scatter kernel in mm (standard deviation).
pub const SCATTER_MM: f64 = 45.0;
/// Width of what counts as broad for [`Look::equalise`] in mm (standard deviation).
pub const EQUALISE_MM: f64 = 24.0;

impl Default for Look {
    fn default() -> Self {
        Look {
            scatter: 0.0,
            photons: 0.0,
            blur_mm: 0.0,
            sharpen: 0.0,
            equalise: 0.0,
            gamma: 1.0,
            shoulder: 0.0,
            window: None,
            percentiles: (1.0, 99.5),
            toe: 0.0,
            floor: 0.05,
            seed: 0,
        }
    }
}

impl Look {
    /// Values that give a picture like that of a chest stand with a grid.
    pub fn radiograph(seed: u64) -> Self {
        Look {
            scatter: 0.25,
            photons: 60_000.0,
            blur_mm: 0.25,
            sharpen: 0.35,
            equalise: 0.35,
            gamma: 1.0,
            shoulder: 0.5,
            percentiles: (4.0, 98.5),
            toe: 0.12,
            floor: 0.6,
            seed,
            ..Look::default()
        }
    }

    /// `Ok` when every option is in its range.
    ///
    /// # Errors
    /// [`DrrError::Parameter`].
    pub fn validate(&self) -> Result<(), DrrError> {
        let check = |name, v: f64, top: f64, range| {
            DrrError::check((0.0..=top).contains(&v), name, v, range)
        };
        check("scatter", self.scatter, 10.0, "0 to 10")?;
        check("photons", self.photons, 1e12, "0 to 1e12")?;
        check("blur", self.blur_mm, 50.0, "0 to 50 mm")?;
        check("sharpen", self.sharpen, 10.0, "0 to 10")?;
        check("equalise", self.equalise, 0.95, "0 to 0.95")?;
        check("toe", self.toe, 1.0, "0 to 1")?;
        check("floor", self.floor, 1e3, "0 to 1000")?;
        let (low, high) = self.percentiles;
        DrrError::check(
            low >= 0.0 && low < high && high <= 100.0,
            "percentile",
            low,
            "0 to 100, the first smaller",
        )?;
        check("shoulder", self.shoulder, 1.0, "0 to 1")?;
        DrrError::check(
            self.gamma >= 0.1 && self.gamma <= 10.0,
            "gamma",
            self.gamma,
            "0.1 to 10",
        )?;
        let ordered = self
            .window
            .is_none_or(|(a, b)| a.is_finite() && b.is_finite() && a < b);
        DrrError::check(
            ordered,
            "window",
            self.window.map_or(0.0, |w| w.1),
            "two numbers, the first smaller",
        )
    }

    /// True when the detector sees anything else than the exact line integrals.
    fn changes_signal(&self) -> bool {
        self.scatter > 0.0 || self.photons > 0.0 || self.blur_mm > 0.0
    }

    /// What the detector measures, as a negative logarithm: line integrals changed by scatter, blur and noise.
    pub fn detect(&self, integrals: &Gray, pixel_mm: f64) -> Gray {
        if !self.changes_signal() {
            return integrals.clone();
        }
        let mut signal = integrals.map(|&l| (-l).exp());
        if self.scatter > 0.0 {
            let spread = blur(&signal, SCATTER_MM / pixel_mm);
            let share = self.scatter as f32;
            for (s, w) in signal.data.iter_mut().zip(&spread.data) {
                // Normalised so that the unattenuated beam stays at 1.
                *s = (*s + share * w) / (1.0 + share);
            }
        }
        if self.blur_mm > 0.0 {
            signal = blur(&signal, self.blur_mm / pixel_mm);
        }
        if self.photons > 0.0 {
            let noise = normal(signal.width, signal.height, self.seed);
            let n = self.photons as f32;
            for (s, z) in signal.data.iter_mut().zip(&noise.data) {
                // Poisson counts, which are large enough here to be normal.
                *s = (*s + (*s / n).sqrt() * z).max(0.5 / n);
            }
        }
        signal.map(|&s| -s.ln())
    }

    /// The window in use for measured values, recorded with the picture.
    ///
    /// # Errors
    /// [`DrrError::Image`] for an empty picture.
    pub fn window_of(&self, measured: &Gray) -> Result<(f64, f64), DrrError> {
        if let Some(window) = self.window {
            return Ok(window);
        }
        let behind: Vec<f32> = measured
            .data
            .iter()
            .copied()
            .filter(|&v| f64::from(v) > self.floor)
            .collect();
        if behind.is_empty() {
            return Ok((0.0, 1.0));
        }
        let (low, high) = (
            percentile(&behind, self.percentiles.0)?,
            percentile(&behind, self.percentiles.1)?,
        );
        let high = if high > low { high } else { low + 1.0 };
        Ok((low - self.toe * (high - low), high))
    }

    /// Display values 0 to 1, bone bright.
    ///
    /// # Errors
    /// Those of [`Look::validate`] and [`Look::window_of`].
    pub fn picture(&self, integrals: &Gray, pixel_mm: f64) -> Result<(Gray, (f64, f64)), DrrError> {
        self.validate()?;
        let mut measured = self.detect(integrals, pixel_mm);
        // What nothing covers stays black, whatever is done to the body's contrast.
        let bare = (self.equalise > 0.0 && self.floor > 0.0).then(|| measured.clone());
        if self.sharpen > 0.0 {
            let smooth = blur(&measured, 2.0 / pixel_mm);
            let share = self.sharpen as f32;
            measured
                .data
                .iter_mut()
                .zip(&smooth.data)
                .for_each(|(v, s)| *v += share * (*v - s));
        }
        if self.equalise > 0.0 {
            let broad = blur(&measured, EQUALISE_MM / pixel_mm);
            let middle =
                broad.data.iter().map(|&v| f64::from(v)).sum::<f64>() / broad.data.len() as f64;
            let share = self.equalise as f32;
            measured
                .data
                .iter_mut()
                .zip(&broad.data)
                .for_each(|(v, b)| *v -= share * (b - middle as f32));
        }
        let (low, high) = self.window_of(&measured)?;
        let mut shown = measured;
        shown
            .data
            .par_iter_mut()
            .for_each(|v| *v = self.curve((f64::from(*v) - low) / (high - low)) as f32);
        if let Some(bare) = bare {
            for (v, b) in shown.data.iter_mut().zip(&bare.data) {
                let t = (b / self.floor as f32).clamp(0.0, 1.0);
                *v *= t * t * (3.0 - 2.0 * t);
            }
        }
        Ok((shown, (low, high)))
    }

    fn curve(&self, x: f64) -> f64 {
        let x = x.clamp(0.0, 1.0);
        // What changes nothing is not worked out for every pixel.
        let x = if self.gamma == 1.0 {
            x
        } else {
            x.powf(self.gamma)
        };
        if self.shoulder == 0.0 {
            return x;
        }
        // Half a turn of the cosine is flat at both ends like film's toe and shoulder.
        let film = 0.5 - 0.5 * (std::f64::consts::PI * x).cos();
        (1.0 - self.shoulder) * x + self.shoulder * film
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_image::Plane;

    fn ramp() -> Gray {
        Plane::from_fn(64, 64, |x, y| (x + y) as f32 / 20.0)
    }

    #[test]
    fn without_options_the_picture_is_linear() {
        let look = Look {
            window: Some((1.0, 3.0)),
            ..Look::default()
        };
        let (p, window) = look.picture(&ramp(), 0.8).unwrap();
        assert_eq!(window, (1.0, 3.0));
        assert_eq!(p.row(0)[20], 0.0);
        assert!((p.row(0)[40] - 0.5).abs() < 1e-6);
        assert_eq!(p.row(63)[63], 1.0);
    }

    #[test]
    fn scatter_lowers_the_contrast_of_dense_parts() {
        let plain = ramp();
        let scattered = Look {
            scatter: 0.5,
            ..Look::default()
        }
        .detect(&plain, 0.8);
        let contrast = |g: &Gray| g.row(62)[62] - g.row(50)[50];
        assert!(contrast(&scattered) < 0.5 * contrast(&plain));
        assert!(scattered.data.iter().all(|v| v.is_finite()));
    }

    #[test]
    fn fewer_photons_are_noisier() {
        let flat = Plane::filled(64, 64, 2f32);
        let spread = |photons| {
            let d = Look {
                photons,
                seed: 3,
                ..Look::default()
            }
            .detect(&flat, 0.8);
            (d.data
                .iter()
                .map(|v| f64::from(v - 2.0).powi(2))
                .sum::<f64>()
                / 4096.0)
                .sqrt()
        };
        // -ln of a count with deviation sqrt(n) has the deviation 1 / sqrt(n).
        let want = (1.0 / (1e5 * (-2.0f64).exp())).sqrt();
        assert!(
            (spread(1e5) / want - 1.0).abs() < 0.05,
            "{} {want}",
            spread(1e5)
        );
        assert!(spread(1e3) > 5.0 * spread(1e5));
    }

    #[test]
    fn senseless_options_are_refused() {
        assert!(
            Look {
                gamma: 0.0,
                ..Look::default()
            }
            .validate()
            .is_err()
        );
        assert!(
            Look {
                scatter: f64::NAN,
                ..Look::default()
            }
            .validate()
            .is_err()
        );
        assert!(
            Look {
                window: Some((2.0, 2.0)),
                ..Look::default()
            }
            .validate()
            .is_err()
        );
        assert!(Look::radiograph(1).validate().is_ok());
    }
}
