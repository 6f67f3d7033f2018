//! The vote, the maps, the profiles, as rows.

use super::compare::{MapScore, Place};
use super::config::METHODS;
use super::train::{Outcome, SetOutcome};
use crate::blocks::measure::{Measured, claim_row, measured_by, patient_ids};
use crate::claims::ClaimRow;
use crate::curves::{self, Curve};
use hilum_explain::Method;
use hilum_metrics::classification::BinaryScores;

/// A map changes enough with random weights when ranks correlate less than this.
const CHANGED: f64 = 0.5;
/// Sums may miss the difference of the logits by so much: integrated gradients by their steps, DeepLIFT by rounding.
const COMPLETE: [(Method, f64); 2] = [
    (Method::IntegratedGradients, 0.05),
    (Method::DeepLift, 1e-3),
];

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    for set in &outcome.sets {
        rows.push(vote_row(set, outcome.threshold));
    }
    for set in &outcome.sets {
        rows.push(residual_row(set));
        rows.extend(METHODS.map(|m| moved_row(set, m)));
        rows.extend(METHODS.map(|m| random_row(set, m)));
        rows.extend(COMPLETE.map(|(m, most)| gap_row(set, m, most)));
        rows.extend(profile_rows(set));
    }
    for set in &outcome.sets {
        rows.extend(reported(set, outcome.threshold));
    }
    rows
}

/// ROC curves of all outputs by the mean of the networks' logits, and the vote's confusion of the first output: every case by those that
/// did not learn from its patient.
pub fn curves(outcome: &Outcome) -> Vec<Curve> {
    let of = |set: &SetOutcome| {
        let name = set.set.name();
        let codes = set.set.codes();
        let scored = codes.iter().enumerate();
        let scored = scored.filter_map(|(k, code)| Some((*code, scores(set, k)?)));
        let voters = voters(set, outcome.threshold);
        let said = vote(&voters);
        let pairs = said.iter().zip(&set.targets).filter_map(|(said, target)| {
            let truth = usize::from(target[0]? >= 0.5);
            Some((truth, usize::from(said[0])))
        });
        [
            curves::roc(format!("ROC, {name}, mean of the networks"), scored),
            curves::confusion(
                format!("{}, {name}, the vote", codes[0]),
                &["absent", "present"],
                pairs,
            ),
        ]
    };
    outcome.sets.iter().flat_map(of).flatten().collect()
}

/// Means of the networks' logits of one output, of the cases where it is labelled.
fn scores(set: &SetOutcome, output: usize) -> Option<BinaryScores> {
    let (mut labels, mut means) = (Vec::new(), Vec::new());
    for (i, target) in set.targets.iter().enumerate() {
        if let Some(target) = target[output] {
            let each = set.logits.iter().map(|n| f64::from(n[i][output]));
            labels.push(target >= 0.5);
            means.push(each.sum::<f64>() / set.logits.len() as f64);
        }
    }
    BinaryScores::new(&labels, &means).ok()
}

/// What one voter, or the vote, said of every label.
fn decisions(set: &SetOutcome, network: usize, threshold: f64) -> Vec<Vec<bool>> {
    let cut = (threshold / (1.0 - threshold)).ln();
    set.logits[network]
        .iter()
        .map(|z| z.iter().map(|&v| f64::from(v) >= cut).collect())
        .collect()
}

/// Majority of the voters, label by label.
fn vote(voters: &[Vec<Vec<bool>>]) -> Vec<Vec<bool>> {
    let cases = voters.first().map_or(0, Vec::len);
    (0..cases)
        .map(|i| {
            (0..voters[0][i].len())
                .map(|k| 2 * voters.iter().filter(|v| v[i][k]).count() > voters.len())
                .collect()
        })
        .collect()
}

