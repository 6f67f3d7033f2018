//! The paper's claims and the controls as rows.

use super::cases::SetName;
use super::grid::{Grid, Logits};
use super::train::{Outcome, SetOutcome};
use crate::blocks::measure::{Measured, claim_row, measured_auroc, measured_by, patient_ids};
use crate::claims::ClaimRow;
use hilum_audit::Condition;
use hilum_metrics::classification::{BinaryScores, auroc_weighted};
use hilum_metrics::statistics::delong_test;

/// Positives that an output needs on the test split to count as a common class.
pub const COMMON: usize = 15;
/// A marker is found when the cell without the region's box reaches this.
const FOUND: f64 = 0.9;
/// Sums of SHAP may miss the difference of the logits by so much.
const COMPLETE: f64 = 1e-3;

/// The rows, the paper's claims first.
pub fn rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let of = |name: SetName| outcome.sets.iter().find(|s| s.grid.set == name);
    let mut rows = Vec::new();
    for name in [SetName::Paediatric, SetName::Nih, SetName::Fundus] {
        rows.extend(of(name).map(|s| least_diagonal(&s.grid)));
    }
    for name in [SetName::Paediatric, SetName::Nih, SetName::Fundus] {
        if let Some(set) = of(name) {
            rows.extend(without_or_only(&set.grid));
        }
    }
    rows.extend(of(SetName::Planted).map(|s| found(&s.grid)));
    rows.push(pulled_outside(outcome));
    if let Some(set) = of(SetName::Phantom) {
        rows.extend(nothing_outside(&set.grid));
    }
    rows.push(complete(outcome));
    for set in &outcome.sets {
        rows.extend(reported(set));
    }
    rows
}

/// Labelled cases of one output.
struct Column {
    at: Vec<usize>,
    labels: Vec<bool>,
    groups: Vec<usize>,
}

fn column(grid: &Grid, output: usize) -> Column {
    let known = |i: &usize| grid.targets[*i][output].is_some();
    let at: Vec<usize> = (0..grid.targets.len()).filter(known).collect();
    Column {
        labels: at
            .iter()
            .map(|&i| grid.targets[i][output].is_some_and(|t| t >= 0.5))
            .collect(),
        groups: patient_ids(at.iter().map(|&i| grid.patients[i].as_str())),
        at,
    }
}

impl Column {
    fn positives(&self) -> usize {
        self.labels.iter().filter(|y| **y).count()
    }

    fn scores(&self, logits: &Logits, output: usize) -> Vec<f64> {
        self.at
            .iter()
            .map(|&i| f64::from(logits[i][output]))
            .collect()
    }

    /// One scorer a fold.
    fn folds(&self, folds: &[&Logits], output: usize) -> Option<Vec<BinaryScores>> {
        folds
            .iter()
            .map(|l| BinaryScores::new(&self.labels, &self.scores(l, output)).ok())
            .collect()
    }

    fn measured(&self, score: impl Fn(&[f64]) -> Option<f64> + Sync) -> Option<Measured> {
        let mut m = measured_by(&self.groups, |counts| {
            let weights: Vec<f64> = counts.iter().map(|c| f64::from(*c)).collect();
            score(&weights)
        })?;
        m.positives = self.positives();
        Some(m)
    }
}

/// Mean AUROC over folds.
fn mean_auroc(folds: &[BinaryScores], weights: &[f64]) -> Option<f64> {
    let mut sum = 0.0;
    for fold in folds {
        sum += auroc_weighted(fold, weights).ok()?;
    }
    Some(sum / folds.len() as f64)
}

fn cell_logits(grid: &Grid, trained: usize, tested: usize) -> Vec<&Logits> {
    grid.logits.iter().map(|f| &f[trained][tested]).collect()
}

/// One cell of the table, the mean over folds, with its interval over the patients of the test split.
pub fn cell(grid: &Grid, trained: usize, tested: usize, output: usize) -> Option<Measured> {
    let column = column(grid, output);
    let folds = column.folds(&cell_logits(grid, trained, tested), output)?;
    column.measured(|w| mean_auroc(&folds, w))
}

