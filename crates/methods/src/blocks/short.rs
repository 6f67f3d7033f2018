//! Short trainings in memory, for studies that need many: no run folder, any loss over any outputs.

use super::classes::ClassSet;
use super::classify::shuffled;
use super::exclusive::softmax;
use crate::context::Context;
use crate::engine;
use crate::error::{MethodError, Result};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::NnError;
use hilum_nn::engine::Engine;
use hilum_nn::losses::{Loss, bce_with_logits, cross_entropy};
use hilum_nn::optim::{Optimizer, OptimizerConfig, Schedule, clip_norm};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;

/// Largest joint norm of the gradients in a step.
const CLIP: f64 = 5.0;

/// A network in training.
pub struct Short {
    engine: Box<dyn Engine>,
    optimizer: Optimizer,
    seed: u64,
    steps: u64,
}

/// What a loss says of a batch: its value, and the gradient by each output.
pub struct Judged {
    /// The loss.
    pub value: f64,
    /// Gradients in the order of the graph's outputs.
    pub grads: Vec<Tensor>,
}

/// A hook on the gradients of a step; it also sees the parameters.
pub type Adjust<'a> = &'a dyn Fn(&Params, &mut [Option<Vec<f32>>]);

impl Short {
    /// A network at `params`.
    ///
    /// # Errors
    /// A device that is not there, parameters that do not fit.
    pub fn new(
        ctx: &Context<'_>,
        graph: &Graph,
        params: Params,
        config: OptimizerConfig,
        seed: u64,
    ) -> Result<Self> {
        let engine = engine::open(&ctx.device, graph.clone(), params)?;
        let optimizer = Optimizer::new(config, engine.params());
        Ok(Short {
            engine,
            optimizer,
            seed,
            steps: 0,
        })
    }

    /// The parameters as they are.
    pub fn params(&self) -> &Params {
        self.engine.params()
    }

    /// One step at learning rate `rate`; gives the loss.
    ///
    /// # Errors
    /// A loss or gradient that is not a number: the run has diverged.
    pub fn step(
        &mut self,
        x: &Tensor,
        rate: f32,
        loss: impl FnOnce(&[Tensor]) -> Result<Judged>,
        adjust: Option<Adjust<'_>>,
    ) -> Result<f64> {
        let outputs = self.forward(x)?;
        let judged = loss(&outputs)?;
        if !judged.value.is_finite() {
            return Err(diverged(self.steps));
        }
        self.back(&judged.grads, rate, adjust)?;
        Ok(judged.value)
    }

    /// The first half of a step, for losses over several networks: what the network says of a batch in training mode.
    ///
    /// # Errors
    /// An input that does not fit.
    pub fn forward(&mut self, x: &Tensor) -> Result<Vec<Tensor>> {
        self.steps += 1;
        let seed = self.seed ^ self.steps.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Ok(self.engine.forward_train(x, seed)?)
    }

    /// The second half: the update, given the gradient by each output of the last [`Short::forward`].
    ///
    /// # Errors
    /// A gradient that is not a number: the run has diverged.
    pub fn back(
        &mut self,
        by_outputs: &[Tensor],
        rate: f32,
        adjust: Option<Adjust<'_>>,
    ) -> Result<()> {
        let mut grads = self.engine.backward(by_outputs)?;
        if let Some(adjust) = adjust {
            adjust(self.engine.params(), &mut grads);
        }
        if !clip_norm(&mut grads, CLIP).is_finite() {
            return Err(diverged(self.steps));
        }
        let optimizer = &mut self.optimizer;
        self.engine
            .update(&mut |infos, params| optimizer.update(infos, params, &grads, rate))?;
        Ok(())
    }
}

/// The error of a loss that is not a number.
pub(crate) fn diverged(step: u64) -> MethodError {
    NnError::Training(format!(
        "the loss is not a number at step {step}; lower the learning rate"
    ))
    .into()
}

/// Judgement by the first output alone; the others get no gradient.
pub fn by_logits(outputs: &[Tensor], loss: Loss) -> Judged {
    let mut grads: Vec<Tensor> = outputs.iter().map(|o| Tensor::zeros(&o.shape)).collect();
    grads[0].data = loss.grad;
    Judged {
        value: loss.value,
        grads,
    }
}

