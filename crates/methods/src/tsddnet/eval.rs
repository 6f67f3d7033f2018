//! The paper's claims as rows.

use super::outcome::{Arm, Chosen, Kind, Outcome, Round, TaskOutcome};
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::multiclass::{as_weights, shown};
use crate::claims::ClaimRow;
use hilum_metrics::classification::{BinaryScores, auroc_weighted};
use hilum_metrics::detection::iou;

/// Scores of which one is lower by no more than this are called equal.
const EQUAL: f64 = 0.02;
/// Overlap from which on a lesion is found.
const HIT: f64 = 0.5;
/// AP50 from which on a detector has learned something.
const FINDS: f64 = 0.05;
/// Points of recall at which precision is read, as COCO's.
const RECALLS: usize = 101;

/// Pictures held out in all folds, with what one way of training said of them at one seed.
struct Pooled {
    y: Vec<bool>,
    groups: Vec<usize>,
    /// Detections, the most certain first: picture, and whether it is the lesion's.
    detections: Vec<(usize, bool)>,
    overlaps: Vec<f64>,
    p: Vec<f64>,
    /// The first stage's classifier in the unified network's boxes.
    same: Vec<f64>,
}

impl Pooled {
    fn new(rounds: &[Round], kind: Kind) -> Option<Pooled> {
        let mut all = Pooled {
            y: Vec::new(),
            groups: Vec::new(),
            detections: Vec::new(),
            overlaps: Vec::new(),
            p: Vec::new(),
            same: Vec::new(),
        };
        let mut scored = Vec::new();
        for round in rounds {
            let arm = round.arms.iter().find(|a| a.kind == kind)?;
            let first = all.y.len();
            for (k, hits) in hits(round, arm).into_iter().enumerate() {
                let own = arm.found[k].iter().zip(hits);
                scored.extend(own.map(|((_, score), hit)| (*score, first + k, hit)));
            }
            let best = arm.found.iter().zip(&round.clean);
            all.overlaps
                .extend(best.map(|(f, c)| f.first().map_or(0.0, |(r, _)| iou(r, c))));
            all.y.extend(round.y.iter().map(|y| *y == 1));
            all.groups.extend(&round.groups);
            all.p.extend(arm.p.iter().map(|p| f64::from(*p)));
            all.same.extend(round.same.iter().map(|p| f64::from(*p)));
        }
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        all.detections = scored.into_iter().map(|(_, k, hit)| (k, hit)).collect();
        Some(all)
    }

    /// Average precision at an overlap of one half.
    fn ap50(&self, weights: &[f64]) -> Option<f64> {
        average_precision(&self.detections, weights)
    }

    fn mean_overlap(&self, weights: &[f64]) -> Option<f64> {
        mean(&self.overlaps, weights)
    }

    fn auc(&self, weights: &[f64]) -> Option<f64> {
        auc(&self.y, &self.p, weights)
    }

    /// Share of right answers at one half among pictures that `of` asks about.
    fn right(&self, weights: &[f64], of: impl Fn(bool) -> bool) -> Option<f64> {
        let asked: Vec<f64> = self
            .y
            .iter()
            .zip(weights)
            .map(|(y, w)| if of(*y) { *w } else { 0.0 })
            .collect();
        let right: Vec<f64> = self
            .p
            .iter()
            .zip(&self.y)
            .map(|(p, y)| f64::from(u8::from((*p > 0.5) == *y)))
            .collect();
        mean(&right, &asked)
    }
}

/// One way of training at every seed. The pictures and their order are the same at each.
struct Runs(Vec<Pooled>);

impl Runs {
    fn new(task: &TaskOutcome, kind: Kind) -> Option<Runs> {
        let own = task.runs.iter().map(|rounds| Pooled::new(rounds, kind));
        own.collect::<Option<Vec<_>>>().map(Runs)
    }

    /// Mean over the seeds; patients are drawn for all of them alike.
    fn measured(&self, score: impl Fn(&Pooled, &[f64]) -> Option<f64> + Sync) -> Option<Measured> {
        measured_by(&self.0.first()?.groups, |c| {
            self.mean(&as_weights(c), &score)
        })
    }

