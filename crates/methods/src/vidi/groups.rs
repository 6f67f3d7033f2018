//! From maps to groups: what is clustered, the groups themselves, and the deletion test.

use super::cases::CaseSet;
use super::config::Config;
use crate::blocks::attributed::{Explained, deep_shap, references};
use crate::blocks::classify::predict;
use crate::blocks::cluster::{Clusters, choose_k, k_means};
use crate::blocks::embeddings::pooled_planes;
use crate::blocks::figures::coarse;
use crate::error::{MethodError, Result};
use hilum_explain::Net;
use hilum_image::Plane;
use hilum_kernels::{Params, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What is clustered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Positive and negative parts of the SHAP map, in blocks.
    Shap,
    /// Grey levels, in blocks.
    Pixels,
    /// What the last layer reads.
    Penultimate,
}

impl Feature {
    /// All, the method's own first.
    pub const ALL: [Feature; 3] = [Feature::Shap, Feature::Pixels, Feature::Penultimate];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Feature::Shap => "SHAP",
            Feature::Pixels => "pixels",
            Feature::Penultimate => "last features",
        }
    }
}

/// What one network said of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedOutcome {
    /// Logit of each test picture.
    pub test: Vec<f64>,
    /// Logit of each explained picture.
    pub scores: Vec<f64>,
    /// Indices of the explained pictures that are said to be positive, which are clustered.
    pub clustered: Vec<usize>,
    /// Clusters in SHAP's number, one partition a [`Feature`].
    pub groups: Vec<Vec<usize>>,
    /// The number with the largest silhouette, a feature.
    pub chosen: Vec<usize>,
    /// Mean silhouette at that number, a feature.
    pub silhouettes: Vec<f64>,
    /// How far sums are from the difference of the logits.
    pub gaps: Vec<f64>,
    /// Change of the logit when the most favourable blocks are taken away.
    pub favourable: Vec<f64>,
    /// The same for the most unfavourable ones.
    pub unfavourable: Vec<f64>,
    /// The same for as many blocks at random.
    pub random: Vec<f64>,
}

/// Maps of the clustered pictures, for the sheets.
pub struct Maps {
    /// In the order of [`SeedOutcome::clustered`].
    pub explained: Vec<Explained>,
}

/// Explains and clusters what one network says is positive.
///
/// # Errors
/// Fewer than four positive pictures; layers without a rescale rule.
pub fn of_network(
    config: &Config,
    set: &CaseSet,
    params: &Params,
    seed: u64,
) -> Result<(SeedOutcome, Maps)> {
    let training = config.training(1);
    let (graph, contract) = (training.network.graph(), config.contract());
    let first = |z: Vec<Vec<f64>>| -> Vec<f64> { z.into_iter().map(|z| z[0]).collect() };
    let test = first(predict(&graph, params, &contract, &set.test)?);
    let scores = first(predict(&graph, params, &contract, &set.explained)?);
    let clustered = said_positive(set, &scores)?;
    let net = Net::new(&graph, std::slice::from_ref(params), "logits")?;
    let bases = references(&contract, &set.train, config.references);
    let planes: Vec<&Plane<u8>> = clustered
        .iter()
        .map(|&i| &set.explained.pictures[i].plane)
        .collect();
    let explained: Vec<Explained> = planes
        .iter()
        .map(|plane| deep_shap(&net, &contract, plane, 0, &bases))
        .collect::<Result<_>>()?;
    let rows = [
        explained.iter().map(|e| shap_row(config, &e.map)).collect(),
        planes
            .iter()
            .map(|p| unit(coarse(&contract.values(p), config.size, config.cells)))
            .collect(),
        pooled_planes(&graph, params, &contract, &planes)?
            .into_iter()
            .map(unit)
            .collect::<Vec<_>>(),
    ];
    let (groups, chosen) = cluster(config, &rows, seed)?;
    let mut outcome = SeedOutcome {
        test,
        scores,
        clustered,
        groups,
        chosen: chosen.iter().map(|c| c.k).collect(),
        silhouettes: chosen.iter().map(|c| c.silhouette).collect(),
        gaps: explained.iter().map(|e| e.gap).collect(),
        favourable: Vec::new(),
        unfavourable: Vec::new(),
        random: Vec::new(),
    };
    for (number, (plane, e)) in planes.iter().zip(&explained).enumerate() {
        // Other random blocks in every picture.
        let own = seed ^ ((number as u64 + 1) << 20);
        let [f, u, r] = deletion(config, &net, plane, e, (&bases, own))?;
        outcome.favourable.push(f);
        outcome.unfavourable.push(u);
        outcome.random.push(r);
    }
    Ok((outcome, Maps { explained }))
}