/// F1 over all labels together, or over those of one output; `None` when nothing is or was said to be positive.
fn micro_f1(
    set: &SetOutcome,
    said: &[Vec<bool>],
    output: Option<usize>,
    counts: &[u32],
) -> Option<f64> {
    let (mut hit, mut wrong) = (0u64, 0u64);
    for (i, row) in said.iter().enumerate() {
        for (k, &positive) in row.iter().enumerate() {
            if output.is_some_and(|o| o != k) {
                continue;
            }
            let Some(target) = set.targets[i][k] else {
                continue;
            };
            let weight = u64::from(counts[i]);
            match (target >= 0.5, positive) {
                (true, true) => hit += weight,
                (false, false) => {}
                _ => wrong += weight,
            }
        }
    }
    let total = 2 * hit + wrong;
    (total > 0).then(|| 2.0 * hit as f64 / total as f64)
}

fn groups(set: &SetOutcome) -> Vec<usize> {
    patient_ids(set.patients.iter().map(String::as_str))
}

fn voters(set: &SetOutcome, threshold: f64) -> Vec<Vec<Vec<bool>>> {
    (0..set.networks.len())
        .map(|n| decisions(set, n, threshold))
        .collect()
}

/// The vote's micro-F1 minus the mean of its members'.
fn vote_row(set: &SetOutcome, threshold: f64) -> ClaimRow {
    let voters = voters(set, threshold);
    let all = vote(&voters);
    let m = measured_by(&groups(set), |counts| {
        let members: Option<f64> = voters.iter().map(|v| micro_f1(set, v, None, counts)).sum();
        Some(micro_f1(set, &all, None, counts)? - members? / voters.len() as f64)
    });
    claim_row(
        format!(
            "{}: micro-F1 of the vote minus the mean of its members",
            set.set.name()
        ),
        m,
        m.map(|m| m.interval.0 > 0.0),
        format!(
            "{} networks, each case by those that did not learn from its patient",
            voters.len()
        ),
    )
}

/// Mean over patients' pictures of a figure of the maps that `of` gives, for maps that `keep` accepts.
fn map_mean(
    set: &SetOutcome,
    keep: impl Fn(&MapScore) -> bool,
    of: impl Fn(&MapScore) -> Option<f64>,
) -> Option<Measured> {
    let found: Vec<(&str, f64)> = set
        .maps
        .iter()
        .filter(|m| keep(m))
        .filter_map(|m| Some((m.patient.as_str(), of(m)?)))
        .collect();
    let ids = patient_ids(found.iter().map(|(p, _)| *p));
    measured_by(&ids, |counts| {
        let (mut sum, mut n) = (0.0, 0.0);
        for ((_, v), c) in found.iter().zip(counts) {
            sum += v * f64::from(*c);
            n += f64::from(*c);
        }
        (n > 0.0).then(|| sum / n)
    })
}

/// How many times denser a map is inside than over the picture.
fn density(place: &Option<Place>) -> Option<f64> {
    place.as_ref().map(|p| p.mass / p.area)
}

/// The paper finds residual networks the most interpretable, and DenseNet's attention outside of biology.
fn residual_row(set: &SetOutcome) -> ClaimRow {
    let is = |prefix: &str| {
        let own: Vec<&MapScore> = set
            .maps
            .iter()
            .filter(|m| m.network.starts_with(prefix))
            .collect();
        own
    };
    let (residual, dense) = (is("resnet"), is("densenet"));
    let claim = format!(
        "{}: density of maps in the lungs, ResNets minus DenseNet",
        set.set.name()
    );
    let all: Vec<(&MapScore, f64)> = residual
        .iter()
        .map(|m| (*m, 1.0))
        .chain(dense.iter().map(|m| (*m, -1.0)))
        .collect();
    let ids = patient_ids(all.iter().map(|(m, _)| m.patient.as_str()));
    let m = measured_by(&ids, |counts| {
        let mean = |side: f64| {
            let (mut sum, mut n) = (0.0, 0.0);
            for ((map, s), c) in all.iter().zip(counts) {
                if *s == side
                    && let Some(d) = density(&map.lungs)
                {
                    sum += d * f64::from(*c);
                    n += f64::from(*c);
                }
            }
            (n > 0.0).then(|| sum / n)
        };
        Some(mean(1.0)? - mean(-1.0)?)
    });
    claim_row(
        claim,
        m,
        m.map(|m| m.interval.0 > 0.0),
        "density 1 is everywhere alike; maps of all six methods, pictures held out".to_owned(),
    )
}

