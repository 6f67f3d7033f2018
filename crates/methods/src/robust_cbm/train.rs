//! The study: encoders from one half of the patients, classifiers on confounded sets of the other.

use super::bank::{Concept, distinct, own};
use super::config::Config;
use super::encoder::{Encoders, Seen, Truth};
use super::layer::{Lesson, associated, difference, fit, largest, pick, ranges, scale, set_values};
use super::outcome::{Arm, Model, Outcome, Run};
use super::sentences::Pool;
use crate::blocks::confounded::{Nuisance, Ties};
use crate::blocks::films::Films;
use crate::blocks::linear::{Linear, scaled};
use crate::blocks::parts::Parts;
use crate::blocks::short::{fit_classes, probabilities};
use crate::blocks::warm;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::Split;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_kernels::Tensor;

const NAME: &str = "robust_cbm";

/// Runs everything that the settings ask for.
///
/// # Errors
/// Data that are not there, a stop, a diverging run, too few films.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Outcome> {
    let films = Films::load(ctx, NAME, config.side, &config.nuisances)?;
    let bank = own()?;
    let pool = Pool::load(ctx, config)?;
    let hashes = [
        data_hash(&films.samples, ContentHash::Stated, None)?,
        split_hash(&films.samples),
    ];
    let parts = Parts::open(ctx, NAME, config, [&hashes[0], &hashes[1]])?;
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    let runs = seeds
        .iter()
        .map(|&seed| {
            let make = || Seed::new(ctx, config, &films, &bank, &pool, seed)?.run(&parts);
            parts.get(&format!("seed {seed}"), make)
        })
        .collect::<Result<_>>()?;
    let test = films.adults(Split::Test);
    let finding = |i: &usize| {
        let known = |v: &f32| (!v.is_nan()).then_some(*v >= 0.5);
        films.findings[*i].iter().map(known).collect()
    };
    let [data_hash, split_hash] = hashes;
    Ok(Outcome {
        config: config.clone(),
        seeds,
        data_hash,
        split_hash,
        films: test.iter().map(|&i| films.samples[i].id.clone()).collect(),
        groups: films.set.select(&test).groups(),
        ties: config
            .nuisances
            .iter()
            .map(|&n| films.ties(n, &test))
            .collect(),
        findings: test.iter().map(finding).collect(),
        text: [pool.used, pool.words.size()],
        known: pool.words.known(bank.iter().map(|c| c.sentence.as_str())),
        bank,
        runs,
    })
}

/// One seed with its encoders.
struct Seed<'a> {
    ctx: &'a Context<'a>,
    config: &'a Config,
    films: &'a Films,
    bank: &'a [Concept],
    seed: u64,
    task: Vec<usize>,
    encoders: Encoders,
    kept: Vec<usize>,
    seen: Seen,
}

/// Films of one confounded set.
struct Tied<'a> {
    nuisance: Nuisance,
    strength: f64,
    ties: &'a Ties,
    train: Vec<usize>,
    val: Vec<usize>,
}

impl<'a> Seed<'a> {
    fn new(
        ctx: &'a Context<'a>,
        config: &'a Config,
        films: &'a Films,
        bank: &'a [Concept],
        pool: &Pool,
        seed: u64,
    ) -> Result<Self> {
        let [mut pairs, task] = films.halves(seed);
        let children = films.children();
        let step = children.len().div_ceil(config.children.max(1)).max(1);
        pairs.extend(children.into_iter().step_by(step));
        let truths: Vec<Truth<'_>> = pairs
            .iter()
            .map(|&i| Truth {
                findings: &films.findings[i],
                any: films.set.y[i] == 1,
            })
            .collect();
        let set = films.set.select(&pairs);
        let encoders = Encoders::fit(ctx, config, &set, &truths, pool, seed)?;
        let lines: Vec<Vec<u32>> = bank.iter().map(|c| pool.words.rows(&c.sentence)).collect();
        let sentences = encoders.sentences(&lines)?;
        let rows: Vec<&[f32]> = sentences.data.chunks(config.width).collect();
        let wide: Vec<Vec<f64>> = rows
            .iter()
            .map(|r| r.iter().map(|v| f64::from(*v)).collect())
            .collect();
        let kept = distinct(bank, &wide, config.same);
        let own = Tensor {
            shape: vec![kept.len(), config.width],
            data: kept.iter().flat_map(|&k| rows[k].to_vec()).collect(),
        };
        let seen = encoders.see(&films.set, &own)?;
        Ok(Seed {
            ctx,
            config,
            films,
            bank,
            seed,
            task,
            encoders,
            kept,
            seen,
        })
    }

