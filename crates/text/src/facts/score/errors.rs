//! Errors of a report by kind, counted from the facts, after the six kinds of GREEN (Ostmeier et al.
//! 2024, section 3): false finding, missing finding, wrong place, wrong severity, comparison that
//! the reference does not make, comparison left out.
//!
//! Positive facts (present or open) of the two reports are matched one to one where one is a kind of
//! the other, so that the details agree as far as possible. `green` is matched / (matched + errors),
//! 0 where nothing matches but something could; a pair with an error counts as the error and not as
//! matched. Facts that both reports deny alike count as matched. `lc_green` divides by
//! max(words of the hypothesis / words of the reference, 1) (CheXalign).
//! There is no language model here: what no lexicon knows is not counted on either side.

use super::{FactScore, VERSION, assign::assign};
use crate::facts::anatomy::{self, Side};
use crate::facts::entail::same_or_kind_of;
use crate::facts::{Assertion, Fact, Graph};
use serde::Serialize;
use std::collections::BTreeMap;

/// Kinds of error, in GREEN's order.
pub const KINDS: [&str; 6] = [
    "false_finding",
    "missing_finding",
    "wrong_place",
    "wrong_severity",
    "invented_comparison",
    "omitted_comparison",
];

/// What one report got right and wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Errors {
    /// Facts that agree.
    pub matched: usize,
    /// Errors, in the order of [`KINDS`].
    pub counts: [usize; 6],
}

impl Errors {
    /// Sum over the kinds.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// matched / (matched + errors); `None` when there is neither.
    pub fn green(&self) -> Option<f64> {
        let all = self.matched + self.total();
        (all > 0).then(|| self.matched as f64 / all as f64)
    }
}

fn positive(fact: &&Fact) -> bool {
    fact.assertion != Assertion::Absent
        && !fact.history
        && !fact.is_normal()
        && !fact.codes.is_empty()
}

/// Counts the errors of `hypothesis` against `reference`.
pub fn errors(reference: &[Fact], hypothesis: &[Fact]) -> Errors {
    let truth: Vec<&Fact> = reference.iter().filter(positive).collect();
    let said: Vec<&Fact> = hypothesis.iter().filter(positive).collect();
    let (truth, said) = (once(&truth), once(&said));
    let mut errors = Errors {
        matched: agreed_denials(reference, hypothesis),
        ..Errors::default()
    };
    let mut found = vec![false; truth.len()];
    // Strangers cost more than any sum of details, so they are matched only when nothing else is left.
    const STRANGERS: f64 = 1e3;
    let cost: Vec<Vec<f64>> = said
        .iter()
        .map(|s| {
            let cost = |t: &&Fact| {
                if related(s, t) {
                    details(t, s).iter().filter(|d| **d).count() as f64
                } else {
                    STRANGERS
                }
            };
            truth.iter().map(cost).collect()
        })
        .collect();
    for (s, column) in assign(&cost).into_iter().enumerate() {
        match column.filter(|&t| cost[s][t] < STRANGERS) {
            Some(t) => {
                found[t] = true;
                let wrong = details(truth[t], said[s]);
                for (kind, is_wrong) in wrong.into_iter().enumerate() {
                    errors.counts[2 + kind] += usize::from(is_wrong);
                }
                errors.matched += usize::from(wrong == [false; 4]);
            }
            None => errors.counts[0] += 1,
        }
    }
    errors.counts[1] = found.iter().filter(|f| !**f).count();
    errors
}

/// A finding repeated with the same or fewer details ("effusion", later "left effusion") counts once.
fn once<'a>(facts: &[&'a Fact]) -> Vec<&'a Fact> {
    let repeats = |i: usize| {
        facts.iter().enumerate().any(|(j, other)| {
            let certain = |f: &Fact| Fact {
                assertion: Assertion::Present,
                ..f.clone()
            };
            let covers = crate::facts::entail::entails(&certain(other), &certain(facts[i]));
            let back = crate::facts::entail::entails(&certain(facts[i]), &certain(other));
            j != i && covers && (!back || j < i)
        })
    };
    (0..facts.len())
        .filter(|&i| !repeats(i))
        .map(|i| facts[i])
        .collect()
}

fn related(a: &Fact, b: &Fact) -> bool {
    same_or_kind_of(a, b) || same_or_kind_of(b, a)
}

/// Wrong place, wrong severity, comparison invented, comparison left out.
fn details(truth: &Fact, said: &Fact) -> [bool; 4] {
    let place = place_differs(truth, said);
    let severity = matches!((truth.severity, said.severity), (Some(a), Some(b)) if a != b);
    let invented = said.change.is_some() && said.change != truth.change;
    let omitted = truth.change.is_some() && said.change.is_none();
    [place, severity, invented, omitted]
}

