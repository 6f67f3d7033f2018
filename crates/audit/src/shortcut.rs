//! Does a model answer without seeing what it should look at? Scores of the same cases with the region hidden, at test
//! time, beside attribution mass outside of the region and a model of the metadata alone (after Sourget et al., Mask of
//! truth).
//!
//! What counts is [`Condition::NoRegionBox`]: the region is gone with its outline, so what is still told comes from
//! elsewhere. That may be a marker, a tube, the patient's position, or a sign of the disease outside of the region: an alarm
//! says where to look, not what is there. Silence is no proof either, since a network that never saw masked films may fail on
//! them for other reasons.

use crate::error::{AuditError, Result};
use crate::masking::{Condition, Masking};
use crate::resample::{Data, Measure, Ranked, interval, resamples};
use hilum_image::Mask;
use serde::{Deserialize, Serialize};

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShortcutOptions {
    /// Resamples of patients.
    pub resamples: usize,
    /// Seed.
    pub seed: u64,
    /// Cases of either class needed for a verdict.
    pub least: usize,
    /// An area this far above one half with the region hidden is called a shortcut; below, a hint.
    pub margin: f64,
}

impl Default for ShortcutOptions {
    fn default() -> Self {
        ShortcutOptions {
            resamples: 2000,
            seed: 0,
            least: 10,
            margin: 0.1,
        }
    }
}

/// Scores of all cases under one masking; null for a case whose region was not found or vanished.
#[derive(Debug, Clone, PartialEq)]
pub struct Masked {
    /// What was left to see.
    pub masking: Masking,
    /// Scores, any monotone scale.
    pub scores: Vec<Option<f64>>,
    /// Cosine similarity of each case's features with those of the full image; empty when not known.
    pub similarity: Vec<Option<f64>>,
}

/// A cell of the audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What was left to see.
    pub masking: Masking,
    /// Cases scored.
    pub n: usize,
    /// Present among them.
    pub positives: usize,
    /// Area under the ROC curve; null for too few cases.
    pub auroc: Option<f64>,
    /// 95 % interval over patients.
    pub interval: Option<(f64, f64)>,
    /// Mean cosine similarity of the features with those of the full image.
    pub similarity: Option<f64>,
}

/// Where attribution mass lies, mean over cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AttributionMass {
    /// Cases looked at.
    pub n: usize,
    /// Share of the absolute attribution outside of the region.
    pub outside: f64,
    /// Share of the pixels outside of the region: what a map without any preference would have.
    pub outside_area: f64,
}

/// The outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The model answers well above chance without the region.
    Shortcut,
    /// Above chance, but little.
    Hint,
    /// Not above chance.
    NoSign,
    /// Too few cases.
    Undetermined,
}

/// An audit of one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShortcutAudit {
    /// Finding.
    pub finding: String,
    /// Cells in the order given.
    pub cells: Vec<Cell>,
    /// Attribution mass on full images; null when it was not measured.
    pub attribution: Option<AttributionMass>,
    /// Area of a model of the metadata alone; null without metadata.
    pub metadata: Option<Cell>,
    /// Outcome.
    pub verdict: Verdict,
    /// The outcome in words.
    pub reason: String,
    /// Settings.
    pub options: ShortcutOptions,
}

/// Labels, patients and scores under every masking; `metadata` are scores of a model without pixels.
#[derive(Debug, Clone, Copy)]
pub struct ShortcutInput<'a> {
    /// Finding.
    pub finding: &'a str,
    /// Labels.
    pub labels: &'a [bool],
    /// Patient numbers.
    pub patients: &'a [usize],
    /// Scores.
    pub masked: &'a [Masked],
    /// Attribution mass on full images.
    pub attribution: Option<AttributionMass>,
    /// Scores of a model of the metadata alone.
    pub metadata: Option<&'a [f64]>,
}

/// Judges.
///
/// # Errors
/// Lengths that differ; no scores of the full images or of those without the region's box.
pub fn audit(input: &ShortcutInput<'_>, options: &ShortcutOptions) -> Result<ShortcutAudit> {
    let n = input.labels.len();
    let lengths = input.masked.iter().map(|m| m.scores.len());
    if input.patients.len() != n || lengths.clone().any(|l| l != n) {
        return Err(AuditError::Probabilities {
            reason: "scores, labels and patients differ in number".into(),
        });
    }
    let cells: Vec<Cell> = input
        .masked
        .iter()
        .map(|m| cell(input, m, options))
        .collect();
    let metadata = input.metadata.map(|scores| {
        let masked = Masked {
            masking: Condition::Full.into(),
            scores: scores.iter().map(|s| Some(*s)).collect(),
            similarity: Vec::new(),
        };
        cell(input, &masked, options)
    });
    let find = |condition: Condition| {
        let wanted = Masking::from(condition);
        let found = cells.iter().find(|c| c.masking == wanted);
        found.ok_or_else(|| AuditError::UnknownName {
            what: "condition among the scores",
            name: condition.name().to_owned(),
            known: cells
                .iter()
                .map(|c| c.masking.condition.name())
                .collect::<Vec<_>>()
                .join(", "),
        })
    };
    let (full, hidden) = (find(Condition::Full)?, find(Condition::NoRegionBox)?);
    let (verdict, reason) = judge(full, hidden, input.attribution, options);
    Ok(ShortcutAudit {
        finding: input.finding.to_owned(),
        verdict,
        reason,
        cells,
        attribution: input.attribution,
        metadata,
        options: *options,
    })
}

