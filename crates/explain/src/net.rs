//! A network made ready to be asked many times: plans for scores, training executors for gradients, both kept
//! from call to call, so that nothing is compiled or packed again for another picture.

use crate::error::{ExplainError, Result};
use crate::rows::Extent;
use hilum_kernels::{Graph, Mode, NodeId, Op, Params, Plan, Rule, Tensor, Trainer, Wanted};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Images run forward at once.
const FORWARD: usize = 16;
/// Images run forward and back at once, at most.
const BACKWARD: usize = 12;

/// How many of `n` images go back at once: a number that leaves no smaller rest where there is one, since
/// storage of another size would have to be made anew.
fn chunk(n: usize) -> usize {
    if n <= BACKWARD {
        return n.max(1);
    }
    (BACKWARD / 2..=BACKWARD)
        .rev()
        .find(|c| n.is_multiple_of(*c))
        .unwrap_or(8)
}

/// A classifier of one or more members whose mean logit is explained.
#[derive(Debug)]
pub struct Net {
    graph: Graph,
    members: Vec<Member>,
    output: usize,
    classes: usize,
}

#[derive(Debug)]
struct Member {
    plan: Plan,
    params: Params,
    /// Idle executors, by the nodes they retain. Taken out while in use: a lock held during a pass could be
    /// waited for by work that the same thread took up meanwhile.
    idle: Mutex<BTreeMap<Vec<NodeId>, Vec<Executor>>>,
}

#[derive(Debug)]
struct Executor {
    trainer: Trainer,
    params: Params,
}

/// Activation of a layer and the gradient of the target's logit by it, both `[n, c, h, w]` or `[n, c]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Activation.
    pub activation: Tensor,
    /// Gradient.
    pub gradient: Tensor,
}

