//! Neuron activation profiles: what a layer's units do for a group of images beyond what they do for all, and how many
//! never change.

use crate::error::{MethodError, Result};
use hilum_image::Plane;
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, NodeId, Op, Params, Tensor};
use hilum_nn::InputContract;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What was found in one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name in the graph.
    pub name: String,
    /// Units: places of feature maps.
    pub units: usize,
    /// Units whose activation is the same on every image.
    pub dead: usize,
    /// Share of the scatter that lies between the groups.
    pub between: f64,
    /// Share of permutations, the groups as they are counted in, in which as much lies between.
    pub p: f64,
    /// Correlation of the profiles of each pair of groups, in the order (0, 1), (0, 2), (1, 2), ...; null without
    /// variance.
    pub correlations: Vec<Option<f64>>,
}

/// The last rectifier of each size of feature maps, from the first to the last.
///
/// # Errors
/// A graph that does not take such pictures.
pub fn layers(graph: &Graph, size: usize) -> Result<Vec<NodeId>> {
    let shapes = graph.shapes([1, 1, size, size])?;
    let mut found: Vec<(usize, NodeId)> = Vec::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        let [_, _, h, _] = shapes[id][..] else {
            continue;
        };
        // Joined branches were rectified one by one.
        let rectified = matches!(node.op, Op::Relu) || matches!(node.op, Op::Concat);
        if !rectified || h < 2 {
            continue;
        }
        match found.iter_mut().find(|(side, _)| *side == h) {
            Some(entry) => entry.1 = id,
            None => found.push((h, id)),
        }
    }
    Ok(found.into_iter().map(|(_, id)| id).collect())
}

/// Profiles of each layer over images of known group.
///
/// # Errors
/// Fewer than two images in a group.
pub fn profiles(
    graph: &Graph,
    params: &Params,
    contract: &InputContract,
    images: &[(&Plane<u8>, usize)],
    groups: usize,
    (permutations, seed): (usize, u64),
) -> Result<Vec<Layer>> {
    let of: Vec<usize> = images.iter().map(|(_, g)| *g).collect();
    for group in 0..groups {
        let found = of.iter().filter(|g| **g == group).count();
        if found < 2 {
            return Err(MethodError::TooFew {
                what: format!("held-out images of group {group} for activation profiles"),
                found,
                needed: 2,
            });
        }
    }
    let nodes = layers(graph, contract.width)?;
    let mut opened = graph.clone();
    opened.outputs = nodes
        .iter()
        .map(|&id| (graph.nodes[id].name.clone(), id))
        .collect();
    let plan = Plan::new(&opened, params)?;
    let mut rows: Vec<Vec<Vec<f32>>> = vec![Vec::new(); nodes.len()];
    for part in images.chunks(16) {
        let x = Tensor {
            shape: vec![part.len(), 1, contract.height, contract.width],
            data: part.iter().flat_map(|(p, _)| contract.values(p)).collect(),
        };
        for (layer, out) in rows.iter_mut().zip(plan.run(&x)?) {
            let units = out.data.len() / part.len();
            layer.extend(out.data.chunks(units).map(<[f32]>::to_vec));
        }
    }
    nodes
        .iter()
        .zip(rows)
        .map(|(&id, rows)| {
            let name = graph.nodes[id].name.clone();
            Ok(layer(name, &rows, &of, groups, permutations, seed))
        })
        .collect()
}

fn layer(
    name: String,
    rows: &[Vec<f32>],
    of: &[usize],
    groups: usize,
    permutations: usize,
    seed: u64,
) -> Layer {
    let units = rows[0].len();
    let live: Vec<usize> = (0..units)
        .filter(|&u| rows.iter().any(|r| r[u] != rows[0][u]))
        .collect();
    let gram = gram(rows, &live);
    let total = scatter(&gram);
    let own = between(&gram, of, groups);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut shuffled = of.to_vec();
    let mut as_good = 1usize;
    for _ in 0..permutations {
        shuffled.shuffle(&mut rng);
        as_good += usize::from(between(&gram, &shuffled, groups) >= own);
    }
    Layer {
        name,
        units,
        dead: units - live.len(),
        between: if total > 0.0 { own / total } else { 0.0 },
        p: as_good as f64 / (permutations + 1) as f64,
        correlations: correlations(rows, &live, of, groups),
    }
}

/// Inner products of all pairs of rows over the live units, about their mean.
fn gram(rows: &[Vec<f32>], live: &[usize]) -> Vec<Vec<f64>> {
    let n = rows.len();
    let means: Vec<f32> = live
        .iter()
        .map(|&u| rows.iter().map(|r| r[u]).sum::<f32>() / n as f32)
        .collect();
    let centred: Vec<Vec<f32>> = rows
        .iter()
        .map(|r| live.iter().zip(&means).map(|(&u, m)| r[u] - m).collect())
        .collect();
    let mut out = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in i..n {
            let dot: f64 = centred[i]
                .iter()
                .zip(&centred[j])
                .map(|(a, b)| f64::from(a * b))
                .sum();
            out[i][j] = dot;
            out[j][i] = dot;
        }
    }
    out
}

