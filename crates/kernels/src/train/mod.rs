//! A training step: forward and backward over a [`Graph`], with storage that is kept from step to step.
//!
//! What backward will not need is given back during forward: a rectifier works in place or inside the batch
//! norm before it, and its mask is read off its output.

mod backward;
pub(crate) mod branches;
mod forward;
pub(crate) mod layers;
mod rules;
mod schedule;
pub(crate) mod slices;
pub(crate) mod tokens;

use std::time::Instant;

use crate::buffer::{Buffer, Pool};
use crate::error::KernelError;
use crate::graph::{Graph, NodeId, Params};
use crate::ops::batch_norm::{Line, Moments};
use crate::ops::layout;
use crate::parallel::on_pool;
use crate::tensor::Tensor;
use crate::timing::{Pass, Timing};
use crate::view::{Dims, View, ViewMut};
pub use rules::Rule;
use schedule::Schedule;

/// How layers behave that differ between training and use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics (running ones are moved), dropout drawn from the seed.
    Train {
        /// Seed of this step's dropout.
        seed: u64,
    },
    /// Running statistics, no dropout.
    Eval,
}

/// Which gradients `backward` is to return.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// Of the parameters.
    pub params: bool,
    /// Of the input.
    pub input: bool,
    /// Of the outputs of these nodes; name them in [`Trainer::retain`] before the forward pass.
    pub nodes: Vec<NodeId>,
    /// Keep the activations, so that another `backward` can follow the same `forward`.
    pub keep: bool,
    /// What layers pass down; parameters' gradients are only to be had under [`Rule::Gradient`].
    pub rule: Rule,
}

impl Wanted {
    /// The parameters' gradients, as a training step needs them.
    pub fn params() -> Self {
        Wanted {
            params: true,
            ..Wanted::default()
        }
    }
}

/// What `backward` returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// By parameter; `None` for buffers, for parameters that reach no output, and when not wanted.
    pub params: Vec<Option<Vec<f32>>>,
    /// Of the input.
    pub input: Option<Tensor>,
    /// Of the nodes asked for, in the order asked; zeros where no gradient arrives.
    pub nodes: Vec<(NodeId, Tensor)>,
}

/// What a layer keeps for its gradient besides activations.
#[derive(Debug, Default)]
enum Saved {
    #[default]
    Nothing,
    Norm(Norm),
    Places(Vec<u8>),
}

/// The normalisation a batch norm applied.
#[derive(Debug)]
struct Norm {
    moments: Moments,
    line: Line,
}

/// Executes a graph forward and backward.
#[derive(Debug)]
pub struct Trainer {
    graph: Graph,
    schedule: Schedule,
    retained: Vec<NodeId>,
    shapes: Vec<Vec<usize>>,
    /// The input as it came, for convolutions that read few channels.
    image: Option<Buffer>,
    values: Vec<Option<Buffer>>,
    grads: Vec<Option<Buffer>>,
    saved: Vec<Saved>,
    pool: Pool,
    mode: Option<Mode>,
    timings: Option<Vec<Timing>>,
}

impl Trainer {
    /// Prepares a graph.
    ///
    /// # Errors
    /// A graph whose structure does not hold; shapes are checked with the first input.
    pub fn new(graph: Graph) -> Result<Self, KernelError> {
        graph.check_structure()?;
        let schedule = Schedule::new(&graph, &[]);
        let count = graph.nodes.len();
        Ok(Trainer {
            schedule,
            retained: Vec::new(),
            shapes: Vec::new(),
            image: None,
            values: (0..count).map(|_| None).collect(),
            grads: (0..count).map(|_| None).collect(),
            saved: (0..count).map(|_| Saved::Nothing).collect(),
            pool: Pool::default(),
            mode: None,
            timings: None,
            graph,
        })
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Keeps the activations of these nodes readable, and their gradients available, from the next forward pass on
    /// (others may be overwritten or fused). Replaces the nodes named before.
    ///
    /// # Errors
    /// A node that does not exist.
    pub fn retain(&mut self, nodes: &[NodeId]) -> Result<(), KernelError> {
        if let Some(&id) = nodes.iter().find(|&&id| id >= self.graph.nodes.len()) {
            return Err(KernelError::UnknownNode { id });
        }
        self.retained = nodes.to_vec();
        self.schedule = Schedule::new(&self.graph, nodes);
        self.forget();
        Ok(())
    }

    /// The activation of a node after `forward`, `[n, c, h, w]` or `[n, c]`; `None` when it was not kept.
    pub fn activation(&self, node: NodeId) -> Option<Tensor> {
        self.values.get(node)?.as_ref()?;
        Some(self.tensor(node, self.value(node)))
    }

    /// Notes the time of every node from now on, or no longer.
    pub fn time_nodes(&mut self, on: bool) {
        self.timings = on.then(Vec::new);
    }

    /// The times noted since the last `forward` began; empty unless [`Trainer::time_nodes`] asked for them.
    pub fn timings(&self) -> &[Timing] {
        self.timings.as_deref().unwrap_or(&[])
    }

    fn note(&mut self, node: NodeId, pass: Pass, start: Instant) {
        if let Some(timings) = &mut self.timings {
            timings.push(Timing {
                node,
                pass,
                time: start.elapsed(),
            });
        }
    }

    /// Gives all storage back to the system.
    pub fn release(&mut self) {
        self.forget();
        self.pool.clear();
    }

    /// Drops activations and gradients of the last step, keeping their storage.
    fn forget(&mut self) {
        self.mode = None;
        for slot in self
            .values
            .iter_mut()
            .chain(&mut self.grads)
            .chain([&mut self.image])
        {
            if let Some(buffer) = slot.take() {
                self.pool.give(buffer);
            }
        }
    }

    fn dims(&self, node: NodeId) -> Dims {
        Dims::from_shape(&self.shapes[node])
    }

    /// The activation of a node the schedule keeps alive.
    fn value(&self, node: NodeId) -> View<'_> {
        let data: &[f32] = self.values[node].as_deref().unwrap_or(&[]);
        View::new(data, self.dims(node))
    }

