//! Training domains by test domains.

use super::chains::Chain;
use super::config::Config;
use crate::blocks::classes::{ClassSet, patient};
use crate::blocks::multiclass::Said;
use crate::blocks::parts::Parts;
use crate::blocks::short::{fit_classes, probabilities};
use crate::context::Context;
use crate::error::Result;
use hilum_data::hashes::{ContentHash, data_hash, split_hash};
use hilum_data::splits::k_folds;
use hilum_data::{Sample, Split};
use hilum_image::Recipe;
use hilum_nn::InputContract;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The set.
const SET: &str = "mammo_mias";
/// Density, from fatty to dense: three classes where the paper has the four of BI-RADS.
pub const DENSITIES: [&str; 3] = ["fatty", "fatty-glandular", "dense-glandular"];

/// What a network is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// One chain.
    One(Chain),
    /// Every picture through all chains.
    All,
    /// Every picture through a chain drawn for it: as many pictures as one chain has.
    Matched,
}

impl Domain {
    /// The rows of the grid.
    pub fn all() -> Vec<Domain> {
        let mut rows: Vec<Domain> = Chain::ALL.map(Domain::One).to_vec();
        rows.extend([Domain::All, Domain::Matched]);
        rows
    }

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Domain::One(chain) => chain.name(),
            Domain::All => "all chains",
            Domain::Matched => "all chains, size of one",
        }
    }
}

/// Everything that was said, each picture by networks of folds without its woman.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Settings.
    pub config: Config,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Hash of the pictures.
    pub data_hash: String,
    /// Hash of the split.
    pub split_hash: String,
    /// Densities.
    pub y: Vec<usize>,
    /// Women.
    pub groups: Vec<usize>,
    /// Cells.
    pub cells: Vec<Cell>,
}

/// One training domain tested on one chain at one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Trained on.
    pub train: Domain,
    /// Tested on.
    pub test: Chain,
    /// Seed.
    pub seed: u64,
    /// Probabilities.
    pub said: Said,
}

/// The density of a mammogram.
pub fn density(sample: &Sample) -> Option<usize> {
    let label = |s: &String| DENSITIES.iter().position(|d| *d == s.trim());
    sample.raw_labels.iter().find_map(label)
}

/// Runs the whole grid.
///
/// # Errors
/// Data that are not there, a stop, a class missing in a fold, a diverging run.
pub fn run(ctx: &Context<'_>, config: &Config) -> Result<Outcome> {
    let all: Vec<Sample> = ctx
        .samples("breast_density", &[SET])?
        .into_iter()
        .filter(|s| matches!(s.split, Some(Split::Train | Split::Val)))
        .collect();
    let samples = ctx.limit(all, 90);
    let chains = Chain::ALL
        .iter()
        .map(|c| load(&samples, config, *c))
        .collect::<Result<Vec<ClassSet>>>()?;
    chains[0].check_classes("mammograms")?;
    let hashes = [
        data_hash(&samples, ContentHash::Stated, None)?,
        split_hash(&samples),
    ];
    let parts = Parts::open(ctx, "breast_density", config, [&hashes[0], &hashes[1]])?;
    let seeds: Vec<u64> = (0..config.seeds as u64).map(|k| ctx.seed + k).collect();
    let mut cells = Vec::new();
    for &seed in &seeds {
        let strata: Vec<u32> = chains[0].y.iter().map(|y| *y as u32).collect();
        let fold = k_folds(&samples, &strata, config.folds, seed)?;
        for train in Domain::all() {
            let key = format!("seed {seed}, {}", train.name());
            let said: Vec<Said> =
                parts.get(&key, || row(ctx, config, &chains, &fold, train, seed))?;
            cells.extend(Chain::ALL.iter().zip(said).map(|(test, said)| Cell {
                train,
                test: *test,
                seed,
                said,
            }));
        }
    }
    let [data_hash, split_hash] = hashes;
    Ok(Outcome {
        config: config.clone(),
        seeds,
        data_hash,
        split_hash,
        y: chains[0].y.clone(),
        groups: chains[0].groups(),
        cells,
    })
}

/// The pictures through a chain; the chain sees them at the size they are stored in.
fn load(samples: &[Sample], config: &Config, chain: Chain) -> Result<ClassSet> {
    let contract = InputContract::square(config.side);
    let mut set = ClassSet {
        side: config.side,
        classes: DENSITIES.len(),
        ..ClassSet::default()
    };
    for (i, sample) in samples.iter().enumerate() {
        let image = hilum_dicom::load(sample.path(), Recipe::Voi)?.pixels;
        let prepared = contract.prepare(&chain.apply(&image, i as u64), None)?;
        let class = density(sample).ok_or_else(|| {
            crate::MethodError::Config(format!("{}: no density among its labels", sample.id))
        })?;
        set.x.push(contract.values(&prepared.plane));
        set.y.push(class);
        set.patients.push(patient(sample));
    }
    Ok(set)
}

/// One row of the grid: what networks trained on `train` say of every chain, fold by fold.
fn row(
    ctx: &Context<'_>,
    config: &Config,
    chains: &[ClassSet],
    fold: &[usize],
    train: Domain,
    seed: u64,
) -> Result<Vec<Said>> {
    let graph = config.network(DENSITIES.len()).graph();
    let mut said: Vec<Said> = vec![vec![Vec::new(); fold.len()]; chains.len()];
    for k in 0..config.folds {
        let (held, own): (Vec<usize>, Vec<usize>) = (0..fold.len()).partition(|&i| fold[i] == k);
        let data = training_set(chains, &own, train, seed);
        let params = fit_classes(
            ctx,
            &graph,
            graph.init_params(seed),
            &data,
            &config.train,
            seed,
        )?;
        for (chain, said) in chains.iter().zip(&mut said) {
            let answers = probabilities(&graph, &params, &chain.select(&held))?;
            held.iter().zip(answers).for_each(|(&i, p)| said[i] = p);
        }
    }
    Ok(said)
}

fn training_set(chains: &[ClassSet], own: &[usize], train: Domain, seed: u64) -> ClassSet {
    match train {
        Domain::One(chain) => {
            let at = Chain::ALL.iter().position(|c| *c == chain).unwrap_or(0);
            chains[at].select(own)
        }
        Domain::All => {
            let first = chains[0].select(own);
            chains[1..]
                .iter()
                .fold(first, |sum, c| sum.joined(&c.select(own)))
        }
        Domain::Matched => {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut set = chains[0].select(own);
            for (x, &i) in set.x.iter_mut().zip(own) {
                x.clone_from(&chains[rng.random_range(0..chains.len())].x[i]);
            }
            set
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::classes::samples::squares;

    #[test]
    fn training_sets_have_the_size_and_pictures_they_should() {
        let chains: Vec<ClassSet> = (0..3).map(|k| squares(12, 8, 3, k)).collect();
        let own: Vec<usize> = (0..9).collect();
        let one = training_set(&chains, &own, Domain::One(Chain::Sharp), 1);
        assert_eq!(one.x, chains[2].select(&own).x);
        assert_eq!(training_set(&chains, &own, Domain::All, 1).len(), 27);
        let matched = training_set(&chains, &own, Domain::Matched, 1);
        assert_eq!((matched.len(), &matched.y), (9, &one.y));
        let from = |x: &Vec<f32>, i: usize| chains.iter().position(|c| c.x[i] == *x).unwrap();
        let seen: std::collections::BTreeSet<usize> = matched
            .x
            .iter()
            .enumerate()
            .map(|(i, x)| from(x, i))
            .collect();
        assert!(seen.len() > 1);
    }
}