impl Net {
    /// Prepares networks of one graph; `output` names the logits `[n, classes]`.
    ///
    /// # Errors
    /// No member, no such output, parameters that do not fit.
    pub fn new(graph: &Graph, members: &[Params], output: &str) -> Result<Self> {
        let at = graph
            .outputs
            .iter()
            .position(|(name, _)| name == output)
            .ok_or_else(|| ExplainError::NoOutput {
                name: output.to_owned(),
            })?;
        if members.is_empty() {
            return Err(ExplainError::NoMember);
        }
        let classes =
            classes(graph, graph.outputs[at].1).ok_or_else(|| ExplainError::NoOutput {
                name: output.to_owned(),
            })?;
        let members = members
            .iter()
            .map(|params| {
                Ok(Member {
                    plan: Plan::new(graph, params)?,
                    params: params.clone(),
                    idle: Mutex::default(),
                })
            })
            .collect::<Result<_>>()?;
        Ok(Net {
            graph: graph.clone(),
            members,
            output: at,
            classes,
        })
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Number of logits.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of networks.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// The node of a layer.
    ///
    /// # Errors
    /// [`ExplainError::NoLayer`].
    pub fn layer(&self, name: &str) -> Result<NodeId> {
        let last = self.last_maps()?;
        self.graph.node(name).ok_or_else(|| ExplainError::NoLayer {
            name: name.to_owned(),
            last: self.graph.nodes[last].name.clone(),
        })
    }

    /// The last node with rows and columns: what global pooling or flattening reads.
    ///
    /// # Errors
    /// A network without such a node.
    pub fn last_maps(&self) -> Result<NodeId> {
        let ends = |op: &Op| {
            matches!(
                op,
                Op::GlobalAvgPool | Op::GlobalMaxPool | Op::GlobalLsePool { .. } | Op::Flatten
            )
        };
        // Squeeze-and-excitation pools in the middle too; what the logits read lies behind the last gate.
        let mut node = self.graph.outputs[self.output].1;
        while let Some(&input) = self.graph.nodes[node].inputs.first() {
            if ends(&self.graph.nodes[node].op) && !ends(&self.graph.nodes[input].op) {
                return Ok(input);
            }
            node = input;
        }
        Err(ExplainError::NoMaps {
            name: self.graph.nodes[node].name.clone(),
            shape: Vec::new(),
        })
    }

    pub(crate) fn check(&self, extent: Extent, targets: &[usize]) -> Result<()> {
        if targets.len() != extent.n {
            return Err(ExplainError::Targets {
                targets: targets.len(),
                images: extent.n,
            });
        }
        match targets.iter().find(|&&t| t >= self.classes) {
            Some(&target) => Err(ExplainError::Target {
                target,
                classes: self.classes,
            }),
            None => Ok(()),
        }
    }

    /// Logits of every image, averaged over the members, `[n][classes]`.
    ///
    /// # Errors
    /// An input that does not fit, or logits that are not finite.
    pub fn logits(&self, x: &Tensor) -> Result<Vec<Vec<f64>>> {
        let extent = Extent::of(x)?;
        let mut out = Vec::with_capacity(extent.n);
        for from in (0..extent.n).step_by(FORWARD) {
            let part = extent.part(x, from, (from + FORWARD).min(extent.n));
            out.extend(self.logits_of(&part)?);
        }
        Ok(out)
    }

    fn logits_of(&self, x: &Tensor) -> Result<Vec<Vec<f64>>> {
        let share = 1.0 / self.members.len() as f64;
        let mut out = vec![vec![0.0; self.classes]; x.shape[0]];
        for member in &self.members {
            let logits = &member.plan.run(x)?[self.output];
            for (row, z) in out.iter_mut().zip(logits.data.chunks(self.classes)) {
                row.iter_mut()
                    .zip(z)
                    .for_each(|(sum, &v)| *sum += share * f64::from(v));
            }
        }
        match out.iter().flatten().all(|v| v.is_finite()) {
            true => Ok(out),
            false => Err(ExplainError::NotFinite { what: "a logit" }),
        }
    }

    /// Logits of `count` changed images, which `fill` writes one by one, so that they never lie in memory together.
    pub(crate) fn logits_of_changed(
        &self,
        extent: Extent,
        count: usize,
        mut fill: impl FnMut(usize, &mut [f32]),
    ) -> Result<Vec<Vec<f64>>> {
        let row = extent.row();
        let mut out = Vec::with_capacity(count);
        for from in (0..count).step_by(FORWARD) {
            let n = FORWARD.min(count - from);
            let mut data = vec![0.0; n * row];
            for (i, image) in data.chunks_mut(row).enumerate() {
                fill(from + i, image);
            }
            out.extend(self.logits_of(&extent.batch(n, data))?);
        }
        Ok(out)
    }

    /// The target's logit of `count` changed images.
    pub(crate) fn scores_of_changed(
        &self,
        extent: Extent,
        target: usize,
        count: usize,
        fill: impl FnMut(usize, &mut [f32]),
    ) -> Result<Vec<f64>> {
        let logits = self.logits_of_changed(extent, count, fill)?;
        Ok(logits.iter().map(|z| z[target]).collect())
    }

    /// Gradient of each image's target logit by the image, under `rule`; `[n, c, h, w]`.
    ///
    /// # Errors
    /// An input, target or rule that does not fit the network.
    pub fn gradients(&self, x: &Tensor, targets: &[usize], rule: Rule) -> Result<Tensor> {
        let extent = Extent::of(x)?;
        self.check(extent, targets)?;
        let mut out = Tensor::zeros(&x.shape);
        for m in 0..self.members.len() {
            for from in (0..extent.n).step_by(chunk(extent.n)) {
                let to = (from + chunk(extent.n)).min(extent.n);
                let part = extent.part(x, from, to);
                let (gradient, _) = self.backward(m, &part, &targets[from..to], rule, &[])?;
                add(&mut out.data[from * extent.row()..], &gradient.data);
            }
        }
        let share = 1.0 / self.members.len() as f32;
        out.data.iter_mut().for_each(|v| *v *= share);
        Ok(out)
    }

    /// As [`Net::gradients`] under [`Rule::Rescale`]: multipliers of the images against as many references.
    pub(crate) fn multipliers(
        &self,
        x: &Tensor,
        references: &Tensor,
        targets: &[usize],
    ) -> Result<Tensor> {
        let extent = Extent::of(x)?;
        self.check(extent, targets)?;
        let row = extent.row();
        let mut out = Tensor::zeros(&x.shape);
        for m in 0..self.members.len() {
            for from in (0..extent.n).step_by(BACKWARD / 2) {
                let to = (from + BACKWARD / 2).min(extent.n);
                let both = [
                    &x.data[from * row..to * row],
                    &references.data[from * row..to * row],
                ];
                let pair = extent.batch(2 * (to - from), both.concat());
                let goals = [&targets[from..to], &targets[from..to]].concat();
                let (gradient, _) = self.backward(m, &pair, &goals, Rule::Rescale, &[])?;
                add(&mut out.data[from * row..to * row], &gradient.data);
            }
        }
        let share = 1.0 / self.members.len() as f32;
        out.data.iter_mut().for_each(|v| *v *= share);
        Ok(out)
    }

    /// Activation of one layer and the gradient of the target's logit by it, one entry a member. Gradients are of the
    /// member's own logit.
    ///
    /// # Errors
    /// As [`Net::gradients`].
    pub fn layers(&self, x: &Tensor, targets: &[usize], node: NodeId) -> Result<Vec<Layer>> {
        let extent = Extent::of(x)?;
        self.check(extent, targets)?;
        (0..self.members.len())
            .map(|m| {
                let mut found: Option<Layer> = None;
                for from in (0..extent.n).step_by(chunk(extent.n)) {
                    let to = (from + chunk(extent.n)).min(extent.n);
                    let part = extent.part(x, from, to);
                    let goals = &targets[from..to];
                    let (_, layers) = self.backward(m, &part, goals, Rule::Gradient, &[node])?;
                    for layer in layers {
                        join(&mut found, layer);
                    }
                }
                found.ok_or(ExplainError::NoMember)
            })
            .collect()
    }

    /// Gradient by the input, and the layers asked for, of one member and one batch.
    fn backward(
        &self,
        member: usize,
        x: &Tensor,
        targets: &[usize],
        rule: Rule,
        nodes: &[NodeId],
    ) -> Result<(Tensor, Vec<Layer>)> {
        let mut executor = self.executor(member, rule, nodes)?;
        let Executor { trainer, params } = &mut executor.0;
        let outputs = trainer.forward(params, x, Mode::Eval)?;
        let mut d: Vec<Tensor> = outputs.iter().map(|o| Tensor::zeros(&o.shape)).collect();
        for (row, &target) in targets.iter().enumerate() {
            d[self.output].data[row * self.classes + target] = 1.0;
        }
        let activations: Vec<Tensor> = nodes
            .iter()
            .filter_map(|&id| trainer.activation(id))
            .collect();
        let want = Wanted {
            input: nodes.is_empty(),
            nodes: nodes.to_vec(),
            rule,
            ..Wanted::default()
        };
        let found = trainer.backward(params, &d, want)?;
        let layers = activations
            .into_iter()
            .zip(found.nodes)
            .map(|(activation, (_, gradient))| Layer {
                activation,
                gradient,
            })
            .collect();
        self.put_back(member, executor);
        let input = found.input.unwrap_or_else(|| Tensor::zeros(&[0]));
        Ok((input, layers))
    }

    fn executor(
        &self,
        member: usize,
        rule: Rule,
        nodes: &[NodeId],
    ) -> Result<(Executor, Vec<NodeId>)> {
        let member = &self.members[member];
        let mut trainer = Trainer::new(self.graph.clone())?;
        let mut retained = trainer.needed_by(rule);
        retained.extend(nodes);
        retained.sort_unstable();
        retained.dedup();
        let idle = member
            .idle
            .lock()
            .ok()
            .and_then(|mut idle| idle.get_mut(&retained)?.pop());
        if let Some(executor) = idle {
            return Ok((executor, retained));
        }
        trainer.retain(&retained)?;
        let params = member.params.clone();
        Ok((Executor { trainer, params }, retained))
    }

    fn put_back(&self, member: usize, (executor, retained): (Executor, Vec<NodeId>)) {
        if let Ok(mut idle) = self.members[member].idle.lock() {
            idle.entry(retained).or_default().push(executor);
        }
    }
}

fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(s, v)| *s += v);
}

fn join(found: &mut Option<Layer>, layer: Layer) {
    match found {
        None => *found = Some(layer),
        Some(all) => {
            for (sum, part) in [
                (&mut all.activation, layer.activation),
                (&mut all.gradient, layer.gradient),
            ] {
                sum.shape[0] += part.shape[0];
                sum.data.extend(part.data);
            }
        }
    }
}

/// Channels of an output, from the last layer with a weight before it.
fn classes(graph: &Graph, mut node: NodeId) -> Option<usize> {
    loop {
        let at = graph.nodes.get(node)?;
        match at.op {
            Op::Linear { weight, .. } | Op::Conv2d { weight, .. } => {
                return graph.params.get(weight)?.shape.first().copied();
            }
            _ => node = *at.inputs.first()?,
        }
    }
}
