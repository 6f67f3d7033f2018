//! PAXRay: pictures of CTs with a mask of every labelled structure.
//!
//! Seibold et al., "Detailed Annotations of Chest X-Rays via CT Projection for Report Understanding" (BMVC 2022). A pixel belongs to
//! a structure when its ray meets a voxel of it, so masks overlap. Rays are parallel along an axis of the patient, as in the
//! paper, or come from a point; picture and masks go through one geometry. How the paper maps Hounsfield units to grey is
//! not published with its abstract: here it is attenuation, added up and shown from its 1st to its 99.5th percentile.

use crate::clean::drop_small_parts;
use crate::error::SetError;
use crate::ground::{Grounder, sentences};
use crate::inputs::CtInput;
use crate::picture::{key, read_ct, split, write_png};
use crate::reports::{CtReport, Reports};
use crate::rows::{BoxRow, PhraseRow, Row};
use crate::store::{Builder, Part, Summary, write_bytes};
use crate::structures::Names;
use hilum_drr::attenuation::Attenuation;
use hilum_drr::structures::{labels, mask_box, project_labels};
use hilum_drr::{Beam, Geometry, Look, Method, Pose, Projector, View};
use hilum_image::{Mask, draw};
use hilum_volume::load::load;
use hilum_volume::{Vec3, Volume};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name of the set.
pub const NAME: &str = "paxray";

/// What decides about the bytes of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Pixels a side.
    pub size: usize,
    /// Lateral pictures too.
    pub lateral: bool,
    /// Parallel rays over the whole CT; else a point source at a chest stand.
    pub parallel: bool,
    /// Parts of a label smaller than this share of its largest part are dropped.
    pub keep_share: f64,
    /// Words of the licence column.
    pub licence: String,
    /// Version of what is written.
    pub version: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            size: 512,
            lateral: true,
            parallel: true,
            keep_share: 0.1,
            licence: "as the CT".into(),
            version: 1,
        }
    }
}

impl Settings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`SetError::Setting`].
    pub fn validate(&self) -> Result<(), SetError> {
        let bad = |name, value: String, range| Err(SetError::Setting { name, value, range });
        if !(16..=4096).contains(&self.size) {
            return bad("size", self.size.to_string(), "16 to 4096 pixels");
        }
        if !(0.0..=1.0).contains(&self.keep_share) {
            return bad("keep-share", self.keep_share.to_string(), "0 to 1");
        }
        Ok(())
    }
}

/// Label volumes by CT.
#[derive(Debug, Clone)]
pub struct LabelFolder(PathBuf);

/// What stands at the end of label volumes' names in place of what stands at the end of the CTs'.
const ENDS: [&str; 6] = ["", "-labels", "_labels", "_seg", "_label", "_mask"];

impl LabelFolder {
    /// The folder.
    pub fn new(folder: &Path) -> Self {
        LabelFolder(folder.to_owned())
    }

    /// The label volume of a CT: a NIfTI file of its name, or with `_labels`, `-labels`, `_seg`, `_label` or `_mask` after it or in
    /// place of `_ct`, in this folder or at the CT's place below it.
    ///
    /// # Errors
    /// [`SetError::Bad`] when there is none.
    pub fn of(&self, ct: &CtInput) -> Result<PathBuf, SetError> {
        let bare = ct.stem.strip_suffix("_ct").unwrap_or(&ct.stem);
        for name in [ct.name.as_str(), ct.stem.as_str(), bare] {
            for end in ENDS {
                for kind in [".nii.gz", ".nii"] {
                    let path = self.0.join(format!("{name}{end}{kind}"));
                    if path.is_file() && path != ct.path {
                        return Ok(path);
                    }
                }
            }
        }
        Err(SetError::bad(
            &ct.path,
            format!(
                "no label volume in {}: looked for {}, {bare}_labels, {bare}_seg and the like (.nii, .nii.gz)",
                self.0.display(),
                ct.stem
            ),
        ))
    }

    /// Whether a file is a label volume by its name, so that CTs and labels may lie in one folder.
    pub fn names_labels(path: &Path) -> bool {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let stem = crate::inputs::stem(name);
        ENDS[1..].iter().any(|e| stem.ends_with(e))
    }
}