    fn mean(
        &self,
        weights: &[f64],
        score: &impl Fn(&Pooled, &[f64]) -> Option<f64>,
    ) -> Option<f64> {
        let sum = self
            .0
            .iter()
            .map(|own| score(own, weights))
            .sum::<Option<f64>>()?;
        Some(sum / self.0.len() as f64)
    }
}

fn mean(values: &[f64], weights: &[f64]) -> Option<f64> {
    let all: f64 = weights.iter().sum();
    let sum: f64 = values.iter().zip(weights).map(|(v, w)| v * w).sum();
    (all > 0.0).then(|| sum / all)
}

fn auc(y: &[bool], p: &[f64], weights: &[f64]) -> Option<f64> {
    let data = BinaryScores::new(y, p).ok()?;
    auroc_weighted(&data, weights)
        .ok()
        .filter(|v| v.is_finite())
}

/// Which boxes of each picture are the lesion's: the first that overlaps it enough, and no other.
fn hits(round: &Round, arm: &Arm) -> Vec<Vec<bool>> {
    let one = |(found, clean): (&Vec<super::detector::Scored>, &hilum_core::Rect)| {
        let first = found.iter().position(|(r, _)| iou(r, clean) >= HIT);
        (0..found.len()).map(|k| Some(k) == first).collect()
    };
    arm.found.iter().zip(&round.clean).map(one).collect()
}

/// COCO's average precision of detections in order of their scores over pictures with one lesion each, a picture counting by
/// its weight.
fn average_precision(detections: &[(usize, bool)], weights: &[f64]) -> Option<f64> {
    let lesions: f64 = weights.iter().sum();
    if lesions <= 0.0 {
        return None;
    }
    let (mut found, mut said) = (0.0, 0.0);
    let mut curve: Vec<[f64; 2]> = Vec::with_capacity(detections.len());
    for (k, hit) in detections {
        let w = weights[*k];
        if w <= 0.0 {
            continue;
        }
        said += w;
        found += if *hit { w } else { 0.0 };
        curve.push([found / lesions, found / said]);
    }
    // Precision never rises towards lower recall.
    for k in (1..curve.len()).rev() {
        curve[k - 1][1] = curve[k - 1][1].max(curve[k][1]);
    }
    let at = |n: usize| {
        let recall = n as f64 / (RECALLS - 1) as f64;
        let first = curve.partition_point(|c| c[0] < recall - 1e-12);
        curve.get(first).map_or(0.0, |c| c[1])
    };
    Some((0..RECALLS).map(at).sum::<f64>() / RECALLS as f64)
}

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows: Vec<ClaimRow> = Vec::new();
    let each = |of: fn(&TaskOutcome) -> ClaimRow| {
        let tasks = outcome.tasks.iter();
        tasks.map(move |t| judged(t, of(t))).collect::<Vec<_>>()
    };
    rows.extend(each(chosen_row));
    for task in &outcome.tasks {
        rows.extend(more_rows(task).map(|row| judged(task, row)));
    }
    rows.extend(each(same_row));
    rows.extend(outcome.tasks.iter().map(taught_row));
    rows.extend(outcome.tasks.iter().map(pseudo_row));
    for task in &outcome.tasks {
        rows.extend(Kind::ALL.map(|kind| level_row(task, kind)));
    }
    rows
}

/// The row without a verdict where the detector of boxed pictures finds next to nothing: then no way of training can be
/// seen to be better.
fn judged(task: &TaskOutcome, mut row: ClaimRow) -> ClaimRow {
    let ones = vec![
        1.0;
        task.runs
            .first()
            .map_or(0, |r| r.iter().map(|f| f.y.len()).sum())
    ];
    let found = Runs::new(task, Kind::Boxed).and_then(|r| r.mean(&ones, &Pooled::ap50));
    if found.is_none_or(|found| found < FINDS) {
        row.holds = None;
        let why = "not judged: the detector finds next to nothing";
        row.note = match row.note.is_empty() {
            true => why.to_owned(),
            false => format!("{}; {why}", row.note),
        };
    }
    row
}

fn name(task: &TaskOutcome) -> String {
    format!("{}, {:.0} % boxed", task.task.name(), 100.0 * task.share)
}

