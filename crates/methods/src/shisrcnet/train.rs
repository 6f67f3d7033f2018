//! Training of enlarger and classifier, apart and together, and what they then make and say.

use super::config::{Config, Task, Weights};
use super::data::{Pairs, Shown, load, set_of};
use super::model::{CLASSES, enlarger, judge};
use super::net::{Grads, Net, diverged};
use super::outcome::{Arm, Likeness, Outcome, TaskOutcome, Way};
use crate::blocks::classify::shuffled;
use crate::blocks::measure::patient_ids;
use crate::blocks::parts::Parts;
use crate::blocks::short::shares;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_metrics::restoration::{psnr, ssim};
use hilum_nn::losses::{l1, nt_xent, softmax_focal};
use std::sync::atomic::Ordering;

/// Pictures at a time when nothing is learned.
const PART: usize = 16;

/// Runs everything that the settings ask for.
///
/// # Errors
/// A device that is not the CPU, data that are not there, a stop, a class missing, a diverging run.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Outcome> {
    if ctx.device != "cpu" {
        return Err(MethodError::Config(format!(
            "two networks are stepped together on the kernels only; --device cpu, not {}",
            ctx.device
        )));
    }
    let mut sets: Vec<&str> = config.tasks.iter().map(|t| set_of(t.task)).collect();
    sets.dedup();
    let samples = ctx.samples("shisrcnet", &sets)?;
    let (data_hash, split_hash) = (
        data_hash(&samples, ContentHash::Stated, None)?,
        split_hash(&samples),
    );
    let parts = Parts::open(ctx, "shisrcnet", config, [&data_hash, &split_hash])?;
    parts.check()?;
    // What is wrong with any task's data is said before the first network is trained.
    let loaded = config
        .tasks
        .iter()
        .map(|t| load(ctx, config, t))
        .collect::<Result<Vec<[Pairs; 2]>>>()?;
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    let mut tasks = Vec::new();
    for (task, [train, test]) in config.tasks.iter().zip(&loaded) {
        let mut arms = Vec::new();
        for way in Way::ALL {
            for &seed in &seeds {
                let study = Study {
                    ctx,
                    config,
                    task,
                    train,
                    test,
                    seed,
                };
                let key = format!("{}, {}, seed {seed}", task.task.name(), way.name());
                arms.push(parts.get(&key, || study.arm(way))?);
            }
        }
        tasks.push(TaskOutcome {
            task: task.task,
            y: test.y.clone(),
            groups: patient_ids(test.patients.iter().map(String::as_str)),
            learned: train.len(),
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

/// Trainings of one task at one seed.
struct Study<'a> {
    ctx: &'a Context<'a>,
    config: &'a Config,
    task: &'a Task,
    train: &'a Pairs,
    test: &'a Pairs,
    seed: u64,
}

/// Parts of a loss before their weights: pixels, classes, contrast.
type Losses = [f64; 3];

/// What a way ends with: losses by pass, the pictures that the classifier saw of the test cases, what it said of them.
struct Done {
    losses: Vec<Losses>,
    made: Vec<Vec<f32>>,
    said: Vec<Vec<f32>>,
}

impl Study<'_> {
    fn arm(&self, way: Way) -> Result<Arm> {
        let done = match way {
            Way::Bicubic => self.plain(Shown::Bicubic)?,
            Way::Truth => self.plain(Shown::Truth)?,
            Way::Separate => self.separate()?,
            Way::Joint | Way::NoTruth => self.joint(way)?,
        };
        let likeness = if way == Way::Truth {
            Vec::new()
        } else {
            self.likeness(&done.made)?
        };
        Ok(Arm {
            way,
            seed: self.seed,
            said: done.said,
            likeness,
            losses: done.losses,
        })
    }

    fn graphs(&self) -> [Graph; 2] {
        let channels = self.train.channels;
        [
            enlarger(self.config, channels),
            judge(self.config, channels),
        ]
    }

    fn net(&self, graph: Graph, passes: usize) -> Result<Net> {
        Net::new(graph, passes, self.config.optimizer, self.seed)
    }

    /// Goes over the training pairs; `step` gets places, the seed of the batch and the learning rate.
    fn passes(
        &self,
        mut step: impl FnMut(&[usize], u64, f32) -> Result<Losses>,
    ) -> Result<Vec<Losses>> {
        let (n, batch, epochs) = (self.train.len(), self.config.batch, self.task.epochs);
        let steps = (n / batch).max(1);
        let mut all = Vec::new();
        for epoch in 0..epochs {
            if self.ctx.stop.load(Ordering::SeqCst) {
                return Err(MethodError::Stopped);
            }
            let order = shuffled(n, self.seed, epoch);
            let mut mean = [0.0; 3];
            for k in 0..steps {
                let at = &order[k * batch..((k + 1) * batch).min(n)];
                let done = epoch * steps + k;
                let rate = self
                    .config
                    .schedule
                    .rate(done as u64, (steps * epochs) as u64);
                let seed = self.seed ^ ((done as u64 + 1) << 20);
                let parts = step(at, seed, rate)?;
                if parts.iter().any(|v| !v.is_finite()) {
                    return Err(diverged());
                }
                mean.iter_mut()
                    .zip(parts)
                    .for_each(|(m, v)| *m += v / steps as f64);
            }
            all.push(mean);
        }
        Ok(all)
    }

    /// A classifier on pictures that need no network.
    fn plain(&self, shown: Shown) -> Result<Done> {
        let graph = self.graphs()[1].clone();
        let (params, losses) = self.classifier(&graph, |at, seed| {
            Ok(self.train.batch(at, shown, Some(seed)))
        })?;
        let of = match shown {
            Shown::Truth => &self.test.truth,
            _ => &self.test.bicubic,
        };
        let said = self.say(&graph, &params, of)?;
        Ok(Done {
            losses,
            made: of.clone(),
            said,
        })
    }

    /// An enlarger by absolute error, then a classifier on what it makes.
    fn separate(&self) -> Result<Done> {
        let [up, graph] = self.graphs();
        let mut net = self.net(up.clone(), 1)?;
        let mut losses = self.passes(|at, seed, rate| {
            let mut made = net
                .forward(0, &self.train.batch(at, Shown::Small, Some(seed)), seed)?
                .swap_remove(0);
            self.add_bicubic(&mut made, at, seed);
            let truth = self.train.batch(at, Shown::Truth, Some(seed));
            let loss = l1(&made.data, &truth.data);
            made.data = loss.grad;
            let mut grads = None;
            net.backward(0, &[made], &mut grads, false)?;
            net.step(grads, rate)?;
            Ok([loss.value, 0.0, 0.0])
        })?;
        let plan = Plan::new(&up, net.params())?;
        let (params, more) = self.classifier(&graph, |at, seed| {
            let small = self.train.batch(at, Shown::Small, Some(seed));
            let mut made = plan.run(&small)?.swap_remove(0);
            self.add_bicubic(&mut made, at, seed);
            Ok(made)
        })?;
        for (own, new) in losses.iter_mut().zip(more) {
            own[1] = new[1];
        }
        let made = self.make(&up, net.params())?;
        let said = self.say(&graph, &params, &made)?;
        Ok(Done { losses, made, said })
    }

    /// Both together. The classifier sees the enlarged pictures in one pass and the true ones in another, as the release does.
    fn joint(&self, way: Way) -> Result<Done> {
        let [up, graph] = self.graphs();
        let mut maker = self.net(up.clone(), 1)?;
        let mut judge = self.net(graph.clone(), 2)?;
        let w = self.config.weights;
        let losses = self.passes(|at, seed, rate| {
            let small = self.train.batch(at, Shown::Small, Some(seed));
            let truth = self.train.batch(at, Shown::Truth, Some(seed));
            let y: Vec<usize> = at.iter().map(|&i| self.train.y[i]).collect();
            let mut made = maker.forward(0, &small, seed)?.swap_remove(0);
            self.add_bicubic(&mut made, at, seed);
            let pixels = l1(&made.data, &truth.data);
            let mut by_judge: Option<Grads> = None;
            let seen = judge.forward(0, &made, seed)?;
            let (parts, by_made) = if way == Way::NoTruth {
                let (value, by) = alone(&w, &seen, &y);
                let by_made = judge.backward(0, &by, &mut by_judge, true)?;
                ([pixels.value, value, 0.0], by_made)
            } else {
                let ideal = judge.forward(1, &truth, seed ^ 1)?;
                let together = paired(&w, &seen, &ideal, &y);
                judge.backward(1, &together.by_truth, &mut by_judge, false)?;
                let by_made = judge.backward(0, &together.by_made, &mut by_judge, true)?;
                ([pixels.value, together.classes, together.contrast], by_made)
            };
            for (g, p) in made.data.iter_mut().zip(&pixels.grad) {
                *g = (w.pixels * f64::from(*p)) as f32;
            }
            if let Some(by) = by_made {
                made.data.iter_mut().zip(by.data).for_each(|(a, b)| *a += b);
            }
            let mut by_maker = None;
            maker.backward(0, &[made], &mut by_maker, false)?;
            judge.step(by_judge, rate)?;
            maker.step(by_maker, rate)?;
            Ok(parts)
        })?;
        let made = self.make(&up, maker.params())?;
        let said = self.say(&graph, judge.params(), &made)?;
        Ok(Done { losses, made, said })
    }

    /// A classifier by focal loss alone; `input` makes a batch.
    fn classifier(
        &self,
        graph: &Graph,
        input: impl Fn(&[usize], u64) -> Result<Tensor>,
    ) -> Result<(Params, Vec<Losses>)> {
        let mut net = self.net(graph.clone(), 1)?;
        let losses = self.passes(|at, seed, rate| {
            let y: Vec<usize> = at.iter().map(|&i| self.train.y[i]).collect();
            let mut outputs = net.forward(0, &input(at, seed)?, seed)?;
            let loss = softmax_focal(&outputs[0].data, &y, CLASSES, self.config.weights.gamma);
            outputs[0].data = loss.grad;
            outputs[1].data.fill(0.0);
            let mut grads = None;
            net.backward(0, &outputs, &mut grads, false)?;
            net.step(grads, rate)?;
            Ok([0.0, loss.value, 0.0])
        })?;
        Ok((net.params().clone(), losses))
    }

    fn add_bicubic(&self, made: &mut Tensor, at: &[usize], seed: u64) {
        if self.config.enlarger.residual {
            let base = self.train.batch(at, Shown::Bicubic, Some(seed));
            made.data
                .iter_mut()
                .zip(base.data)
                .for_each(|(m, b)| *m += b);
        }
    }

    /// The test pictures enlarged.
    fn make(&self, up: &Graph, params: &Params) -> Result<Vec<Vec<f32>>> {
        let plan = Plan::new(up, params)?;
        let all: Vec<usize> = (0..self.test.len()).collect();
        let mut made = Vec::with_capacity(all.len());
        for part in all.chunks(PART) {
            let out = plan
                .run(&self.test.batch(part, Shown::Small, None))?
                .swap_remove(0);
            let size = out.data.len() / part.len();
            for (&i, picture) in part.iter().zip(out.data.chunks(size)) {
                let mut picture = picture.to_vec();
                if self.config.enlarger.residual {
                    let base = self.test.bicubic[i].iter();
                    picture.iter_mut().zip(base).for_each(|(p, b)| *p += b);
                }
                made.push(picture);
            }
        }
        Ok(made)
    }

    /// Probabilities that the classifier gives pictures.
    fn say(&self, graph: &Graph, params: &Params, pictures: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let plan = Plan::new(graph, params)?;
        let mut said = Vec::with_capacity(pictures.len());
        for part in pictures.chunks(PART) {
            let side = self.test.side;
            let out = plan.run(&Tensor {
                shape: vec![part.len(), self.test.channels, side, side],
                data: part.concat(),
            })?;
            said.extend(out[0].data.chunks(CLASSES).map(shares));
        }
        Ok(said)
    }

    /// How near pictures, cut to the range of levels, are to the true ones.
    fn likeness(&self, made: &[Vec<f32>]) -> Result<Vec<Likeness>> {
        let side = self.test.side;
        let one = |made: &Vec<f32>, truth: &Vec<f32>| -> Result<Likeness> {
            let made: Vec<f32> = made.iter().map(|v| v.clamp(0.0, 1.0)).collect();
            let ratio = psnr(truth, &made, 1.0);
            let planes = truth.chunks(side * side).zip(made.chunks(side * side));
            let each = planes.map(|(t, m)| ssim(t, m, side, 1.0));
            let sum = each.sum::<std::result::Result<f64, _>>()?;
            Ok(Likeness {
                psnr: match ratio {
                    Ok(db) => Some(db),
                    Err(e) if e.is_undefined() => None,
                    Err(e) => return Err(e.into()),
                },
                ssim: sum / self.test.channels as f64,
            })
        };
        let pairs = made.iter().zip(&self.test.truth);
        pairs.map(|(m, t)| one(m, t)).collect()
    }
}

/// Loss without the true picture: the focal loss of the enlarged one, with its weight, and its gradients by logits and features.
fn alone(w: &Weights, seen: &[Tensor], y: &[usize]) -> (f64, Vec<Tensor>) {
    let loss = softmax_focal(&seen[0].data, y, CLASSES, w.gamma);
    let scaled = |g: &f32| (w.classes * f64::from(*g)) as f32;
    let by_logits = Tensor {
        shape: seen[0].shape.clone(),
        data: loss.grad.iter().map(scaled).collect(),
    };
    (loss.value, vec![by_logits, Tensor::zeros(&seen[1].shape)])
}

/// The classifier's part of the joint loss.
struct Together {
    classes: f64,
    contrast: f64,
    /// Gradients by logits and features of the pass over enlarged pictures, and of that over true ones.
    by_made: Vec<Tensor>,
    by_truth: Vec<Tensor>,
}

/// Focal losses of both passes, half each, and the contrastive term between the features of the same case, all with their weights.
fn paired(w: &Weights, seen: &[Tensor], ideal: &[Tensor], y: &[usize]) -> Together {
    let focal = [seen, ideal].map(|o| softmax_focal(&o[0].data, y, CLASSES, w.gamma));
    let width = seen[1].data.len() / y.len();
    let features = [seen[1].data.as_slice(), &ideal[1].data].concat();
    let contrast = nt_xent(&features, width, w.temperature);
    let by = |k: usize, outputs: &[Tensor]| -> Vec<Tensor> {
        let logits = focal[k].grad.iter();
        let features = &contrast.grad[k * outputs[1].data.len()..][..outputs[1].data.len()];
        let scale = |v: &f32, by: f64| (by * f64::from(*v)) as f32;
        vec![
            Tensor {
                shape: outputs[0].shape.clone(),
                data: logits.map(|g| scale(g, 0.5 * w.classes)).collect(),
            },
            Tensor {
                shape: outputs[1].shape.clone(),
                data: features.iter().map(|g| scale(g, w.contrast)).collect(),
            },
        ]
    };
    Together {
        classes: 0.5 * (focal[0].value + focal[1].value),
        contrast: contrast.value,
        by_made: by(0, seen),
        by_truth: by(1, ideal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::study::Settings;

    #[test]
    fn the_joint_loss_has_the_gradient_of_its_value() {
        let w = Weights {
            gamma: 2.0,
            temperature: 0.7,
            ..Config::tiny().weights
        };
        let y = [0, 1, 1];
        let z: Vec<f32> = (0..36).map(|i| ((i * 7) % 13) as f32 / 6.0 - 1.0).collect();
        let split = |z: &[f32]| {
            let t = |shape: &[usize], data: &[f32]| Tensor::from_vec(shape, data.to_vec()).unwrap();
            let outputs = |z: &[f32]| vec![t(&[3, 2], &z[..6]), t(&[3, 4], &z[6..])];
            (outputs(&z[..18]), outputs(&z[18..]))
        };
        let value = |z: &[f32]| {
            let (seen, ideal) = split(z);
            let t = paired(&w, &seen, &ideal, &y);
            w.classes * t.classes + w.contrast * t.contrast
        };
        let (seen, ideal) = split(&z);
        let got = paired(&w, &seen, &ideal, &y);
        let grads: Vec<f32> = [&got.by_made, &got.by_truth]
            .into_iter()
            .flatten()
            .flat_map(|t| t.data.clone())
            .collect();
        for (i, own) in grads.iter().enumerate() {
            let moved = |by: f32| {
                let mut z = z.clone();
                z[i] += by;
                value(&z)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((f64::from(*own) - slope).abs() < 1e-4, "{i}");
        }
        let (plain, by) = alone(&w, &seen, &y);
        let focal = softmax_focal(&seen[0].data, &y, 2, 2.0);
        assert_eq!(plain, focal.value);
        assert!((f64::from(by[0].data[0]) - 0.3 * f64::from(focal.grad[0])).abs() < 1e-7);
        assert!(by[1].data.iter().all(|v| *v == 0.0));
    }
}
