//! The study: an encoder and its concepts from one half of the patients, classifiers on confounded sets of the other.

use super::concepts::{Concept, answers, bank, questions};
use super::config::Config;
use super::outcome::{Arm, Model, Outcome, Run};
use super::propose::propose;
use crate::blocks::classes::ClassSet;
use crate::blocks::features::Encoder;
use crate::blocks::films::{FINDINGS, Films};
use crate::blocks::linear::{Linear, Prior, Rows, Settings, fit, scaled};
use crate::blocks::parts::Parts;
use crate::blocks::retrieval::sentences;
use crate::blocks::short::{fit_classes, fit_findings, probabilities};
use crate::blocks::warm;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::Split;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_kernels::{Graph, Params};
use hilum_tabular::learner::Logistic;
use hilum_tabular::{Matrix, fit_standardised};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Runs everything that the settings ask for.
///
/// # Errors
/// Data that are not there, a stop, a diverging run, too few cases.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Outcome> {
    let films = Films::load(ctx, "knobo", config.side, &config.nuisances)?;
    let asked = questions(&ctx.data, &config.corpus)?;
    let bank = bank(&asked, &answers(&ctx.data)?, &FINDINGS);
    let hashes = [
        data_hash(&films.samples, ContentHash::Stated, None)?,
        split_hash(&films.samples),
    ];
    let parts = Parts::open(ctx, "knobo", config, [&hashes[0], &hashes[1]])?;
    let proposals = propose(&sentences(ctx, "knobo")?, config.retrieved);
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    let runs = seeds
        .iter()
        .map(|&seed| {
            parts.get(&format!("seed {seed}"), || {
                one(ctx, config, &parts, &films, &bank, seed)
            })
        })
        .collect::<Result<_>>()?;
    let test = films.adults(Split::Test);
    let finding = |i: &usize| {
        let known = |v: &f32| (!v.is_nan()).then_some(*v >= 0.5);
        films.findings[*i].iter().map(known).collect()
    };
    let [data_hash, split_hash] = hashes;
    Ok(Outcome {
        config: config.clone(),
        seeds,
        data_hash,
        split_hash,
        groups: films.set.select(&test).groups(),
        ties: config
            .nuisances
            .iter()
            .map(|&n| films.ties(n, &test))
            .collect(),
        findings: test.iter().map(finding).collect(),
        questions: asked.len(),
        bank,
        proposals,
        runs,
    })
}

/// What the classifiers see of the films.
struct Seen {
    embeddings: Vec<Vec<f64>>,
    concepts: Vec<Vec<f64>>,
    signs: Vec<[f64; 2]>,
}

fn one(
    ctx: &Context<'_>,
    config: &Config,
    parts: &Parts<'_>,
    films: &Films,
    bank: &[Concept],
    seed: u64,
) -> Result<Run> {
    let [grounding, task] = films.halves(seed);
    let graph = config.encoder().graph();
    let mut with_children = grounding.clone();
    with_children.extend(films.children());
    // Films whose labels are tied to nothing.
    let findings: Vec<Vec<f32>> = with_children
        .iter()
        .map(|&i| films.findings[i].clone())
        .collect();
    let encoder = fit_findings(
        ctx,
        &graph,
        graph.init_params(seed),
        (&films.set.select(&with_children), &findings),
        &config.pretrain,
        seed,
    )?;
    parts.check()?;
    let embeddings = embed(config, &encoder, &films.set)?;
    let (grounded, concepts) = ground(config, films, &embeddings, &grounding, bank, seed)?;
    let seen = Seen {
        embeddings,
        concepts,
        signs: grounded.iter().map(|&k| bank[k].signs).collect(),
    };
    let test = films.adults(Split::Test);
    let mut arms = Vec::new();
    for &nuisance in &config.nuisances {
        let everywhere: Vec<usize> = (0..films.samples.len()).collect();
        let ties = films.ties(nuisance, &everywhere);
        let mut sizes = vec![None];
        sizes.extend(config.shots.iter().map(|s| Some(*s)));
        let val = ties.choose(&films.adults(Split::Val), config.strength, None, seed)?;
        for shots in sizes {
            let train = ties.choose(&task, config.strength, shots, seed)?;
            let sets = [&train, &val, &test].map(Vec::as_slice);
            // With a handful of cases the prior is what is asked about.
            let models = Model::ALL
                .into_iter()
                .filter(|m| shots.is_none() || !matches!(m, Model::EndToEnd | Model::PosthocCbm));
            for model in models {
                let arm = match model {
                    Model::EndToEnd => {
                        end_to_end(ctx, config, films, (&graph, &encoder), sets, seed)?
                    }
                    other => linear(config, films, &seen, other, sets, seed)?,
                };
                arms.push(Arm {
                    model,
                    nuisance,
                    shots,
                    trained: train.len(),
                    said: arm.0,
                    weights: arm.1,
                });
                parts.check()?;
            }
        }
    }
    let shown = test
        .iter()
        .map(|&i| seen.concepts[i].iter().map(|v| *v as f32).collect());
    Ok(Run {
        seed,
        grounded,
        concepts: shown.collect(),
        arms,
    })
}

