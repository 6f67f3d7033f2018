//! Who answers about findings besides the neighbours: prompts, linear adapters, a tuned classifier; and ages.

use super::ages::{Ridge, mean_error};
use super::config::Config;
use super::films::{Domain, Films, VARIANTS, findings, in_words, sentence};
use super::measure::{Ready, cases};
use super::outcome::{Ages, Ask};
use super::space::{Near, Space};
use super::towers::Towers;
use crate::blocks::short::{fit_findings, outputs, shares};
use crate::blocks::warm::copy_trunk;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::Split;
use hilum_tabular::learner::Logistic;
use hilum_tabular::{Matrix, fit_standardised};
use std::collections::BTreeSet;

/// A row of answers a film.
pub type Said = Vec<Vec<f32>>;

/// Adults' films of the three splits.
pub struct Adults {
    /// For fitting.
    pub train: Vec<usize>,
    /// For choosing.
    pub val: Vec<usize>,
    /// For reporting.
    pub test: Vec<usize>,
}

impl Adults {
    /// Of all films.
    pub fn of(films: &Films) -> Self {
        let [train, val, test] = Split::ALL.map(|split| films.of(Domain::Adult, split));
        Adults { train, val, test }
    }

    /// All of them.
    pub fn all(&self) -> Vec<usize> {
        [self.train.as_slice(), &self.val, &self.test].concat()
    }
}

/// The candidate whose answers on the validation films have the best mean AUROC, the first of equal ones.
fn best<T: Copy>(
    films: &Films,
    asks: &[Ask],
    val: &[usize],
    candidates: &[T],
    said: impl Fn(T) -> Result<Said>,
) -> Result<T> {
    let known = cases(films, val);
    let mut found: Option<(f64, T)> = None;
    for &candidate in candidates {
        let level = Ready::new(asks, &known, &said(candidate)?).plain(val.len());
        if let Some(level) = level
            && found.is_none_or(|(best, _)| level > best)
        {
            found = Some((level, candidate));
        }
    }
    found.map(|(_, c)| c).ok_or_else(|| MethodError::TooFew {
        what: "settings to choose among on the validation split".to_owned(),
        found: 0,
        needed: 1,
    })
}

/// Neighbours of films among the adults' training films, as many as the largest number that is tried.
pub fn neighbours(config: &Config, space: &Space<'_>, at: &[usize]) -> Vec<Near> {
    let most = config.neighbours.iter().copied().max().unwrap_or(1);
    let near = |&film: &usize| space.near(film, most, Some(Domain::Adult));
    at.iter().map(near).collect()
}

/// The number of neighbours that answers best on the validation films.
///
/// # Errors
/// Where nothing can be chosen.
pub fn choose_k(
    config: &Config,
    films: &Films,
    asks: &[Ask],
    space: &Space<'_>,
    val: &[usize],
) -> Result<usize> {
    let near = neighbours(config, space, val);
    best(films, asks, val, &config.neighbours, |k| {
        space.votes(&near, k)
    })
}

/// Prompts: softmax of a finding's texts against those of none; for any finding, what is left of the share of none among all.
///
/// # Errors
/// What the kernels fail with.
pub fn prompts(space: &Space<'_>, towers: &Towers, at: &[usize]) -> Result<Said> {
    let mut terms: Vec<String> = findings().iter().map(|c| in_words(c)).collect();
    terms.push("no finding".to_owned());
    let texts: Vec<String> = terms
        .iter()
        .flat_map(|t| (0..VARIANTS).map(move |v| sentence(Domain::Adult, t, v)))
        .collect();
    let vectors = towers.texts(&texts)?;
    let classes: Vec<Vec<f32>> = vectors
        .chunks(VARIANTS as usize)
        .map(mean_direction)
        .collect();
    let one = |&film: &usize| -> Vec<f32> {
        let image = space.row(film);
        let logit = |class: &Vec<f32>| {
            let cosine: f32 = class.iter().zip(image).map(|(a, b)| a * b).sum();
            cosine * towers.scale as f32
        };
        let logits: Vec<f32> = classes.iter().map(logit).collect();
        let none = logits.len() - 1;
        let against = |f: usize| shares(&[logits[none], logits[f]])[1];
        let mut row: Vec<f32> = (0..none).map(against).collect();
        row.push(1.0 - shares(&logits)[none]);
        row
    };
    Ok(at.iter().map(one).collect())
}

/// Mean of unit vectors, of length one again.
fn mean_direction(vectors: &[Vec<f32>]) -> Vec<f32> {
    let normal = |v: &[f32]| -> Vec<f32> {
        let length = v.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
        v.iter().map(|x| x / length).collect()
    };
    let mut sum = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for vector in vectors {
        let unit = normal(vector);
        sum.iter_mut().zip(unit).for_each(|(s, v)| *s += v);
    }
    normal(&sum)
}

