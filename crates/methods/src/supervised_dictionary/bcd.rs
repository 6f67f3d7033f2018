//! Block coordinate descent: codes, dictionary, regression, in turn.
//!
//! Each block step minimises a quadratic that lies above the objective and touches it (the reconstruction's own
//! curvature, and a bound on that of the log loss), so no step size is to be chosen and the objective never
//! rises; the paper's projected gradient step is the same with a multiple of the identity as curvature. A step is
//! cut where it leaves a ball around the last iterate, whose radius falls as t^(-1/2)/log t.

use super::problem::{Problem, Solution, State, Variant};
use crate::error::{MethodError, Result};
use hilum_tabular::factor::{Signs, Softmax, solve_quadratic};
use nalgebra::DMatrix;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BcdOptions {
    /// Signs of dictionary and codes.
    pub signs: Signs,
    /// Iterations at most.
    pub iterations: usize,
    /// Steps on a block in one iteration.
    pub steps: usize,
    /// It ends when an iteration lowers the objective by less than this share of it.
    pub tolerance: f64,
    /// Radius of the first iteration, in norms of the block.
    pub radius: f64,
}

impl Default for BcdOptions {
    fn default() -> Self {
        BcdOptions {
            signs: Signs::NonNegative,
            iterations: 300,
            steps: 2,
            tolerance: 1e-6,
            radius: 10.0,
        }
    }
}

/// Coordinate sweeps of one block step.
const SWEEPS: usize = 3;

/// A start at random: factors whose product has the size of the cases, no slopes.
pub fn random_start(problem: &Problem<'_>, rank: usize, signs: Signs, seed: u64) -> State {
    let (p, n) = problem.cases.x.shape();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let low = match signs {
        Signs::Free => -1.0,
        Signs::NonNegative => 0.0,
    };
    let size = (problem.energy / (p * n * rank) as f64).sqrt().sqrt() * 1.5;
    let mut draw =
        |rows, columns| DMatrix::from_fn(rows, columns, |_, _| size * rng.random_range(low..1.0));
    State {
        w: draw(p, rank),
        h: draw(rank, n),
        head: Softmax::zeros(problem.classes, rank + problem.cases.z.nrows()),
    }
}

/// Minimises from `start` on.
///
/// # Errors
/// A start of another shape, a class without a case, an objective that is not finite.
pub fn solve(problem: &Problem<'_>, start: State, options: &BcdOptions) -> Result<Solution> {
    solve_watched(problem, start, options, |_| ())
}

/// The same, showing the state after each iteration.
///
/// # Errors
/// As [`solve`].
pub fn solve_watched(
    problem: &Problem<'_>,
    start: State,
    options: &BcdOptions,
    mut watch: impl FnMut(&State),
) -> Result<Solution> {
    let mut state = start;
    let mut trace = vec![checked(problem.objective(&state))?];
    for t in 1..=options.iterations {
        let t = t as f64;
        let radius = options.radius * t.powf(-0.5) / (t + 1.0).ln();
        let before = state.h.clone();
        for _ in 0..options.steps {
            step_h(problem, &mut state, options.signs)?;
        }
        stay_near(&mut state.h, &before, radius);
        let before = state.w.clone();
        for _ in 0..options.steps {
            step_w(problem, &mut state, options.signs)?;
        }
        stay_near(&mut state.w, &before, radius);
        problem.improve_head(&mut state, options.steps)?;
        let value = checked(problem.objective(&state))?;
        let last = trace[trace.len() - 1];
        trace.push(value);
        watch(&state);
        if last - value < options.tolerance * last.abs() && t > 5.0 {
            break;
        }
    }
    Ok(Solution {
        state,
        trace,
        signs: options.signs,
    })
}

fn checked(value: f64) -> Result<f64> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(MethodError::Config(
        "the objective is not finite; scale the cases".to_owned(),
    ))
}

fn step_h(problem: &Problem<'_>, s: &mut State, signs: Signs) -> Result<()> {
    let wt = s.w.transpose();
    let mut gram = (&wt * &s.w) * (2.0 * problem.weights.xi);
    if problem.variant == Variant::Feature {
        let b = Problem::slopes(s);
        gram += b.transpose() * b * (problem.curvature + 2.0 * problem.weights.ridge);
    }
    let cross = &gram * &s.h - problem.gradient_h(s);
    solve_quadratic(&gram, &cross, &mut s.h, signs, SWEEPS)?;
    Ok(())
}

fn step_w(problem: &Problem<'_>, s: &mut State, signs: Signs) -> Result<()> {
    let mut gram = (&s.h * s.h.transpose()) * (2.0 * problem.weights.xi);
    if problem.variant == Variant::Filter {
        let b = Problem::slopes(s);
        gram += b.transpose() * b * (problem.curvature + 2.0 * problem.weights.ridge);
    }
    let mut wt = s.w.transpose();
    let cross = &gram * &wt - problem.gradient_w(s).transpose();
    solve_quadratic(&gram, &cross, &mut wt, signs, SWEEPS)?;
    s.w = wt.transpose();
    Ok(())
}

/// Moves back towards `before` until the change is at most `radius` times its norm. Blocks are convex
/// problems, so the objective is still below where it was.
fn stay_near(block: &mut DMatrix<f64>, before: &DMatrix<f64>, radius: f64) {
    let change = &*block - before;
    let (far, allowed) = (change.norm(), radius * before.norm());
    if far > allowed && allowed > 0.0 {
        *block = before + change * (allowed / far);
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::Weights;
    use super::super::problem::samples::small;
    use super::*;

    #[test]
    fn the_objective_never_rises_and_ends_where_gradients_vanish() {
        let weights = Weights {
            xi: 1.0,
            ridge: 0.1,
        };
        for (variant, classes) in [(Variant::Filter, 2), (Variant::Feature, 3)] {
            let (cases, _) = small(classes);
            let problem = Problem::new(&cases, classes, variant, weights).unwrap();
            let options = BcdOptions {
                signs: Signs::Free,
                iterations: 4000,
                tolerance: 1e-13,
                ..BcdOptions::default()
            };
            let start = random_start(&problem, 3, Signs::Free, 1);
            let done = solve(&problem, start, &options).unwrap();
            let slack = 1e-9 * done.trace[0];
            assert!(done.trace.windows(2).all(|t| t[1] <= t[0] + slack));
            let g = problem.gradient_w(&done.state).amax();
            assert!(g < 1e-2, "{variant:?}: {g}");
        }
    }

    #[test]
    fn factors_stay_non_negative_and_the_ball_is_kept() {
        let (cases, _) = small(2);
        let weights = Weights {
            xi: 1.0,
            ridge: 0.1,
        };
        let problem = Problem::new(&cases, 2, Variant::Filter, weights).unwrap();
        let start = random_start(&problem, 3, Signs::NonNegative, 2);
        let options = BcdOptions {
            iterations: 1,
            radius: 1e-3,
            ..BcdOptions::default()
        };
        let done = solve(&problem, start.clone(), &options).unwrap();
        let moved = (&done.state.w - &start.w).norm() / start.w.norm();
        assert!(moved > 0.0 && moved <= 1e-3 / 2.0_f64.ln() + 1e-12);
        let done = solve(&problem, start, &BcdOptions::default()).unwrap();
        assert!(done.state.w.min() >= 0.0 && done.state.h.min() >= 0.0);
    }
}
