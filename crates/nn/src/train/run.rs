//! The loop itself.

use super::checkpoint::{self, Progress};
use super::curves::{self, Row};
use super::settings::{Batch, Scores, Task, TrainConfig};
use crate::engine::Engine;
use crate::error::NnError;
use crate::optim::{Ema, Optimizer, clip_norm};
use crate::weights::{WeightFile, atomic_write, file::Precision};
use hilum_kernels::{Graph, Params, Tensor};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Set from a signal handler: the loop saves and ends after the step in hand.
pub type StopFlag = AtomicBool;

/// What identifies a run; written to `run.json`, compared on resume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Method or model.
    pub name: String,
    /// The method's whole configuration.
    pub config: serde_json::Value,
    /// Hash over the training data.
    pub data_hash: String,
    /// Hash over the split.
    pub split_hash: String,
    /// Version of Hilum.
    pub version: String,
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Best selecting score and its epoch (from 1).
    pub best: Option<(f64, usize)>,
    /// Parameters of the best epoch.
    pub params: Params,
    /// False when it was stopped before its end; calling again goes on.
    pub finished: bool,
}

/// Trains `engine` on `task`. Everything goes to `folder`: `run.json`, `metrics.csv`, `curves.svg`,
/// `checkpoint.safetensors` after each epoch, `best.safetensors`. If the folder holds an unfinished run
/// of the same configuration, it goes on after its last whole epoch.
pub fn fit(
    engine: &mut dyn Engine,
    graph: &Graph,
    task: &dyn Task,
    config: &TrainConfig,
    info: &RunInfo,
    folder: &Path,
    stop: &StopFlag,
) -> Result<Outcome, NnError> {
    config.validate()?;
    claim_folder(folder, info)?;
    let mut state = Loop::start(engine, config, folder)?;
    let total: u64 = (0..config.epochs).map(|e| task.steps(e) as u64).sum();
    while !state.progress.finished {
        let epoch = state.progress.epoch;
        let began = Instant::now();
        let Some(loss) = state.epoch(engine, task, config, total, stop)? else {
            return state.outcome(engine, graph, folder, false);
        };
        let shown = state
            .ema
            .as_ref()
            .map_or(engine.params(), |e| &e.params)
            .clone();
        let scores = task.validate(&shown)?;
        let better = state.judge(&scores, epoch)?;
        if better {
            WeightFile::from_params(graph, &shown)
                .write(&folder.join("best.safetensors"), Precision::Single)?;
        }
        report(
            config,
            epoch,
            loss,
            &scores,
            better,
            began.elapsed().as_secs_f64(),
        );
        let rate = config.schedule.rate(state.progress.step, total);
        let seconds = began.elapsed().as_secs_f64();
        state.rows.push(Row {
            epoch: epoch + 1,
            loss,
            rate,
            seconds,
            scores,
        });
        curves::write(folder, &state.rows)?;
        state.progress.epoch += 1;
        state.progress.finished = state.done(config);
        state.save(engine, folder)?;
    }
    state.outcome(engine, graph, folder, true)
}

struct Loop {
    optimizer: Optimizer,
    ema: Option<Ema>,
    progress: Progress,
    rows: Vec<Row>,
}

impl Loop {
    fn start(
        engine: &mut dyn Engine,
        config: &TrainConfig,
        folder: &Path,
    ) -> Result<Self, NnError> {
        let path = folder.join("checkpoint.safetensors");
        let mut optimizer = Optimizer::new(config.optimizer, engine.params());
        if !path.exists() {
            let ema = config.ema.map(|d| Ema::new(engine.params(), d));
            return Ok(Loop {
                optimizer,
                ema,
                progress: Progress::default(),
                rows: Vec::new(),
            });
        }
        let state = checkpoint::load(&path, engine.infos())?;
        optimizer.m = state.m;
        optimizer.v = state.v;
        optimizer.step = state.progress.step;
        let ema = config
            .ema
            .map(|d| Ema::resume(state.ema, d, state.progress.ema_updates));
        engine.set_params(state.params)?;
        let rows = curves::read(&folder.join("metrics.csv"), state.progress.epoch)?;
        eprintln!("goes on after epoch {}", state.progress.epoch);
        Ok(Loop {
            optimizer,
            ema,
            progress: state.progress,
            rows,
        })
    }

    /// One epoch; `None` when it was asked to stop. The mean loss otherwise.
    fn epoch(
        &mut self,
        engine: &mut dyn Engine,
        task: &dyn Task,
        config: &TrainConfig,
        total: u64,
        stop: &StopFlag,
    ) -> Result<Option<f64>, NnError> {
        let epoch = self.progress.epoch;
        let steps = task.steps(epoch);
        if steps == 0 {
            return Err(NnError::Training("there is no training batch".to_owned()));
        }
        let bar = progress_bar(steps, epoch, config.epochs);
        let mut sum = 0.0;
        let mut next = task.batch(epoch, 0)?;
        for step in 0..steps {
            if stop.load(Ordering::Relaxed) {
                bar.abandon_with_message("stopped; the epoch will be done again");
                return Ok(None);
            }
            let batch = next;
            let seed = step_seed(config.seed, epoch, step);
            let loss = self.step(engine, task, config, &batch, seed, total)?;
            sum += loss;
            bar.set_message(format!("loss {:.4}", sum / (step + 1) as f64));
            bar.inc(1);
            next = if step + 1 < steps {
                task.batch(epoch, step + 1)?
            } else {
                batch
            };
        }
        bar.finish_and_clear();
        Ok(Some(sum / steps as f64))
    }

