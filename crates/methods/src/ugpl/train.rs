//! Training of the three networks together, and what they then say.

use super::config::{Config, Study, Variant};
use super::data::{Data, hashes, load};
use super::evidence::{dirichlet_loss, map_loss, scaled, uncertainty, vacuity};
use super::fusion::{Grads, Parts as Losses, Said as Voices, fuse, judge};
use super::model::{global, local, mix};
use super::outcome::{Arm, Outcome, TaskOutcome};
use super::patches::{Corner, cut, enlarge, fixed, greedy, random, released};
use crate::blocks::classify::shuffled;
use crate::blocks::exclusive::argmax;
use crate::blocks::parts::Parts;
use crate::blocks::short::{Judged, Short, by_logits, shares};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::losses::cross_entropy;
use std::cell::RefCell;

/// Runs everything that the settings ask for.
///
/// # Errors
/// Data that are not there, a stop, a class missing, a diverging run.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Outcome> {
    let [data_hash, split_hash] = hashes(ctx, config)?;
    let parts = Parts::open(ctx, "ugpl", config, [&data_hash, &split_hash])?;
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    // What is wrong with any task's data is said before the first is trained.
    let sets = config
        .studies
        .iter()
        .map(|s| load(ctx, config, &parts, s.task, s.most))
        .collect::<Result<Vec<Data>>>()?;
    let mut tasks = Vec::new();
    for (study, data) in config.studies.iter().zip(&sets) {
        let mut arms = Vec::new();
        for &variant in &study.variants {
            for &seed in &seeds {
                let key = format!("{}, {}, seed {seed}", study.task.name(), variant.name());
                arms.push(parts.get(&key, || arm(ctx, config, study, data, variant, seed))?);
            }
        }
        let asked: Vec<usize> = data.rounds.iter().flat_map(|r| r[1].clone()).collect();
        let own = data.set.select(&asked);
        tasks.push(TaskOutcome {
            task: study.task,
            groups: own.groups(),
            lesions: asked.iter().map(|&i| data.lesions[i].clone()).collect(),
            y: own.y,
            arms,
        });
    }
    Ok(Outcome {
        config: config.clone(),
        seeds,
        data_hash,
        split_hash,
        tasks,
    })
}

fn arm(
    ctx: &Context<'_>,
    config: &Config,
    study: &Study,
    data: &Data,
    variant: Variant,
    seed: u64,
) -> Result<Arm> {
    let mut all = Arm {
        variant,
        seed,
        fused: Vec::new(),
        global: Vec::new(),
        uncertainty: Vec::new(),
        patches: Vec::new(),
        cam: Vec::new(),
        losses: Vec::new(),
    };
    for [train, test] in &data.rounds {
        let mut nets = Nets::new(ctx, config, study.task.classes(), variant, seed)?;
        nets.fit(ctx, data, train, study.epochs)?;
        all.losses.append(&mut nets.losses);
        nets.say(data, test, &mut all)?;
    }
    Ok(all)
}

/// The networks of one training.
struct Nets<'a> {
    config: &'a Config,
    classes: usize,
    variant: Variant,
    seed: u64,
    graphs: [Graph; 3],
    nets: [Short; 3],
    losses: Vec<Vec<f64>>,
}

impl<'a> Nets<'a> {
    fn new(
        ctx: &Context<'_>,
        config: &'a Config,
        classes: usize,
        variant: Variant,
        seed: u64,
    ) -> Result<Self> {
        let graphs = [
            global(config, classes),
            local(config, classes),
            mix(classes),
        ];
        let net = |g: &Graph| Short::new(ctx, g, g.init_params(seed), config.train.optimizer, seed);
        let nets = [net(&graphs[0])?, net(&graphs[1])?, net(&graphs[2])?];
        Ok(Nets {
            config,
            classes,
            variant,
            seed,
            graphs,
            nets,
            losses: Vec::new(),
        })
    }

