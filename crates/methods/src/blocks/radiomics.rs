//! Intensity and texture features of a round region, as the Image Biomarker Standardisation Initiative defines
//! them (Zwanenburg et al. 2020): first order, and the grey level co-occurrence matrix (Haralick 1973).

use hilum_image::Gray;

/// Grey levels of the co-occurrence matrix: a fixed number of bins between the region's ends.
const LEVELS: usize = 16;

/// Names of the first-order features, in the order of [`first_order`].
pub const FIRST_ORDER: [&str; 9] = [
    "mean",
    "deviation",
    "skewness",
    "kurtosis",
    "p10",
    "median",
    "p90",
    "range",
    "rim_contrast",
];

/// Names of the co-occurrence features, in the order of [`co_occurrence`].
pub const CO_OCCURRENCE: [&str; 6] = [
    "glcm_contrast",
    "glcm_dissimilarity",
    "glcm_inverse_difference_moment",
    "glcm_angular_second_moment",
    "glcm_entropy",
    "glcm_correlation",
];

/// A disc in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disc {
    /// Centre, column.
    pub x: f64,
    /// Centre, row.
    pub y: f64,
    /// Radius.
    pub radius: f64,
}

impl Disc {
    fn holds(&self, x: usize, y: usize, times: f64) -> bool {
        let (dx, dy) = (x as f64 + 0.5 - self.x, y as f64 + 0.5 - self.y);
        dx * dx + dy * dy <= (self.radius * times).powi(2)
    }
}

/// Values inside the disc and, from its edge to one and a half radii, round it.
fn inside_and_rim(image: &Gray, disc: Disc) -> (Vec<f64>, Vec<f64>) {
    let (mut inside, mut rim) = (Vec::new(), Vec::new());
    for y in 0..image.height {
        for (x, v) in image.row(y).iter().enumerate() {
            if disc.holds(x, y, 1.0) {
                inside.push(f64::from(*v));
            } else if disc.holds(x, y, 1.5) {
                rim.push(f64::from(*v));
            }
        }
    }
    (inside, rim)
}

