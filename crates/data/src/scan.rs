//! What is in a set: counts, and files that are listed but not there.

use crate::Progress;
use crate::labels::LabelState;
use crate::sample::{MaskForm, Sample};
use crate::splits::patients_of;
use hilum_core::View;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often a code has which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StateCounts {
    /// Present.
    pub positive: usize,
    /// Absent.
    pub negative: usize,
    /// Hedged.
    pub uncertain: usize,
    /// Labelled by the set, not mentioned here.
    pub not_mentioned: usize,
}

/// Counts of one set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SetScan {
    /// Images.
    pub images: usize,
    /// Distinct patients; the parts of joined ids count one by one.
    pub patients: usize,
    /// Images whose patient is not known.
    pub without_patient: usize,
    /// Images by split; `none` where there is no split.
    pub splits: BTreeMap<String, usize>,
    /// Images by view.
    pub views: BTreeMap<String, usize>,
    /// Images with any label in the taxonomy.
    pub labelled: usize,
    /// States by code; a code that is not here is unknown everywhere.
    pub labels: BTreeMap<String, StateCounts>,
    /// States by split and code, for prevalences.
    pub labels_by_split: BTreeMap<String, BTreeMap<String, StateCounts>>,
    /// Words of the set without a code, with their count.
    pub unmapped: BTreeMap<String, usize>,
    /// Contradictions `child over parent` that were resolved for the child, with their count.
    pub conflicts: BTreeMap<String, usize>,
    /// Images with a mask of each structure.
    pub masks: BTreeMap<String, usize>,
    /// Boxes by the set's word.
    pub boxes: BTreeMap<String, usize>,
}

/// A listed file that is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MissingFile {
    /// The image it belongs to.
    pub id: String,
    /// `image` or the name of a mask.
    pub what: String,
    /// The path.
    pub path: PathBuf,
}

/// What [`scan`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ScanReport {
    /// All images.
    pub images: usize,
    /// Counts by set.
    pub sets: BTreeMap<String, SetScan>,
    /// Files that are not there, sorted.
    pub missing: Vec<MissingFile>,
}

/// Counts what the samples say and looks for their files, without opening them.
pub fn scan(samples: &[Sample], progress: Option<Progress>) -> ScanReport {
    let done = AtomicUsize::new(0);
    let look = |s: &Sample| {
        let missing = missing_files(s);
        if let Some(report) = progress {
            report(done.fetch_add(1, Ordering::Relaxed) + 1, samples.len());
        }
        missing
    };
    let mut report = ScanReport {
        images: samples.len(),
        ..ScanReport::default()
    };
    report.missing = samples.par_iter().flat_map_iter(look).collect();
    report.missing.sort();
    let mut patients: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for s in samples {
        count(report.sets.entry(s.set.clone()).or_default(), s);
        let known = patients.entry(&s.set).or_default();
        known.extend(s.patient.as_deref().map(patients_of).into_iter().flatten());
    }
    for (set, known) in patients {
        if let Some(scan) = report.sets.get_mut(set) {
            scan.patients = known.len();
        }
    }
    report
}

fn missing_files(s: &Sample) -> Vec<MissingFile> {
    let absent = |what: &str, path: &std::path::Path| {
        (!path.is_file()).then(|| MissingFile {
            id: s.id.clone(),
            what: what.into(),
            path: path.to_owned(),
        })
    };
    let mask = |m: &crate::MaskRef| match &m.form {
        MaskForm::File(path) | MaskForm::Class { path, .. } => absent(&m.name, path),
        MaskForm::Runs { .. } | MaskForm::Polygon { .. } => None,
    };
    absent("image", s.path())
        .into_iter()
        .chain(s.masks.iter().filter_map(mask))
        .collect()
}

fn count(scan: &mut SetScan, s: &Sample) {
    let split = s.split.map_or("none", |s| s.name());
    scan.images += 1;
    scan.without_patient += usize::from(s.patient.is_none());
    bump(&mut scan.splits, split);
    bump(&mut scan.views, view_name(s.view));
    scan.labelled += usize::from(!s.labels.is_empty());
    for (code, state) in s.labels.iter() {
        add(scan.labels.entry(code.into()).or_default(), state);
        add(
            scan.labels_by_split
                .entry(split.into())
                .or_default()
                .entry(code.into())
                .or_default(),
            state,
        );
    }
    s.labels
        .unmapped()
        .iter()
        .for_each(|w| bump(&mut scan.unmapped, w));
    s.labels.conflicts().iter().for_each(|c| {
        bump(
            &mut scan.conflicts,
            &format!("{} over {}", c.child, c.parent),
        )
    });
    let structures: BTreeSet<&str> = s.masks.iter().map(|m| m.name.as_str()).collect();
    structures
        .into_iter()
        .for_each(|m| bump(&mut scan.masks, m));
    s.boxes.iter().for_each(|b| bump(&mut scan.boxes, &b.label));
}

fn bump(counts: &mut BTreeMap<String, usize>, key: &str) {
    match counts.get_mut(key) {
        Some(n) => *n += 1,
        None => drop(counts.insert(key.to_owned(), 1)),
    }
}

fn add(counts: &mut StateCounts, state: LabelState) {
    match state {
        LabelState::Positive => counts.positive += 1,
        LabelState::Negative => counts.negative += 1,
        LabelState::Uncertain => counts.uncertain += 1,
        LabelState::NotMentioned => counts.not_mentioned += 1,
    }
}

fn view_name(view: View) -> &'static str {
    match view {
        View::Pa => "pa",
        View::Ap => "ap",
        View::Frontal => "frontal",
        View::Lateral => "lateral",
        View::Other => "other",
        View::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Pixels, Split};

    #[test]
    fn counts_and_missing_files() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("a.png");
        std::fs::write(&there, "").unwrap();
        let mut a = Sample::new("x", "a.png", Pixels::File(there));
        (a.patient, a.split) = (Some("P1+P2".into()), Some(Split::Train));
        a.labels.set("mass", LabelState::Positive).unwrap();
        a.labels.close();
        let b = Sample::new("x", "b.png", Pixels::File(dir.path().join("b.png")));
        let report = scan(&[a, b], None);
        let x = &report.sets["x"];
        assert_eq!(
            (x.images, x.patients, x.without_patient, x.labelled),
            (2, 2, 1, 1)
        );
        assert_eq!(
            (x.splits["train"], x.splits["none"], x.views["unknown"]),
            (1, 1, 2)
        );
        assert_eq!(
            (
                x.labels["lung_opacity"].positive,
                x.labels_by_split["train"]["mass"].positive
            ),
            (1, 1)
        );
        assert_eq!(report.missing.len(), 1);
        assert_eq!(
            (
                report.missing[0].id.as_str(),
                report.missing[0].what.as_str()
            ),
            ("b.png", "image")
        );
        assert!(
            serde_json::to_string(&report)
                .unwrap()
                .contains("\"lung_opacity\"")
        );
    }
}
