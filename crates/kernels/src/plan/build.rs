//! From a graph to the steps of a plan.

use super::{Kind, ProductStep, Step};
use crate::conv::PackedWeights;
use crate::graph::{Graph, NodeId, Op, ParamId, Params};
use crate::ops::activation::Activation;
use crate::ops::batch_norm::{Line, Moments};
use crate::train::layers::{Product, pointwise};
use crate::train::tokens;
use crate::view::LANES;

/// A convolution before its weights are packed.
struct Draft {
    product: Product,
    weight: Vec<f32>,
    before: Option<(Line, bool)>,
    bias: Option<Vec<f32>>,
    add: Option<NodeId>,
    after: Option<Activation>,
}

enum DraftKind {
    Product(Draft),
    Affine { line: Line, relu: bool },
    Pointwise(Option<Activation>),
    Tokens(Op, Vec<ParamId>),
    Layer(Op),
}

struct DraftStep {
    kind: DraftKind,
    inputs: Vec<NodeId>,
    out: NodeId,
}

/// The steps of a graph and where their results live.
pub(super) fn steps(graph: &Graph, params: &Params) -> (Vec<Step>, Places) {
    let mut builder = Builder::new(graph, params);
    (1..graph.nodes.len()).for_each(|id| builder.add(id));
    builder.push_norms_into_readers();
    let drafts = builder.steps;
    let mut steps: Vec<Step> = drafts
        .into_iter()
        .map(|draft| finish(draft, params))
        .collect();
    let places = Places::new(graph, &steps);
    mark_done(graph, &mut steps, &places);
    (steps, places)
}

fn finish(draft: DraftStep, params: &Params) -> Step {
    let kind = match draft.kind {
        DraftKind::Product(p) => {
            let planar = draft.inputs[0] == 0 && p.product.planar() && p.before.is_none();
            let packed = PackedWeights::new(p.weight, p.product.spec, p.product.direction, planar);
            Kind::Product(Box::new(ProductStep {
                packed,
                before: p.before,
                bias: p.bias,
                add: p.add,
                after: p.after,
                planar,
            }))
        }
        DraftKind::Affine { line, relu } => Kind::Affine { line, relu },
        DraftKind::Pointwise(kind) => Kind::Pointwise(kind),
        DraftKind::Tokens(op, ids) => {
            Kind::Tokens(op, ids.iter().map(|&id| (id, params[id].clone())).collect())
        }
        DraftKind::Layer(op) => Kind::Layer(op),
    };
    Step {
        kind,
        inputs: draft.inputs,
        out: draft.out,
        done: Vec::new(),
    }
}

fn mark_done(graph: &Graph, steps: &mut [Step], places: &Places) {
    let mut last: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for (i, step) in steps.iter().enumerate() {
        for id in step.reads().chain([step.out]) {
            last[places.home(id).0] = Some(i);
        }
    }
    for (_, id) in &graph.outputs {
        last[places.home(*id).0] = None;
    }
    for (id, i) in last.iter().enumerate() {
        if let Some(i) = *i {
            steps[i].done.push(id);
        }
    }
}

/// Where each activation lives: in a buffer of its own, or among the channels of a concatenation.
#[derive(Debug)]
pub(super) struct Places {
    homes: Vec<(NodeId, usize)>,
}

impl Places {
    /// Node whose buffer holds the activation, and the block where it begins.
    pub fn home(&self, node: NodeId) -> (NodeId, usize) {
        self.homes[node]
    }

    /// The widest concatenations come first: what they join moves into their buffer, and narrower ones that
    /// join the same from the start on become parts of it.
    fn new(graph: &Graph, steps: &[Step]) -> Self {
        let channels = channels(graph);
        let mut homes: Vec<(NodeId, usize)> = (0..graph.nodes.len()).map(|id| (id, 0)).collect();
        let mut placed = vec![false; graph.nodes.len()];
        // The input is loaded apart; pointwise steps work on their input's storage.
        placed[0] = true;
        for step in steps
            .iter()
            .filter(|step| !matches!(step.kind, Kind::Layer(Op::Concat)))
        {
            if matches!(step.kind, Kind::Pointwise(_)) {
                placed[step.out] = true;
                placed[step.inputs[0]] = true;
            }
        }
        let joins: Vec<&Step> = steps
            .iter()
            .filter(|s| matches!(s.kind, Kind::Layer(Op::Concat)))
            .collect();
        for join in joins.iter().rev() {
            if !placed[join.out] {
                place(
                    join,
                    &channels,
                    (join.out, 0),
                    &joins,
                    &mut homes,
                    &mut placed,
                );
            }
        }
        let mut places = Places { homes };
        while places.settle(steps, &channels) {}
        places
    }