/// Builds the set, or what is missing of it. `done` is called after every CT.
///
/// # Errors
/// Those of [`Builder::build`] and [`Settings::validate`].
pub fn build(
    out: &Path,
    settings: &Settings,
    cts: &[CtInput],
    (folder, names): (&LabelFolder, &Names),
    reports: Option<&Reports>,
    done: impl FnMut(),
) -> Result<Summary, SetError> {
    settings.validate()?;
    let masks = out.join("masks");
    std::fs::create_dir_all(&masks).map_err(|e| SetError::io(&masks, e))?;
    let builder = Builder {
        folder: out,
        name: NAME,
        beside: vec![("structures.csv".into(), names.table().into_bytes())],
    };
    let report = |ct: &CtInput| reports.and_then(|r| r.of(ct));
    let made_from = |ct: &CtInput| {
        let path = folder.of(ct)?;
        let bytes = std::fs::metadata(&path).map_err(|e| SetError::io(&path, e))?;
        let with = format!("{}\t{}\t{:?}", bytes.len(), names.table(), report(ct));
        Ok(key(ct, &with))
    };
    let make = |ct: &CtInput| part(out, settings, ct, &folder.of(ct)?, names, report(ct));
    let mut summary = builder.build(settings, cts, made_from, make, done)?;
    if reports.is_some() {
        summary.without_report = cts.iter().filter(|ct| report(ct).is_none()).count();
    }
    Ok(summary)
}

fn part(
    out: &Path,
    settings: &Settings,
    ct: &CtInput,
    label_path: &Path,
    names: &Names,
    report: Option<&CtReport>,
) -> Result<Part, SetError> {
    let volume = read_ct(ct)?.volume;
    let mut labelled = read_labels(label_path, &volume)?;
    drop_small_parts(&mut labelled, settings.keep_share);
    let mut part = Part::default();
    let lateral = settings.lateral.then_some(true);
    for lateral in std::iter::once(false).chain(lateral) {
        view(
            out,
            settings,
            ct,
            (&volume, &labelled),
            names,
            lateral,
            report,
            &mut part,
        )?;
    }
    Ok(part)
}

#[allow(clippy::too_many_arguments)]
fn view(
    out: &Path,
    settings: &Settings,
    ct: &CtInput,
    (volume, labelled): (&Volume<f32>, &Volume<u8>),
    names: &Names,
    lateral: bool,
    report: Option<&CtReport>,
    part: &mut Part,
) -> Result<(), SetError> {
    let short = if lateral { "lateral" } else { "frontal" };
    let geometry = geometry(settings, lateral, volume)?;
    let mu = Attenuation::default();
    let sums = Projector::new(volume, |hu| mu.of(hu))?.project(&geometry, Method::Siddon);
    let (shown, _) = Look::default().picture(&sums, geometry.pixel)?;
    let path = format!("images/{}-{short}.png", ct.name);
    let sha256 = write_png(out, &path, &shown)?;
    let patient = report
        .and_then(|r| r.patient.clone())
        .unwrap_or_else(|| ct.patient.clone());
    let wanted = labels(labelled);
    let masks: Vec<(String, Mask)> = wanted
        .iter()
        .map(|&l| names.of(l))
        .zip(project_labels(labelled, &wanted, &geometry)?)
        .filter(|m| m.1.count() > 0)
        .collect();
    let mut listed = Vec::new();
    for (name, mask) in &masks {
        let mask_path = format!("masks/{}-{short}-{name}.png", ct.name);
        write_bytes(&out.join(&mask_path), &draw::encode_gray_png(mask)?)?;
        listed.push(format!("{name}={mask_path}"));
        if let Some(b) = mask_box(mask) {
            part.boxes.push(BoxRow {
                path: path.clone(),
                split: split(&patient).into(),
                label: name.clone(),
                x: b.x,
                y: b.y,
                w: b.w,
                h: b.h,
                box_source: "projected label".into(),
            });
        }
    }
    if let Some(report) = report {
        part.phrases.extend(phrases(&path, report, &masks)?);
    }
    part.rows.push(Row {
        path,
        set: NAME.into(),
        split: split(&patient).into(),
        patient_id: patient,
        view: if lateral { "L" } else { "PA" }.into(),
        mask_path: listed.join(";"),
        width: settings.size,
        height: settings.size,
        orig_width: settings.size,
        orig_height: settings.size,
        sex: report.map_or_else(String::new, |r| r.sex.clone()),
        age: report.map_or_else(String::new, |r| r.age.clone()),
        source: "hilum drr-set paxray".into(),
        original_filename: ct.name.clone(),
        licence: settings.licence.clone(),
        sha256,
        notes: format!(
            "data=projected CT;masks={};pixel_mm={:.4}",
            masks.len(),
            geometry.pixel
        ),
        ..Row::default()
    });
    Ok(())
}

/// The labels, which need not lie on the CT's grid: they are projected from their own place in the patient.
fn read_labels(path: &Path, ct: &Volume<f32>) -> Result<Volume<u8>, SetError> {
    let volume = load(path)?.volume;
    let label = |v: f32| v.fract() == 0.0 && (0.0..=255.0).contains(&v);
    if let Some(v) = volume.data.iter().find(|v| !label(**v)) {
        return Err(SetError::bad(
            path,
            format!("{v} is no label: whole numbers from 0 to 255 are"),
        ));
    }
    if overlap(&volume, ct) < 0.5 {
        return Err(SetError::bad(
            path,
            "lies beside the CT: less than half of its extent is in it",
        ));
    }
    Ok(volume.map(|&v| v as u8))
}

