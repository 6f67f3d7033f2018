//! Hyper-parameter search at a fixed number of trials: at random, or by tree-structured Parzen estimators.

mod space;

pub use space::{Dimension, Point, Space};

use crate::error::{Result, TabularError};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tpe::TpeOptimizer;
use tpe::density_estimation::DefaultEstimatorBuilder;

/// How the next point is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// Uniformly, on the dimension's own scale (Bergstra and Bengio 2012).
    Random,
    /// By tree-structured Parzen estimators (Bergstra et al. 2011), each dimension by itself.
    Tpe {
        /// Trials at random before.
        startup: usize,
        /// Share of the trials that count as good.
        gamma: f64,
        /// Draws from the density of the good ones, of which the likeliest against the others is tried.
        candidates: usize,
    },
}

impl Sampler {
    /// Ten trials at random, a quarter counts as good, 24 candidates (Bergstra et al. 2013).
    pub fn tpe() -> Self {
        Sampler::Tpe {
            startup: 10,
            gamma: 0.25,
            candidates: 24,
        }
    }
}

/// One point and its loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Where.
    pub point: Point,
    /// What was seen there.
    pub loss: f64,
}

/// What a search has seen, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// All trials.
    pub trials: Vec<Trial>,
}

impl Search {
    /// The first trial of least loss; null when there was none.
    pub fn best(&self) -> Option<&Trial> {
        let better = |a: &'_ &Trial, b: &'_ &Trial| a.loss.total_cmp(&b.loss);
        self.trials.iter().min_by(better)
    }
}

/// Tries `trials` points. The same seed gives the same first points for every sampler.
///
/// # Errors
/// An empty space, no trials, a loss that is not a number, or the loss's own error.
pub fn minimise<E: From<TabularError>>(
    space: &Space,
    sampler: Sampler,
    trials: usize,
    seed: u64,
    mut loss: impl FnMut(&Point) -> std::result::Result<f64, E>,
) -> std::result::Result<Search, E> {
    space.validate()?;
    if trials == 0 {
        return Err(TabularError::Search("no trials were asked for".to_owned()).into());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut parzen = parzen(space, sampler)?;
    let mut seen = Vec::with_capacity(trials);
    for t in 0..trials {
        let guided = matches!(sampler, Sampler::Tpe { startup, .. } if t >= startup);
        let raw = if guided {
            ask(&mut parzen, &mut rng)?
        } else {
            space.draw(&mut rng)
        };
        let point = space.point(&raw);
        let value = loss(&point)?;
        if value.is_nan() {
            return Err(
                TabularError::Search(format!("the loss at {point} is not a number")).into(),
            );
        }
        for (optimiser, at) in parzen.iter_mut().zip(&raw) {
            optimiser.tell(*at, value).map_err(wrong)?;
        }
        seen.push(Trial { point, loss: value });
    }
    Ok(Search { trials: seen })
}

fn wrong(e: impl std::fmt::Display) -> TabularError {
    TabularError::Search(e.to_string())
}

/// One estimator a dimension; none for a search at random.
fn parzen(space: &Space, sampler: Sampler) -> Result<Vec<TpeOptimizer<DefaultEstimatorBuilder>>> {
    let Sampler::Tpe {
        gamma, candidates, ..
    } = sampler
    else {
        return Ok(Vec::new());
    };
    let of = |(low, high, categorical): (f64, f64, bool)| {
        let kind = if categorical {
            tpe::histogram_estimator()
        } else {
            tpe::parzen_estimator()
        };
        let range = tpe::range(low, high).map_err(wrong)?;
        tpe::TpeOptimizerBuilder::new()
            .gamma(gamma)
            .candidates(candidates)
            .build(kind, range)
            .map_err(wrong)
    };
    space.ranges().map(of).collect()
}

fn ask(
    parzen: &mut [TpeOptimizer<DefaultEstimatorBuilder>],
    rng: &mut ChaCha8Rng,
) -> Result<Vec<f64>> {
    parzen
        .iter_mut()
        .map(|o| o.ask(rng).map_err(|e| wrong(format!("{e:?}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane() -> Space {
        let axis = |low, high| Dimension::Float {
            low,
            high,
            log: false,
        };
        Space::new(vec![("x", axis(-5.0, 10.0)), ("y", axis(0.0, 15.0))])
    }

    /// Branin's function (Dixon and Szegő 1978); its least value is 0.3979.
    fn branin(p: &Point) -> Result<f64> {
        use std::f64::consts::PI;
        let (x, y) = (p.get("x")?, p.get("y")?);
        let bowl = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
        Ok(bowl * bowl + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0)
    }

    fn median_best(sampler: Sampler) -> f64 {
        let best = |seed| {
            let s = minimise(&plane(), sampler, 60, seed, branin).unwrap();
            s.best().unwrap().loss
        };
        let mut all: Vec<f64> = (0..21).map(best).collect();
        all.sort_by(f64::total_cmp);
        all[10]
    }

    #[test]
    fn parzen_estimators_beat_chance_on_branin() {
        let (random, tpe) = (median_best(Sampler::Random), median_best(Sampler::tpe()));
        assert!(tpe < random && tpe > 0.397, "random {random}, tpe {tpe}");
    }

    #[test]
    fn a_search_is_the_same_twice_and_starts_like_chance() {
        let run = |sampler| minimise(&plane(), sampler, 30, 4, branin).unwrap();
        assert_eq!(run(Sampler::tpe()), run(Sampler::tpe()));
        assert_eq!(
            run(Sampler::tpe()).trials[..10],
            run(Sampler::Random).trials[..10]
        );
    }

    #[test]
    fn whole_numbers_and_choices_stay_what_they_are() {
        let space = Space::new(vec![
            (
                "n",
                Dimension::Whole {
                    low: 1,
                    high: 8,
                    log: false,
                },
            ),
            ("c", Dimension::Choice(3)),
        ]);
        let loss = |p: &Point| -> Result<f64> { Ok((p.get("n")? - 8.0).abs() + p.get("c")?) };
        let s = minimise(&space, Sampler::tpe(), 60, 1, loss).unwrap();
        for t in &s.trials {
            let (n, c) = (t.point.get("n").unwrap(), t.point.get("c").unwrap());
            assert!(n.fract() == 0.0 && (1.0..=8.0).contains(&n));
            assert!([0.0, 1.0, 2.0].contains(&c));
        }
        assert_eq!(s.best().unwrap().loss, 0.0);
    }

    #[test]
    fn a_loss_that_is_no_number_stops_the_search() {
        let nan = |_: &Point| -> Result<f64> { Ok(f64::NAN) };
        let err = minimise(&plane(), Sampler::Random, 3, 1, nan).unwrap_err();
        assert!(err.to_string().contains("not a number"), "{err}");
        assert!(minimise(&plane(), Sampler::Random, 0, 1, branin).is_err());
    }
}