    fn fit(
        &mut self,
        ctx: &Context<'_>,
        data: &Data,
        train: &[usize],
        epochs: usize,
    ) -> Result<()> {
        let c = &self.config.train;
        let steps = (train.len() / c.batch).max(1);
        for epoch in 0..epochs {
            if ctx.stop.load(std::sync::atomic::Ordering::SeqCst) {
                return Err(MethodError::Stopped);
            }
            let order = shuffled(train.len(), self.seed, epoch);
            let mut sums = vec![0.0; 7];
            for step in 0..steps {
                let end = ((step + 1) * c.batch).min(order.len());
                let at: Vec<usize> = order[step * c.batch..end]
                    .iter()
                    .map(|&k| train[k])
                    .collect();
                let seed = self.seed ^ ((epoch as u64) << 32);
                let (x, y) = data.set.batch(&at, c.jitter, seed);
                let y: Vec<usize> = y.into_iter().flatten().collect();
                let rate = c
                    .schedule
                    .rate((epoch * steps + step) as u64, (steps * epochs) as u64);
                let progress = epoch as f64 / epochs as f64;
                let losses = self.step(&x, &y, rate, step == 0, progress, seed ^ step as u64)?;
                for (s, (_, v)) in sums.iter_mut().zip(losses.each()) {
                    *s += v / steps as f64;
                }
            }
            self.losses.push(sums);
        }
        Ok(())
    }

    /// One step of all three networks; gives the mean parts of the loss.
    fn step(
        &mut self,
        x: &Tensor,
        y: &[usize],
        rate: f32,
        first: bool,
        progress: f64,
        seed: u64,
    ) -> Result<Losses> {
        if self.variant == Variant::Global {
            let classes = self.classes;
            let targets: Vec<Option<usize>> = y.iter().map(|y| Some(*y)).collect();
            let loss =
                |o: &[Tensor]| Ok(by_logits(o, cross_entropy(&o[0].data, &targets, classes)));
            let value = self.nets[0].step(x, rate, loss, None)?;
            return Ok(Losses {
                global: value,
                ..Losses::default()
            });
        }
        // The inner networks are stepped while the outer one waits for its gradient.
        let (config, variant, classes) = (self.config, self.variant, self.classes);
        let [outer, patches, mixer] = &mut self.nets;
        let losses = RefCell::new(Losses::default());
        let loss = |outputs: &[Tensor]| -> Result<Judged> {
            let n = y.len();
            let side = config.side;
            let maps = maps(variant, &outputs[2], classes);
            let mut cuts = Vec::new();
            for (i, map) in maps.iter().enumerate() {
                let picture = &x.data[i * side * side..(i + 1) * side * side];
                for c in corners(config, variant, map, seed ^ ((i as u64) << 20)) {
                    cuts.extend(seen(config, variant, picture, c));
                }
            }
            let k = config.patches;
            let cuts = Tensor {
                shape: vec![n * k, 1, config.seen, config.seen],
                data: cuts,
            };
            let mut mixed = Vec::with_capacity(n * (classes + 1));
            for (i, map) in maps.iter().enumerate() {
                mixed.extend(&outputs[0].data[i * classes..(i + 1) * classes]);
                mixed.push(mean(map));
            }
            let mixed = Tensor {
                shape: vec![n, classes + 1, 1, 1],
                data: mixed,
            };
            let whole = RefCell::new(None);
            patches.step(
                &cuts,
                rate,
                |inner| {
                    let both = RefCell::new(None);
                    mixer.step(
                        &mixed,
                        rate,
                        |m| {
                            let (parts, grads) =
                                together(config, &outputs[0], inner, &m[0], y, classes);
                            let by_mix = Tensor {
                                shape: m[0].shape.clone(),
                                data: grads.iter().map(|g| g.mix / n as f32).collect(),
                            };
                            *both.borrow_mut() = Some((parts, grads));
                            Ok(Judged {
                                value: parts.sum(),
                                grads: vec![by_mix],
                            })
                        },
                        None,
                    )?;
                    let (parts, grads) = both.into_inner().unwrap_or_default();
                    let flat = |f: &dyn Fn(&Grads) -> Vec<f32>| -> Vec<f32> {
                        grads.iter().flat_map(f).map(|g| g / n as f32).collect()
                    };
                    let by = vec![
                        Tensor {
                            shape: inner[0].shape.clone(),
                            data: flat(&|g| g.local.concat()),
                        },
                        Tensor {
                            shape: inner[1].shape.clone(),
                            data: flat(&|g| g.trust.clone()),
                        },
                    ];
                    *whole.borrow_mut() = Some((parts, flat(&|g| g.global.clone())));
                    Ok(Judged {
                        value: parts.sum(),
                        grads: by,
                    })
                },
                None,
            )?;
            let (mut parts, by_global) = whole.into_inner().unwrap_or_default();
            let mut grads: Vec<Tensor> = outputs.iter().map(|o| Tensor::zeros(&o.shape)).collect();
            grads[0].data = by_global;
            if variant != Variant::Released || first {
                parts.map = map_part(config, variant, outputs, y, progress, &mut grads[2]);
            }
            *losses.borrow_mut() = parts;
            Ok(Judged {
                value: parts.sum(),
                grads,
            })
        };
        outer.step(x, rate, loss, None)?;
        Ok(losses.into_inner())
    }