/// Pictures with a logit of at least 0; all of them when a network calls hardly any positive, so that there is something
/// to cluster in a run of a few steps.
fn said_positive(set: &CaseSet, scores: &[f64]) -> Result<Vec<usize>> {
    const LEAST: usize = 8;
    if scores.len() < LEAST {
        return Err(MethodError::TooFew {
            what: format!("{}: pictures to be explained", set.name.name()),
            found: scores.len(),
            needed: LEAST,
        });
    }
    let positive: Vec<usize> = (0..scores.len()).filter(|&i| scores[i] >= 0.0).collect();
    Ok(match positive.len() >= LEAST {
        true => positive,
        false => (0..scores.len()).collect(),
    })
}

/// Block means of the positive and of the negative part, together of length 1.
fn shap_row(config: &Config, map: &[f32]) -> Vec<f64> {
    let part = |sign: f32| -> Vec<f32> { map.iter().map(|v| (sign * v).max(0.0)).collect() };
    let mut row = coarse(&part(1.0), config.size, config.cells);
    row.extend(coarse(&part(-1.0), config.size, config.cells));
    unit(row)
}

/// Scaled to length 1; a row of zeros stays.
fn unit(mut row: Vec<f64>) -> Vec<f64> {
    let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
    if norm > 0.0 {
        row.iter_mut().for_each(|v| *v /= norm);
    }
    row
}

/// Partitions of each feature in the number that SHAP's silhouette chooses, and each feature's own choice.
fn cluster(
    config: &Config,
    rows: &[Vec<Vec<f64>>],
    seed: u64,
) -> Result<(Vec<Vec<usize>>, Vec<Clusters>)> {
    let range = 2..=config.most_clusters;
    let chosen: Vec<Clusters> = rows
        .iter()
        .map(|r| Ok(choose_k(r, range.clone(), config.restarts, seed)?.0))
        .collect::<Result<_>>()?;
    let k = chosen[0].k;
    let groups = rows
        .iter()
        .zip(&chosen)
        .map(|(r, c)| match c.k == k {
            true => Ok(c.of.clone()),
            false => Ok(k_means(r, k, config.restarts, seed)?.of),
        })
        .collect::<Result<_>>()?;
    Ok((groups, chosen))
}

/// Mean change of the logit over the references when a share of the blocks becomes the reference's: the most favourable
/// ones, the most unfavourable ones, random ones. Blocks rather than pixels, since scattered pixels of another picture
/// are noise to a network, wherever they are; references, since the attributions are against them.
fn deletion(
    config: &Config,
    net: &Net,
    plane: &Plane<u8>,
    e: &Explained,
    (references, seed): (&[Vec<f32>], u64),
) -> Result<[f64; 3]> {
    let contract = config.contract();
    let values = contract.values(plane);
    let blocks = coarse(&e.map, config.size, config.cells);
    let n = ((config.deleted * blocks.len() as f64).round() as usize).max(1);
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by(|&a, &b| blocks[b].total_cmp(&blocks[a]));
    let mut random: Vec<usize> = (0..blocks.len()).collect();
    random.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let gone = [&order[..n], &order[order.len() - n..], &random[..n]];
    let mut change = [0.0; 3];
    for reference in references {
        let x = Tensor {
            shape: vec![3, 1, contract.height, contract.width],
            data: gone
                .map(|blocks| replaced(config, &values, reference, blocks))
                .concat(),
        };
        let logits = net.logits(&x)?;
        for (sum, z) in change.iter_mut().zip(&logits) {
            *sum += (z[0] - e.score) / references.len() as f64;
        }
    }
    Ok(change)
}

