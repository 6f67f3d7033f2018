//! What a training is told, and what a method must give it.

use crate::error::NnError;
use crate::losses::Loss;
use crate::optim::{OptimizerConfig, Schedule};
use hilum_kernels::{Params, Tensor};
use serde::{Deserialize, Serialize};

/// Settings of the loop; everything about data and loss is the task's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Passes over the training set.
    pub epochs: usize,
    /// Optimiser.
    pub optimizer: OptimizerConfig,
    /// Learning rate over time.
    pub schedule: Schedule,
    /// Decay of the moving average of the weights, whose values are validated and kept; none without.
    pub ema: Option<f32>,
    /// Largest joint norm of the gradients.
    pub clip: Option<f64>,
    /// Stop after so many epochs without a better validation score.
    pub patience: Option<usize>,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            epochs: 20,
            optimizer: OptimizerConfig::default(),
            schedule: Schedule {
                base: 1e-3,
                warmup: 0.05,
                floor: 0.01,
            },
            ema: Some(0.99),
            clip: Some(5.0),
            patience: None,
            seed: 1,
        }
    }
}

impl TrainConfig {
    /// Refuses settings that cannot train.
    pub fn validate(&self) -> Result<(), NnError> {
        let bad = |what: &str| Err(NnError::Training(what.to_owned()));
        if self.epochs == 0 {
            return bad("epochs must be at least 1");
        }
        if !(self.schedule.base > 0.0 && self.schedule.base.is_finite()) {
            return bad("the learning rate must be positive");
        }
        if self.ema.is_some_and(|d| !(0.0..1.0).contains(&d)) {
            return bad("the decay of the moving average must be in [0, 1)");
        }
        Ok(())
    }
}

/// One batch: what the network sees and what it should say.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `[n, c, h, w]`.
    pub x: Tensor,
    /// Targets as the task's loss wants them.
    pub targets: Vec<f32>,
}

/// Named validation scores; the first selects the best weights, higher is better.
pub type Scores = Vec<(String, f64)>;

/// What a method adds to the loop.
pub trait Task {
    /// Batches in epoch `epoch`.
    fn steps(&self, epoch: usize) -> usize;
    /// Batch `step` of epoch `epoch`; the same call gives the same batch.
    fn batch(&self, epoch: usize, step: usize) -> Result<Batch, NnError>;
    /// Loss and its gradient by the first output.
    fn loss(&self, batch: &Batch, outputs: &[Tensor]) -> Result<Loss, NnError>;
    /// Scores on the validation split.
    fn validate(&self, params: &Params) -> Result<Scores, NnError>;
}
