//! All fits: settings chosen on the validation split, then every model at every seed, asked once about the
//! test split.

use super::bcd::{self, BcdOptions};
use super::config::Config;
use super::convergence::{Contrast, Convergence, contrasts, converge};
use super::lifted::{self, LiftedOptions};
use super::model::Model;
use super::problem::{Cases, Problem, Solution, State, Variant, Weights};
use super::tasks::{Part, Task, TaskName};
use crate::blocks::measure::patient_ids;
use crate::blocks::study::Settings;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_metrics::classification::{BinaryScores, MulticlassScores, auroc, youden};
use hilum_tabular::factor::{Nmf, NmfOptions, Signs, Softmax, nmf};
use hilum_tabular::table::text_hash;
use nalgebra::DMatrix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;

/// A model in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Logistic regression on the covariates alone.
    Metadata,
    /// Logistic regression on the values.
    Regression,
    /// Factorisation without labels, then logistic regression on the codes.
    Nmf,
    /// SDL-W by block coordinate descent, nothing negative.
    Filter,
    /// SDL-H by block coordinate descent, nothing negative.
    Feature,
    /// SDL-W by the lifted solver.
    LiftedFilter,
    /// SDL-H by the lifted solver.
    LiftedFeature,
}

impl Kind {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Metadata => "covariates alone",
            Kind::Regression => "logistic regression",
            Kind::Nmf => "NMF, then logistic regression",
            Kind::Filter => "SDL-W (BCD)",
            Kind::Feature => "SDL-H (BCD)",
            Kind::LiftedFilter => "SDL-W (LPGD)",
            Kind::LiftedFeature => "SDL-H (LPGD)",
        }
    }

    /// Name in files.
    pub fn stem(self) -> &'static str {
        match self {
            Kind::Metadata => "metadata",
            Kind::Regression => "regression",
            Kind::Nmf => "nmf",
            Kind::Filter => "sdl_w",
            Kind::Feature => "sdl_h",
            Kind::LiftedFilter => "sdl_w_lifted",
            Kind::LiftedFeature => "sdl_h_lifted",
        }
    }
}

/// A model at a seed, and what it said of the test cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Which model.
    pub kind: Kind,
    /// Whether it saw the covariates.
    pub covariates: bool,
    /// Seed; a model without chance has the first only.
    pub seed: u64,
    /// ξ; none for the baselines.
    pub xi: Option<f64>,
    /// ν.
    pub ridge: f64,
    /// Probabilities of each class, case by case.
    pub said: Vec<Vec<f64>>,
    /// Youden's threshold on the training cases; two classes only.
    pub threshold: Option<f64>,
    /// Share of the test cases' energy that is not rebuilt.
    pub unexplained: Option<f64>,
    /// Objective by iteration.
    pub trace: Vec<f64>,
}

/// A point of the curve of accuracy against reconstruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Which model.
    pub kind: Kind,
    /// ξ.
    pub xi: f64,
    /// ν.
    pub ridge: f64,
    /// AUROC (mean over classes) on the validation split.
    pub auroc: f64,
    /// Share of the validation cases' energy that is not rebuilt.
    pub unexplained: f64,
}

/// A task's runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskOutcome {
    /// Which task.
    pub task: TaskName,
    /// Classes of the test cases.
    pub y: Vec<usize>,
    /// Patients of the test cases.
    pub groups: Vec<usize>,
    /// Training cases.
    pub trained_on: usize,
    /// Runs.
    pub runs: Vec<Run>,
    /// Trials without covariates, first seed.
    pub trials: Vec<Trial>,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Settings.
    pub config: Config,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Hash of the data.
    pub data_hash: String,
    /// Hash of the splits.
    pub split_hash: String,
    /// Solvers on made-up sets.
    pub convergence: Vec<Convergence>,
    /// Made-up sets in which the dictionaries agree or differ.
    pub contrasts: Vec<Contrast>,
    /// Real tasks.
    pub tasks: Vec<TaskOutcome>,
}

/// A dictionary to show.
pub struct Dictionary {
    /// Which model.
    pub kind: Kind,
    /// The model.
    pub model: Model,
}

/// A task with its dictionaries.
pub type Shown = (Task, Vec<Dictionary>);

