//! The study: towers of all domains and of one, and everybody who answers.

use super::config::Config;
use super::films::{Domain, Film, Films, check, findings};
use super::measure::{asks, cases};
use super::outcome::{Answers, Ask, Elsewhere, Outcome, Pooling, Reader, Run, Shown, Threshold};
use super::readers::{Adults, adapter, ages, choose_k, neighbours, prompts, tuned};
use super::reports;
use super::space::Space;
use super::towers::{self, Towers};
use super::volumes::{self, Volume};
use crate::blocks::parts::Parts;
use crate::context::Context;
use crate::error::Result;
use hilum_data::Split;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_metrics::classification::{BinaryScores, at_sensitivity, at_specificity};

/// Runs everything that the settings ask for; gives the films too, for what is shown of them.
///
/// # Errors
/// Data that are not there, a stop, a diverging run, too few films.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<(Outcome, Vec<Film>)> {
    let films = Films::load(ctx, config)?;
    check(&films, config.least)?;
    let asks = asks(&films, config)?;
    let hashes = [
        data_hash(&films.samples, ContentHash::Stated, None)?,
        split_hash(&films.samples),
    ];
    let parts = Parts::open(ctx, "medimageinsight", config, [&hashes[0], &hashes[1]])?;
    let volumes: Vec<Volume> = parts.get("volumes", || volumes::draw(config, ctx.seed))?;
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    let runs = seeds
        .iter()
        .map(|&seed| {
            parts.get(&format!("seed {seed}"), || {
                one(ctx, config, &parts, &films, (&asks, &volumes), seed)
            })
        })
        .collect::<Result<_>>()?;
    let trained = |d: Domain| (d, films.of(d, Split::Train).len());
    let [data_hash, split_hash] = hashes;
    let outcome = Outcome {
        config: config.clone(),
        seeds,
        data_hash,
        split_hash,
        trained: Domain::ALL.map(trained).to_vec(),
        cases: cases(&films, &films.of(Domain::Adult, Split::Test)),
        asks,
        references: reports::references(&films),
        volumes: volumes.into_iter().map(|v| v.findings).collect(),
        runs,
    };
    Ok((outcome, films.all))
}

fn one(
    ctx: &Context<'_>,
    config: &Config,
    parts: &Parts<'_>,
    films: &Films,
    (asks, volumes): (&[Ask], &[Volume]),
    seed: u64,
) -> Result<Run> {
    let adults = Adults::of(films);
    let start = config.images().graph().init_params(seed);
    let train = |domains: &[Domain]| {
        let at = films.training(domains);
        towers::train(ctx, config, films, &at, start.clone(), seed)
    };
    let joint = train(&Domain::ALL)?;
    parts.check()?;
    let alone = train(&[Domain::Adult])?;
    parts.check()?;
    let everything: Vec<usize> = (0..films.all.len()).collect();
    let own = adults.all();
    let space = Space::of_tower(films, &everything, (&joint.images, &joint.image_params))?;
    let space_alone = Space::of_tower(films, &own, (&alone.images, &alone.image_params))?;
    let untrained = Space::of_features(films, &own, &config.images(), start.clone())?;
    let k = choose_k(config, films, asks, &space, &adults.val)?;
    let k_alone = choose_k(config, films, asks, &space_alone, &adults.val)?;
    let k_untrained = choose_k(config, films, asks, &untrained, &adults.val)?;
    let near = neighbours(config, &space, &adults.test);
    let mut answers = Vec::new();
    let mut add = |reader: Reader, said| answers.push(Answers { reader, said });
    for &k in &config.neighbours {
        add(Reader::Neighbours(k), space.votes(&near, k)?);
    }
    let of = |space: &Space<'_>, k| space.votes(&neighbours(config, space, &adults.test), k);
    add(Reader::Alone, of(&space_alone, k_alone)?);
    add(Reader::UntrainedNeighbours, of(&untrained, k_untrained)?);
    add(Reader::Prompts, prompts(&space, &joint, &adults.test)?);
    add(
        Reader::Adapter,
        adapter(config, films, asks, &space, &adults)?,
    );
    add(
        Reader::UntrainedProbe,
        adapter(config, films, asks, &untrained, &adults)?,
    );
    parts.check()?;
    add(
        Reader::Tuned,
        tuned(ctx, config, films, &joint, &adults, seed)?,
    );
    parts.check()?;
    let (reports, telling) = reports::write(ctx, config, films, &joint, &space, seed)?;
    parts.check()?;
    let trained = (&joint.images, &joint.image_params);
    let ranks = [
        (trained, Pooling::Slices),
        (trained, Pooling::Middle),
        ((&joint.images, &start), Pooling::Untrained),
    ];
    let rank = |(tower, pooling)| volumes::rank(config, volumes, tower, pooling);
    Ok(Run {
        seed,
        k,
        k_alone,
        answers,
        ages: ages(config, films, &space, &untrained, &adults)?,
        thresholds: thresholds(config, films, &space, &adults.val, k)?,
        elsewhere: Domain::ALL
            .into_iter()
            .map(|d| elsewhere(films, &space, d, k))
            .collect::<Result<_>>()?,
        shown: shown(config, films, &space, k)?,
        reports,
        telling,
        ranks: ranks.into_iter().map(rank).collect::<Result<_>>()?,
        recall: space.recall(&adults.test, config.breadth, seed)?,
        losses: [last_loss(&joint), last_loss(&alone)],
        scale: joint.scale,
    })
}

