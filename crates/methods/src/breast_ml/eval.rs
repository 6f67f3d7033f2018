//! The claims: tuning improves the baselines, and Parzen estimators find better points than chance.

use super::Config;
use super::train::{Outcome, Run, Said, TableOutcome};
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::stored;
use crate::claims::{ClaimRow, ResultFile};
use crate::context::Context;
use crate::error::Result;
use crate::info::MethodInfo;
use hilum_metrics::classification::{BinaryScores, Confusion, auroc_weighted};
use hilum_metrics::statistics::{paired_permutation, wilcoxon_signed_rank};
use hilum_tabular::{Dimension, LearnerKind, Point, Sampler, Space, TabularError, minimise};

/// All rows, the paper's claim first.
pub fn measure(ctx: &Context<'_>, info: &MethodInfo) -> Result<ResultFile> {
    let outcome: Outcome = stored::read(ctx, info.name, "outcome.json")?;
    let mut rows = Vec::new();
    for table in &outcome.tables {
        rows.extend(tuning_rows(table));
    }
    for table in &outcome.tables {
        rows.push(search_row(table));
    }
    rows.push(function_row(&outcome.config)?);
    for table in &outcome.tables {
        for learner in &outcome.config.learners {
            let own = table.runs.iter().filter(|r| r.learner == *learner);
            rows.extend(learner_rows(table, &own.collect::<Vec<_>>()));
        }
    }
    let mut result = ResultFile::new(info, rows);
    result.seeds = outcome.seeds;
    result.data_hash = outcome.data_hash;
    result.split_hash = outcome.split_hash;
    result.tiny = ctx.tiny;
    Ok(result)
}

/// Rows under counts: a resample of a cohort.
type Score = fn(&[bool], &[f64], &[u32]) -> Option<f64>;

fn auroc(y: &[bool], p: &[f64], counts: &[u32]) -> Option<f64> {
    let weights: Vec<f64> = counts.iter().map(|c| f64::from(*c)).collect();
    auroc_weighted(&BinaryScores::new(y, p).ok()?, &weights).ok()
}

fn accuracy(y: &[bool], p: &[f64], counts: &[u32]) -> Option<f64> {
    let right = |(y, p): (&bool, &f64)| (*p >= 0.5) == *y;
    let cases = y.iter().zip(p).zip(counts);
    let (hits, n) = cases.fold((0, 0), |(h, n), (case, c)| {
        (h + if right(case) { *c } else { 0 }, n + c)
    });
    (n > 0).then(|| f64::from(hits) / f64::from(n))
}

/// Mean over runs of the score after tuning minus that before.
fn gain(table: &TableOutcome, runs: &[&Run], score: Score) -> Option<Measured> {
    measured_by(&table.groups, |counts| {
        let mut sum = 0.0;
        for run in runs {
            sum += score(&table.y, &run.folds.tuned, counts)?;
            sum -= score(&table.y, &run.folds.baseline, counts)?;
        }
        Some(sum / runs.len() as f64)
    })
}

fn tuning_rows(table: &TableOutcome) -> Vec<ClaimRow> {
    let runs: Vec<&Run> = table.runs.iter().collect();
    let one = |name: &str, score: Score, note: String| {
        let seen = gain(table, &runs, score);
        claim_row(
            format!(
                "{}: gain in {name} by tuning with Parzen estimators, mean of all learners",
                table.table
            ),
            seen,
            seen.map(|m| m.interval.0 > 0.0),
            note,
        )
    };
    vec![
        one("AUROC", auroc, by_learner(table)),
        one("accuracy", accuracy, swapped(table, &runs)),
    ]
}

