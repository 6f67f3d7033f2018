//! A patient's studies in time order: mentions of the same finding grouped, cut into episodes, and
//! compared from study to study (the second stage of Lunguage, Moon et al. 2025).
//!
//! Two mentions are one finding when one is a kind of the other, their sides do not exclude each
//! other and their places meet. An episode ends when the finding is denied or said to be gone, and a
//! new one begins when it is there again. Not being mentioned ends nothing.

use super::anatomy::{self, Side};
use super::entail::same_or_kind_of;
use super::{Assertion, Change, Fact};
use serde::Serialize;

/// Where a change is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The report says so.
    Worded,
    /// It follows from what the two reports say of presence, size or severity.
    Derived,
}

/// What became of a finding since the study that mentioned it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Trend {
    /// The change.
    pub change: Change,
    /// Where it is known from.
    pub basis: Basis,
    /// The earlier study of the patient that it is compared with, by index; `None` when the report
    /// compares with one that is not among them.
    pub since: Option<usize>,
}

/// A fact in its patient's time line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tracked {
    /// Study within the patient, from 0.
    pub study: usize,
    /// The finding it is a mention of, from 0 in the order of first mention.
    pub group: usize,
    /// Episode of that finding, from 0.
    pub episode: usize,
    /// Change since it was last mentioned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
    /// What is said.
    pub fact: Fact,
}

/// What is known of a finding so far.
struct Group {
    /// The mention with which it began.
    first: Fact,
    /// The latest one that is not denied, and its study.
    last: Option<(usize, Fact)>,
    episode: usize,
    over: bool,
}

/// Follows the facts of a patient's studies, given in time order.
pub fn track(studies: &[Vec<Fact>]) -> Vec<Tracked> {
    let mut groups: Vec<Group> = Vec::new();
    let mut out = Vec::new();
    for (study, facts) in studies.iter().enumerate() {
        // What is there comes before what is denied, so that "no other nodule" ends nothing.
        let order = |f: &&Fact| f.assertion == Assertion::Absent;
        let (denied, there): (Vec<&Fact>, Vec<&Fact>) = facts.iter().partition(order);
        let first = out.len();
        for fact in there.into_iter().chain(denied) {
            out.push(add(&mut groups, study, fact));
        }
        out[first..].sort_by_key(|t| t.fact.entity);
    }
    out
}

fn add(groups: &mut Vec<Group>, study: usize, fact: &Fact) -> Tracked {
    let counts = fact.assertion != Assertion::Absent && !fact.history;
    let group = find(groups, fact).unwrap_or_else(|| {
        groups.push(Group {
            first: fact.clone(),
            last: None,
            episode: 0,
            over: false,
        });
        groups.len() - 1
    });
    let known = &mut groups[group];
    if counts && known.over {
        known.episode += 1;
    }
    let trend = trend(known, study, fact);
    let episode = known.episode;
    if counts {
        known.last = Some((study, fact.clone()));
        known.over = fact.change == Some(Change::Gone);
    } else if !fact.history {
        end(groups, study, fact, group);
    }
    Tracked {
        study,
        group,
        episode,
        trend,
        fact: fact.clone(),
    }
}

/// A denial ends its own finding and every other one that it reaches, unless this very study
/// describes it.
fn end(groups: &mut [Group], study: usize, denied: &Fact, own: usize) {
    for (i, group) in groups.iter_mut().enumerate() {
        let Some((when, last)) = &group.last else {
            continue;
        };
        let side = denied
            .side
            .is_none_or(|d| last.side.is_some_and(|l| d.covers(l)));
        let places = denied
            .places
            .iter()
            .all(|d| last.places.iter().any(|l| anatomy::within(l, d)));
        let reached = same_or_kind_of(last, denied) && side && places && denied.severity.is_none();
        if *when < study && (i == own || reached) {
            group.over = true;
        }
    }
}

fn find(groups: &[Group], fact: &Fact) -> Option<usize> {
    let fits = |g: &Group| {
        let other = g.last.as_ref().map_or(&g.first, |(_, f)| f);
        alike(other, fact)
    };
    // The same finding first, then one that is a kind of the other.
    let same = |g: &&Group| g.first.name == fact.name && fits(g);
    let exact = groups.iter().position(|g| same(&g));
    exact.or_else(|| groups.iter().position(fits))
}