fn boxes(task: &TaskOutcome, drawn: bool) -> Vec<Chosen> {
    let all = task.runs.iter().flatten().flat_map(|r| &r.boxes);
    all.filter(|c| c.before.is_some() == drawn)
        .copied()
        .collect()
}

fn mean_of(of: &[Chosen], value: impl Fn(&Chosen) -> f64) -> Option<Measured> {
    let values: Vec<f64> = of.iter().map(value).collect();
    let groups: Vec<usize> = of.iter().map(|c| c.group).collect();
    measured_by(&groups, |c| mean(&values, &as_weights(c)))
}

/// Does the choice move drawn boxes towards lesions?
fn chosen_row(task: &TaskOutcome) -> ClaimRow {
    let own = boxes(task, true);
    let before = |c: &Chosen| c.before.unwrap_or(0.0);
    let seen = mean_of(&own, |c| c.after - before(c));
    claim_row(
        format!(
            "{}: mean IoU of drawn boxes with the clean ones, after the choice minus before",
            name(task)
        ),
        seen,
        seen.map(|m| m.interval.0 > 0.0),
        format!(
            "before {}, after {}",
            shown(mean_of(&own, before)),
            shown(mean_of(&own, |c| c.after))
        ),
    )
}

fn minus(
    task: &TaskOutcome,
    [one, other]: [Kind; 2],
    score: impl Fn(&Pooled, &[f64]) -> Option<f64> + Sync,
) -> Option<Measured> {
    let (one, other) = (Runs::new(task, one)?, Runs::new(task, other)?);
    measured_by(&one.0.first()?.groups, |c| {
        let w = as_weights(c);
        Some(one.mean(&w, &score)? - other.mean(&w, &score)?)
    })
}

/// Do pictures with a class only help?
fn more_rows(task: &TaskOutcome) -> [ClaimRow; 2] {
    let pair = [Kind::Stage1, Kind::Boxed];
    let found = minus(task, pair, Pooled::ap50);
    let overlap = minus(task, pair, Pooled::mean_overlap);
    let told = minus(task, pair, Pooled::auc);
    let above = |m: Option<Measured>| m.map(|m| m.interval.0 > 0.0);
    [
        claim_row(
            format!("{}: AP50, stage 1 minus boxed pictures alone", name(task)),
            found,
            above(found),
            format!("mean IoU {}", shown(overlap)),
        ),
        claim_row(
            format!("{}: AUC, stage 1 minus boxed pictures alone", name(task)),
            told,
            above(told),
            String::new(),
        ),
    ]
}

/// The paper's network against the first stage's classifier in the same boxes.
fn same_row(task: &TaskOutcome) -> ClaimRow {
    let seen = Runs::new(task, Kind::Stage2)
        .and_then(|own| own.measured(|own, w| Some(own.auc(w)? - auc(&own.y, &own.same, w)?)));
    claim_row(
        format!(
            "{}: AUC in the same boxes, stage 2 minus stage 1's classifier",
            name(task)
        ),
        seen,
        seen.map(|m| m.interval.0 > -EQUAL),
        format!("holds when not lower by {EQUAL}"),
    )
}

fn taught_row(task: &TaskOutcome) -> ClaimRow {
    let pair = [Kind::Stage2, Kind::Plain];
    claim_row(
        format!(
            "{}: AUC, stage 2 with distillation minus without",
            name(task)
        ),
        minus(task, pair, Pooled::auc),
        None,
        format!("AP50 {}", shown(minus(task, pair, Pooled::ap50))),
    )
}

fn pseudo_row(task: &TaskOutcome) -> ClaimRow {
    let own = boxes(task, false);
    let hit = |c: &Chosen| f64::from(u8::from(c.after >= HIT));
    claim_row(
        format!(
            "{}: mean IoU of pseudo boxes with the clean ones",
            name(task)
        ),
        mean_of(&own, |c| c.after),
        None,
        format!("share of at least {HIT} {}", shown(mean_of(&own, hit))),
    )
}

