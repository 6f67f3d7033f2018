//! The comparisons of section 4: pooling layers, and the weighted loss beside the plain one.

use super::MODEL;
use super::config::{CODES, Config};
use super::eval::{paired_boxes, scores};
use super::train::{Prepared, member, prepare};
use crate::blocks::classify::{LossKind, output_auroc};
use crate::blocks::ship;
use crate::claims::ClaimRow;
use crate::context::{Context, model_path};
use crate::error::Result;
use crate::serve::{Classifier, ModelCard, NetClassifier};
use hilum_data::Sample;
use hilum_metrics::detection::{BoxCriterion, localisation};
use hilum_nn::builder::Pooling;
use hilum_nn::weights::WeightFile;

/// Overlap at which poolings are compared.
const OVERLAP: f64 = 0.1;

/// What one variant reached on the test split.
struct Outcome {
    name: &'static str,
    /// Mean AUROC over findings with ten or more positives, and how many those are.
    auroc: f64,
    findings: usize,
    /// Share of boxes found at [`OVERLAP`]; `None` without boxes.
    found: Option<f64>,
    boxes: usize,
}

const VARIANTS: [(&str, Pooling, LossKind); 4] = [
    ("average-bce", Pooling::Average, LossKind::Bce),
    (
        "average-weighted",
        Pooling::Average,
        LossKind::WeightedChestXray8,
    ),
    ("max-weighted", Pooling::Max, LossKind::WeightedChestXray8),
    (
        "lse-weighted",
        Pooling::LogSumExp { r: 10.0 },
        LossKind::WeightedChestXray8,
    ),
];

/// Trains one network a variant with the same seed and compares them on the test split.
pub fn rows(ctx: &Context<'_>, config: &Config) -> Result<Vec<ClaimRow>> {
    let prepared = prepare(ctx, config)?;
    let folder = if ctx.tiny {
        ctx.run_folder(MODEL)
    } else {
        ctx.models.clone()
    };
    let shipped = NetClassifier::new(&WeightFile::open(&model_path(&folder, MODEL))?)?;
    let mut outcomes = Vec::new();
    for (name, pooling, loss) in VARIANTS {
        let mut variant = Config {
            pooling,
            members: 1,
            ..config.clone()
        };
        variant.classify.loss = loss;
        outcomes.push(outcome(ctx, name, &variant, &prepared, shipped.card())?);
    }
    Ok(claims(&outcomes))
}

fn outcome(
    ctx: &Context<'_>,
    name: &'static str,
    config: &Config,
    prepared: &Prepared,
    card: &ModelCard,
) -> Result<Outcome> {
    let [train, val, _] = &prepared.data;
    let used: Vec<&Sample> = prepared.samples[..2].iter().flatten().collect();
    let run = format!("chestx_ray8-{name}");
    let trained = member(ctx, &run, config, [train, val], &used)?;
    let file = ship::reread(
        &config.network(),
        &config.contract(),
        card,
        &[trained.params],
    )?;
    let test = &prepared.data[2];
    let (logits, maps) = scores(&NetClassifier::new(&file)?, test)?;
    let aurocs: Vec<f64> = (0..CODES.len() - 1)
        .filter(|&k| test.labelled(k).iter().filter(|(_, y)| *y).count() >= 10)
        .filter_map(|k| output_auroc(test, &logits, k))
        .collect();
    let boxes = paired_boxes(&prepared.samples[2], test, &maps).ours;
    let found = if boxes.is_empty() {
        None
    } else {
        Some(localisation(&boxes, BoxCriterion::Iobb, OVERLAP)?.accuracy)
    };
    Ok(Outcome {
        name,
        auroc: aurocs.iter().sum::<f64>() / aurocs.len().max(1) as f64,
        findings: aurocs.len(),
        found,
        boxes: boxes.iter().map(|b| b.reference.len()).sum(),
    })
}

/// The paper's two comparisons: the weighted loss against the plain one, and LSE against average pooling
/// where boxes are concerned.
fn claims(outcomes: &[Outcome]) -> Vec<ClaimRow> {
    let of = |name: &str| outcomes.iter().find(|o| o.name == name);
    let plain = of("average-bce");
    let average = of("average-weighted");
    let auroc = outcomes.iter().map(|o| ClaimRow {
        claim: format!("macro AUROC of one network, {}", o.name),
        paper: None,
        here: (o.findings > 0).then_some(o.auroc),
        interval: None,
        holds: plain
            .filter(|_| o.name == "average-weighted" && o.findings > 0)
            .map(|p| o.auroc > p.auroc),
        n: o.findings,
        note: match (o.name, plain) {
            ("average-weighted", Some(p)) => {
                format!("claim: above the plain loss ({:.3})", p.auroc)
            }
            _ => "findings with 10 or more test positives".to_owned(),
        },
    });
    let found = outcomes.iter().map(|o| ClaimRow {
        claim: format!(
            "boxes found at T(IoBB) = {OVERLAP} by one network, {}",
            o.name
        ),
        paper: None,
        here: o.found,
        interval: None,
        holds: average
            .and_then(|a| a.found)
            .zip(o.found)
            .filter(|_| o.name == "lse-weighted")
            .map(|(a, own)| own >= a),
        n: o.boxes,
        note: if o.name == "lse-weighted" {
            "claim: at least as many as with average pooling".to_owned()
        } else {
            String::new()
        },
    });
    auroc.chain(found).collect()
}
