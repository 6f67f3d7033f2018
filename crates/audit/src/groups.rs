//! For whom does a model fail, and since when: groups of cases compared by the same resamples of patients.

use crate::error::{AuditError, Result};
use crate::resample::{Data, Measure, Ranked, interval, p_of_difference, resamples};
use crate::table::{Labelled, ScoreKind};
use hilum_metrics::calibration::{Binning, ReliabilityBin, calibration_error, reliability_curve};
use hilum_metrics::classification::{BinaryScores, youden};
use hilum_metrics::statistics::{MultipleTesting, adjust};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Bins of calibration curves, of equal mass.
const BINS: usize = 10;

/// Where sensitivity and specificity are taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// At this probability.
    At(f64),
    /// Where sensitivity + specificity is largest over all cases.
    Youden,
}

/// What a group is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// All other cases that have a value.
    Rest,
    /// The group of this value.
    Group(String),
}

/// How groups are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupOptions {
    /// Threshold.
    pub threshold: Threshold,
    /// What is measured and compared.
    pub measures: Vec<Measure>,
    /// Resamples of patients.
    pub resamples: usize,
    /// Seed.
    pub seed: u64,
    /// A group with fewer cases of either class is counted and not measured.
    pub least: usize,
    /// Adjusted p values up to this are called gaps.
    pub level: f64,
}

impl Default for GroupOptions {
    fn default() -> Self {
        GroupOptions {
            threshold: Threshold::Youden,
            measures: vec![
                Measure::Auroc,
                Measure::Sensitivity,
                Measure::Specificity,
                Measure::InTheLarge,
            ],
            resamples: 2000,
            seed: 0,
            least: 5,
            level: 0.05,
        }
    }
}

/// The groups of one column, in the order they are shown in.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouping {
    /// Name of the column.
    pub attribute: String,
    /// Values in order.
    pub values: Vec<String>,
    /// Index into `values` of every case; null where it is not known.
    pub of: Vec<Option<usize>>,
    /// What groups are compared with.
    pub against: Against,
}

/// A figure with its interval over patients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What.
    pub measure: Measure,
    /// Its value; null where it is not defined.
    pub value: Option<f64>,
    /// 95 % percentile interval.
    pub interval: Option<(f64, f64)>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Column.
    pub attribute: String,
    /// Value.
    pub value: String,
    /// Cases.
    pub n: usize,
    /// Patients.
    pub patients: usize,
    /// Present.
    pub positives: usize,
    /// Figures; empty with the reason in `note`.
    pub figures: Vec<Figure>,
    /// Expected calibration error, ten bins of equal mass; rises as groups get smaller, so compare like with like.
    pub ece: Option<f64>,
    /// Reliability curve.
    pub curve: Vec<ReliabilityBin>,
    /// Why it was not measured.
    pub note: Option<String>,
}

/// A comparison of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Column.
    pub attribute: String,
    /// Value.
    pub value: String,
    /// With what it is compared.
    pub against: String,
    /// What differs.
    pub measure: Measure,
    /// Group less the other.
    pub gap: f64,
    /// 95 % percentile interval.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p over resamples of patients.
    pub p: Option<f64>,
    /// Adjusted by Holm over all comparisons of the audit.
    pub p_holm: Option<f64>,
    /// Whether the adjusted p is at most the level.
    pub significant: bool,
}

/// An audit of groups of one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupAudit {
    /// Finding.
    pub finding: String,
    /// Cases.
    pub n: usize,
    /// Patients.
    pub patients: usize,
    /// Present.
    pub positives: usize,
    /// Threshold in use.
    pub threshold: f64,
    /// Figures of all cases.
    pub overall: Vec<Figure>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Comparisons.
    pub gaps: Vec<Gap>,
    /// How it was done.
    pub options: GroupOptions,
}

/// A grouping by the words of a column, sorted.
///
/// # Errors
/// A column that no case has.
pub fn by_column(data: &Labelled, name: &str) -> Result<Grouping> {
    let column = data.column(name)?;
    let values: Vec<String> = column
        .iter()
        .flatten()
        .map(|v| (*v).to_owned())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let of = column
        .iter()
        .map(|v| v.and_then(|v| values.iter().position(|known| known == v)))
        .collect();
    Ok(Grouping {
        attribute: name.to_owned(),
        values,
        of,
        against: Against::Rest,
    })
}