/// One cell minus another over the same draws, and DeLong's p value of the folds' mean logits.
fn difference(
    grid: &Grid,
    a: (usize, usize),
    b: (usize, usize),
    output: usize,
) -> Option<(Measured, f64)> {
    let column = column(grid, output);
    let logits = [a, b].map(|(t, s)| cell_logits(grid, t, s));
    let folds = [
        column.folds(&logits[0], output)?,
        column.folds(&logits[1], output)?,
    ];
    let m = column.measured(|w| Some(mean_auroc(&folds[0], w)? - mean_auroc(&folds[1], w)?))?;
    let mean = |logits: &[&Logits]| -> Vec<f64> {
        let mut sum = vec![0.0; column.at.len()];
        for fold in logits {
            let scores = column.scores(fold, output);
            sum.iter_mut().zip(scores).for_each(|(s, v)| *s += v);
        }
        sum
    };
    let test = delong_test(&column.labels, &mean(&logits[0]), &mean(&logits[1]), 0.95).ok()?;
    Some((m, test.p))
}

fn index(condition: Condition) -> usize {
    Condition::ALL
        .iter()
        .position(|c| *c == condition)
        .unwrap_or(0)
}

/// Whether a verdict may rest on an output: enough test pictures of either kind.
fn common(grid: &Grid, output: usize) -> bool {
    let column = column(grid, output);
    let (p, n) = (column.positives(), column.labels.len());
    p >= COMMON && n - p >= COMMON
}

/// The smallest diagonal cell over conditions and common outputs.
fn least_diagonal(grid: &Grid) -> ClaimRow {
    let codes = grid.set.codes();
    let mut least: Option<(Measured, String)> = None;
    let mut cells = 0;
    for (output, code) in codes.iter().enumerate() {
        if output > 0 && !common(grid, output) {
            continue;
        }
        for (c, condition) in Condition::ALL.iter().enumerate() {
            let Some(m) = cell(grid, c, c, output) else {
                continue;
            };
            cells += 1;
            if least
                .as_ref()
                .is_none_or(|(l, _)| m.interval.0 < l.interval.0)
            {
                least = Some((m, format!("{code}, {}", condition.label(grid.set.region()))));
            }
        }
    }
    let name = grid.set.name();
    let claim = format!("{name}: trained and tested alike, the weakest cell is above 0.5");
    // A set whose first output is not common either is too small to say.
    let holds = least
        .as_ref()
        .filter(|_| common(grid, 0))
        .map(|(m, _)| m.interval.0 > 0.5);
    let note = least.as_ref().map_or(String::new(), |(m, what)| {
        format!(
            "{what}; {} positives; the least lower end of {cells} cells",
            m.positives
        )
    });
    claim_row(claim, least.map(|(m, _)| m), holds, note)
}

/// The paper's second claim: networks of whole images do better without the region than with nothing but it.
fn without_or_only(grid: &Grid) -> Vec<ClaimRow> {
    let full = index(Condition::Full);
    let region = grid.set.region();
    [
        (Condition::NoRegion, Condition::OnlyRegion),
        (Condition::NoRegionBox, Condition::OnlyRegionBox),
    ]
    .into_iter()
    .map(|(without, only)| {
        let seen = difference(grid, (full, index(without)), (full, index(only)), 0);
        let claim = format!(
            "{}, {}: trained on Full, AUROC on {} minus on {}",
            grid.set.name(),
            grid.set.codes()[0],
            without.label(region),
            only.label(region)
        );
        let value = |c: Condition| {
            cell(grid, full, index(c), 0).map_or("-".to_owned(), |m| format!("{:.3}", m.value))
        };
        let note = seen.as_ref().map_or(String::new(), |(_, p)| {
            format!(
                "{} and {}; DeLong p {p:.4} of the folds' mean logits",
                value(without),
                value(only)
            )
        });
        let holds = seen
            .as_ref()
            .filter(|_| common(grid, 0))
            .map(|(m, _)| m.interval.0 > 0.0);
        claim_row(claim, seen.map(|(m, _)| m), holds, note)
    })
    .collect()
}

fn found(grid: &Grid) -> ClaimRow {
    let at = index(Condition::NoRegionBox);
    let m = cell(grid, at, at, 0);
    let only = cell(
        grid,
        index(Condition::OnlyRegion),
        index(Condition::OnlyRegion),
        0,
    );
    let note = only.map_or(String::new(), |o| {
        format!(
            "labels are a coin's; OnlyLung {:.3} ({:.3} to {:.3}); images whose lungs reach into the corner are left out: {}",
            o.value, o.interval.0, o.interval.1, grid.left_out
        )
    });
    let holds = m.map(|m| m.value >= FOUND);
    claim_row(
        format!("planted marker: NoLungBB, at least {FOUND}"),
        m,
        holds,
        note,
    )
}