/// First-order features; `None` for a disc without pixels, without a rim, or of one value.
pub fn first_order(image: &Gray, disc: Disc) -> Option<[f64; 9]> {
    let (mut values, rim) = inside_and_rim(image, disc);
    values.sort_by(f64::total_cmp);
    let (least, most) = (*values.first()?, *values.last()?);
    if rim.is_empty() || least >= most {
        return None;
    }
    let mean = mean(&values);
    let moment =
        |k: i32| values.iter().map(|v| (v - mean).powi(k)).sum::<f64>() / values.len() as f64;
    let variance = moment(2);
    let at = |q: f64| values[(q * (values.len() - 1) as f64).round() as usize];
    Some([
        mean,
        variance.sqrt(),
        moment(3) / variance.powf(1.5),
        moment(4) / (variance * variance) - 3.0,
        at(0.1),
        at(0.5),
        at(0.9),
        most - least,
        mean - self::mean(&rim),
    ])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Co-occurrence features at distance 1, the mean over four directions; `None` where they are undefined.
pub fn co_occurrence(image: &Gray, disc: Disc) -> Option<[f64; 6]> {
    let (values, _) = inside_and_rim(image, disc);
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let most = values.iter().copied().max_by(f64::total_cmp)?;
    if least >= most {
        return None;
    }
    let level = |x: usize, y: usize| -> Option<usize> {
        let v = f64::from(*image.get(x, y)?);
        let share = (v - least) / (most - least);
        disc.holds(x, y, 1.0)
            .then(|| ((share * LEVELS as f64) as usize).min(LEVELS - 1))
    };
    let mut sum = [0.0; 6];
    for step in [(1, 0), (1, 1), (0, 1), (-1, 1)] {
        let matrix = matrix(image.width, image.height, step, level);
        let features = haralick(&matrix)?;
        sum.iter_mut()
            .zip(features)
            .for_each(|(s, f)| *s += f / 4.0);
    }
    Some(sum)
}

/// Counts of neighbours in one direction, both ways round.
fn matrix(
    width: usize,
    height: usize,
    (dx, dy): (isize, isize),
    level: impl Fn(usize, usize) -> Option<usize>,
) -> Vec<f64> {
    let mut counts = vec![0.0; LEVELS * LEVELS];
    for y in 0..height {
        for x in 0..width {
            let there = x.checked_add_signed(dx).zip(y.checked_add_signed(dy));
            let pair = level(x, y).zip(there.and_then(|(x, y)| level(x, y)));
            if let Some((a, b)) = pair {
                counts[a * LEVELS + b] += 1.0;
                counts[b * LEVELS + a] += 1.0;
            }
        }
    }
    counts
}

/// `None` without neighbours, or with one level only.
fn haralick(counts: &[f64]) -> Option<[f64; 6]> {
    let total: f64 = counts.iter().sum();
    if total <= 0.0 {
        return None;
    }
    let cells = || {
        let cell = |(k, c): (usize, &f64)| ((k / LEVELS) as f64, (k % LEVELS) as f64, c / total);
        counts.iter().enumerate().map(cell).filter(|c| c.2 > 0.0)
    };
    let sum = |f: &dyn Fn(f64, f64, f64) -> f64| cells().map(|(i, j, p)| f(i, j, p)).sum::<f64>();
    let centre = sum(&|i, _, p| i * p);
    let variance = sum(&|i, _, p| (i - centre).powi(2) * p);
    (variance > 0.0).then(|| {
        [
            sum(&|i, j, p| (i - j).powi(2) * p),
            sum(&|i, j, p| (i - j).abs() * p),
            sum(&|i, j, p| p / (1.0 + (i - j).powi(2))),
            sum(&|_, _, p| p * p),
            -sum(&|_, _, p| p * p.log2()),
            sum(&|i, j, p| (i - centre) * (j - centre) * p) / variance,
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture of Haralick's paper, table 1.
    const PICTURE: [usize; 16] = [0, 0, 1, 1, 0, 0, 1, 1, 0, 2, 2, 2, 2, 2, 3, 3];

    #[test]
    fn the_matrix_of_haralicks_paper() {
        let counts = matrix(4, 4, (1, 0), |x, y| {
            (x < 4 && y < 4).then(|| PICTURE[y * 4 + x])
        });
        let row = |i: usize| counts[i * LEVELS..i * LEVELS + 4].to_vec();
        assert_eq!(row(0), [4.0, 2.0, 1.0, 0.0]);
        assert_eq!(row(2), [1.0, 0.0, 6.0, 1.0]);
        let f = haralick(&counts).unwrap();
        assert!((f[0] - 14.0 / 24.0).abs() < 1e-12);
        let squares = (16.0 + 4.0 + 1.0 + 4.0 + 16.0 + 1.0 + 36.0 + 1.0 + 1.0 + 4.0) / 576.0;
        assert!((f[3] - squares).abs() < 1e-12);
    }

    #[test]
    fn a_bright_disc_stands_out_from_its_rim() {
        let disc = Disc {
            x: 10.0,
            y: 10.0,
            radius: 5.0,
        };
        let image = Gray::from_fn(20, 20, |x, y| {
            let lift = if disc.holds(x, y, 1.0) { 50.0 } else { 0.0 };
            100.0 + lift + (x % 2) as f32
        });
        let f = first_order(&image, disc).unwrap();
        assert!(
            (f[8] - 50.0).abs() < 0.2 && (f[1] - 0.5).abs() < 0.01,
            "{f:?}"
        );
        assert!(f[2].abs() < 0.1 && (f[3] + 2.0).abs() < 0.1);
        // Columns alternate: sideways neighbours lie at the two ends, those below are equal.
        let g = co_occurrence(&image, disc).unwrap();
        assert!((g[1] - 15.0 * 0.75).abs() < 1e-9, "{g:?}");
    }

    #[test]
    fn flat_and_empty_regions_are_undefined() {
        let flat = Gray::filled(20, 20, 7.0);
        let at = |x: f64| Disc {
            x,
            y: 10.0,
            radius: 4.0,
        };
        assert!(first_order(&flat, at(10.0)).is_none());
        assert!(co_occurrence(&flat, at(10.0)).is_none());
        assert!(first_order(&flat, at(500.0)).is_none());
    }
}