/// A grouping of a column of numbers at cuts, e.g. ages at 18, 40, 60: `<18`, `18-40`, `40-60`, `>=60`.
///
/// # Errors
/// A column that no case has, or a value that is no number.
pub fn by_bands(data: &Labelled, name: &str, cuts: &[f64]) -> Result<Grouping> {
    let mut cuts = cuts.to_vec();
    cuts.sort_by(f64::total_cmp);
    let column = data.column(name)?;
    let mut of = Vec::with_capacity(column.len());
    for (at, value) in column.iter().enumerate() {
        let number = |text: &str| {
            // DICOM writes ages as 045Y.
            let plain = text.trim_end_matches(['Y', 'y']);
            plain
                .parse::<f64>()
                .ok()
                .filter(|v| v.is_finite())
                .ok_or_else(|| AuditError::NoNumber {
                    column: name.to_owned(),
                    id: data.cases[at].id.clone(),
                    value: text.to_owned(),
                })
        };
        let found = value.map(number).transpose()?;
        of.push(found.map(|v| cuts.partition_point(|c| *c <= v)));
    }
    let band = |i: usize| match (i.checked_sub(1).and_then(|j| cuts.get(j)), cuts.get(i)) {
        (None, Some(high)) => format!("<{high}"),
        (Some(low), Some(high)) => format!("{low}-{high}"),
        (Some(low), None) => format!(">={low}"),
        (None, None) => "all".to_owned(),
    };
    Ok(Grouping {
        attribute: name.to_owned(),
        values: (0..=cuts.len()).map(band).collect(),
        of,
        against: Against::Rest,
    })
}

/// Compares groups.
///
/// # Errors
/// No grouping with two groups large enough; a threshold outside 0 to 1.
pub fn audit(
    data: &Labelled,
    kind: ScoreKind,
    groupings: &[Grouping],
    options: &GroupOptions,
) -> Result<GroupAudit> {
    let probabilities = data.probabilities(kind);
    let cases = Data {
        labels: &data.labels,
        probabilities: &probabilities,
        patients: &data.patients,
    };
    let all = BinaryScores::new(&data.labels, &probabilities)?;
    let threshold = match options.threshold {
        Threshold::At(t) if (0.0..=1.0).contains(&t) => t,
        Threshold::At(t) => return Err(AuditError::Threshold { value: t }),
        Threshold::Youden => youden(&all)?.threshold.unwrap_or(f64::INFINITY),
    };
    let everyone = vec![true; data.labels.len()];
    let mut asked = Vec::new();
    for grouping in groupings {
        asked.extend(questions(cases, grouping, options)?);
    }
    let whole = Ranked::new(cases, &everyone);
    let drawn: Vec<(Vec<Option<f64>>, Vec<Answer>)> =
        resamples(&data.patients, options.resamples, options.seed, |w| {
            let own = options
                .measures
                .iter()
                .map(|m| whole.measure(cases, w, *m, threshold))
                .collect();
            let answers = asked
                .iter()
                .map(|q| q.ask(cases, w, options, threshold))
                .collect();
            (own, answers)
        });
    let ones = vec![1u32; data.labels.len()];
    let overall = figures(&options.measures, |m, i| {
        let drawn: Vec<Option<f64>> = drawn.iter().map(|(own, _)| own[i]).collect();
        (whole.measure(cases, &ones, m, threshold), interval(&drawn))
    });
    let (mut groups, mut gaps) = (Vec::new(), Vec::new());
    for (at, question) in asked.iter().enumerate() {
        let seen = question.ask(cases, &ones, options, threshold);
        groups.push(question.group(cases, &seen, &drawn, at, options)?);
        gaps.extend(question.gaps(&seen, &drawn, at, options));
    }
    if gaps.is_empty() {
        return Err(AuditError::NoGroups {
            finding: data.finding.clone(),
            least: options.least,
        });
    }
    holm(&mut gaps, options.level)?;
    Ok(GroupAudit {
        finding: data.finding.clone(),
        n: data.labels.len(),
        patients: data.patients.iter().collect::<BTreeSet<_>>().len(),
        positives: all.positives(),
        threshold,
        overall,
        groups,
        gaps,
        options: options.clone(),
    })
}

fn figures(
    measures: &[Measure],
    of: impl Fn(Measure, usize) -> (Option<f64>, Option<(f64, f64)>),
) -> Vec<Figure> {
    let one = |(i, m): (usize, &Measure)| {
        let (value, interval) = of(*m, i);
        Figure {
            measure: *m,
            value,
            interval,
        }
    };
    measures.iter().enumerate().map(one).collect()
}

/// A group and what it is compared with.
struct Question {
    attribute: String,
    value: String,
    members: Vec<bool>,
    ranked: Ranked,
    other: Option<(String, Ranked)>,
    note: Option<String>,
}

/// Figures of a group, and of what it is compared with, by measure.
type Answer = Vec<(Option<f64>, Option<f64>)>;

