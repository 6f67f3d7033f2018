//! Whether a fact follows from others: the deterministic engine behind the RadFact scores.
//!
//! The rules, for premise `P` and hypothesis `H` about codes of the taxonomy:
//!
//! * a present `H` follows from a present `P` of the same or a more particular finding that has every
//!   detail `H` has: side, places (a part entails its whole), severity, change, size;
//! * a denied `H` follows from a denied `P` of the same or a more general finding that is not
//!   narrower: no side, place or severity that `H` has not;
//! * a denied `H` also follows from a normal place that it could only be in, and a normal place from
//!   the same or an enclosing one;
//! * a fact left open follows from the same fact, open or present; an open `P` makes nothing sure;
//! * left and right premises together make a bilateral `H`.
//!
//! Size: equal within 10 % or 1 mm, whichever is more.

use super::anatomy::{self, Side};
use super::{Assertion, Fact};
use hilum_core::taxonomy;

/// What a set of premises says about a hypothesis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It follows; from these premises.
    Entailed(Vec<usize>),
    /// Its opposite follows; from this premise.
    Contradicted(usize),
    /// Neither.
    Neutral,
}

/// What `premises` say about `hypothesis`.
pub fn judge(premises: &[Fact], hypothesis: &Fact) -> Verdict {
    if let Some(i) = premises.iter().position(|p| entails(p, hypothesis)) {
        return Verdict::Entailed(vec![i]);
    }
    if let Some(pair) = both_sides(premises, hypothesis) {
        return Verdict::Entailed(pair);
    }
    premises
        .iter()
        .position(|p| contradicts(p, hypothesis))
        .map_or(Verdict::Neutral, Verdict::Contradicted)
}

/// Left from one premise, right from another.
fn both_sides(premises: &[Fact], hypothesis: &Fact) -> Option<Vec<usize>> {
    if hypothesis.side != Some(Side::Bilateral) {
        return None;
    }
    let on = |side: Side| {
        let half = Fact {
            side: Some(side),
            ..hypothesis.clone()
        };
        premises.iter().position(|p| entails(p, &half))
    };
    Some(vec![on(Side::Left)?, on(Side::Right)?])
}

/// Whether `h` follows from `p` alone.
pub fn entails(p: &Fact, h: &Fact) -> bool {
    if p.history != h.history {
        return false;
    }
    if h.is_normal() {
        return p.is_normal() && p.assertion == h.assertion && normal_covers(p, h);
    }
    match (p.assertion, h.assertion) {
        (Assertion::Present, Assertion::Absent) if p.is_normal() => rules_out(p, h),
        (Assertion::Present, Assertion::Present | Assertion::Uncertain)
        | (Assertion::Uncertain, Assertion::Uncertain) => {
            same_or_kind_of(p, h) && has_details(p, h)
        }
        (Assertion::Absent, Assertion::Absent) => same_or_kind_of(h, p) && not_narrower(p, h),
        _ => false,
    }
}

/// Whether `p` and `h` cannot both be so.
pub fn contradicts(p: &Fact, h: &Fact) -> bool {
    if p.history || h.history {
        return false;
    }
    let opposite =
        |a: &Fact, b: &Fact| a.assertion == Assertion::Present && b.assertion == Assertion::Absent;
    let clash = |yes: &Fact, no: &Fact| {
        opposite(yes, no)
            && !yes.is_normal()
            && same_or_kind_of(yes, no)
            && could_be_denied(no, yes)
    };
    let normal_clash = |normal: &Fact, yes: &Fact| {
        normal.is_normal()
            && normal.assertion == Assertion::Present
            && yes.assertion == Assertion::Present
            && !yes.is_normal()
            && {
                // A bilateral finding is also on the side that is said to be normal.
                let shared = normal
                    .side
                    .filter(|n| yes.side.is_some_and(|y| y.covers(*n)));
                let denied = Fact {
                    assertion: Assertion::Absent,
                    side: shared.or(yes.side),
                    ..yes.clone()
                };
                rules_out(normal, &denied)
            }
    };
    clash(p, h) || clash(h, p) || normal_clash(p, h) || normal_clash(h, p)
}

/// A denial that reaches the present fact: no narrower than it, apart from its size.
fn could_be_denied(no: &Fact, yes: &Fact) -> bool {
    let sides = match (no.side, yes.side) {
        (None, _) => true,
        (Some(a), Some(b)) => a.covers(b) || b.covers(a),
        (Some(_), None) => false,
    };
    let places = no
        .places
        .iter()
        .all(|n| yes.places.iter().any(|y| anatomy::within(y, n)));
    sides && places && (no.severity.is_none() || no.severity == yes.severity)
}

/// Whether `a` is the finding `b`, or a kind of it.
pub fn same_or_kind_of(a: &Fact, b: &Fact) -> bool {
    if a.name == b.name {
        return true;
    }
    let below = |code: &str| b.name == taxonomy::ABNORMAL || taxonomy::is_kind_of(code, &b.name);
    a.codes.iter().any(|c| *c == b.name) || a.codes.iter().any(|c| below(c))
}