/// Settings of a plain training on exclusive classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShortConfig {
    /// Passes.
    pub epochs: usize,
    /// Pictures a batch.
    pub batch: usize,
    /// Optimiser.
    pub optimizer: OptimizerConfig,
    /// Learning rate over time.
    pub schedule: Schedule,
    /// Chance of a mirror image, and the largest shift in pixels.
    pub jitter: (f64, usize),
}

impl Default for ShortConfig {
    fn default() -> Self {
        ShortConfig {
            epochs: 12,
            batch: 32,
            optimizer: OptimizerConfig::default(),
            schedule: Schedule {
                base: 2e-3,
                warmup: 0.05,
                floor: 0.01,
            },
            jitter: (0.5, 3),
        }
    }
}

impl ShortConfig {
    /// Fails when a setting cannot train.
    ///
    /// # Errors
    /// [`MethodError::Config`].
    pub fn validate(&self) -> Result<()> {
        let rate = self.schedule.base;
        if self.epochs == 0 || self.batch < 2 || !(rate > 0.0 && rate.is_finite()) {
            return Err(MethodError::Config(
                "at least one epoch, two pictures a batch and a positive learning rate are needed"
                    .to_owned(),
            ));
        }
        if !(0.0..=1.0).contains(&self.jitter.0) {
            return Err(MethodError::Config(
                "the chance of a mirror image lies between 0 and 1".to_owned(),
            ));
        }
        Ok(())
    }
}

/// What a short training learns from.
pub struct Lesson<'a> {
    /// Number of cases.
    pub cases: usize,
    /// The input of the cases at these places; the number is the seed of anything drawn for it.
    pub input: &'a dyn Fn(&[usize], u64) -> Tensor,
    /// Judges what was said of the cases at these places.
    pub loss: &'a dyn Fn(&[Tensor], &[usize]) -> Judged,
}

/// Trains `graph` from `start` and gives its last weights.
///
/// # Errors
/// [`MethodError::Stopped`] between epochs; a diverging run.
pub fn fit(
    ctx: &Context<'_>,
    graph: &Graph,
    start: Params,
    lesson: &Lesson<'_>,
    config: &ShortConfig,
    seed: u64,
) -> Result<Params> {
    config.validate()?;
    let mut net = Short::new(ctx, graph, start, config.optimizer, seed)?;
    let steps = (lesson.cases / config.batch).max(1);
    let total = (steps * config.epochs) as u64;
    for epoch in 0..config.epochs {
        if ctx.stop.load(Ordering::SeqCst) {
            return Err(MethodError::Stopped);
        }
        let order = shuffled(lesson.cases, seed, epoch);
        for step in 0..steps {
            let at = &order[step * config.batch..((step + 1) * config.batch).min(order.len())];
            let x = (lesson.input)(at, seed ^ ((epoch as u64) << 32));
            let rate = config.schedule.rate((epoch * steps + step) as u64, total);
            net.step(&x, rate, |outputs| Ok((lesson.loss)(outputs, at)), None)?;
        }
    }
    Ok(net.params().clone())
}

/// Trains `graph` on exclusive classes by cross entropy and gives its last weights.
///
/// # Errors
/// As [`fit`], and a class that is missing.
pub fn fit_classes(
    ctx: &Context<'_>,
    graph: &Graph,
    start: Params,
    data: &ClassSet,
    config: &ShortConfig,
    seed: u64,
) -> Result<Params> {
    data.check_classes("training split")?;
    let lesson = Lesson {
        cases: data.len(),
        input: &|at, seed| data.batch(at, config.jitter, seed).0,
        loss: &|outputs, at| {
            let targets: Vec<Option<usize>> = at.iter().map(|&i| Some(data.y[i])).collect();
            by_logits(
                outputs,
                cross_entropy(&outputs[0].data, &targets, data.classes),
            )
        },
    };
    fit(ctx, graph, start, &lesson, config, seed)
}

/// Trains `graph` on findings by binary cross entropy and gives its last weights: a row of `targets` a picture,
/// `NaN` where a finding is not labelled.
///
/// # Errors
/// As [`fit`], and fewer than two pictures.
pub fn fit_findings(
    ctx: &Context<'_>,
    graph: &Graph,
    start: Params,
    (data, targets): (&ClassSet, &[Vec<f32>]),
    config: &ShortConfig,
    seed: u64,
) -> Result<Params> {
    if data.len() < 2 {
        return Err(MethodError::TooFew {
            what: "pictures with findings".to_owned(),
            found: data.len(),
            needed: 2,
        });
    }
    // All of them null would be a loss of 0 and a network of random weights.
    if targets.iter().flatten().all(|t| t.is_nan()) {
        return Err(MethodError::TooFew {
            what: "labels of findings that are known".to_owned(),
            found: 0,
            needed: 1,
        });
    }
    let lesson = Lesson {
        cases: data.len(),
        input: &|at, seed| data.batch(at, config.jitter, seed).0,
        loss: &|outputs, at| {
            let wanted: Vec<f32> = at.iter().flat_map(|&i| targets[i].clone()).collect();
            by_logits(outputs, bce_with_logits(&outputs[0].data, &wanted, None))
        },
    };
    fit(ctx, graph, start, &lesson, config, seed)
}

