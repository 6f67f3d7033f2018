//! A client: it owns its cases, and only state dicts as bytes come in and go out.

use super::algorithm::Algorithm;
use super::config::Local;
use super::state::{WHOLE, pack, unpack};
use crate::blocks::classes::ClassSet;
use crate::blocks::classify::shuffled;
use crate::blocks::short::{Adjust, Judged, Short, by_logits};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::losses::{cross_entropy, log_squared_confidence};
use hilum_nn::optim::OptimizerConfig;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A participant with cases of its own. Nothing of it can be read from outside but the messages it answers.
///
/// Between rounds it keeps no network: a state only where the algorithm leaves a client one of its own.
pub struct Client<'a> {
    ctx: Context<'a>,
    cases: Arc<ClassSet>,
    graph: Graph,
    algorithm: Algorithm,
    local: Local,
    own: Option<Params>,
    seed: u64,
    round: usize,
}

impl<'a> Client<'a> {
    /// A client with its cases. Where it keeps a state of its own, that begins at `start`, as all clients' do.
    pub fn new(
        ctx: &Context<'a>,
        cases: Arc<ClassSet>,
        graph: &Graph,
        start: Params,
        (algorithm, local): (Algorithm, Local),
        seed: u64,
    ) -> Self {
        Client {
            ctx: ctx.clone(),
            graph: graph.clone(),
            cases,
            algorithm,
            local,
            own: algorithm.is_personal().then_some(start),
            seed,
            round: 0,
        }
    }

    /// How many cases it has: what FedAvg weighs by.
    pub fn size(&self) -> usize {
        self.cases.len()
    }

    /// One round: takes the global state dict, trains, and answers with its own. Where normalisation stays
    /// at the clients, neither message holds it.
    ///
    /// # Errors
    /// A message that does not fit the network; a diverging run; a stop.
    pub fn answer(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        let start = match &self.own {
            Some(own) => unpack(&self.graph, own, message, self.algorithm)?,
            // All of it comes with the message.
            None => unpack(&self.graph, &self.blank(), message, self.algorithm)?,
        };
        let trained = self.train(start)?;
        let answer = pack(&self.graph, &trained, self.algorithm)?;
        if self.own.is_some() {
            self.own = Some(trained);
        }
        Ok(answer)
    }

    /// One round without a message.
    ///
    /// # Errors
    /// An algorithm whose clients keep nothing of their own; a diverging run; a stop.
    pub fn alone(&mut self) -> Result<()> {
        let own = self.model()?.clone();
        self.own = Some(self.train(own)?);
        Ok(())
    }

    /// Its own model, to be measured.
    ///
    /// # Errors
    /// An algorithm whose clients keep nothing of their own: the global model is everyone's.
    pub fn model(&self) -> Result<&Params> {
        self.own.as_ref().ok_or_else(|| {
            MethodError::Config("a client of this algorithm has no model of its own".to_owned())
        })
    }

    /// The same as bytes, normalisation included.
    ///
    /// # Errors
    /// As [`Client::model`].
    pub fn whole(&self) -> Result<Vec<u8>> {
        pack(&self.graph, self.model()?, WHOLE)
    }

    /// Tensors without values, in place of a state that is not there.
    fn blank(&self) -> Params {
        vec![Vec::new(); self.graph.params.len()]
    }

    fn train(&mut self, start: Params) -> Result<Params> {
        let optimizer = OptimizerConfig::Sgd {
            momentum: self.local.momentum,
            weight_decay: self.local.weight_decay,
        };
        // Another stream of draws for each round, where a network draws at all.
        let seed = self.seed ^ (self.round as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut net = Short::new(&self.ctx, &self.graph, start.clone(), optimizer, seed)?;
        for epoch in 0..self.local.epochs {
            let pass = self.round * self.local.epochs + epoch;
            let order = shuffled(self.cases.len(), self.seed, pass);
            for at in batches(&order, self.local.batch) {
                if self.ctx.stop.load(Ordering::SeqCst) {
                    return Err(MethodError::Stopped);
                }
                self.step(&mut net, at, &start)?;
            }
        }
        self.round += 1;
        Ok(net.params().clone())
    }

    fn step(&self, net: &mut Short, at: &[usize], global: &Params) -> Result<()> {
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
        net.step(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::classes::samples::squares;
    use crate::blocks::study::Settings;
    use crate::blocks::tables::samples::context;
    use crate::fedld::Config;
    use crate::fedld::config::TaskName;
    use hilum_kernels::ParamRole;
    use hilum_nn::weights::WeightFile;
    use std::sync::atomic::AtomicBool;

    fn graph() -> Graph {
        Config::tiny().network(TaskName::Nih).graph()
    }

    fn client<'a>(ctx: &Context<'a>, algorithm: Algorithm, local: Local) -> Client<'a> {
        let graph = graph();
        let start = graph.init_params(1);
        let cases = Arc::new(squares(33, 32, 2, 1));
        Client::new(ctx, cases, &graph, start, (algorithm, local), 3)
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
        let norm = |k: &usize| graph.params[*k].role == ParamRole::Norm;
        let norms = |p: &Params| {
            let at = (0..p.len()).filter(norm);
            at.map(|k| p[k].clone()).collect::<Vec<_>>()
        };
        let message = pack(&graph, &global, Algorithm::FedAvg).unwrap();
        let a = whole.answer(&message).unwrap();
        let message = pack(&graph, &global, Algorithm::FedBn).unwrap();
        let b = own.answer(&message).unwrap();
        assert!(a.len() > b.len());
        let trained = unpack(&graph, &global, &a, Algorithm::FedAvg).unwrap();
        assert!(whole.model().is_err(), "it keeps none");
        // One began at the global 0.5, the other at its own 1.
        let (one, other) = (norms(&trained), norms(own.model().unwrap()));
        let far = |(x, y): (&f32, &f32)| (x - y).abs() > 0.1;
        let pairs = one.iter().flatten().zip(other.iter().flatten());
        assert!(pairs.filter(|&p| far(p)).count() > 3);
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
                epochs: 3,
                ..Config::tiny().local
            };
            let mut c = client(&ctx, Algorithm::FedProx, local);
            let message = pack(&graph, &global, Algorithm::FedProx).unwrap();
            let answer = c.answer(&message).unwrap();
            let model = unpack(&graph, &global, &answer, Algorithm::FedProx).unwrap();
            let square = |(a, b): (&Vec<f32>, &Vec<f32>)| {
                a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>()
            };
            let trained = |i: &usize| graph.params[*i].role == ParamRole::Weight;
            let at = (0..global.len()).filter(trained);
            at.map(|i| square((&model[i], &global[i]))).sum::<f32>()
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
        assert!(c.alone().is_err(), "it has no model of its own");
        assert_eq!(c.size(), 33);
    }
}
