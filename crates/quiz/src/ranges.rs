//! Ranges to choose from, one of which holds the value.

use crate::random::Choices;
use hilum_measure::Index;

/// Number of ranges offered.
const OFFERED: usize = 4;

/// Width of a range and digits that are written.
fn width(index: Index) -> (f64, usize) {
    match index {
        Index::Cardiomegaly => (0.06, 2),
        Index::MediastinalWidening => (0.05, 2),
        Index::CarinaAngle => (12.0, 0),
        Index::AorticKnob | Index::DescendingAorta => (0.4, 2),
        Index::AscendingAorta => (0.08, 2),
        Index::Tortuosity => (0.0003, 5),
        Index::Rotation | Index::Projection => (0.16, 2),
        // Counts are offered one by one, and the trachea's side in words.
        Index::Inclusion | Index::Inspiration | Index::TracheaDeviation => (1.0, 0),
    }
}

/// Largest value there is.
fn ceiling(index: Index) -> f64 {
    match index {
        Index::Cardiomegaly
        | Index::MediastinalWidening
        | Index::AscendingAorta
        | Index::Rotation
        | Index::Projection => 1.0,
        Index::CarinaAngle => 180.0,
        _ => f64::INFINITY,
    }
}

/// Neighbouring ranges, and which one holds the value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ranges {
    pub(crate) all: Vec<[f64; 2]>,
    pub(crate) right: usize,
    pub(crate) digits: usize,
}

impl Ranges {
    /// The value never lies next to an end, unless it lies next to 0 or to the largest value there is.
    pub(crate) fn around(index: Index, value: f64, choices: &mut Choices) -> Self {
        let (width, digits) = width(index);
        let unit = 10f64.powi(digits as i32);
        let rounded = |v: f64| (v * unit).round() / unit;
        let low = rounded(value - (0.25 + 0.5 * choices.unit()) * width).max(0.0);
        let below = ((low / width + 1e-9) as usize).min(OFFERED - 1);
        let above = (((ceiling(index) - low) / width + 1e-9) as usize).max(1) - 1;
        // As many below as there is room for, so that the right one stands anywhere.
        let least = (OFFERED - 1).saturating_sub(above).min(below);
        let under = least + choices.below(below - least + 1);
        let all: Vec<[f64; 2]> = (0..OFFERED)
            .map(|k| low + (k as f64 - under as f64) * width)
            .map(|from| [rounded(from).max(0.0), rounded(from + width)])
            .collect();
        Ranges {
            all,
            right: under,
            digits,
        }
    }

    /// A range in words.
    pub(crate) fn words(&self, k: usize, unit: &str) -> String {
        let [a, b] = self.all[k];
        let d = self.digits;
        format!("{a:.d$} to {b:.d$} {unit}").trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_holds_the_value() {
        // Counts and sides are offered one by one.
        let counted = [
            Index::Inclusion,
            Index::Inspiration,
            Index::TracheaDeviation,
        ];
        for index in Index::ALL.into_iter().filter(|i| !counted.contains(i)) {
            let (width, _) = width(index);
            let mut places = [0; OFFERED];
            for k in 0..200 {
                let value = (f64::from(k) * 0.037 * width).min(ceiling(index));
                let mut choices = Choices::new(3, &format!("{index:?}{k}"));
                let ranges = Ranges::around(index, value, &mut choices);
                let holds = |r: &[f64; 2]| r[0] <= value && value <= r[1];
                assert!(
                    holds(&ranges.all[ranges.right]),
                    "{index:?} {value} {ranges:?}"
                );
                let n = ranges.all.iter().filter(|r| holds(r)).count();
                assert!(n == 1 || value == 0.0, "{index:?} {value} {ranges:?}");
                assert!(ranges.all.iter().all(|r| r[1] > r[0] && r[0] >= 0.0));
                places[ranges.right] += 1;
            }
            assert!(places.iter().all(|n| *n > 5), "{index:?} {places:?}");
        }
    }
}
