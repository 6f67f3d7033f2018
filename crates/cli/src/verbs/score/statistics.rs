//! Intervals of scores, and one system against another: by resampling and by swapping the summands, so
//! that each resample gives the score of a set, not a mean of sample scores.

use anyhow::{Result, bail};
use hilum_metrics::ConfidenceInterval;
use hilum_metrics::statistics::{
    Bootstrap, BootstrapOptions, MultipleTesting, adjust, bootstrap, jackknife, paired_permutation,
};
use hilum_text::score::{ScoreReport, Table};
use serde::Serialize;
use std::collections::BTreeMap;

/// Jackknife blocks for the acceleration of BCa.
const BLOCKS: usize = 500;

/// Kinds of intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Interval {
    /// Bias-corrected and accelerated
    Bca,
    /// Percentiles of the resamples
    Percentile,
}

/// What to compute.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Interval, if one is asked for.
    pub interval: Option<Interval>,
    /// Resamples, and permutations.
    pub resamples: usize,
    /// Seed.
    pub seed: u64,
    /// Coverage.
    pub level: f64,
}

/// An interval, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Maybe {
    /// The interval.
    pub ci: Option<ConfidenceInterval>,
    /// Why it is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci_reason: Option<String>,
}

/// One score of two systems.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The other system's value.
    pub other: Option<f64>,
    /// This one's value less the other's.
    pub difference: Option<f64>,
    /// Interval of the difference.
    #[serde(flatten)]
    pub interval: Maybe,
    /// Two-sided p-value of the paired permutation test.
    pub p: Option<f64>,
    /// The same after Holm's correction over the scores compared here.
    pub p_holm: Option<f64>,
    /// Permutations for which the difference was defined.
    pub permutations: usize,
    /// Why something is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Everything beyond the values, by score.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// Intervals, when asked for.
    pub intervals: BTreeMap<String, Maybe>,
    /// Comparisons, when another system was given.
    pub comparisons: BTreeMap<String, Comparison>,
}

/// Computes what the plan asks for.
pub fn compute(report: &ScoreReport, other: Option<&ScoreReport>, plan: &Plan) -> Result<Extra> {
    if !(plan.level > 0.0 && plan.level < 1.0) {
        bail!("--level must lie between 0 and 1");
    }
    let mut extra = Extra::default();
    if let Some(kind) = plan.interval {
        for (name, table) in &report.tables {
            let score = |counts: &[u32]| table.resampled(counts);
            extra.intervals.insert(
                name.clone(),
                interval(name, table.len(), kind, plan, score)?,
            );
        }
    }
    if let Some(other) = other {
        if report.ids != other.ids {
            bail!(
                "the two systems were not scored on the same ids; a paired comparison needs that"
            );
        }
        extra.comparisons = compare(report, other, plan)?;
    }
    Ok(extra)
}

fn compare(
    report: &ScoreReport,
    other: &ScoreReport,
    plan: &Plan,
) -> Result<BTreeMap<String, Comparison>> {
    let mut out = BTreeMap::new();
    for (name, a) in &report.tables {
        if let Some(b) = other.tables.get(name) {
            if a.samples != b.samples {
                bail!("{name}: the two systems name different patients");
            }
            out.insert(name.clone(), one(name, a, b, plan)?);
        }
    }
    let tested: Vec<(String, f64)> = out
        .iter()
        .filter_map(|(n, c)| c.p.map(|p| (n.clone(), p)))
        .collect();
    if !tested.is_empty() {
        let p: Vec<f64> = tested.iter().map(|(_, p)| *p).collect();
        for ((name, _), adjusted) in tested.iter().zip(adjust(&p, MultipleTesting::Holm)?) {
            if let Some(comparison) = out.get_mut(name) {
                comparison.p_holm = Some(adjusted);
            }
        }
    }
    Ok(out)
}

