//! Is a split safe, and can every file be used?

use crate::Progress;
use crate::duplicates::{self, DuplicateConfig, Fingerprint};
use crate::error::{DataError, Result};
use crate::hashes::file_sha256;
use crate::pixels::{self, Arrays};
use crate::sample::{Pixels, Sample, Split};
use crate::splits::{groups, patients_of};
use hilum_image::Recipe;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckConfig {
    /// When two images count as nearly identical.
    pub duplicates: DuplicateConfig,
    /// Also reports nearly identical images of two patients within one split.
    pub within_splits: bool,
    /// How stored values become display values.
    pub recipe: Recipe,
    /// Compares each file with the manifest's `sha256`.
    pub content: bool,
}

/// A patient in more than one split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PatientLeak {
    /// The patient.
    pub patient: String,
    /// Images by split.
    pub splits: BTreeMap<Split, Vec<String>>,
}

/// Two nearly identical images that should not be apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DuplicateLeak {
    /// The earlier image.
    pub a: String,
    /// Its split.
    pub split_a: Option<Split>,
    /// The later image.
    pub b: String,
    /// Its split.
    pub split_b: Option<Split>,
    /// Bits of 256 in which the hashes differ.
    pub distance: u32,
    /// Correlation of the thumbnails.
    pub correlation: f32,
    /// Whether both belong to one patient (or group).
    pub same_patient: bool,
}

/// Something wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileProblem {
    /// The image.
    pub id: String,
    /// What is wrong.
    pub reason: String,
}

/// What [`check`] found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CheckReport {
    /// Images looked at.
    pub images: usize,
    /// Patients in more than one split.
    pub patient_leaks: Vec<PatientLeak>,
    /// Nearly identical images across splits (or, when asked, across patients).
    pub duplicate_leaks: Vec<DuplicateLeak>,
    /// Images that cannot be decoded.
    pub unreadable: Vec<FileProblem>,
    /// Images whose size is not the one listed, and masks that cannot be decoded or differ in size from their image.
    pub size_mismatches: Vec<FileProblem>,
    /// Files whose content is not the one listed.
    pub changed: Vec<FileProblem>,
    /// Ids that are listed more than once.
    pub repeated_ids: Vec<String>,
}

impl CheckReport {
    /// True when nothing was found.
    pub fn is_clean(&self) -> bool {
        self.patient_leaks.is_empty()
            && self.duplicate_leaks.is_empty()
            && self.unreadable.is_empty()
            && self.size_mismatches.is_empty()
            && self.changed.is_empty()
            && self.repeated_ids.is_empty()
    }
}

/// Looks at ids, splits and every file. The order of the samples decides the order of the report, threads do not.
///
/// # Errors
/// [`DataError::Format`] for a broken array file; problems of single files are in the report.
pub fn check(
    samples: &[Sample],
    config: &CheckConfig,
    progress: Option<Progress>,
) -> Result<CheckReport> {
    let arrays = Arrays::load(samples.iter().map(|s| &s.pixels))?;
    let done = AtomicUsize::new(0);
    let looks: Vec<Look> = samples
        .par_iter()
        .map(|s| {
            let look = look_at(s, config, &arrays);
            if let Some(report) = progress {
                report(done.fetch_add(1, Ordering::Relaxed) + 1, samples.len());
            }
            look
        })
        .collect();
    let mut report = CheckReport {
        images: samples.len(),
        patient_leaks: patient_leaks(samples),
        repeated_ids: repeated_ids(samples),
        ..CheckReport::default()
    };
    let mut prints = Vec::with_capacity(looks.len());
    for look in looks {
        prints.push(look.print);
        report.unreadable.extend(look.unreadable);
        report.size_mismatches.extend(look.sizes);
        report.changed.extend(look.changed);
    }
    report.duplicate_leaks = duplicate_leaks(samples, &prints, config);
    Ok(report)
}

/// Patients in more than one split, by id.
pub fn patient_leaks(samples: &[Sample]) -> Vec<PatientLeak> {
    let mut seen: BTreeMap<&str, BTreeMap<Split, Vec<String>>> = BTreeMap::new();
    for s in samples {
        let (Some(split), Some(patient)) = (s.split, &s.patient) else {
            continue;
        };
        for p in patients_of(patient) {
            seen.entry(p)
                .or_default()
                .entry(split)
                .or_default()
                .push(s.id.clone());
        }
    }
    let leaks = seen.into_iter().filter(|(_, splits)| splits.len() > 1);
    leaks
        .map(|(p, splits)| PatientLeak {
            patient: p.to_owned(),
            splits,
        })
        .collect()
}

fn repeated_ids(samples: &[Sample]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<_> = samples
        .iter()
        .filter(|s| !seen.insert((&s.set, &s.id)))
        .map(|s| s.id.clone())
        .collect();
    twice.into_iter().collect()
}

fn duplicate_leaks(
    samples: &[Sample],
    prints: &[Option<Fingerprint>],
    config: &CheckConfig,
) -> Vec<DuplicateLeak> {
    let groups = groups(samples);
    let asked = |a: usize, b: usize| {
        let apart = matches!((samples[a].split, samples[b].split), (Some(x), Some(y)) if x != y);
        apart || (config.within_splits && groups[a] != groups[b])
    };
    let pairs = duplicates::find_pairs(prints, &config.duplicates, asked);
    let leak = |p: duplicates::Pair| DuplicateLeak {
        a: samples[p.a].id.clone(),
        split_a: samples[p.a].split,
        b: samples[p.b].id.clone(),
        split_b: samples[p.b].split,
        distance: p.distance,
        correlation: p.correlation,
        same_patient: groups[p.a] == groups[p.b],
    };
    pairs.into_iter().map(leak).collect()
}

