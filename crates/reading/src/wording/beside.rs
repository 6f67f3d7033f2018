//! Words for what stands beside a finding: verdicts of maps and measures of uncertainty.

use hilum_core::{Finding, MapTrust, MemberSpread, Span};

/// Whether a map may be believed, in one sentence.
pub(crate) fn map_verdict(trust: &MapTrust) -> String {
    if trust.trusted {
        return format!(
            "Changing the marked places moves the answer more than it does for all {} copies of the map moved elsewhere.",
            trust.random
        );
    }
    // The comparison stops once it is lost, so that p is the share of the copies that do as well.
    let as_good = ((trust.p * trust.random as f64).round() as usize).max(1);
    format!(
        "{as_good} of {} copies of the map, moved to random places, do as well: it does not show what the answer rests on.",
        trust.random
    )
}

/// Spread of the answers behind a probability, a line each.
pub(crate) fn uncertainty_lines(finding: &Finding) -> Vec<String> {
    let Some(u) = &finding.uncertainty else {
        return Vec::new();
    };
    let span = |s: Span| format!("Venn-ABERS {:.2} to {:.2}", s.low, s.high);
    let members = |m: MemberSpread| format!("{} networks {:.2} to {:.2}", m.count, m.low, m.high);
    let copies =
        |m: MemberSpread| format!("{} moved copies {:.2} to {:.2}", m.count, m.low, m.high);
    [
        u.venn_abers.map(span),
        u.members.map(members),
        u.augmented.map(copies),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_copies_that_do_as_well_is_told() {
        let mut trust = MapTrust {
            deletion: 0.1,
            insertion: 0.8,
            random_deletion: 0.4,
            random_insertion: 0.4,
            random: 19,
            p: 0.05,
            trusted: true,
        };
        assert!(map_verdict(&trust).contains("all 19 copies"));
        (trust.p, trust.random, trust.trusted) = (0.25, 4, false);
        assert!(map_verdict(&trust).starts_with("1 of 4 copies"));
    }
}
