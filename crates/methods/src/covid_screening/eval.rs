//! The comparison table, augmentation and pre-training, and what the source alone tells.

use super::cases::Scheme;
use super::train::{Arm, Elsewhere, Outcome};
use crate::blocks::measure::{Measured, claim_row, measured_auroc, measured_by, patient_ids};
use crate::claims::ClaimRow;
use crate::curves::{self, Curve};
use crate::scores::{Score, of_classes};
use hilum_audit::Condition;
use hilum_metrics::classification::{BinaryScores, auroc_weighted};

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows = vec![
        gain_row(outcome, Scheme::Three, Change::Augmentation),
        gain_row(outcome, Scheme::Three, Change::Pretraining),
        gain_row(outcome, Scheme::Covid, Change::Augmentation),
    ];
    rows.extend(best_row(outcome, Scheme::Two, 0.997));
    rows.extend(best_row(outcome, Scheme::Three, 0.979));
    for scheme in [Scheme::Three, Scheme::Covid, Scheme::Mixed] {
        rows.extend(shortcut_row(outcome, scheme));
    }
    rows.extend(outcome.elsewhere.iter().map(elsewhere_row));
    for scheme in Scheme::ALL {
        for arm in outcome.arms.iter().filter(|a| a.scheme == scheme) {
            rows.push(arm_row(arm));
        }
    }
    rows
}

/// Confusion of the first arm of each scheme that saw whole films, every case once, by the network of the fold that it was held out of; and
/// ROC curves of those with two classes.
pub fn curves(outcome: &Outcome) -> Vec<Curve> {
    let mut curves = Vec::new();
    for scheme in Scheme::ALL {
        let own = |a: &&Arm| a.scheme == scheme && a.shown == Condition::Full;
        let Some(arm) = outcome.arms.iter().find(own) else {
            continue;
        };
        let title = format!("{}, {}", scheme.name(), arm.family);
        let pairs = arm.class.iter().zip(&arm.said);
        let pairs = pairs.map(|(&truth, p)| (truth, likeliest(p)));
        curves.extend(curves::confusion(title.as_str(), scheme.classes(), pairs));
        if let [_, positive] = scheme.classes() {
            let truth: Vec<bool> = arm.class.iter().map(|c| *c == 1).collect();
            let scores: Vec<f64> = arm.said.iter().map(|p| f64::from(p[1])).collect();
            let scores = BinaryScores::new(&truth, &scores).ok();
            curves.extend(curves::roc(title, scores.map(|s| (*positive, s))));
        }
    }
    curves
}

/// What each family said of the cases, each by the network of the fold that it was held out of.
pub fn scores(outcome: &Outcome) -> Vec<Score> {
    let whole = |a: &&Arm| a.shown == Condition::Full && a.augmented && !a.pretrained;
    let of = |arm: &Arm| {
        let name = format!("{}, {}", arm.scheme.name(), arm.family);
        of_classes(
            &name,
            arm.scheme.classes(),
            &arm.class,
            &arm.patients,
            &[&arm.said],
        )
    };
    outcome.arms.iter().filter(whole).flat_map(of).collect()
}

/// Pooled confusion of drawn cases, rows truth, columns said.
struct Pooled {
    classes: usize,
    table: Vec<f64>,
}

impl Pooled {
    fn new(arm: &Arm, counts: &[u32]) -> Self {
        let classes = arm.scheme.classes().len();
        let mut table = vec![0.0; classes * classes];
        for ((p, &class), &n) in arm.said.iter().zip(&arm.class).zip(counts) {
            table[class * classes + likeliest(p)] += f64::from(n);
        }
        Pooled { classes, table }
    }

    fn truth(&self, k: usize) -> f64 {
        (0..self.classes)
            .map(|j| self.table[k * self.classes + j])
            .sum()
    }

    fn said(&self, k: usize) -> f64 {
        (0..self.classes)
            .map(|i| self.table[i * self.classes + k])
            .sum()
    }

    fn hits(&self, k: usize) -> f64 {
        self.table[k * self.classes + k]
    }

    fn total(&self) -> f64 {
        self.table.iter().sum()
    }

    fn accuracy(&self) -> Option<f64> {
        let hits: f64 = (0..self.classes).map(|k| self.hits(k)).sum();
        (self.total() > 0.0).then(|| hits / self.total())
    }

