//! Card, shipped weights and the check of classification and localisation.

use super::MODEL;
use super::config::{CODES, Config, SETS};
use super::train::{Prepared, prepare};
use crate::blocks::cam_boxes::{LEVELS, boxes};
use crate::blocks::classify::{ClassifyData, predict, predict_members};
use crate::blocks::fit::{assessed_rule, fit_outputs, measure_outputs};
use crate::blocks::measure::measured_auroc;
use crate::blocks::plots;
use crate::blocks::run::Trained;
use crate::blocks::ship;
use crate::claims::{ClaimRow, ResultFile};
use crate::context::{Context, model_path};
use crate::error::{MethodError, Result};
use crate::info::MethodInfo;
use crate::serve::{Classifier, MetricRow, ModelCard, NetClassifier};
use hilum_core::Rect;
use hilum_data::Sample;
use hilum_kernels::Params;
use hilum_metrics::detection::{BoxCriterion, ImageBoxes, localisation};
use hilum_nn::contract::Prepared as PreparedImage;
use hilum_nn::weights::WeightFile;
use hilum_trust::OperatingRule;
use std::path::PathBuf;

/// Test positives that a finding must have to count in the macro mean.
const MACRO_POSITIVES: usize = 20;

/// Rows of the card on the test split: each output on both sets together and on each set alone.
fn test_rows(
    card: &ModelCard,
    samples: &[Sample],
    data: &ClassifyData,
    logits: &[Vec<f64>],
) -> Result<Vec<MetricRow>> {
    let mut rows = measure_outputs(&card.outputs, data, logits, "nih14+nih14_64px", "test")?;
    for set in SETS {
        let part = data.filter(|i| samples[i].set == set);
        let own: Vec<Vec<f64>> = (0..data.len())
            .filter(|&i| samples[i].set == set)
            .map(|i| logits[i].clone())
            .collect();
        let of_set = measure_outputs(&card.outputs, &part, &own, set, "test")?;
        rows.extend(
            of_set
                .into_iter()
                .filter(|r| r.metric == "auroc" && r.value.is_some()),
        );
    }
    Ok(rows)
}

/// Name of the images that outputs are fitted on.
const UNSEEN: &str = "the left-out folds of train and val";

/// How the folds were made, for the card.
const FOLDS: &str = " Train and val were cut into folds by patient, one a network; each network learnt from the other \
    folds and answers for its own, where its epoch was chosen too. A reading averages the networks, which is a \
    little sharper than the single answers that the calibration saw.";

/// Every picture of train and val with the logits of the network that did not learn from it.
fn cross_fitted(
    ctx: &Context<'_>,
    config: &Config,
    prepared: &Prepared,
    members: &[Params],
) -> Result<(ClassifyData, Vec<Vec<f64>>)> {
    let (pool, fold) = prepared.folds(config.members, ctx.seed)?;
    let graph = config.network().graph();
    let mut logits = vec![Vec::new(); pool.data.len()];
    for (m, params) in members.iter().enumerate() {
        let at: Vec<usize> = (0..fold.len()).filter(|&i| fold[i] == m).collect();
        let own = pool.data.filter(|i| fold[i] == m);
        let answers = predict(&graph, params, &config.contract(), &own)?;
        at.into_iter().zip(answers).for_each(|(i, z)| logits[i] = z);
    }
    let answered = |i: usize| fold[i] < members.len();
    let kept = pool.data.filter(answered);
    let logits = logits.into_iter().enumerate();
    let logits = logits.filter(|(i, _)| answered(*i)).map(|(_, z)| z);
    Ok((kept, logits.collect()))
}

