//! The linear layer over concepts: scaled scores, its start, small versions of it, and interventions.

use super::bank::Concept;
use crate::blocks::linear::{Linear, Rows, Settings, fit_from};
use crate::error::Result;

/// Shares of the training films below which a concept set to "no" and to "yes" lies (Koh et al. 2020, section 5).
const SET_TO: [f64; 2] = [0.05, 0.95];

/// Least and largest score of each concept among training films.
pub fn ranges(scores: &[Vec<f64>], train: &[usize]) -> Vec<[f64; 2]> {
    let columns = scores.first().map_or(0, Vec::len);
    let range = |k: usize| {
        train
            .iter()
            .fold([f64::INFINITY, f64::NEG_INFINITY], |r, &i| {
                [r[0].min(scores[i][k]), r[1].max(scores[i][k])]
            })
    };
    (0..columns).map(range).collect()
}

/// Scores from 0 to 1 on the training films; others may lie outside. A concept that is the same everywhere is 0.
pub fn scale(scores: &[Vec<f64>], ranges: &[[f64; 2]]) -> Vec<Vec<f64>> {
    let one = |(v, [low, high]): (&f64, &[f64; 2])| {
        if high > low {
            (v - low) / (high - low)
        } else {
            0.0
        }
    };
    let row = |r: &Vec<f64>| r.iter().zip(ranges).map(one).collect();
    scores.iter().map(row).collect()
}

/// A layer in which every concept speaks for the class that it was elicited for.
pub fn associated(bank: &[&Concept]) -> Linear {
    let mut layer = Linear::zeros(bank.len());
    for (k, concept) in bank.iter().enumerate() {
        layer.weights[concept.class][k] = 1.0;
    }
    layer
}

/// Weights for the second class minus those for the first.
pub fn difference(layer: &Linear) -> Vec<f64> {
    let both = layer.weights[1].iter().zip(&layer.weights[0]);
    both.map(|(a, b)| a - b).collect()
}

/// Places of the largest weights, the largest first.
pub fn largest(weights: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| weights[*b].abs().total_cmp(&weights[*a].abs()));
    order
}

/// Films for training and for choosing the pass: scaled scores and labels.
pub struct Lesson<'a> {
    /// Scores of training and validation films.
    pub x: [&'a [Vec<f64>]; 2],
    /// Their labels.
    pub y: [&'a [bool]; 2],
}

/// Trains a layer on the concepts at `columns`, from `start` cut to them.
///
/// # Errors
/// A loss that is not finite.
pub fn fit(
    lesson: &Lesson<'_>,
    start: &Linear,
    columns: &[usize],
    settings: Settings,
) -> Result<Linear> {
    let cut =
        |rows: &[Vec<f64>]| -> Vec<Vec<f64>> { rows.iter().map(|r| pick(r, columns)).collect() };
    let (train, val) = (cut(lesson.x[0]), cut(lesson.x[1]));
    let rows = |x, y| Rows { x, y, base: &[] };
    let start = Linear {
        weights: start.weights.iter().map(|w| pick(w, columns)).collect(),
        offsets: start.offsets,
    };
    fit_from(
        start,
        &rows(&train, lesson.y[0]),
        &rows(&val, lesson.y[1]),
        None,
        settings,
    )
}

/// The values at `columns`.
pub fn pick(row: &[f64], columns: &[usize]) -> Vec<f64> {
    columns.iter().map(|&k| row[k]).collect()
}

/// What a concept is set to when its truth is "no" and "yes": quantiles of the training films.
pub fn set_values(train: &[Vec<f64>], concept: usize) -> [f64; 2] {
    let mut values: Vec<f64> = train.iter().map(|r| r[concept]).collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    SET_TO.map(|q| {
        values
            .get((q * last).round() as usize)
            .copied()
            .unwrap_or(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_scores_fill_the_range_and_others_may_leave_it() {
        let scores = vec![vec![0.2, 1.0], vec![0.6, 1.0], vec![0.8, 3.0]];
        let ranges = ranges(&scores, &[0, 1]);
        assert_eq!(ranges, [[0.2, 0.6], [1.0, 1.0]]);
        let scaled = scale(&scores, &ranges);
        assert_eq!((scaled[0][0], scaled[1][0]), (0.0, 1.0));
        assert!((scaled[2][0] - 1.5).abs() < 1e-12 && scaled[2][1] == 0.0);
    }

    #[test]
    fn a_layer_starts_from_what_concepts_were_elicited_for() {
        let of = |class| Concept {
            class,
            finding: None,
            sentence: String::new(),
        };
        let (none, some) = (of(0), of(1));
        let layer = associated(&[&none, &some]);
        assert_eq!(layer.weights, [[1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(difference(&layer), [-1.0, 1.0]);
        let z = layer.logits(&[0.1, 0.9]);
        assert!(z[1] > z[0]);
    }

    #[test]
    fn set_values_are_quantiles_and_large_weights_come_first() {
        let rows: Vec<Vec<f64>> = (0..101).map(|i| vec![0.0, f64::from(100 - i)]).collect();
        assert_eq!(set_values(&rows, 1), [5.0, 95.0]);
        assert_eq!(largest(&[0.1, -2.0, 1.0]), [1, 2, 0]);
    }
}