fn alike(a: &Fact, b: &Fact) -> bool {
    if a.is_normal() != b.is_normal() {
        return false;
    }
    let finding = same_or_kind_of(a, b) || same_or_kind_of(b, a);
    let side = match (a.side, b.side) {
        (None, _) | (_, None) => true,
        (Some(a), Some(b)) => {
            a.covers(b) || b.covers(a) || a == Side::Midline || b == Side::Midline
        }
    };
    let meet = |x: &str, y: &str| anatomy::within(x, y) || anatomy::within(y, x);
    let places = a.places.is_empty()
        || b.places.is_empty()
        || a.places.iter().any(|x| b.places.iter().any(|y| meet(x, y)));
    finding && side && places && a.name != hilum_core::taxonomy::ABNORMAL
}

fn trend(known: &Group, study: usize, fact: &Fact) -> Option<Trend> {
    let before = known.last.as_ref().filter(|(when, _)| *when < study);
    let since = before.map(|(when, _)| *when);
    if let Some(change) = fact.change {
        return Some(Trend {
            change,
            basis: Basis::Worded,
            since,
        });
    }
    let (_, last) = before?;
    let change = match (known.over, fact.assertion) {
        (false, Assertion::Absent) => Change::Gone,
        (true, Assertion::Present) => Change::New,
        (false, Assertion::Present) => compare(last, fact)?,
        _ => return None,
    };
    Some(Trend {
        change,
        basis: Basis::Derived,
        since,
    })
}

/// By size where both give one of the same shape, else by severity.
fn compare(last: &Fact, now: &Fact) -> Option<Change> {
    let longest = |f: &Fact| f.mm.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !last.mm.is_empty() && last.mm.len() == now.mm.len() {
        let (a, b) = (longest(last), longest(now));
        return Some(match b - a {
            d if d.abs() <= (0.1 * a).max(1.0) => Change::Same,
            d if d > 0.0 => Change::Worse,
            _ => Change::Better,
        });
    }
    let (a, b) = (last.severity?, now.severity?);
    Some(match b.cmp(&a) {
        std::cmp::Ordering::Less => Change::Better,
        std::cmp::Ordering::Equal => Change::Same,
        std::cmp::Ordering::Greater => Change::Worse,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::score::graphs;

    fn tracked(reports: &[&str]) -> Vec<Tracked> {
        let facts: Vec<Vec<Fact>> = graphs(reports).unwrap().iter().map(|g| g.facts()).collect();
        track(&facts)
    }

    #[test]
    fn a_finding_that_clears_and_returns_has_two_episodes() {
        let all = tracked(&[
            "Small left effusion.",
            "Moderate left pleural effusion.",
            "No pleural effusion.",
            "Left effusion.",
        ]);
        let episodes: Vec<(usize, usize)> = all.iter().map(|t| (t.group, t.episode)).collect();
        assert_eq!(episodes, [(0, 0), (0, 0), (0, 0), (0, 1)]);
        let changes: Vec<Option<Change>> = all.iter().map(|t| t.trend.map(|t| t.change)).collect();
        assert_eq!(
            changes,
            [
                None,
                Some(Change::Worse),
                Some(Change::Gone),
                Some(Change::New)
            ]
        );
        assert!(
            all[1..]
                .iter()
                .all(|t| t.trend.unwrap().basis == Basis::Derived)
        );
    }

    #[test]
    fn sides_are_different_findings_and_words_count_before_sizes() {
        let all = tracked(&[
            "Left effusion. Right effusion. A 10 mm nodule in the right upper lobe.",
            "Left effusion, increased. A 14 mm nodule in the right upper lobe.",
        ]);
        assert_eq!(all[0].group, all[3].group);
        assert_ne!(all[0].group, all[1].group);
        assert_eq!(all[3].trend.unwrap().basis, Basis::Worded);
        assert_eq!(all[4].trend.unwrap().change, Change::Worse);
        assert_eq!(all[4].trend.unwrap().since, Some(0));
    }

    #[test]
    fn a_first_report_that_compares_has_no_study_to_compare_with() {
        let all = tracked(&["Stable cardiomegaly."]);
        assert_eq!(all[0].trend.unwrap().since, None);
    }
}
