//! The engine behind the training loop.

use crate::forward::{BatchStatistics, Pass, Runner, Value, unknown_layer};
use burn::tensor::{Device, Tensor as Burn, TensorData, Transaction};
use hilum_kernels::{Graph, KernelError, ParamInfo, ParamRole, Params, Tensor};
use hilum_nn::NnError;
use hilum_nn::engine::Engine;

/// Runs one network on a device of burn. Parameters live on the host, where optimiser and checkpoints are,
/// and go to the device with each step.
pub struct BurnEngine {
    graph: Graph,
    params: Params,
    device: Device,
    name: String,
    tape: Option<Tape>,
}

/// What the gradient needs of the last forward pass.
struct Tape {
    leaves: Vec<Burn<1>>,
    outputs: Vec<Value>,
}

impl BurnEngine {
    /// An engine for `graph` starting at `params` on the device called `name`, see [`crate::device()`].
    ///
    /// # Errors
    /// [`NnError::Device`] when there is no such device.
    pub fn new(graph: Graph, params: Params, name: &str) -> Result<Self, NnError> {
        if let Some(layer) = unknown_layer(&graph) {
            return Err(NnError::Device {
                name: name.to_owned(),
                reason: format!("the layer `{layer}` runs on the CPU's kernels only"),
            });
        }
        Ok(BurnEngine {
            device: crate::device(name)?.autodiff(),
            name: format!("burn {name}"),
            graph,
            params,
            tape: None,
        })
    }

    fn fault(&self, reason: impl ToString) -> NnError {
        NnError::Device {
            name: self.name.clone(),
            reason: reason.to_string(),
        }
    }

    fn leaves(&self) -> Vec<Burn<1>> {
        let leaf = |(info, values): (&ParamInfo, &Vec<f32>)| {
            let data = TensorData::new(values.clone(), [values.len()]);
            let leaf = Burn::<1>::from_data(data, &self.device);
            match info.role {
                ParamRole::Buffer => leaf,
                _ => leaf.require_grad(),
            }
        };
        self.graph
            .params
            .iter()
            .zip(&self.params)
            .map(leaf)
            .collect()
    }

    /// Values of several tensors with one wait for the device.
    fn read(&self, tensors: Vec<Burn<1>>) -> Result<Vec<Vec<f32>>, NnError> {
        let asked = tensors
            .into_iter()
            .fold(Transaction::default(), Transaction::register);
        let data = asked.try_execute().map_err(|e| self.fault(e))?;
        data.into_iter()
            .map(|d| {
                d.try_into_vec::<f32>()
                    .map_err(|e| self.fault(format!("{e:?}")))
            })
            .collect()
    }

    /// Moves the running statistics; PyTorch keeps the unbiased variance.
    fn keep(&mut self, statistics: &[BatchStatistics], values: &[Vec<f32>]) {
        for (s, pair) in statistics.iter().zip(values.chunks_exact(2)) {
            let unbiased = s.count as f32 / (s.count.max(2) - 1) as f32;
            blend(&mut self.params[s.mean_id], &pair[0], s.momentum, 1.0);
            blend(&mut self.params[s.var_id], &pair[1], s.momentum, unbiased);
        }
    }
}

fn blend(running: &mut [f32], batch: &[f32], momentum: f32, factor: f32) {
    for (r, b) in running.iter_mut().zip(batch) {
        *r += momentum * (b * factor - *r);
    }
}

impl Engine for BurnEngine {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn infos(&self) -> &[ParamInfo] {
        &self.graph.params
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn set_params(&mut self, params: Params) -> Result<(), NnError> {
        self.params = params;
        Ok(())
    }

    fn update(&mut self, change: &mut dyn FnMut(&[ParamInfo], &mut Params)) -> Result<(), NnError> {
        change(&self.graph.params, &mut self.params);
        Ok(())
    }

    fn forward_train(&mut self, x: &Tensor, seed: u64) -> Result<Vec<Tensor>, NnError> {
        let shape: [usize; 4] = x.shape[..].try_into().map_err(|_| KernelError::InputRank {
            shape: x.shape.clone(),
        })?;
        let shapes: Vec<Vec<usize>> = self
            .graph
            .shapes(shape)?
            .iter()
            .map(|s| s.to_vec())
            .collect();
        let leaves = self.leaves();
        let input = Burn::<4>::from_data(TensorData::new(x.data.clone(), shape), &self.device);
        let Pass { values, statistics } = Runner {
            graph: &self.graph,
            leaves: &leaves,
            shapes: &shapes,
            device: &self.device,
            seed,
        }
        .run(input);
        let ids: Vec<usize> = self.graph.outputs.iter().map(|(_, id)| *id).collect();
        let outputs: Vec<Value> = ids.iter().map(|&id| values[id].clone()).collect();
        let mut wanted: Vec<Burn<1>> = outputs.iter().map(|v| v.flat().detach()).collect();
        for s in &statistics {
            wanted.extend([s.mean.clone(), s.var.clone()]);
        }
        let mut data = self.read(wanted)?;
        let of_norms = data.split_off(outputs.len());
        self.keep(&statistics, &of_norms);
        self.tape = Some(Tape { leaves, outputs });
        let tensor = |(data, id): (Vec<f32>, usize)| Tensor {
            shape: shapes[id].clone(),
            data,
        };
        Ok(data.into_iter().zip(ids).map(tensor).collect())
    }

    fn backward(&mut self, d_outputs: &[Tensor]) -> Result<Vec<Option<Vec<f32>>>, NnError> {
        let Some(tape) = self.tape.take() else {
            return Err(self.fault("a gradient was asked for before a forward pass"));
        };
        let sums = tape.outputs.iter().zip(d_outputs).map(|(value, d)| {
            let data = TensorData::new(d.data.clone(), [d.data.len()]);
            (value.flat() * Burn::<1>::from_data(data, &self.device)).sum()
        });
        let Some(sum) = sums.reduce(|a, b| a + b) else {
            return Err(self.fault("the network has no outputs"));
        };
        let mut gradients = sum.backward();
        let found: Vec<Option<Burn<1>>> = tape
            .leaves
            .iter()
            .map(|leaf| leaf.grad_remove(&mut gradients))
            .collect();
        let here: Vec<bool> = found.iter().map(Option::is_some).collect();
        let mut data = self
            .read(found.into_iter().flatten().collect())?
            .into_iter();
        let infos = &self.graph.params;
        let one = |(there, info): (bool, &ParamInfo)| match (there, info.role) {
            (true, _) => data.next(),
            (false, ParamRole::Buffer) => None,
            // No path from the outputs to this parameter.
            (false, _) => Some(vec![0.0; info.shape.iter().product()]),
        };
        Ok(here.into_iter().zip(infos).map(one).collect())
    }
}
