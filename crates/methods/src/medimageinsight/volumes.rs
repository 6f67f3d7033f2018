//! Retrieval of whole volumes: the vectors of a volume's slices are averaged, and volumes ranked by their likeness. The volumes are generated
//! CTs of patients that no film is of; nothing is fitted to them.

use super::config::Config;
use super::outcome::{Pooling, Ranks};
use crate::blocks::classes::ClassSet;
use crate::blocks::short::outputs;
use crate::blocks::thoraxes::axial;
use crate::blocks::vectors::{Vectors, unit};
use crate::error::{MethodError, Result};
use hilum_image::Plane;
use hilum_kernels::{Graph, Params};
use hilum_nn::InputContract;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// First number of their patients; those of the films are smaller.
const FIRST: u64 = 1_000_000;

/// A volume as its slices in network size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// What is in it, without devices; each once.
    pub findings: Vec<String>,
    /// Grey levels slice after slice, from below.
    pub slices: Vec<Vec<u8>>,
}

/// Draws the volumes.
///
/// # Errors
/// [`MethodError::Phantom`].
pub fn draw(config: &Config, seed: u64) -> Result<Vec<Volume>> {
    let [patients, slices, _] = config.volumes;
    let one = |number: u64| -> Result<Volume> {
        let (visit, planes) = axial(seed, FIRST + number, config.side, slices)?;
        let found = visit.findings.iter().filter(|f| !f.kind.is_device());
        let mut findings: Vec<String> = found.map(|f| f.kind.label().to_lowercase()).collect();
        findings.sort();
        findings.dedup();
        Ok(Volume {
            findings,
            slices: planes.into_iter().map(|p| p.data).collect(),
        })
    };
    (0..patients as u64).into_par_iter().map(one).collect()
}

/// The volumes that are nearest to each, by the vectors that an image tower gives their slices.
///
/// # Errors
/// What the kernels fail with; a slice without a direction.
pub fn rank(
    config: &Config,
    volumes: &[Volume],
    (graph, params): (&Graph, &Params),
    pooling: Pooling,
) -> Result<Ranks> {
    let contract = InputContract::square(config.side);
    let mut index = Vectors::new(config.width);
    for volume in volumes {
        let own = chosen(pooling, &volume.slices);
        let plane = |data: &Vec<u8>| Plane::new(config.side, config.side, data.clone());
        let set = ClassSet {
            x: own
                .iter()
                .map(|data| Ok(contract.values(&plane(data)?)))
                .collect::<Result<_>>()?,
            y: vec![0; own.len()],
            patients: vec![String::new(); own.len()],
            side: config.side,
            classes: 1,
        };
        if !index.push(&pooled(&outputs(graph, params, &set, 0)?)) {
            return Err(MethodError::Config(
                "the vector of a volume has no direction".to_owned(),
            ));
        }
    }
    let near = |at: usize| {
        let found = index.nearest(index.row(at), config.volumes[2], |other| other != at);
        found.into_iter().map(|(other, _)| other).collect()
    };
    Ok(Ranks {
        pooling,
        nearest: (0..volumes.len()).map(near).collect(),
    })
}

/// The slices that stand for a volume.
fn chosen(pooling: Pooling, slices: &[Vec<u8>]) -> &[Vec<u8>] {
    match pooling {
        Pooling::Middle => &slices[slices.len() / 2..][..1],
        Pooling::Slices | Pooling::Untrained => slices,
    }
}

/// Mean of vectors of length one; those without a direction count for nothing.
fn pooled(vectors: &[Vec<f32>]) -> Vec<f64> {
    let mut sum = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for vector in vectors {
        let wide: Vec<f64> = vector.iter().map(|v| f64::from(*v)).collect();
        for (s, v) in sum.iter_mut().zip(unit(&wide).unwrap_or_default()) {
            *s += f64::from(v);
        }
    }
    sum
}

/// For each volume, the mean over its findings of the share of its nearest that have the finding too, less the share of all others that do;
/// `None` for a volume without a finding that another has. Only findings of at least `least` volumes count.
pub fn gains(findings: &[Vec<String>], ranks: &Ranks, least: usize) -> Vec<Option<f64>> {
    let has = |volume: usize, finding: &String| findings[volume].contains(finding);
    let count = |finding: &String| (0..findings.len()).filter(|&v| has(v, finding)).count();
    let one = |(own, near): (&Vec<String>, &Vec<usize>)| {
        let asked: Vec<f64> = own
            .iter()
            .filter(|f| count(f) >= least.max(2))
            .map(|f| {
                let shared = near.iter().filter(|&&v| has(v, f)).count();
                let others = (count(f) - 1) as f64 / (findings.len() - 1) as f64;
                shared as f64 / near.len().max(1) as f64 - others
            })
            .collect();
        (!asked.is_empty()).then(|| asked.iter().sum::<f64>() / asked.len() as f64)
    };
    findings.iter().zip(&ranks.nearest).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_neighbours_share_is_held_against_chance() {
        let named = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let findings: Vec<Vec<String>> = vec![
            named(&["effusion"]),
            named(&["effusion", "mass"]),
            named(&[]),
            named(&["mass"]),
            named(&["nodule"]),
        ];
        let ranks = Ranks {
            pooling: Pooling::Slices,
            nearest: vec![vec![1], vec![0], vec![3], vec![4], vec![2]],
        };
        // One of the four others has the finding; the first finds it, the second finds one of its two, the fourth none.
        let got = gains(&findings, &ranks, 1);
        assert_eq!(got, [Some(0.75), Some(0.25), None, Some(-0.25), None]);
        assert_eq!(gains(&findings, &ranks, 3), [None; 5]);
    }

    #[test]
    fn slices_count_the_same_whatever_their_length() {
        let got = pooled(&[vec![10.0, 0.0], vec![0.0, 0.1], vec![0.0, 0.0]]);
        assert!((got[0] - got[1]).abs() < 1e-6 && got[0] > 0.9);
        let slices = vec![vec![1], vec![2], vec![3], vec![4]];
        assert_eq!(chosen(Pooling::Middle, &slices), [vec![3]]);
        assert_eq!(chosen(Pooling::Slices, &slices).len(), 4);
    }
}