    fn step(
        &mut self,
        engine: &mut dyn Engine,
        task: &dyn Task,
        config: &TrainConfig,
        batch: &Batch,
        seed: u64,
        total: u64,
    ) -> Result<f64, NnError> {
        let outputs = engine.forward_train(&batch.x, seed)?;
        let loss = task.loss(batch, &outputs)?;
        if !loss.value.is_finite() {
            return Err(NnError::Training(format!(
                "the loss is {} at step {}; lower the learning rate or look at the labels",
                loss.value, self.progress.step
            )));
        }
        let mut d: Vec<Tensor> = outputs.iter().map(|o| Tensor::zeros(&o.shape)).collect();
        d[0].data = loss.grad;
        let mut grads = engine.backward(&d)?;
        if let Some(limit) = config.clip {
            clip_norm(&mut grads, limit);
        }
        let rate = config.schedule.rate(self.progress.step, total);
        let optimizer = &mut self.optimizer;
        engine.update(&mut |infos, params| optimizer.update(infos, params, &grads, rate))?;
        if let Some(ema) = &mut self.ema {
            ema.update(engine.params());
        }
        self.progress.step += 1;
        Ok(loss.value)
    }

    fn judge(&mut self, scores: &Scores, epoch: usize) -> Result<bool, NnError> {
        let Some((name, score)) = scores.first() else {
            return Err(NnError::Training(
                "the task gives no validation score".to_owned(),
            ));
        };
        if score.is_nan() {
            return Err(NnError::Training(format!(
                "the validation score `{name}` is undefined; does the split hold both classes?"
            )));
        }
        let better = self.progress.best.is_none_or(|(best, _)| *score > best);
        if better {
            self.progress.best = Some((*score, epoch + 1));
        }
        Ok(better)
    }

    fn done(&self, config: &TrainConfig) -> bool {
        let waited = self
            .progress
            .best
            .map_or(0, |(_, at)| self.progress.epoch - at);
        self.progress.epoch >= config.epochs || config.patience.is_some_and(|p| waited >= p)
    }

    fn save(&mut self, engine: &dyn Engine, folder: &Path) -> Result<(), NnError> {
        self.progress.ema_updates = self.ema.as_ref().map_or(0, Ema::updates);
        let path = folder.join("checkpoint.safetensors");
        let ema = self.ema.as_ref();
        let infos = engine.infos();
        checkpoint::save(
            &path,
            infos,
            engine.params(),
            &self.optimizer,
            ema,
            &self.progress,
        )
    }

    fn outcome(
        &self,
        engine: &dyn Engine,
        graph: &Graph,
        folder: &Path,
        finished: bool,
    ) -> Result<Outcome, NnError> {
        let path = folder.join("best.safetensors");
        let params = if path.exists() {
            WeightFile::open(&path)?.params_for(graph)?
        } else {
            engine.params().clone()
        };
        Ok(Outcome {
            best: self.progress.best,
            params,
            finished,
        })
    }
}

fn claim_folder(folder: &Path, info: &RunInfo) -> Result<(), NnError> {
    std::fs::create_dir_all(folder).map_err(|e| NnError::io(folder, e))?;
    let path = folder.join("run.json");
    if path.exists() {
        let text = std::fs::read_to_string(&path).map_err(|e| NnError::io(&path, e))?;
        let json = |source| NnError::Json {
            what: path.display().to_string(),
            source,
        };
        let there: RunInfo = serde_json::from_str(&text).map_err(json)?;
        return match difference(&there, info) {
            None => Ok(()),
            Some(what) => Err(NnError::OtherRun {
                path: folder.to_owned(),
                what: what.to_owned(),
            }),
        };
    }
    let text = serde_json::to_string_pretty(info).map_err(|source| NnError::Json {
        what: "run.json".to_owned(),
        source,
    })?;
    atomic_write(&path, text.as_bytes())
}

fn difference(a: &RunInfo, b: &RunInfo) -> Option<&'static str> {
    [
        ("name", a.name != b.name),
        ("config", a.config != b.config),
        ("data", a.data_hash != b.data_hash),
        ("split", a.split_hash != b.split_hash),
    ]
    .into_iter()
    .find(|(_, differs)| *differs)
    .map(|(what, _)| what)
}

fn step_seed(seed: u64, epoch: usize, step: usize) -> u64 {
    let mix = (epoch as u64) << 32 | step as u64;
    (seed ^ mix.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD129_0DDB_53C4_3E49)
}

fn progress_bar(steps: usize, epoch: usize, epochs: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    let template = "{prefix} {bar:30} {pos}/{len} {msg} eta {eta}";
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(format!("epoch {}/{epochs}", epoch + 1));
    bar
}

fn report(
    config: &TrainConfig,
    epoch: usize,
    loss: f64,
    scores: &Scores,
    better: bool,
    seconds: f64,
) {
    let shown: Vec<String> = scores.iter().map(|(n, v)| format!("{n} {v:.4}")).collect();
    let mark = if better { " *" } else { "" };
    eprintln!(
        "epoch {}/{} loss {loss:.4} {} ({seconds:.0} s){mark}",
        epoch + 1,
        config.epochs,
        shown.join(" ")
    );
}