/// One output of the network for each picture, in use mode.
///
/// # Errors
/// What the kernels fail with.
pub fn outputs(
    graph: &Graph,
    params: &Params,
    data: &ClassSet,
    output: usize,
) -> Result<Vec<Vec<f32>>> {
    let plan = Plan::new(graph, params)?;
    let all: Vec<usize> = (0..data.len()).collect();
    let mut rows = Vec::with_capacity(data.len());
    for part in all.chunks(32) {
        let (x, _) = data.batch(part, (0.0, 0), 0);
        let out = plan.run(&x)?.swap_remove(output);
        let width = out.data.len() / part.len();
        rows.extend(out.data.chunks(width).map(<[f32]>::to_vec));
    }
    Ok(rows)
}

/// Softmax probabilities of each picture.
///
/// # Errors
/// As [`outputs`].
pub fn probabilities(graph: &Graph, params: &Params, data: &ClassSet) -> Result<Vec<Vec<f32>>> {
    let logits = outputs(graph, params, data, 0)?;
    Ok(logits.iter().map(|z| shares(z)).collect())
}

/// Softmax of a row of logits.
pub fn shares(z: &[f32]) -> Vec<f32> {
    let wide: Vec<f64> = z.iter().map(|v| f64::from(*v)).collect();
    softmax(&wide).into_iter().map(|p| p as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::classes::samples::squares;
    use crate::blocks::tables::samples::context;
    use hilum_nn::backbones::{Backbone, ResNetConfig};
    use hilum_nn::builder::Head;
    use std::sync::atomic::AtomicBool;

    fn graph() -> Graph {
        Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)).graph(1, &Head::plain(2))
    }

    #[test]
    fn it_learns_what_is_plain_to_see_and_is_the_same_twice() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let data = squares(64, 32, 2, 1);
        let graph = graph();
        let config = ShortConfig {
            epochs: 12,
            batch: 16,
            schedule: Schedule {
                base: 1e-2,
                ..ShortConfig::default().schedule
            },
            // A mirror image would be of the other class.
            jitter: (0.0, 2),
            ..ShortConfig::default()
        };
        let fit = || fit_classes(&ctx, &graph, graph.init_params(1), &data, &config, 5).unwrap();
        let (a, b) = (fit(), fit());
        assert_eq!(a, b);
        let said = probabilities(&graph, &a, &squares(40, 32, 2, 2)).unwrap();
        let right = said
            .iter()
            .enumerate()
            .filter(|(i, p)| (p[1] > 0.5) == (i % 2 == 1));
        assert!(right.count() > 34);
    }

    #[test]
    fn a_diverging_run_and_a_missing_class_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let graph = graph();
        let mut data = squares(32, 32, 2, 1);
        let config = ShortConfig::default();
        let mut net = Short::new(&ctx, &graph, graph.init_params(1), config.optimizer, 1).unwrap();
        let (x, _) = data.batch(&[0, 1], (0.0, 0), 0);
        let nan = |o: &[Tensor]| {
            let grad = vec![0.0; o[0].data.len()];
            Ok(by_logits(
                o,
                Loss {
                    value: f64::NAN,
                    grad,
                },
            ))
        };
        let told = net.step(&x, 0.1, nan, None).unwrap_err().to_string();
        assert!(told.contains("learning rate"), "{told}");
        data.y.iter_mut().for_each(|y| *y = 0);
        let told = fit_classes(&ctx, &graph, graph.init_params(1), &data, &config, 1);
        assert!(matches!(told, Err(MethodError::TooFew { .. })));
        let null = vec![vec![f32::NAN; 2]; data.len()];
        let start = graph.init_params(1);
        let told = fit_findings(&ctx, &graph, start, (&data, &null), &config, 1).unwrap_err();
        assert!(told.to_string().contains("that are known"), "{told}");
    }
}