    fn tensor(&self, node: NodeId, view: View) -> Tensor {
        let mut out = Tensor::zeros(&self.shapes[node]);
        layout::to_planar(view, &mut out.data);
        out
    }

    fn load(&mut self, node: NodeId, x: &Tensor) -> Buffer {
        let dims = self.dims(node);
        let mut buffer = self.pool.take(dims.stored());
        layout::to_blocked(&x.data, ViewMut::new(&mut buffer, dims));
        buffer
    }

    fn load_image(&mut self, x: &Tensor) {
        if self.schedule.input_in_blocks {
            self.values[0] = Some(self.load(0, x));
        }
        let mut image = self.pool.take(x.data.len());
        image.copy_from_slice(&x.data);
        self.image = Some(image);
    }

    /// Forward pass; returns the outputs in the order of [`Graph::outputs`] and keeps what `backward` needs.
    ///
    /// # Errors
    /// An input or parameters that do not fit the graph.
    pub fn forward(
        &mut self,
        params: &mut Params,
        x: &Tensor,
        mode: Mode,
    ) -> Result<Vec<Tensor>, KernelError> {
        self.prepare(params, x, mode)?;
        Ok(on_pool(|| self.run_forward(params, x, mode)))
    }

    fn run_forward(&mut self, params: &mut Params, x: &Tensor, mode: Mode) -> Vec<Tensor> {
        if let Some(timings) = &mut self.timings {
            timings.clear();
        }
        self.load_image(x);
        for id in 1..self.graph.nodes.len() {
            let start = Instant::now();
            self.forward_node(id, params, mode);
            self.note(id, Pass::Forward, start);
            self.drop_values_read_last_by(id);
        }
        self.mode = Some(mode);
        self.graph
            .outputs
            .iter()
            .map(|(_, id)| self.tensor(*id, self.value(*id)))
            .collect()
    }

    fn prepare(&mut self, params: &Params, x: &Tensor, mode: Mode) -> Result<(), KernelError> {
        let input =
            <[usize; 4]>::try_from(x.shape.as_slice()).map_err(|_| KernelError::InputRank {
                shape: x.shape.clone(),
            })?;
        if self.shapes.first().map(Vec::as_slice) != Some(&input[..]) {
            self.forget();
            self.pool.clear();
            self.shapes = self.graph.shapes(input)?;
        }
        if x.data.len() != self.dims(0).values() {
            return Err(KernelError::Length {
                shape: x.shape.clone(),
                len: x.data.len(),
            });
        }
        self.graph.check_params(params)?;
        self.graph.check_rows(x)?;
        if mode != Mode::Eval {
            self.check_statistics()?;
        }
        self.forget();
        Ok(())
    }

    /// Batch statistics of one value a channel are an error, as in PyTorch.
    fn check_statistics(&self) -> Result<(), KernelError> {
        for node in &self.graph.nodes {
            let Some(&input) = node.inputs.first() else {
                continue;
            };
            if matches!(node.op, crate::graph::Op::BatchNorm { .. })
                && self.dims(input).n * self.dims(input).pixels() < 2
            {
                return Err(KernelError::SingleValue {
                    node: node.name.clone(),
                    shape: self.shapes[input].clone(),
                });
            }
        }
        Ok(())
    }
}