    /// Gives a buffer of its own to what would be read and written in one buffer at once; true when something changed.
    fn settle(&mut self, steps: &[Step], channels: &[usize]) -> bool {
        for step in steps {
            let (home, mut block) = self.homes[step.out];
            if !matches!(step.kind, Kind::Layer(Op::Concat)) {
                if home != step.out && step.reads().any(|id| self.homes[id].0 == home) {
                    self.homes[step.out] = (step.out, 0);
                    return true;
                }
                continue;
            }
            for &input in &step.inputs {
                if self.homes[input].0 == home && self.homes[input].1 != block {
                    self.homes[input] = (input, 0);
                    return true;
                }
                block += channels[input].div_ceil(LANES);
            }
        }
        false
    }
}

fn place(
    join: &Step,
    channels: &[usize],
    (home, first): (NodeId, usize),
    joins: &[&Step],
    homes: &mut [(NodeId, usize)],
    placed: &mut [bool],
) {
    let whole = join
        .inputs
        .iter()
        .all(|&i| channels[i].is_multiple_of(LANES));
    if !whole {
        return;
    }
    placed[join.out] = true;
    homes[join.out] = (home, first);
    let mut block = first;
    for (k, &input) in join.inputs.iter().enumerate() {
        if !placed[input] && !join.inputs[..k].contains(&input) {
            placed[input] = true;
            homes[input] = (home, block);
            if let Some(inner) = joins.iter().find(|j| j.out == input) {
                place(inner, channels, (home, block), joins, homes, placed);
            }
        }
        block += channels[input] / LANES;
    }
    // Narrower joins of the same first inputs.
    for other in joins
        .iter()
        .filter(|j| j.out < join.out && j.inputs.len() < join.inputs.len())
    {
        if !placed[other.out] && other.inputs[..] == join.inputs[..other.inputs.len()] {
            placed[other.out] = true;
            homes[other.out] = (home, first);
        }
    }
}

/// Channels of each node; zero where the graph does not tell without an input (flattened images).
fn channels(graph: &Graph) -> Vec<usize> {
    let mut channels: Vec<usize> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.nodes.iter().enumerate() {
        let of = |i: usize| node.inputs.get(i).map_or(0, |&n| channels[n]);
        let count = match &node.op {
            Op::Input { channels } => *channels,
            Op::Concat => node.inputs.iter().map(|&i| channels[i]).sum(),
            Op::Flatten => 1,
            Op::PixelShuffle { factor } => of(0) / (factor * factor).max(1),
            Op::GatherSlices { window } => of(0) * window.taps,
            Op::SpreadSlices { window } => of(0) / window.taps.max(1),
            Op::Embedding { weight, .. } | Op::PositionEmbedding { weight, .. } => {
                graph.params[*weight].shape.last().copied().unwrap_or(0)
            }
            _ => Product::of(graph, id).map_or_else(|| of(0), |p| p.outputs()),
        };
        channels.push(count);
    }
    channels
}

/// The parameters that a layer for sequences reads.
fn token_params(op: &Op) -> Vec<ParamId> {
    match *op {
        Op::Embedding { weight, .. }
        | Op::PositionEmbedding { weight, .. }
        | Op::PrependToken { weight } => vec![weight],
        Op::LayerNorm { weight, bias, .. } => vec![weight, bias],
        _ => Vec::new(),
    }
}