    fn run(&self, parts: &Parts<'_>) -> Result<Run> {
        let mut arms = Vec::new();
        let everywhere: Vec<usize> = (0..self.films.samples.len()).collect();
        for &nuisance in &self.config.nuisances {
            let ties = self.films.ties(nuisance, &everywhere);
            for tied in self.tied(nuisance, &ties)? {
                parts.check()?;
                arms.extend(self.concepts(&tied)?);
                arms.push(self.probe(&tied)?);
                let ends = [self.config.strengths[0], self.config.strongest()];
                if ends.contains(&tied.strength) {
                    arms.push(self.tuned(&tied)?);
                }
            }
        }
        let test = self.films.adults(Split::Test);
        let narrow = |rows: &[Vec<f64>]| -> Vec<Vec<f32>> {
            test.iter()
                .map(|&i| rows[i].iter().map(|v| *v as f32).collect())
                .collect()
        };
        Ok(Run {
            seed: self.seed,
            kept: self.kept.clone(),
            patch: narrow(&self.seen.patch),
            at: test.iter().map(|&i| self.seen.at[i].clone()).collect(),
            whole: narrow(&self.seen.whole),
            arms,
        })
    }

    /// The set at every strength of the tie, all of one size, so that strength is all that differs.
    fn tied<'b>(&self, nuisance: Nuisance, ties: &'b Ties) -> Result<Vec<Tied<'b>>> {
        let val = self.films.adults(Split::Val);
        let choose = |from: &[usize], strength, most| ties.choose(from, strength, most, self.seed);
        let smallest = |from: &[usize]| -> Result<usize> {
            let sizes: Result<Vec<usize>> = self
                .config
                .strengths
                .iter()
                .map(|&s| Ok(choose(from, s, None)?.len() / 2))
                .collect();
            Ok(sizes?.into_iter().min().unwrap_or(0))
        };
        let most = [smallest(&self.task)?, smallest(&val)?];
        self.config
            .strengths
            .iter()
            .map(|&strength| {
                Ok(Tied {
                    nuisance,
                    strength,
                    ties,
                    train: choose(&self.task, strength, Some(most[0]))?,
                    val: choose(&val, strength, Some(most[1]))?,
                })
            })
            .collect()
    }

    fn arm(&self, model: Model, tied: &Tied<'_>, said: Vec<bool>) -> Arm {
        Arm {
            model,
            nuisance: tied.nuisance,
            strength: tied.strength,
            size: None,
            set: 0,
            trained: tied.train.len(),
            said,
            weights: Vec::new(),
            range: Vec::new(),
        }
    }

    /// Concept models; at the strongest tie, small ones and interventions besides.
    fn concepts(&self, tied: &Tied<'_>) -> Result<Vec<Arm>> {
        let range = ranges(&self.seen.patch, &tied.train);
        let x = scale(&self.seen.patch, &range);
        let concepts: Vec<&Concept> = self.kept.iter().map(|&k| &self.bank[k]).collect();
        let (start, zeros) = (associated(&concepts), Linear::zeros(concepts.len()));
        let all: Vec<usize> = (0..concepts.len()).collect();
        let layer = self.layer(tied, &x, &start, &all)?;
        let weights = difference(&layer);
        let mut arms = vec![Arm {
            weights: weights.clone(),
            range,
            ..self.arm(Model::Concepts, tied, self.say(&layer, &x, &all))
        }];
        let other = self.layer(tied, &x, &zeros, &all)?;
        arms.push(self.arm(Model::FromZero, tied, self.say(&other, &x, &all)));
        let whole = scale(&self.seen.whole, &ranges(&self.seen.whole, &tied.train));
        let other = self.layer(tied, &whole, &start, &all)?;
        arms.push(self.arm(Model::Whole, tied, self.say(&other, &whole, &all)));
        if tied.strength == self.config.strongest() {
            let order = largest(&weights);
            for &size in &self.config.sizes {
                let columns = &order[..size.min(order.len())];
                let small = self.layer(tied, &x, &start, columns)?;
                arms.push(Arm {
                    size: Some(size),
                    ..self.arm(Model::Concepts, tied, self.say(&small, &x, columns))
                });
            }
            arms.extend(self.interventions(tied, &layer, &x, &order));
        }
        Ok(arms)
    }

    fn layer(
        &self,
        tied: &Tied<'_>,
        x: &[Vec<f64>],
        start: &Linear,
        columns: &[usize],
    ) -> Result<Linear> {
        let rows = |at: &[usize]| -> Vec<Vec<f64>> { at.iter().map(|&i| x[i].clone()).collect() };
        let labels = |at: &[usize]| -> Vec<bool> { at.iter().map(|&i| tied.ties.y[i]).collect() };
        let (train, val) = (rows(&tied.train), rows(&tied.val));
        let (y, y_val) = (labels(&tied.train), labels(&tied.val));
        let lesson = Lesson {
            x: [&train, &val],
            y: [&y, &y_val],
        };
        fit(&lesson, start, columns, self.config.layer(self.seed))
    }

    /// Whether a finding is said of each test film.
    fn say(&self, layer: &Linear, x: &[Vec<f64>], columns: &[usize]) -> Vec<bool> {
        let test = self.films.adults(Split::Test);
        let says = |&i: &usize| {
            let z = layer.logits(&pick(&x[i], columns));
            z[1] > z[0]
        };
        test.iter().map(says).collect()
    }

    /// The layer asked again with its most important concepts set to their true values.
    fn interventions(
        &self,
        tied: &Tied<'_>,
        layer: &Linear,
        x: &[Vec<f64>],
        order: &[usize],
    ) -> Vec<Arm> {
        let train: Vec<Vec<f64>> = tied.train.iter().map(|&i| x[i].clone()).collect();
        let known: Vec<(usize, usize)> = order
            .iter()
            .filter_map(|&k| Some((k, self.bank[self.kept[k]].finding?)))
            .collect();
        let all: Vec<usize> = (0..self.kept.len()).collect();
        let mut counts: Vec<usize> = self
            .config
            .set
            .iter()
            .map(|n| (*n).min(known.len()))
            .collect();
        counts.push(known.len());
        counts.dedup();
        let with = |&n: &usize| {
            let mut moved = x.to_vec();
            for &(k, finding) in &known[..n] {
                let to = set_values(&train, k);
                for (row, truth) in moved.iter_mut().zip(&self.films.findings) {
                    if !truth[finding].is_nan() {
                        row[k] = to[usize::from(truth[finding] >= 0.5)];
                    }
                }
            }
            Arm {
                set: n,
                ..self.arm(Model::Concepts, tied, self.say(layer, &moved, &all))
            }
        };
        counts.iter().map(with).collect()
    }

    fn probe(&self, tied: &Tied<'_>) -> Result<Arm> {
        let x = scaled(&self.seen.features, &tied.train);
        let all: Vec<usize> = (0..x.first().map_or(0, Vec::len)).collect();
        let layer = self.layer(tied, &x, &Linear::zeros(all.len()), &all)?;
        Ok(self.arm(Model::Probe, tied, self.say(&layer, &x, &all)))
    }

    fn tuned(&self, tied: &Tied<'_>) -> Result<Arm> {
        let graph = self.config.tuned().graph();
        let (from, params) = self.encoders.image();
        let start = warm::copy_trunk(from, params, &graph, graph.init_params(self.seed))
            .ok_or_else(|| MethodError::Config("the encoder's trunk is another one".to_owned()))?;
        let data = self.films.set.select(&tied.train);
        let params = fit_classes(self.ctx, &graph, start, &data, &self.config.tune, self.seed)?;
        let test = self.films.set.select(&self.films.adults(Split::Test));
        let said = probabilities(&graph, &params, &test)?;
        let said = said.iter().map(|p| p[1] > p[0]).collect();
        Ok(self.arm(Model::Tuned, tied, said))
    }
}