/// Writes weights and card.
pub fn ship(
    ctx: &Context<'_>,
    config: &Config,
    prepared: &Prepared,
    trained: &[Trained],
) -> Result<PathBuf> {
    let (data, research_only) = ship::sources(&prepared.samples[0]);
    let (network, contract) = (config.network(), config.contract());
    let graph = network.graph();
    let members: Vec<Params> = trained.iter().map(|t| t.params.clone()).collect();
    let test = &prepared.data[2];
    let (unseen, unseen_logits) = cross_fitted(ctx, config, prepared, &members)?;
    let info = &trained[0].info;
    let mut card = ModelCard {
        name: MODEL.to_owned(),
        title: "Findings of NIH ChestX-ray14 on frontal X-rays of adults".to_owned(),
        method: "chestx_ray8".to_owned(),
        data,
        research_only,
        licence_note: "The radiologists' boxes used to measure localisation are under the RSNA challenge terms; no box was used in training.".to_owned(),
        outputs: fit_outputs(&CODES, &unseen, &unseen_logits, OperatingRule::Youden, UNSEEN)?,
        assessed_rule: assessed_rule("what the folds left out") + FOLDS,
        metrics: Vec::new(),
        failure_cases: [
            "Labels are text-mined from reports; the publisher states over 90 % accuracy, less for pneumonia and infiltration.",
            "The prevalence in the training images is not natural (half of one set has pneumonia), so probabilities hold for such a mix and not for a screening population.",
            "The two sets differ in resolution and in their findings; scores over both together are partly told by the set, so each set's own figure stands beside.",
            "Devices, rotation, AP bed-side images and poor inspiration raise several findings at once.",
            "Activation maps are 4x4 cells wide; boxes made from them are coarse.",
        ]
        .map(str::to_owned)
        .to_vec(),
        ood: None,
        measurement_errors: Vec::new(),
        seed: ctx.seed,
        data_hash: info.data_hash.clone(),
        split_hash: info.split_hash.clone(),
        version: info.version.clone(),
        config: info.config.clone(),
    };
    let logits = predict_members(&graph, &members, &contract, test)?;
    card.metrics = test_rows(&card, &prepared.samples[2], test, &logits)?;
    ship::write(ctx, &network, &contract, &card, &members)
}

/// The claim table from the shipped weights.
pub fn measure(ctx: &Context<'_>, info: &MethodInfo, config: &Config) -> Result<ResultFile> {
    let folder = if ctx.tiny {
        ctx.run_folder(MODEL)
    } else {
        ctx.models.clone()
    };
    let path = model_path(&folder, MODEL);
    if !path.is_file() {
        return Err(MethodError::NoModel(info.name.to_owned()));
    }
    let model = NetClassifier::new(&WeightFile::open(&path)?)?;
    let prepared = prepare(ctx, config)?;
    let test = &prepared.data[2];
    let (logits, found) = scores(&model, test)?;
    let mut rows = classification_rows(test, &logits);
    rows.extend(localisation_rows(&prepared.samples[2], test, &found)?);
    let mut result = ResultFile::new(info, rows);
    let table = crate::scores::of_outputs(&CODES, &prepared.samples[2], test, &logits);
    crate::scores::write(ctx, info.name, &table)?;
    let card = model.card();
    result.curves = plots::of_card(card, test, &logits, "test split");
    result.seeds = (0..config.members as u64).map(|m| card.seed + m).collect();
    result.data_hash = card.data_hash.clone();
    result.split_hash = card.split_hash.clone();
    result.tiny = ctx.tiny;
    Ok(result)
}

/// Maps of one image, one an output.
pub type Maps = Vec<hilum_image::Plane<f32>>;

/// Logits and maps of all pictures.
pub fn scores(model: &NetClassifier, data: &ClassifyData) -> Result<(Vec<Vec<f64>>, Vec<Maps>)> {
    let mut logits = Vec::with_capacity(data.len());
    let mut maps = Vec::with_capacity(data.len());
    for picture in &data.pictures {
        let prepared = PreparedImage {
            plane: picture.plane.clone(),
            crop: picture.crop,
        };
        let scores = model.score_prepared(&prepared)?;
        logits.push(scores.logits);
        maps.push(scores.maps);
    }
    Ok((logits, maps))
}

fn auroc_of(
    data: &ClassifyData,
    logits: &[Vec<f64>],
    code: &str,
) -> Option<crate::blocks::measure::Measured> {
    let k = CODES.iter().position(|c| *c == code)?;
    let scores = crate::blocks::fit::output_scores(data, logits, k);
    measured_auroc(&scores.labels, &scores.logits, &scores.patients)
}

