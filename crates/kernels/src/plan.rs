//! Inference: batch norm folded into the convolution before it, rectifiers done where the values are made,
//! weights packed once, storage reused from layer to layer and run to run.

use std::sync::Mutex;

use crate::buffer::{Buffer, Pool};
use crate::error::KernelError;
use crate::graph::{Graph, NodeId, Op, ParamId, Params};
use crate::ops::activation::Activation;
use crate::ops::batch_norm::Moments;
use crate::ops::conv::{self, Epilogue};
use crate::ops::{activation as act, batch_norm, copy, elementwise, global_pool, layout, pool, resize};
use crate::tensor::Tensor;
use crate::train::layers::{concat, conv_shape, global, linear_shape, window};
use crate::train::pointwise;
use crate::view::{Dims, View, ViewMut};

/// What a step computes.
#[derive(Debug)]
enum Kind {
    /// Convolution, transposed convolution or linear layer, with what follows it.
    Product { op: Op, packed: Vec<f32>, weight_shape: Vec<usize>, bias: Option<Vec<f32>>, after: Option<Activation> },
    /// Batch norm that could not be folded, with its rectifier.
    Affine { scale: Vec<f32>, shift: Vec<f32>, relu: bool },
    /// An activation on its own input's storage.
    InPlace(Option<Activation>),
    /// Any other layer.
    Layer(Op),
}

#[derive(Debug)]
struct Step {
    kind: Kind,
    inputs: Vec<NodeId>,
    /// The node whose activation this step makes.
    out: NodeId,
    /// Activations nobody reads after this step.
    done: Vec<NodeId>,
}

/// A network prepared for inference; `run` may be called from several threads at once.
#[derive(Debug)]
pub struct Plan {
    graph: Graph,
    steps: Vec<Step>,
    pools: Mutex<Vec<Pool>>,
}

impl Plan {
    /// Folds and packs the parameters.
    ///
    /// # Errors
    /// A graph whose structure does not hold, parameters that do not fit it.
    pub fn new(graph: &Graph, params: &Params) -> Result<Plan, KernelError> {
        graph.check_structure()?;
        graph.check_params(params)?;
        graph.check_references()?;
        let mut builder = Builder::new(graph, params);
        for id in 1..graph.nodes.len() {
            builder.add(id);
        }
        let mut steps = builder.steps;
        mark_done(graph, &mut steps);
        Ok(Plan { graph: graph.clone(), steps, pools: Mutex::new(Vec::new()) })
    }

    /// The outputs, in the order of [`Graph::outputs`], for an input `[n, c, h, w]`.
    ///
    /// # Errors
    /// An input that does not fit the graph.
    pub fn run(&self, x: &Tensor) -> Result<Vec<Tensor>, KernelError> {
        let input = <[usize; 4]>::try_from(x.shape.as_slice()).map_err(|_| KernelError::InputRank { shape: x.shape.clone() })?;
        let shapes = self.graph.shapes(input)?;
        let dims: Vec<Dims> = shapes.iter().map(|shape| Dims::from_shape(shape)).collect();
        if x.data.len() != dims[0].len() {
            return Err(KernelError::Length { shape: x.shape.clone(), len: x.data.len() });
        }
        let pool = self.pools.lock().ok().and_then(|mut pools| pools.pop()).unwrap_or_default();
        let mut run = Run { values: dims.iter().map(|_| None).collect(), dims, pool };
        run.load(x);
        for step in &self.steps {
            run.step(step);
        }
        let outputs = self.graph.outputs.iter().map(|(_, id)| run.tensor(*id, &shapes[*id])).collect();
        let pool = run.finish();
        if let Ok(mut pools) = self.pools.lock() {
            pools.push(pool);
        }
        Ok(outputs)
    }
}

fn mark_done(graph: &Graph, steps: &mut [Step]) {
    let mut last: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for (i, step) in steps.iter().enumerate() {
        for &id in step.inputs.iter().chain([&step.out]) {
            last[id] = Some(i);
        }
    }
    for (_, id) in &graph.outputs {
        last[*id] = None;
    }
    for (id, i) in last.iter().enumerate() {
        if let Some(i) = *i {
            steps[i].done.push(id);
        }
    }
}

