//! Who runs a network in training.

use crate::error::NnError;
use hilum_kernels::train::{Mode, Trainer, Wanted};
use hilum_kernels::{Graph, ParamInfo, Params, Tensor};

/// An engine that runs one network forward and backward. Loss and optimiser work on its outputs and
/// gradients, so they are the same for every engine.
pub trait Engine {
    /// Name for provenance.
    fn name(&self) -> String;
    /// What the parameters are.
    fn infos(&self) -> &[ParamInfo];
    /// Current values.
    fn params(&self) -> &Params;
    /// Replaces the values, after an optimiser step or a load.
    fn set_params(&mut self, params: Params) -> Result<(), NnError>;
    /// Changes the values in place.
    fn update(&mut self, change: &mut dyn FnMut(&[ParamInfo], &mut Params)) -> Result<(), NnError>;
    /// Runs forward in training mode and keeps what the gradient needs.
    fn forward_train(&mut self, x: &Tensor, seed: u64) -> Result<Vec<Tensor>, NnError>;
    /// Gradients by the parameters, given those by the outputs; `None` for buffers.
    fn backward(&mut self, d_outputs: &[Tensor]) -> Result<Vec<Option<Vec<f32>>>, NnError>;
}

/// The CPU kernels of this project.
pub struct CpuEngine {
    trainer: Trainer,
    infos: Vec<ParamInfo>,
    params: Params,
}

impl CpuEngine {
    /// An engine for `graph` starting at `params`.
    pub fn new(graph: Graph, params: Params) -> Result<Self, NnError> {
        let infos = graph.params.clone();
        Ok(CpuEngine {
            trainer: Trainer::new(graph)?,
            infos,
            params,
        })
    }
}

impl Engine for CpuEngine {
    fn name(&self) -> String {
        "hilum-kernels".to_owned()
    }

    fn infos(&self) -> &[ParamInfo] {
        &self.infos
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn set_params(&mut self, params: Params) -> Result<(), NnError> {
        self.params = params;
        Ok(())
    }

    fn update(&mut self, change: &mut dyn FnMut(&[ParamInfo], &mut Params)) -> Result<(), NnError> {
        change(&self.infos, &mut self.params);
        Ok(())
    }

    fn forward_train(&mut self, x: &Tensor, seed: u64) -> Result<Vec<Tensor>, NnError> {
        Ok(self
            .trainer
            .forward(&mut self.params, x, Mode::Train { seed })?)
    }

    fn backward(&mut self, d_outputs: &[Tensor]) -> Result<Vec<Option<Vec<f32>>>, NnError> {
        let wanted = Wanted::params();
        Ok(self
            .trainer
            .backward(&self.params, d_outputs, wanted)?
            .params)
    }
}
