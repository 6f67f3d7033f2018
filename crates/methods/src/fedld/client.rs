//! A client: it owns its cases, and only state dicts as bytes come in and go out.

use super::algorithm::Algorithm;
use super::config::Local;
use crate::blocks::classes::ClassSet;
use crate::blocks::classify::shuffled;
use crate::blocks::short::{Adjust, Judged, Short, by_logits};
use crate::context::Context;
use crate::error::Result;
use hilum_kernels::{Graph, ParamRole, Params, Tensor};
use hilum_nn::losses::{cross_entropy, log_squared_confidence};
use hilum_nn::optim::OptimizerConfig;
use hilum_nn::weights::WeightFile;
use hilum_nn::weights::file::Precision;

/// A participant with cases of its own. Nothing of it can be read from outside but the messages it answers.
pub struct Client {
    cases: ClassSet,
    graph: Graph,
    algorithm: Algorithm,
    local: Local,
    net: Short,
    seed: u64,
    round: usize,
}

impl Client {
    /// A client with its cases; it begins at `start`, as all do.
    ///
    /// # Errors
    /// What the engine fails with.
    pub fn new(
        ctx: &Context<'_>,
        cases: ClassSet,
        graph: &Graph,
        start: Params,
        (algorithm, local): (Algorithm, Local),
        seed: u64,
    ) -> Result<Self> {
        let optimizer = OptimizerConfig::Sgd {
            momentum: local.momentum,
            weight_decay: local.weight_decay,
        };
        Ok(Client {
            net: Short::new(ctx, graph, start, optimizer, seed)?,
            graph: graph.clone(),
            cases,
            algorithm,
            local,
            seed,
            round: 0,
        })
    }

    /// How many cases it has: what FedAvg weighs by.
    pub fn size(&self) -> usize {
        self.cases.len()
    }

    /// One round: takes the global state dict, trains, and answers with its own. Where normalisation stays
    /// at the clients, neither message holds it.
    ///
    /// # Errors
    /// A message that does not fit the network; a diverging run.
    pub fn answer(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        let params = merge(&self.graph, self.net.params(), message)?;
        self.net.restart(params)?;
        self.train()?;
        pack(&self.graph, self.net.params(), self.algorithm)
    }

    /// One round without a message.
    ///
    /// # Errors
    /// A diverging run.
    pub fn alone(&mut self) -> Result<()> {
        let params = self.net.params().clone();
        self.net.restart(params)?;
        self.train()
    }

    /// Its own model, for measuring after the last round.
    pub fn model(&self) -> &Params {
        self.net.params()
    }

    fn train(&mut self) -> Result<()> {
        let global = self.net.params().clone();
        for epoch in 0..self.local.epochs {
            let pass = self.round * self.local.epochs + epoch;
            let order = shuffled(self.cases.len(), self.seed, pass);
            for at in batches(&order, self.local.batch) {
                self.step(at, &global)?;
            }
        }
        self.round += 1;
        Ok(())
    }

    fn step(&mut self, at: &[usize], global: &Params) -> Result<()> {
        let (x, targets) = self.cases.batch(at, (0.0, 0), 0);
        let margin = if self.algorithm.has_margin() {
            self.local.margin
        } else {
            0.0
        };
        let classes = self.cases.classes;
        let loss = |outputs: &[Tensor]| Ok(judge(outputs, &targets, classes, margin));
        let pull = if self.algorithm.has_pull() {
            self.local.proximal
        } else {
            0.0
        };
        let towards = |params: &Params, grads: &mut [Option<Vec<f32>>]| {
            for ((grad, now), then) in grads.iter_mut().zip(params).zip(global) {
                let Some(grad) = grad else { continue };
                for ((g, a), b) in grad.iter_mut().zip(now).zip(then) {
                    *g += pull * (a - b);
                }
            }
        };
        self.net.step(
            &x,
            self.local.rate,
            loss,
            (pull > 0.0).then_some(&towards as Adjust<'_>),
        )?;
        Ok(())
    }
}

/// Whole batches; a rest of fewer than two pictures has no batch statistics and joins the batch before it.
fn batches(order: &[usize], size: usize) -> Vec<&[usize]> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < order.len() {
        let mut end = (at + size).min(order.len());
        if order.len() - end < 2 {
            end = order.len();
        }
        out.push(&order[at..end]);
        at = end;
    }
    out
}

/// Cross entropy and margin control.
fn judge(outputs: &[Tensor], targets: &[Option<usize>], classes: usize, margin: f64) -> Judged {
    let mut loss = cross_entropy(&outputs[0].data, targets, classes);
    if margin > 0.0 {
        let more = log_squared_confidence(&outputs[0].data, classes);
        loss.value += margin * more.value;
        for (g, m) in loss.grad.iter_mut().zip(&more.grad) {
            *g += margin as f32 * m;
        }
    }
    by_logits(outputs, loss)
}

