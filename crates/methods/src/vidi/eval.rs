//! Are groups by explanation more alike than groups by pixels or features?

use super::cases::SetName;
use super::groups::{Feature, SeedOutcome};
use super::train::{Outcome, SetOutcome};
use crate::blocks::cluster::{adjusted_rand, variance_within};
use crate::blocks::measure::{Measured, claim_row, measured_by, patient_ids};
use crate::claims::ClaimRow;

/// Sums of SHAP may miss the difference of the logits by so much.
const COMPLETE: f64 = 1e-3;

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    for set in &outcome.sets {
        rows.extend(severity_rows(set));
    }
    for set in &outcome.sets {
        rows.extend(subtype_rows(set));
    }
    for set in &outcome.sets {
        rows.extend(deletion_rows(set));
    }
    rows.push(complete(outcome));
    for set in &outcome.sets {
        rows.push(ppv(set));
        rows.extend(reported(set));
    }
    rows
}

fn groups(patients: &[String]) -> Vec<usize> {
    patient_ids(patients.iter().map(String::as_str))
}

/// A score of one partition of what one network clustered; `counts` are those of the clustered pictures.
type Score<'a> = &'a (dyn Fn(&SeedOutcome, &[usize], &[u32]) -> Option<f64> + Sync);

/// Mean over networks of a score of a feature's partition.
fn mean_score(set: &SetOutcome, feature: usize, counts: &[u32], score: Score<'_>) -> Option<f64> {
    let mut sum = 0.0;
    for seed in &set.seeds {
        let own: Vec<u32> = seed.clustered.iter().map(|&i| counts[i]).collect();
        sum += score(seed, &seed.groups[feature], &own)?;
    }
    Some(sum / set.seeds.len() as f64)
}

fn measured(set: &SetOutcome, feature: usize, score: Score<'_>) -> Option<Measured> {
    measured_by(&groups(&set.patients), |c| {
        mean_score(set, feature, c, score)
    })
}

fn gain(set: &SetOutcome, better: (usize, usize), score: Score<'_>) -> Option<Measured> {
    measured_by(&groups(&set.patients), |c| {
        Some(mean_score(set, better.0, c, score)? - mean_score(set, better.1, c, score)?)
    })
}

fn values_note(set: &SetOutcome, score: Score<'_>) -> String {
    let shown: Vec<String> = Feature::ALL
        .iter()
        .enumerate()
        .map(|(f, feature)| {
            let m = measured(set, f, score).map_or("-".to_owned(), |m| format!("{:.3}", m.value));
            format!("{} {m}", feature.name())
        })
        .collect();
    shown.join(", ")
}

/// Share of the variance of severity that stays inside the groups: less than with pixels or features.
fn severity_rows(set: &SetOutcome) -> Vec<ClaimRow> {
    let Some(severity) = &set.severity else {
        return Vec::new();
    };
    let score = |seed: &SeedOutcome, of: &[usize], counts: &[u32]| {
        let values: Vec<f64> = seed.clustered.iter().map(|&i| severity[i]).collect();
        variance_within(&values, of, counts)
    };
    [1, 2]
        .map(|other| {
            let m = gain(set, (other, 0), &score);
            claim_row(
                format!(
                    "{}: variance of severity inside groups, {} minus SHAP",
                    set.set.name(),
                    Feature::ALL[other].name()
                ),
                m,
                m.map(|m| m.interval.0 > 0.0),
                format!(
                    "shares of all variance, same number of groups: {}",
                    values_note(set, &score)
                ),
            )
        })
        .to_vec()
}

