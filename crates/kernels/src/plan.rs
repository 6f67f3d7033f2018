//! Inference: batch norm folded into the convolution before it or applied as the convolution behind it reads,
//! rectifiers and residual sums done while values are in registers, weights packed once, storage reused from
//! layer to layer and run to run, concatenations laid out so that nothing is copied.

mod build;

use std::sync::Mutex;
use std::time::Instant;

use crate::branch_shapes;
use crate::buffer::{Buffer, Pool};
use crate::conv::{Affine, Epilogue, PackedWeights, Source, correlate};
use crate::error::KernelError;
use crate::graph::{Graph, NodeId, Op, ParamId, Params};
use crate::ops::activation::{self, Activation};
use crate::ops::batch_norm::{self, Line};
use crate::ops::{copy, elementwise, global_pool, layout, pool, resize};
use crate::parallel::on_pool;
use crate::slice_shapes;
use crate::tensor::Tensor;
use crate::timing::{Pass, Timing};
use crate::train::layers::{global, input_in_blocks, window};
use crate::train::{branches, slices, tokens};
use crate::view::{Dims, LANES, View, ViewMut};
use build::Places;

/// What a step computes.
#[derive(Debug)]
enum Kind {
    /// Convolution, transposed convolution or linear layer, with what comes before and after it.
    Product(Box<ProductStep>),
    /// Batch norm that could not be folded, with its rectifier.
    Affine { line: Line, relu: bool },
    /// An activation, on its own input's storage where it can be.
    Pointwise(Option<Activation>),
    /// A layer for sequences, with the parameters it reads.
    Tokens(Op, Vec<(ParamId, Vec<f32>)>),
    /// Any other layer.
    Layer(Op),
}

#[derive(Debug)]
struct ProductStep {
    packed: PackedWeights<'static>,
    /// Applied to the input as it is read.
    before: Option<(Line, bool)>,
    bias: Option<Vec<f32>>,
    /// A node whose activation is added.
    add: Option<NodeId>,
    after: Option<Activation>,
    planar: bool,
}

#[derive(Debug)]
struct Step {
    kind: Kind,
    inputs: Vec<NodeId>,
    /// The node whose activation this step makes.
    out: NodeId,
    /// Storage nobody reads after this step.
    done: Vec<NodeId>,
}

impl Step {
    fn reads(&self) -> impl Iterator<Item = NodeId> + '_ {
        let add = match &self.kind {
            Kind::Product(step) => step.add,
            _ => None,
        };
        self.inputs.iter().copied().chain(add)
    }
}

/// A network prepared for inference; `run` may be called from several threads at once.
#[derive(Debug)]
pub struct Plan {
    graph: Graph,
    steps: Vec<Step>,
    places: Places,
    input_in_blocks: bool,
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
        let (steps, places) = build::steps(graph, params);
        Ok(Plan {
            graph: graph.clone(),
            steps,
            places,
            input_in_blocks: input_in_blocks(graph),
            pools: Mutex::new(Vec::new()),
        })
    }

    /// The outputs, in the order of [`Graph::outputs`], for an input `[n, c, h, w]`.
    ///
    /// # Errors
    /// An input that does not fit the graph.
    pub fn run(&self, x: &Tensor) -> Result<Vec<Tensor>, KernelError> {
        self.run_noting(x, &mut None)
    }

    /// As [`Plan::run`], with the time of every step.
    ///
    /// # Errors
    /// An input that does not fit the graph.
    pub fn run_timed(&self, x: &Tensor) -> Result<(Vec<Tensor>, Vec<Timing>), KernelError> {
        let mut timings = Some(Vec::new());
        let outputs = self.run_noting(x, &mut timings)?;
        Ok((outputs, timings.unwrap_or_default()))
    }

    fn run_noting(
        &self,
        x: &Tensor,
        timings: &mut Option<Vec<Timing>>,
    ) -> Result<Vec<Tensor>, KernelError> {
        let input =
            <[usize; 4]>::try_from(x.shape.as_slice()).map_err(|_| KernelError::InputRank {
                shape: x.shape.clone(),
            })?;
        let shapes = self.graph.shapes(input)?;
        let dims: Vec<Dims> = shapes.iter().map(|shape| Dims::from_shape(shape)).collect();
        if x.data.len() != dims[0].values() {
            return Err(KernelError::Length {
                shape: x.shape.clone(),
                len: x.data.len(),
            });
        }
        self.graph.check_rows(x)?;
        let pool = self
            .pools
            .lock()
            .ok()
            .and_then(|mut pools| pools.pop())
            .unwrap_or_default();
        let run = Run {
            image: &x.data,
            places: &self.places,
            values: dims.iter().map(|_| None).collect(),
            dims,
            pool,
        };
        let (outputs, pool) = on_pool(|| self.execute(run, &shapes, timings));
        if let Ok(mut pools) = self.pools.lock() {
            pools.push(pool);
        }
        Ok(outputs)
    }

    fn execute(
        &self,
        mut run: Run,
        shapes: &[Vec<usize>],
        timings: &mut Option<Vec<Timing>>,
    ) -> (Vec<Tensor>, Pool) {
        if self.input_in_blocks {
            let mut buffer = run.pool.take(run.dims[0].stored());
            layout::to_blocked(run.image, ViewMut::new(&mut buffer, run.dims[0]));
            run.values[0] = Some(buffer);
        }
        for step in &self.steps {
            let start = Instant::now();
            run.step(step);
            if let Some(timings) = timings {
                timings.push(Timing {
                    node: step.out,
                    pass: Pass::Forward,
                    time: start.elapsed(),
                });
            }
        }
        let outputs = self
            .graph
            .outputs
            .iter()
            .map(|(_, id)| run.tensor(*id, &shapes[*id]))
            .collect();
        (outputs, run.finish())
    }
}