/// Whether a parameter is sent at all.
pub fn is_sent(role: ParamRole, algorithm: Algorithm) -> bool {
    !(algorithm.keeps_norms() && matches!(role, ParamRole::Norm | ParamRole::Buffer))
}

/// The state dict as it is sent: single-precision safetensors.
///
/// # Errors
/// What the format refuses.
pub fn pack(graph: &Graph, params: &Params, algorithm: Algorithm) -> Result<Vec<u8>> {
    let mut file = WeightFile::from_params(graph, params);
    for info in &graph.params {
        if !is_sent(info.role, algorithm) {
            file.tensors.remove(&info.name);
        }
    }
    Ok(file.to_bytes(Precision::Single)?)
}

/// `own` with everything that a message holds replaced by it.
///
/// # Errors
/// A message that is no state dict, or one with other shapes.
pub fn merge(graph: &Graph, own: &Params, message: &[u8]) -> Result<Params> {
    let mut file = WeightFile::from_params(graph, own);
    file.tensors
        .extend(WeightFile::from_bytes(message)?.tensors);
    Ok(file.params_for(graph)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::classes::samples::squares;
    use crate::blocks::study::Settings;
    use crate::blocks::tables::samples::context;
    use crate::fedld::Config;
    use crate::fedld::config::TaskName;
    use std::sync::atomic::AtomicBool;

    fn graph() -> Graph {
        Config::tiny().network(TaskName::Nih).graph()
    }

    fn client(ctx: &Context<'_>, algorithm: Algorithm, local: Local) -> Client {
        let graph = graph();
        let start = graph.init_params(1);
        let cases = squares(33, 32, 2, 1);
        Client::new(ctx, cases, &graph, start, (algorithm, local), 3).unwrap()
    }

    #[test]
    fn a_rest_of_one_joins_the_batch_before() {
        let order: Vec<usize> = (0..9).collect();
        let sizes = |n| {
            batches(&order, n)
                .iter()
                .map(|b| b.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(4), [4, 5]);
        assert_eq!(sizes(3), [3, 3, 3]);
    }

    #[test]
    fn normalisation_stays_at_the_client_where_it_should() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let local = Config::tiny().local;
        let graph = graph();
        // Norms start as constants: the global ones must be others to tell who keeps whose.
        let mut global = graph.init_params(9);
        for (info, values) in graph.params.iter().zip(&mut global) {
            if info.role == ParamRole::Norm {
                values.iter_mut().for_each(|v| *v = 0.5);
            }
        }
        let (mut whole, mut own) = (
            client(&ctx, Algorithm::FedAvg, local),
            client(&ctx, Algorithm::FedBn, local),
        );
        let message = pack(&graph, &global, Algorithm::FedBn).unwrap();
        let norms = |c: &Client| {
            let norm = |(i, _): &(usize, _)| graph.params[*i].role == ParamRole::Norm;
            let all = c.model().iter().enumerate().filter(norm);
            all.map(|(_, p)| p.clone()).collect::<Vec<_>>()
        };
        let a = whole.answer(&pack(&graph, &global, Algorithm::FedAvg).unwrap());
        let b = own.answer(&message).unwrap();
        assert!(a.unwrap().len() > b.len());
        assert_ne!(norms(&own), norms(&whole));
        let names = WeightFile::from_bytes(&b).unwrap().tensors;
        assert!(names.keys().all(|k| !k.contains("bn")));
    }

    #[test]
    fn the_pull_keeps_weights_near_the_global_ones() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let graph = graph();
        let global = graph.init_params(1);
        let away = |proximal: f32| {
            let local = Local {
                proximal,
                ..Config::tiny().local
            };
            let mut c = client(&ctx, Algorithm::FedProx, local);
            for _ in 0..3 {
                c.alone().unwrap();
            }
            let square = |(a, b): (&Vec<f32>, &Vec<f32>)| {
                a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>()
            };
            let trained = |i: &usize| graph.params[*i].role == ParamRole::Weight;
            let at = (0..global.len()).filter(trained);
            at.map(|i| square((&c.model()[i], &global[i]))).sum::<f32>()
        };
        assert!(away(5.0) < away(0.0));
    }

    #[test]
    fn nonsense_is_no_message() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let mut c = client(&ctx, Algorithm::FedAvg, Config::tiny().local);
        assert!(c.answer(b"no state dict").is_err());
        assert_eq!(c.size(), 33);
    }
}
