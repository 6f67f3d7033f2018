//! Training: views, then grades by transfer, from scratch and at once; then a view more.

use super::config::Config;
use super::data::{Graded, cactus, film_samples, films, frames};
use super::model::{GRADES, LOGITS, enlarged, graph, with_fresh_grader};
use super::outcome::{Arm, Asked, Later, Order, Outcome, SourceOutcome};
use super::phantoms;
use super::quality::BEST;
use crate::blocks::multiclass::Said;
use crate::blocks::parts::Parts;
use crate::blocks::regions::spread_evenly;
use crate::blocks::short::{Judged, Lesson, ShortConfig, fit, outputs, probabilities};
use crate::context::Context;
use crate::error::Result;
use hilum_data::Sample;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::losses::cross_entropy;
use std::time::Instant;

/// Half of the grades' range: grades are learned as -1 to 1.
const HALF: f32 = BEST as f32 / 2.0;

/// Frames for a figure of speed.
const TIMED: usize = 40;

/// Runs everything that the settings ask for; also gives a table of speeds.
///
/// # Errors
/// Data that are not there, a stop, a view missing, a diverging run.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<(Outcome, String)> {
    let samples = film_samples(ctx)?;
    let frames = frames(ctx)?;
    let mut all: Vec<Sample> = samples.clone();
    all.extend(frames.iter().map(|f| f.sample.clone()));
    let (data_hash, split_hash) = (
        data_hash(&all, ContentHash::Stated, None)?,
        split_hash(&all),
    );
    let parts = Parts::open(ctx, "cactus", config, [&data_hash, &split_hash])?;
    parts.check()?;
    // What is wrong with any source is said before the first network is trained.
    let films = films(ctx, config, &samples)?;
    let mut sources = vec![phantoms::load(ctx, config, &parts)?, films];
    if !frames.is_empty() {
        sources.push(cactus(config, &frames)?);
    }
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    let mut done = Vec::new();
    for data in &sources {
        done.push(source(ctx, config, &parts, data, &seeds)?);
    }
    let speeds = speeds(config, &sources[0])?;
    let outcome = Outcome {
        config: config.clone(),
        seeds,
        data_hash,
        split_hash,
        sources: done,
    };
    Ok((outcome, speeds))
}

fn source(
    ctx: &Context<'_>,
    config: &Config,
    parts: &Parts<'_>,
    data: &Graded,
    seeds: &[u64],
) -> Result<SourceOutcome> {
    let (mut arms, mut later) = (Vec::new(), Vec::new());
    for &seed in seeds {
        let key = format!("{}, seed {seed}", data.source.name());
        let (own, added): (Vec<Arm>, Vec<Later>) =
            parts.get(&key, || Study::new(ctx, config, data, seed).run())?;
        arms.extend(own);
        later.extend(added);
    }
    Ok(SourceOutcome {
        source: data.source,
        views: data.views.clone(),
        criteria: data.criteria.clone(),
        old: asked(data, &data.side(true, false)),
        new: asked(data, &data.side(true, true)),
        learned: data.side(false, false).len(),
        arms,
        later,
    })
}

fn asked(data: &Graded, at: &[usize]) -> Asked {
    let set = data.set.select(at);
    Asked {
        groups: set.groups(),
        y: set.y,
        grades: at.iter().map(|&i| data.grades[i].clone()).collect(),
    }
}

/// All trainings of one source at one seed.
struct Study<'a> {
    ctx: &'a Context<'a>,
    config: &'a Config,
    data: &'a Graded,
    seed: u64,
    /// Knows the first views.
    graph: Graph,
    /// Pictures of the first views to learn from, and those that are asked.
    old: [Vec<usize>; 2],
}

/// What a training is judged by.
#[derive(Clone, Copy)]
struct Goal {
    views: bool,
    /// Weight of the grades' squared error; nothing at 0.
    grades: f64,
}

impl<'a> Study<'a> {
    fn new(ctx: &'a Context<'a>, config: &'a Config, data: &'a Graded, seed: u64) -> Self {
        Study {
            ctx,
            config,
            data,
            seed,
            graph: graph(config, data.later(), data.criteria.len()),
            old: [data.side(false, false), data.side(true, false)],
        }
    }

