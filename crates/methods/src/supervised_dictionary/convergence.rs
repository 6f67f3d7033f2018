//! How both solvers converge where the truth is known, and when labels in the factorisation pay.

use super::bcd::{self, BcdOptions, random_start};
use super::config::Config;
use super::lifted::{self, LiftedOptions};
use super::model::Model;
use super::problem::{Cases, Problem, Variant, Weights};
use super::simulate::{LabelSource, STRONG, contrast, low_rank, matched_cosine};
use crate::error::Result;
use hilum_nn::chart::Curve;
use hilum_tabular::factor::{NmfOptions, Signs, nmf};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

const RANK: usize = 3;
const WEIGHTS: Weights = Weights {
    xi: 3.0,
    ridge: 3.0,
};

/// Both solvers on one made-up set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Convergence {
    /// Seed.
    pub seed: u64,
    /// Which variant.
    pub variant: Variant,
    /// Objective of the lifted solver.
    pub lifted: Vec<f64>,
    /// Objective of block coordinate descent.
    pub bcd: Vec<f64>,
    /// Squared norm of its gradient after each iteration.
    pub gradient: Vec<f64>,
    /// Matched cosine of the planted atoms with those of block coordinate descent under non-negative signs.
    pub recovered: f64,
}

/// Runs both solvers, both variants, on a set a seed.
///
/// # Errors
/// As the solvers.
pub fn converge(seeds: &[u64], tiny: bool) -> Result<Vec<Convergence>> {
    let both = [Variant::Filter, Variant::Feature];
    let jobs: Vec<(u64, Variant)> = both
        .iter()
        .flat_map(|v| seeds.iter().map(|s| (*s, *v)))
        .collect();
    jobs.into_par_iter()
        .map(|(seed, variant)| one(seed, variant, tiny))
        .collect()
}

fn one(seed: u64, variant: Variant, tiny: bool) -> Result<Convergence> {
    let planted = low_rank(30, 300, RANK, 0.05, seed);
    let problem = Problem::new(&planted.cases, 2, variant, WEIGHTS)?;
    let (most, long) = if tiny { (60, 60) } else { (400, 3000) };
    let lifted = lifted::solve(
        &problem,
        &LiftedOptions {
            rank: RANK,
            iterations: most,
            // A small step, so that there are enough iterations to see a line by.
            step: 0.2,
            tolerance: 0.0,
            rounds: 4,
            seed,
        },
    )?;
    let free = BcdOptions {
        signs: Signs::Free,
        iterations: long,
        tolerance: 1e-12,
        ..BcdOptions::default()
    };
    let mut gradient = Vec::new();
    let start = random_start(&problem, RANK, Signs::Free, seed);
    let found = bcd::solve_watched(&problem, start, &free, |s| {
        gradient.push(problem.gradient_w(s).norm_squared() + problem.gradient_h(s).norm_squared());
    })?;
    Ok(Convergence {
        seed,
        variant,
        lifted: lifted.trace,
        bcd: found.trace,
        gradient,
        recovered: recovered(&planted.cases, &planted.w, variant, seed, most)?,
    })
}

/// The labels must not bend the atoms here, so the reconstruction weighs more.
fn recovered(
    cases: &Cases,
    planted: &nalgebra::DMatrix<f64>,
    variant: Variant,
    seed: u64,
    iterations: usize,
) -> Result<f64> {
    let weights = Weights {
        xi: 100.0,
        ..WEIGHTS
    };
    let problem = Problem::new(cases, 2, variant, weights)?;
    let start = random_start(&problem, RANK, Signs::NonNegative, seed);
    let options = BcdOptions {
        iterations,
        tolerance: 1e-9,
        ..BcdOptions::default()
    };
    let found = bcd::solve(&problem, start, &options)?;
    Ok(matched_cosine(planted, &found.state.w))
}