/// The mean of each feature map of the frozen encoder.
fn embed(config: &Config, encoder: &Params, set: &ClassSet) -> Result<Vec<Vec<f64>>> {
    let frozen = Encoder::new(&config.encoder(), encoder.clone())?;
    let pictures: Vec<&[f32]> = set.x.iter().map(Vec::as_slice).collect();
    let rows = frozen.features(&pictures, set.side)?;
    let wide = |row: &Vec<f32>| row.iter().map(|v| f64::from(*v)).collect();
    Ok(rows.iter().map(wide).collect())
}

/// Grounding functions: for each concept a logistic regression on embeddings, balanced. Gives the places of the
/// concepts that the validation split can judge, and their probabilities for all films.
fn ground(
    config: &Config,
    films: &Films,
    embeddings: &[Vec<f64>],
    grounding: &[usize],
    bank: &[Concept],
    seed: u64,
) -> Result<(Vec<usize>, Vec<Vec<f64>>)> {
    let val = films.adults(Split::Val);
    let all = matrix(embeddings)?;
    let mut grounded = Vec::new();
    let mut columns = Vec::new();
    for (k, concept) in bank.iter().enumerate() {
        let Some(code) = FINDINGS.iter().position(|c| *c == concept.code) else {
            continue;
        };
        let side = |at: &[usize], wanted: bool| -> Vec<usize> {
            let is = |i: &&usize| {
                let v = films.findings[**i][code];
                !v.is_nan() && (v >= 0.5) == wanted
            };
            at.iter().filter(is).copied().collect()
        };
        if [true, false]
            .iter()
            .any(|w| side(&val, *w).len() < config.least)
        {
            continue;
        }
        let mut sides = [side(grounding, false), side(grounding, true)];
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ ((k as u64) << 8));
        sides.iter_mut().for_each(|s| s.shuffle(&mut rng));
        let n = sides[0].len().min(sides[1].len()).min(config.most);
        if n < config.least.min(4) {
            continue;
        }
        let at: Vec<usize> = sides.iter().flat_map(|s| s[..n].to_vec()).collect();
        let y: Vec<bool> = (0..2 * n).map(|j| j >= n).collect();
        let learner = Logistic {
            penalty: config.penalty,
        };
        let fitted = fit_standardised(&learner, &all.select(&at), &y, seed)?;
        columns.push(fitted.probabilities(&all)?);
        grounded.push(k);
    }
    if grounded.is_empty() {
        return Err(MethodError::TooFew {
            what: "concepts with labelled films in the validation split".to_owned(),
            found: 0,
            needed: 1,
        });
    }
    let row = |i: usize| columns.iter().map(|c| c[i]).collect();
    Ok((grounded, (0..embeddings.len()).map(row).collect()))
}

