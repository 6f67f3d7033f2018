//! Three display chains that stand for the paper's reconstructions of one examination.

use hilum_drr::noise::blur;
use hilum_image::Gray;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chain {
    /// As stored: the digitised film.
    Film,
    /// Smoothed, with a steep curve: as a synthesis of tomographic slices looks.
    Smooth,
    /// Broad contrast taken away, edges raised, grain added: as another maker's synthesis.
    Sharp,
}

impl Chain {
    /// All of them.
    pub const ALL: [Chain; 3] = [Chain::Film, Chain::Smooth, Chain::Sharp];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Chain::Film => "film",
            Chain::Smooth => "smooth",
            Chain::Sharp => "sharp",
        }
    }

    /// The picture through this chain. Levels are 0 to 255 before and after; grain hangs on `seed` alone.
    pub fn apply(self, image: &Gray, seed: u64) -> Gray {
        match self {
            Chain::Film => image.clone(),
            Chain::Smooth => {
                let soft = blur(image, image.width as f64 / 160.0);
                // A logistic curve about the middle, scaled to keep black and white.
                let curve = |v: f32| 1.0 / (1.0 + (-8.0 * (v / 255.0 - 0.45)).exp());
                let (low, high) = (curve(0.0), curve(255.0));
                soft.map(|v| 255.0 * (curve(*v) - low) / (high - low))
            }
            Chain::Sharp => {
                let broad = blur(image, image.width as f64 / 10.0);
                let near = blur(image, image.width as f64 / 200.0);
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut out = image.clone();
                for ((v, b), n) in out.data.iter_mut().zip(&broad.data).zip(&near.data) {
                    let flat = *v - 0.5 * (b - 128.0);
                    let edge = 1.5 * (*v - n);
                    let grain: f32 = (0..3).map(|_| rng.random_range(-4.0..4.0_f32)).sum();
                    *v = (flat + edge + grain).clamp(0.0, 255.0);
                }
                out
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_image::Plane;

    fn image() -> Gray {
        Plane::from_fn(80, 64, |x, y| ((x * 3 + y * 2) % 200) as f32)
    }

    fn roughness(g: &Gray) -> f32 {
        g.data.windows(2).map(|w| (w[0] - w[1]).abs()).sum()
    }

    #[test]
    fn chains_keep_size_and_range_and_differ_as_they_should() {
        let image = image();
        let [film, smooth, sharp] = Chain::ALL.map(|c| c.apply(&image, 1));
        assert_eq!(film, image);
        for out in [&smooth, &sharp] {
            assert_eq!((out.width, out.height), (80, 64));
            assert!(out.data.iter().all(|v| (0.0..=255.0).contains(v)));
        }
        assert!(roughness(&blur(&image, 2.0)) < roughness(&image));
        assert!(roughness(&sharp) > roughness(&smooth));
        assert_eq!(sharp, Chain::Sharp.apply(&image, 1));
        assert_ne!(sharp, Chain::Sharp.apply(&image, 2));
    }
}