impl Convergence {
    /// Largest rise of the lifted objective in one iteration, as a share of its first value.
    pub fn largest_rise(&self) -> f64 {
        let rises = self.lifted.windows(2).map(|t| t[1] - t[0]);
        rises.fold(0.0, f64::max) / self.lifted[0]
    }

    /// Error of the lifted objective above its last value, while that can be told from rounding: points
    /// (iteration, ln of the share of the first error).
    pub fn log_errors(&self) -> Vec<(f64, f64)> {
        let Some((&last, earlier)) = self.lifted.split_last() else {
            return Vec::new();
        };
        let first = self.lifted[0] - last;
        let shares = earlier.iter().map(|v| (v - last) / first);
        shares
            .take_while(|s| *s > 1e-9)
            .enumerate()
            .map(|(t, s)| (t as f64, s.ln()))
            .collect()
    }

    /// Share of the variance of the log errors that a straight line explains, and its slope. The second
    /// half alone: the rate is that of the slowest part, and the parts that die out sooner bend the first half.
    pub fn straightness(&self) -> Option<(f64, f64)> {
        let points = self.log_errors();
        line(&points[points.len() / 2..])
    }

    /// Slope of ln(least squared gradient norm so far) over ln(iteration).
    pub fn gradient_slope(&self) -> Option<f64> {
        let mut least = f64::INFINITY;
        let points: Vec<(f64, f64)> = self
            .gradient
            .iter()
            .enumerate()
            .map(|(t, g)| {
                least = least.min(*g);
                ((t as f64 + 1.0).ln(), least.max(f64::MIN_POSITIVE).ln())
            })
            .collect();
        line(&points).map(|(_, slope)| slope)
    }

    /// Last objective of block coordinate descent above that of the lifted solver, as a share of it.
    pub fn gap(&self) -> f64 {
        let last = |t: &[f64]| t[t.len() - 1];
        last(&self.bcd) / last(&self.lifted) - 1.0
    }

    /// Its curves, for the picture.
    pub fn curves(&self) -> Vec<Curve> {
        let points = |trace: &[f64]| {
            let all = trace.iter().enumerate();
            all.map(|(t, v)| (t as f64, *v)).collect()
        };
        let name = |solver: &str| format!("{solver} {:?} seed {}", self.variant, self.seed);
        vec![
            Curve {
                name: name("LPGD"),
                points: points(&self.lifted),
            },
            Curve {
                name: name("BCD"),
                points: points(&self.bcd),
            },
        ]
    }
}

/// R² and slope of the least-squares line; `None` with fewer than five points.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    if points.len() < 5 {
        return None;
    }
    let n = points.len() as f64;
    let mx = points.iter().map(|p| p.0).sum::<f64>() / n;
    let my = points.iter().map(|p| p.1).sum::<f64>() / n;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        xx += (x - mx) * (x - mx);
        xy += (x - mx) * (y - my);
        yy += (y - my) * (y - my);
    }
    (xx > 0.0 && yy > 0.0).then(|| (xy * xy / (xx * yy), xy / xx))
}

/// Accuracies on new cases of one made-up set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// Seed.
    pub seed: u64,
    /// Labels from the strong atoms (the dictionaries agree) or from the faint ones (they differ).
    pub agree: bool,
    /// Factorisation without labels, then regression.
    pub nmf: f64,
    /// Supervised, filters.
    pub filter: f64,
    /// Supervised, codes.
    pub feature: f64,
}

/// Sets of both kinds, one of each a seed. Weights are chosen on a validation part of the set.
///
/// # Errors
/// As the solvers.
pub fn contrasts(config: &Config, first: u64) -> Result<Vec<Contrast>> {
    let seeds = (0..config.simulations as u64).map(|s| first + s);
    let jobs: Vec<(u64, bool)> = seeds.flat_map(|s| [(s, false), (s, true)]).collect();
    jobs.into_par_iter()
        .map(|(seed, agree)| compare(config, seed, agree))
        .collect()
}

