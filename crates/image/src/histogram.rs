//! Histograms of 8-bit planes: equalisation, percentiles, Otsu's threshold.

use crate::error::ImageError;
use crate::plane::Plane;

/// Counts of the 256 grey levels.
pub fn histogram(image: &Plane<u8>) -> [usize; 256] {
    let mut counts = [0usize; 256];
    for &v in &image.data {
        counts[usize::from(v)] += 1;
    }
    counts
}

/// Histogram equalisation as OpenCV's `equalizeHist`: the first occupied level maps to 0, an image of one level is
/// returned as it is.
pub fn equalise(image: &Plane<u8>) -> Plane<u8> {
    let counts = histogram(image);
    let total = image.data.len();
    let Some(first) = counts.iter().position(|&c| c > 0) else {
        return image.clone();
    };
    if counts[first] == total {
        return image.clone();
    }
    let scale = 255.0f32 / (total - counts[first]) as f32;
    let mut table = [0u8; 256];
    let mut sum = 0usize;
    for level in first + 1..256 {
        sum += counts[level];
        // OpenCV rounds half to even (cvRound).
        table[level] = (sum as f32 * scale).round_ties_even().clamp(0.0, 255.0) as u8;
    }
    image.map(|&v| table[usize::from(v)])
}

/// Percentiles with linear interpolation between order statistics, as NumPy's default; `q` between 0 and 100.
///
/// # Errors
/// [`ImageError::ZeroSize`] for no values, [`ImageError::Parameter`] for `q` outside 0..=100.
pub fn percentile(values: &[f32], q: f64) -> Result<f64, ImageError> {
    if values.is_empty() {
        return Err(ImageError::ZeroSize {
            what: "the list of values",
            width: 0,
            height: 0,
        });
    }
    if !(0.0..=100.0).contains(&q) {
        return Err(ImageError::Parameter {
            name: "percentile",
            value: q,
            range: "0 to 100",
        });
    }
    let mut sorted = values.to_vec();
    let position = q / 100.0 * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let (_, &mut low, rest) = sorted.select_nth_unstable_by(below, f32::total_cmp);
    let low = f64::from(low);
    let high = rest
        .iter()
        .copied()
        .min_by(f32::total_cmp)
        .map_or(low, f64::from);
    Ok(low + (high - low) * (position - below as f64))
}

/// Otsu's threshold (1979): values `<= threshold` are one class. `None` when all pixels are of one level.
/// The lowest level wins a tie, as in OpenCV and scikit-image.
pub fn otsu(image: &Plane<u8>) -> Option<u8> {
    let counts = histogram(image);
    let total = image.data.len() as f64;
    let sum_all: f64 = counts
        .iter()
        .enumerate()
        .map(|(level, &c)| level as f64 * c as f64)
        .sum();
    let (mut weight, mut sum, mut best) = (0.0f64, 0.0f64, (0.0f64, None));
    for (level, &c) in counts.iter().enumerate() {
        weight += c as f64;
        sum += level as f64 * c as f64;
        if weight == 0.0 || weight >= total {
            continue;
        }
        let gap = sum / weight - (sum_all - sum) / (total - weight);
        let between = weight * (total - weight) * gap * gap;
        if between > best.0 {
            best = (between, Some(level as u8));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_interpolates_like_numpy() {
        let v = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(percentile(&v, 50.0).unwrap(), 2.5);
        assert_eq!(percentile(&v, 0.0).unwrap(), 1.0);
        assert_eq!(percentile(&v, 100.0).unwrap(), 4.0);
        assert!(percentile(&v, 101.0).is_err());
        assert!(percentile(&[], 50.0).is_err());
    }

    #[test]
    fn one_level_has_no_otsu_and_stays_when_equalised() {
        let flat = Plane::filled(3, 3, 7u8);
        assert_eq!(otsu(&flat), None);
        assert_eq!(equalise(&flat), flat);
    }
}
