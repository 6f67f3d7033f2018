//! The same patient later: findings grow, shrink, go and come.

use crate::findings::draw::{first, one};
use crate::findings::{Change, Finding, Kind, grade_of};
use crate::patient::{Exposure, Patient};
use crate::random::{Draws, Purpose};

/// What a patient has on the day of one study.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// Number of the study, 0 for the first.
    pub number: u64,
    /// Days since the first study.
    pub day: u32,
    /// The findings.
    pub findings: Vec<Finding>,
    /// Findings of the study before that are gone.
    pub resolved: Vec<Finding>,
    /// How it was taken.
    pub exposure: Exposure,
}

/// How many studies a patient has, at most `most`.
pub fn studies(seed: u64, patient: u64, most: u64) -> u64 {
    let mut d = Draws::new(seed, Purpose::Findings, patient, 1000);
    let drawn = match d.unit() {
        u if u < 0.55 => 1,
        u if u < 0.82 => 2,
        _ => 3,
    };
    drawn.min(most.max(1))
}

/// A study of a patient; later ones are worked out from the first.
pub fn visit(seed: u64, patient: &Patient, number: u64) -> Visit {
    let mut d = Draws::new(seed, Purpose::Findings, patient.number, 0);
    let (findings, supine) = first(patient, &mut d);
    let exposure = |number, supine| Exposure::draw(seed, patient.number, number, supine);
    let mut now = Visit {
        number: 0,
        day: 0,
        findings,
        resolved: Vec::new(),
        exposure: exposure(0, supine),
    };
    for step in 1..=number {
        let mut d = Draws::new(seed, Purpose::Findings, patient.number, step);
        now = next(now, patient, &mut d);
        now.exposure = exposure(step, now.exposure.supine);
    }
    now
}

fn next(before: Visit, patient: &Patient, d: &mut Draws) -> Visit {
    let supine = if d.chance(0.75) {
        before.exposure.supine
    } else {
        !before.exposure.supine
    };
    let gap = if before.exposure.supine && supine {
        d.range(1.0, 6.0)
    } else {
        d.range(5.0, 420.0)
    };
    let mut last_id = before.findings.iter().map(|f| f.id).max().unwrap_or(0);
    let (mut findings, mut resolved) = (Vec::new(), Vec::new());
    for f in &before.findings {
        match progress(f, patient, supine, d) {
            Some(f) => findings.push(f),
            None => resolved.push(f.clone()),
        }
    }
    if d.chance(0.35) {
        let kind = *d.pick(&[
            Kind::Nodule,
            Kind::Consolidation,
            Kind::Effusion,
            Kind::Pneumothorax,
            Kind::Atelectasis,
            Kind::Oedema,
            Kind::GroundGlass,
        ]);
        let side = d.side();
        if findings.iter().all(|f| f.kind != kind) {
            last_id += 1;
            let mut f = one(kind, side, last_id, patient, d);
            f.change = Change::New;
            findings.push(f);
        }
    }
    let mut exposure = before.exposure;
    exposure.supine = supine;
    Visit {
        number: before.number + 1,
        day: before.day + gap as u32,
        findings,
        resolved,
        exposure,
    }
}

/// Largest size that a kind keeps its name with, and the size under which it is gone.
fn limits(kind: Kind) -> (f64, f64) {
    match kind {
        Kind::Nodule => (30.0, 4.0),
        Kind::Mass => (90.0, 31.0),
        Kind::Consolidation | Kind::GroundGlass => (65.0, 14.0),
        Kind::Pneumothorax => (58.0, 5.0),
        Kind::Atelectasis => (95.0, 25.0),
        Kind::Cardiomegaly => (1.65, 1.08),
        _ => (1.0, 0.12),
    }
}

fn progress(f: &Finding, patient: &Patient, supine: bool, d: &mut Draws) -> Option<Finding> {
    let mut out = f.clone();
    out.change = Change::Unchanged;
    match f.kind {
        // Tubes and lines go when the patient gets up.
        Kind::EndotrachealTube | Kind::NasogastricTube => {
            return (supine && d.chance(0.8)).then_some(out);
        }
        Kind::CentralLine => return (supine || d.chance(0.2)).then_some(out),
        Kind::ChestTube => return d.chance(0.5).then_some(out),
        Kind::Pacemaker | Kind::SternalWires | Kind::RibFracture => return Some(out),
        Kind::Emphysema | Kind::Interstitial => {
            if d.chance(0.3) {
                out.size = (out.size * 1.2).min(1.0);
            }
        }
        Kind::Cardiomegaly => {
            // The factor's share over 1 changes.
            out.size = 1.0 + (out.size - 1.0) * d.range(0.75, 1.3);
            // Below this the heart would no longer be enlarged.
            out.size = out.size.max(0.52 / patient.heart);
        }
        _ => match d.unit() {
            u if u < 0.30 => out.size *= d.range(1.15, 1.6),
            u if u < 0.62 => out.size *= d.range(0.4, 0.85),
            u if u < 0.74 => return None,
            _ => {}
        },
    }
    let (most, least) = limits(f.kind);
    out.size = out.size.min(most);
    if out.size < least {
        return None;
    }
    let ratio = out.size / f.size;
    out.change = if ratio > 1.1 {
        Change::Larger
    } else if ratio < 0.9 {
        Change::Smaller
    } else {
        Change::Unchanged
    };
    out.grade = grade_of(out.kind, out.size);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_studies_know_the_earlier_ones() {
        let (mut kept, mut came) = (0, 0);
        for number in 0..200 {
            let patient = Patient::draw(5, number);
            let (a, b) = (visit(5, &patient, 0), visit(5, &patient, 1));
            assert_eq!(a, visit(5, &patient, 0));
            assert!(b.day > a.day);
            assert!(a.findings.iter().all(|f| f.change == Change::First));
            for f in &b.findings {
                match a.findings.iter().find(|g| g.id == f.id) {
                    Some(old) => {
                        kept += 1;
                        assert_eq!((old.kind, old.side, old.form), (f.kind, f.side, f.form));
                        assert_eq!(f.change == Change::Larger, f.size > 1.1 * old.size);
                        assert_eq!(f.change == Change::Smaller, f.size < 0.9 * old.size);
                    }
                    None => {
                        came += 1;
                        assert_eq!(f.change, Change::New);
                    }
                }
            }
            let ids = |v: &[Finding]| v.iter().map(|f| f.id).collect::<Vec<_>>();
            let gone = a
                .findings
                .iter()
                .filter(|f| !ids(&b.findings).contains(&f.id))
                .count();
            assert_eq!(gone, b.resolved.len());
        }
        assert!(kept > 50 && came > 20);
    }

    #[test]
    fn every_kind_occurs() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..1500 {
            let patient = Patient::draw(2, number);
            seen.extend(visit(2, &patient, 0).findings.iter().map(|f| f.kind));
        }
        for kind in Kind::ALL {
            assert!(seen.contains(&kind), "{kind:?}");
        }
    }
}
