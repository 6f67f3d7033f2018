//! Stage 2: one network for both, a shared trunk with the detector's cells and a classifier on features of the box and of the
//! whole picture, taught by the first stage and by itself.

use super::boxes::moved;
use super::config::{Config, Noise};
use super::detector::{self, Batch, CELLS, FEATURES, Scored, drawn};
use super::roi::{back, pooled};
use super::stage1::{Boxes, Pair, Scene};
use crate::blocks::short::{Judged, Short, shares};
use crate::error::{MethodError, Result};
use hilum_core::Rect;
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Op, Params, Tensor};
use hilum_nn::builder::GraphBuilder;
use hilum_nn::losses::{Loss, cross_entropy, distillation};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::sync::atomic::Ordering;

/// Boxes are moved a little in training, as those found in use are not exact.
const LOOSE: Noise = Noise {
    shift: 0.1,
    scale: [-0.1, 0.1],
};
const CLASSES: usize = 2;

/// The unified network, trained.
pub struct Unified {
    trunk: Params,
    fused: Params,
}

/// A linear layer of `from` features; output `logits`.
fn head(from: usize) -> Graph {
    let (mut b, x) = GraphBuilder::new(from);
    let x = b.node("flatten", Op::Flatten, &[x]);
    let y = b.linear("fc", x, from, CLASSES);
    b.output("logits", y);
    b.finish()
}

/// What both heads make of the features of a batch: gradients by the features and the sum of their losses.
struct Heads {
    /// On features of the box and of the whole picture.
    fused: Short,
    /// On features of the box alone; it is there to learn from the other, and is not asked in use.
    region: Short,
}

impl Heads {
    fn new(scene: &Scene<'_>, features: usize) -> Result<Heads> {
        let net = |from: usize| {
            let graph = head(from);
            let start = graph.init_params(scene.seed);
            Short::new(scene.ctx, &graph, start, scene.config.optimizer, scene.seed)
        };
        Ok(Heads {
            fused: net(2 * features)?,
            region: net(features)?,
        })
    }

    /// A step of both; `teacher` are the first stage's logits, if it teaches.
    fn step(
        &mut self,
        features: &Tensor,
        y: &[usize],
        teacher: Option<&[f32]>,
        config: &Config,
        rate: f32,
    ) -> Result<(f64, Vec<f32>)> {
        let [n, width] = [features.shape[0], features.shape[1]];
        let targets: Vec<Option<usize>> = y.iter().map(|y| Some(*y)).collect();
        let share = teacher.map_or(0.0, |_| config.distil);
        let said = RefCell::new(Vec::new());
        let judge = |logits: &[f32], from: Option<&[f32]>| -> Loss {
            let mut own = cross_entropy(logits, &targets, CLASSES);
            if let Some(from) = from {
                let taught = distillation(logits, from, CLASSES, config.temperature);
                own.value += share * taught.value;
                let both = own.grad.iter_mut().zip(&taught.grad);
                both.for_each(|(g, t)| *g += share as f32 * t);
            }
            own
        };
        let mut grad = vec![0.0; features.data.len()];
        let whole = |x: &Tensor| Tensor {
            shape: vec![n, x.data.len() / n, 1, 1],
            data: x.data.clone(),
        };
        let first = by_input(&mut self.fused, &whole(features), rate, |logits| {
            *said.borrow_mut() = logits.to_vec();
            judge(logits, teacher)
        })?;
        grad.iter_mut().zip(&first.1).for_each(|(g, f)| *g += f);
        // The region's branch learns from the fused one, whose answer is held.
        let region = Tensor {
            shape: vec![n, width / 2, 1, 1],
            data: features
                .data
                .chunks(width)
                .flat_map(|r| r[..width / 2].to_vec())
                .collect(),
        };
        let said = said.into_inner();
        let from = teacher.map(|_| said.as_slice());
        let second = by_input(&mut self.region, &region, rate, |logits| {
            judge(logits, from)
        })?;
        let rows = grad.chunks_mut(width).zip(second.1.chunks(width / 2));
        for (row, own) in rows {
            row.iter_mut().zip(own).for_each(|(g, r)| *g += r);
        }
        Ok((first.0 + second.0, grad))
    }
}

/// A step of a linear layer; its loss and the gradient by its input.
fn by_input(
    net: &mut Short,
    x: &Tensor,
    rate: f32,
    judge: impl FnOnce(&[f32]) -> Loss,
) -> Result<(f64, Vec<f32>)> {
    // Those that the outputs were made with: the step changes them.
    let weights = net.params()[0].clone();
    let from = weights.len() / CLASSES;
    let by_logits = RefCell::new(Vec::new());
    let value = net.step(
        x,
        rate,
        |out| {
            let loss = judge(&out[0].data);
            *by_logits.borrow_mut() = loss.grad.clone();
            let shape = out[0].shape.clone();
            Ok(Judged {
                value: loss.value,
                grads: vec![Tensor {
                    shape,
                    data: loss.grad,
                }],
            })
        },
        None,
    )?;
    let by_logits = by_logits.into_inner();
    let back = |g: &[f32]| -> Vec<f32> {
        (0..from)
            .map(|k| (0..CLASSES).map(|c| g[c] * weights[c * from + k]).sum())
            .collect()
    };
    Ok((value, by_logits.chunks(CLASSES).flat_map(back).collect()))
}