/// Fits everything; also gives the first seed's dictionaries of each task.
///
/// # Errors
/// Settings out of range, data that are not there, a class missing in a split, [`MethodError::Stopped`].
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<(Outcome, Vec<Shown>)> {
    config.validate()?;
    let seeds: Vec<u64> = (0..config.repeats as u64).map(|r| ctx.seed + r).collect();
    let tasks = config.tasks.iter().map(|t| Task::load(ctx, *t, config));
    let tasks: Vec<Task> = tasks.collect::<Result<_>>()?;
    let (convergence, contrasts) = (converge(&seeds, ctx.tiny)?, contrasts(config, ctx.seed)?);
    let hashes =
        |f: fn(&Task) -> &str| text_hash(&tasks.iter().map(f).collect::<Vec<_>>().join("+"));
    let (data_hash, split_hash) = (hashes(|t| &t.data_hash), hashes(|t| &t.split_hash));
    let mut outcomes = Vec::new();
    let mut shown = Vec::new();
    for task in tasks {
        let (outcome, dictionaries) = run_task(ctx, config, &task, &seeds)?;
        outcomes.push(outcome);
        shown.push((task, dictionaries));
    }
    let outcome = Outcome {
        config: config.clone(),
        seeds,
        data_hash,
        split_hash,
        convergence,
        contrasts,
        tasks: outcomes,
    };
    Ok((outcome, shown))
}

/// One task under one choice of covariates.
struct Setting<'a> {
    ctx: &'a Context<'a>,
    config: &'a Config,
    classes: usize,
    covariates: bool,
    train: Cases,
    val: Cases,
    test: Cases,
    /// A factorisation a seed.
    starts: &'a [(u64, Nmf)],
}

fn run_task(
    ctx: &Context<'_>,
    config: &Config,
    task: &Task,
    seeds: &[u64],
) -> Result<(TaskOutcome, Vec<Dictionary>)> {
    let starts = seeds.par_iter().map(|seed| {
        stopped(ctx)?;
        let options = NmfOptions {
            rank: config.rank,
            rounds: config.iterations,
            tolerance: 1e-5,
            seed: *seed,
        };
        Ok((*seed, nmf(&task.train.cases.x, &options)?))
    });
    let starts: Vec<(u64, Nmf)> = starts.collect::<Result<_>>()?;
    let with = task.train.cases.z.nrows() > 0;
    let (mut runs, mut trials, mut shown) = (Vec::new(), Vec::new(), Vec::new());
    for covariates in [false, true].into_iter().filter(|c| !*c || with) {
        let cases = |part: &Part| with_covariates(&part.cases, covariates);
        let setting = Setting {
            ctx,
            config,
            classes: task.name.classes(),
            covariates,
            train: cases(&task.train),
            val: cases(&task.val),
            test: cases(&task.test),
            starts: &starts,
        };
        let done = setting.run()?;
        runs.extend(done.runs);
        if !covariates {
            trials = done.trials;
            shown = done.dictionaries;
        }
    }
    let outcome = TaskOutcome {
        task: task.name,
        y: task.test.cases.y.clone(),
        groups: patient_ids(task.test.patients.iter().map(String::as_str)),
        trained_on: task.train.cases.y.len(),
        runs,
        trials,
    };
    Ok((outcome, shown))
}

fn with_covariates(cases: &Cases, keep: bool) -> Cases {
    let mut cases = cases.clone();
    if !keep {
        cases.z = DMatrix::zeros(0, cases.x.ncols());
    }
    cases
}

fn stopped(ctx: &Context<'_>) -> Result<()> {
    if ctx.stop.load(Ordering::SeqCst) {
        return Err(MethodError::Stopped);
    }
    Ok(())
}

struct Done {
    runs: Vec<Run>,
    trials: Vec<Trial>,
    dictionaries: Vec<Dictionary>,
}

