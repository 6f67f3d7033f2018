//! The gate: is this a chest X-ray, frontal, upright in its grey levels, of a child; and how unlike the
//! training images is it.

pub mod config;
mod data;
mod framing;
mod passes;

pub use config::Config;

use crate::blocks::classify::{ClassifyData, ClassifyTask, predict};
use crate::blocks::fit::{fit_outputs, measure_outputs, operating_point};
use crate::blocks::run::{Trained, train};
use crate::blocks::ship;
use crate::claims::{ClaimRow, ResultFile};
use crate::context::{Context, model_path};
use crate::error::{MethodError, Result};
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use crate::serve::{Classifier, ModelCard, NetClassifier, OodDetector};
use config::QUESTIONS;
use hilum_data::{Sample, Split};
use hilum_nn::contract::Prepared;
use hilum_nn::weights::WeightFile;
use hilum_trust::{Mahalanobis, OodThreshold, OperatingRule, Shrinkage};
use std::path::PathBuf;

/// Name of the weights in `models/`.
pub const MODEL: &str = "gate";

/// Share of the validation split's counter-examples that must be refused; everything less unlike a chest X-ray
/// than that is analysed.
const REFUSED: f64 = 0.99;

/// Share of the validation split's chest X-rays that pass without a caution.
const SURE: f64 = 0.995;

/// Share of ordinary images that may be called unlike the training images.
const OOD_RATE: f64 = 0.01;

static INFO: MethodInfo = MethodInfo {
    card: None,
    name: "gate",
    title: "Gate: chest X-ray or not, view, inversion, age group, distance to the training images",
    link: "https://arxiv.org/abs/1807.03888",
    tasks: &[TaskKind::Gate],
    data: DataKind::Real,
    claim: "AUROC of chest X-ray against other images at least 0.99",
};

/// The method.
pub struct Gate;

impl Gate {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for Gate {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let config = Self::config(ctx);
        let (train_samples, val_samples) = (
            data::samples(ctx, Split::Train)?,
            data::samples(ctx, Split::Val)?,
        );
        let train_data = data::load(&train_samples, &config, true)?;
        let val_data = data::load(&val_samples, &config, false)?;
        let network = config.network();
        let task = ClassifyTask::new(
            config.classify.clone(),
            config.contract(),
            network.graph(),
            &train_data.data,
            &val_data.data,
            ctx.seed,
        )?;
        let used: Vec<&Sample> = train_samples.iter().chain(&val_samples).collect();
        let trained = train(
            ctx,
            MODEL,
            &network,
            &task,
            &config.train,
            &config,
            &used,
            None,
        )?;
        Ok(vec![write(
            ctx,
            &config,
            &trained,
            &train_samples,
            [&train_data.data, &val_data.data],
        )?])
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        let folder = if ctx.tiny {
            ctx.run_folder(MODEL)
        } else {
            ctx.models.clone()
        };
        let path = model_path(&folder, MODEL);
        if !path.is_file() {
            return Err(MethodError::NoModel(MODEL.to_owned()));
        }
        let model = NetClassifier::new(&WeightFile::open(&path)?)?;
        let card = model.card();
        let row = |m: &crate::serve::MetricRow, goal: Option<f64>| ClaimRow {
            claim: format!("AUROC of {}", m.target),
            paper: goal,
            here: m.value,
            interval: m.interval,
            holds: goal.and_then(|g| m.value.map(|v| v >= g)),
            n: m.n,
            note: format!("{} positives", m.positives.unwrap_or(0)),
        };
        let aurocs = card.metrics.iter().filter(|m| m.metric == "auroc");
        let goal = |m: &crate::serve::MetricRow| (m.target == "chest_xray").then_some(0.99);
        let mut result = ResultFile::new(&INFO, aurocs.map(|m| row(m, goal(m))).collect());
        result.seeds = vec![card.seed];
        result.data_hash = card.data_hash.clone();
        result.split_hash = card.split_hash.clone();
        result.tiny = ctx.tiny;
        Ok(result)
    }
}