fn cell(input: &ShortcutInput<'_>, masked: &Masked, options: &ShortcutOptions) -> Cell {
    let members: Vec<bool> = masked.scores.iter().map(Option::is_some).collect();
    let scores: Vec<f64> = masked.scores.iter().map(|s| s.unwrap_or(0.0)).collect();
    let data = Data {
        labels: input.labels,
        probabilities: &scores,
        patients: input.patients,
    };
    let count = |y: bool| {
        (0..members.len())
            .filter(|i| members[*i] && input.labels[*i] == y)
            .count()
    };
    let (positives, negatives) = (count(true), count(false));
    let enough = positives.min(negatives) >= options.least;
    let ranked = Ranked::new(data, &members);
    let area = |w: &[u32]| ranked.measure(data, w, Measure::Auroc, 0.0);
    let drawn = match enough {
        true => resamples(input.patients, options.resamples, options.seed, area),
        false => Vec::new(),
    };
    let known: Vec<f64> = masked.similarity.iter().flatten().copied().collect();
    Cell {
        masking: masked.masking,
        n: positives + negatives,
        positives,
        auroc: enough.then(|| area(&vec![1; members.len()])).flatten(),
        interval: interval(&drawn),
        similarity: (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64),
    }
}

fn judge(
    full: &Cell,
    hidden: &Cell,
    attribution: Option<AttributionMass>,
    options: &ShortcutOptions,
) -> (Verdict, String) {
    let (Some(area), Some((low, high))) = (hidden.auroc, hidden.interval) else {
        let least = options.least;
        return (
            Verdict::Undetermined,
            format!(
                "Undetermined: {least} cases with and {least} without the finding are needed, each with its region found."
            ),
        );
    };
    let seen = format!(
        "With the region and its box hidden the area is {area:.3} ({low:.3} to {high:.3}), on full images {}.",
        full.auroc
            .map_or("not defined".to_owned(), |a| format!("{a:.3}"))
    );
    let mass = attribution.map_or(String::new(), |m| {
        format!(
            " Of the attribution on full images {:.0} % lies outside of the region, which leaves {:.0} % of the pixels outside.",
            100.0 * m.outside,
            100.0 * m.outside_area
        )
    });
    let (verdict, words) = if low <= 0.5 {
        (
            Verdict::NoSign,
            "No sign that the model answers from outside of the region.",
        )
    } else if area >= 0.5 + options.margin {
        (
            Verdict::Shortcut,
            "The model still tells the finding when the region is gone: it reads something elsewhere.",
        )
    } else {
        (
            Verdict::Hint,
            "A little is still told when the region is gone.",
        )
    };
    (verdict, format!("{words} {seen}{mass}"))
}