/// One question a group of a column.
fn questions(data: Data<'_>, grouping: &Grouping, options: &GroupOptions) -> Result<Vec<Question>> {
    let members = |at: usize| -> Vec<bool> { grouping.of.iter().map(|g| *g == Some(at)).collect() };
    let enough = |members: &[bool]| {
        let class = |y: bool| {
            (0..members.len())
                .filter(|i| members[*i] && data.labels[*i] == y)
                .count()
        };
        class(true).min(class(false)) >= options.least
    };
    let reference = match &grouping.against {
        Against::Rest => None,
        Against::Group(value) => {
            let at = grouping.values.iter().position(|v| v == value);
            Some(at.ok_or_else(|| AuditError::UnknownName {
                what: "reference group",
                name: value.clone(),
                known: grouping.values.join(", "),
            })?)
        }
    };
    let mut out = Vec::new();
    for (at, value) in grouping.values.iter().enumerate() {
        let own = members(at);
        if own.iter().all(|m| !m) {
            continue;
        }
        let other = match reference {
            Some(r) if r == at => None,
            Some(r) => Some((grouping.values[r].clone(), members(r))),
            None => {
                let rest = (0..own.len())
                    .map(|i| grouping.of[i].is_some() && !own[i])
                    .collect();
                Some(("the rest".to_owned(), rest))
            }
        };
        let measured = enough(&own);
        let other = other.filter(|(_, m)| measured && enough(m));
        out.push(Question {
            attribute: grouping.attribute.clone(),
            value: value.clone(),
            ranked: Ranked::new(data, &own),
            other: other.map(|(name, m)| (name, Ranked::new(data, &m))),
            note: (!measured).then(|| {
                format!(
                    "not measured: fewer than {} present or absent cases",
                    options.least
                )
            }),
            members: own,
        });
    }
    Ok(out)
}

impl Question {
    fn ask(
        &self,
        data: Data<'_>,
        weights: &[u32],
        options: &GroupOptions,
        threshold: f64,
    ) -> Answer {
        let one = |m: &Measure| {
            let own = self.ranked.measure(data, weights, *m, threshold);
            let other = self
                .other
                .as_ref()
                .and_then(|(_, r)| r.measure(data, weights, *m, threshold));
            (own, other)
        };
        options.measures.iter().map(one).collect()
    }

    fn group(
        &self,
        data: Data<'_>,
        seen: &Answer,
        drawn: &[(Vec<Option<f64>>, Vec<Answer>)],
        at: usize,
        options: &GroupOptions,
    ) -> Result<Group> {
        let inside = || (0..self.members.len()).filter(|i| self.members[*i]);
        let labels: Vec<bool> = inside().map(|i| data.labels[i]).collect();
        let probabilities: Vec<f64> = inside().map(|i| data.probabilities[i]).collect();
        let scores = BinaryScores::new(&labels, &probabilities)?;
        let measured = self.note.is_none();
        let figures = match measured {
            true => figures(&options.measures, |_, i| {
                let own: Vec<Option<f64>> = drawn.iter().map(|(_, a)| a[at][i].0).collect();
                (seen[i].0, interval(&own))
            }),
            false => Vec::new(),
        };
        let binning = Binning::EqualMass(BINS.min(labels.len()));
        Ok(Group {
            attribute: self.attribute.clone(),
            value: self.value.clone(),
            n: labels.len(),
            patients: inside()
                .map(|i| data.patients[i])
                .collect::<BTreeSet<_>>()
                .len(),
            positives: scores.positives(),
            figures,
            ece: match measured {
                true => Some(calibration_error(&scores, binning)?.ece),
                false => None,
            },
            curve: match measured {
                true => reliability_curve(&scores, binning)?,
                false => Vec::new(),
            },
            note: self.note.clone(),
        })
    }

    fn gaps(
        &self,
        seen: &Answer,
        drawn: &[(Vec<Option<f64>>, Vec<Answer>)],
        at: usize,
        options: &GroupOptions,
    ) -> Vec<Gap> {
        let Some((against, _)) = &self.other else {
            return Vec::new();
        };
        let difference = |(own, other): (Option<f64>, Option<f64>)| Some(own? - other?);
        let one = |(i, m): (usize, &Measure)| {
            let all: Vec<Option<f64>> = drawn.iter().map(|(_, a)| difference(a[at][i])).collect();
            let gap = difference(seen[i])?;
            Some(Gap {
                attribute: self.attribute.clone(),
                value: self.value.clone(),
                against: against.clone(),
                measure: *m,
                gap,
                interval: interval(&all),
                p: p_of_difference(gap, &all),
                p_holm: None,
                significant: false,
            })
        };
        options
            .measures
            .iter()
            .enumerate()
            .filter_map(one)
            .collect()
    }
}

