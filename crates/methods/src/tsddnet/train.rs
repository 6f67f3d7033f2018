//! Both stages by cross-validation.

use super::config::{Config, TaskName};
use super::data::{Data, drawn, load, samples};
use super::detector::detect;
use super::outcome::{Arm, Chosen, Kind, Outcome, Round, TaskOutcome};
use super::stage1::{Boxes, Pair, Scene};
use super::stage2;
use crate::blocks::parts::Parts;
use crate::context::Context;
use crate::error::Result;
use hilum_core::Rect;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_metrics::detection::iou;

/// Runs everything that the settings ask for.
///
/// # Errors
/// Data that are not there, a stop, a class missing, a diverging run.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Outcome> {
    let real = samples(ctx)?;
    let hashes = [
        data_hash(&real, ContentHash::Stated, None)?,
        split_hash(&real),
    ];
    let parts = Parts::open(ctx, "tsddnet", config, [&hashes[0], &hashes[1]])?;
    // What is wrong with any task's data is said before the first is trained.
    let sets = config
        .studies
        .iter()
        .map(|s| load(ctx, config, s.task, &real))
        .collect::<Result<Vec<Data>>>()?;
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    let mut tasks = Vec::new();
    for (study, data) in config.studies.iter().zip(&sets) {
        for &share in &study.shares {
            let one = |seed: u64, k: usize| {
                let key = format!(
                    "{}, {share} boxed, fold {k}, seed {seed}",
                    study.task.name()
                );
                parts.get(&key, || {
                    round(ctx, config, (study.task, data, share), k, seed)
                })
            };
            let runs = seeds
                .iter()
                .map(|&seed| (0..config.folds).map(|k| one(seed, k)).collect())
                .collect::<Result<_>>()?;
            tasks.push(TaskOutcome {
                task: study.task,
                share,
                runs,
            });
        }
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

fn round(
    ctx: &Context<'_>,
    config: &Config,
    (task, data, share): (TaskName, &Data, f64),
    fold: usize,
    seed: u64,
) -> Result<Round> {
    let (test, train): (Vec<usize>, Vec<usize>) =
        (0..data.set.len()).partition(|&i| data.fold[i] == fold);
    let seed = seed ^ ((fold as u64) << 8) ^ ((task as u64) << 16);
    let scene = Scene {
        ctx,
        config,
        set: &data.set,
        seed,
    };
    let coarse = drawn(data, config, &train, share, seed)?;
    let boxed = scene.fit(&coarse, &train, 1.0)?;
    let chosen = scene.refined(&boxed, &coarse, &train)?;
    let stage1 = scene.fit(&chosen, &train, 1.0)?;
    let mut arms = vec![
        arm(&scene, Kind::Boxed, &boxed, &test)?,
        arm(&scene, Kind::Stage1, &stage1, &test)?,
    ];
    let mut same = Vec::new();
    for kind in [Kind::Plain, Kind::Stage2] {
        let net = stage2::fit(&scene, &stage1, &chosen, &train, kind == Kind::Stage2)?;
        let (found, p) = net.says(&scene, &test)?;
        // What is left in the end are the first stage's answers in the boxes of the paper's network.
        same = scene.says(&stage1, &test, &found)?;
        arms.push(Arm { kind, found, p });
    }
    let groups = data.set.groups();
    Ok(Round {
        y: test.iter().map(|&i| data.set.y[i]).collect(),
        groups: test.iter().map(|&i| groups[i]).collect(),
        clean: test.iter().map(|&i| data.clean[i]).collect(),
        arms,
        same,
        boxes: compared(data, &groups, &coarse, &chosen),
    })
}

fn arm(scene: &Scene<'_>, kind: Kind, pair: &Pair, test: &[usize]) -> Result<Arm> {
    let found = detect(scene.config, &pair.detector, scene.set, test)?;
    let p = scene.says(pair, test, &found)?;
    Ok(Arm { kind, found, p })
}

/// How far drawn and chosen boxes overlap the clean ones.
fn compared(data: &Data, groups: &[usize], coarse: &Boxes, chosen: &Boxes) -> Vec<Chosen> {
    let overlap = |i: usize, rect: Rect| iou(&rect, &data.clean[i]);
    let one = |i: usize| {
        Some(Chosen {
            group: groups[i],
            before: coarse[i].map(|r| overlap(i, r)),
            after: overlap(i, chosen[i]?),
        })
    };
    (0..chosen.len()).filter_map(one).collect()
}