/// Trains the unified network on the pictures of `at` from the detector's weights of the first stage; with `teach`, by
/// L = L_det + L_cls + a L_KD, without by the first two. Classes are learned in the chosen boxes, moved a little.
///
/// # Errors
/// A stop, a diverging run, pictures without a box.
pub fn fit(
    scene: &Scene<'_>,
    pair: &Pair,
    boxes: &Boxes,
    at: &[usize],
    teach: bool,
) -> Result<Unified> {
    let (c, set, seed) = (scene.config, scene.set, scene.seed);
    let own: Vec<usize> = at.iter().copied().filter(|&i| boxes[i].is_some()).collect();
    let rects: Vec<Rect> = own.iter().filter_map(|&i| boxes[i]).collect();
    if own.is_empty() {
        return Err(MethodError::TooFew {
            what: "pictures with a box".to_owned(),
            found: 0,
            needed: 1,
        });
    }
    let mut taught = vec![Vec::new(); set.len()];
    for (&i, z) in own.iter().zip(scene.logits(pair, &own, &rects)?) {
        taught[i] = z;
    }
    let graph = detector::graph(c);
    let mut trunk = Short::new(scene.ctx, &graph, pair.detector.clone(), c.optimizer, seed)?;
    let mut heads = Heads::new(scene, detector::channels(c))?;
    let steps = c.steps.unified;
    for step in 0..steps {
        if scene.ctx.stop.load(Ordering::SeqCst) {
            return Err(MethodError::Stopped);
        }
        let now = drawn(&own, c.batch, step, seed);
        let salt = seed ^ ((step as u64) << 24);
        let batch = Batch::new(set, boxes, &now, c.shift, salt);
        let mut rng = ChaCha8Rng::seed_from_u64(salt);
        let side = c.side as f64;
        let loose: Vec<Rect> = batch
            .boxes
            .iter()
            .flatten()
            .map(|b| moved(b, &LOOSE, side, &mut rng))
            .collect();
        let y: Vec<usize> = now.iter().map(|&i| set.y[i]).collect();
        let teacher: Vec<f32> = now.iter().flat_map(|&i| taught[i].clone()).collect();
        let teacher = teach.then_some(teacher.as_slice());
        let rate = c.schedule.rate(step as u64, steps as u64);
        let judge = |outputs: &[Tensor]| -> Result<Judged> {
            let maps = &outputs[FEATURES];
            let stride = side / maps.shape[3] as f64;
            let features = pooled(maps, &loose, stride);
            let (classes, grad) = heads.step(&features, &y, teacher, c, rate)?;
            let (found, by_cells) = detector::loss(c, &outputs[CELLS], &batch.boxes);
            let mut grads: Vec<Tensor> = outputs.iter().map(|o| Tensor::zeros(&o.shape)).collect();
            grads[FEATURES] = back(&maps.shape, &loose, stride, &grad);
            grads[CELLS] = by_cells;
            Ok(Judged {
                value: classes + found,
                grads,
            })
        };
        trunk.step(&batch.x, rate, judge, None)?;
    }
    Ok(Unified {
        trunk: trunk.params().clone(),
        fused: heads.fused.params().clone(),
    })
}

impl Unified {
    /// One pass: boxes of each picture, and the probability of the second class in the best one.
    ///
    /// # Errors
    /// What the kernels fail with.
    pub fn says(&self, scene: &Scene<'_>, at: &[usize]) -> Result<(Vec<Vec<Scored>>, Vec<f32>)> {
        let c = scene.config;
        let plan = Plan::new(&detector::graph(c), &self.trunk)?;
        let width = 2 * detector::channels(c);
        let last = Plan::new(&head(width), &self.fused)?;
        let (mut boxes, mut p) = (Vec::new(), Vec::new());
        for part in at.chunks(32) {
            let (x, _) = scene.set.batch(part, (0.0, 0), 0);
            let out = plan.run(&x)?;
            let found = detector::found(c, &out[CELLS])?;
            let best: Vec<Rect> = found.iter().map(|f| f[0].0).collect();
            let stride = c.side as f64 / out[FEATURES].shape[3] as f64;
            let features = pooled(&out[FEATURES], &best, stride);
            let logits = last.run(&Tensor {
                shape: vec![part.len(), width, 1, 1],
                data: features.data,
            })?;
            p.extend(logits[0].data.chunks(CLASSES).map(|z| shares(z)[1]));
            boxes.extend(found);
        }
        Ok((boxes, p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::tables::samples::context;
    use hilum_nn::optim::OptimizerConfig;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_gradient_by_the_input_is_that_of_finite_differences() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let graph = head(3);
        let start = graph.init_params(4);
        let net =
            || Short::new(&ctx, &graph, start.clone(), OptimizerConfig::default(), 1).unwrap();
        let x = Tensor {
            shape: vec![2, 3, 1, 1],
            data: vec![0.3, -0.7, 1.1, 0.2, 0.9, -0.4],
        };
        let judge = |z: &[f32]| {
            let mut own = cross_entropy(z, &[Some(0), Some(1)], 2);
            let taught = distillation(z, &[1.0, -1.0, 0.2, 0.7], 2, 3.0);
            own.value += taught.value;
            own.grad
                .iter_mut()
                .zip(&taught.grad)
                .for_each(|(g, t)| *g += t);
            own
        };
        let (_, grad) = by_input(&mut net(), &x, 1e-3, judge).unwrap();
        for (k, own) in grad.iter().enumerate() {
            let at = |step: f32| {
                let mut moved = x.clone();
                moved.data[k] += step;
                by_input(&mut net(), &moved, 1e-3, judge).unwrap().0
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((slope - f64::from(*own)).abs() < 1e-3, "{k}");
        }
    }
}
