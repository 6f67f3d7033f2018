//! The server: sends the global state dict, merges the answers, and keeps count of what crossed.

use super::algorithm::{Algorithm, Merge};
use super::gather::Gather;
use super::memory::{Load, Memory};
use super::state::{pack, unpack};
use super::transport::Transport;
use crate::error::{MethodError, Result};
use hilum_kernels::{Graph, Params};

/// The server of one federation. It has no cases.
pub struct Server {
    graph: Graph,
    algorithm: Algorithm,
    kept: f64,
    global: Params,
    round: usize,
    memory: Memory,
    /// Bytes sent to all clients.
    pub sent: u64,
    /// Bytes that came from all clients.
    pub received: u64,
    /// Bytes that it held at once at most, by [`Load::needed`].
    pub held: u64,
}

impl Server {
    /// A server whose global weights are `start`.
    pub fn new(
        graph: &Graph,
        start: Params,
        (algorithm, kept): (Algorithm, f64),
        memory: Memory,
    ) -> Self {
        Server {
            graph: graph.clone(),
            algorithm,
            kept,
            global: start,
            round: 0,
            memory,
            sent: 0,
            received: 0,
            held: 0,
        }
    }

    /// The global weights.
    pub fn global(&self) -> &Params {
        &self.global
    }

    /// One round over all clients. Where the algorithm sends nothing, every client goes on by itself.
    ///
    /// # Errors
    /// A client that fails; an answer that does not fit, with the client's name; more clients than [`Memory`] allows.
    pub fn round(&mut self, clients: &mut dyn Transport) -> Result<()> {
        match self.algorithm.merge() {
            None => clients.alone(),
            Some(merge) => self.merge(merge, clients),
        }
    }

    fn merge(&mut self, merge: Merge, clients: &mut dyn Transport) -> Result<()> {
        let message = pack(&self.graph, &self.global, self.algorithm)?;
        let (length, count) = (message.len(), clients.count());
        let load = Load {
            merge,
            clients: count,
            state: 4 * self.global.iter().map(Vec::len).sum::<usize>(),
            message: length,
        };
        let at_once = clients.at_once(self.memory.at_once(load)?);
        self.held = self.held.max(load.needed(at_once));
        let names: Vec<String> = (0..count).map(|k| clients.name(k)).collect();
        let first = self.round == 0;
        let shares = shares(clients);
        let mut gather = Gather::new(self.algorithm, merge, first, shares, self.kept);
        let (mut sent, mut received) = (0, 0);
        clients.ask(message, at_once, &mut |k, answer| {
            sent += length as u64;
            received += answer.len() as u64;
            let params = unpack(&self.graph, &self.global, answer, self.algorithm);
            let params = params.map_err(|source| MethodError::Client {
                client: names[k].clone(),
                source: Box::new(source),
            })?;
            gather.take(k, params, &self.global);
            Ok(())
        })?;
        gather.finish(&self.graph, self.algorithm, &mut self.global);
        self.sent += sent;
        self.received += received;
        self.round += 1;
        Ok(())
    }
}

fn shares(clients: &dyn Transport) -> Vec<f64> {
    let sizes: Vec<f64> = (0..clients.count())
        .map(|k| clients.size(k) as f64)
        .collect();
    let all: f64 = sizes.iter().sum();
    sizes.iter().map(|s| s / all).collect()
}