struct Builder<'a> {
    graph: &'a Graph,
    params: &'a Params,
    readers: Vec<usize>,
    steps: Vec<Step>,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a Graph, params: &'a Params) -> Self {
        let mut readers = vec![0; graph.nodes.len()];
        let outputs = graph.outputs.iter().map(|(_, id)| id);
        graph.nodes.iter().flat_map(|node| &node.inputs).chain(outputs).for_each(|&id| readers[id] += 1);
        Builder { graph, params, readers, steps: Vec::new() }
    }

    /// The step that makes `node`, when nobody else reads it and it was the last one added or can still be changed.
    fn only_maker(&mut self, node: NodeId) -> Option<&mut Step> {
        if self.readers[node] != 1 {
            return None;
        }
        self.steps.iter_mut().rev().find(|step| step.out == node)
    }

    fn push(&mut self, out: NodeId, inputs: Vec<NodeId>, kind: Kind) {
        self.steps.push(Step { kind, inputs, out, done: Vec::new() });
    }

    fn add(&mut self, id: NodeId) {
        let node = &self.graph.nodes[id];
        match &node.op {
            Op::Conv2d { weight, bias, .. } | Op::ConvTranspose2d { weight, bias, .. } | Op::Linear { weight, bias } => {
                self.add_product(id, *weight, *bias);
            }
            Op::BatchNorm { .. } => self.add_norm(id),
            Op::Dropout { .. } => self.add_pointwise(id, None),
            op => match pointwise(op) {
                Some(kind) => self.add_pointwise(id, Some(kind)),
                None => self.push(id, node.inputs.clone(), Kind::Layer(op.clone())),
            },
        }
    }

    fn add_product(&mut self, id: NodeId, weight: ParamId, bias: Option<ParamId>) {
        let node = &self.graph.nodes[id];
        let kind = Kind::Product {
            op: node.op.clone(),
            packed: self.params[weight].clone(),
            weight_shape: self.graph.params[weight].shape.clone(),
            bias: bias.map(|b| self.params[b].clone()),
            after: None,
        };
        self.push(id, node.inputs.clone(), kind);
        pack(&mut self.steps);
    }

    fn add_norm(&mut self, id: NodeId) {
        let node = &self.graph.nodes[id];
        let Op::BatchNorm { weight, bias, mean, var, eps, .. } = node.op else { return };
        let params = self.params;
        let (scale, shift) = Moments::fixed(&params[mean], &params[var], eps).affine(&params[weight], &params[bias]);
        if let Some(step) = self.only_maker(node.inputs[0])
            && let Kind::Product { op, packed, bias, weight_shape, after: None } = &mut step.kind
            && weight_shape[usize::from(matches!(op, Op::ConvTranspose2d { .. }))] == scale.len()
        {
            let groups = if let Op::Conv2d { groups, .. } = op { *groups } else { 1 };
            fold(packed, groups, bias, &scale, shift);
            step.out = id;
            return;
        }
        self.push(id, node.inputs.clone(), Kind::Affine { scale, shift, relu: false });
    }

    fn add_pointwise(&mut self, id: NodeId, kind: Option<Activation>) {
        let input = self.graph.nodes[id].inputs[0];
        if let Some(step) = self.only_maker(input) {
            match (&mut step.kind, kind) {
                (Kind::Product { after: after @ None, .. }, kind) => *after = kind,
                (Kind::Affine { relu: relu @ false, .. }, Some(Activation::Relu)) => *relu = true,
                (_, None) => {}
                _ => return self.push(id, vec![input], Kind::InPlace(kind)),
            }
            step.out = id;
            return;
        }
        self.push(id, vec![input], Kind::InPlace(kind));
    }
}

/// Orders the weight of the newest step as its kernel reads it: output channels innermost.
fn pack(steps: &mut [Step]) {
    let Some(Step { kind: Kind::Product { op, packed, weight_shape, .. }, .. }) = steps.last_mut() else { return };
    let area: usize = weight_shape[2..].iter().product();
    let mut out = vec![0.0; packed.len()];
    let group = match op {
        Op::Conv2d { groups, .. } => [weight_shape[0] / *groups, weight_shape[1], area],
        Op::ConvTranspose2d { .. } => {
            layout::taps_out_in(packed, [weight_shape[0], weight_shape[1], area], &mut out);
            *packed = out;
            return;
        }
        _ => [weight_shape[0], weight_shape[1], 1],
    };
    let len = group.iter().product();
    for (src, dst) in packed.chunks(len).zip(out.chunks_mut(len)) {
        layout::taps_in_out(src, group, dst);
    }
    *packed = out;
}