fn last_loss(towers: &Towers) -> f64 {
    towers.losses.last().copied().unwrap_or(f64::NAN)
}

/// Thresholds of the vote for any finding that reach the target on the validation films; one that none reaches is left out.
fn thresholds(
    config: &Config,
    films: &Films,
    space: &Space<'_>,
    val: &[usize],
    k: usize,
) -> Result<Vec<Threshold>> {
    let said = space.votes(&neighbours(config, space, val), k)?;
    let any = findings().len();
    let truth: Vec<bool> = val.iter().map(|&i| films.truth(i)[any]).collect();
    let scores: Vec<f64> = said.iter().map(|row| f64::from(row[any])).collect();
    let data = BinaryScores::new(&truth, &scores)?;
    let found = [
        (true, at_sensitivity(&data, config.target)?.threshold),
        (false, at_specificity(&data, config.target)?.threshold),
    ];
    let threshold =
        |(sensitivity, at): (bool, Option<f64>)| at.map(|at| Threshold { sensitivity, at });
    Ok(found.into_iter().filter_map(threshold).collect())
}

/// The question of a domain, answered by the neighbours among its own training films.
fn elsewhere(films: &Films, space: &Space<'_>, domain: Domain, k: usize) -> Result<Elsewhere> {
    let test = films.of(domain, Split::Test);
    let vote = |&film: &usize| {
        let near = space.near(film, k, Some(domain));
        space.voted(&near, |i| f64::from(u8::from(films.all[i].answer)))
    };
    let own = |&film: &usize| {
        let nearest = space.near(film, 1, None);
        nearest
            .first()
            .is_some_and(|(i, _)| films.all[*i].domain == domain)
    };
    Ok(Elsewhere {
        domain,
        groups: films.set(&test).groups(),
        truth: test.iter().map(|&i| films.all[i].answer).collect(),
        said: test.iter().map(vote).collect::<Result<_>>()?,
        own: test.iter().map(own).collect(),
    })
}

/// Test films of adults and generated ones, evenly taken, with their neighbours.
fn shown(config: &Config, films: &Films, space: &Space<'_>, k: usize) -> Result<Vec<Shown>> {
    let [many, neighbours] = config.sheet;
    let mut all = Vec::new();
    for domain in [Domain::Adult, Domain::Phantom] {
        let test = films.of(domain, Split::Test);
        let n = test.len().min(many);
        for i in 0..n {
            let film = test[i * test.len() / n];
            let near = space.near(film, k, Some(domain));
            let answer = |i: usize| f64::from(u8::from(films.all[i].answer));
            all.push(Shown {
                film,
                score: space.voted(&near, answer)?,
                neighbours: space.near(film, neighbours, Some(domain)),
            });
        }
    }
    Ok(all)
}