/// The gain of each learner: a mean may be the work of one.
fn by_learner(table: &TableOutcome) -> String {
    let mut learners: Vec<LearnerKind> = table.runs.iter().map(|r| r.learner).collect();
    learners.dedup();
    let one = |learner: &LearnerKind| {
        let own = table.runs.iter().filter(|r| r.learner == *learner);
        let gained = gain(table, &own.collect::<Vec<_>>(), auroc);
        let shown = gained.map_or("undefined".to_owned(), |m| format!("{:+.3}", m.value));
        format!("{} {shown}", learner.baseline().name())
    };
    let each: Vec<String> = learners.iter().map(one).collect();
    each.join(", ")
}

/// Permutation test of the accuracies: before and after are swapped a row at a time.
fn swapped(table: &TableOutcome, runs: &[&Run]) -> String {
    let right = |p: f64, i: usize| f64::from(u8::from((p >= 0.5) == table.y[i]));
    let change = |i: usize| {
        let one = |r: &&Run| right(r.folds.tuned[i], i) - right(r.folds.baseline[i], i);
        runs.iter().map(one).sum::<f64>() / runs.len() as f64
    };
    let changes: Vec<f64> = (0..table.y.len()).map(change).collect();
    let mean = |swap: &[bool]| {
        let signed = changes
            .iter()
            .zip(swap)
            .map(|(d, s)| if *s { -d } else { *d });
        Some(signed.sum::<f64>() / changes.len() as f64)
    };
    match paired_permutation(changes.len(), Some(&table.groups), 2000, 0, mean) {
        Ok(t) => format!("permutation p {:.4}", t.p),
        Err(e) => e.to_string(),
    }
}

/// Median of the paired differences with a bootstrap interval, and whether Wilcoxon's test agrees.
fn compared(claim: String, pairs: &[(f64, f64)], unit: &str) -> ClaimRow {
    let units: Vec<usize> = (0..pairs.len()).collect();
    let seen = measured_by(&units, |counts| {
        let drawn = pairs.iter().zip(counts);
        let mut gains: Vec<f64> = drawn
            .flat_map(|((random, found), c)| std::iter::repeat_n(random - found, *c as usize))
            .collect();
        median(&mut gains)
    });
    let (random, found): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let better = pairs.iter().filter(|(r, f)| f < r).count();
    let worse = pairs.iter().filter(|(r, f)| f > r).count();
    let test = wilcoxon_signed_rank(&random, &found);
    let p = test.as_ref().map(|t| t.p).ok();
    let shown = match p {
        Some(p) if p < 0.0001 => "below 0.0001".to_owned(),
        Some(p) => format!("{p:.4}"),
        None => "undefined".to_owned(),
    };
    claim_row(
        claim,
        seen,
        seen.zip(p).map(|(m, p)| m.value > 0.0 && p < 0.05),
        format!("{better} {unit} better, {worse} worse; Wilcoxon p {shown}"),
    )
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (n > 0).then(|| (values[(n - 1) / 2] + values[n / 2]) / 2.0)
}

fn search_row(table: &TableOutcome) -> ClaimRow {
    let pairs: Vec<(f64, f64)> = table
        .runs
        .iter()
        .flat_map(|r| &r.searches)
        .map(|(random, found)| (1000.0 * random, 1000.0 * found))
        .collect();
    compared(
        format!(
            "{}: least inner Brier score in thousandths, at random minus by Parzen estimators, equal trials, median",
            table.table
        ),
        &pairs,
        "searches",
    )
}

/// Branin's function (Dixon and Szegő 1978).
fn branin(point: &Point) -> std::result::Result<f64, TabularError> {
    use std::f64::consts::PI;
    let (x, y) = (point.get("x")?, point.get("y")?);
    let bowl = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    Ok(bowl * bowl + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0)
}

