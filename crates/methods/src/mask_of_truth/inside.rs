//! Where networks look: SHAP inside the region and outside, embeddings of masked images beside those of whole ones.

use super::cases::CaseSet;
use super::config::Config;
use super::grid::{Trained, masked};
use crate::blocks::attributed::{Explained, deep_shap, references};
use crate::blocks::cells::select;
use crate::blocks::embeddings::{cosine, pooled, two_components};
use crate::error::Result;
use hilum_audit::Condition;
use hilum_explain::Net;
use hilum_image::Plane;
use serde::{Deserialize, Serialize};

/// SHAP of one network on positive test images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Looked {
    /// What the network was trained on.
    pub condition: Condition,
    /// Patient of each image.
    pub patients: Vec<String>,
    /// Share of the absolute attribution inside the region.
    pub inside: Vec<f64>,
    /// Share of the picture that the region takes.
    pub area: Vec<f64>,
    /// How far sums are from the difference of the logits (see [`Explained::gap`]).
    pub gaps: Vec<f64>,
}

/// A picture with what it explains, for show.
pub struct Shown {
    /// Condition that the network was trained on.
    pub condition: Condition,
    /// Radiograph.
    pub plane: Plane<u8>,
    /// Map.
    pub map: Vec<f32>,
}

/// Explains test images of the first output's positive class by the networks of the first fold.
///
/// # Errors
/// Layers without a rescale rule.
pub fn look(
    config: &Config,
    set: &CaseSet,
    trained: &Trained,
    conditions: &[Condition],
) -> Result<(Vec<Looked>, Vec<Shown>)> {
    let positives: Vec<usize> = set
        .test()
        .into_iter()
        .filter(|&i| set.data.targets[i][0] >= 0.5)
        .collect();
    let step = positives.len().div_ceil(config.explained).max(1);
    let chosen: Vec<usize> = positives.into_iter().step_by(step).collect();
    let mut all = Vec::new();
    let mut shown = Vec::new();
    for &condition in conditions {
        let (looked, maps) = of_network(config, set, trained, condition, &chosen)?;
        for (i, e) in maps.into_iter().enumerate().take(6) {
            shown.push(Shown {
                condition,
                plane: set.data.pictures[chosen[i]].plane.clone(),
                map: e.map,
            });
        }
        all.push(looked);
    }
    Ok((all, shown))
}

fn of_network(
    config: &Config,
    set: &CaseSet,
    trained: &Trained,
    condition: Condition,
    chosen: &[usize],
) -> Result<(Looked, Vec<Explained>)> {
    let contract = config.contract();
    let training = config.training(set.name.codes().len(), 1, String::new());
    let at = Condition::ALL.iter().position(|c| *c == condition);
    let params = &trained.first[at.unwrap_or(0)];
    let net = Net::new(
        &training.network.graph(),
        std::slice::from_ref(params),
        "logits",
    )?;
    let learned = masked(&select(&set.data, &trained.learned), condition.into())?;
    let bases = references(&contract, &learned, config.references);
    let pictures = masked(&select(&set.data, chosen), condition.into())?;
    let mut looked = Looked {
        condition,
        patients: pictures.patients.clone(),
        inside: Vec::new(),
        area: Vec::new(),
        gaps: Vec::new(),
    };
    let mut maps = Vec::new();
    for (picture, &i) in pictures.pictures.iter().zip(chosen) {
        let explained = deep_shap(&net, &contract, &picture.plane, 0, &bases)?;
        let region = set.data.pictures[i].masks[0].as_ref();
        let in_region = |p: usize| region.is_some_and(|r| r.data[p] != 0);
        let pixels = explained.map.len();
        looked
            .inside
            .push(crate::blocks::figures::mass_inside(&explained.map, in_region).unwrap_or(0.0));
        looked
            .area
            .push((0..pixels).filter(|&p| in_region(p)).count() as f64 / pixels as f64);
        looked.gaps.push(explained.gap);
        maps.push(explained);
    }
    Ok((looked, maps))
}

/// Embeddings of the network that saw whole images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Embedded {
    /// Patient of each test case.
    pub patients: Vec<String>,
    /// Cosine between the embedding of an image and that of its masked version, `[condition][case]`; 1 for whole images.
    pub cosines: Vec<Vec<f64>>,
    /// First two principal components, `[condition][case]`.
    pub points: Vec<Vec<[f64; 2]>>,
    /// Share of the variance that each explains.
    pub shares: [f64; 2],
}

/// Embeds the test split under all conditions.
///
/// # Errors
/// Embeddings without variance.
pub fn embed(config: &Config, set: &CaseSet, trained: &Trained) -> Result<Embedded> {
    let training = config.training(set.name.codes().len(), 1, String::new());
    let (graph, contract) = (training.network.graph(), config.contract());
    let test = select(&set.data, &set.test());
    let rows: Vec<Vec<Vec<f64>>> = Condition::ALL
        .iter()
        .map(|&c| {
            let data = masked(&test, c.into())?;
            pooled(&graph, &trained.first[0], &contract, &data)
        })
        .collect::<Result<_>>()?;
    let (points, shares) = two_components(&rows.concat())?;
    let n = test.len();
    let cosines = rows
        .iter()
        .map(|version| {
            version
                .iter()
                .zip(&rows[0])
                .map(|(a, b)| cosine(a, b).unwrap_or(0.0))
                .collect()
        })
        .collect();
    Ok(Embedded {
        patients: test.patients,
        cosines,
        points: points.chunks(n).map(<[[f64; 2]]>::to_vec).collect(),
        shares,
    })
}