/// One inference under way.
struct Run<'a> {
    image: &'a [f32],
    places: &'a Places,
    dims: Vec<Dims>,
    values: Vec<Option<Buffer>>,
    pool: Pool,
}

impl Run<'_> {
    fn value(&self, node: NodeId) -> View<'_> {
        let (home, block) = self.places.home(node);
        let data = self.values[home].as_deref().unwrap_or(&[]);
        View::strided(
            data.get(block * self.dims[node].plane()..).unwrap_or(&[]),
            self.dims[node],
            self.dims[home].image(),
        )
    }

    fn tensor(&self, node: NodeId, shape: &[usize]) -> Tensor {
        let mut out = Tensor::zeros(shape);
        layout::to_planar(self.value(node), &mut out.data);
        out
    }

    fn finish(mut self) -> Pool {
        for buffer in self.values.into_iter().flatten() {
            self.pool.give(buffer);
        }
        self.pool
    }

    /// The storage of a node, made when it is not there yet.
    fn storage(&mut self, home: NodeId) -> Buffer {
        match self.values[home].take() {
            Some(buffer) => buffer,
            None => self.pool.take(self.dims[home].stored()),
        }
    }

    fn step(&mut self, step: &Step) {
        let (home, block) = self.places.home(step.out);
        let reuse = matches!(step.kind, Kind::Pointwise(_))
            && home == step.out
            && step.done.contains(&step.inputs[0]);
        let taken = if reuse {
            self.values[step.inputs[0]].take()
        } else {
            None
        };
        let fresh = taken.is_none();
        let mut buffer = taken.unwrap_or_else(|| self.storage(home));
        let dims = self.dims[step.out];
        let out = ViewMut::strided(
            &mut buffer[block * dims.plane()..],
            dims,
            self.dims[home].image(),
        );
        self.compute(step, out, fresh);
        self.values[home] = Some(buffer);
        for &id in &step.done {
            if let Some(buffer) = self.values[id].take() {
                self.pool.give(buffer);
            }
        }
    }

    fn compute(&self, step: &Step, mut out: ViewMut, fresh: bool) {
        let input = |i: usize| self.value(step.inputs[i]);
        match &step.kind {
            Kind::Product(product) => self.product(product, step.inputs[0], out),
            Kind::Affine { line, relu } => batch_norm::affine(input(0), line.map(*relu), out),
            Kind::Pointwise(kind) => {
                if fresh {
                    copy::copy(input(0), out.reborrow());
                }
                if let Some(kind) = kind {
                    activation::apply(*kind, out);
                }
            }
            Kind::Tokens(op, params) => {
                let inputs: Vec<View> = step.inputs.iter().map(|&i| self.value(i)).collect();
                let of = |id: ParamId| params.iter().find(|(p, _)| *p == id);
                tokens::forward(op, &inputs, |id| of(id).map_or(&[], |(_, v)| v), out);
            }
            Kind::Layer(Op::Concat) => self.concat(step, out),
            Kind::Layer(Op::Flatten) => flatten(input(0), out),
            Kind::Layer(Op::UpsampleLike { align_corners }) => {
                resize::bilinear(input(0), *align_corners, out)
            }
            Kind::Layer(Op::FitLike) => copy::fit(input(0), out),
            Kind::Layer(Op::Add) => elementwise::add(input(0), input(1), out),
            Kind::Layer(Op::Mul) => elementwise::mul(input(0), input(1), out),
            Kind::Layer(op) if slice_shapes::is(op) => slices::forward(op, input(0), out),
            Kind::Layer(op) if branch_shapes::is(op) => {
                let inputs: Vec<View> = step.inputs.iter().map(|&i| self.value(i)).collect();
                branches::forward(op, &inputs, out);
            }
            Kind::Layer(op) => pooling(op, input(0), out),
        }
    }

    fn product(&self, step: &ProductStep, input: NodeId, out: ViewMut) {
        let source = if step.planar {
            Source::Planar(self.image, self.dims[0])
        } else {
            let map: Option<Affine> = step.before.as_ref().map(|(line, relu)| line.map(*relu));
            Source::Blocked(self.value(input), map)
        };
        let epilogue = Epilogue {
            bias: step.bias.as_deref(),
            add: step.add.map(|id| self.value(id)),
            accumulate: false,
            after: step.after,
        };
        correlate(source, &step.packed, epilogue, out);
    }

    /// Copies the inputs that are not in their place already.
    fn concat(&self, step: &Step, mut out: ViewMut) {
        let (home, first) = self.places.home(step.out);
        let mut offset = 0;
        for &input in &step.inputs {
            let in_place =
                offset % LANES == 0 && self.places.home(input) == (home, first + offset / LANES);
            if !in_place {
                copy::place_channels(self.value(input), offset, out.reborrow());
            }
            offset += self.dims[input].c;
        }
    }
}

fn flatten(x: View, out: ViewMut) {
    if x.dims.pixels() == 1 {
        return copy::copy(View::strided(x.data, out.dims, x.image_stride), out);
    }
    let mut planar = vec![0.0; x.dims.values()];
    layout::to_planar(x, &mut planar);
    layout::to_blocked(&planar, out);
}

fn pooling(op: &Op, x: View, out: ViewMut) {
    match (window(op), global(op)) {
        (Some(window), _) if matches!(op, Op::MaxPool2d { .. }) => pool::max(x, &window, out, None),
        (Some(window), _) => pool::avg(x, &window, out),
        (_, Some(kind)) => global_pool::forward(kind, x, out),
        _ => {}
    }
}
