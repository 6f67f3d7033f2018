//! The check: bands against whole images, every code with its report and back, and what template reports
//! are worth beside real ones.

use super::config::Config;
use super::report::{all_answers, report, result_code};
use super::train::{Data, One, banded, one, prepare};
use crate::blocks::classify::{ClassifyData, predict};
use crate::blocks::fit::output_scores;
use crate::blocks::measure::{Measured, measured_auroc};
use crate::claims::{ClaimRow, ResultFile};
use crate::context::Context;
use crate::error::{MethodError, Result};
use crate::info::MethodInfo;
use hilum_kernels::Tensor;
use hilum_kernels::plan::Plan;
use hilum_text::nlg::{Sample as TextPair, bleu};
use hilum_text::tokenize::Tokenizer;
use hilum_text::{LabelOptions, Labeler, ReportText};
use std::time::Instant;

/// All rows.
pub fn measure(ctx: &Context<'_>, info: &MethodInfo, config: &Config) -> Result<ResultFile> {
    let data = prepare(ctx, config)?;
    let mut rows = vec![round_trip(config)?];
    let mut hashes = (String::new(), String::new());
    let mut nets = Vec::new();
    for k in 0..config.abnormalities.len() {
        let (bands, whole) = (
            one(ctx, config, &data, k, true)?,
            one(ctx, config, &data, k, false)?,
        );
        rows.push(ablation(config, &data, k, &bands, &whole)?);
        hashes = bands.hashes.clone();
        nets.push(bands);
    }
    rows.push(latency(config, &data, &nets)?);
    rows.extend(template_rows(ctx, config)?);
    let mut result = ResultFile::new(info, rows);
    result.seeds = vec![ctx.seed];
    (result.data_hash, result.split_hash) = hashes;
    result.tiny = ctx.tiny;
    Ok(result)
}

/// Answers of the labeler on a text, in the order of the entries.
fn labelled(config: &Config, text: &str) -> Result<Vec<bool>> {
    let report = ReportText::from_text(text);
    let labels = Labeler::shared()
        .label(&report, &LabelOptions::default())
        .map_err(|e| MethodError::Config(e.to_string()))?;
    let present = |code: &str| labels.value(code).is_some_and(|v| v.as_i8() == 1);
    Ok(config
        .abnormalities
        .iter()
        .map(|a| present(&a.code))
        .collect())
}

fn round_trip(config: &Config) -> Result<ClaimRow> {
    let all = all_answers(config.abnormalities.len());
    let mut right = 0;
    for answers in &all {
        right +=
            usize::from(labelled(config, &report(&config.abnormalities, answers))? == *answers);
    }
    Ok(ClaimRow {
        claim: "share of result codes whose report labels back to the code".into(),
        paper: Some(1.0),
        here: Some(right as f64 / all.len() as f64),
        interval: None,
        holds: Some(right == all.len()),
        n: all.len(),
        note: format!(
            "codes {} to {}",
            result_code(&all[0]),
            result_code(&all[all.len() - 1])
        ),
    })
}

fn auroc(config: &Config, data: &ClassifyData, k: usize, net: &One) -> Result<Option<Measured>> {
    let own = banded(config, data, k, &net.bands);
    let contract = config.band_contract(&net.bands);
    let logits = predict(&config.network().graph(), &net.params, &contract, &own)?;
    let s = output_scores(&own, &logits, 0);
    Ok(measured_auroc(&s.labels, &s.logits, &s.patients))
}

/// The band network's AUROC; it holds when it is not clearly worse than the whole image's.
fn ablation(config: &Config, data: &Data, k: usize, bands: &One, whole: &One) -> Result<ClaimRow> {
    let entry = &config.abnormalities[k];
    let test = &data.data[2];
    let (a, b) = (
        auroc(config, test, k, bands)?,
        auroc(config, test, k, whole)?,
    );
    let holds = a.zip(b).map(|(a, b)| a.interval.1 >= b.value);
    Ok(ClaimRow {
        claim: format!(
            "AUROC of {} from its bands, about as good as from the whole image",
            entry.code
        ),
        paper: None,
        here: a.map(|m| m.value),
        interval: a.map(|m| m.interval),
        holds,
        n: a.map_or(0, |m| m.positives),
        note: b.map_or("undefined: one class only".into(), |b| {
            format!(
                "whole image {:.3} ({:.3} to {:.3}); n counts positives",
                b.value, b.interval.0, b.interval.1
            )
        }),
    })
}

