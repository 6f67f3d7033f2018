//! The study: every algorithm on every deal of the training cases.

use super::algorithm::Algorithm;
use super::client::Client;
use super::config::{Config, Skew, Study, TaskName};
use super::outcome::{Arm, Federation, Outcome, TaskOutcome};
use super::server::Server;
use super::transport::InProcess;
use crate::blocks::classes::ClassSet;
use crate::blocks::multiclass::{ClassScore, Said};
use crate::blocks::partition::{Deal, by_label, by_nature, by_quantity};
use crate::blocks::parts::Parts;
use crate::blocks::short::probabilities;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_core::View;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_data::{Sample, Split};
use hilum_kernels::{Graph, Params};

/// Age that parts the clients of the natural skew.
const OLDER_FROM: f32 = 55.0;

/// Cases of one task.
pub struct Cases {
    samples: [Vec<Sample>; 3],
    sets: [ClassSet; 3],
}

/// Runs everything that the settings ask for.
///
/// # Errors
/// Data that are not there, a stop, a diverging run.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Outcome> {
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    let cases: Vec<Cases> = config
        .studies
        .iter()
        .map(|s| load(ctx, s))
        .collect::<Result<_>>()?;
    let all: Vec<Sample> = cases.iter().flat_map(|c| c.samples.concat()).collect();
    let hashes = [
        data_hash(&all, ContentHash::Stated, None)?,
        split_hash(&all),
    ];
    let parts = Parts::open(ctx, "fedld", config, [&hashes[0], &hashes[1]])?;
    let mut tasks = Vec::new();
    for (study, cases) in config.studies.iter().zip(&cases) {
        let mut federations = Vec::new();
        for &skew in &study.skews {
            for &seed in &seeds {
                federations.push(federation(ctx, config, &parts, study, cases, skew, seed)?);
            }
        }
        tasks.push(TaskOutcome {
            task: study.task,
            y: cases.sets[2].y.clone(),
            groups: cases.sets[2].groups(),
            federations,
        });
    }
    let [data_hash, split_hash] = hashes;
    Ok(Outcome {
        config: config.clone(),
        seeds,
        data_hash,
        split_hash,
        tasks,
    })
}

fn load(ctx: &Context<'_>, study: &Study) -> Result<Cases> {
    let all = ctx.samples("fedld", study.task.sets())?;
    let of = |split: Split, tiny: usize| {
        let own = all.iter().filter(|s| s.split == Some(split));
        let own = own.filter(|s| study.task == TaskName::Paediatric || place(s).is_some());
        ctx.limit(own.cloned().collect(), tiny)
    };
    let train = of(Split::Train, 80);
    let step = train.len().div_ceil(study.most.max(1)).max(1);
    let samples = [
        train.into_iter().step_by(step).collect(),
        of(Split::Val, 36),
        of(Split::Test, 60),
    ];
    let load = |s: &[Sample]| {
        ClassSet::load(s, study.side, study.task.classes(), |s| {
            class(study.task, s)
        })
    };
    let sets = [load(&samples[0])?, load(&samples[1])?, load(&samples[2])?];
    for (what, set) in [("training split", &sets[0]), ("test split", &sets[2])] {
        set.check_classes(what)?;
    }
    if sets[1].is_empty() {
        return Err(MethodError::TooFew {
            what: "validation split".to_owned(),
            found: 0,
            needed: 1,
        });
    }
    Ok(Cases { samples, sets })
}

fn class(task: TaskName, sample: &Sample) -> Option<usize> {
    let is = |code| sample.labels.is_positive(code);
    match task {
        TaskName::Paediatric if is("viral_pneumonia") => Some(2),
        TaskName::Paediatric if is("bacterial_pneumonia") => Some(1),
        TaskName::Paediatric => is("no_finding").then_some(0),
        TaskName::Nih => Some(usize::from(!is("no_finding"))),
    }
}

/// The client of a film under the natural skew: by view and age; `None` where either is not stated.
fn place(sample: &Sample) -> Option<usize> {
    let view = match sample.view {
        View::Pa => 0,
        View::Ap => 1,
        _ => return None,
    };
    Some(2 * view + usize::from(sample.age? >= OLDER_FROM))
}