    fn run(&self) -> Result<(Vec<Arm>, Vec<Later>)> {
        let passes = self.config.passes;
        let both = passes.views + passes.grades;
        let fresh = || self.graph.init_params(self.seed);
        let by_views = self.fit(fresh(), Order::Views, passes.views)?;
        let begun = with_fresh_grader(&self.graph, &by_views, self.seed);
        let graded = self.fit(begun, Order::Transfer, passes.grades)?;
        let arms = vec![
            self.arm(&by_views, Order::Views)?,
            self.arm(&graded, Order::Transfer)?,
            self.arm(&self.fit(fresh(), Order::Scratch, both)?, Order::Scratch)?,
            self.arm(
                &self.fit(fresh(), Order::ScratchShort, passes.grades)?,
                Order::ScratchShort,
            )?,
            self.arm(
                &self.fit(fresh(), Order::MultiTask, both)?,
                Order::MultiTask,
            )?,
        ];
        let later = vec![
            self.add(&by_views, &graded, false)?,
            self.add(&by_views, &graded, true)?,
        ];
        Ok((arms, later))
    }

    fn fit(&self, start: Params, order: Order, epochs: usize) -> Result<Params> {
        let goal = Goal {
            views: order.names_views(),
            grades: match order {
                Order::Views => 0.0,
                Order::MultiTask => self.config.grade_weight,
                _ => 1.0,
            },
        };
        let train = ShortConfig {
            epochs,
            ..self.config.train.clone()
        };
        self.learn(&self.graph, start, &self.old[0], goal, &train)
    }

    /// Trains `graph` on the pictures at `at`.
    fn learn(
        &self,
        graph: &Graph,
        start: Params,
        at: &[usize],
        goal: Goal,
        train: &ShortConfig,
    ) -> Result<Params> {
        let set = self.data.set.select(at);
        let lesson = Lesson {
            cases: set.len(),
            input: &|own, seed| set.batch(own, train.jitter, seed).0,
            loss: &|outputs, own| {
                let places: Vec<usize> = own.iter().map(|&i| at[i]).collect();
                judge(self.data, outputs, &places, goal)
            },
        };
        fit(self.ctx, graph, start, &lesson, train, self.seed)
    }

    fn arm(&self, params: &Params, order: Order) -> Result<Arm> {
        let asked = &self.old[1];
        Ok(Arm {
            order,
            seed: self.seed,
            views: if order.names_views() {
                self.named(&self.graph, params, asked)?
            } else {
                Vec::new()
            },
            grades: if order.grades() {
                self.graded(&self.graph, params, asked)?
            } else {
                Vec::new()
            },
        })
    }

    fn named(&self, graph: &Graph, params: &Params, at: &[usize]) -> Result<Said> {
        probabilities(graph, params, &self.data.set.select(at))
    }

    fn graded(&self, graph: &Graph, params: &Params, at: &[usize]) -> Result<Vec<Vec<f32>>> {
        let rows = outputs(graph, params, &self.data.set.select(at), GRADES)?;
        let full = |v: f32| (HALF * (v + 1.0)).clamp(0.0, BEST as f32);
        Ok(rows
            .into_iter()
            .map(|r| r.into_iter().map(full).collect())
            .collect())
    }

    /// Adds the later view to the network that names views, and to the one that grades.
    fn add(&self, by_views: &Params, grader: &Params, rehearsed: bool) -> Result<Later> {
        let few = self.config.few;
        let shown = spread_evenly(self.data.side(false, true), few);
        let mut at = shown.clone();
        if rehearsed {
            for view in 0..self.data.later() {
                let own = self.old[0].iter().copied();
                let own = own.filter(|&i| self.data.set.y[i] == view).collect();
                at.extend(spread_evenly(own, few));
            }
        }
        let mut train = ShortConfig {
            epochs: self.config.passes.later,
            batch: self.config.train.batch.min(at.len()),
            ..self.config.train.clone()
        };
        train.schedule.base *= self.config.later_rate;
        let large = graph(self.config, self.data.later() + 1, self.data.criteria.len());
        let start = enlarged(&self.graph, by_views, &large, self.seed)?;
        let views = Goal {
            views: true,
            grades: 0.0,
        };
        let wide = self.learn(&large, start, &at, views, &train)?;
        let grades = Goal {
            views: false,
            grades: 1.0,
        };
        let tuned = self.learn(&self.graph, grader.clone(), &at, grades, &train)?;
        let new = self.data.side(true, true);
        Ok(Later {
            seed: self.seed,
            rehearsed,
            shown: shown.len(),
            old: self.named(&large, &wide, &self.old[1])?,
            new: self.named(&large, &wide, &new)?,
            graded: [
                self.graded(&self.graph, grader, &new)?,
                self.graded(&self.graph, &tuned, &new)?,
            ],
        })
    }
}