fn scatter(gram: &[Vec<f64>]) -> f64 {
    (0..gram.len()).map(|i| gram[i][i]).sum()
}

/// Squared length of the groups' profiles, each counted as often as the group has images: the part of the scatter that
/// lies between groups.
fn between(gram: &[Vec<f64>], of: &[usize], groups: usize) -> f64 {
    let mut sums = vec![0.0; groups];
    let mut counts = vec![0.0; groups];
    for (i, row) in gram.iter().enumerate() {
        counts[of[i]] += 1.0;
        for (j, v) in row.iter().enumerate() {
            if of[i] == of[j] {
                sums[of[i]] += v;
            }
        }
    }
    sums.iter()
        .zip(&counts)
        .filter(|(_, n)| **n > 0.0)
        .map(|(s, n)| s / n)
        .sum()
}

/// Pearson correlation of the groups' profiles: mean map of the group less the mean of the groups' mean maps.
fn correlations(
    rows: &[Vec<f32>],
    live: &[usize],
    of: &[usize],
    groups: usize,
) -> Vec<Option<f64>> {
    let mut means = vec![vec![0.0f64; live.len()]; groups];
    for (row, &g) in rows.iter().zip(of) {
        let n = of.iter().filter(|o| **o == g).count() as f64;
        for (m, &u) in means[g].iter_mut().zip(live) {
            *m += f64::from(row[u]) / n;
        }
    }
    for u in 0..live.len() {
        let mean = means.iter().map(|m| m[u]).sum::<f64>() / groups as f64;
        means.iter_mut().for_each(|m| m[u] -= mean);
    }
    let mut out = Vec::new();
    for a in 0..groups {
        for b in a + 1..groups {
            out.push(
                hilum_metrics::statistics::pearson(&means[a], &means[b])
                    .ok()
                    .map(|r| r.statistic),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_nn::backbones::{ResNetConfig, resnet};
    use hilum_nn::builder::Head;

    /// Rows of 6 units: unit 5 never changes, unit 0 tells the group, the others are noise.
    fn rows(n: usize, telling: bool) -> (Vec<Vec<f32>>, Vec<usize>) {
        let of: Vec<usize> = (0..n).map(|i| i % 2).collect();
        let rows = of
            .iter()
            .enumerate()
            .map(|(i, &g)| {
                let mut row: Vec<f32> = (0..5)
                    .map(|u| ((i * 7 + u * 5) % 11) as f32 / 11.0)
                    .collect();
                if telling {
                    row[0] += 2.0 * g as f32;
                }
                row.push(0.25);
                row
            })
            .collect();
        (rows, of)
    }

    #[test]
    fn dead_units_are_counted_and_groups_that_differ_are_seen() {
        let (data, of) = rows(24, true);
        let found = layer("x".into(), &data, &of, 2, 99, 1);
        assert_eq!((found.units, found.dead), (6, 1));
        assert!(found.p <= 0.011 && found.between > 0.5, "{found:?}");
        assert!((found.correlations[0].unwrap() + 1.0).abs() < 1e-9);
        let (noise, of) = rows(24, false);
        let nothing = layer("x".into(), &noise, &of, 2, 99, 1);
        assert!(nothing.p > 0.05, "{nothing:?}");
    }

    #[test]
    fn the_part_between_is_the_one_that_means_give() {
        let (data, of) = rows(10, true);
        let live: Vec<usize> = (0..5).collect();
        let gram = gram(&data, &live);
        let mean = |at: &[usize], u: usize| {
            at.iter().map(|&i| f64::from(data[i][u])).sum::<f64>() / at.len() as f64
        };
        let all: Vec<usize> = (0..10).collect();
        let mut by_hand = 0.0;
        for g in 0..2 {
            let own: Vec<usize> = all.iter().copied().filter(|&i| of[i] == g).collect();
            for &u in &live {
                by_hand += own.len() as f64 * (mean(&own, u) - mean(&all, u)).powi(2);
            }
        }
        assert!((between(&gram, &of, 2) - by_hand).abs() < 1e-6);
    }

    #[test]
    fn one_layer_a_size_is_looked_at() {
        let graph = resnet(&ResNetConfig::basic(&[1, 1], 4), 1, &Head::plain(2));
        let found = layers(&graph, 32).unwrap();
        let shapes = graph.shapes([1, 1, 32, 32]).unwrap();
        let sides: Vec<usize> = found.iter().map(|&id| shapes[id][2]).collect();
        assert_eq!(sides, [16, 8, 4]);
        assert!(layers(&graph, 0).is_err());
    }
}