    /// What the trained networks say of pictures, added to `all`.
    fn say(&self, data: &Data, test: &[usize], all: &mut Arm) -> Result<()> {
        let params = self.nets.each_ref().map(Short::params);
        let plans = [0, 1, 2].map(|k| Plan::new(&self.graphs[k], params[k]));
        let [outer, patches, mixer] = plans;
        let (outer, patches, mixer) = (outer?, patches?, mixer?);
        let (side, classes) = (self.config.side, self.classes);
        for part in test.chunks(16) {
            let (x, _) = data.set.batch(part, (0.0, 0), 0);
            let out = outer.run(&x)?;
            let maps = maps(self.variant, &out[2], classes);
            for (i, map) in maps.iter().enumerate() {
                let logits = &out[0].data[i * classes..(i + 1) * classes];
                all.global.push(shares(logits));
                all.uncertainty.push(mean(map));
                all.cam.push(if data.lesions[part[i]].is_empty() {
                    Vec::new()
                } else {
                    let cam = cam(&self.graphs[0], params[0], &out[1], i, argmax(logits));
                    greedy(
                        &enlarge(&cam, side),
                        side,
                        self.config.patch,
                        self.config.patches,
                        0,
                    )
                });
                if self.variant == Variant::Global {
                    all.fused.push(shares(logits));
                    all.patches.push(Vec::new());
                    continue;
                }
                let picture = &x.data[i * side * side..(i + 1) * side * side];
                let own = corners(self.config, self.variant, map, self.seed ^ part[i] as u64);
                let cuts = own
                    .iter()
                    .flat_map(|c| seen(self.config, self.variant, picture, *c))
                    .collect();
                let size = self.config.seen;
                let inner = patches.run(&Tensor {
                    shape: vec![own.len(), 1, size, size],
                    data: cuts,
                })?;
                let mut row = logits.to_vec();
                row.push(mean(map));
                let m = mixer.run(&Tensor {
                    shape: vec![1, classes + 1, 1, 1],
                    data: row,
                })?;
                let voices = voices(logits, &inner, 0, own.len(), m[0].data[0]);
                all.fused.push(shares(&fuse(&voices)));
                all.patches.push(own);
            }
        }
        Ok(())
    }
}

/// Uncertainty maps of a batch at the head's resolution.
fn maps(variant: Variant, head: &Tensor, classes: usize) -> Vec<Vec<f32>> {
    let size: usize = head.shape.iter().skip(1).product();
    head.data
        .chunks(size)
        .map(|h| {
            let values = match variant {
                Variant::Dirichlet => vacuity(h, classes),
                _ => uncertainty(h, classes).values,
            };
            values.iter().map(|v| *v as f32).collect()
        })
        .collect()
}

fn mean(map: &[f32]) -> f32 {
    map.iter().sum::<f32>() / map.len() as f32
}

