//! A network in training whose input's gradient is asked for, and that may be run on several batches before a step.

use crate::error::{MethodError, Result};
use hilum_kernels::train::{Mode, Trainer, Wanted};
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::NnError;
use hilum_nn::optim::{Optimizer, OptimizerConfig, clip_norm};

/// Largest joint norm of the gradients in a step.
const CLIP: f64 = 5.0;

/// Gradients by parameter.
pub type Grads = Vec<Option<Vec<f32>>>;

/// One set of parameters under several passes; each pass keeps its own activations.
pub struct Net {
    graph: Graph,
    passes: Vec<Trainer>,
    params: Params,
    optimizer: Optimizer,
}

impl Net {
    /// A network with `passes` passes.
    ///
    /// # Errors
    /// A graph that does not hold together.
    pub fn new(graph: Graph, passes: usize, optimizer: OptimizerConfig, seed: u64) -> Result<Self> {
        let params = graph.init_params(seed);
        let trainers = (0..passes).map(|_| Ok(Trainer::new(graph.clone())?));
        Ok(Net {
            passes: trainers.collect::<Result<_>>()?,
            optimizer: Optimizer::new(optimizer, &params),
            params,
            graph,
        })
    }

    /// The parameters as they are.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// One pass forward; batch statistics move the running ones.
    ///
    /// # Errors
    /// An input that does not fit.
    pub fn forward(&mut self, pass: usize, x: &Tensor, seed: u64) -> Result<Vec<Tensor>> {
        let mode = Mode::Train { seed };
        Ok(self.passes[pass].forward(&mut self.params, x, mode)?)
    }

    /// One pass back: adds to `sum`, gives the gradient of the input where it is asked for.
    ///
    /// # Errors
    /// A pass without its forward one.
    pub fn backward(
        &mut self,
        pass: usize,
        by_outputs: &[Tensor],
        sum: &mut Option<Grads>,
        input: bool,
    ) -> Result<Option<Tensor>> {
        let wanted = Wanted {
            params: true,
            input,
            ..Wanted::default()
        };
        let found = self.passes[pass].backward(&self.params, by_outputs, wanted)?;
        match sum {
            None => *sum = Some(found.params),
            Some(sum) => {
                for (own, new) in sum.iter_mut().flatten().zip(found.params.iter().flatten()) {
                    own.iter_mut().zip(new).for_each(|(a, b)| *a += b);
                }
            }
        }
        Ok(found.input)
    }

    /// A step of the optimiser.
    ///
    /// # Errors
    /// Gradients that are no numbers: the run has diverged.
    pub fn step(&mut self, grads: Option<Grads>, rate: f32) -> Result<()> {
        let Some(mut grads) = grads else {
            return Ok(());
        };
        if !clip_norm(&mut grads, CLIP).is_finite() {
            return Err(diverged());
        }
        self.optimizer
            .update(&self.graph.params, &mut self.params, &grads, rate);
        Ok(())
    }
}

/// The error of a run that has diverged.
pub fn diverged() -> MethodError {
    NnError::Training("the loss is not a number; lower the learning rate".to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_nn::builder::GraphBuilder;

    /// Two passes of the same batch sum to twice the gradient of one, and the input has one too.
    #[test]
    fn passes_sum_up() {
        let (mut b, x) = GraphBuilder::new(3);
        let flat = b.node("flat", hilum_kernels::Op::Flatten, &[x]);
        let y = b.linear("fc", flat, 12, 2);
        b.output("y", y);
        let mut net = Net::new(b.finish(), 2, OptimizerConfig::default(), 1).unwrap();
        let x = Tensor {
            shape: vec![1, 3, 2, 2],
            data: (0..12).map(|v| v as f32).collect(),
        };
        let dy = [Tensor {
            shape: vec![1, 2],
            data: vec![1.0, -2.0],
        }];
        let (mut one, mut both) = (None, None);
        net.forward(0, &x, 1).unwrap();
        net.forward(1, &x, 1).unwrap();
        let dx = net.backward(0, &dy, &mut both, true).unwrap().unwrap();
        assert!(net.backward(1, &dy, &mut both, false).unwrap().is_none());
        net.forward(0, &x, 1).unwrap();
        net.backward(0, &dy, &mut one, false).unwrap();
        let (one, both) = (one.unwrap(), both.unwrap());
        for (a, b) in one
            .iter()
            .flatten()
            .flatten()
            .zip(both.iter().flatten().flatten())
        {
            assert!((2.0 * a - b).abs() < 1e-6);
        }
        assert_eq!(dx.shape, [1, 3, 2, 2]);
        let before = net.params().clone();
        net.step(Some(both), 0.1).unwrap();
        assert_ne!(*net.params(), before);
        let nan = vec![Some(vec![f32::NAN; 24]), None];
        assert!(net.step(Some(nan), 0.1).is_err());
    }
}