    /// Mean over the classes, weighted by how many cases each has, as in the paper.
    fn weighted(&self, of: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        let mut sum = 0.0;
        for k in 0..self.classes {
            if self.truth(k) > 0.0 {
                sum += self.truth(k) * of(k)?;
            }
        }
        (self.total() > 0.0).then(|| sum / self.total())
    }

    /// A class that is never said has no precision; it counts 0 there, as its F1 does.
    fn precision(&self, k: usize) -> Option<f64> {
        Some(match self.said(k) {
            0.0 => 0.0,
            said => self.hits(k) / said,
        })
    }

    fn sensitivity(&self, k: usize) -> Option<f64> {
        (self.truth(k) > 0.0).then(|| self.hits(k) / self.truth(k))
    }

    fn specificity(&self, k: usize) -> Option<f64> {
        let negatives = self.total() - self.truth(k);
        (negatives > 0.0).then(|| (negatives - (self.said(k) - self.hits(k))) / negatives)
    }

    fn f1(&self, k: usize) -> Option<f64> {
        let both = self.truth(k) + self.said(k);
        (both > 0.0).then(|| 2.0 * self.hits(k) / both)
    }
}

/// The first of the largest probabilities.
fn likeliest(p: &[f32]) -> usize {
    let wide: Vec<f64> = p.iter().map(|&v| f64::from(v)).collect();
    crate::blocks::exclusive::argmax(&wide)
}

fn groups(arm: &Arm) -> Vec<usize> {
    patient_ids(arm.patients.iter().map(String::as_str))
}

fn accuracy(arm: &Arm, counts: &[u32]) -> Option<f64> {
    Pooled::new(arm, counts).accuracy()
}

/// Mean AUROC of a class against the others; of the second class where there are two.
fn auroc(arm: &Arm, counts: &[u32]) -> Option<f64> {
    let weights: Vec<f64> = counts.iter().map(|c| f64::from(*c)).collect();
    let classes = arm.scheme.classes().len();
    let asked = if classes == 2 { 1..2 } else { 0..classes };
    let n = asked.len() as f64;
    let mut sum = 0.0;
    for k in asked {
        let truth: Vec<bool> = arm.class.iter().map(|c| *c == k).collect();
        let scores: Vec<f64> = arm.said.iter().map(|p| f64::from(p[k])).collect();
        sum += auroc_weighted(&BinaryScores::new(&truth, &scores).ok()?, &weights).ok()?;
    }
    Some(sum / n)
}

/// What is compared.
#[derive(Clone, Copy, PartialEq)]
enum Change {
    Augmentation,
    Pretraining,
}

/// Pairs of arms that differ in one thing alone.
fn pairs(outcome: &Outcome, scheme: Scheme, change: Change) -> Vec<(&Arm, &Arm)> {
    let own = || {
        outcome
            .arms
            .iter()
            .filter(|a| a.scheme == scheme && a.shown == Condition::Full)
    };
    let mut found = Vec::new();
    for with in own() {
        let wanted = match change {
            Change::Augmentation => with.augmented && !with.pretrained,
            Change::Pretraining => with.pretrained,
        };
        let without = own().find(|a| {
            a.family == with.family
                && !a.pretrained
                && match change {
                    Change::Augmentation => !a.augmented,
                    Change::Pretraining => a.augmented,
                }
        });
        if let Some(without) = without.filter(|_| wanted) {
            found.push((with, without));
        }
    }
    found
}