/// Insertion less deletion area, minus that of the same map moved elsewhere.
fn moved_row(set: &SetOutcome, method: Method) -> ClaimRow {
    let m = map_mean(
        set,
        |m| m.method == method,
        |m| Some((m.insertion[0] - m.deletion[0]) - (m.insertion[1] - m.deletion[1])),
    );
    let mean = |of: fn(&MapScore) -> f64| {
        map_mean(set, |m| m.method == method, |m| Some(of(m))).map_or(f64::NAN, |m| m.value)
    };
    claim_row(
        format!(
            "{}, {method}: insertion less deletion area, above that of the map moved elsewhere",
            set.set.name()
        ),
        m,
        m.map(|m| m.interval.0 > 0.0),
        format!(
            "deletion {:.3}, insertion {:.3}",
            mean(|m| m.deletion[0]),
            mean(|m| m.insertion[0])
        ),
    )
}

/// Maps must change when the weights do (Adebayo et al. 2018).
fn random_row(set: &SetOutcome, method: Method) -> ClaimRow {
    let m = map_mean(set, |m| m.method == method, |m| m.random_all);
    let head = map_mean(set, |m| m.method == method, |m| m.random_head);
    claim_row(
        format!(
            "{}, {method}: rank correlation with the map of random weights, below {CHANGED}",
            set.set.name()
        ),
        m,
        m.map(|m| m.interval.1 < CHANGED),
        head.map_or(String::new(), |h| {
            format!("with a random last layer {:.2}", h.value)
        }),
    )
}

fn gap_row(set: &SetOutcome, method: Method, most: f64) -> ClaimRow {
    let gaps: Vec<f64> = set
        .maps
        .iter()
        .filter(|m| m.method == method)
        .filter_map(|m| m.gap)
        .collect();
    let worst = gaps.iter().copied().fold(0.0, f64::max);
    ClaimRow {
        claim: format!(
            "{}, {method}: sums miss the difference of logits by less than {most}",
            set.set.name()
        ),
        paper: None,
        here: (!gaps.is_empty()).then_some(worst),
        interval: None,
        holds: (!gaps.is_empty()).then_some(worst < most),
        n: gaps.len(),
        note: format!("the largest gap, {worst:.1e}, relative where the difference is above 1"),
    }
}

/// Profiles of the groups against shuffled groups, and units that never change.
fn profile_rows(set: &SetOutcome) -> Vec<ClaimRow> {
    set.networks
        .iter()
        .zip(&set.layers)
        .map(|(network, layers)| {
            let last = layers.last();
            let shown: Vec<String> = layers
                .iter()
                .map(|l| {
                    format!(
                        "{} p {:.3}, {:.1} % dead",
                        l.name,
                        l.p,
                        100.0 * l.dead as f64 / l.units.max(1) as f64
                    )
                })
                .collect();
            ClaimRow {
                claim: format!(
                    "{}, {network}: activation profiles of the last maps differ from shuffled groups', p at most 0.05",
                    set.set.name()
                ),
                paper: None,
                here: last.map(|l| l.p),
                interval: None,
                holds: last.map(|l| l.p <= 0.05),
                n: set.profiled,
                note: format!("groups {}; {}", set.set.groups().join(", "), shown.join("; ")),
            }
        })
        .collect()
}

