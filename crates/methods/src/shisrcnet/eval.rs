//! The paper's claims as rows.

use super::outcome::{Arm, Likeness, Outcome, TaskOutcome, Way};
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::multiclass::{ClassScore, Said, measured_gain, measured_runs, shown};
use crate::claims::ClaimRow;

/// Accuracies of which one is lower by no more than this are called equal.
const EQUAL: f64 = 0.02;

/// The rows, the paper's claims first; each task stands alone.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let mut rows = Vec::new();
    for task in &outcome.tasks {
        rows.push(gain_row(task, Way::Joint, Way::Separate, Claim::Above));
        rows.push(gain_row(task, Way::Separate, Way::Bicubic, Claim::Above));
        rows.push(gain_row(task, Way::Truth, Way::Joint, Claim::NotBelow));
        rows.push(gain_row(task, Way::Joint, Way::NoTruth, Claim::Above));
        rows.push(likeness_row(task, Way::Joint, Score::Psnr, true));
        rows.push(likeness_row(task, Way::Joint, Score::Ssim, true));
    }
    for task in &outcome.tasks {
        rows.push(gain_row(task, Way::Joint, Way::Bicubic, Claim::None));
        rows.push(likeness_row(task, Way::Separate, Score::Psnr, false));
        rows.push(likeness_row(task, Way::Separate, Score::Ssim, false));
        rows.extend(Way::ALL.map(|way| level_row(task, way)));
    }
    rows
}

#[derive(Clone, Copy, PartialEq)]
enum Claim {
    Above,
    NotBelow,
    None,
}

fn arms(task: &TaskOutcome, way: Way) -> Vec<&Arm> {
    task.arms.iter().filter(|a| a.way == way).collect()
}

fn said(task: &TaskOutcome, way: Way) -> Vec<&Said> {
    arms(task, way).into_iter().map(|a| &a.said).collect()
}

fn gain_row(task: &TaskOutcome, one: Way, other: Way, claim: Claim) -> ClaimRow {
    let (a, b) = (said(task, one), said(task, other));
    let gain = |score| measured_gain(score, &task.y, &task.groups, &a, &b);
    let seen = gain(ClassScore::Accuracy);
    let rule = match claim {
        Claim::NotBelow => format!("; holds when not lower by {EQUAL}"),
        _ => String::new(),
    };
    claim_row(
        format!(
            "{}: accuracy of `{}` minus `{}`",
            task.task.name(),
            one.name(),
            other.name()
        ),
        seen,
        seen.and_then(|m| match claim {
            Claim::Above => Some(m.interval.0 > 0.0),
            Claim::NotBelow => Some(m.interval.0 > -EQUAL),
            Claim::None => None,
        }),
        format!("AUROC {}{rule}", shown(gain(ClassScore::MacroAuroc))),
    )
}

/// What is measured of an enlarged picture.
#[derive(Clone, Copy, PartialEq)]
enum Score {
    Psnr,
    Ssim,
}

impl Score {
    fn name(self) -> &'static str {
        match self {
            Score::Psnr => "PSNR in dB",
            Score::Ssim => "SSIM",
        }
    }

    fn of(self, l: &Likeness) -> Option<f64> {
        match self {
            Score::Psnr => l.psnr,
            Score::Ssim => Some(l.ssim),
        }
    }
}

/// Mean over drawn pictures of `each`; pictures for which it is undefined are left out.
fn mean(task: &TaskOutcome, each: &[Option<f64>]) -> Option<Measured> {
    measured_by(&task.groups, |counts| {
        let known = each.iter().zip(counts);
        let (sum, n) = known
            .filter_map(|(v, &c)| Some(((*v)? * f64::from(c), f64::from(c))))
            .fold((0.0, 0.0), |(s, n), (v, c)| (s + v, n + c));
        (n > 0.0).then(|| sum / n)
    })
}