struct Builder<'a> {
    graph: &'a Graph,
    params: &'a Params,
    readers: Vec<usize>,
    steps: Vec<DraftStep>,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a Graph, params: &'a Params) -> Self {
        let mut readers = vec![0; graph.nodes.len()];
        let outputs = graph.outputs.iter().map(|(_, id)| id);
        graph
            .nodes
            .iter()
            .flat_map(|node| &node.inputs)
            .chain(outputs)
            .for_each(|&id| readers[id] += 1);
        Builder {
            graph,
            params,
            readers,
            steps: Vec::new(),
        }
    }

    /// The step that makes `node`, when nobody else reads it.
    fn only_maker(&mut self, node: NodeId) -> Option<&mut DraftStep> {
        if self.readers[node] != 1 {
            return None;
        }
        self.steps.iter_mut().rev().find(|step| step.out == node)
    }

    fn push(&mut self, out: NodeId, inputs: Vec<NodeId>, kind: DraftKind) {
        self.steps.push(DraftStep { kind, inputs, out });
    }

    fn add(&mut self, id: NodeId) {
        let node = &self.graph.nodes[id];
        if let Some(product) = Product::of(self.graph, id) {
            let draft = Draft {
                product,
                weight: self.params[product.weight].clone(),
                before: None,
                bias: product.bias.map(|b| self.params[b].clone()),
                add: None,
                after: None,
            };
            return self.push(id, node.inputs.clone(), DraftKind::Product(draft));
        }
        match &node.op {
            Op::BatchNorm { .. } => self.add_norm(id),
            Op::Dropout { .. } => self.add_pointwise(id, None),
            Op::Add if self.add_sum(id) => {}
            op if tokens::is(op) => {
                let kind = DraftKind::Tokens(op.clone(), token_params(op));
                self.push(id, node.inputs.clone(), kind);
            }
            op => match pointwise(op) {
                Some(kind) => self.add_pointwise(id, Some(kind)),
                None => self.push(id, node.inputs.clone(), DraftKind::Layer(op.clone())),
            },
        }
    }

    fn add_norm(&mut self, id: NodeId) {
        let node = &self.graph.nodes[id];
        let Op::BatchNorm {
            weight,
            bias,
            mean,
            var,
            eps,
            ..
        } = node.op
        else {
            return;
        };
        let params = self.params;
        let line =
            Moments::fixed(&params[mean], &params[var], eps).affine(&params[weight], &params[bias]);
        if let Some(step) = self.only_maker(node.inputs[0])
            && let DraftKind::Product(draft) = &mut step.kind
            && draft.after.is_none()
            && draft.add.is_none()
            && draft.product.outputs() == params[weight].len()
        {
            draft.fold(&line);
            step.out = id;
            return;
        }
        self.push(
            id,
            node.inputs.clone(),
            DraftKind::Affine { line, relu: false },
        );
    }

    fn add_pointwise(&mut self, id: NodeId, kind: Option<Activation>) {
        let input = self.graph.nodes[id].inputs[0];
        if let Some(step) = self.only_maker(input) {
            let merged = match (&mut step.kind, kind) {
                (
                    DraftKind::Product(Draft {
                        after: after @ None,
                        ..
                    }),
                    kind,
                ) => {
                    *after = kind;
                    true
                }
                (
                    DraftKind::Affine {
                        relu: relu @ false, ..
                    },
                    Some(Activation::Relu),
                ) => {
                    *relu = true;
                    true
                }
                (_, None) => true,
                _ => false,
            };
            if merged {
                step.out = id;
                return;
            }
        }
        self.push(id, vec![input], DraftKind::Pointwise(kind));
    }

    /// Lets the convolution that is computed later add the other term; false when neither term is one.
    fn add_sum(&mut self, id: NodeId) -> bool {
        let inputs = &self.graph.nodes[id].inputs;
        let (a, b) = (inputs[0], inputs[1]);
        if a == b {
            return false;
        }
        let at = |node: NodeId| self.steps.iter().position(|step| step.out == node);
        let (later, term) = if at(a) > at(b) { (a, b) } else { (b, a) };
        if let Some(step) = self.only_maker(later)
            && let DraftKind::Product(draft) = &mut step.kind
            && draft.after.is_none()
            && draft.add.is_none()
        {
            draft.add = Some(term);
            step.out = id;
            return true;
        }
        false
    }

    /// A normalisation that only convolutions read is applied as they read.
    fn push_norms_into_readers(&mut self) {
        let mut at = 0;
        while at < self.steps.len() {
            if self.try_push_norm(at) {
                self.steps.remove(at);
            } else {
                at += 1;
            }
        }
    }

    fn try_push_norm(&mut self, at: usize) -> bool {
        let (out, input) = (
            self.steps[at].out,
            self.steps[at].inputs[0..].first().copied(),
        );
        let (DraftKind::Affine { line, relu }, Some(input)) = (&self.steps[at].kind, input) else {
            return false;
        };
        let (line, relu) = (line.clone(), *relu);
        let is_reader = |step: &DraftStep| {
            step.inputs.contains(&out)
                || matches!(&step.kind, DraftKind::Product(d) if d.add == Some(out))
        };
        let takes = |step: &DraftStep| matches!(&step.kind, DraftKind::Product(d) if d.product.maps_input() && d.before.is_none() && d.add != Some(out));
        let named = self.graph.outputs.iter().any(|(_, id)| *id == out);
        if named || input == 0 || !self.steps.iter().filter(|s| is_reader(s)).all(takes) {
            return false;
        }
        for step in self.steps.iter_mut().filter(|s| is_reader(s)) {
            if let DraftKind::Product(draft) = &mut step.kind {
                draft.before = Some((line.clone(), relu));
                step.inputs = vec![input];
            }
        }
        true
    }
}

impl Draft {
    /// Scales the weights of each output channel and makes the shift part of the bias.
    fn fold(&mut self, line: &Line) {
        let (outputs, spec) = (self.product.outputs(), &self.product.spec);
        let taps = spec.taps();
        match self.product.direction {
            crate::conv::Direction::Forward => {
                let per = self.weight.len() / outputs;
                self.weight
                    .chunks_mut(per)
                    .zip(&line.scale)
                    .for_each(|(w, s)| w.iter_mut().for_each(|v| *v *= s));
            }
            // Transposed: `[in, out, kh, kw]`.
            crate::conv::Direction::Backward => {
                for (i, w) in self.weight.chunks_mut(taps).enumerate() {
                    w.iter_mut().for_each(|v| *v *= line.scale[i % outputs]);
                }
            }
        }
        let old = self.bias.take().unwrap_or_else(|| vec![0.0; outputs]);
        self.bias = Some(
            (0..outputs)
                .map(|ch| old[ch] * line.scale[ch] + line.shift[ch])
                .collect(),
        );
    }
}