/// Time of all networks on one image, median.
fn latency(config: &Config, data: &Data, nets: &[One]) -> Result<ClaimRow> {
    let graph = config.network().graph();
    let mut plans = Vec::new();
    for net in nets {
        plans.push((Plan::new(&graph, &net.params)?, net));
    }
    let pictures = &data.data[2].pictures;
    let mut times = Vec::new();
    for picture in pictures.iter().take(20) {
        let began = Instant::now();
        for (plan, net) in &plans {
            let rows = config.rows(&net.bands);
            let contract = config.band_contract(&net.bands);
            let w = picture.plane.width;
            let part = hilum_image::Plane::new(
                w,
                rows.len(),
                picture.plane.data[rows.start * w..rows.end * w].to_vec(),
            )?;
            let x = Tensor {
                shape: vec![1, 1, rows.len(), w],
                data: contract.values(&part),
            };
            plan.run(&x)?;
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied();
    Ok(ClaimRow {
        claim: "milliseconds of all networks on one prepared image, well under 100".into(),
        paper: None,
        here: median,
        interval: None,
        holds: median.map(|m| m < 50.0),
        n: times.len(),
        note: "median".into(),
    })
}

/// Template reports from the labels of real ones: the facts agree, the words do not.
fn template_rows(ctx: &Context<'_>, config: &Config) -> Result<Vec<ClaimRow>> {
    let path = ctx.data.join("text/iu_reports.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Err(MethodError::NoData {
            what: "multimodel_report".into(),
            path,
        });
    };
    let mut pairs = Vec::new();
    let (mut agreed, mut asked, mut total) = ([0usize; 3], 0usize, 0usize);
    for line in text.lines() {
        let Ok(row) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let real = row["findings"].as_str().unwrap_or("").trim().to_owned();
        if real.is_empty() || row["split"].as_str() != Some("test") {
            continue;
        }
        let answers = labelled(config, &real)?;
        let template = report(&config.abnormalities, &answers);
        let back = labelled(config, &template)?;
        for (a, b) in answers.iter().zip(&back) {
            // True positives, false positives, false negatives of the template's facts.
            agreed[0] += usize::from(*a && *b);
            agreed[1] += usize::from(!*a && *b);
            agreed[2] += usize::from(*a && !*b);
            asked += 1;
        }
        total += 1;
        let ptb = Tokenizer::Ptb;
        pairs.push(TextPair {
            hypothesis: ptb.tokenize(&template),
            references: vec![ptb.tokenize(&real)],
        });
        if ctx.tiny && total >= 40 {
            break;
        }
    }
    if pairs.is_empty() {
        return Err(MethodError::TooFew {
            what: "test reports with findings".into(),
            found: 0,
            needed: 1,
        });
    }
    let f1 = 2.0 * agreed[0] as f64 / (2 * agreed[0] + agreed[1] + agreed[2]).max(1) as f64;
    let scores = bleu::bleu(&pairs, "ptb").map_err(|e| MethodError::Config(e.to_string()))?;
    let bleu4 = scores[3].value;
    let row = |claim: &str, here: Option<f64>, holds, n| ClaimRow {
        claim: claim.to_owned(),
        paper: None,
        here,
        interval: None,
        holds,
        n,
        note: "Indiana University reports, test split; answers taken from the real report's labels"
            .into(),
    };
    Ok(vec![
        row(
            "micro F1 of the template's facts against the real report's, near 1",
            Some(f1),
            Some(f1 > 0.95),
            asked,
        ),
        row(
            "BLEU-4 of template reports against the real ones, low",
            bleu4,
            bleu4.map(|b| b < 0.1),
            total,
        ),
    ])
}