/// Lowest and highest corner of a volume in mm.
fn extent<T>(volume: &Volume<T>) -> [Vec3; 2] {
    let mut found = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
    for corner in 0..8usize {
        let index = std::array::from_fn(|k| {
            if corner >> k & 1 == 0 {
                -0.5
            } else {
                volume.size[k] as f64 - 0.5
            }
        });
        let p = volume.affine.apply(index);
        for k in 0..3 {
            found[0][k] = found[0][k].min(p[k]);
            found[1][k] = found[1][k].max(p[k]);
        }
    }
    found
}

/// Share of the first volume's extent that lies in the second's.
fn overlap<T, U>(a: &Volume<T>, b: &Volume<U>) -> f64 {
    let (a, b) = (extent(a), extent(b));
    (0..3)
        .map(|k| {
            let shared = a[1][k].min(b[1][k]) - a[0][k].max(b[0][k]);
            shared.max(0.0) / (a[1][k] - a[0][k])
        })
        .product()
}

fn geometry(
    settings: &Settings,
    lateral: bool,
    volume: &Volume<f32>,
) -> Result<Geometry, SetError> {
    let view = if lateral { View::Lateral } else { View::Pa };
    let size = (settings.size, settings.size);
    let at = |beam, sid, sad, pixel| {
        let pose = Pose::default();
        Geometry::of_view(view, volume.centre(), &pose, beam, sid, sad, pixel, size)
    };
    if !settings.parallel {
        let pixel = 409.6 / settings.size as f64;
        return Ok(at(Beam::Perspective, 1800.0, 1600.0, pixel)?);
    }
    let [low, high] = extent(volume);
    // The same scale for both views: the largest side of the CT fills the picture.
    let largest = (0..3).map(|k| high[k] - low[k]).fold(0.0, f64::max);
    let far = 2.0 * largest;
    Ok(at(
        Beam::Parallel,
        2.0 * far,
        far,
        largest / settings.size as f64,
    )?)
}

fn phrases(
    path: &str,
    report: &CtReport,
    masks: &[(String, Mask)],
) -> Result<Vec<PhraseRow>, SetError> {
    let grounder = Grounder::new(masks);
    let mut rows = Vec::new();
    for phrase in sentences(&report.report) {
        let found = grounder.ground(&phrase)?;
        if found.places.is_empty() {
            continue;
        }
        rows.push(PhraseRow {
            path: path.to_owned(),
            bounds: found
                .mask
                .as_ref()
                .and_then(mask_box)
                .map(|b| [b.x, b.y, b.w, b.h]),
            phrase,
            places: found.places,
            structures: found.structures,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_volume::Affine;

    fn ct(stem: &str) -> CtInput {
        CtInput {
            path: format!("/nowhere/{stem}.nii.gz").into(),
            name: stem.into(),
            stem: stem.into(),
            patient: stem.into(),
            bytes: 1,
        }
    }

    #[test]
    fn label_volumes_are_found_by_the_cts_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = LabelFolder::new(dir.path());
        for (name, stem) in [
            ("a.nii.gz", "a"),
            ("b_labels.nii", "b_ct"),
            ("c-labels.nii.gz", "c"),
        ] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
            assert_eq!(folder.of(&ct(stem)).unwrap(), dir.path().join(name));
        }
        let error = folder.of(&ct("d")).unwrap_err().to_string();
        assert!(error.contains("no label volume"), "{error}");
        assert!(LabelFolder::names_labels(Path::new("x/b_labels.nii.gz")));
        assert!(!LabelFolder::names_labels(Path::new("x/b_ct.nii.gz")));
    }

    #[test]
    fn a_parallel_picture_holds_the_whole_ct() {
        let affine = Affine::axis_aligned([1.0, 1.0, 2.0], [5.0; 3]);
        let v = Volume::filled([40, 30, 60], affine, 0f32);
        for lateral in [false, true] {
            let g = geometry(&Settings::default(), lateral, &v).unwrap();
            assert!((g.pixel - 120.0 / 512.0).abs() < 1e-12);
            for corner in extent(&v) {
                let [x, y] = g.project(corner).unwrap();
                assert!(
                    (-0.51..=511.51).contains(&x) && (-0.51..=511.51).contains(&y),
                    "{x} {y}"
                );
            }
        }
        assert!((overlap(&v, &v) - 1.0).abs() < 1e-12);
        let far = Volume::filled([4; 3], Affine::axis_aligned([1.0; 3], [500.0; 3]), 0u8);
        assert_eq!(overlap(&far, &v), 0.0);
    }
}