/// Sides that differ, or places of which neither holds the other. Saying less is no wrong place.
fn place_differs(truth: &Fact, said: &Fact) -> bool {
    let sides = match (truth.side, said.side) {
        (Some(Side::Midline), _) | (_, Some(Side::Midline)) | (None, _) | (_, None) => false,
        (Some(a), Some(b)) => a != b,
    };
    let meet = |s: &str, t: &str| anatomy::within(s, t) || anatomy::within(t, s);
    let strays = |s: &&str| !truth.places.iter().any(|t| meet(s, t));
    sides || (!truth.places.is_empty() && said.places.iter().any(strays))
}

fn agreed_denials(reference: &[Fact], hypothesis: &[Fact]) -> usize {
    let denied = |facts: &[Fact]| -> Vec<String> {
        let absent = |f: &&Fact| f.assertion == Assertion::Absent && !f.history;
        let mut names: Vec<String> = facts
            .iter()
            .filter(absent)
            .map(|f| f.name.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let truth = denied(reference);
    denied(hypothesis)
        .iter()
        .filter(|n| truth.contains(n))
        .count()
}

/// `green`, `lc_green`, and the mean number of errors a report by kind (`green_<kind>`).
pub fn green(references: &[Graph], hypotheses: &[Graph]) -> BTreeMap<String, FactScore> {
    let counted: Vec<Errors> = references
        .iter()
        .zip(hypotheses)
        .map(|(r, h)| errors(&r.facts(), &h.facts()))
        .collect();
    let mut scores = BTreeMap::new();
    let values: Vec<Option<f64>> = counted.iter().map(Errors::green).collect();
    let undefined = "no report has a fact on either side";
    let long = references
        .iter()
        .zip(hypotheses)
        .zip(&values)
        .map(|((r, h), v)| {
            let words = |g: &Graph| g.text.split_whitespace().count().max(1) as f64;
            v.map(|v| v / (words(h) / words(r)).max(1.0))
        });
    let long: Vec<Option<f64>> = long.collect();
    for (name, values) in [("green", values), ("lc_green", long)] {
        let signature = format!("{name}|like:GREEN|judge:hilum-facts|matched:facts-without-error");
        scores.insert(
            name.to_owned(),
            FactScore::mean(values, signature, undefined),
        );
    }
    for (i, kind) in KINDS.into_iter().enumerate() {
        let per_sample: Vec<Option<f64>> =
            counted.iter().map(|e| Some(e.counts[i] as f64)).collect();
        let name = format!("green_{kind}");
        let signature = format!("{name}|unit:errors a report|judge:hilum-facts|{VERSION}");
        let value = counted.iter().map(|e| e.counts[i] as f64).sum::<f64>() / counted.len() as f64;
        let score = FactScore {
            value: Some(value),
            per_sample,
            signature,
            reason: None,
        };
        scores.insert(name, score);
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::score::graphs;

    fn count(reference: &str, hypothesis: &str) -> Errors {
        let graphs = graphs(&[reference, hypothesis]).unwrap();
        errors(&graphs[0].facts(), &graphs[1].facts())
    }

    /// One error of each kind, injected one at a time into one report.
    #[test]
    fn each_kind_is_counted_alone() {
        let text = "Small left pleural effusion, increased. Mild cardiomegaly. Right upper lobe nodule. No edema.";
        assert_eq!(
            count(text, text),
            Errors {
                matched: 4,
                counts: [0; 6]
            }
        );
        let cases = [
            (
                "Small left pleural effusion, increased. Mild cardiomegaly. Right upper lobe nodule. Edema.",
                0,
            ),
            (
                "Small left pleural effusion, increased. Right upper lobe nodule. No edema.",
                1,
            ),
            (
                "Small left pleural effusion, increased. Mild cardiomegaly. Left upper lobe nodule. No edema.",
                2,
            ),
            (
                "Small left pleural effusion, increased. Mild cardiomegaly. Right lower lobe nodule. No edema.",
                2,
            ),
            (
                "Large left pleural effusion, increased. Mild cardiomegaly. Right upper lobe nodule. No edema.",
                3,
            ),
            (
                "Small left pleural effusion, increased. Mild cardiomegaly. New right upper lobe nodule. No edema.",
                4,
            ),
            (
                "Small left pleural effusion. Mild cardiomegaly. Right upper lobe nodule. No edema.",
                5,
            ),
        ];
        for (edited, kind) in cases {
            let mut expected = [0; 6];
            expected[kind] = 1;
            assert_eq!(count(text, edited).counts, expected, "{edited}");
        }
    }

    #[test]
    fn green_is_zero_where_nothing_matches_and_undefined_where_nothing_is_said() {
        assert_eq!(count("Left effusion.", "Cardiomegaly.").green(), Some(0.0));
        assert_eq!(count("Portable view.", "Portable view.").green(), None);
        assert_eq!(
            count("Effusion. Left effusion.", "Left effusion.").counts,
            [0; 6]
        );
    }

    #[test]
    fn length_costs_in_the_controlled_form_only() {
        let reference = graphs(&["Left effusion."]).unwrap();
        let hypothesis = graphs(&["There is once more a left effusion."]).unwrap();
        let scores = green(&reference, &hypothesis);
        assert_eq!(scores["green"].value, Some(1.0));
        assert!(scores["lc_green"].value.unwrap() < 0.5);
    }
}