fn pulled_outside(outcome: &Outcome) -> ClaimRow {
    let [own, other] = &outcome.planted_inside;
    let groups = patient_ids(outcome.planted_patients.iter().map(String::as_str));
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
    let m = measured_by(&groups, |counts| {
        let n: f64 = counts.iter().map(|c| f64::from(*c)).sum();
        let sum: f64 = own
            .iter()
            .zip(other)
            .zip(counts)
            .map(|((a, b), c)| (b - a) * f64::from(*c))
            .sum();
        (n > 0.0).then(|| sum / n)
    });
    claim_row(
        "planted marker: share of SHAP outside the lungs, more than with real labels".to_owned(),
        m,
        m.map(|m| m.interval.0 > 0.0),
        format!(
            "outside {:.3} against {:.3} on the same pictures",
            1.0 - mean(own),
            1.0 - mean(other)
        ),
    )
}

fn nothing_outside(grid: &Grid) -> Vec<ClaimRow> {
    let diagonal = |c: Condition| cell(grid, index(c), index(c), 0);
    let outside = diagonal(Condition::NoRegionBox);
    let inside = diagonal(Condition::OnlyRegion);
    // Nothing outside says something only where networks learned what is inside.
    let learned = inside.is_some_and(|m| m.interval.0 > 0.5);
    vec![
        claim_row(
            "phantom, signal inside the lungs alone: NoLungBB, interval holds 0.5".to_owned(),
            outside,
            outside
                .filter(|_| learned)
                .map(|m| m.interval.0 <= 0.5 && 0.5 <= m.interval.1),
            "phantom data; judged when OnlyLung is above 0.5".to_owned(),
        ),
        claim_row(
            "phantom, signal inside the lungs alone: OnlyLung, above 0.5".to_owned(),
            inside,
            inside.map(|m| m.interval.0 > 0.5),
            "phantom data; without it the row before would say nothing".to_owned(),
        ),
    ]
}

fn complete(outcome: &Outcome) -> ClaimRow {
    let gaps: Vec<f64> = outcome
        .sets
        .iter()
        .flat_map(|s| &s.looked)
        .flat_map(|l| &l.gaps)
        .copied()
        .collect();
    let worst = gaps.iter().copied().fold(0.0, f64::max);
    ClaimRow {
        claim: format!("SHAP: sums miss the difference of logits by less than {COMPLETE}"),
        paper: None,
        here: (!gaps.is_empty()).then_some(worst),
        interval: None,
        holds: (!gaps.is_empty()).then_some(worst < COMPLETE),
        n: gaps.len(),
        note: format!("the largest gap, {worst:.1e}, relative where the difference is above 1"),
    }
}

/// Figures beside the claims: the diagonal, whole images elsewhere, wider masks, SHAP, embeddings, metadata.
fn reported(set: &SetOutcome) -> Vec<ClaimRow> {
    let grid = &set.grid;
    let (name, region) = (grid.set.name(), grid.set.region());
    let mut rows = Vec::new();
    for (output, code) in grid.set.codes().iter().enumerate() {
        for (c, condition) in Condition::ALL.iter().enumerate() {
            let m = cell(grid, c, c, output);
            let note = m.map_or(String::new(), |m| format!("{} positives", m.positives));
            let label = condition.label(region);
            rows.push(claim_row(
                format!("{name}, {code}: AUROC, {label} to {label}"),
                m,
                None,
                note,
            ));
        }
    }
    let full = index(Condition::Full);
    for condition in &Condition::ALL[1..] {
        rows.push(claim_row(
            format!(
                "{name}, {}: AUROC, Full to {}",
                grid.set.codes()[0],
                condition.label(region)
            ),
            cell(grid, full, index(*condition), 0),
            None,
            String::new(),
        ));
    }
    if !grid.set.is_control() {
        rows.extend(widened(grid));
        rows.extend(looked(set));
        rows.extend(embedded(set));
    }
    if let Some(blind) = &set.blind {
        let patients: Vec<&str> = blind.patients.iter().map(String::as_str).collect();
        rows.push(claim_row(
            format!("{name}, {}: AUROC of metadata alone", grid.set.codes()[0]),
            measured_auroc(&blind.labels, &blind.scores, &patients),
            None,
            format!("logistic regression on {}", blind.columns.join(", ")),
        ));
    }
    rows
}

fn widened(grid: &Grid) -> Vec<ClaimRow> {
    (0..grid.hidden.len())
        .map(|s| {
            let column = column(grid, 0);
            let logits: Vec<&Logits> = grid.widened.iter().map(|f| &f[s]).collect();
            let m = column
                .folds(&logits, 0)
                .and_then(|folds| column.measured(|w| mean_auroc(&folds, w)));
            claim_row(
                format!(
                    "{}, {}: AUROC, Full to No{} with {:.0} % of the picture hidden",
                    grid.set.name(),
                    grid.set.codes()[0],
                    grid.set.region(),
                    100.0 * grid.hidden[s]
                ),
                m,
                None,
                String::new(),
            )
        })
        .collect()
}