fn corners(config: &Config, variant: Variant, map: &[f32], seed: u64) -> Vec<Corner> {
    let (side, patch, k) = (config.side, config.patch, config.patches);
    match variant {
        Variant::Random => random(side, patch, k, seed),
        Variant::Fixed | Variant::Global => fixed(side, patch, k),
        Variant::Released => released(map, k),
        Variant::Corrected | Variant::Dirichlet => {
            let values: Vec<f64> = map.iter().map(|v| f64::from(*v)).collect();
            let unit: Vec<f32> = scaled(&values).0.iter().map(|v| *v as f32).collect();
            greedy(&enlarge(&unit, side), side, patch, k, seed)
        }
    }
}

/// What the local network sees of a patch.
fn seen(config: &Config, variant: Variant, picture: &[f32], corner: Corner) -> Vec<f32> {
    let patch = if variant == Variant::Released {
        4
    } else {
        config.patch
    };
    cut(picture, config.side, corner, patch, config.seen)
}

fn voices(global: &[f32], inner: &[Tensor], first: usize, k: usize, mix: f32) -> Voices {
    let classes = global.len();
    Voices {
        global: global.to_vec(),
        local: inner[0].data[first * classes..(first + k) * classes]
            .chunks(classes)
            .map(<[f32]>::to_vec)
            .collect(),
        trust: inner[1].data[first..first + k].to_vec(),
        mix,
    }
}

/// Mean parts of the loss of a batch, and each picture's gradients.
fn together(
    config: &Config,
    global: &Tensor,
    inner: &[Tensor],
    mix: &Tensor,
    y: &[usize],
    classes: usize,
) -> (Losses, Vec<Grads>) {
    let k = config.patches;
    let n = y.len() as f64;
    let mut mean = Losses::default();
    let mut all = Vec::with_capacity(y.len());
    for (i, &class) in y.iter().enumerate() {
        let logits = &global.data[i * classes..(i + 1) * classes];
        let own = voices(logits, inner, i * k, k, mix.data[i]);
        let (parts, grads) = judge(&own, class, &config.weights);
        mean.fused += parts.fused / n;
        mean.global += parts.global / n;
        mean.local += parts.local / n;
        mean.agree += parts.agree / n;
        mean.confidence += parts.confidence / n;
        mean.diversity += parts.diversity / n;
        all.push(grads);
    }
    (mean, all)
}

/// The map's part of the loss, with its gradient by the head.
fn map_part(
    config: &Config,
    variant: Variant,
    outputs: &[Tensor],
    y: &[usize],
    progress: f64,
    grad: &mut Tensor,
) -> f64 {
    let classes = outputs[0].shape[1];
    let size: usize = outputs[2].shape.iter().skip(1).product();
    let share = config.weights.map / y.len() as f64;
    let mut value = 0.0;
    for (i, &class) in y.iter().enumerate() {
        let head = &outputs[2].data[i * size..(i + 1) * size];
        let (own, by) = if variant == Variant::Dirichlet {
            dirichlet_loss(head, classes, class, progress)
        } else {
            let logits = &outputs[0].data[i * classes..(i + 1) * classes];
            let wrong = argmax(logits) != class;
            map_loss(head, classes, f64::from(u8::from(wrong)))
        };
        value += share * own;
        for (g, b) in grad.data[i * size..(i + 1) * size].iter_mut().zip(by) {
            *g = (share * f64::from(b)) as f32;
        }
    }
    value
}

/// Class activation map of picture `i`: features weighed by the last layer's row of a class.
fn cam(graph: &Graph, params: &Params, features: &Tensor, i: usize, class: usize) -> Vec<f32> {
    let (channels, places) = (features.shape[1], features.shape[2] * features.shape[3]);
    let row = graph
        .params
        .iter()
        .position(|p| p.name == "fc.weight")
        .map_or(&[][..], |at| {
            &params[at][class * channels..(class + 1) * channels]
        });
    let own = &features.data[i * channels * places..(i + 1) * channels * places];
    let mut map = vec![0.0; places];
    for (channel, w) in own.chunks(places).zip(row) {
        map.iter_mut().zip(channel).for_each(|(m, v)| *m += w * v);
    }
    map
}