/// Embeddings of the upright chest X-rays of `data`, by the weights as stored.
fn embeddings(model: &NetClassifier, data: &ClassifyData) -> Result<Vec<Vec<f64>>> {
    let mut out = Vec::new();
    for (picture, answers) in data.pictures.iter().zip(&data.targets) {
        if answers[0] == 1.0 && answers[2] == 0.0 && answers[1] != 0.0 {
            let prepared = Prepared {
                plane: picture.plane.clone(),
                crop: picture.crop,
            };
            out.push(model.score_prepared(&prepared)?.embedding);
        }
    }
    Ok(out)
}

fn fit_ood(model: &NetClassifier, data: [&ClassifyData; 2]) -> Result<Option<OodDetector>> {
    let (train, val) = (embeddings(model, data[0])?, embeddings(model, data[1])?);
    let dimensions = train.first().map_or(0, Vec::len);
    let flat: Vec<f64> = train.concat();
    let distance = Mahalanobis::fit(&flat, dimensions, Shrinkage::LedoitWolf)?;
    let scores = val
        .iter()
        .map(|e| distance.score(e))
        .collect::<hilum_trust::Result<Vec<_>>>()?;
    // A tiny run has too few images for the rate; it then has no detector.
    let Ok(threshold) = OodThreshold::fit(&scores, OOD_RATE) else {
        return Ok(None);
    };
    Ok(Some(OodDetector {
        distance,
        threshold,
    }))
}

fn write(
    ctx: &Context<'_>,
    config: &Config,
    trained: &Trained,
    samples: &[Sample],
    data: [&ClassifyData; 2],
) -> Result<PathBuf> {
    let (network, contract) = (config.network(), config.contract());
    let graph = network.graph();
    let val_logits = predict(&graph, &trained.params, &contract, data[1])?;
    let sensitive = OperatingRule::Sensitivity(SURE);
    let mut outputs = fit_outputs(&QUESTIONS, data[1], &val_logits, sensitive, "val")?;
    // A chest X-ray must hardly ever be refused. The point that keeps nearly all of them lies far above the
    // counter-examples and refuses films that look a little different; so it only makes a caution, and what
    // is refused is what the counter-examples look like.
    if let Some(chest) = outputs.first_mut() {
        chest.sure_from = chest.operating_point.take();
        let refusing = OperatingRule::Specificity(REFUSED);
        chest.operating_point = operating_point(chest, data[1], &val_logits, 0, refusing, "val")?;
    }
    let sure_from = outputs[0].sure_from.as_ref().map(|p| p.threshold);
    let (sources, research_only) = ship::sources(samples);
    let mut card = ModelCard {
        name: MODEL.to_owned(),
        title: "Chest X-ray or not, frontal, inverted, child; distance to the training images".to_owned(),
        method: MODEL.to_owned(),
        data: sources,
        research_only,
        licence_note: "Several of the sets used as counter-examples are for research.".to_owned(),
        outputs,
        assessed_rule: format!(
            "The threshold of `chest_xray` refuses {:.0} % of the validation split's other images; a chest X-ray below the point that \
             keeps {:.1} % of them ({}) gets a caution. The other thresholds keep {:.1} % of the validation images that are what is asked for. \
             Every image counts as stored and framed otherwise.",
            100.0 * REFUSED,
            100.0 * SURE,
            sure_from.map_or("none".into(), |p| format!("{p:.3}")),
            100.0 * SURE,
        ),
        metrics: Vec::new(),
        failure_cases: [
            "Six real laterals were at hand, five of them for training: the view is a hint, not a measurement.",
            "All children come from one set of one hospital; the answer may follow that set's look rather than age.",
            "Other radiographs (abdomen, limbs, spine) are hardly represented among the counter-examples.",
            "Inversion was learnt on inverted copies; a film that was only partly inverted is not found.",
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
    let members = [trained.params.clone()];
    let model = NetClassifier::new(&ship::reread(&network, &contract, &card, &members)?)?;
    card.ood = fit_ood(&model, data)?;
    let test = data::load(&data::samples(ctx, Split::Test)?, config, false)?;
    let logits = predict(&graph, &trained.params, &contract, &test.data)?;
    card.metrics = measure_outputs(&card.outputs, &test.data, &logits, "all sets", "test")?;
    card.metrics
        .extend(passes::by_set(&card.outputs[0], &test, &logits)?);
    ship::write(ctx, &network, &contract, &card, &members)
}