/// A score of each picture averaged over seeds; `None` where a seed has none.
fn each(task: &TaskOutcome, way: Way, score: Score) -> Vec<Option<f64>> {
    let own = arms(task, way);
    (0..task.y.len())
        .map(|i| {
            let all: Option<f64> = own
                .iter()
                .map(|a| a.likeness.get(i).and_then(|l| score.of(l)))
                .sum();
            Some(all? / own.len() as f64)
        })
        .collect()
}

fn likeness_row(task: &TaskOutcome, way: Way, score: Score, claimed: bool) -> ClaimRow {
    let (ours, plain) = (each(task, way, score), each(task, Way::Bicubic, score));
    let gaps: Vec<Option<f64>> = ours
        .iter()
        .zip(&plain)
        .map(|(a, b)| Some((*a)? - (*b)?))
        .collect();
    let seen = mean(task, &gaps);
    let missing = gaps.iter().filter(|g| g.is_none()).count();
    let left_out = match missing {
        0 => String::new(),
        n => format!("; {n} pictures that were enlarged without any error are left out"),
    };
    claim_row(
        format!(
            "{}: {} of `{}` minus bicubic",
            task.task.name(),
            score.name(),
            way.name()
        ),
        seen,
        seen.filter(|_| claimed).map(|m| m.interval.0 > 0.0),
        format!(
            "{} against {}{left_out}",
            shown(mean(task, &ours)),
            shown(mean(task, &plain))
        ),
    )
}

fn level_row(task: &TaskOutcome, way: Way) -> ClaimRow {
    let runs = said(task, way);
    let score = |score| measured_runs(score, &task.y, &task.groups, &runs);
    claim_row(
        format!("{}: accuracy, {}", task.task.name(), way.name()),
        score(ClassScore::Accuracy),
        None,
        format!(
            "AUROC {}; learned from {} pictures",
            shown(score(ClassScore::MacroAuroc)),
            task.learned
        ),
    )
}

/// The mean parts of the loss by pass, a row each, as CSV.
pub fn losses(outcome: &Outcome) -> String {
    let mut text = "task,way,seed,pass,pixels,classes,contrast\n".to_owned();
    for task in &outcome.tasks {
        for arm in &task.arms {
            for (pass, [pixels, classes, contrast]) in arm.losses.iter().enumerate() {
                text.push_str(&format!(
                    "{},{},{},{},{pixels:.5},{classes:.5},{contrast:.5}\n",
                    task.task.name(),
                    arm.way.name(),
                    arm.seed,
                    pass + 1
                ));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shisrcnet::config::TaskName;

    fn arm(way: Way, psnr: [Option<f64>; 3], ssim: f64) -> Arm {
        let said = vec![vec![0.9, 0.1], vec![0.2, 0.8], vec![0.7, 0.3]];
        Arm {
            way,
            seed: 1,
            said,
            likeness: psnr.map(|psnr| Likeness { psnr, ssim }).to_vec(),
            losses: Vec::new(),
        }
    }

    #[test]
    fn pictures_without_a_ratio_are_left_out_and_counted() {
        let task = TaskOutcome {
            task: TaskName::Films,
            y: vec![0, 1, 0],
            groups: vec![0, 1, 2],
            learned: 5,
            arms: vec![
                arm(Way::Bicubic, [Some(20.0), None, Some(24.0)], 0.5),
                arm(Way::Joint, [Some(22.0), Some(30.0), Some(25.0)], 0.6),
            ],
        };
        let row = likeness_row(&task, Way::Joint, Score::Psnr, true);
        assert_eq!(row.here, Some(1.5));
        assert_eq!(row.holds, Some(true));
        assert!(row.note.contains("1 pictures"), "{}", row.note);
        let row = likeness_row(&task, Way::Joint, Score::Ssim, false);
        assert!((row.here.unwrap() - 0.1).abs() < 1e-9 && row.holds.is_none());
        let same = gain_row(&task, Way::Joint, Way::Bicubic, Claim::Above);
        assert_eq!((same.here, same.holds), (Some(0.0), Some(false)));
    }
}