/// Mean gain in AUROC over families, over the same draws of patients. Not in accuracy: where one class is four fifths of a
/// set, saying it always is more accurate than telling anything.
fn gain_row(outcome: &Outcome, scheme: Scheme, change: Change) -> ClaimRow {
    let pairs = pairs(outcome, scheme, change);
    let what = match change {
        // Where classes are as large as each other already, nothing is drawn twice.
        Change::Augmentation if scheme == Scheme::Covid => "warped copies that balance the classes",
        Change::Augmentation => "warping",
        Change::Pretraining => "learning findings on NIH films before",
    };
    let claim = format!(
        "{}: AUROC gained by {what}, mean of {} families",
        scheme.name(),
        pairs.len()
    );
    let Some((first, _)) = pairs.first() else {
        return claim_row(claim, None, None, "no such arms".to_owned());
    };
    let m = measured_by(&groups(first), |counts| {
        let mut sum = 0.0;
        for (with, without) in &pairs {
            sum += auroc(with, counts)? - auroc(without, counts)?;
        }
        Some(sum / pairs.len() as f64)
    });
    let every = vec![1u32; first.class.len()];
    let shown: Vec<String> = pairs
        .iter()
        .filter_map(|(with, without)| {
            let d = auroc(with, &every)? - auroc(without, &every)?;
            Some(format!("{} {d:+.3}", with.family))
        })
        .collect();
    let right: Option<f64> = pairs
        .iter()
        .map(|(with, without)| Some(accuracy(with, &every)? - accuracy(without, &every)?))
        .sum();
    let right = right.map_or(String::new(), |sum| {
        format!("; accuracy {:+.3}", sum / pairs.len() as f64)
    });
    claim_row(
        claim,
        m,
        m.map(|m| m.interval.0 > 0.0),
        format!("{}{right}", shown.join(", ")),
    )
}

/// The best family's accuracy beside the paper's, which mixes sources: reported, no claim.
fn best_row(outcome: &Outcome, scheme: Scheme, paper: f64) -> Option<ClaimRow> {
    let every = |a: &Arm| vec![1u32; a.class.len()];
    let best = outcome
        .arms
        .iter()
        .filter(|a| a.scheme == scheme && a.shown == Condition::Full)
        .max_by(|a, b| {
            let value = |a: &Arm| accuracy(a, &every(a)).unwrap_or(0.0);
            value(a).total_cmp(&value(b))
        })?;
    let m = measured_by(&groups(best), |c| accuracy(best, c));
    Some(ClaimRow {
        paper: Some(paper),
        ..claim_row(
            format!("{}: accuracy of the best family", scheme.name()),
            m,
            None,
            format!(
                "{}; the paper tells COVID-19, from other sources than the rest, these are children's pneumonias of one hospital; the best of several, so a little high",
                described(best)
            ),
        )
    })
}

/// What is left when the lungs and the box around them are hidden.
fn shortcut_row(outcome: &Outcome, scheme: Scheme) -> Option<ClaimRow> {
    let hidden = outcome
        .arms
        .iter()
        .find(|a| a.scheme == scheme && a.shown == Condition::NoRegionBox)?;
    let whole = outcome.arms.iter().find(|a| {
        a.scheme == scheme
            && a.shown == Condition::Full
            && a.family == hidden.family
            && a.augmented
            && !a.pretrained
    })?;
    let m = measured_by(&groups(hidden), |c| auroc(hidden, c));
    let of = |a: &Arm, f: fn(&Arm, &[u32]) -> Option<f64>| {
        f(a, &vec![1u32; a.class.len()]).map_or("-".to_owned(), |v| format!("{v:.3}"))
    };
    let above = m.is_some_and(|m| m.interval.0 > outcome.warn_above);
    let warning = match above {
        true => format!("WARNING: above {}; ", outcome.warn_above),
        false => String::new(),
    };
    let sources = match scheme {
        Scheme::Mixed => "classes of different sources, shown for this alone; ",
        _ => "",
    };
    Some(claim_row(
        format!(
            "{}: AUROC with the lungs' box hidden, {}",
            scheme.name(),
            hidden.family
        ),
        m,
        None,
        format!(
            "{warning}{sources}whole images {}; accuracy {} hidden, {} whole",
            of(whole, auroc),
            of(hidden, accuracy),
            of(whole, accuracy)
        ),
    ))
}

fn elsewhere_row(e: &Elsewhere) -> ClaimRow {
    let patients: Vec<&str> = e.patients.iter().map(String::as_str).collect();
    let positives = e.labels.iter().filter(|y| **y).count();
    claim_row(
        format!("{}: AUROC on films of another source", e.scheme.name()),
        measured_auroc(&e.labels, &e.scores, &patients),
        None,
        format!(
            "{}; {positives} positives; {}",
            e.source,
            match e.scheme {
                Scheme::Mixed =>
                    "what is left of telling COVID-19 from normal where no source is known",
                _ => "another question than the one learned",
            }
        ),
    )
}

