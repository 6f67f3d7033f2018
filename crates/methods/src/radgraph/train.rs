//! Training: first on what the rules say, then on the annotated sentences; the epoch is chosen on their dev part.

use super::annotated::{self, Part, Sentence};
use super::config::Config;
use super::data::{self, Report};
use super::eval::{Counts, count};
use super::learner::{Learner, Prepared};
use super::model::{Pieces, SPANS, SpanModel};
use super::spans::Window;
use crate::blocks::stored;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::Split;
use hilum_nn::optim::Schedule;
use hilum_nn::weights::file::Precision;
use hilum_text::tokenize::word_pieces::{tokenizer_json, words};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Folder of the model that has seen the rules' output only, under the run folder.
pub const SILVER: &str = "silver";
/// Folder of the model that is served.
pub const MODEL: &str = "model";
/// The outcome beside them.
pub const FILE: &str = "outcome.json";
/// Steps at the beginning of which the rate rises, as a share; share of the rate at the end.
const SCHEDULE: (f32, f32) = (0.06, 0.02);

/// What a training was, for the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Settings.
    pub config: Config,
    /// Seed.
    pub seed: u64,
    /// Hash of the reports.
    pub data_hash: String,
    /// Reports and different sentences that the rules were run on.
    pub silver: (usize, usize),
    /// Annotated sentences trained on.
    pub gold: usize,
    /// One row an epoch.
    pub epochs: Vec<Epoch>,
    /// Epoch of the second phase whose weights are served; 0 is the end of the first.
    pub chosen: usize,
}

/// An epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// `silver` or `gold`.
    pub phase: String,
    /// Loss a sentence.
    pub loss: f64,
    /// F1 of entities and of relations on the dev part of the annotated sentences.
    pub dev: (Option<f64>, Option<f64>),
}

/// Trains; the models and the outcome go to the run folder.
///
/// # Errors
/// No reports, settings out of range, [`MethodError::Stopped`].
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
    config.validate()?;
    let (reports, data_hash) = data::reports(ctx)?;
    let train: Vec<&Report> = reports.iter().filter(|r| r.split == Split::Train).collect();
    let train = ctx.limit(train, 40);
    let windows = data::silver(train.iter().copied(), config.longest)?;
    let annotated = annotated::sentences()?;
    let folder = ctx.run_folder("radgraph");
    let pieces = tokenizer(&folder, config, &windows)?;
    let silver = prepare(&windows, config, &pieces)?;
    let gold: Vec<Window> = of(&annotated, Part::Train);
    let prepared = prepare(&gold, config, &pieces)?;
    if silver.is_empty() || prepared.is_empty() {
        return Err(MethodError::TooFew {
            what: "radgraph: sentences".to_owned(),
            found: silver.len(),
            needed: 1,
        });
    }
    let mut session = Session {
        ctx,
        config,
        learner: Learner::new(config, pieces.ends, ctx.seed)?,
        dev: of(&annotated, Part::Dev),
        folder: folder.clone(),
        epochs: Vec::new(),
    };
    session.first_phase(&silver)?;
    let chosen = session.second_phase(&silver, &prepared)?;
    let outcome = Outcome {
        config: config.clone(),
        seed: ctx.seed,
        data_hash,
        silver: (train.len(), windows.len()),
        gold: gold.len(),
        epochs: session.epochs,
        chosen,
    };
    let path = stored::write(ctx, "radgraph", FILE, &outcome)?;
    Ok(vec![folder.join(MODEL), folder.join(SILVER), path])
}

/// Windows of a part of the annotated sentences.
pub fn of(annotated: &[Sentence], part: Part) -> Vec<Window> {
    let own = annotated.iter().filter(|s| s.part == part);
    own.map(|s| s.window.clone()).collect()
}

fn prepare(windows: &[Window], config: &Config, pieces: &Pieces) -> Result<Vec<Prepared>> {
    let mut all = Vec::with_capacity(windows.len());
    for window in windows {
        let prepared = Prepared::new(window, config, pieces)?;
        if prepared.places() <= config.encoder.max_position_embeddings {
            all.push(prepared);
        }
    }
    Ok(all)
}

/// The vocabulary of the reports that are trained on, written to the model folders.
fn tokenizer(folder: &Path, config: &Config, windows: &[Window]) -> Result<Pieces> {
    let mut counts = BTreeMap::new();
    for token in windows.iter().flat_map(|w| &w.tokens) {
        for word in words(token) {
            *counts.entry(word).or_insert(0) += 1;
        }
    }
    let json = tokenizer_json(&counts, config.encoder.vocab_size);
    for model in [SILVER, MODEL] {
        stored::write_text(&folder.join(model).join("tokenizer.json"), &json)?;
    }
    let path = folder.join(MODEL).join("tokenizer.json");
    Pieces::open(&path, config.encoder.max_position_embeddings)
}

struct Session<'a> {
    ctx: &'a Context<'a>,
    config: &'a Config,
    learner: Learner,
    dev: Vec<Window>,
    folder: PathBuf,
    epochs: Vec<Epoch>,
}