/// The picture with the reference's values in some blocks.
fn replaced(config: &Config, values: &[f32], reference: &[f32], blocks: &[usize]) -> Vec<f32> {
    let (size, cells) = (config.size, config.cells);
    let mut out = values.to_vec();
    for b in blocks {
        let (bx, by) = (b % cells, b / cells);
        for y in by * size / cells..(by + 1) * size / cells {
            let row = y * size + bx * size / cells..y * size + (bx + 1) * size / cells;
            out[row.clone()].copy_from_slice(&reference[row]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::study::Settings;
    use hilum_explain::Baseline;
    use hilum_explain::gradient::deep_lift_shap;
    use hilum_kernels::Graph;
    use hilum_nn::builder::{Conv, GraphBuilder};

    /// Two pixels a side, a layer of rectified units over all of them, one logit.
    fn little() -> Graph {
        let (mut b, x) = GraphBuilder::new(1);
        let all = Conv {
            padding: 0,
            ..Conv::same(1, 6, 2)
        };
        let y = b.conv("c", x, all.with_bias());
        let y = b.relu(y);
        let flat = b.node("flat", hilum_kernels::Op::Flatten, &[y]);
        let logits = b.linear("fc", flat, 6, 1);
        b.output("logits", logits);
        b.finish()
    }

    /// Shapley values of the four pixels by their definition.
    fn shapley(net: &Net, x: &[f32], base: &[f32]) -> Vec<f64> {
        let value = |subset: usize| {
            let data: Vec<f32> = (0..4)
                .map(|i| if subset >> i & 1 == 1 { x[i] } else { base[i] })
                .collect();
            let t = Tensor {
                shape: vec![1, 1, 2, 2],
                data,
            };
            net.logits(&t).unwrap()[0][0]
        };
        let weight = [1.0 / 4.0, 1.0 / 12.0, 1.0 / 12.0, 1.0 / 4.0];
        (0..4)
            .map(|i| {
                (0..16usize)
                    .filter(|s| s >> i & 1 == 0)
                    .map(|s| weight[s.count_ones() as usize] * (value(s | 1 << i) - value(s)))
                    .sum()
            })
            .collect()
    }

    #[test]
    fn deep_shap_is_near_the_shapley_values_of_a_little_network_and_equal_where_it_is_linear() {
        let graph = little();
        let x = [0.7, -0.4, 1.2, 0.3];
        let base = [0.1, 0.2, -0.3, 0.0];
        let mut gaps = Vec::new();
        for (seed, bias) in [(1, 0.0), (2, 0.0), (3, 0.0), (1, 50.0)] {
            let mut params = graph.init_params(seed);
            // A large bias keeps every unit on: the network is linear, and the rule exact.
            params[1].iter_mut().for_each(|b| *b = bias);
            let net = Net::new(&graph, &[params], "logits").unwrap();
            let t = Tensor {
                shape: vec![1, 1, 2, 2],
                data: x.to_vec(),
            };
            let got = deep_lift_shap(&net, &t, &[0], &[Baseline::Image(base.to_vec())]).unwrap();
            let exact = shapley(&net, &x, &base);
            let size = exact.iter().map(|v| v.abs()).sum::<f64>();
            let gap: f64 = got
                .data
                .iter()
                .zip(&exact)
                .map(|(a, b)| (f64::from(*a) - b).abs())
                .sum();
            gaps.push(gap / size);
        }
        assert!(gaps[3] < 1e-4, "{gaps:?}");
        assert!(gaps.iter().all(|g| *g < 0.5), "{gaps:?}");
    }

    #[test]
    fn blocks_of_the_reference_take_the_place_of_the_pictures() {
        let config = Config {
            size: 5,
            cells: 2,
            ..Config::tiny()
        };
        let out = replaced(&config, &[0.0; 25], &[1.0; 25], &[0, 3]);
        let rows: Vec<&[f32]> = out.chunks(5).collect();
        assert_eq!(rows[1], [1.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(rows[2], [0.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(out.iter().sum::<f32>(), 4.0 + 9.0);
    }

    #[test]
    fn rows_have_length_one_and_keep_both_signs() {
        let config = Config {
            size: 4,
            cells: 2,
            ..Config::tiny()
        };
        let mut map = vec![0.0f32; 16];
        map[0] = 2.0;
        map[15] = -2.0;
        let row = shap_row(&config, &map);
        assert_eq!(row.len(), 8);
        let half = (0.5f64).sqrt();
        assert!((row[0] - half).abs() < 1e-12 && (row[7] - half).abs() < 1e-12);
        assert_eq!(unit(vec![0.0; 3]), vec![0.0; 3]);
    }
}
