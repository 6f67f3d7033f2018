//! Which layers are fused or work in place, and how long each activation lives.

use super::layers::{Product, input_in_blocks, pointwise, readers};
use crate::branch_shapes;
use crate::graph::{Graph, NodeId, Op};
use crate::ops::activation::Activation;
use crate::slice_shapes;

/// How a node is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// On its own.
    Plain,
    /// Its work is done by the node after it.
    Absorbed,
    /// A rectifier that does the work of the batch norm before it.
    BnRelu,
    /// The same, but never stored: the convolutions that read it apply it as they read.
    Lazy,
    /// Overwrites its input.
    InPlace,
}

impl Way {
    /// The node stands for a batch norm and its rectifier.
    pub fn norm(self) -> bool {
        matches!(self, Way::BnRelu | Way::Lazy)
    }
}

#[derive(Debug)]
pub(super) struct Schedule {
    pub way: Vec<Way>,
    /// The last node to read each activation in the forward pass.
    pub last_reader: Vec<NodeId>,
    /// True when the activation must outlive the forward pass.
    pub keep: Vec<bool>,
    /// True when the activation must outlive the backward pass.
    pub visible: Vec<bool>,
    /// True when the input is needed in blocks too.
    pub input_in_blocks: bool,
}

/// True when the layer's gradient reads its own output.
fn reads_output(op: &Op) -> bool {
    match pointwise(op) {
        Some(kind) => kind.from_output(),
        None => matches!(op, Op::GlobalMaxPool | Op::GlobalLsePool { .. }),
    }
}

/// True when the layer's gradient reads its inputs.
fn reads_inputs(op: &Op) -> bool {
    match pointwise(op) {
        Some(kind) => !kind.from_output(),
        None if slice_shapes::is(op) => slice_shapes::reads_input(op),
        None if branch_shapes::is(op) => branch_shapes::reads_inputs(op),
        None => matches!(
            op,
            Op::Conv2d { .. }
                | Op::ConvTranspose2d { .. }
                | Op::Linear { .. }
                | Op::BatchNorm { .. }
                | Op::Embedding { .. }
                | Op::LayerNorm { .. }
                | Op::Attention { .. }
                | Op::ChannelAttention { .. }
                | Op::Mul
                | Op::GlobalMaxPool
                | Op::GlobalLsePool { .. }
        ),
    }
}

impl Schedule {
    pub fn new(graph: &Graph, retained: &[NodeId]) -> Self {
        let count = graph.nodes.len();
        let mut visible = vec![false; count];
        for &id in retained
            .iter()
            .chain(graph.outputs.iter().map(|(_, id)| id))
        {
            visible[id] = true;
        }
        let way = ways(graph, &visible);
        let mut last_reader: Vec<NodeId> = (0..count).collect();
        let mut keep = visible.clone();
        for (id, node) in graph.nodes.iter().enumerate() {
            if way[id] == Way::Absorbed {
                continue;
            }
            let inputs = if way[id].norm() {
                &graph.nodes[node.inputs[0]].inputs
            } else {
                &node.inputs
            };
            for &input in inputs {
                last_reader[input] = id;
                keep[input] |= way[id].norm() || reads_inputs(&node.op);
            }
            keep[id] |= way[id] != Way::BnRelu && reads_output(&node.op);
        }
        let input_in_blocks = input_in_blocks(graph) || visible[0];
        Schedule {
            way,
            last_reader,
            keep,
            visible,
            input_in_blocks,
        }
    }
}

fn ways(graph: &Graph, visible: &[bool]) -> Vec<Way> {
    let readers = readers(graph);
    let mut way = vec![Way::Plain; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        let Some(&input) = node.inputs.first() else {
            continue;
        };
        let before = &graph.nodes[input].op;
        let alone = readers[input].len() == 1 && !visible[input] && input != 0;
        if alone && node.op == Op::Relu && matches!(before, Op::BatchNorm { .. }) {
            let mapped =
                |&reader: &NodeId| Product::of(graph, reader).is_some_and(|p| p.maps_input());
            let lazy = !visible[id] && readers[id].iter().all(mapped);
            way[input] = Way::Absorbed;
            way[id] = if lazy { Way::Lazy } else { Way::BnRelu };
        } else if alone && overwrites(&node.op) && !reads_output(before) && !way[input].norm() {
            way[id] = Way::InPlace;
        }
    }
    way
}

/// True when a layer may overwrite its input.
fn overwrites(op: &Op) -> bool {
    matches!(op, Op::Dropout { .. }) || pointwise(op).is_some_and(Activation::from_output)
}
