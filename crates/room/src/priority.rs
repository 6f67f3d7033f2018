//! In which order studies deserve a look.
//!
//! The priority of a reading is a number between 0 and 1:
//!
//! - **not analysable**: 0.5. The program does not know, so a person should, but it has seen nothing that presses either;
//! - **something present** (the conformal answer of at least one finding is "present"): `0.5 + 0.5 * p`, where `p` is the largest calibrated
//!   probability among those findings;
//! - **something undecided** and nothing present: `0.5 * max(p, h)`, where `p` is the largest calibrated probability and `h` the largest entropy
//!   (in bits) among the undecided findings: either makes a look worth while;
//! - **neither**: `0.1 * h` with the largest entropy among all assessed findings.
//!
//! It sorts a work list and nothing else: it is no statement about urgency, and no finding weighs more than another.

use hilum_core::{Finding, FindingStatus, PredictionSet, Reading};

/// A priority and why it is what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Priority {
    /// Between 0 and 1.
    pub value: f64,
    /// In words, the strongest first.
    pub reasons: Vec<String>,
}

/// Entropy of a probability in bits: 0 sure, 1 an even chance.
pub fn entropy(p: f64) -> f64 {
    let part = |q: f64| if q > 0.0 { -q * q.log2() } else { 0.0 };
    part(p) + part(1.0 - p)
}

/// Entropy of a finding's answer; null when it has no probability.
pub fn uncertainty_of(finding: &Finding) -> Option<f64> {
    if finding.status != FindingStatus::Assessed {
        return None;
    }
    let told = finding.uncertainty.as_ref().map(|u| u.entropy);
    told.or_else(|| finding.probability.map(entropy))
        .filter(|h| h.is_finite())
}

/// The largest entropy among the assessed findings; null when nothing was assessed.
pub fn uncertainty(reading: &Reading) -> Option<f64> {
    reading
        .findings
        .iter()
        .filter_map(uncertainty_of)
        .max_by(f64::total_cmp)
}

/// Priority of a reading.
pub fn priority(reading: &Reading) -> Priority {
    if !reading.gate.analysable {
        let why = reading.gate.reasons.iter().filter(|r| r.blocking);
        let mut reasons = vec!["not analysable by the program, so a person should look".to_owned()];
        reasons.extend(why.map(|r| r.message.clone()));
        return Priority {
            value: 0.5,
            reasons,
        };
    }
    let present = of_set(reading, PredictionSet::Present);
    if let Some(top) = largest(&present) {
        return Priority {
            value: 0.5 + 0.5 * top,
            reasons: words(&present, "present"),
        };
    }
    let undecided = of_set(reading, PredictionSet::Undecided);
    if let Some(top) = largest(&undecided) {
        let entropy = undecided.iter().filter_map(|f| uncertainty_of(f));
        let value = entropy.fold(top, f64::max);
        return Priority {
            value: 0.5 * value.clamp(0.0, 1.0),
            reasons: words(&undecided, "not decided"),
        };
    }
    let h = uncertainty(reading).unwrap_or(0.0);
    let reason = match reading.findings.iter().any(|f| f.set.is_some()) {
        true => format!("nothing present or undecided; largest entropy {h:.2} bits"),
        false => "nothing was assessed".to_owned(),
    };
    Priority {
        value: 0.1 * h.clamp(0.0, 1.0),
        reasons: vec![reason],
    }
}

/// Assessed findings with a conformal answer, the most probable first.
pub(crate) fn of_set(reading: &Reading, set: PredictionSet) -> Vec<&Finding> {
    let fits = |f: &&Finding| f.status == FindingStatus::Assessed && f.set == Some(set);
    let mut found: Vec<&Finding> = reading.findings.iter().filter(fits).collect();
    found.sort_by(|a, b| {
        let p = |f: &Finding| f.probability.unwrap_or(0.0);
        p(b).total_cmp(&p(a)).then_with(|| a.code.cmp(&b.code))
    });
    found
}

fn largest(findings: &[&Finding]) -> Option<f64> {
    let p = findings.iter().map(|f| f.probability.unwrap_or(0.0));
    p.max_by(f64::total_cmp).map(|p| p.clamp(0.0, 1.0))
}

fn words(findings: &[&Finding], what: &str) -> Vec<String> {
    let one = |f: &&Finding| match f.probability {
        Some(p) => format!("{} {what}, probability {p:.2}", f.name),
        None => format!("{} {what}", f.name),
    };
    findings.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_reading::sample;
    use proptest::prelude::*;

    fn only(set: PredictionSet, p: f64) -> Reading {
        let mut reading = sample::reading();
        reading.gate.analysable = true;
        reading.findings.truncate(1);
        let finding = &mut reading.findings[0];
        finding.status = FindingStatus::Assessed;
        finding.set = Some(set);
        finding.probability = Some(p);
        finding.uncertainty = None;
        reading
    }

    #[test]
    fn present_comes_before_not_analysable_before_undecided_before_absent() {
        let of = |set, p| priority(&only(set, p)).value;
        let mut stopped = only(PredictionSet::Absent, 0.1);
        stopped.gate.analysable = false;
        let stopped = priority(&stopped).value;
        assert!(of(PredictionSet::Present, 0.3) > stopped);
        assert!(stopped >= of(PredictionSet::Undecided, 0.5));
        assert!(of(PredictionSet::Undecided, 0.2) > of(PredictionSet::Absent, 0.2));
    }

    #[test]
    fn reasons_name_the_findings() {
        let reading = only(PredictionSet::Present, 0.8);
        let name = reading.findings[0].name.clone();
        let reasons = priority(&reading).reasons;
        assert_eq!(reasons, [format!("{name} present, probability 0.80")]);
    }

    proptest! {
        #[test]
        fn it_is_between_0_and_1_and_grows_with_what_is_present(a in 0.0..1.0f64, b in 0.0..1.0f64) {
            let (low, high) = (a.min(b), a.max(b));
            for set in [PredictionSet::Present, PredictionSet::Undecided, PredictionSet::Absent] {
                let value = priority(&only(set, a)).value;
                prop_assert!((0.0..=1.0).contains(&value));
            }
            let at = |p| priority(&only(PredictionSet::Present, p)).value;
            prop_assert!(at(low) <= at(high));
        }
    }
}