fn compare(config: &Config, seed: u64, agree: bool) -> Result<Contrast> {
    let source = if agree {
        LabelSource::Strong
    } else {
        LabelSource::Faint
    };
    let parts = contrast(source, &[400, 400, 2000], seed);
    let [train, val, test] = &parts[..] else {
        return Err(crate::error::MethodError::Config("three parts".to_owned()));
    };
    let found = nmf(
        &train.x,
        &NmfOptions {
            rank: STRONG,
            rounds: 300,
            tolerance: 1e-6,
            seed,
        },
    )?;
    let best = |models: Vec<Model>| -> Result<f64> {
        let mut best: Option<(f64, &Model)> = None;
        for model in &models {
            let seen = accuracy(model, val)?;
            if best.is_none_or(|(b, _)| seen > b) {
                best = Some((seen, model));
            }
        }
        best.map_or(Ok(f64::NAN), |(_, m)| accuracy(m, test))
    };
    let ridges = config.ridge.iter();
    let plain = ridges
        .map(|r| Model::on_codes(found.w.clone(), train, 2, *r))
        .collect::<Result<Vec<_>>>()?;
    let supervised = |variant: Variant| -> Result<Vec<Model>> {
        let mut models = Vec::new();
        for &xi in &config.xi {
            for &ridge in &config.ridge {
                let problem = Problem::new(train, 2, variant, Weights { xi, ridge })?;
                let mut start = random_start(&problem, STRONG, Signs::NonNegative, seed);
                start.w.copy_from(&found.w);
                start.h.copy_from(&found.h);
                let options = BcdOptions {
                    iterations: config.iterations,
                    ..BcdOptions::default()
                };
                models.push(Model::new(&problem, bcd::solve(&problem, start, &options)?));
            }
        }
        Ok(models)
    };
    Ok(Contrast {
        seed,
        agree,
        nmf: best(plain)?,
        filter: best(supervised(Variant::Filter)?)?,
        feature: best(supervised(Variant::Feature)?)?,
    })
}

fn accuracy(model: &Model, cases: &Cases) -> Result<f64> {
    let p = model.probabilities(&cases.x, &cases.z)?;
    let right = p.column_iter().zip(&cases.y);
    let hits = right.filter(|(p, y)| p.imax() == **y).count();
    Ok(hits as f64 / cases.y.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solvers_agree_on_low_rank_sets_and_the_lifted_one_is_linear() {
        for c in converge(&[1, 2], false).unwrap() {
            assert!(c.largest_rise() < 1e-12, "{:?}", c.variant);
            let (r2, slope) = c.straightness().unwrap();
            assert!(r2 > 0.99 && slope < -0.05, "{:?} {r2} {slope}", c.variant);
            assert!(c.gap().abs() < 1e-6, "{:?} {}", c.variant, c.gap());
            assert!(c.recovered > 0.95 && c.gradient_slope().unwrap() < -1.0);
        }
    }

    #[test]
    fn labels_in_the_factorisation_pay_where_dictionaries_differ() {
        let config = Config {
            simulations: 1,
            xi: vec![0.01, 0.1],
            ridge: vec![0.01, 0.1],
            ..Config::default()
        };
        for c in contrasts(&config, 1).unwrap() {
            let gain = c.filter - c.nmf;
            assert_eq!(gain > 0.1, !c.agree, "{c:?}");
            assert!(c.nmf > 0.45 && c.feature > 0.55, "{c:?}");
        }
    }

    #[test]
    fn a_line_is_straight() {
        let points: Vec<(f64, f64)> = (0..9)
            .map(|i| (f64::from(i), 1.0 - 2.0 * f64::from(i)))
            .collect();
        let (r2, slope) = line(&points).unwrap();
        assert!((r2 - 1.0).abs() < 1e-12 && (slope + 2.0).abs() < 1e-12);
        assert_eq!(line(&points[..4]), None);
    }
}
