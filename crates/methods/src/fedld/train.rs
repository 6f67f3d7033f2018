//! The study: every algorithm on every deal of the training cases.

use super::algorithm::Algorithm;
use super::cases::Cases;
use super::config::{Config, Skew, Study};
use super::memory::Memory;
use super::outcome::{Arm, Federation, Outcome, TaskOutcome};
use super::pool::Pool;
use super::server::Server;
use super::setting::Setting;
use super::transport::{InProcess, Transport};
use crate::blocks::classes::ClassSet;
use crate::blocks::multiclass::ClassScore;
use crate::blocks::parts::Parts;
use crate::blocks::short::probabilities;
use crate::context::Context;
use crate::error::Result;
use hilum_data::Sample;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_kernels::Params;
use std::cell::OnceCell;
use std::sync::Arc;

/// Runs everything that the settings ask for.
///
/// # Errors
/// Data that are not there, a stop, a diverging run, a client that fails, more clients than the memory allows.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Outcome> {
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    let cases: Vec<Cases> = config
        .studies
        .iter()
        .map(|s| Cases::load(ctx, s))
        .collect::<Result<_>>()?;
    let all: Vec<Sample> = cases.iter().flat_map(Cases::samples).cloned().collect();
    let hashes = [
        data_hash(&all, ContentHash::Stated, None)?,
        split_hash(&all),
    ];
    let parts = Parts::open(ctx, "fedld", config, [&hashes[0], &hashes[1]])?;
    let mut run = Run {
        ctx,
        config,
        parts,
        pool: Pool::new(ctx, config)?,
        held: 0,
    };
    let mut tasks = Vec::new();
    for (study, cases) in config.studies.iter().zip(&cases) {
        tasks.push(run.task(study, cases, &seeds)?);
    }
    run.say_memory();
    let [data_hash, split_hash] = hashes;
    Ok(Outcome {
        config: config.clone(),
        seeds,
        data_hash,
        split_hash,
        tasks,
    })
}

/// What goes from one arm to the next.
struct Run<'a> {
    ctx: &'a Context<'a>,
    config: &'a Config,
    parts: Parts<'a>,
    pool: Pool,
    /// Bytes that a server held at most.
    held: u64,
}

/// One study with its cases.
struct Bench<'a> {
    study: &'a Study,
    cases: &'a Cases,
    /// Pictures of all training cases, once this process needs them.
    whole: OnceCell<ClassSet>,
}

impl Bench<'_> {
    /// Clients elsewhere load their own; only clients of this process, and what has all cases in one place, need the pictures.
    fn whole(&self) -> Result<&ClassSet> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let training = &self.cases.training;
        let all = training.pictures(&training.all())?;
        Ok(self.whole.get_or_init(|| all))
    }
}

impl Run<'_> {
    fn task(&mut self, study: &Study, cases: &Cases, seeds: &[u64]) -> Result<TaskOutcome> {
        let bench = Bench {
            study,
            cases,
            whole: OnceCell::new(),
        };
        let mut federations = Vec::new();
        for &skew in &study.skews {
            for &seed in seeds {
                federations.push(self.federation(&bench, skew, seed)?);
            }
        }
        Ok(TaskOutcome {
            task: study.task,
            y: cases.test.y.clone(),
            groups: cases.test.groups(),
            federations,
        })
    }

    fn federation(&mut self, bench: &Bench<'_>, skew: Skew, seed: u64) -> Result<Federation> {
        let (config, training) = (self.config, &bench.cases.training);
        let dealt = training.deal(bench.study, skew, config.least, seed)?;
        let mut arms = Vec::new();
        for &algorithm in &config.algorithms {
            let key = format!(
                "{}, {}, seed {seed}, {}",
                bench.study.task.name(),
                skew.name(),
                algorithm.name()
            );
            let setting = Setting::new(config, bench.study, (skew, seed), algorithm);
            let Run {
                ctx,
                parts,
                pool,
                held,
                ..
            } = &mut *self;
            arms.push(parts.get(&key, || {
                let mut clients = match algorithm {
                    Algorithm::Centralised => {
                        in_process(ctx, &setting, &[training.all()], bench.whole()?)
                    }
                    _ if pool.is_elsewhere() => pool.clients(ctx, &setting, training, &dealt)?,
                    _ => in_process(ctx, &setting, &dealt, bench.whole()?),
                };
                let (arm, own) = arm(ctx, config, bench.cases, &setting, &mut *clients)?;
                *held = own.max(*held);
                Ok(arm)
            })?);
        }
        let counts = |own: &Vec<usize>| training.counts(own);
        Ok(Federation {
            skew,
            seed,
            cases: dealt.iter().map(counts).collect(),
            mixes: bench.cases.mixes(&dealt, skew),
            arms,
        })
    }

    fn say_memory(&self) {
        if self.held > 0 {
            eprintln!(
                "the server held at most {:.2} MB of states, updates and messages (limit {:.0} MB)",
                self.held as f64 / 1e6,
                self.ctx.federation.memory as f64 / 1e6
            );
        }
    }
}

fn in_process<'t>(
    ctx: &Context<'t>,
    setting: &Setting,
    dealt: &[Vec<usize>],
    whole: &ClassSet,
) -> Box<dyn Transport + 't> {
    let client =
        |(k, own): (usize, &Vec<usize>)| setting.client(ctx, k, Arc::new(whole.select(own)));
    Box::new(InProcess {
        clients: dealt.iter().enumerate().map(client).collect(),
    })
}

/// One algorithm on one deal, and what its server held.
fn arm(
    ctx: &Context<'_>,
    config: &Config,
    cases: &Cases,
    setting: &Setting,
    clients: &mut dyn Transport,
) -> Result<(Arm, u64)> {
    let graph = setting.graph();
    let start = graph.init_params(setting.seed);
    let memory = Memory {
        limit: ctx.federation.memory,
    };
    let mut server = Server::new(&graph, start, (setting.algorithm, config.kept), memory);
    let mut curve = Vec::new();
    for _ in 0..config.rounds {
        server.round(clients)?;
        let (mut sum, mut count) = (0.0, 0_u32);
        each_model(setting, &server, clients, &mut |model| {
            let said = probabilities(&graph, model, &cases.val)?;
            let ones = vec![1.0; cases.val.len()];
            sum += ClassScore::Accuracy
                .of(&cases.val.y, &said, &ones)
                .unwrap_or(0.0);
            count += 1;
            Ok(())
        })?;
        curve.push(sum / f64::from(count));
    }
    let mut said = Vec::new();
    each_model(setting, &server, clients, &mut |model| {
        said.push(probabilities(&graph, model, &cases.test)?);
        Ok(())
    })?;
    let arm = Arm {
        algorithm: setting.algorithm,
        said,
        bytes: (server.sent, server.received),
        curve,
    };
    Ok((arm, server.held))
}

/// Sees the models of a federation, one at a time: the global one, or each client's.
fn each_model(
    setting: &Setting,
    server: &Server,
    clients: &mut dyn Transport,
    see: &mut dyn FnMut(&Params) -> Result<()>,
) -> Result<()> {
    if !setting.algorithm.is_personal() {
        return see(server.global());
    }
    (0..clients.count()).try_for_each(|k| see(&clients.model(k)?))
}
