//! Low-rank projected gradient descent in the lifted space, where the problem is convex but for the rank.
//!
//! Filter: [A | M] (p x (K + n)) with A = W Bᵀ and M = W H; feature: A = B H (K x n) over M (p x n). A gradient
//! step, then the nearest matrix of rank r. A is scaled against M so that both parts have the same curvature; the
//! rank does not see it. b₀ and Γ are minimised out by Newton's method, which leaves the gradient in A and M as it
//! is and its curvature no larger. With a step of 1 or less the objective cannot rise.

use super::problem::{Cases, Problem, Solution, State, Variant};
use crate::error::Result;
use hilum_tabular::factor::{
    Signs, Softmax, SoftmaxOptions, SvdOptions, TruncatedSvd, negative_log_likelihood, residuals,
    truncated_svd,
};
use nalgebra::DMatrix;

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiftedOptions {
    /// Rank.
    pub rank: usize,
    /// Iterations at most.
    pub iterations: usize,
    /// Step in units of one over the curvature, 0 to 1.
    pub step: f64,
    /// It ends when an iteration lowers the objective by less than this share of it.
    pub tolerance: f64,
    /// Rounds of the subspace iteration behind each projection.
    pub rounds: usize,
    /// Seed of the first subspace and of the start.
    pub seed: u64,
}

impl Default for LiftedOptions {
    fn default() -> Self {
        LiftedOptions {
            rank: 16,
            iterations: 300,
            step: 1.0,
            tolerance: 1e-6,
            rounds: 2,
            seed: 0,
        }
    }
}

/// Where the iteration stands.
struct Iterate {
    /// p x K (filter) or K x n (feature).
    a: DMatrix<f64>,
    /// p x n.
    m: DMatrix<f64>,
    /// Γ and b₀.
    side: Softmax,
}

/// Minimises from a random matrix of the rank on.
///
/// # Errors
/// A rank above the smaller side, a class without a case, values that are not finite.
pub fn solve(problem: &Problem<'_>, options: &LiftedOptions) -> Result<Solution> {
    let scale = scale(problem);
    let start = super::bcd::random_start(problem, options.rank, Signs::Free, options.seed);
    let mut at = Iterate {
        a: match problem.variant {
            Variant::Filter => DMatrix::zeros(problem.cases.x.nrows(), problem.outputs()),
            Variant::Feature => DMatrix::zeros(problem.outputs(), problem.cases.x.ncols()),
        },
        m: &start.w * &start.h,
        side: Softmax::zeros(problem.classes, problem.cases.z.nrows()),
    };
    let mut svd = project(problem, &at, scale, options, None)?;
    improve_side(problem, &mut at)?;
    let mut trace = vec![objective(problem, &at)];
    for t in 1..=options.iterations {
        let gradient = gradient_a(problem, &at);
        let curvature = problem.curvature + 2.0 * problem.weights.ridge;
        at.a -= gradient * (options.step / curvature);
        // −τ 2ξ(M − X) with τ = step/(2ξ).
        at.m += (&problem.cases.x - &at.m) * options.step;
        svd = project(problem, &at, scale, options, Some(&svd.subspace))?;
        (at.a, at.m) = split(problem, &svd.product(), scale);
        improve_side(problem, &mut at)?;
        let last = trace[trace.len() - 1];
        let value = objective(problem, &at);
        trace.push(value);
        if last - value < options.tolerance * last.abs() && t > 5 {
            break;
        }
    }
    Ok(Solution {
        state: factors(problem, &svd, &at.side, scale),
        trace,
        signs: Signs::Free,
    })
}

/// A = scale · A′ gives A′ the curvature of M.
fn scale(problem: &Problem<'_>) -> f64 {
    let own = problem.curvature + 2.0 * problem.weights.ridge;
    (2.0 * problem.weights.xi / own).sqrt()
}

fn joined(problem: &Problem<'_>, at: &Iterate, scale: f64) -> DMatrix<f64> {
    let a = &at.a / scale;
    match problem.variant {
        Variant::Feature => super::problem::stacked(&a, &at.m),
        Variant::Filter => {
            let mut all = DMatrix::zeros(a.nrows(), a.ncols() + at.m.ncols());
            all.columns_mut(0, a.ncols()).copy_from(&a);
            all.columns_mut(a.ncols(), at.m.ncols()).copy_from(&at.m);
            all
        }
    }
}

fn split(problem: &Problem<'_>, joined: &DMatrix<f64>, scale: f64) -> (DMatrix<f64>, DMatrix<f64>) {
    let k = problem.outputs();
    let (a, m) = match problem.variant {
        Variant::Filter => (
            joined.columns(0, k).into_owned(),
            joined.columns(k, joined.ncols() - k).into_owned(),
        ),
        Variant::Feature => (
            joined.rows(0, k).into_owned(),
            joined.rows(k, joined.nrows() - k).into_owned(),
        ),
    };
    (a * scale, m)
}

fn project(
    problem: &Problem<'_>,
    at: &Iterate,
    scale: f64,
    options: &LiftedOptions,
    start: Option<&DMatrix<f64>>,
) -> Result<TruncatedSvd> {
    let svd = SvdOptions {
        rounds: if start.is_some() { options.rounds } else { 6 },
        seed: options.seed,
        ..SvdOptions::default()
    };
    Ok(truncated_svd(
        &joined(problem, at, scale),
        options.rank,
        &svd,
        start,
    )?)
}