#[derive(Default)]
struct Look {
    print: Option<Fingerprint>,
    unreadable: Option<FileProblem>,
    sizes: Vec<FileProblem>,
    changed: Option<FileProblem>,
}

fn look_at(s: &Sample, config: &CheckConfig, arrays: &Arrays) -> Look {
    let problem = |reason: String| FileProblem {
        id: s.id.clone(),
        reason,
    };
    let mut look = Look::default();
    let plane = match pixels::load_gray(&s.pixels, config.recipe, arrays) {
        Ok(plane) => plane,
        Err(e) => {
            return Look {
                unreadable: Some(problem(e.to_string())),
                ..look
            };
        }
    };
    let size = (plane.width, plane.height);
    if let Some((w, h)) = s.size.filter(|(w, h)| (*w as usize, *h as usize) != size) {
        look.sizes.push(problem(format!(
            "listed as {w}x{h}, stored as {}x{}",
            size.0, size.1
        )));
    }
    look.sizes
        .extend(mask_problems(s, size).into_iter().map(problem));
    if config.content {
        look.changed = content_problem(s).map(problem);
    }
    match Fingerprint::new(plane, s.path()) {
        Ok(print) => look.print = Some(print),
        Err(e) => look.unreadable = Some(problem(e.to_string())),
    }
    look
}

fn mask_problems(s: &Sample, size: (usize, usize)) -> Vec<String> {
    let check = |m: &crate::MaskRef| match pixels::load_mask(m, size) {
        Ok(mask) if (mask.width, mask.height) == size => None,
        Ok(mask) => Some(format!(
            "mask `{}` is {}x{}, the image {}x{}",
            m.name, mask.width, mask.height, size.0, size.1
        )),
        Err(e) => Some(format!("mask `{}`: {e}", m.name)),
    };
    s.masks.iter().filter_map(check).collect()
}

fn content_problem(s: &Sample) -> Option<String> {
    let (Pixels::File(path), Some(stated)) = (&s.pixels, &s.sha256) else {
        return None;
    };
    match file_sha256(path) {
        Ok(found) if found.eq_ignore_ascii_case(stated) => None,
        Ok(found) => Some(format!("sha256 is {found}, listed as {stated}")),
        Err(DataError::Io { source, .. }) => Some(source.to_string()),
        Err(e) => Some(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{MaskForm, MaskRef};
    use std::path::Path;

    fn sample(dir: &Path, name: &str, patient: &str, split: Split, seed: f64) -> Sample {
        let path = dir.join(name);
        let shade = |x: u32, y: u32| {
            let (x, y) = (f64::from(x) / 40.0, f64::from(y) / 30.0);
            image::Luma([(127.0
                + 60.0 * (x * (3.0 + seed)).sin()
                + 60.0 * (y * (5.0 + 2.0 * seed)).cos()) as u8])
        };
        image::GrayImage::from_fn(40, 30, shade)
            .save(&path)
            .unwrap();
        let mut s = Sample::new("x", name, Pixels::File(path));
        (s.patient, s.split) = (Some(patient.into()), Some(split));
        s
    }

    #[test]
    fn leaks_by_id_and_by_picture_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let all = [
            sample(dir.path(), "a.png", "P1", Split::Train, 0.0),
            sample(dir.path(), "b.png", "P1+P9", Split::Test, 2.0),
            sample(dir.path(), "c.png", "P2", Split::Test, 0.0),
            sample(dir.path(), "d.png", "P3", Split::Test, 7.0),
        ];
        let report = check(&all, &CheckConfig::default(), None).unwrap();
        assert_eq!(report.patient_leaks.len(), 1);
        assert_eq!(report.patient_leaks[0].patient, "P1");
        assert_eq!(report.duplicate_leaks.len(), 1);
        let d = &report.duplicate_leaks[0];
        assert_eq!(
            (d.a.as_str(), d.b.as_str(), d.same_patient),
            ("a.png", "c.png", false)
        );
        assert!(!report.is_clean());
        assert!(
            check(&all[1..2], &CheckConfig::default(), None)
                .unwrap()
                .is_clean()
        );
        assert!(
            serde_json::to_string(&report)
                .unwrap()
                .contains("\"patient_leaks\":[{\"patient\":\"P1\"")
        );
    }

    #[test]
    fn bad_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut a = sample(dir.path(), "a.png", "P1", Split::Train, 0.0);
        a.size = Some((41, 30));
        a.sha256 = Some("00".into());
        let mask = dir.path().join("m.png");
        image::GrayImage::new(4, 4).save(&mask).unwrap();
        a.masks.push(MaskRef {
            name: "lungs".into(),
            form: MaskForm::File(mask),
        });
        let mut b = a.clone();
        b.pixels = Pixels::File(dir.path().join("none.png"));
        let report = check(
            &[a, b],
            &CheckConfig {
                content: true,
                ..CheckConfig::default()
            },
            None,
        )
        .unwrap();
        assert_eq!(report.size_mismatches.len(), 2);
        assert!(
            report.size_mismatches[0]
                .reason
                .contains("listed as 41x30, stored as 40x30")
        );
        assert!(
            report.size_mismatches[1]
                .reason
                .contains("mask `lungs` is 4x4")
        );
        assert_eq!((report.changed.len(), report.unreadable.len()), (1, 1));
        assert_eq!(report.repeated_ids, ["a.png"]);
    }
}