fn reported(set: &SetOutcome, threshold: f64) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    let voters = voters(set, threshold);
    let all = vote(&voters);
    let names = set.networks.iter().map(String::as_str);
    for (name, said) in names.zip(&voters).chain(std::iter::once(("vote", &all))) {
        let f1 = |output| measured_by(&groups(set), |c| micro_f1(set, said, output, c));
        let first = f1(Some(0)).map_or("-".to_owned(), |m| format!("{:.3}", m.value));
        rows.push(claim_row(
            format!("{}, {name}: micro-F1", set.set.name()),
            f1(None),
            None,
            format!("F1 of {} {first}", set.set.codes()[0]),
        ));
    }
    for network in &set.networks {
        let mine = |m: &MapScore| m.network == *network;
        let hits = |of: fn(&MapScore) -> &Option<Place>| {
            map_mean(set, mine, |m| {
                of(m).as_ref().map(|p| f64::from(u8::from(p.hit)))
            })
            .map_or("-".to_owned(), |m| format!("{:.2}", m.value))
        };
        rows.push(claim_row(
            format!(
                "{}, {network}: density of maps in the lungs",
                set.set.name()
            ),
            map_mean(set, mine, |m| density(&m.lungs)),
            None,
            format!("peak in the lungs {}", hits(|m| &m.lungs)),
        ));
        let lesion = map_mean(set, mine, |m| density(&m.lesion));
        if lesion.is_some() {
            rows.push(claim_row(
                format!(
                    "{}, {network}: density of maps in drawn ground glass and consolidation",
                    set.set.name()
                ),
                lesion,
                None,
                format!("peak in the lesion {}", hits(|m| &m.lesion)),
            ));
        }
    }
    for method in METHODS {
        let mine = |m: &MapScore| m.method == method;
        let lesion = map_mean(set, mine, |m| density(&m.lesion));
        rows.push(claim_row(
            format!("{}, {method}: density of maps in the lungs", set.set.name()),
            map_mean(set, mine, |m| density(&m.lungs)),
            None,
            lesion.map_or(String::new(), |m| {
                format!(
                    "in drawn lesions {:.2} ({:.2} to {:.2})",
                    m.value, m.interval.0, m.interval.1
                )
            }),
        ));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::covid_interpretability::cases::SetName;

    fn outcome(logits: Vec<Vec<Vec<f32>>>, targets: Vec<Vec<Option<f32>>>) -> SetOutcome {
        SetOutcome {
            set: SetName::Covid,
            patients: (0..targets.len()).map(|i| i.to_string()).collect(),
            networks: (0..logits.len()).map(|n| format!("n{n}")).collect(),
            targets,
            logits,
            maps: Vec::new(),
            layers: Vec::new(),
            profiled: 0,
        }
    }

    #[test]
    fn three_voters_outvote_the_one_who_errs() {
        let targets: Vec<Vec<Option<f32>>> = (0..9).map(|i| vec![Some((i % 2) as f32)]).collect();
        // Voter n errs on every third case, each on another one.
        let logits = (0..3)
            .map(|n| {
                (0..9)
                    .map(|i| {
                        let right = if i % 2 == 1 { 3.0 } else { -3.0 };
                        vec![if i % 3 == n { -right } else { right }]
                    })
                    .collect()
            })
            .collect();
        let set = outcome(logits, targets);
        let counts = [1; 9];
        let voters = voters(&set, 0.51);
        let all = vote(&voters);
        assert_eq!(micro_f1(&set, &all, None, &counts), Some(1.0));
        assert!(micro_f1(&set, &voters[0], None, &counts).unwrap() < 0.8);
        let row = vote_row(&set, 0.51);
        assert!(row.here.unwrap() > 0.2);
    }

    #[test]
    fn unlabelled_cases_and_empty_scores_are_no_figures() {
        let set = outcome(vec![vec![vec![-1.0, 1.0]]], vec![vec![Some(0.0), None]]);
        let said = decisions(&set, 0, 0.51);
        assert_eq!(said, vec![vec![false, true]]);
        assert_eq!(micro_f1(&set, &said, None, &[1]), None);
        let row = moved_row(&set, Method::Saliency);
        assert_eq!((row.here, row.holds), (None, None));
    }
}
