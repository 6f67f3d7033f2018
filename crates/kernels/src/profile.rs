//! Where the time of an inference or a training step goes, by kind of layer.

use std::collections::BTreeMap;

use crate::error::KernelError;
use crate::graph::{Graph, NodeId, Op, Params};
use crate::plan::Plan;
use crate::tensor::Tensor;
use crate::timing::{Pass, Timing};

/// Layers of one kind and size, in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerTime {
    /// Kind and size, e.g. `3x3 stride 1, 56x56 results`.
    pub layers: String,
    /// Direction.
    pub pass: Pass,
    /// How many there are in the network.
    pub count: usize,
    /// Milliseconds of one run, all of them together.
    pub ms: f64,
    /// Multiply-adds of one run; 0 where a layer has none to speak of.
    pub macs: f64,
}

/// Mean over `runs` inferences (after one that is not counted), the slowest first. A fused layer counts with the
/// convolution that it was fused behind.
///
/// # Errors
/// As [`Plan::new`] and [`Plan::run`].
pub fn inference(
    graph: &Graph,
    params: &Params,
    x: &Tensor,
    runs: usize,
) -> Result<Vec<LayerTime>, KernelError> {
    let plan = Plan::new(graph, params)?;
    plan.run(x)?;
    let mut timings = Vec::new();
    for _ in 0..runs {
        timings.extend(plan.run_timed(x)?.1);
    }
    table(graph, x, &timings, runs, true)
}

/// Sums the times of `runs` runs, taken by [`crate::Trainer::timings`] or [`Plan::run_timed`], by kind of layer.
///
/// # Errors
/// An input that does not fit the graph.
pub fn table(
    graph: &Graph,
    x: &Tensor,
    timings: &[Timing],
    runs: usize,
    fused: bool,
) -> Result<Vec<LayerTime>, KernelError> {
    let input = <[usize; 4]>::try_from(x.shape.as_slice()).map_err(|_| KernelError::InputRank {
        shape: x.shape.clone(),
    })?;
    let shapes = graph.shapes(input)?;
    let mut rows: BTreeMap<(String, bool), LayerTime> = BTreeMap::new();
    let share = 1.0 / runs.max(1) as f64;
    for timing in timings {
        let (layers, macs) = describe(graph, &shapes, timing.node, fused);
        let backward = timing.pass == Pass::Backward;
        let row = rows
            .entry((layers.clone(), backward))
            .or_insert_with(|| LayerTime {
                layers,
                pass: timing.pass,
                count: 0,
                ms: 0.0,
                macs: 0.0,
            });
        row.ms += timing.time.as_secs_f64() * 1e3 * share;
        row.count += 1;
        // Backward means two convolutions: the gradients of input and weights.
        row.macs += macs * share * if backward { 2.0 } else { 1.0 };
    }
    let mut rows: Vec<LayerTime> = rows.into_values().collect();
    rows.iter_mut().for_each(|r| r.count /= runs.max(1));
    rows.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Ok(rows)
}

/// Kind of a layer and its multiply-adds. With `fused` the convolution that others were fused behind counts.
fn describe(graph: &Graph, shapes: &[Vec<usize>], id: NodeId, fused: bool) -> (String, f64) {
    let mut at = id;
    loop {
        let node = &graph.nodes[at];
        let values = |id: usize| shapes[id].iter().product::<usize>() as f64;
        match &node.op {
            Op::Conv2d { weight, stride, .. } => {
                let w = &graph.params[*weight].shape;
                let (height, width) = (shapes[at][2], shapes[at][3]);
                let name = format!(
                    "{}x{} stride {}, {height}x{width} results",
                    w[2], w[3], stride[0]
                );
                return (name, values(at) * (w[1] * w[2] * w[3]) as f64);
            }
            Op::ConvTranspose2d { weight, .. } => {
                let w = &graph.params[*weight].shape;
                let macs = values(node.inputs[0]) * (w[1] * w[2] * w[3]) as f64;
                return ("transposed convolution".into(), macs);
            }
            Op::BatchNorm { .. } | Op::Relu | Op::Add if fused => {
                let makes = |i: &usize| {
                    matches!(
                        graph.nodes[*i].op,
                        Op::Conv2d { .. } | Op::BatchNorm { .. } | Op::Add
                    )
                };
                match node.inputs.iter().copied().filter(makes).max() {
                    Some(maker) => at = maker,
                    None => return (kind(&graph.nodes[id].op), 0.0),
                }
            }
            op => return (kind(op), 0.0),
        }
    }
}

fn kind(op: &Op) -> String {
    let name = format!("{op:?}");
    name.split([' ', '{'])
        .next()
        .unwrap_or_default()
        .to_string()
}