fn matrix(rows: &[Vec<f64>]) -> Result<Matrix> {
    Ok(Matrix::new(
        rows.concat(),
        rows.first().map_or(0, Vec::len),
    )?)
}

/// A linear layer: what it says of the test films, and its weights if it is over concepts.
fn linear(
    config: &Config,
    films: &Films,
    seen: &Seen,
    model: Model,
    [train, val, test]: [&[usize]; 3],
    seed: u64,
) -> Result<(Vec<bool>, Vec<f64>)> {
    let settings = Settings {
        epochs: config.epochs,
        rate: config.rate,
        batch: config.batch,
        seed,
    };
    let pick = |from: &[Vec<f64>], at: &[usize]| -> Vec<Vec<f64>> {
        at.iter().map(|&i| from[i].clone()).collect()
    };
    let labels = |at: &[usize]| -> Vec<bool> { at.iter().map(|&i| films.set.y[i] == 1).collect() };
    let (y, y_val, y_test) = (labels(train), labels(val), labels(test));
    let concepts = [train, val, test].map(|at| pick(&seen.concepts, at));
    let scaled = scaled(&seen.embeddings, train);
    let embeddings = [train, val, test].map(|at| pick(&scaled, at));
    let layer_on = |x: &[Vec<Vec<f64>>; 3], prior: Option<&Prior>, base: [&[[f64; 2]]; 2]| {
        fit(
            &Rows {
                x: &x[0],
                y: &y,
                base: base[0],
            },
            &Rows {
                x: &x[1],
                y: &y_val,
                base: base[1],
            },
            prior,
            settings,
        )
    };
    let prior = Prior {
        signs: (0..2)
            .map(|c| seen.signs.iter().map(|s| s[c]).collect())
            .collect(),
        weight: config.prior,
    };
    let own = |layer: &Linear| -> Vec<f64> {
        layer.weights[1]
            .iter()
            .zip(&layer.weights[0])
            .map(|(a, b)| a - b)
            .collect()
    };
    let say = |logits: Vec<[f64; 2]>| logits.iter().map(|z| z[1] > z[0]).collect::<Vec<bool>>();
    let bare = |x: &[Vec<f64>], layer: &Linear| -> Vec<[f64; 2]> {
        x.iter().map(|v| layer.logits(v)).collect()
    };
    Ok(match model {
        Model::KnoBo | Model::NoPrior => {
            let layer = layer_on(
                &concepts,
                (model == Model::KnoBo).then_some(&prior),
                [&[], &[]],
            )?;
            (say(bare(&concepts[2], &layer)), own(&layer))
        }
        Model::PosthocCbm => {
            let first = layer_on(&concepts, None, [&[], &[]])?;
            let base = [0, 1, 2].map(|k| bare(&concepts[k], &first));
            let second = layer_on(&embeddings, None, [&base[0], &base[1]])?;
            let asked = Rows {
                x: &embeddings[2],
                y: &y_test,
                base: &base[2],
            };
            (say(second.all(&asked)), own(&first))
        }
        _ => {
            let layer = layer_on(&embeddings, None, [&[], &[]])?;
            (say(bare(&embeddings[2], &layer)), Vec::new())
        }
    })
}

/// The whole network tuned on the confounded set, from the encoder's trunk.
fn end_to_end(
    ctx: &Context<'_>,
    config: &Config,
    films: &Films,
    (from, encoder): (&Graph, &Params),
    [train, _, test]: [&[usize]; 3],
    seed: u64,
) -> Result<(Vec<bool>, Vec<f64>)> {
    let graph = config.end_to_end().graph();
    let start = warm::copy_trunk(from, encoder, &graph, graph.init_params(seed))
        .ok_or_else(|| MethodError::Config("the encoder's trunk is another one".to_owned()))?;
    let data = films.set.select(train);
    let params = fit_classes(ctx, &graph, start, &data, &config.tune, seed)?;
    let said = probabilities(&graph, &params, &films.set.select(test))?;
    Ok((said.iter().map(|p| p[1] > p[0]).collect(), Vec::new()))
}