fn function_row(config: &Config) -> Result<ClaimRow> {
    let axis = |low, high| Dimension::Float {
        low,
        high,
        log: false,
    };
    let space = Space::new(vec![("x", axis(-5.0, 10.0)), ("y", axis(0.0, 15.0))]);
    let best = |sampler: Sampler, seed: u64| -> Result<f64> {
        let search = minimise(&space, sampler, config.function_trials, seed, branin)?;
        Ok(search.best().map_or(f64::INFINITY, |t| t.loss))
    };
    let pairs = (0..config.function_seeds)
        .map(|s| Ok((best(Sampler::Random, s)?, best(config.sampler, s)?)))
        .collect::<Result<Vec<_>>>()?;
    Ok(compared(
        format!(
            "Branin's function: least value at random minus by Parzen estimators, {} trials, median",
            config.function_trials
        ),
        &pairs,
        "seeds",
    ))
}

/// What a learner does, tuned, in folds and on the test rows, with its gain.
fn learner_rows(table: &TableOutcome, runs: &[&Run]) -> Vec<ClaimRow> {
    let Some(first) = runs.first() else {
        return Vec::new();
    };
    let name = first.learner.baseline().name();
    let level = |groups: &[usize], y: &[bool], said: fn(&Run) -> &Said| {
        measured_by(groups, |counts| {
            let each = runs.iter().map(|r| auroc(y, &said(r).tuned, counts));
            let all = each.collect::<Option<Vec<f64>>>()?;
            Some(all.iter().sum::<f64>() / all.len() as f64)
        })
    };
    vec![
        claim_row(
            format!("{}: {name}, tuned, AUROC in folds", table.table),
            level(&table.groups, &table.y, |r| &r.folds),
            None,
            format!(
                "{}; {}",
                change(table, runs),
                rates(&table.y, runs, |r| &r.folds)
            ),
        ),
        claim_row(
            format!("{}: {name}, tuned, AUROC on the test split", table.table),
            level(&table.test_groups, &table.test_y, |r| &r.test),
            None,
            format!(
                "{}; seed {}: {}",
                rates(&table.test_y, runs, |r| &r.test),
                first.seed,
                first.point
            ),
        ),
    ]
}

fn change(table: &TableOutcome, runs: &[&Run]) -> String {
    gain(table, runs, auroc).map_or("gain undefined".to_owned(), |m| {
        format!(
            "gain {:+.3} ({:+.3} to {:+.3})",
            m.value, m.interval.0, m.interval.1
        )
    })
}

/// Accuracy, sensitivity, specificity and F1 at 0.5, mean over the repeats, with the accuracy's deviation.
fn rates(y: &[bool], runs: &[&Run], said: fn(&Run) -> &Said) -> String {
    let tables: Vec<Confusion> = runs
        .iter()
        .filter_map(|r| BinaryScores::new(y, &said(r).tuned).ok())
        .map(|s| Confusion::at_threshold(&s, 0.5))
        .collect();
    let shown = |name: &str, f: fn(&Confusion) -> hilum_metrics::Result<f64>| {
        let values: Vec<f64> = tables.iter().filter_map(|c| f(c).ok()).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let spread = (square / (n - 1.0).max(1.0)).sqrt();
        format!("{name} {mean:.3} ± {spread:.3}")
    };
    [
        shown("accuracy", Confusion::accuracy),
        shown("sensitivity", Confusion::sensitivity),
        shown("specificity", Confusion::specificity),
        shown("F1", Confusion::f1),
    ]
    .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_accuracies_of_small_cases() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
        let (y, p) = ([true, false, true], [0.9, 0.7, 0.2]);
        assert_eq!(accuracy(&y, &p, &[2, 1, 1]), Some(0.5));
        assert_eq!(accuracy(&y, &p, &[0, 0, 0]), None);
    }

    #[test]
    fn a_search_that_is_never_better_does_not_hold() {
        let pairs: Vec<(f64, f64)> = (0..20)
            .map(|i| (f64::from(i), f64::from(i) + 0.5))
            .collect();
        let row = compared("x".to_owned(), &pairs, "seeds");
        assert_eq!((row.here, row.holds), (Some(-0.5), Some(false)));
    }
}