fn classification_rows(data: &ClassifyData, logits: &[Vec<f64>]) -> Vec<ClaimRow> {
    /// Paper's ResNet-50 figures (Wang et al. 2017, table 3), where the finding is one of its eight.
    const PAPER: [(&str, f64); 8] = [
        ("atelectasis", 0.71),
        ("cardiomegaly", 0.81),
        ("pleural_effusion", 0.74),
        ("infiltration", 0.61),
        ("mass", 0.56),
        ("nodule", 0.72),
        ("pneumonia", 0.63),
        ("pneumothorax", 0.79),
    ];
    let claim = |text: String,
                 m: Option<crate::blocks::measure::Measured>,
                 goal: Option<f64>,
                 paper| ClaimRow {
        claim: text,
        paper,
        here: m.map(|m| m.value),
        interval: m.map(|m| m.interval),
        holds: goal.and_then(|g| m.map(|m| m.value >= g)),
        n: m.map_or(0, |m| m.positives),
        note: String::new(),
    };
    let abnormal = auroc_of(data, logits, "no_finding");
    let mut rows = vec![claim(
        "AUROC of finding vs no finding at least 0.75".into(),
        abnormal,
        Some(0.75),
        None,
    )];
    let mut macro_of = Vec::new();
    for code in CODES.iter().filter(|c| **c != "no_finding") {
        let Some(m) = auroc_of(data, logits, code) else {
            continue;
        };
        if m.positives >= MACRO_POSITIVES {
            macro_of.push(m.value);
        }
        let paper = PAPER.iter().find(|(c, _)| c == code).map(|(_, v)| *v);
        if m.positives >= 5 {
            rows.push(claim(format!("AUROC of {code}"), Some(m), None, paper));
        }
    }
    let mean = macro_of.iter().sum::<f64>() / macro_of.len().max(1) as f64;
    rows.insert(
        1,
        ClaimRow {
            claim: format!("macro AUROC over findings with {MACRO_POSITIVES} or more test positives, at least 0.68"),
            paper: None,
            here: (!macro_of.is_empty()).then_some(mean),
            interval: None,
            holds: (!macro_of.is_empty()).then_some(mean >= 0.68),
            n: macro_of.len(),
            note: format!("{} findings", macro_of.len()),
        },
    );
    rows
}

/// A box in the middle of the image, a third of its sides: what knowing nothing gives.
fn centred(crop: Rect) -> Rect {
    Rect {
        x: crop.x + crop.w / 3.0,
        y: crop.y + crop.h / 3.0,
        w: crop.w / 3.0,
        h: crop.h / 3.0,
    }
}

/// Boxes of the networks and in the middle, beside those of the radiologists.
pub struct Boxes {
    /// From the activation maps.
    pub ours: Vec<ImageBoxes>,
    /// One box in the middle of the image.
    pub middle: Vec<ImageBoxes>,
}

/// Pairs found boxes with the radiologists'. RSNA's lung opacity boxes are matched by the map of
/// pneumonia, NIH's boxes by that of their own finding.
pub fn paired_boxes(samples: &[Sample], data: &ClassifyData, maps: &[Maps]) -> Boxes {
    let (mut ours, mut middle) = (Vec::new(), Vec::new());
    for (i, sample) in samples.iter().enumerate() {
        for (k, code) in CODES.iter().enumerate() {
            let reference: Vec<Rect> = sample
                .boxes
                .iter()
                .filter(|b| {
                    b.code == Some(code) || (*code == "pneumonia" && b.code == Some("lung_opacity"))
                })
                .map(|b| b.rect)
                .collect();
            if reference.is_empty() {
                continue;
            }
            let crop = data.pictures[i].crop;
            let detected = boxes(&maps[i][k], crop, &LEVELS, 0.01)
                .iter()
                .map(|b| b.rect)
                .collect();
            ours.push(ImageBoxes {
                detected,
                reference: reference.clone(),
            });
            middle.push(ImageBoxes {
                detected: vec![centred(crop)],
                reference,
            });
        }
    }
    Boxes { ours, middle }
}

/// Localisation on the boxes of the test split at the paper's overlap levels.
fn localisation_rows(
    samples: &[Sample],
    data: &ClassifyData,
    maps: &[Maps],
) -> Result<Vec<ClaimRow>> {
    let Boxes { ours, middle } = paired_boxes(samples, data, maps);
    let mut rows = Vec::new();
    if ours.is_empty() {
        return Ok(rows);
    }
    for (criterion, name, levels) in [
        (BoxCriterion::Iobb, "IoBB", [0.1, 0.25]),
        (BoxCriterion::Iou, "IoU", [0.1, 0.3]),
    ] {
        for level in levels {
            let here = localisation(&ours, criterion, level)?;
            let base = localisation(&middle, criterion, level)?;
            rows.push(ClaimRow {
                claim: format!("boxes found at T({name}) = {level}, better than a centred box"),
                paper: None,
                here: Some(here.accuracy),
                interval: Some((here.interval.low, here.interval.high)),
                holds: Some(here.accuracy > base.accuracy),
                n: here.reference_boxes,
                note: format!(
                    "centred box {:.3}; {:.2} false boxes an image",
                    base.accuracy, here.average_false_positives
                ),
            });
        }
    }
    Ok(rows)
}