/// Cross entropy of the views and mean squared error of the scaled grades, as far as the goal asks for them, summed.
fn judge(data: &Graded, outputs: &[Tensor], at: &[usize], goal: Goal) -> Judged {
    let mut judged = Judged {
        value: 0.0,
        grads: outputs.iter().map(|o| Tensor::zeros(&o.shape)).collect(),
    };
    if goal.views {
        let classes = outputs[LOGITS].data.len() / at.len();
        let targets: Vec<Option<usize>> = at.iter().map(|&i| Some(data.set.y[i])).collect();
        let loss = cross_entropy(&outputs[LOGITS].data, &targets, classes);
        judged.value += loss.value;
        judged.grads[LOGITS].data = loss.grad;
    }
    if goal.grades > 0.0 {
        let wanted = at.iter().flat_map(|&i| &data.grades[i]);
        let said = &outputs[GRADES].data;
        let grad = &mut judged.grads[GRADES].data;
        for ((z, g), w) in said.iter().zip(grad).zip(wanted) {
            let gap = f64::from(z - (w / HALF - 1.0));
            judged.value += goal.grades * gap * gap / said.len() as f64;
            *g = (goal.grades * 2.0 * gap / said.len() as f64) as f32;
        }
    }
    judged
}

/// Frames a second of the network with both heads, one frame at a time, as CSV.
fn speeds(config: &Config, data: &Graded) -> Result<String> {
    let graph = graph(config, data.later(), data.criteria.len());
    let plan = hilum_kernels::Plan::new(&graph, &graph.init_params(1))?;
    let frame = |i: usize| data.set.batch(&[i % data.set.len()], (0.0, 0), 0).0;
    plan.run(&frame(0))?;
    let began = Instant::now();
    for i in 0..TIMED {
        plan.run(&frame(i))?;
    }
    let each = began.elapsed().as_secs_f64() / TIMED as f64;
    Ok(format!(
        "side,parameters,frames_per_second\n{},{},{:.0}\n",
        config.side,
        graph
            .params
            .iter()
            .map(|p| p.shape.iter().product::<usize>())
            .sum::<usize>(),
        1.0 / each.max(1e-9)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cactus::data::Source;

    #[test]
    fn the_loss_has_the_gradient_of_its_value_and_leaves_out_what_is_not_asked_for() {
        let mut data = Graded::new(
            Source::Phantom,
            1,
            ["a", "b", "c"].map(str::to_owned).to_vec(),
            &["x", "y"],
        );
        for (i, y) in [0, 1, 1].into_iter().enumerate() {
            data.push(
                vec![0.0],
                y,
                vec![2.0 * i as f32, 7.0],
                format!("{i}"),
                false,
            );
        }
        let outputs = |z: &[f32]| {
            vec![
                Tensor::from_vec(&[3, 2], z[..6].to_vec()).unwrap(),
                Tensor::from_vec(&[3, 2], z[6..].to_vec()).unwrap(),
            ]
        };
        let z: Vec<f32> = (0..12).map(|i| ((i * 5) % 7) as f32 / 7.0 - 0.4).collect();
        let at = [0, 1, 2];
        for goal in [(true, 0.0), (false, 1.0), (true, 0.7)] {
            let goal = Goal {
                views: goal.0,
                grades: goal.1,
            };
            let got = judge(&data, &outputs(&z), &at, goal);
            for i in 0..12 {
                let moved = |by: f32| {
                    let mut z = z.clone();
                    z[i] += by;
                    judge(&data, &outputs(&z), &at, goal).value
                };
                let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                let own = f64::from(got.grads[i / 6].data[i % 6]);
                assert!((own - slope).abs() < 1e-4, "{i}: {own} {slope}");
                let asked = if i < 6 { goal.views } else { goal.grades > 0.0 };
                assert!(asked || own == 0.0);
            }
        }
    }
}
