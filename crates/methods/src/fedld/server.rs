//! The server: sends the global state dict, merges the answers, and keeps count of what crossed.

use super::aggregate::{add, gram, weights};
use super::algorithm::Algorithm;
use super::client::{is_sent, merge, pack};
use super::transport::Transport;
use crate::error::Result;
use hilum_kernels::{Graph, Params};

/// The server of one federation. It has no cases.
pub struct Server {
    graph: Graph,
    algorithm: Algorithm,
    kept: f64,
    global: Params,
    round: usize,
    /// Bytes sent to all clients.
    pub sent: u64,
    /// Bytes that came from all clients.
    pub received: u64,
}

impl Server {
    /// A server whose global weights are `start`.
    pub fn new(graph: &Graph, start: Params, algorithm: Algorithm, kept: f64) -> Self {
        Server {
            graph: graph.clone(),
            algorithm,
            kept,
            global: start,
            round: 0,
            sent: 0,
            received: 0,
        }
    }

    /// The global weights.
    pub fn global(&self) -> &Params {
        &self.global
    }

    /// One round over all clients.
    ///
    /// # Errors
    /// A client that fails, an answer that does not fit.
    pub fn round(&mut self, clients: &mut dyn Transport) -> Result<()> {
        let message = pack(&self.graph, &self.global, self.algorithm)?;
        let mut answers = Vec::with_capacity(clients.count());
        for k in 0..clients.count() {
            let answer = clients.ask(k, &message)?;
            self.sent += message.len() as u64;
            self.received += answer.len() as u64;
            answers.push(merge(&self.graph, &self.global, &answer)?);
        }
        self.take(&answers, &shares(clients));
        self.round += 1;
        Ok(())
    }

    fn take(&mut self, answers: &[Params], shares: &[f64]) {
        let Some(merge) = self.algorithm.merge() else {
            return;
        };
        let updates: Vec<Vec<Vec<f32>>> = answers.iter().map(|a| self.update(a)).collect();
        let whole = self.whole_gram(&updates);
        for t in 0..self.global.len() {
            if !is_sent(self.graph.params[t].role, self.algorithm) {
                continue;
            }
            let own: Vec<&[f32]> = updates.iter().map(|u| u[t].as_slice()).collect();
            let w = if self.round == 0 && self.algorithm.starts_plain() {
                vec![1.0 / own.len() as f64; own.len()]
            } else {
                weights(merge, &own, shares, whole.as_ref(), self.kept)
            };
            add(&mut self.global[t], &own, &w);
        }
    }

    /// What a client's answer changes, tensor by tensor.
    fn update(&self, answer: &Params) -> Vec<Vec<f32>> {
        let minus = |(a, g): (&Vec<f32>, &Vec<f32>)| {
            a.iter().zip(g).map(|(x, y)| x - y).collect::<Vec<f32>>()
        };
        answer.iter().zip(&self.global).map(minus).collect()
    }

    /// Inner products of whole updates of trained parameters, where the algorithm looks at whole updates.
    fn whole_gram(&self, updates: &[Vec<Vec<f32>>]) -> Option<nalgebra::DMatrix<f64>> {
        if self.algorithm != Algorithm::FedGh {
            return None;
        }
        let m = updates.len();
        let mut sum = nalgebra::DMatrix::zeros(m, m);
        for (t, info) in self.graph.params.iter().enumerate() {
            // Running statistics are no gradients.
            if info.role != hilum_kernels::ParamRole::Buffer {
                let own: Vec<&[f32]> = updates.iter().map(|u| u[t].as_slice()).collect();
                sum += gram(&own);
            }
        }
        Some(sum)
    }
}

fn shares(clients: &dyn Transport) -> Vec<f64> {
    let sizes: Vec<f64> = (0..clients.count())
        .map(|k| clients.size(k) as f64)
        .collect();
    let all: f64 = sizes.iter().sum();
    sizes.iter().map(|s| s / all).collect()
}
