//! Searches and fits, and what they said about each row.

use super::Config;
use crate::blocks::tables::{Loaded, development_and_test};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_tabular::eda::Report;
use hilum_tabular::table::text_hash;
use hilum_tabular::{
    Learner, LearnerKind, Point, Sampler, Table, TabularError, fit_standardised, minimise,
    out_of_fold,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Settings.
    pub config: Config,
    /// Seeds of the repeats.
    pub seeds: Vec<u64>,
    /// Hash of the tables.
    pub data_hash: String,
    /// Hash of their splits.
    pub split_hash: String,
    /// One entry a table.
    pub tables: Vec<TableOutcome>,
}

/// Rows of a table and what each run said about them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableOutcome {
    /// Name.
    pub table: String,
    /// Labels of the development rows.
    pub y: Vec<bool>,
    /// Groups of the development rows.
    pub groups: Vec<usize>,
    /// Labels of the test rows.
    pub test_y: Vec<bool>,
    /// Groups of the test rows.
    pub test_groups: Vec<usize>,
    /// Runs.
    pub runs: Vec<Run>,
}

/// One learner at one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Which learner.
    pub learner: LearnerKind,
    /// Seed of the repeat.
    pub seed: u64,
    /// Probabilities of the development rows, each by models of folds without it.
    pub folds: Said,
    /// Probabilities of the test rows by models of the development rows.
    pub test: Said,
    /// Least inner loss of each search, one entry a fold: at random, by Parzen estimators.
    pub searches: Vec<(f64, f64)>,
    /// The point chosen on all development rows.
    pub point: Point,
}

/// Probabilities before and after tuning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// With the library's settings.
    pub baseline: Vec<f64>,
    /// With the settings that the search found.
    pub tuned: Vec<f64>,
}

/// Does everything that the settings ask for.
pub fn search_all(ctx: &Context<'_>, config: &Config) -> Result<Outcome> {
    config.validate()?;
    let loaded = load(ctx, config)?;
    let seeds: Vec<u64> = (0..config.repeats as u64).map(|r| ctx.seed + r).collect();
    let hashes = |f: fn(&Table) -> String| {
        let each: Vec<String> = loaded.iter().map(|l| f(&l.table)).collect();
        text_hash(&each.join("+"))
    };
    let tables = config.tables.iter().zip(&loaded);
    Ok(Outcome {
        config: config.clone(),
        data_hash: hashes(Table::data_hash),
        split_hash: hashes(Table::split_hash),
        tables: tables
            .map(|(source, l)| one_table(ctx, config, source.name(), &l.table, &seeds))
            .collect::<Result<_>>()?,
        seeds,
    })
}

fn load(ctx: &Context<'_>, config: &Config) -> Result<Vec<Loaded>> {
    let one = |s: &crate::blocks::tables::Source| s.load(ctx, "breast_ml", &s.features());
    config.tables.iter().map(one).collect()
}

/// Writes the exploratory report of each table's development rows.
pub fn explore(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
    let folder = ctx.run_folder("breast_ml");
    let mut paths = Vec::new();
    for (source, loaded) in config.tables.iter().zip(load(ctx, config)?) {
        // The test rows are nobody's to look at before the end.
        let (development, _) = development_and_test(&loaded.table);
        let report = Report::new(&loaded.raw, &development)?;
        let text = report.markdown(&format!("{}: development rows", source.name()));
        let path = folder.join(format!("eda-{}.md", source.name().to_lowercase()));
        crate::blocks::stored::write_text(&path, &text)?;
        paths.push(path);
    }
    Ok(paths)
}

fn one_table(
    ctx: &Context<'_>,
    config: &Config,
    name: &str,
    table: &Table,
    seeds: &[u64],
) -> Result<TableOutcome> {
    let (development, test) = development_and_test(table);
    let jobs: Vec<(LearnerKind, u64)> = config
        .learners
        .iter()
        .flat_map(|l| seeds.iter().map(|s| (*l, *s)))
        .collect();
    // Collected in the order of the jobs, so threads change nothing.
    let runs = jobs
        .par_iter()
        .map(|(learner, seed)| run(ctx, config, *learner, *seed, &development, &test))
        .collect::<Result<_>>()?;
    Ok(TableOutcome {
        table: name.to_owned(),
        y: development.y.clone(),
        groups: development.groups.clone(),
        test_y: test.y.clone(),
        test_groups: test.groups.clone(),
        runs,
    })
}

fn run(
    ctx: &Context<'_>,
    config: &Config,
    learner: LearnerKind,
    seed: u64,
    development: &Table,
    test: &Table,
) -> Result<Run> {
    let baseline = learner.baseline();
    let mut searches = Vec::new();
    let both = out_of_fold(development, config.folds, seed, |fold, own, held| {
        // Another stream for each fold; both searches begin with the same random points.
        let stream = seed * 1000 + fold as u64;
        let random = tune(ctx, config, learner, Sampler::Random, stream, own)?;
        let found = tune(ctx, config, learner, config.sampler, stream, own)?;
        searches.push((random.1, found.1));
        let before = said(&*baseline, own, held, seed)?;
        let after = said(&*learner.at(&found.0)?, own, held, seed)?;
        Ok::<_, MethodError>(before.into_iter().zip(after).collect())
    })?;
    let (point, _) = tune(ctx, config, learner, config.sampler, seed, development)?;
    let (before, after) = both.into_iter().unzip();
    Ok(Run {
        learner,
        seed,
        folds: Said {
            baseline: before,
            tuned: after,
        },
        test: Said {
            baseline: said(&*baseline, development, &test.x, seed)?,
            tuned: said(&*learner.at(&point)?, development, &test.x, seed)?,
        },
        searches,
        point,
    })
}

fn said(
    learner: &dyn Learner,
    rows: &Table,
    new: &hilum_tabular::Matrix,
    seed: u64,
) -> std::result::Result<Vec<f64>, TabularError> {
    fit_standardised(learner, &rows.x, &rows.y, seed)?.probabilities(new)
}

/// The best point of a search and its loss: the Brier score of rows predicted by inner folds, which is finite
/// for trees that are sure and wrong.
fn tune(
    ctx: &Context<'_>,
    config: &Config,
    learner: LearnerKind,
    sampler: Sampler,
    seed: u64,
    rows: &Table,
) -> Result<(Point, f64)> {
    let loss = |point: &Point| {
        if ctx.stop.load(Ordering::SeqCst) {
            return Err(MethodError::Stopped);
        }
        let settings = learner.at(point)?;
        let p = out_of_fold(rows, config.inner_folds, seed, |_, own, held| {
            said(&*settings, own, held, seed)
        })?;
        Ok(brier(&rows.y, &p))
    };
    let search = minimise(&learner.space(), sampler, config.trials, seed, loss)?;
    search
        .best()
        .map(|t| (t.point.clone(), t.loss))
        .ok_or_else(|| MethodError::Config("the search tried nothing".to_owned()))
}

fn brier(y: &[bool], p: &[f64]) -> f64 {
    let square = |(y, p): (&bool, &f64)| (p - f64::from(u8::from(*y))).powi(2);
    y.iter().zip(p).map(square).sum::<f64>() / y.len() as f64
}