fn described(arm: &Arm) -> String {
    let mut parts = vec![arm.family.clone()];
    parts.push(
        if arm.augmented {
            "augmented"
        } else {
            "not augmented"
        }
        .to_owned(),
    );
    if arm.pretrained {
        parts.push("NIH first".to_owned());
    }
    if arm.shown != Condition::Full {
        parts.push(arm.shown.label("Lung"));
    }
    parts.join(", ")
}

/// All scores of an arm, from the pooled confusion of its folds.
fn arm_row(arm: &Arm) -> ClaimRow {
    let groups = groups(arm);
    let shown = |f: &(dyn Fn(&[u32]) -> Option<f64> + Sync)| -> String {
        let m: Option<Measured> = measured_by(&groups, f);
        m.map_or("-".to_owned(), |m| {
            format!(
                "{:.3} ({:.3} to {:.3})",
                m.value, m.interval.0, m.interval.1
            )
        })
    };
    let m = measured_by(&groups, |c| accuracy(arm, c));
    let weighted = |of: fn(&Pooled, usize) -> Option<f64>| {
        shown(&move |c: &[u32]| {
            let p = Pooled::new(arm, c);
            p.weighted(|k| of(&p, k))
        })
    };
    claim_row(
        format!("{}: accuracy, {}", arm.scheme.name(), described(arm)),
        m,
        None,
        format!(
            "precision {}, sensitivity {}, specificity {}, F1 {}, AUROC {}",
            weighted(Pooled::precision),
            weighted(Pooled::sensitivity),
            weighted(Pooled::specificity),
            weighted(Pooled::f1),
            shown(&|c: &[u32]| auroc(arm, c))
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(right: impl Fn(usize) -> bool, augmented: bool) -> Arm {
        let n = 30;
        let class: Vec<usize> = (0..n).map(|i| i % 3).collect();
        let said = class
            .iter()
            .enumerate()
            .map(|(i, &c)| {
                let mut p = vec![0.1f32; 3];
                p[if right(i) { c } else { (c + 1) % 3 }] = 0.8;
                p
            })
            .collect();
        Arm {
            scheme: Scheme::Three,
            family: "resnet".to_owned(),
            augmented,
            pretrained: false,
            shown: Condition::Full,
            patients: (0..n).map(|i| format!("p{i}")).collect(),
            class,
            said,
        }
    }

    /// Six of thirty are wrong, two of each class: every weighted score can be written down.
    #[test]
    fn scores_come_from_the_pooled_confusion() {
        let arm = arm(|i| i >= 6, false);
        let p = Pooled::new(&arm, &[1; 30]);
        assert_eq!(p.accuracy(), Some(0.8));
        assert_eq!(p.sensitivity(0), Some(0.8));
        assert_eq!(p.specificity(0), Some(0.9));
        let close = |v: Option<f64>, e: f64| assert!((v.unwrap() - e).abs() < 1e-12, "{v:?} {e}");
        close(p.weighted(|k| p.precision(k)), 0.8);
        close(p.weighted(|k| p.f1(k)), 0.8);
    }

    #[test]
    fn gains_pair_arms_of_one_family() {
        let outcome = Outcome {
            arms: vec![arm(|_| true, true), arm(|i| i % 2 == 0, false)],
            elsewhere: Vec::new(),
            warn_above: 0.7,
            seeds: vec![1],
            data_hash: String::new(),
            split_hash: String::new(),
        };
        let row = gain_row(&outcome, Scheme::Three, Change::Augmentation);
        // With half of the answers wrong an AUROC of 0.625 is left.
        assert_eq!((row.here, row.holds), (Some(0.375), Some(true)));
        assert!(row.note.ends_with("; accuracy +0.500"), "{}", row.note);
        let none = gain_row(&outcome, Scheme::Three, Change::Pretraining);
        assert_eq!((none.here, none.holds), (None, None));
        assert!(shortcut_row(&outcome, Scheme::Three).is_none());
    }

    #[test]
    fn a_draw_without_a_class_has_no_specificity_of_nothing() {
        let arm = arm(|_| true, true);
        let counts: Vec<u32> = arm.class.iter().map(|c| u32::from(*c == 0)).collect();
        let p = Pooled::new(&arm, &counts);
        assert_eq!(p.specificity(0), None);
        assert_eq!(auroc(&arm, &counts), None);
    }
}
