//! Card, shipped weights and the check of the segmenter.

use super::MODEL;
use super::config::{Config, SETS, STRUCTURES};
use super::train::{of_split, samples};
use crate::blocks::measure::{Measured, measured_mean, row};
use crate::blocks::run::Trained;
use crate::blocks::ship;
use crate::claims::{ClaimRow, ResultFile};
use crate::context::Context;
use crate::error::{MethodError, Result};
use crate::info::MethodInfo;
use crate::serve::{MeasurementError, MetricRow, ModelCard, NetSegmenter, OutputCard, Segmenter};
use hilum_data::{Sample, Split, pixels};
use hilum_image::{Mask, Plane, Recipe, chest};
use hilum_metrics::segmentation::dice;
use hilum_nn::weights::WeightFile;
use hilum_trust::AbsoluteResidual;
use rayon::prelude::*;
use std::path::PathBuf;

/// Dice that each structure must reach on each set: set, structure, figure.
const GOALS: [(&str, &str, f64); 4] = [
    ("kermany_paediatric", "lungs", 0.95),
    ("covid_cohen", "lungs", 0.93),
    ("jsrt", "lungs", 0.95),
    ("jsrt", "heart", 0.90),
];

/// What one image gave.
struct Case {
    dice: [Option<f64>; 2],
    /// Cardiothoracic ratio on the predicted and on the reference masks.
    ratios: Option<(f64, f64)>,
}

fn reference(sample: &Sample, structure: &str, size: (usize, usize)) -> Result<Option<Mask>> {
    let parts = sample.mask_parts(structure);
    let Some(union) = pixels::load_union(&parts, sample.path(), size)? else {
        return Ok(None);
    };
    Ok(Some(
        Plane::new(union.width, union.height, union.data)?.binarised(),
    ))
}

fn case(model: &NetSegmenter, sample: &Sample) -> Result<Case> {
    let image = hilum_dicom::load(sample.path(), Recipe::Voi)?.pixels;
    let size = (image.width, image.height);
    let found = model.segment(&image)?;
    let truth = [
        reference(sample, STRUCTURES[0], size)?,
        reference(sample, STRUCTURES[1], size)?,
    ];
    let mut scores = [None, None];
    for (k, truth) in truth.iter().enumerate() {
        if let Some(truth) = truth {
            scores[k] = Some(dice(&found.masks[k].data, &truth.data)?);
        }
    }
    let ratio = |lungs: &Mask, heart: &Mask| -> Result<Option<f64>> {
        Ok(chest::cardiothoracic(lungs, heart)?.map(|c| c.ratio))
    };
    let ratios = match &truth {
        [Some(lungs), Some(heart)] => {
            ratio(&found.masks[0], &found.masks[1])?.zip(ratio(lungs, heart)?)
        }
        _ => None,
    };
    Ok(Case {
        dice: scores,
        ratios,
    })
}

fn cases(model: &NetSegmenter, samples: &[Sample]) -> Result<Vec<Case>> {
    samples.par_iter().map(|s| case(model, s)).collect()
}