impl Session<'_> {
    fn first_phase(&mut self, silver: &[Prepared]) -> Result<()> {
        let all: Vec<&Prepared> = silver.iter().collect();
        let steps = all.len().div_ceil(self.config.batch) * self.config.silver_epochs;
        let mut step = 0;
        for epoch in 0..self.config.silver_epochs {
            let order = self.shuffled(&all, epoch as u64);
            let loss = self.epoch(&order, self.config.rate, &mut step, steps)?;
            self.note("silver", loss)?;
        }
        self.save(SILVER)
    }

    /// Trains on the annotated sentences with as many of the rules'; gives the epoch that is kept.
    fn second_phase(&mut self, silver: &[Prepared], gold: &[Prepared]) -> Result<usize> {
        self.save(MODEL)?;
        let mut best = (self.score(), 0);
        self.learner.restart();
        let own = gold.len() * self.config.gold_repeats;
        let each = (own + own.min(silver.len())).div_ceil(self.config.batch);
        let steps = each * self.config.gold_epochs;
        let mut step = 0;
        for epoch in 1..=self.config.gold_epochs {
            let others: Vec<&Prepared> = silver.iter().collect();
            let others = self.shuffled(&others, 1000 + epoch as u64);
            let mixed: Vec<&Prepared> = std::iter::repeat_n(gold, self.config.gold_repeats)
                .flatten()
                .chain(others.into_iter().take(own))
                .collect();
            let order = self.shuffled(&mixed, 2000 + epoch as u64);
            let loss = self.epoch(&order, self.config.gold_rate, &mut step, steps)?;
            self.note("gold", loss)?;
            let score = self.score();
            if score > best.0 {
                best = (score, epoch);
                self.save(MODEL)?;
            }
        }
        Ok(best.1)
    }

    /// Mean F1 of the last epoch on dev; what is undefined counts nothing.
    fn score(&self) -> f64 {
        let dev = self.epochs.last().map_or((None, None), |e| e.dev);
        (dev.0.unwrap_or(0.0) + dev.1.unwrap_or(0.0)) / 2.0
    }

    fn shuffled<'b>(&self, all: &[&'b Prepared], stream: u64) -> Vec<&'b Prepared> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.ctx.seed);
        rng.set_stream(stream);
        let mut order = all.to_vec();
        order.shuffle(&mut rng);
        order
    }

    fn epoch(
        &mut self,
        order: &[&Prepared],
        base: f32,
        step: &mut u64,
        steps: usize,
    ) -> Result<f64> {
        let schedule = Schedule {
            base,
            warmup: SCHEDULE.0,
            floor: SCHEDULE.1,
        };
        let mut sum = 0.0;
        for batch in order.chunks(self.config.batch) {
            if self.ctx.stop.load(Ordering::Relaxed) {
                return Err(MethodError::Stopped);
            }
            let rate = schedule.rate(*step, steps as u64);
            let seed = self.ctx.seed.wrapping_add(*step * 8);
            sum += self.learner.step(batch, rate, seed)? * batch.len() as f64;
            *step += 1;
        }
        Ok(sum / order.len() as f64)
    }

    fn note(&mut self, phase: &str, loss: f64) -> Result<()> {
        let model = self.model()?;
        let mut counts = Counts::default();
        for window in &self.dev {
            counts.add(&count(&window.said, &model.read(&window.tokens)?));
        }
        let dev = (counts.entity.f1(), counts.relation.f1());
        let shown = |f: Option<f64>| f.map_or("-".to_owned(), |f| format!("{f:.3}"));
        eprintln!(
            "radgraph {phase} epoch {}: loss {loss:.4}, dev F1 {} of entities, {} of relations",
            self.epochs.len() + 1,
            shown(dev.0),
            shown(dev.1)
        );
        self.epochs.push(Epoch {
            phase: phase.to_owned(),
            loss,
            dev,
        });
        Ok(())
    }

    fn model(&self) -> Result<SpanModel> {
        let path = self.folder.join(MODEL).join("tokenizer.json");
        let pieces = Pieces::open(&path, self.config.encoder.max_position_embeddings)?;
        SpanModel::build(
            self.config.heads.clone(),
            &self.config.encoder,
            &self.learner.weights(),
            pieces,
            "radgraph".to_owned(),
        )
    }

    /// Writes a folder as `hilum text graph --model` reads it.
    fn save(&self, name: &str) -> Result<()> {
        let folder = self.folder.join(name);
        let wrong = |e: serde_json::Error| MethodError::Config(e.to_string());
        let mut encoder = serde_json::to_value(&self.config.encoder).map_err(wrong)?;
        encoder["model_type"] = "bert".into();
        let heads = serde_json::to_string_pretty(&self.config.heads).map_err(wrong)?;
        stored::write_text(&folder.join("config.json"), &encoder.to_string())?;
        stored::write_text(&folder.join(SPANS), &heads)?;
        let path = folder.join("model.safetensors");
        Ok(self.learner.weights().write(&path, Precision::Single)?)
    }
}