fn has_details(p: &Fact, h: &Fact) -> bool {
    let side = h.side.is_none_or(|h| p.side.is_some_and(|p| p.covers(h)));
    let place = |wanted: &&str| p.places.iter().any(|have| anatomy::within(have, wanted));
    side && h.places.iter().all(place)
        && h.severity.is_none_or(|s| p.severity == Some(s))
        && h.change.is_none_or(|c| p.change == Some(c))
        && same_size(&p.mm, &h.mm)
}

fn same_size(p: &[f64], h: &[f64]) -> bool {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= (0.1 * b.abs()).max(1.0);
    h.is_empty() || (p.len() == h.len() && p.iter().zip(h).all(close))
}

fn not_narrower(p: &Fact, h: &Fact) -> bool {
    let side = p.side.is_none_or(|p| h.side.is_some_and(|h| p.covers(h)));
    let place = |wider: &&str| h.places.iter().any(|inner| anatomy::within(inner, wider));
    side && p.places.iter().all(place)
        && p.severity.is_none_or(|s| h.severity == Some(s))
        && h.change
            .is_none_or(|c| p.change == Some(c) || p.change.is_none())
}

/// Whether a normal place rules the denied finding out.
fn rules_out(normal: &Fact, denied: &Fact) -> bool {
    let side = normal
        .side
        .is_none_or(|n| denied.side.is_some_and(|d| n.covers(d)));
    let said = |place: &str| {
        normal
            .places
            .iter()
            .any(|n| anatomy::within(place, n) || lobes_of_lung(place, n))
    };
    let home = denied
        .codes
        .iter()
        .find_map(|c| anatomy::home(c))
        .or_else(|| in_lung(denied).then_some("lung"));
    side && home.is_some_and(said) && denied.places.iter().all(|p| said(p))
}

fn lobes_of_lung(place: &str, normal: &str) -> bool {
    normal == "lung" && anatomy::within(place, "lung")
}

/// Findings that clear lungs exclude.
fn in_lung(fact: &Fact) -> bool {
    fact.codes.iter().any(|c| {
        taxonomy::is_kind_of(c, "lung_opacity") || matches!(*c, "lung_opacity" | "lung_lesion")
    })
}

/// The same normal places or enclosing ones, on the same side.
fn normal_covers(p: &Fact, h: &Fact) -> bool {
    let side = p.side.is_none_or(|p| h.side.is_some_and(|h| p.covers(h)));
    let covered = |inner: &&str| p.places.iter().any(|outer| anatomy::within(inner, outer));
    side && !h.places.is_empty() && h.places.iter().all(covered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Extractor;
    use crate::report::ReportText;

    fn facts(text: &str) -> Vec<Fact> {
        let report = ReportText::from_parts(text, "");
        let graph = Extractor::shared()
            .graph(&report, &Default::default())
            .unwrap();
        graph.facts()
    }

    fn follows(premise: &str, hypothesis: &str) -> bool {
        let premises = facts(premise);
        let all = facts(hypothesis);
        assert!(!all.is_empty(), "no fact in {hypothesis}");
        all.iter()
            .all(|h| matches!(judge(&premises, h), Verdict::Entailed(_)))
    }

    fn denied(premise: &str, hypothesis: &str) -> bool {
        let premises = facts(premise);
        facts(hypothesis)
            .iter()
            .any(|h| matches!(judge(&premises, h), Verdict::Contradicted(_)))
    }

    #[test]
    fn what_says_less_follows() {
        assert!(follows("Small left pleural effusion.", "Left effusion."));
        assert!(follows(
            "Pneumonia in the left lower lobe.",
            "Lung opacity on the left."
        ));
        assert!(follows(
            "Left effusion. Right effusion.",
            "Bilateral effusions."
        ));
        assert!(follows("Bilateral effusions.", "Right effusion."));
        assert!(follows("No pleural effusion.", "No left pleural effusion."));
        assert!(follows("The lungs are clear.", "No consolidation."));
        assert!(follows("Pneumothorax.", "Possible pneumothorax."));
        assert!(follows("Nodule of 10 mm.", "A 1 cm nodule."));
    }

    #[test]
    fn what_says_more_does_not() {
        assert!(!follows("Pleural effusion.", "Left pleural effusion."));
        assert!(!follows("Left effusion.", "Small left effusion."));
        assert!(!follows("Left effusion.", "Left effusion, unchanged."));
        assert!(!follows("Lung opacity.", "Pneumonia."));
        assert!(!follows("No left effusion.", "No effusion."));
        assert!(!follows("No large effusion.", "No effusion."));
        assert!(!follows("Possible pneumothorax.", "Pneumothorax."));
        assert!(!follows("The left lung is clear.", "No consolidation."));
        assert!(!follows("Nodule of 10 mm.", "A 14 mm nodule."));
    }

    #[test]
    fn flips_contradict() {
        assert!(denied("No pneumothorax.", "Right pneumothorax."));
        assert!(denied("Right pneumothorax.", "No pneumothorax."));
        assert!(denied(
            "The lungs are clear.",
            "Left lower lobe consolidation."
        ));
        assert!(!denied("No left pneumothorax.", "Right pneumothorax."));
        assert!(denied("The right lung is clear.", "Bilateral infiltrates."));
        assert!(!denied("The right lung is clear.", "Left infiltrate."));
        assert!(!denied("Left effusion.", "Right effusion."));
    }
}
