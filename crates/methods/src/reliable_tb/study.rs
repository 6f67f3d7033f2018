//! The paper's three experiments: segmentation, whole images, segmented lungs; and Score-CAM.

use super::config::Config;
use super::train::{Prepared, load, one, samples};
use crate::blocks::classify::{ClassifyData, predict};
use crate::blocks::fit::output_scores;
use crate::blocks::pictures::{Lungs, trained_segmenter};
use crate::blocks::score_cam::ScoreCam;
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use crate::serve::{NetSegmenter, Segmenter};
use hilum_data::Sample;
use hilum_image::{Mask, Recipe, resize};
use hilum_metrics::classification::{BinaryScores, Confusion, auroc};
use hilum_metrics::statistics::{delong_test, mcnemar_exact};
use hilum_nn::InputContract;
use hilum_nn::backbones::Backbone;

/// Test images whose Score-CAM is measured.
const CAM_IMAGES: usize = 24;

/// One trained arm of the comparison.
struct Arm {
    labels: Vec<bool>,
    logits: Vec<f64>,
    /// Share of the Score-CAM's mass inside the lungs, mean over the test images looked at.
    inside: f64,
}

/// Rows of the comparison, the paper's claim first.
pub fn rows(ctx: &Context<'_>, config: &Config) -> Result<Vec<ClaimRow>> {
    let segmenter = trained_segmenter(ctx)?;
    let whole = load(samples(ctx)?, &config.zoo_contract(false), Lungs::None)?;
    let lungs = load(
        samples(ctx)?,
        &config.zoo_contract(true),
        Lungs::Found(&segmenter),
    )?;
    let masks = lung_masks(&whole.samples[2], &segmenter, config.zoo_size, CAM_IMAGES)?;
    let mut rows = Vec::new();
    let (mut gains, mut more_inside, mut nets) = (Vec::new(), 0usize, 0usize);
    for backbone in config.zoo(ctx.tiny) {
        let a = arm(ctx, config, &backbone, false, &whole, &masks)?;
        let b = arm(ctx, config, &backbone, true, &lungs, &masks)?;
        let test = delong_test(&a.labels, &b.logits, &a.logits, 0.95)?;
        gains.push(difference(&a, &b)?);
        nets += 1;
        more_inside += usize::from(b.inside > a.inside);
        rows.push(compared(backbone.name(), &a, &b, &test)?);
    }
    let gain = gains.iter().sum::<f64>() / gains.len().max(1) as f64;
    rows.insert(0, main_row(gain, &gains));
    rows.push(ClaimRow {
        claim: "networks whose Score-CAM lies more inside the lungs when trained on lungs".into(),
        paper: None,
        here: Some(more_inside as f64 / nets as f64),
        interval: None,
        holds: Some(more_inside * 2 > nets),
        n: nets,
        note: format!("{} test images each", masks.len()),
    });
    Ok(rows)
}

fn main_row(gain: f64, gains: &[f64]) -> ClaimRow {
    let better = gains.iter().filter(|g| **g > 0.0).count();
    ClaimRow {
        claim: "mean gain in AUROC from segmented lungs over whole images".into(),
        paper: Some(0.0283),
        here: Some(gain),
        interval: None,
        holds: Some(gain > 0.0),
        n: gains.len(),
        note: format!(
            "the paper's figure is accuracy, from several hospitals; {better} of {} networks gain here",
            gains.len()
        ),
    }
}