impl Setting<'_> {
    fn run(&self) -> Result<Done> {
        let first = self.starts[0].0;
        let mut runs = Vec::new();
        let mut dictionaries = Vec::new();
        if self.covariates {
            let alone = |c: &Cases| Cases {
                x: DMatrix::zeros(0, c.y.len()),
                ..c.clone()
            };
            let (train, val, test) = (alone(&self.train), alone(&self.val), alone(&self.test));
            let fit = |ridge| Model::regression(&train, self.classes, ridge);
            let (ridge, model) = self.best_ridge(&val, fit)?;
            runs.push(self.say(Kind::Metadata, first, (None, ridge), &model, &train, &test)?);
        }
        let fit = |ridge| Model::regression(&self.train, self.classes, ridge);
        let (ridge, model) = self.best_ridge(&self.val, fit)?;
        runs.push(self.say_own(Kind::Regression, first, (None, ridge), &model)?);
        runs.extend(self.without_labels()?);
        let mut trials = Vec::new();
        for variant in [Variant::Filter, Variant::Feature] {
            let own = self.trials(variant)?;
            let weights = chosen(&own)?;
            trials.extend(own);
            let kinds = match variant {
                Variant::Filter => [Kind::Filter, Kind::LiftedFilter],
                Variant::Feature => [Kind::Feature, Kind::LiftedFeature],
            };
            // The solvers are compared without covariates; with them, one is enough.
            let kinds = &kinds[..if self.covariates { 1 } else { 2 }];
            for &kind in kinds {
                let fits = self.starts.par_iter().map(|(seed, start)| {
                    stopped(self.ctx)?;
                    let (model, trace) = self.fit(kind, variant, weights, *seed, start)?;
                    let chosen = (Some(weights.xi), weights.ridge);
                    let mut run = self.say_own(kind, *seed, chosen, &model)?;
                    run.trace = trace;
                    Ok((run, model))
                });
                for (i, (run, model)) in fits.collect::<Result<Vec<_>>>()?.into_iter().enumerate() {
                    runs.push(run);
                    if i == 0 {
                        dictionaries.push(Dictionary { kind, model });
                    }
                }
            }
        }
        if let Some((_, start)) = self.starts.first() {
            let ridge = self.config.ridge[0];
            let model = Model::on_codes(start.w.clone(), &self.train, self.classes, ridge)?;
            dictionaries.push(Dictionary {
                kind: Kind::Nmf,
                model,
            });
        }
        Ok(Done {
            runs,
            trials,
            dictionaries,
        })
    }

    /// NMF and regression; the penalty is chosen at the first seed.
    fn without_labels(&self) -> Result<Vec<Run>> {
        let on =
            |start: &Nmf, ridge| Model::on_codes(start.w.clone(), &self.train, self.classes, ridge);
        let (ridge, _) = self.best_ridge(&self.val, |ridge| on(&self.starts[0].1, ridge))?;
        let runs = self.starts.par_iter().map(|(seed, start)| {
            stopped(self.ctx)?;
            self.say_own(Kind::Nmf, *seed, (None, ridge), &on(start, ridge)?)
        });
        runs.collect()
    }

    /// The baselines' penalty, of those that the method tries.
    fn best_ridge(&self, val: &Cases, fit: impl Fn(f64) -> Result<Model>) -> Result<(f64, Model)> {
        let mut best: Option<(f64, f64, Model)> = None;
        for &ridge in &self.config.ridge {
            stopped(self.ctx)?;
            let model = fit(ridge)?;
            let seen = mean_auroc(&model.probabilities(&val.x, &val.z)?, &val.y)?;
            if best.as_ref().is_none_or(|(b, _, _)| seen > *b) {
                best = Some((seen, ridge, model));
            }
        }
        best.map(|(_, ridge, model)| (ridge, model))
            .ok_or_else(|| MethodError::Config("no penalty to try".to_owned()))
    }

    /// Every pair of weights at the first seed, judged on the validation split.
    fn trials(&self, variant: Variant) -> Result<Vec<Trial>> {
        let kind = match variant {
            Variant::Filter => Kind::Filter,
            Variant::Feature => Kind::Feature,
        };
        let (_, start) = &self.starts[0];
        let xis = self.config.xi.iter();
        let grid: Vec<Weights> = xis
            .flat_map(|&xi| {
                self.config
                    .ridge
                    .iter()
                    .map(move |&ridge| Weights { xi, ridge })
            })
            .collect();
        let tried = grid.par_iter().map(|weights| {
            stopped(self.ctx)?;
            let problem = Problem::new(&self.train, self.classes, variant, *weights)?;
            let options = BcdOptions {
                iterations: self.config.trial_iterations,
                tolerance: 1e-5,
                ..BcdOptions::default()
            };
            let found = bcd::solve(&problem, self.state(start), &options)?;
            let model = Model::new(&problem, found);
            let said = model.probabilities(&self.val.x, &self.val.z)?;
            Ok(Trial {
                kind,
                xi: weights.xi,
                ridge: weights.ridge,
                auroc: mean_auroc(&said, &self.val.y)?,
                unexplained: model.unexplained(&self.val.x)?.unwrap_or(f64::NAN),
            })
        });
        tried.collect()
    }

    /// A factorisation as a start.
    fn state(&self, start: &Nmf) -> State {
        State {
            w: start.w.clone(),
            h: start.h.clone(),
            head: Softmax::zeros(self.classes, self.config.rank + self.train.z.nrows()),
        }
    }

    fn fit(
        &self,
        kind: Kind,
        variant: Variant,
        weights: Weights,
        seed: u64,
        start: &Nmf,
    ) -> Result<(Model, Vec<f64>)> {
        let problem = Problem::new(&self.train, self.classes, variant, weights)?;
        let found: Solution = match kind {
            Kind::LiftedFilter | Kind::LiftedFeature => lifted::solve(
                &problem,
                &LiftedOptions {
                    rank: self.config.rank,
                    iterations: self.config.iterations,
                    tolerance: 1e-5,
                    seed,
                    ..LiftedOptions::default()
                },
            )?,
            _ => {
                let options = BcdOptions {
                    signs: Signs::NonNegative,
                    iterations: self.config.iterations,
                    tolerance: 1e-5,
                    ..BcdOptions::default()
                };
                bcd::solve(&problem, self.state(start), &options)?
            }
        };
        let trace = found.trace.clone();
        Ok((Model::new(&problem, found), trace))
    }

    fn say_own(
        &self,
        kind: Kind,
        seed: u64,
        weights: (Option<f64>, f64),
        model: &Model,
    ) -> Result<Run> {
        self.say(kind, seed, weights, model, &self.train, &self.test)
    }

    fn say(
        &self,
        kind: Kind,
        seed: u64,
        (xi, ridge): (Option<f64>, f64),
        model: &Model,
        train: &Cases,
        test: &Cases,
    ) -> Result<Run> {
        let said = model.probabilities(&test.x, &test.z)?;
        let threshold = if self.classes == 2 {
            let own = model.probabilities(&train.x, &train.z)?;
            youden(&scores_of(&own, &train.y, 1)?)?.threshold
        } else {
            None
        };
        let unexplained = if test.x.nrows() > 0 {
            model.unexplained(&test.x)?
        } else {
            None
        };
        Ok(Run {
            kind,
            covariates: self.covariates,
            seed,
            xi,
            ridge,
            said: said
                .column_iter()
                .map(|c| c.iter().copied().collect())
                .collect(),
            threshold,
            unexplained,
            trace: Vec::new(),
        })
    }
}

/// The weights of the best trial.
fn chosen(trials: &[Trial]) -> Result<Weights> {
    let mut best: Option<&Trial> = None;
    for trial in trials {
        if best.is_none_or(|b| trial.auroc > b.auroc) {
            best = Some(trial);
        }
    }
    best.map(|t| Weights {
        xi: t.xi,
        ridge: t.ridge,
    })
    .ok_or_else(|| MethodError::Config("no trial".to_owned()))
}

fn scores_of(said: &DMatrix<f64>, y: &[usize], class: usize) -> Result<BinaryScores> {
    let truth: Vec<bool> = y.iter().map(|c| *c == class).collect();
    let scores: Vec<f64> = said.row(class).iter().copied().collect();
    Ok(BinaryScores::new(&truth, &scores)?)
}

/// AUROC, or its mean over the classes each against the rest.
fn mean_auroc(said: &DMatrix<f64>, y: &[usize]) -> Result<f64> {
    if said.nrows() == 2 {
        return Ok(auroc(&scores_of(said, y, 1)?)?);
    }
    let all = MulticlassScores::new(y, said.as_slice(), said.nrows())?;
    Ok(all.auroc_ovr_macro()?)
}