/// Adjusts over all comparisons that have a p.
fn holm(gaps: &mut [Gap], level: f64) -> Result<()> {
    let p: Vec<f64> = gaps.iter().filter_map(|g| g.p).collect();
    if p.is_empty() {
        return Ok(());
    }
    let adjusted = adjust(&p, MultipleTesting::Holm)?;
    let tested = gaps.iter_mut().filter(|g| g.p.is_some());
    for (gap, p) in tested.zip(adjusted) {
        gap.p_holm = Some(p);
        gap.significant = p <= level;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Case;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Cases whose score says nothing about those of `blind`.
    fn cases(n: usize, blind: Option<&str>) -> Labelled {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut out = Labelled {
            finding: "mass".into(),
            cases: Vec::new(),
            labels: Vec::new(),
            scores: Vec::new(),
            patients: Vec::new(),
        };
        for i in 0..n {
            let sex = if i % 2 == 0 { "F" } else { "M" };
            let y = rng.random::<f64>() < 0.4;
            let noise = rng.random::<f64>();
            let told = blind != Some(sex);
            let score = match told && y {
                true => 0.3 + 0.6 * noise,
                false => 0.7 * noise,
            };
            let columns = [
                ("sex", sex.to_owned()),
                ("age", format!("{:03}Y", 10 + i % 80)),
            ];
            out.cases.push(Case {
                id: i.to_string(),
                patient: i.to_string(),
                finding: "mass".into(),
                label: Some(y),
                score,
                columns: columns.map(|(k, v)| (k.to_owned(), v)).into(),
            });
            out.labels.push(y);
            out.scores.push(score);
            out.patients.push(i);
        }
        out
    }

    fn options() -> GroupOptions {
        GroupOptions {
            resamples: 400,
            ..GroupOptions::default()
        }
    }

    fn run(data: &Labelled) -> GroupAudit {
        let sex = by_column(data, "sex").unwrap();
        let age = by_bands(data, "age", &[40.0, 60.0]).unwrap();
        audit(data, ScoreKind::Probability, &[sex, age], &options()).unwrap()
    }

    #[test]
    fn a_group_that_the_score_fails_is_found() {
        let found = run(&cases(600, Some("M")));
        let gap = found
            .gaps
            .iter()
            .find(|g| g.value == "M" && g.measure == Measure::Auroc)
            .unwrap();
        assert!(gap.significant && gap.gap < -0.2, "{gap:?}");
        let (low, high) = gap.interval.unwrap();
        assert!(low < gap.gap && gap.gap < high && high < 0.0);
        assert!(
            found
                .gaps
                .iter()
                .filter(|g| g.attribute == "age")
                .all(|g| !g.significant)
        );
    }

    #[test]
    fn groups_that_are_alike_raise_no_alarm() {
        let found = run(&cases(600, None));
        assert!(
            found.gaps.iter().all(|g| !g.significant),
            "{:?}",
            found.gaps
        );
        let bands: Vec<&str> = found
            .groups
            .iter()
            .filter(|g| g.attribute == "age")
            .map(|g| g.value.as_str())
            .collect();
        assert_eq!(bands, ["<40", "40-60", ">=60"]);
        let n: usize = found
            .groups
            .iter()
            .filter(|g| g.attribute == "age")
            .map(|g| g.n)
            .sum();
        assert_eq!(n, 600);
    }

    #[test]
    fn groups_too_small_are_counted_and_not_measured() {
        let mut data = cases(60, None);
        for (i, case) in data.cases.iter_mut().enumerate() {
            let site = if i < 3 { "tiny" } else { "large" };
            case.columns.insert("site".into(), site.into());
        }
        let grouping = by_column(&data, "site").unwrap();
        let error = audit(&data, ScoreKind::Probability, &[grouping], &options()).unwrap_err();
        assert!(
            matches!(error, AuditError::NoGroups { least: 5, .. }),
            "{error}"
        );
        data.cases[4].columns.insert("age".into(), "old".into());
        assert!(
            by_bands(&data, "age", &[40.0])
                .unwrap_err()
                .to_string()
                .contains("`old`")
        );
    }

    #[test]
    fn a_reference_group_is_compared_with_and_not_compared_itself() {
        let data = cases(400, Some("M"));
        let grouping = Grouping {
            against: Against::Group("F".into()),
            ..by_column(&data, "sex").unwrap()
        };
        let found = audit(&data, ScoreKind::Probability, &[grouping], &options()).unwrap();
        assert!(
            found
                .gaps
                .iter()
                .all(|g| g.value == "M" && g.against == "F")
        );
        assert_eq!(found.groups.len(), 2);
        let unknown = Grouping {
            against: Against::Group("X".into()),
            ..by_column(&data, "sex").unwrap()
        };
        assert!(audit(&data, ScoreKind::Probability, &[unknown], &options()).is_err());
    }
}