/// Agreement of the groups with the hidden subtypes.
fn subtype_rows(set: &SetOutcome) -> Vec<ClaimRow> {
    let Some(subtype) = &set.subtype else {
        return Vec::new();
    };
    let score = |seed: &SeedOutcome, of: &[usize], counts: &[u32]| {
        let own: Vec<usize> = seed.clustered.iter().map(|&i| subtype[i]).collect();
        adjusted_rand(of, &own, counts)
    };
    [1, 2]
        .map(|other| {
            let m = gain(set, (0, other), &score);
            claim_row(
                format!(
                    "{}: agreement (ARI) with {}, SHAP minus {}",
                    set.set.name(),
                    set.set.subtypes().join(" and "),
                    Feature::ALL[other].name()
                ),
                m,
                m.map(|m| m.interval.0 > 0.0),
                format!("same number of groups: {}", values_note(set, &score)),
            )
        })
        .to_vec()
}

/// Mean over networks and pictures of a change of the logit.
fn change(set: &SetOutcome, of: impl Fn(&SeedOutcome, usize) -> f64 + Sync) -> Option<Measured> {
    measured_by(&groups(&set.patients), |counts| {
        let mut sum = 0.0;
        for seed in &set.seeds {
            let (mut own, mut n) = (0.0, 0.0);
            for (at, &i) in seed.clustered.iter().enumerate() {
                own += of(seed, at) * f64::from(counts[i]);
                n += f64::from(counts[i]);
            }
            if n == 0.0 {
                return None;
            }
            sum += own / n;
        }
        Some(sum / set.seeds.len() as f64)
    })
}

/// Blocks of another picture change a logit wherever they lie, so both are judged against as many random ones.
fn deletion_rows(set: &SetOutcome) -> Vec<ClaimRow> {
    let random = change(set, |s, i| s.random[i]);
    let less = change(set, |s, i| s.favourable[i] - s.random[i]);
    let more = change(set, |s, i| s.unfavourable[i] - s.random[i]);
    let note = |own: fn(&SeedOutcome, usize) -> f64| {
        let own = change(set, own);
        own.zip(random).map_or(String::new(), |(own, random)| {
            format!(
                "these change it by {:+.3}, as many random ones by {:+.3}",
                own.value, random.value
            )
        })
    };
    let name = set.set.name();
    vec![
        claim_row(
            format!(
                "{name}: change of the logit without the most favourable tenth of the blocks, minus without random ones, below 0"
            ),
            less,
            less.map(|m| m.interval.1 < 0.0),
            note(|s, i| s.favourable[i]),
        ),
        claim_row(
            format!(
                "{name}: change of the logit without the most unfavourable tenth of the blocks, minus without random ones, above 0"
            ),
            more,
            more.map(|m| m.interval.0 > 0.0),
            note(|s, i| s.unfavourable[i]),
        ),
    ]
}

fn complete(outcome: &Outcome) -> ClaimRow {
    let gaps: Vec<f64> = outcome
        .sets
        .iter()
        .flat_map(|s| &s.seeds)
        .flat_map(|s| &s.gaps)
        .copied()
        .collect();
    let worst = gaps.iter().copied().fold(0.0, f64::max);
    ClaimRow {
        claim: format!("DeepSHAP: sums miss the difference of logits by less than {COMPLETE}"),
        paper: None,
        here: (!gaps.is_empty()).then_some(worst),
        interval: None,
        holds: (!gaps.is_empty()).then_some(worst < COMPLETE),
        n: gaps.len(),
        note: format!("the largest gap, {worst:.1e}, relative where the difference is above 1"),
    }
}

/// How often what is said to be positive is; the paper's figures are of another mixture of classes.
fn ppv(set: &SetOutcome) -> ClaimRow {
    let m = measured_by(&groups(&set.test_patients), |counts| {
        let mut sum = 0.0;
        for seed in &set.seeds {
            let (mut right, mut said) = (0u64, 0u64);
            for (i, z) in seed.test.iter().enumerate() {
                if *z >= 0.0 {
                    said += u64::from(counts[i]);
                    right += u64::from(counts[i]) * u64::from(set.test_labels[i]);
                }
            }
            if said == 0 {
                return None;
            }
            sum += right as f64 / said as f64;
        }
        Some(sum / set.seeds.len() as f64)
    });
    let positives = set.test_labels.iter().filter(|y| **y).count();
    // Where all test images have it, whatever is said is right.
    let m = m.filter(|_| positives < set.test_labels.len());
    let paper = match set.set {
        SetName::Paediatric => Some(0.97),
        SetName::Covid => Some(0.95),
        SetName::Phantom => None,
    };
    ClaimRow {
        paper,
        ..claim_row(
            format!(
                "{}: positive predictive value of {}",
                set.set.name(),
                set.set.code()
            ),
            m,
            None,
            format!(
                "{positives} of {} test images have it; the paper mixes sources, here each set is alone",
                set.test_labels.len()
            ),
        )
    }
}