fn compared(
    name: &str,
    whole: &Arm,
    lungs: &Arm,
    test: &hilum_metrics::statistics::DeLongTest,
) -> Result<ClaimRow> {
    let (a, b) = (confusion(whole)?, confusion(lungs)?);
    let right = |arm: &Arm, i: usize| (arm.logits[i] >= 0.0) == arm.labels[i];
    let only = |x: &Arm, y: &Arm| {
        (0..x.labels.len())
            .filter(|&i| right(x, i) && !right(y, i))
            .count() as u64
    };
    // Two networks that never differ have no p: that is said, and ends nothing.
    let mcnemar = match (only(whole, lungs), only(lungs, whole)) {
        (0, 0) => "undefined, they never differ".to_owned(),
        (a, b) => format!("{:.3}", mcnemar_exact(a, b)?),
    };
    Ok(ClaimRow {
        claim: format!("{name}: AUROC on lungs minus AUROC on whole images"),
        paper: None,
        here: Some(difference(whole, lungs)?),
        interval: Some((test.difference.low, test.difference.high)),
        holds: None,
        n: whole.labels.len(),
        note: format!(
            "accuracy {:.3} whole, {:.3} lungs (McNemar p {mcnemar}); Score-CAM inside lungs {:.2} whole, {:.2} lungs",
            a.accuracy()?,
            b.accuracy()?,
            whole.inside,
            lungs.inside
        ),
    })
}

/// AUROC on the lungs minus AUROC on the whole image.
fn difference(whole: &Arm, lungs: &Arm) -> Result<f64> {
    let area =
        |arm: &Arm| -> Result<f64> { Ok(auroc(&BinaryScores::new(&arm.labels, &arm.logits)?)?) };
    Ok(area(lungs)? - area(whole)?)
}

fn confusion(arm: &Arm) -> Result<Confusion> {
    Ok(Confusion::at_threshold(
        &BinaryScores::new(&arm.labels, &arm.logits)?,
        0.0,
    ))
}

/// Lungs of the first test images at the comparison's input size.
fn lung_masks(
    samples: &[Sample],
    model: &NetSegmenter,
    size: usize,
    n: usize,
) -> Result<Vec<Mask>> {
    let lungs = model.index("lungs").unwrap_or(0);
    samples
        .iter()
        .take(n)
        .map(|s| {
            let image = hilum_dicom::load(s.path(), Recipe::Voi)?.pixels;
            let mask = model.segment(&image)?.masks.swap_remove(lungs);
            Ok(resize::resize_mask(&mask, size, size)?)
        })
        .collect()
}

fn arm(
    ctx: &Context<'_>,
    config: &Config,
    backbone: &Backbone,
    on_lungs: bool,
    prepared: &Prepared,
    masks: &[Mask],
) -> Result<Arm> {
    let contract = config.zoo_contract(on_lungs);
    let mut settings = config.train.clone();
    settings.epochs = config.zoo_epochs;
    let kind = if on_lungs { "lungs" } else { "whole" };
    let name = format!("reliable_tb-{}-{kind}", backbone.name());
    let trained = one(ctx, &name, config, backbone, &contract, &settings, prepared)?;
    let graph = config.network(backbone).graph();
    let test = &prepared.data[2];
    let logits = predict(&graph, &trained.params, &contract, test)?;
    let scores = output_scores(test, &logits, 0);
    let cam = ScoreCam::new(&graph, &trained.params)?;
    let inside = cam_inside(&cam, &contract, test, masks)?;
    Ok(Arm {
        labels: scores.labels,
        logits: scores.logits,
        inside,
    })
}

/// Mean share of the map's mass that lies inside the lungs; maps without mass are left out.
fn cam_inside(
    cam: &ScoreCam,
    contract: &InputContract,
    data: &ClassifyData,
    masks: &[Mask],
) -> Result<f64> {
    let mut shares = Vec::new();
    for (picture, mask) in data.pictures.iter().zip(masks) {
        let x = contract.values(&picture.plane);
        let map = cam.map(&x, contract.height, contract.width, 0)?;
        let total: f64 = map.data.iter().map(|&v| f64::from(v)).sum();
        let in_lungs = map.data.iter().zip(&mask.data).filter(|(_, m)| **m > 0);
        let inside: f64 = in_lungs.map(|(&v, _)| f64::from(v)).sum();
        if total > 0.0 {
            shares.push(inside / total);
        }
    }
    Ok(shares.iter().sum::<f64>() / shares.len().max(1) as f64)
}