/// Share of a map's absolute mass outside of the region, and of the pixels; null for an empty map or region.
pub fn mass_outside(map: &[f32], region: &Mask) -> Option<(f64, f64)> {
    if map.len() != region.data.len() || region.count() == 0 {
        return None;
    }
    let total: f64 = map.iter().map(|v| f64::from(v.abs())).sum();
    let outside: f64 = map
        .iter()
        .zip(&region.data)
        .filter(|(_, m)| **m == 0)
        .map(|(v, _)| f64::from(v.abs()))
        .sum();
    let area = 1.0 - region.count() as f64 / map.len() as f64;
    (total > 0.0 && total.is_finite()).then(|| (outside / total, area))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_image::{Gray, Plane};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A made-up film with two lungs; a bright spot in the corner or in a lung, where the finding is.
    fn film(rng: &mut ChaCha8Rng, present: bool, corner: bool) -> (Gray, Mask) {
        let lungs: Mask = Plane::from_fn(48, 48, |x, y| {
            let lung = |cx: f64| {
                let (dx, dy) = ((x as f64 - cx) / 8.0, (y as f64 - 26.0) / 15.0);
                dx * dx + dy * dy < 1.0
            };
            if lung(14.0) || lung(34.0) { 255 } else { 0 }
        });
        let noise: Vec<f32> = (0..48 * 48).map(|_| rng.random::<f32>() * 40.0).collect();
        let (sx, sy) = match corner {
            true => (2, 2),
            false => (12 + rng.random_range(0..4), 20 + rng.random_range(0..10)),
        };
        let image = Plane::from_fn(48, 48, |x, y| {
            let inside = x.abs_diff(sx) <= 1 && y.abs_diff(sy) <= 1;
            let lung = if lungs.row(y)[x] != 0 { 20.0 } else { 110.0 };
            lung + noise[y * 48 + x] + if present && inside { 100.0 } else { 0.0 }
        });
        (image, lungs)
    }

    /// A network in small: the brightest 3x3 mean of the film, after the local background was taken away.
    fn brightest_spot(image: &Gray) -> f64 {
        let mean = |x: usize, y: usize, r: usize| {
            let (mut sum, mut n) = (0.0f64, 0.0f64);
            for v in y.saturating_sub(r)..(y + r + 1).min(image.height) {
                for u in x.saturating_sub(r)..(x + r + 1).min(image.width) {
                    sum += f64::from(image.row(v)[u]);
                    n += 1.0;
                }
            }
            sum / n
        };
        let mut best = f64::NEG_INFINITY;
        for y in 0..image.height {
            for x in 0..image.width {
                best = best.max(mean(x, y, 1) - mean(x, y, 4));
            }
        }
        best
    }

    /// Edges of the film's own and of hidden parts must not look like spots, so only the part that is shown is looked at.
    fn score(image: &Gray, hidden: &Mask) -> f64 {
        let background = |x: usize, y: usize| hidden.row(y)[x] != 0;
        let filled = Plane::from_fn(image.width, image.height, |x, y| {
            if background(x, y) {
                130.0
            } else {
                image.row(y)[x]
            }
        });
        brightest_spot(&filled)
    }

    fn run(corner: bool, seed: u64) -> ShortcutAudit {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let labels: Vec<bool> = (0..80).map(|i| i % 2 == 0).collect();
        let films: Vec<(Gray, Mask)> = labels.iter().map(|y| film(&mut rng, *y, corner)).collect();
        let patients: Vec<usize> = (0..80).collect();
        let masked: Vec<Masked> = Condition::ALL
            .into_iter()
            .map(|condition| {
                let masking = Masking::from(condition);
                let scores = films
                    .iter()
                    .map(|(image, lungs)| {
                        let shown = masking.apply(image, lungs, 0.0).ok()?;
                        Some(score(&shown, &masking.hidden(lungs).ok()?))
                    })
                    .collect();
                Masked {
                    masking,
                    scores,
                    similarity: Vec::new(),
                }
            })
            .collect();
        let input = ShortcutInput {
            finding: "spot",
            labels: &labels,
            patients: &patients,
            masked: &masked,
            attribution: None,
            metadata: None,
        };
        let options = ShortcutOptions {
            resamples: 400,
            ..ShortcutOptions::default()
        };
        audit(&input, &options).unwrap()
    }

    fn area(found: &ShortcutAudit, condition: Condition) -> f64 {
        let cell = found
            .cells
            .iter()
            .find(|c| c.masking == Masking::from(condition));
        cell.unwrap().auroc.unwrap()
    }

    #[test]
    fn a_marker_in_the_corner_is_found() {
        let found = run(true, 1);
        assert_eq!(found.verdict, Verdict::Shortcut, "{}", found.reason);
        assert!(area(&found, Condition::NoRegionBox) > 0.95);
        let only = area(&found, Condition::OnlyRegion);
        assert!((0.3..0.7).contains(&only), "{only}");
    }

    #[test]
    fn a_sign_inside_the_lungs_raises_no_alarm() {
        for seed in 1..3 {
            let found = run(false, seed);
            assert_ne!(found.verdict, Verdict::Shortcut, "{}", found.reason);
            assert!((0.3..0.7).contains(&area(&found, Condition::NoRegionBox)));
            assert!(area(&found, Condition::OnlyRegion) > 0.9);
        }
        assert_eq!(run(false, 1).verdict, Verdict::NoSign);
    }

    #[test]
    fn too_few_cases_and_missing_conditions_get_no_verdict() {
        let labels = [true, false, true, false];
        let masked = |condition: Condition| Masked {
            masking: condition.into(),
            scores: vec![Some(0.9), Some(0.1), None, Some(0.2)],
            similarity: vec![Some(1.0), Some(0.5), None, None],
        };
        let both = [masked(Condition::Full), masked(Condition::NoRegionBox)];
        let mut input = ShortcutInput {
            finding: "x",
            labels: &labels,
            patients: &[0, 1, 2, 3],
            masked: &both,
            attribution: None,
            metadata: Some(&[0.1, 0.2, 0.3, 0.4]),
        };
        let found = audit(&input, &ShortcutOptions::default()).unwrap();
        assert_eq!(found.verdict, Verdict::Undetermined);
        assert_eq!(
            (found.cells[0].n, found.cells[0].similarity),
            (3, Some(0.75))
        );
        assert_eq!(found.metadata.unwrap().auroc, None);
        input.masked = &both[..1];
        assert!(audit(&input, &ShortcutOptions::default()).is_err());
        input.patients = &[0];
        assert!(audit(&input, &ShortcutOptions::default()).is_err());
    }

    #[test]
    fn mass_is_counted_where_it_lies() {
        let region = Mask::new(4, 1, vec![255, 0, 0, 0]).unwrap();
        assert_eq!(
            mass_outside(&[-1.0, 1.0, 0.0, 2.0], &region),
            Some((0.75, 0.75))
        );
        assert_eq!(mass_outside(&[0.0; 4], &region), None);
        assert_eq!(mass_outside(&[1.0; 4], &region.map(|_| 0)), None);
    }
}
