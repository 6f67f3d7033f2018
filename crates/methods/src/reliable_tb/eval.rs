//! Card, shipped weights and their check.

use super::MODEL;
use super::config::{CODES, Config, SET};
use super::train::{Prepared, samples};
use crate::blocks::classify::{ClassifyData, classify_data, predict_members};
use crate::blocks::fit::{assessed_rule, fit_outputs, measure_outputs, output_scores};
use crate::blocks::measure::measured_auroc;
use crate::blocks::pictures::Lungs;
use crate::blocks::plots;
use crate::blocks::run::Trained;
use crate::blocks::ship;
use crate::claims::{ClaimRow, ResultFile};
use crate::context::{Context, model_path};
use crate::error::{MethodError, Result};
use crate::info::MethodInfo;
use crate::scores;
use crate::serve::{Classifier, ModelCard, NetClassifier};
use hilum_kernels::Params;
use hilum_nn::contract::Prepared as PreparedImage;
use hilum_nn::weights::WeightFile;
use hilum_trust::OperatingRule;
use std::path::PathBuf;

/// Writes weights and card.
pub fn ship(
    ctx: &Context<'_>,
    config: &Config,
    prepared: &Prepared,
    trained: &[Trained],
) -> Result<PathBuf> {
    let (data, research_only) = ship::sources(&prepared.samples[0]);
    let (network, contract) = (config.network(&config.backbone), config.contract());
    let graph = network.graph();
    let members: Vec<Params> = trained.iter().map(|t| t.params.clone()).collect();
    let on = |data: &ClassifyData| predict_members(&graph, &members, &contract, data);
    let [_, val, test] = &prepared.data;
    let info = &trained[0].info;
    let mut card = ModelCard {
        name: MODEL.to_owned(),
        title: "Pneumonia on frontal chest X-rays of children".to_owned(),
        method: "reliable_tb".to_owned(),
        data,
        research_only,
        licence_note: "Kermany et al. 2018, CC BY 4.0.".to_owned(),
        outputs: fit_outputs(&CODES, val, &on(val)?, OperatingRule::Youden, "val")?,
        assessed_rule: assessed_rule("the validation split"),
        metrics: Vec::new(),
        failure_cases: [
            "All images are of children of one to five years of one hospital; nothing is known about others.",
            "Normal and ill children were imaged on different occasions; collimation and markers may tell them apart.",
            "Bacterial and viral pneumonia overlap on films; the split between the two is weak evidence.",
            "Other findings of children (effusion, bronchiolitis, foreign body) were never labelled.",
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
    card.metrics = measure_outputs(&card.outputs, test, &on(test)?, SET, "test")?;
    ship::write(ctx, &network, &contract, &card, &members)
}

/// The shipped model's rows.
pub fn measure(ctx: &Context<'_>, info: &MethodInfo) -> Result<ResultFile> {
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
    let [_, _, test_samples] = samples(ctx)?;
    let test = classify_data(&test_samples, &CODES, model.contract(), Lungs::None)?;
    let mut logits = Vec::with_capacity(test.len());
    for picture in &test.pictures {
        let prepared = PreparedImage {
            plane: picture.plane.clone(),
            crop: picture.crop,
        };
        logits.push(model.score_prepared(&prepared)?.logits);
    }
    let rows = CODES.iter().enumerate().filter_map(|(k, code)| {
        let scores = output_scores(&test, &logits, k);
        let m = measured_auroc(&scores.labels, &scores.logits, &scores.patients)?;
        let goal = (*code == "pneumonia").then_some(0.97);
        Some(ClaimRow {
            claim: format!(
                "AUROC of {code}, shipped model{}",
                if k == 0 { ", at least 0.97" } else { "" }
            ),
            paper: None,
            here: Some(m.value),
            interval: Some(m.interval),
            holds: goal.map(|g| m.value >= g),
            n: m.n,
            note: format!("{} positives, children", m.positives),
        })
    });
    let mut result = ResultFile::new(info, rows.collect());
    let table = scores::of_outputs(&CODES, &test_samples, &test, &logits);
    scores::write(ctx, info.name, &table)?;
    let card = model.card();
    result.curves = plots::of_card(card, &test, &logits, "test split");
    result.seeds = vec![card.seed];
    result.data_hash = card.data_hash.clone();
    result.split_hash = card.split_hash.clone();
    result.tiny = ctx.tiny;
    Ok(result)
}
