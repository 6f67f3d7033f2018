//! How the clients' answers come together at the server, and how much of them it holds.
//!
//! Where a client's weight is known before its answer is, the answer is added to a running sum and forgotten: the server holds
//! the same whatever the number of clients. Principal gradients, their lengths and harmonisation look at all updates,
//! so those are held, once each; what is made of them is made tensor by tensor. `memory` says what it comes to.

use super::aggregate::{add, gram, weights};
use super::algorithm::{Algorithm, Merge};
use super::state::is_sent;
use hilum_kernels::{Graph, ParamRole, Params};
use nalgebra::DMatrix;

/// Answers of one round.
pub enum Gather {
    /// A running sum of weighted updates.
    Sum {
        /// Weight of each client.
        weights: Vec<f64>,
        /// The sum, tensor by tensor; empty before the first answer.
        sum: Vec<Vec<f64>>,
    },
    /// All updates.
    Updates {
        /// What is made of them.
        merge: Merge,
        /// Share of the cases of each client.
        shares: Vec<f64>,
        /// Share of the principal directions that are kept.
        kept: f64,
        /// A client's answer minus the global state.
        updates: Vec<Params>,
    },
}

impl Gather {
    /// For one round. The first one of the paper's takes the plain mean ([`Algorithm::takes_plain_mean`]).
    pub fn new(
        algorithm: Algorithm,
        merge: Merge,
        first: bool,
        shares: Vec<f64>,
        kept: f64,
    ) -> Self {
        let plain = algorithm.takes_plain_mean(first);
        if plain || merge == Merge::Weighted {
            let weights = if plain {
                vec![1.0 / shares.len() as f64; shares.len()]
            } else {
                shares
            };
            return Gather::Sum {
                weights,
                sum: Vec::new(),
            };
        }
        Gather::Updates {
            merge,
            shares,
            kept,
            updates: Vec::new(),
        }
    }

    /// Takes a client's answer.
    pub fn take(&mut self, client: usize, mut answer: Params, global: &Params) {
        for (own, global) in answer.iter_mut().zip(global) {
            own.iter_mut().zip(global).for_each(|(a, g)| *a -= g);
        }
        match self {
            Gather::Updates { updates, .. } => updates.push(answer),
            Gather::Sum { weights, sum } => {
                if sum.is_empty() {
                    sum.extend(global.iter().map(|g| vec![0.0; g.len()]));
                }
                for (sum, update) in sum.iter_mut().zip(&answer) {
                    for (s, u) in sum.iter_mut().zip(update) {
                        *s += f64::from(*u) * weights[client];
                    }
                }
            }
        }
    }

    /// Moves the global state by what came together.
    pub fn finish(self, graph: &Graph, algorithm: Algorithm, global: &mut Params) {
        let sent = |t: &usize| is_sent(graph.params[*t].role, algorithm);
        match self {
            Gather::Sum { sum, .. } => {
                for t in (0..sum.len()).filter(sent) {
                    for (v, s) in global[t].iter_mut().zip(&sum[t]) {
                        *v = (f64::from(*v) + s) as f32;
                    }
                }
            }
            Gather::Updates {
                merge,
                shares,
                kept,
                updates,
            } => {
                let whole = (merge == Merge::Harmonised).then(|| whole_gram(graph, &updates));
                for t in (0..global.len()).filter(sent) {
                    let own = tensor(&updates, t);
                    let w = weights(merge, &own, &shares, whole.as_ref(), kept);
                    add(&mut global[t], &own, &w);
                }
            }
        }
    }
}

fn tensor(updates: &[Params], t: usize) -> Vec<&[f32]> {
    updates.iter().map(|u| u[t].as_slice()).collect()
}

/// Inner products of whole updates of trained parameters.
fn whole_gram(graph: &Graph, updates: &[Params]) -> DMatrix<f64> {
    let m = updates.len();
    let mut sum = DMatrix::zeros(m, m);
    for (t, info) in graph.params.iter().enumerate() {
        // Running statistics are no gradients.
        if info.role != ParamRole::Buffer {
            sum += gram(&tensor(updates, t));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::study::Settings;
    use crate::fedld::Config;
    use crate::fedld::config::TaskName;

    #[test]
    fn a_running_sum_is_the_weighted_mean_and_held_updates_give_the_same_for_equal_clients() {
        let graph = Config::tiny().network(TaskName::Nih).graph();
        let global = graph.init_params(1);
        let answers: Vec<Params> = (2..5).map(|s| graph.init_params(s)).collect();
        let shares = vec![0.5, 0.3, 0.2];
        let merged = |algorithm: Algorithm, answers: &[Params], first| {
            let merge = algorithm.merge().unwrap();
            let mut gather = Gather::new(algorithm, merge, first, shares.clone(), 0.8);
            for (k, answer) in answers.iter().enumerate() {
                gather.take(k, answer.clone(), &global);
            }
            let mut moved = global.clone();
            gather.finish(&graph, algorithm, &mut moved);
            moved
        };
        let near = |a: &Params, b: &Params| {
            let pairs = a.iter().flatten().zip(b.iter().flatten());
            pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f32::max) < 1e-5
        };
        let mean = |weights: [f32; 3]| -> Params {
            let tensor = |t: usize| {
                let value = |i| (0..3).map(|k| weights[k] * answers[k][t][i]).sum();
                (0..global[t].len()).map(value).collect()
            };
            (0..global.len()).map(tensor).collect()
        };
        let weighted = merged(Algorithm::FedAvg, &answers, false);
        assert!(near(&weighted, &mean([0.5, 0.3, 0.2])));
        for (algorithm, first) in [
            (Algorithm::FedLd, true),
            (Algorithm::WithoutPrincipal, false),
        ] {
            assert!(near(
                &merged(algorithm, &answers, first),
                &mean([1.0 / 3.0; 3])
            ));
        }
        // All alike: every algorithm goes where they are.
        let alike = vec![answers[0].clone(); 3];
        for algorithm in [Algorithm::FedLd, Algorithm::FedGh, Algorithm::NormMatched] {
            assert!(near(&merged(algorithm, &alike, false), &alike[0]));
        }
    }
}
