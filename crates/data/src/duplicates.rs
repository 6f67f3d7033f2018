//! Nearly identical images: a perceptual hash finds candidates, correlation decides.
//!
//! All chest X-rays look alike to a short hash, so a pair counts only when the standardised
//! thumbnails of both images correlate as well. Pairs are compared one by one in parallel: a
//! comparison is four XORs and bit counts, while a tree over hashes that are all so similar would have to
//! visit most of its nodes anyway.

use crate::error::{DataError, Result};
use crate::pixels::{self, Plane8};
use hilum_image::Kernel;
use hilum_image::hash::DHash;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;

const SIDE: usize = 32;

/// When two images count as nearly identical.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DuplicateConfig {
    /// Most bits (of 256) in which the hashes may differ.
    pub max_distance: u32,
    /// Least correlation of the 32 x 32 thumbnails.
    pub min_correlation: f32,
}

impl Default for DuplicateConfig {
    fn default() -> Self {
        DuplicateConfig {
            max_distance: 40,
            min_correlation: 0.985,
        }
    }
}

/// What is kept of an image to compare it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprint {
    /// Signs of horizontal and vertical differences.
    pub hash: DHash,
    thumbnail: Vec<f32>,
}

impl Fingerprint {
    /// The fingerprint of an image; sizes and proportions do not count.
    ///
    /// # Errors
    /// [`DataError::Format`] for an image without pixels; `of` is only named in it.
    pub fn new(image: Plane8, of: &Path) -> Result<Self> {
        let hash = DHash::of(&image.to_gray()).map_err(|e| DataError::format(of, e))?;
        let small = pixels::resize(image, SIDE, SIDE, Kernel::PilBilinear, of)?;
        let values = small.data.iter().map(|v| f32::from(*v)).collect();
        Ok(Fingerprint {
            hash,
            thumbnail: standardised(values),
        })
    }

    /// Number of bits, of 256, in which two hashes differ.
    pub fn distance(&self, other: &Fingerprint) -> u32 {
        self.hash.distance(&other.hash)
    }

    /// Pearson correlation of the thumbnails; 0 when one of them is even.
    pub fn correlation(&self, other: &Fingerprint) -> f32 {
        self.thumbnail
            .iter()
            .zip(&other.thumbnail)
            .map(|(a, b)| a * b)
            .sum()
    }
}

/// Zero mean and unit length, or all zeros.
fn standardised(mut values: Vec<f32>) -> Vec<f32> {
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    values.iter_mut().for_each(|v| *v -= mean);
    let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    let scale = if length > 1e-3 { 1.0 / length } else { 0.0 };
    values.iter_mut().for_each(|v| *v *= scale);
    values
}

/// A pair of images by their places in the list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The earlier one.
    pub a: usize,
    /// The later one.
    pub b: usize,
    /// Bits in which the hashes differ.
    pub distance: u32,
    /// Correlation of the thumbnails.
    pub correlation: f32,
}

/// All nearly identical pairs that `asked` wants to know of, in order; entries without fingerprint match nothing.
pub fn find_pairs(
    prints: &[Option<Fingerprint>],
    config: &DuplicateConfig,
    asked: impl Fn(usize, usize) -> bool + Sync,
) -> Vec<Pair> {
    let hashes: Vec<(usize, DHash)> = prints
        .iter()
        .enumerate()
        .filter_map(|(i, p)| Some((i, p.as_ref()?.hash)))
        .collect();
    let judge = |a: usize, b: usize| {
        let (p, q) = (prints[a].as_ref()?, prints[b].as_ref()?);
        let correlation = p.correlation(q);
        let pair = Pair {
            a,
            b,
            distance: p.distance(q),
            correlation,
        };
        (correlation >= config.min_correlation).then_some(pair)
    };
    let later = |place: usize| {
        let (a, hash) = hashes[place];
        let near = hashes[place + 1..]
            .iter()
            .filter(move |(_, h)| is_near(h, &hash, config.max_distance));
        near.filter(|(b, _)| asked(a, *b))
            .filter_map(|(b, _)| judge(a, *b))
            .collect::<Vec<_>>()
    };
    (0..hashes.len())
        .into_par_iter()
        .flat_map_iter(later)
        .collect()
}

/// Most pairs are too far apart in the first half of the bits already.
#[inline]
fn is_near(a: &DHash, b: &DHash, most: u32) -> bool {
    let bits = |i: usize| (a.0[i] ^ b.0[i]).count_ones();
    let half = bits(0) + bits(1);
    half <= most && half + bits(2) + bits(3) <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(side: usize, seed: usize) -> Plane8 {
        let wave = |x: usize, y: usize| {
            let (x, y) = (x as f64 / side as f64, y as f64 / side as f64);
            let s = seed as f64;
            (127.0 + 60.0 * (x * (3.0 + s)).sin() + 60.0 * (y * (5.0 + 2.0 * s) + s).cos()) as u8
        };
        Plane8 {
            width: side,
            height: side,
            data: (0..side * side).map(|i| wave(i % side, i / side)).collect(),
        }
    }

    fn print(plane: Plane8) -> Option<Fingerprint> {
        Some(Fingerprint::new(plane, Path::new("x")).unwrap())
    }

    #[test]
    fn size_and_exposure_do_not_hide_a_copy() {
        let mut dark = image(100, 1);
        dark.data.iter_mut().for_each(|v| *v = *v / 2 + 3);
        let prints = [
            print(image(200, 1)),
            print(image(90, 2)),
            None,
            print(dark),
            print(image(64, 5)),
        ];
        let pairs = find_pairs(&prints, &DuplicateConfig::default(), |_, _| true);
        assert_eq!(
            pairs.iter().map(|p| (p.a, p.b)).collect::<Vec<_>>(),
            [(0, 3)]
        );
        assert!(pairs[0].correlation > 0.99);
        assert!(find_pairs(&prints, &DuplicateConfig::default(), |_, _| false).is_empty());
    }

    #[test]
    fn even_images_are_no_copies_of_each_other() {
        let even = |v| {
            print(Plane8 {
                width: 9,
                height: 9,
                data: vec![v; 81],
            })
        };
        assert!(
            find_pairs(
                &[even(0), even(200)],
                &DuplicateConfig::default(),
                |_, _| true
            )
            .is_empty()
        );
    }
}
