//! The comparisons of section 4: pooling layers, and the weighted loss beside the plain one.

use super::config::{CODES, Config};
use super::train::{member, prepare};
use crate::blocks::classify::{LossKind, output_auroc, predict};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use hilum_nn::builder::Pooling;

/// Trains one network a variant with the same seed and gives the macro AUROC of each on the test split.
pub fn rows(ctx: &Context<'_>, config: &Config) -> Result<Vec<ClaimRow>> {
    let prepared = prepare(ctx, config)?;
    let mut scores = Vec::new();
    for (name, pooling, loss) in [
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
    ] {
        let mut variant = Config {
            pooling,
            members: 1,
            ..config.clone()
        };
        variant.classify.loss = loss;
        let trained = member(ctx, &format!("chestx_ray8-{name}"), &variant, &prepared)?;
        let graph = variant.network().graph();
        let test = &prepared.data[2];
        let logits = predict(&graph, &trained.params, &variant.contract(), test)?;
        let aurocs: Vec<f64> = (0..CODES.len() - 1)
            .filter(|&k| test.labelled(k).iter().filter(|(_, y)| *y).count() >= 10)
            .filter_map(|k| output_auroc(test, &logits, k))
            .collect();
        let mean = aurocs.iter().sum::<f64>() / aurocs.len().max(1) as f64;
        scores.push((name, mean, aurocs.len()));
    }
    let plain = scores[0].1;
    let row = |&(name, mean, n): &(&str, f64, usize)| ClaimRow {
        claim: format!("macro AUROC of one network, {name}"),
        paper: None,
        here: (n > 0).then_some(mean),
        interval: None,
        holds: (name == "average-weighted" && n > 0).then_some(mean > plain),
        n,
        note: if name == "average-weighted" {
            format!("claim: above the plain loss ({plain:.3})")
        } else {
            "findings with 10 or more test positives".to_owned()
        },
    };
    Ok(scores.iter().map(row).collect())
}