/// A logistic regression for each column that is asked, with the penalty that answers best on the validation films. Columns that nobody
/// asks for are 0.
///
/// # Errors
/// Fits that fail.
pub fn adapter(
    config: &Config,
    films: &Films,
    asks: &[Ask],
    space: &Space<'_>,
    adults: &Adults,
) -> Result<Said> {
    let columns: BTreeSet<usize> = asks.iter().map(|a| a.column).collect();
    let matrix = |at: &[usize]| -> Result<Matrix> {
        let row = |&film: &usize| space.row(film).iter().map(|v| f64::from(*v));
        let width = at.first().map_or(0, |&film| space.row(film).len());
        Ok(Matrix::new(at.iter().flat_map(row).collect(), width)?)
    };
    let x = matrix(&adults.train)?;
    let fitted = |penalty: f64, at: &[usize]| -> Result<Said> {
        let asked = matrix(at)?;
        let mut said = vec![vec![0.0; findings().len() + 1]; at.len()];
        for &column in &columns {
            let y: Vec<bool> = adults
                .train
                .iter()
                .map(|&i| films.truth(i)[column])
                .collect();
            let fit = fit_standardised(&Logistic { penalty }, &x, &y, 0)?;
            let scores = fit.scores(&asked)?;
            said.iter_mut()
                .zip(scores)
                .for_each(|(row, s)| row[column] = s as f32);
        }
        Ok(said)
    };
    let penalty = best(films, asks, &adults.val, &config.penalties, |p| {
        fitted(p, &adults.val)
    })?;
    fitted(penalty, &adults.test)
}

/// A classifier of all findings that begins with the image tower; its logits for the test films.
///
/// # Errors
/// [`MethodError::Stopped`], a diverging run.
pub fn tuned(
    ctx: &Context<'_>,
    config: &Config,
    films: &Films,
    towers: &Towers,
    adults: &Adults,
    seed: u64,
) -> Result<Said> {
    let graph = config.classifier(findings().len() + 1).graph();
    let fresh = graph.init_params(seed);
    let start = copy_trunk(&towers.images, &towers.image_params, &graph, fresh)
        .ok_or_else(|| MethodError::Config("the trunk of the image tower is another one".into()))?;
    let one = |&film: &usize| -> Vec<f32> {
        let truth = films.truth(film);
        truth.iter().map(|t| f32::from(u8::from(*t))).collect()
    };
    let targets: Vec<Vec<f32>> = adults.train.iter().map(one).collect();
    let set = films.set(&adults.train);
    let params = fit_findings(ctx, &graph, start, (&set, &targets), &config.tune, seed)?;
    outputs(&graph, &params, &films.set(&adults.test), 0)
}

/// Ages of the test films, everything chosen on the validation films.
///
/// # Errors
/// Films without ages, fits that fail.
pub fn ages(
    config: &Config,
    films: &Films,
    space: &Space<'_>,
    untrained: &Space<'_>,
    adults: &Adults,
) -> Result<Ages> {
    let age = |film: usize| films.all[film].age.map(f64::from);
    let known =
        |at: &[usize]| -> Vec<usize> { at.iter().copied().filter(|&i| age(i).is_some()).collect() };
    let (train, val) = (known(&adults.train), known(&adults.val));
    if train.len() < 2 || val.is_empty() {
        return Err(MethodError::TooFew {
            what: "films with ages".to_owned(),
            found: train.len().min(val.len()),
            needed: 2,
        });
    }
    let truth = |at: &[usize]| -> Vec<f64> { at.iter().filter_map(|&i| age(i)).collect() };
    let wanted = truth(&val);
    let mean = truth(&train).iter().sum::<f64>() / train.len() as f64;
    let by_neighbours = |space: &Space<'_>, at: &[usize], k: usize| -> Result<Vec<f64>> {
        at.iter()
            .map(|&film| {
                let near = space.near(film, k, Some(Domain::Adult));
                // A neighbour without an age says the mean.
                space.voted(&near, |i| age(i).unwrap_or(mean))
            })
            .collect()
    };
    let choose_k = |space: &Space<'_>| -> Result<usize> {
        let error = |k: usize| Ok(mean_error(&by_neighbours(space, &val, k)?, &wanted));
        least(&config.neighbours, error)
    };
    let (k, k_untrained) = (choose_k(space)?, choose_k(untrained)?);
    let rows = |at: &[usize]| -> Vec<Vec<f32>> {
        at.iter().map(|&film| space.row(film).to_vec()).collect()
    };
    let (x, y) = (rows(&train), truth(&train));
    let line = |penalty: f64, at: &[usize]| -> Result<Vec<f64>> {
        let fit = Ridge::fit(&x, &y, penalty)?;
        Ok(rows(at).iter().map(|row| fit.at(row)).collect())
    };
    let error = |penalty: f64| Ok(mean_error(&line(penalty, &val)?, &wanted));
    let penalty = least(&config.penalties, error)?;
    Ok(Ages {
        neighbours: by_neighbours(space, &adults.test, k)?,
        adapter: line(penalty, &adults.test)?,
        untrained: by_neighbours(untrained, &adults.test, k_untrained)?,
        chosen: (k, k_untrained, penalty),
    })
}

/// The candidate with the smallest error, the first of equal ones.
fn least<T: Copy>(candidates: &[T], error: impl Fn(T) -> Result<f64>) -> Result<T> {
    let mut found: Option<(f64, T)> = None;
    for &candidate in candidates {
        let error = error(candidate)?;
        if found.is_none_or(|(best, _)| error < best) {
            found = Some((error, candidate));
        }
    }
    found
        .map(|(_, c)| c)
        .ok_or_else(|| MethodError::Config("no settings to choose among".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_error_is_taken_and_of_equal_ones_the_first() {
        let got = least(&[3, 1, 2], |c| Ok(f64::from(c % 2))).unwrap();
        assert_eq!(got, 2);
        assert_eq!(least(&[3, 1], |_| Ok(0.5)).unwrap(), 3);
        assert!(least::<u8>(&[], |_| Ok(0.0)).is_err());
    }

    #[test]
    fn directions_are_averaged_whatever_the_lengths() {
        let got = mean_direction(&[vec![10.0, 0.0], vec![0.0, 0.1]]);
        assert!((got[0] - got[1]).abs() < 1e-6 && (got[0] - 0.5f32.sqrt()).abs() < 1e-6);
    }
}
