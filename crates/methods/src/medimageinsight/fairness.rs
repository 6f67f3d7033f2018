//! AUROC by sex and by age, and the gap between the best and the worst group.

use super::eval::{Which, chosen, mean, ready};
use super::films::findings;
use super::measure::Ready;
use super::outcome::{Outcome, Reader};
use crate::blocks::measure::{Measured, claim_row, measured_by};
use crate::blocks::multiclass::{as_weights, shown};
use crate::claims::ClaimRow;
use std::fmt::Write as _;

/// Test films of one kind of patients.
struct Group {
    name: String,
    at: Vec<usize>,
}

/// Groups that share out the films.
struct Attribute {
    name: &'static str,
    groups: Vec<Group>,
}

fn attributes(outcome: &Outcome) -> Vec<Attribute> {
    let cases = &outcome.cases;
    let places = |is: &dyn Fn(usize) -> bool| (0..cases.sets.len()).filter(|&i| is(i)).collect();
    let sexes = [("women", true), ("men", false)];
    let sex = sexes.map(|(name, female)| Group {
        name: name.to_owned(),
        at: places(&|i| cases.female[i] == Some(female)),
    });
    let from = &outcome.config.ages;
    let age = (0..from.len()).map(|g| {
        let end = from.get(g + 1).copied().unwrap_or(f32::INFINITY);
        let inside = |i: usize| cases.ages[i].is_some_and(|a| a >= from[g] && a < end);
        let name = match from.get(g + 1) {
            Some(end) => format!("{} to under {end} years", from[g]),
            None => format!("{} years and older", from[g]),
        };
        Group {
            name,
            at: places(&inside),
        }
    });
    let known = |groups: Vec<Group>| groups.into_iter().filter(|g| !g.at.is_empty()).collect();
    vec![
        Attribute {
            name: "sex",
            groups: known(sex.into()),
        },
        Attribute {
            name: "age",
            groups: known(age.collect()),
        },
    ]
}

/// A reader's answers about any finding in one group, run by run.
fn of_group(outcome: &Outcome, group: &Group, which: Which) -> Option<Vec<Ready>> {
    ready(outcome, which, |said| {
        Ready::column(&outcome.cases, said, findings().len(), group.at.clone())
    })
}

fn auroc(outcome: &Outcome, group: &Group, which: Which) -> Option<Measured> {
    let runs = of_group(outcome, group, which)?;
    let mut seen = measured_by(&outcome.cases.groups, |c| mean(&runs, &as_weights(c)))?;
    seen.n = group.at.len();
    Some(seen)
}

/// The best group's AUROC minus the worst's.
struct Gap {
    groups: Vec<Vec<Ready>>,
}

impl Gap {
    fn new(outcome: &Outcome, attribute: &Attribute, which: Which) -> Option<Self> {
        let each = attribute.groups.iter().map(|g| of_group(outcome, g, which));
        Some(Gap {
            groups: each.collect::<Option<_>>()?,
        })
    }

    fn of(&self, weights: &[f64]) -> Option<f64> {
        let each: Vec<f64> = self
            .groups
            .iter()
            .map(|runs| mean(runs, weights))
            .collect::<Option<_>>()?;
        let most = each.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = each.iter().copied().fold(f64::INFINITY, f64::min);
        (each.len() > 1).then_some(most - least)
    }
}

/// The gap of the tuned classifier minus that of the neighbours.
pub fn gap_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let row = |attribute: Attribute| {
        let gap = |which: Which| Gap::new(outcome, &attribute, which);
        let (own, tuned) = (gap(chosen), gap(|_| Reader::Tuned));
        let seen = own.as_ref().zip(tuned.as_ref()).and_then(|(own, tuned)| {
            measured_by(&outcome.cases.groups, |c| {
                let w = as_weights(c);
                Some(tuned.of(&w)? - own.of(&w)?)
            })
        });
        let alone = |gap: &Option<Gap>| {
            let seen = gap
                .as_ref()
                .and_then(|gap| measured_by(&outcome.cases.groups, |c| gap.of(&as_weights(c))));
            shown(seen)
        };
        claim_row(
            format!(
                "gap of AUROC between groups of {}: tuned classifier minus neighbours",
                attribute.name
            ),
            seen,
            seen.map(|m| m.interval.0 > 0.0),
            format!(
                "any finding; gaps {} and {}, which chance alone makes larger than 0",
                alone(&tuned),
                alone(&own)
            ),
        )
    };
    attributes(outcome).into_iter().map(row).collect()
}

/// AUROC of any finding in each group.
pub fn group_rows(outcome: &Outcome) -> Vec<ClaimRow> {
    let of = |group: &Group| {
        claim_row(
            format!("any finding, {}: AUROC, neighbours", group.name),
            auroc(outcome, group, chosen),
            None,
            format!("tuned {}", shown(auroc(outcome, group, |_| Reader::Tuned))),
        )
    };
    let all = attributes(outcome);
    all.iter().flat_map(|a| a.groups.iter().map(of)).collect()
}

/// The same as a table, a row a group.
pub fn table(outcome: &Outcome) -> String {
    let mut out = "attribute,group,films,reader,auroc,low,high\n".to_owned();
    let readers: [(Which, &str); 3] = [
        (chosen, "neighbours"),
        (|_| Reader::Tuned, "tuned"),
        (|_| Reader::UntrainedProbe, "untrained probe"),
    ];
    for attribute in attributes(outcome) {
        for group in &attribute.groups {
            for (which, name) in readers {
                let cells = auroc(outcome, group, which).map_or(",,".to_owned(), |m| {
                    format!("{:.4},{:.4},{:.4}", m.value, m.interval.0, m.interval.1)
                });
                let (of, who, n) = (attribute.name, &group.name, group.at.len());
                let _ = writeln!(out, "{of},{who},{n},{name},{cells}");
            }
        }
    }
    out
}