/// Dice of every structure and set with its interval, through the reader's own path.
fn rows(model: &NetSegmenter, samples: &[Sample], split: &str) -> Result<Vec<MetricRow>> {
    let cases = cases(model, samples)?;
    let mut rows = Vec::new();
    for set in SETS {
        for (k, structure) in STRUCTURES.iter().enumerate() {
            let own: Vec<(f64, &str)> = cases
                .iter()
                .zip(samples)
                .filter(|(_, s)| s.set == set)
                .filter_map(|(c, s)| Some((c.dice[k]?, s.patient.as_deref().unwrap_or(&s.id))))
                .collect();
            if own.len() < 2 {
                continue;
            }
            let (values, patients): (Vec<f64>, Vec<&str>) = own.into_iter().unzip();
            let m = Measured {
                positives: values.len(),
                ..measured_mean(&values, &patients)?
            };
            rows.push(row("dice", structure, set, split, Some(m)));
        }
    }
    let errors: Vec<f64> = cases
        .iter()
        .filter_map(|c| c.ratios.map(|(a, b)| (a - b).abs()))
        .collect();
    if errors.len() >= 2 {
        let ids: Vec<String> = (0..errors.len()).map(|i| i.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let m = measured_mean(&errors, &ids)?;
        rows.push(row(
            "mean_absolute_error",
            "cardiothoracic_ratio",
            "jsrt",
            split,
            Some(m),
        ));
    }
    Ok(rows)
}

/// Fits the interval of the cardiothoracic ratio on the validation split (90 %).
fn ratio_error(model: &NetSegmenter, val: &[Sample]) -> Result<Vec<MeasurementError>> {
    let errors: Vec<f64> = cases(model, val)?
        .iter()
        .filter_map(|c| c.ratios.map(|(predicted, truth)| predicted - truth))
        .collect();
    let Ok(residual) = AbsoluteResidual::fit(&errors, 0.1) else {
        return Ok(Vec::new());
    };
    Ok(vec![MeasurementError {
        name: "cardiothoracic_ratio".to_owned(),
        residual,
    }])
}

/// Writes weights and card; the card's figures are measured on the weights as stored.
pub fn ship(ctx: &Context<'_>, config: &Config, trained: &Trained) -> Result<PathBuf> {
    let all = samples(ctx)?;
    let (data, research_only) = ship::sources(&of_split(&all, Split::Train));
    let output = |code: &str| OutputCard {
        code: code.to_owned(),
        assessed: true,
        shown_by: "Dice on the test split".to_owned(),
        calibrator: None,
        operating_point: None,
        sure_from: None,
        conformal: None,
    };
    let mut card = ModelCard {
        name: MODEL.to_owned(),
        title: "Lungs and heart on frontal chest X-rays".to_owned(),
        method: MODEL.to_owned(),
        data,
        research_only,
        licence_note: "The JSRT images and SCR outlines and a part of the COVID-19 images are for research.".to_owned(),
        outputs: STRUCTURES.map(output).to_vec(),
        assessed_rule: "Both structures are always drawn; an empty mask is reported as not found.".to_owned(),
        metrics: Vec::new(),
        failure_cases: [
            "The outline behind the heart follows the training set that an image resembles most: with the part behind the heart (paediatric, COVID-19) or without it (JSRT).",
            "The heart was learnt from 144 adult PA images of JSRT alone; on children, AP and supine images it is a guess that was not measured.",
            "White-out of a lung, large effusions and devices over the lung make the outline follow the aerated part.",
            "Lateral images give meaningless masks; the gate is there to stop them.",
        ]
        .map(str::to_owned)
        .to_vec(),
        ood: None,
        measurement_errors: Vec::new(),
        seed: ctx.seed,
        data_hash: trained.info.data_hash.clone(),
        split_hash: trained.info.split_hash.clone(),
        version: trained.info.version.clone(),
        config: trained.info.config.clone(),
    };
    let (network, contract) = (config.network(), config.contract());
    let members = [trained.params.clone()];
    let model = NetSegmenter::new(&ship::reread(&network, &contract, &card, &members)?)?;
    let val = ctx.limit(of_split(&all, Split::Val), 8);
    let test = ctx.limit(of_split(&all, Split::Test), 8);
    card.measurement_errors = ratio_error(&model, &val)?;
    card.metrics = rows(&model, &test, "test")?;
    ship::write(ctx, &network, &contract, &card, &members)
}

/// The claim table from the shipped weights.
pub fn measure(ctx: &Context<'_>, info: &MethodInfo) -> Result<ResultFile> {
    let folder = if ctx.tiny {
        ctx.run_folder(MODEL)
    } else {
        ctx.models.clone()
    };
    let path = crate::context::model_path(&folder, MODEL);
    if !path.is_file() {
        return Err(MethodError::NoModel(MODEL.to_owned()));
    }
    let model = NetSegmenter::new(&WeightFile::open(&path)?)?;
    let test = ctx.limit(of_split(&samples(ctx)?, Split::Test), 8);
    let measured = rows(&model, &test, "test")?;
    let claim = |(set, structure, goal): &(&str, &str, f64)| {
        let found = measured
            .iter()
            .find(|m| m.set == *set && m.target == *structure);
        ClaimRow {
            claim: format!("Dice of {structure} on {set} at least {goal:.2}"),
            paper: Some(*goal),
            here: found.and_then(|m| m.value),
            interval: found.and_then(|m| m.interval),
            holds: found.and_then(|m| m.value).map(|v| v >= *goal),
            n: found.map_or(0, |m| m.n),
            note: String::new(),
        }
    };
    let mut claims: Vec<ClaimRow> = GOALS.iter().map(claim).collect();
    if let Some(m) = measured.iter().find(|m| m.metric == "mean_absolute_error") {
        claims.push(ClaimRow {
            claim: "mean absolute error of the cardiothoracic ratio on jsrt".to_owned(),
            paper: None,
            here: m.value,
            interval: m.interval,
            holds: None,
            n: m.n,
            note: "against the ratio on the reference masks".to_owned(),
        });
    }
    let mut result = ResultFile::new(info, claims);
    let card = model.card();
    result.seeds = vec![card.seed];
    result.data_hash = card.data_hash.clone();
    result.split_hash = card.split_hash.clone();
    result.tiny = ctx.tiny;
    Ok(result)
}