fn looked(set: &SetOutcome) -> Vec<ClaimRow> {
    set.looked
        .iter()
        .map(|l| {
            let groups = patient_ids(l.patients.iter().map(String::as_str));
            let m = measured_by(&groups, |counts| {
                let weigh = |v: &[f64]| -> f64 {
                    v.iter().zip(counts).map(|(v, c)| v * f64::from(*c)).sum()
                };
                let area = weigh(&l.area);
                (area > 0.0).then(|| weigh(&l.inside) / area)
            });
            let area = l.area.iter().sum::<f64>() / l.area.len().max(1) as f64;
            claim_row(
                format!(
                    "{}: share of SHAP inside the region over its share of the picture, trained on {}",
                    set.grid.set.name(),
                    l.condition.label(set.grid.set.region())
                ),
                m,
                None,
                format!("1 is everywhere alike; the region takes {area:.2}"),
            )
        })
        .collect()
}

fn embedded(set: &SetOutcome) -> Vec<ClaimRow> {
    let Some(e) = &set.embedded else {
        return Vec::new();
    };
    let patients: Vec<&str> = e.patients.iter().map(String::as_str).collect();
    Condition::ALL
        .iter()
        .zip(&e.cosines)
        .skip(1)
        .map(|(condition, cosines)| {
            claim_row(
                format!(
                    "{}: cosine of embeddings, whole images and {}",
                    set.grid.set.name(),
                    condition.label(set.grid.set.region())
                ),
                crate::blocks::measure::measured_mean(cosines, &patients).ok(),
                None,
                String::new(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONDITIONS: usize = Condition::ALL.len();

    /// Whole images are read perfectly, everything else is noise that does not depend on the label.
    fn grid() -> Grid {
        let n = 60;
        let label = |i: usize| i.is_multiple_of(2);
        let noise = |i: usize| ((i * 37) % 30) as f32 / 30.0;
        let logits = |trained: usize, tested: usize| -> Logits {
            (0..n)
                .map(|i| {
                    let told = trained == 0 && tested == 0 && label(i);
                    vec![noise(i / 2) + f32::from(u8::from(told)) * 2.0]
                })
                .collect()
        };
        let fold = || {
            (0..CONDITIONS)
                .map(|t| (0..CONDITIONS).map(|s| logits(t, s)).collect())
                .collect()
        };
        Grid {
            set: SetName::Phantom,
            patients: (0..n).map(|i| format!("p{}", i / 2)).collect(),
            targets: (0..n)
                .map(|i| vec![Some(f32::from(u8::from(label(i))))])
                .collect(),
            logits: vec![fold(), fold()],
            widened: vec![vec![logits(0, 1)]; 2],
            hidden: vec![0.3],
            learned: 100,
            left_out: 0,
        }
    }

    #[test]
    fn cells_are_means_over_folds_and_differences_pair_the_draws() {
        let grid = grid();
        assert_eq!(cell(&grid, 0, 0, 0).unwrap().value, 1.0);
        assert_eq!(cell(&grid, 2, 2, 0).unwrap().value, 0.5);
        let (m, p) = difference(&grid, (0, 0), (0, 1), 0).unwrap();
        assert_eq!(m.value, 0.5);
        assert!(p < 1e-6 && m.interval.0 > 0.3, "{p} {:?}", m.interval);
    }

    #[test]
    fn a_weak_diagonal_does_not_hold_and_no_signal_outside_does() {
        let grid = grid();
        assert_eq!(least_diagonal(&grid).holds, Some(false));
        // Networks that learned nothing inside the lungs cannot show that there is nothing outside.
        let rows = nothing_outside(&grid);
        assert_eq!((rows[0].holds, rows[1].holds), (None, Some(false)));
        let mut learned = self::grid();
        let only = index(Condition::OnlyRegion);
        for fold in &mut learned.logits {
            fold[only][only] = fold[0][0].clone();
        }
        let rows = nothing_outside(&learned);
        assert_eq!((rows[0].holds, rows[1].holds), (Some(true), Some(true)));
        assert_eq!(found(&grid).holds, Some(false));
    }

    #[test]
    fn an_output_without_positives_gives_no_figure() {
        let mut grid = grid();
        grid.targets.iter_mut().for_each(|t| t[0] = Some(0.0));
        let row = least_diagonal(&grid);
        assert_eq!((row.here, row.holds), (None, None));
    }
}