fn one(name: &str, a: &Table, b: &Table, plan: &Plan) -> Result<Comparison> {
    let kind = plan.interval.unwrap_or(Interval::Bca);
    let difference = |counts: &[u32]| Some(a.resampled(counts)? - b.resampled(counts)?);
    let interval = interval(name, a.len(), kind, plan, difference)?;
    let swapped = |swap: &[bool]| Some(a.mixed(b, swap)? - b.mixed(a, swap)?);
    let test = paired_permutation(a.len(), None, plan.resamples, plan.seed, swapped);
    let (test, reason) = match test {
        Ok(test) => (Some(test), None),
        Err(error) if error.is_undefined() => (None, Some(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    Ok(Comparison {
        other: b.value().ok(),
        difference: test.map(|t| t.difference),
        interval,
        p: test.map(|t| t.p),
        p_holm: None,
        permutations: test.map_or(0, |t| t.permutations),
        reason,
    })
}

fn interval(
    name: &str,
    n: usize,
    kind: Interval,
    plan: &Plan,
    score: impl Fn(&[u32]) -> Option<f64> + Sync,
) -> Result<Maybe> {
    if n < 2 {
        return Ok(Maybe {
            ci: None,
            ci_reason: Some("fewer than two samples".to_owned()),
        });
    }
    let options = BootstrapOptions {
        resamples: plan.resamples,
        seed: plan.seed,
        level: plan.level,
    };
    let found = bootstrap(n, None, &options, &score).and_then(|b: Bootstrap| match kind {
        Interval::Percentile => b.percentile(plan.level),
        Interval::Bca => b.bca(plan.level, &jackknife(n, None, BLOCKS, &score)?),
    });
    match found {
        Ok(mut ci) => {
            if name.starts_with("cider") {
                // The document frequencies stay those of the whole set.
                ci.method += "|df:fixed";
            }
            Ok(Maybe {
                ci: Some(ci),
                ci_reason: None,
            })
        }
        Err(error) if error.is_undefined() => Ok(Maybe {
            ci: None,
            ci_reason: Some(error.to_string()),
        }),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_text::score::{ScoreOptions, score_jsonl};
    use std::io::Cursor;

    const PLAN: Plan = Plan {
        interval: Some(Interval::Bca),
        resamples: 200,
        seed: 0,
        level: 0.95,
    };

    fn report(change: impl Fn(usize) -> bool) -> ScoreReport {
        let side = |changed: bool| -> String {
            (0..60)
                .map(|i| {
                    let word = if changed && change(i) {
                        "large"
                    } else {
                        "small"
                    };
                    format!(
                        "{{\"id\":{i},\"text\":\"there is a {word} effusion in case {}\"}}\n",
                        i % 9
                    )
                })
                .collect()
        };
        let options = ScoreOptions {
            metrics: vec!["bleu_4".to_owned(), "rouge_l".to_owned()],
            ..ScoreOptions::default()
        };
        score_jsonl(Cursor::new(side(false)), Cursor::new(side(true)), &options).unwrap()
    }

    #[test]
    fn intervals_hold_their_value_and_a_worse_system_is_told() {
        let (better, worse) = (report(|i| i % 10 == 0), report(|i| i % 2 == 0));
        let extra = compute(&better, Some(&worse), &PLAN).unwrap();
        let (value, ci) = (
            better.metrics["bleu_4"].value.unwrap(),
            extra.intervals["bleu_4"].ci.clone().unwrap(),
        );
        assert!(
            ci.low <= value && value <= ci.high && ci.low < ci.high,
            "{value} {ci:?}"
        );
        let c = &extra.comparisons["rouge_l"];
        assert!(
            c.difference.unwrap() > 0.0 && c.p.unwrap() < 0.01 && c.p_holm.unwrap() >= c.p.unwrap()
        );
        assert!(c.interval.ci.as_ref().unwrap().low > 0.0);
    }

    #[test]
    fn a_system_does_not_differ_from_itself() {
        let same = report(|i| i % 3 == 0);
        let extra = compute(&same, Some(&same), &PLAN).unwrap();
        let c = &extra.comparisons["bleu_4"];
        assert_eq!((c.difference, c.p), (Some(0.0), Some(1.0)));
        // All replicates are 0: BCa has nothing to correct with.
        assert!(c.interval.ci.is_none() && c.interval.ci_reason.is_some());
    }
}