/// Scales output channels (innermost in each group's block) and makes the shift part of the bias.
fn fold(packed: &mut [f32], groups: usize, bias: &mut Option<Vec<f32>>, scale: &[f32], shift: Vec<f32>) {
    let per_group = scale.len() / groups;
    let block = packed.len() / groups;
    for (weights, scale) in packed.chunks_mut(block).zip(scale.chunks(per_group)) {
        for row in weights.chunks_mut(per_group) {
            row.iter_mut().zip(scale).for_each(|(w, &s)| *w *= s);
        }
    }
    let old = bias.take().unwrap_or_else(|| vec![0.0; scale.len()]);
    *bias = Some((0..scale.len()).map(|ch| old[ch] * scale[ch] + shift[ch]).collect());
}

/// One inference under way.
struct Run {
    dims: Vec<Dims>,
    values: Vec<Option<Buffer>>,
    pool: Pool,
}

impl Run {
    fn load(&mut self, x: &Tensor) {
        let mut buffer = self.pool.take(x.data.len());
        layout::to_channels_last(&x.data, ViewMut::new(&mut buffer, self.dims[0]));
        self.values[0] = Some(buffer);
    }

    fn value(&self, node: NodeId) -> View<'_> {
        View::new(self.values[node].as_deref().unwrap_or(&[]), self.dims[node])
    }

    fn tensor(&self, node: NodeId, shape: &[usize]) -> Tensor {
        let mut out = Tensor::zeros(shape);
        layout::to_channels_first(self.value(node), &mut out.data);
        out
    }

    fn finish(mut self) -> Pool {
        for buffer in self.values.into_iter().flatten() {
            self.pool.give(buffer);
        }
        self.pool
    }

    fn step(&mut self, step: &Step) {
        let reused = match step.kind {
            Kind::InPlace(_) if step.done.contains(&step.inputs[0]) => self.values[step.inputs[0]].take(),
            _ => None,
        };
        let fresh = reused.is_none();
        let mut buffer = reused.unwrap_or_else(|| self.pool.take(self.dims[step.out].len()));
        self.compute(step, &mut buffer, fresh);
        self.values[step.out] = Some(buffer);
        for &id in &step.done {
            if let Some(buffer) = self.values[id].take() {
                self.pool.give(buffer);
            }
        }
    }

    fn compute(&self, step: &Step, buffer: &mut [f32], fresh: bool) {
        let dims = self.dims[step.out];
        let input = |i: usize| self.value(step.inputs[i]);
        match &step.kind {
            Kind::Product { op, packed, weight_shape, bias, after } => {
                let epilogue = Epilogue { bias: bias.as_deref(), after: *after };
                product(op, weight_shape, input(0), packed, epilogue, ViewMut::new(buffer, dims));
            }
            Kind::Affine { scale, shift, relu } => batch_norm::affine(input(0), scale, shift, *relu, ViewMut::new(buffer, dims)),
            Kind::InPlace(kind) => {
                if fresh {
                    copy::copy(input(0), ViewMut::new(buffer, dims));
                }
                if let Some(kind) = kind {
                    act::apply(*kind, buffer);
                }
            }
            Kind::Layer(Op::Concat) => concat(step.inputs.iter().map(|&i| self.value(i)), buffer, dims.c),
            Kind::Layer(op) => layer(op, &input, ViewMut::new(buffer, dims)),
        }
    }
}

fn product(op: &Op, weight: &[usize], x: View, packed: &[f32], epilogue: Epilogue, out: ViewMut) {
    if let Op::Linear { .. } = op {
        let shape = linear_shape(x.dims, out.dims);
        return conv::forward(x, packed, epilogue, &shape, out);
    }
    let Some(shape) = conv_shape(op, weight, x.dims, out.dims) else { return };
    match op {
        Op::ConvTranspose2d { .. } => conv::input_gradient(x, packed, epilogue, &shape, out),
        _ => conv::forward(x, packed, epilogue, &shape, out),
    }
}

/// Layers without parameters.
fn layer<'a>(op: &Op, input: &impl Fn(usize) -> View<'a>, out: ViewMut) {
    match op {
        Op::Add => elementwise::add(input(0), input(1), out),
        Op::Mul => elementwise::mul(input(0), input(1), out),
        Op::UpsampleLike { align_corners } => resize::bilinear(input(0), *align_corners, out),
        Op::FitLike => copy::fit(input(0), out),
        Op::Flatten => layout::to_channels_first(input(0), out.data),
        Op::MaxPool2d { .. } => {
            if let Some(window) = window(op) {
                pool::max(input(0), &window, out, None);
            }
        }
        _ => {
            if let Some(window) = window(op) {
                pool::avg(input(0), &window, out);
            } else if let Some(kind) = global(op) {
                global_pool::forward(kind, input(0), out);
            }
        }
    }
}
