//! Optimisers, learning-rate schedule, gradient clipping and the moving average of weights.

use hilum_kernels::{ParamInfo, ParamRole, Params};
use serde::{Deserialize, Serialize};

/// Which optimiser with its constants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OptimizerConfig {
    /// AdamW (Loshchilov and Hutter 2019); with `weight_decay` 0 it is Adam.
    AdamW {
        /// First-moment decay.
        beta1: f32,
        /// Second-moment decay.
        beta2: f32,
        /// Added to the root.
        eps: f32,
        /// Decoupled decay, on weights only.
        weight_decay: f32,
    },
    /// Stochastic gradient descent with momentum; decay is added to the gradient, on weights only.
    Sgd {
        /// Momentum.
        momentum: f32,
        /// L2 decay.
        weight_decay: f32,
    },
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        OptimizerConfig::AdamW {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 1e-2,
        }
    }
}

/// State of an optimiser: two moments a parameter and the step count.
#[derive(Debug, Clone)]
pub struct Optimizer {
    config: OptimizerConfig,
    /// Steps done.
    pub step: u64,
    /// First moments (or momentum).
    pub m: Params,
    /// Second moments; empty for SGD.
    pub v: Params,
}

impl Optimizer {
    /// A fresh state for `params`.
    pub fn new(config: OptimizerConfig, params: &Params) -> Self {
        let zeros = || {
            params
                .iter()
                .map(|p| vec![0.0; p.len()])
                .collect::<Params>()
        };
        let v = match config {
            OptimizerConfig::AdamW { .. } => zeros(),
            OptimizerConfig::Sgd { .. } => Vec::new(),
        };
        Optimizer {
            config,
            step: 0,
            m: zeros(),
            v,
        }
    }

    /// One step with learning rate `lr`; parameters without a gradient stay.
    pub fn update(
        &mut self,
        infos: &[ParamInfo],
        params: &mut Params,
        grads: &[Option<Vec<f32>>],
        lr: f32,
    ) {
        self.step += 1;
        for (i, grad) in grads.iter().enumerate() {
            let Some(grad) = grad else { continue };
            let decays = infos[i].role == ParamRole::Weight;
            match self.config {
                OptimizerConfig::AdamW {
                    beta1,
                    beta2,
                    eps,
                    weight_decay,
                } => {
                    let decay = if decays { weight_decay } else { 0.0 };
                    let c = AdamStep::new([beta1, beta2, eps], lr, decay, self.step);
                    c.apply(&mut params[i], grad, &mut self.m[i], &mut self.v[i]);
                }
                OptimizerConfig::Sgd {
                    momentum,
                    weight_decay,
                } => {
                    let decay = if decays { weight_decay } else { 0.0 };
                    sgd(
                        &mut params[i],
                        grad,
                        &mut self.m[i],
                        [lr, momentum, decay],
                        self.step,
                    );
                }
            }
        }
    }
}

struct AdamStep {
    beta1: f32,
    beta2: f32,
    eps: f32,
    rate: f32,
    root: f32,
    shrink: f32,
}

impl AdamStep {
    fn new([beta1, beta2, eps]: [f32; 3], lr: f32, decay: f32, step: u64) -> Self {
        let t = step as f64;
        let c1 = 1.0 - f64::from(beta1).powf(t);
        let c2 = 1.0 - f64::from(beta2).powf(t);
        let rate = (f64::from(lr) / c1) as f32;
        AdamStep {
            beta1,
            beta2,
            eps,
            rate,
            root: c2.sqrt() as f32,
            shrink: 1.0 - lr * decay,
        }
    }

    fn apply(&self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
            *p = *p * self.shrink - self.rate * *m / (v.sqrt() / self.root + self.eps);
        }
    }
}

fn sgd(p: &mut [f32], g: &[f32], m: &mut [f32], [lr, mu, decay]: [f32; 3], step: u64) {
    for ((p, &g), m) in p.iter_mut().zip(g).zip(m) {
        let g = g + decay * *p;
        *m = if step == 1 { g } else { mu * *m + g };
        *p -= lr * *m;
    }
}

/// Linear warm-up, then half a cosine down to `floor` times the base rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Highest learning rate.
    pub base: f32,
    /// Share of all steps spent warming up.
    pub warmup: f32,
    /// Lowest rate as a share of `base`.
    pub floor: f32,
}

impl Schedule {
    /// Learning rate at `step` of `total`.
    pub fn rate(&self, step: u64, total: u64) -> f32 {
        let t = step as f32 / total.max(1) as f32;
        if t < self.warmup {
            return self.base * (t / self.warmup).max(1e-3);
        }
        let along = ((t - self.warmup) / (1.0 - self.warmup).max(1e-6)).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f32::consts::PI * along).cos());
        self.base * (self.floor + (1.0 - self.floor) * cosine)
    }
}

/// Scales all gradients so that their joint norm is at most `limit`; returns the norm before.
pub fn clip_norm(grads: &mut [Option<Vec<f32>>], limit: f64) -> f64 {
    let square = |g: &Vec<f32>| g.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
    let norm = grads.iter().flatten().map(square).sum::<f64>().sqrt();
    if norm > limit {
        let scale = (limit / (norm + 1e-6)) as f32;
        grads
            .iter_mut()
            .flatten()
            .flatten()
            .for_each(|g| *g *= scale);
    }
    norm
}

/// Exponential moving average of all parameters and buffers.
#[derive(Debug, Clone)]
pub struct Ema {
    /// The averaged values.
    pub params: Params,
    decay: f32,
    updates: u64,
}

impl Ema {
    /// Starts at `params`.
    pub fn new(params: &Params, decay: f32) -> Self {
        Ema {
            params: params.clone(),
            decay,
            updates: 0,
        }
    }

    /// Restores a state.
    pub fn resume(params: Params, decay: f32, updates: u64) -> Self {
        Ema {
            params,
            decay,
            updates,
        }
    }

    /// Updates done.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Takes in the newest parameters; the decay grows with the number of updates so that the start is forgotten soon.
    pub fn update(&mut self, params: &Params) {
        self.updates += 1;
        let n = self.updates as f32;
        let d = self.decay.min((1.0 + n) / (10.0 + n));
        for (avg, new) in self.params.iter_mut().zip(params) {
            avg.iter_mut()
                .zip(new)
                .for_each(|(a, &p)| *a = d * *a + (1.0 - d) * p);
        }
    }
}