/// Activations that A alone gives, K x n.
fn base(problem: &Problem<'_>, a: &DMatrix<f64>) -> DMatrix<f64> {
    match problem.variant {
        Variant::Filter => a.transpose() * &problem.centred,
        Variant::Feature => a.clone(),
    }
}

fn side_penalty(cases: &Cases, ridge: f64) -> DMatrix<f64> {
    DMatrix::identity(cases.z.nrows(), cases.z.nrows()) * ridge
}

fn improve_side(problem: &Problem<'_>, at: &mut Iterate) -> Result<()> {
    let penalty = side_penalty(problem.cases, problem.weights.ridge);
    let options = SoftmaxOptions {
        steps: 20,
        tolerance: 1e-14,
    };
    let base = base(problem, &at.a);
    let cases = problem.cases;
    at.side
        .improve_beside(&base, &cases.z, &cases.y, &penalty, &options)?;
    Ok(())
}

fn activations(problem: &Problem<'_>, at: &Iterate) -> DMatrix<f64> {
    base(problem, &at.a) + at.side.activations(&problem.cases.z)
}

fn gradient_a(problem: &Problem<'_>, at: &Iterate) -> DMatrix<f64> {
    let d = residuals(&activations(problem, at), &problem.cases.y);
    let labels = match problem.variant {
        Variant::Filter => &problem.centred * d.transpose(),
        Variant::Feature => d,
    };
    labels + &at.a * (2.0 * problem.weights.ridge)
}

fn objective(problem: &Problem<'_>, at: &Iterate) -> f64 {
    let weights = problem.weights;
    weights.xi * (&problem.cases.x - &at.m).norm_squared()
        + negative_log_likelihood(&activations(problem, at), &problem.cases.y)
        + weights.ridge * (at.a.norm_squared() + at.side.slopes.norm_squared())
}

/// Factors of the last matrix: √s goes to both sides.
fn factors(problem: &Problem<'_>, svd: &TruncatedSvd, side: &Softmax, scale: f64) -> State {
    let k = problem.outputs();
    let (r, q) = (svd.s.len(), problem.cases.z.nrows());
    let left = svd.scaled_u(0.5);
    let mut right = svd.v.transpose();
    for (mut row, s) in right.row_iter_mut().zip(svd.s.iter()) {
        row *= s.sqrt();
    }
    let (w, h, b) = match problem.variant {
        Variant::Filter => (
            left,
            right.columns(k, right.ncols() - k).into_owned(),
            right.columns(0, k).transpose(),
        ),
        Variant::Feature => (
            left.rows(k, left.nrows() - k).into_owned(),
            right,
            left.rows(0, k).into_owned(),
        ),
    };
    let mut head = Softmax::zeros(problem.classes, r + q);
    head.slopes.columns_mut(0, r).copy_from(&(b * scale));
    head.slopes.columns_mut(r, q).copy_from(&side.slopes);
    head.offsets = side.offsets.clone();
    State { w, h, head }
}

#[cfg(test)]
mod tests {
    use super::super::problem::Weights;
    use super::super::problem::samples::small;
    use super::*;

    const WEIGHTS: Weights = Weights {
        xi: 1.0,
        ridge: 0.1,
    };

    #[test]
    fn the_objective_falls_and_is_that_of_the_factors() {
        for (variant, classes) in [(Variant::Filter, 3), (Variant::Feature, 2)] {
            let (cases, _) = small(classes);
            let problem = Problem::new(&cases, classes, variant, WEIGHTS).unwrap();
            let options = LiftedOptions {
                rank: 3,
                ..LiftedOptions::default()
            };
            let done = solve(&problem, &options).unwrap();
            let last = done.trace[done.trace.len() - 1];
            assert!(last < done.trace[0]);
            let slack = 1e-10 * done.trace[0];
            assert!(done.trace.windows(2).all(|t| t[1] <= t[0] + slack));
            let factored = problem.objective(&done.state);
            assert!((factored - last).abs() < 1e-8 * last, "{factored} {last}");
        }
    }

    #[test]
    fn gradients_in_the_lifted_space_are_those_of_finite_differences() {
        for variant in [Variant::Filter, Variant::Feature] {
            let (cases, state) = small(3);
            let problem = Problem::new(&cases, 3, variant, WEIGHTS).unwrap();
            let b = Problem::slopes(&state);
            let mut at = Iterate {
                a: match variant {
                    Variant::Filter => &state.w * b.transpose(),
                    Variant::Feature => b * &state.h,
                },
                m: &state.w * &state.h,
                side: Softmax::zeros(3, 1),
            };
            let g = gradient_a(&problem, &at);
            for i in 0..at.a.len() {
                at.a[i] += 1e-5;
                let up = objective(&problem, &at);
                at.a[i] -= 2e-5;
                let down = objective(&problem, &at);
                at.a[i] += 1e-5;
                assert!(((up - down) / 2e-5 - g[i]).abs() < 1e-5, "{variant:?} {i}");
            }
        }
    }

    #[test]
    fn cases_without_covariates_work_and_ranks_out_of_range_do_not() {
        let (mut cases, _) = small(2);
        cases.z = DMatrix::zeros(0, 40);
        let problem = Problem::new(&cases, 2, Variant::Filter, WEIGHTS).unwrap();
        let with = |rank| {
            let options = LiftedOptions {
                rank,
                ..LiftedOptions::default()
            };
            solve(&problem, &options)
        };
        assert!(with(2).is_ok());
        assert!(with(7).is_err());
    }
}