fn reported(set: &SetOutcome) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    let name = set.set.name();
    let mean = |of: &dyn Fn(&SeedOutcome) -> f64| {
        set.seeds.iter().map(of).sum::<f64>() / set.seeds.len() as f64
    };
    for (f, feature) in Feature::ALL.iter().enumerate() {
        let ks: Vec<String> = set.seeds.iter().map(|s| s.chosen[f].to_string()).collect();
        rows.push(ClaimRow {
            claim: format!("{name}: mean silhouette of groups by {}", feature.name()),
            paper: None,
            here: Some(mean(&|s| s.silhouettes[f])),
            interval: None,
            holds: None,
            n: set
                .seeds
                .iter()
                .map(|s| s.clustered.len())
                .max()
                .unwrap_or(0),
            note: format!("groups chosen by it, a network: {}", ks.join(", ")),
        });
        let spread = |seed: &SeedOutcome, of: &[usize], counts: &[u32]| {
            let values: Vec<f64> = seed.clustered.iter().map(|&i| seed.scores[i]).collect();
            variance_within(&values, of, counts)
        };
        rows.push(claim_row(
            format!(
                "{name}: variance of the class score inside groups by {}",
                feature.name()
            ),
            measured(set, f, &spread),
            None,
            "share of all variance".to_owned(),
        ));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHAP's groups tell severity and subtype, the others nothing.
    fn set() -> SetOutcome {
        let n = 40;
        let severity: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i % 2 == 0))).collect();
        let half: Vec<usize> = (0..n).map(|i| usize::from(i % 2 == 0)).collect();
        let other: Vec<usize> = (0..n).map(|i| usize::from(i % 4 < 2)).collect();
        let seed = SeedOutcome {
            test: (0..n).map(|i| if i < 20 { 1.0 } else { -1.0 }).collect(),
            scores: severity.clone(),
            clustered: (0..n).collect(),
            groups: vec![half.clone(), other.clone(), other],
            chosen: vec![2, 3, 4],
            silhouettes: vec![0.5, 0.3, 0.2],
            gaps: vec![1e-5; n],
            favourable: vec![-1.0; n],
            unfavourable: vec![0.5; n],
            random: vec![0.0; n],
        };
        let names: Vec<String> = (0..n).map(|i| format!("p{i}")).collect();
        SetOutcome {
            set: SetName::Phantom,
            test_patients: names.clone(),
            test_labels: (0..n).map(|i| i < 10).collect(),
            patients: names,
            severity: Some(severity),
            subtype: Some(half),
            seeds: vec![seed.clone(), seed],
        }
    }

    #[test]
    fn groups_that_tell_severity_and_subtype_hold() {
        let set = set();
        for row in severity_rows(&set).iter().chain(&subtype_rows(&set)) {
            assert_eq!(row.holds, Some(true), "{row:?}");
            assert!(row.here.unwrap() > 0.9, "{row:?}");
        }
        assert!(deletion_rows(&set).iter().all(|r| r.holds == Some(true)));
        assert_eq!(ppv(&set).here, Some(0.5));
    }

    #[test]
    fn without_hidden_truth_there_are_no_rows_and_without_variance_no_figure() {
        let mut set = set();
        set.severity = None;
        assert!(severity_rows(&set).is_empty());
        set.severity = Some(vec![1.0; 40]);
        assert!(
            severity_rows(&set)
                .iter()
                .all(|r| r.here.is_none() && r.holds.is_none())
        );
    }
}