/// The deal of the training cases, and the weight of each test case in each client's own mix.
fn deal(
    study: &Study,
    cases: &Cases,
    skew: Skew,
    least: usize,
    seed: u64,
) -> Result<(Deal, Vec<Vec<f64>>)> {
    let [train, _, test] = &cases.sets;
    let (y, patients, n) = (&train.y, &train.patients, study.clients);
    let dealt = match skew {
        Skew::Label { alpha } => by_label(y, patients, n, alpha, least, seed)?,
        Skew::Quantity { alpha } => by_quantity(y, patients, n, alpha, least, seed)?,
        Skew::Natural => {
            // Samples without a place were left out when they were loaded.
            let places = |s: &[Sample]| s.iter().map(|s| place(s).unwrap_or(0)).collect::<Vec<_>>();
            let dealt = by_nature(&places(&cases.samples[0]), patients, n, least)?;
            let own = places(&cases.samples[2]);
            let mix = |k: usize| own.iter().map(|p| f64::from(u8::from(*p == k))).collect();
            return Ok((dealt, (0..n).map(mix).collect()));
        }
    };
    let mixes = dealt.iter().map(|own| mix(train, own, test)).collect();
    Ok((dealt, mixes))
}

/// Test cases weighed so that their classes are as frequent as a client's.
fn mix(train: &ClassSet, own: &[usize], test: &ClassSet) -> Vec<f64> {
    let mut share = vec![0.0; train.classes];
    own.iter().for_each(|&i| share[train.y[i]] += 1.0);
    let there = test.counts();
    test.y.iter().map(|&y| share[y] / there[y] as f64).collect()
}

fn federation(
    ctx: &Context<'_>,
    config: &Config,
    parts: &Parts<'_>,
    study: &Study,
    cases: &Cases,
    skew: Skew,
    seed: u64,
) -> Result<Federation> {
    let (dealt, mixes) = deal(study, cases, skew, config.least, seed)?;
    let mut arms = Vec::new();
    for &algorithm in &config.algorithms {
        let key = format!(
            "{}, {}, seed {seed}, {}",
            study.task.name(),
            skew.name(),
            algorithm.name()
        );
        arms.push(parts.get(&key, || {
            arm(ctx, config, study, cases, &dealt, algorithm, seed)
        })?);
    }
    let counts = |own: &Vec<usize>| cases.sets[0].select(own).counts();
    Ok(Federation {
        skew,
        seed,
        cases: dealt.iter().map(counts).collect(),
        mixes,
        arms,
    })
}

fn arm(
    ctx: &Context<'_>,
    config: &Config,
    study: &Study,
    cases: &Cases,
    dealt: &Deal,
    algorithm: Algorithm,
    seed: u64,
) -> Result<Arm> {
    let graph = config.network(study.task).graph();
    let start = graph.init_params(seed);
    let whole = vec![(0..cases.sets[0].len()).collect::<Vec<_>>()];
    let dealt = if algorithm == Algorithm::Centralised {
        &whole
    } else {
        dealt
    };
    let client = |(k, own): (usize, &Vec<usize>)| {
        let seed = seed ^ ((k as u64 + 1) << 40);
        let own = cases.sets[0].select(own);
        Client::new(
            ctx,
            own,
            &graph,
            start.clone(),
            (algorithm, config.local),
            seed,
        )
    };
    let clients = dealt
        .iter()
        .enumerate()
        .map(client)
        .collect::<Result<_>>()?;
    let mut clients = InProcess { clients };
    let mut server = Server::new(&graph, start, algorithm, config.kept);
    let mut curve = Vec::new();
    for _ in 0..config.rounds {
        if ctx.stop.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(MethodError::Stopped);
        }
        if algorithm == Algorithm::Alone {
            clients.clients.iter_mut().try_for_each(Client::alone)?;
        } else {
            server.round(&mut clients)?;
        }
        let models = models(algorithm, &server, &clients);
        curve.push(accuracy(&graph, &models, &cases.sets[1])?);
    }
    let models = models(algorithm, &server, &clients);
    let said = models
        .iter()
        .map(|m| probabilities(&graph, m, &cases.sets[2]));
    Ok(Arm {
        algorithm,
        said: said.collect::<Result<_>>()?,
        bytes: (server.sent, server.received),
        curve,
    })
}

fn models<'a>(algorithm: Algorithm, server: &'a Server, clients: &'a InProcess) -> Vec<&'a Params> {
    if algorithm.is_personal() {
        clients.clients.iter().map(Client::model).collect()
    } else {
        vec![server.global()]
    }
}

fn accuracy(graph: &Graph, models: &[&Params], set: &ClassSet) -> Result<f64> {
    let ones = vec![1.0; set.len()];
    let mut sum = 0.0;
    for params in models {
        let said: Said = probabilities(graph, params, set)?;
        sum += ClassScore::Accuracy.of(&set.y, &said, &ones).unwrap_or(0.0);
    }
    Ok(sum / models.len() as f64)
}