fn level_row(task: &TaskOutcome, kind: Kind) -> ClaimRow {
    let own = Runs::new(task, kind);
    let of = |score: &(dyn Fn(&Pooled, &[f64]) -> Option<f64> + Sync)| {
        own.as_ref().and_then(|o| o.measured(score))
    };
    claim_row(
        format!("{}: AP50, {}", name(task), kind.name()),
        of(&|o, w| o.ap50(w)),
        None,
        format!(
            "mean IoU {}, accuracy {}, sensitivity {}, specificity {}, AUC {}",
            shown(of(&|o, w| o.mean_overlap(w))),
            shown(of(&|o, w| o.right(w, |_| true))),
            shown(of(&|o, w| o.right(w, |y| y))),
            shown(of(&|o, w| o.right(w, |y| !y))),
            shown(of(&|o, w| o.auc(w))),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_core::Rect;
    use hilum_metrics::detection::{Detection, GroundTruth, coco_evaluate};

    fn rect(x: f64) -> Rect {
        Rect {
            x,
            y: 0.0,
            w: 10.0,
            h: 10.0,
        }
    }

    #[test]
    fn average_precision_is_that_of_coco() {
        let found: Vec<Vec<(Rect, f64)>> = vec![
            vec![(rect(1.0), 0.9), (rect(0.0), 0.8)],
            vec![(rect(30.0), 0.7), (rect(2.0), 0.2)],
            vec![(rect(40.0), 0.95)],
            vec![(rect(0.0), 0.5)],
        ];
        let round = Round {
            y: vec![0, 1, 0, 1],
            groups: vec![0, 1, 2, 3],
            clean: vec![rect(0.0); 4],
            arms: vec![Arm {
                kind: Kind::Stage1,
                found: found.clone(),
                p: vec![0.1, 0.9, 0.6, 0.7],
            }],
            same: Vec::new(),
            boxes: Vec::new(),
        };
        let own = Pooled::new(std::slice::from_ref(&round), Kind::Stage1).unwrap();
        let truths: Vec<GroundTruth> = (0..4)
            .map(|image| GroundTruth {
                image,
                class: 0,
                rect: rect(0.0),
                area: 100.0,
                crowd: false,
            })
            .collect();
        let detections: Vec<Detection> = found
            .iter()
            .enumerate()
            .flat_map(|(image, own)| {
                own.iter().map(move |(rect, score)| Detection {
                    image,
                    class: 0,
                    rect: *rect,
                    score: *score,
                })
            })
            .collect();
        let coco = coco_evaluate(&truths, &detections, 1)
            .unwrap()
            .ap50
            .unwrap();
        let here = own.ap50(&[1.0; 4]).unwrap();
        assert!((here - coco).abs() < 1e-9, "{here} {coco}");
        let right = own.right(&[1.0; 4], |_| true).unwrap();
        assert!((right - 0.75).abs() < 1e-12);
        assert_eq!(own.right(&[1.0; 4], |y| y), Some(1.0));
        assert_eq!(own.right(&[1.0; 4], |y| !y), Some(0.5));
        // A picture that is drawn twice counts twice.
        assert!(own.ap50(&[2.0, 0.0, 0.0, 2.0]).unwrap() > here);
        // Over seeds it is the mean.
        let mut other = round.clone();
        other.arms[0].found[3].clear();
        let task = TaskOutcome {
            task: super::super::config::TaskName::Speckle,
            share: 0.5,
            runs: vec![vec![round], vec![other.clone()]],
        };
        let both = Runs::new(&task, Kind::Stage1).unwrap();
        let second = Pooled::new(&[other], Kind::Stage1).unwrap();
        let mean = both.mean(&[1.0; 4], &Pooled::ap50).unwrap();
        assert!((mean - (here + second.ap50(&[1.0; 4]).unwrap()) / 2.0).abs() < 1e-12);
        assert!(mean < here);
        // A detector that finds nothing decides nothing.
        let row = |runs: Vec<Vec<Round>>| {
            let task = TaskOutcome {
                runs,
                ..task.clone()
            };
            let row = claim_row("x".to_owned(), None, Some(true), String::new());
            judged(&task, row).holds
        };
        let boxed = |mut round: Round| {
            round.arms[0].kind = Kind::Boxed;
            round
        };
        let good = boxed(task.runs[0][0].clone());
        let mut blind = good.clone();
        blind.arms[0].found.iter_mut().for_each(Vec::clear);
        assert_eq!(row(vec![vec![good]]), Some(true));
        assert_eq!(row(vec![vec![blind]]), None);
    }
}
