//! Fits of learners and calibrators: by folds on the development rows, and once for the test rows.

use super::Config;
use super::predictions::{Case, Cohort, Part, Predictions, Run};
use crate::blocks::tables::{Source, development_and_test};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_metrics::classification::BinaryScores;
use hilum_tabular::table::text_hash;
use hilum_tabular::{LearnerKind, Matrix, Table, fit_standardised, holdout, out_of_fold};
use hilum_trust::{Calibrator, CalibratorKind, ConformalPValues, VennAbers};
use rayon::prelude::*;
use std::sync::atomic::Ordering;

/// Development and test rows of one table under one set of features.
struct Prepared {
    source: Source,
    lean: bool,
    development: Table,
    test: Table,
}

/// One run to do.
struct Job<'a> {
    data: &'a Prepared,
    learner: LearnerKind,
    seed: u64,
    part: Part,
}

/// Fits everything that the settings ask for.
pub fn predict(ctx: &Context<'_>, config: &Config) -> Result<Predictions> {
    config.validate()?;
    let prepared = prepare(ctx, config)?;
    let seeds: Vec<u64> = (0..config.repeats as u64).map(|r| ctx.seed + r).collect();
    let mut cohorts = Vec::new();
    for part in [Part::Folds, Part::Test] {
        for source in &config.tables {
            let own = prepared.iter().filter(|p| p.source == *source);
            cohorts.push(cohort(ctx, config, &own.collect::<Vec<_>>(), part, &seeds)?);
        }
    }
    let hashes = |f: fn(&Table) -> String| {
        let full = prepared.iter().filter(|p| !p.lean);
        full.flat_map(|p| [f(&p.development), f(&p.test)])
            .collect::<Vec<_>>()
            .join("+")
    };
    Ok(Predictions {
        config: config.clone(),
        seeds,
        data_hash: text_hash(&hashes(Table::data_hash)),
        split_hash: text_hash(&hashes(Table::split_hash)),
        cohorts,
    })
}

fn prepare(ctx: &Context<'_>, config: &Config) -> Result<Vec<Prepared>> {
    let both = config.tables.iter().flat_map(|s| [(*s, false), (*s, true)]);
    both.map(|(source, lean)| {
        let features = if lean {
            source.lean_features()
        } else {
            source.features()
        };
        let table = source.load(ctx, "posthoc_uq", &features)?.table;
        let (development, test) = development_and_test(&table);
        Ok(Prepared {
            source,
            lean,
            development,
            test,
        })
    })
    .collect()
}

fn cohort(
    ctx: &Context<'_>,
    config: &Config,
    prepared: &[&Prepared],
    part: Part,
    seeds: &[u64],
) -> Result<Cohort> {
    let mut jobs = Vec::new();
    for data in prepared {
        for &learner in &config.learners {
            jobs.extend(seeds.iter().map(|&seed| Job {
                data,
                learner,
                seed,
                part,
            }));
        }
    }
    // Collected in the order of the jobs, so threads change nothing.
    let runs = jobs.par_iter().map(|job| run(ctx, config, job));
    let runs: Vec<Run> = runs.collect::<Result<_>>()?;
    let full = prepared
        .first()
        .ok_or_else(|| MethodError::Config("no table".to_owned()))?;
    let rows = match part {
        Part::Folds => &full.development,
        Part::Test => &full.test,
    };
    Ok(Cohort {
        table: full.source.name().to_owned(),
        part,
        y: rows.y.clone(),
        groups: rows.groups.clone(),
        runs,
    })
}

fn run(ctx: &Context<'_>, config: &Config, job: &Job<'_>) -> Result<Run> {
    if ctx.stop.load(Ordering::SeqCst) {
        return Err(MethodError::Stopped);
    }
    let rows = &job.data.development;
    let cases = match job.part {
        Part::Folds => out_of_fold(rows, config.folds, job.seed, |_, own, held| {
            fit_and_say(config, job, own, held)
        })?,
        Part::Test => fit_and_say(config, job, rows, &job.data.test.x)?,
    };
    Ok(Run {
        learner: job.learner,
        lean: job.data.lean,
        seed: job.seed,
        cases,
    })
}

/// Fits the learner on one share of the rows and every calibrator on the rest, and asks them about `new`.
/// The probability before calibration comes from the same fit, so the comparison is of calibration alone.
fn fit_and_say(config: &Config, job: &Job<'_>, rows: &Table, new: &Matrix) -> Result<Vec<Case>> {
    let (fit, held) = holdout(&rows.y, &rows.groups, config.calibration, job.seed)?;
    let (own, calibration) = (rows.select(&fit), rows.select(&held));
    let model = fit_standardised(&*job.learner.baseline(), &own.x, &own.y, job.seed)?;
    let scores = BinaryScores::new(&calibration.y, &model.scores(&calibration.x)?)?;
    let raw = BinaryScores::new(&calibration.y, &model.probabilities(&calibration.x)?)?;
    let platt = Calibrator::fit(CalibratorKind::Platt, &scores)?;
    let isotonic = Calibrator::fit(CalibratorKind::Isotonic, &scores)?;
    let venn_abers = VennAbers::fit(&scores)?;
    let conformal = ConformalPValues::fit(&raw)?;
    let said = model
        .scores(new)?
        .into_iter()
        .zip(model.probabilities(new)?);
    Ok(said
        .map(|(score, p)| Case {
            raw: p,
            platt: platt.probability(score),
            isotonic: isotonic.probability(score),
            venn_abers: venn_abers.interval(score),
            conformal: conformal.p_values(p),
        })
        .collect())
}
