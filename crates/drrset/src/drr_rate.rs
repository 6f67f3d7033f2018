//! DRR-RATE: pictures of CTs with the labels of their reports.
//!
//! Hou, Chen, Lu, Tang, Summers, "DRR-RATE: A Large Scale Synthetic Chest X-ray Dataset Complete with Radiological Reports" (2024).
//! The release ran an ITK projector with a threshold of -100 HU, the volume moved 300 mm away from the source and
//! else its defaults: 1000 mm from the source to the plane of the picture, 512x512 pixels of 0.51 mm in that plane, the weight of a voxel its
//! value over the threshold, the picture stretched from its smallest to its largest value. [`Mode::Release`] does that;
//! [`Mode::Physical`] attenuates as X-rays are and stands the patient at a chest stand.

use crate::classes::{CLASSES, values};
use crate::error::SetError;
use crate::inputs::CtInput;
use crate::picture::{key, read_ct, split, write_png};
use crate::reports::{CtReport, Reports};
use crate::rows::{LabelRow, Row};
use crate::store::{Builder, Part, Summary};
use hilum_drr::attenuation::Attenuation;
use hilum_drr::geometry::length;
use hilum_drr::{Beam, Geometry, Look, Method, Pose, Projector, View};
use hilum_image::Gray;
use hilum_text::{LabelOptions, Labeler};
use hilum_volume::{Vec3, Volume};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the set.
pub const NAME: &str = "drr_rate";
/// Voxels at or under this count as nothing, HU.
const THRESHOLD: f32 = -100.0;
/// From the source to the plane in which pixels are measured, mm.
const PLANE: f64 = 1000.0;
/// How far the volume is moved away from the source, mm.
const OFFSET: f64 = 300.0;
/// Side of a pixel of a picture of 512 in that plane, mm.
const PIXEL: f64 = 0.51;
/// Pixels that the release's pictures have a side.
const SIZE: f64 = 512.0;

/// How the pictures are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "mode")]
pub enum Mode {
    /// As the release.
    Release,
    /// Attenuation at an energy (0.02 per mm of water when `None`) at a chest stand.
    Physical {
        /// keV.
        energy: Option<f64>,
        /// Scatter, noise, blur and film curve.
        radiograph: bool,
    },
}

/// One projection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shot {
    /// From the front (release) or the back (physical).
    Frontal,
    /// From the side.
    Lateral,
    /// The frontal view with the patient turned by so many degrees, positive to the patient's left.
    Angle(f64),
}

impl Shot {
    /// `frontal`, `lateral` or a number of degrees.
    pub fn parse(text: &str) -> Option<Shot> {
        match text {
            "frontal" => Some(Shot::Frontal),
            "lateral" => Some(Shot::Lateral),
            _ => text
                .parse()
                .ok()
                .filter(|a: &f64| a.abs() <= 180.0)
                .map(Shot::Angle),
        }
    }

    /// As in file names.
    pub fn name(self) -> String {
        match self {
            Shot::Frontal => "frontal".into(),
            Shot::Lateral => "lateral".into(),
            Shot::Angle(a) => format!("angle{a}"),
        }
    }

    fn column(self, mode: &Mode) -> &'static str {
        match (self, mode) {
            (Shot::Frontal, Mode::Release) => "AP",
            (Shot::Frontal, Mode::Physical { .. }) => "PA",
            (Shot::Lateral, _) => "L",
            (Shot::Angle(_), _) => "oblique",
        }
    }
}

/// What decides about the bytes of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How the pictures are made.
    #[serde(flatten)]
    pub mode: Mode,
    /// Which pictures.
    pub shots: Vec<Shot>,
    /// Pixels a side.
    pub size: usize,
    /// Words of the licence column.
    pub licence: String,
    /// Version of what is written.
    pub version: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            mode: Mode::Release,
            shots: vec![Shot::Frontal, Shot::Lateral],
            size: 512,
            licence: "as the CT".into(),
            version: 1,
        }
    }
}

impl Settings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`SetError::Setting`], [`SetError::Drr`].
    pub fn validate(&self) -> Result<(), SetError> {
        let bad = |name, value: String, range| Err(SetError::Setting { name, value, range });
        if !(16..=4096).contains(&self.size) {
            return bad("size", self.size.to_string(), "16 to 4096 pixels");
        }
        if self.shots.is_empty() {
            return bad("views", "none".into(), "at least one");
        }
        let mut names: Vec<String> = self.shots.iter().map(|s| s.name()).collect();
        names.sort();
        names.dedup();
        if names.len() < self.shots.len() {
            return bad("views", format!("{:?}", self.shots), "each once");
        }
        if let Mode::Physical {
            energy: Some(kev), ..
        } = self.mode
        {
            Attenuation::at_energy(kev)?;
        }
        Ok(())
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
    reports: Option<&Reports>,
    done: impl FnMut(),
) -> Result<Summary, SetError> {
    settings.validate()?;
    let builder = Builder {
        folder: out,
        name: NAME,
        beside: vec![(
            "classes.json".into(),
            serde_json::to_vec_pretty(&CLASSES).map_err(|e| SetError::bad(out, e.to_string()))?,
        )],
    };
    let report = |ct: &CtInput| reports.and_then(|r| r.of(ct));
    let mut summary = builder.build(
        settings,
        cts,
        |ct| Ok(key(ct, &format!("{:?}", report(ct)))),
        |ct| part(out, settings, ct, report(ct), reports.is_some()),
        done,
    )?;
    if reports.is_some() {
        summary.without_report = cts.iter().filter(|ct| report(ct).is_none()).count();
    }
    Ok(summary)
}

fn part(
    out: &Path,
    settings: &Settings,
    ct: &CtInput,
    report: Option<&CtReport>,
    wanted: bool,
) -> Result<Part, SetError> {
    let labelled = report.map(Labelled::of).transpose()?;
    let volume = read_ct(ct)?.volume;
    let mut rows = Vec::new();
    for &shot in &settings.shots {
        let geometry = geometry(settings, shot, volume.centre())?;
        let shown = picture(settings, &volume, &geometry)?;
        let path = format!("images/{}-{}.png", ct.name, shot.name());
        let sha256 = write_png(out, &path, &shown)?;
        let patient = report
            .and_then(|r| r.patient.clone())
            .unwrap_or_else(|| ct.patient.clone());
        rows.push(Row {
            path,
            set: NAME.into(),
            split: split(&patient).into(),
            view: shot.column(&settings.mode).into(),
            labels: labelled
                .as_ref()
                .map_or_else(String::new, |l| l.words.clone()),
            label_source: if labelled.is_some() {
                "report of the CT, hilum's labeler".into()
            } else {
                String::new()
            },
            width: settings.size,
            height: settings.size,
            orig_width: settings.size,
            orig_height: settings.size,
            sex: report.map_or_else(String::new, |r| r.sex.clone()),
            age: report.map_or_else(String::new, |r| r.age.clone()),
            source: "hilum drr-set drr-rate".into(),
            original_filename: ct.name.clone(),
            licence: settings.licence.clone(),
            sha256,
            notes: notes(shot, labelled.as_ref(), wanted),
            patient_id: patient,
            ..Row::default()
        });
    }
    Ok(Part {
        rows,
        labels: labelled.map(|l| LabelRow {
            ct: ct.name.clone(),
            values: l.values.to_vec(),
        }),
        ..Part::default()
    })
}

/// What a report says about the 18 classes.
struct Labelled {
    values: [Option<i8>; 18],
    words: String,
    uncertain: String,
}

impl Labelled {
    fn of(report: &CtReport) -> Result<Self, SetError> {
        let labels = Labeler::shared().label(&report.report, &LabelOptions::default())?;
        let values = values(&labels);
        let named = |wanted: i8| {
            let hit = CLASSES
                .iter()
                .zip(&values)
                .filter(|(_, v)| **v == Some(wanted));
            hit.map(|(c, _)| c.name).collect::<Vec<_>>().join("|")
        };
        let mut words = named(1);
        if words.is_empty() && labels.value("no_finding").is_some_and(|v| v.as_i8() == 1) {
            words = "No Finding".into();
        }
        Ok(Labelled {
            words,
            uncertain: named(-1),
            values,
        })
    }
}

fn notes(shot: Shot, labelled: Option<&Labelled>, wanted: bool) -> String {
    let mut notes = vec![
        "data=projected CT".to_owned(),
        format!("shot={}", shot.name()),
    ];
    match labelled {
        Some(l) if !l.uncertain.is_empty() => notes.push(format!("uncertain={}", l.uncertain)),
        None if wanted => notes.push("report=missing".into()),
        _ => {}
    }
    notes.join(";")
}

/// Source and detector. In the release's geometry the detector is put behind the body, with pixels that are 0.51 mm in the
/// plane at 1000 mm: the rays are the same.
fn geometry(settings: &Settings, shot: Shot, centre: Vec3) -> Result<Geometry, SetError> {
    let turn = |yaw| Pose {
        yaw,
        ..Pose::default()
    };
    let size = (settings.size, settings.size);
    let Mode::Release = settings.mode else {
        let (view, pose) = match shot {
            Shot::Frontal => (View::Pa, Pose::default()),
            Shot::Lateral => (View::Lateral, Pose::default()),
            Shot::Angle(a) => (View::Pa, turn(a)),
        };
        let pixel = 409.6 / settings.size as f64;
        let beam = Beam::Perspective;
        return Ok(Geometry::of_view(
            view, centre, &pose, beam, 1800.0, 1600.0, pixel, size,
        )?);
    };
    let pose = match shot {
        Shot::Frontal => Pose::default(),
        // -90 degrees about z turn the front to the patient's right.
        Shot::Lateral => turn(-90.0),
        Shot::Angle(a) => turn(a),
    };
    let (sad, sid) = (PLANE + OFFSET, 2.0 * (PLANE + OFFSET));
    let pixel = PIXEL * (SIZE / settings.size as f64) * sid / PLANE;
    Ok(Geometry::of_view(
        View::Ap,
        centre,
        &pose,
        Beam::Perspective,
        sid,
        sad,
        pixel,
        size,
    )?)
}

/// Values from 0 to 1, bone bright.
fn picture(
    settings: &Settings,
    volume: &Volume<f32>,
    geometry: &Geometry,
) -> Result<Gray, SetError> {
    match settings.mode {
        Mode::Release => {
            let weight = |hu: f32| if hu > THRESHOLD { hu - THRESHOLD } else { 0.0 };
            let sums = Projector::new(volume, weight)?.project(geometry, Method::Siddon);
            Ok(stretched(&per_ray(&sums, geometry)))
        }
        Mode::Physical { energy, radiograph } => {
            let mu = match energy {
                Some(kev) => Attenuation::at_energy(kev)?,
                None => Attenuation::default(),
            };
            let sums = Projector::new(volume, |hu| mu.of(hu))?.project(geometry, Method::Siddon);
            let look = if radiograph {
                Look::radiograph(0)
            } else {
                Look::default()
            };
            Ok(look.picture(&sums, geometry.pixel)?.0)
        }
    }
}

/// The release's projector measures along a ray in shares of its length.
fn per_ray(sums: &Gray, geometry: &Geometry) -> Gray {
    Gray::from_fn(sums.width, sums.height, |x, y| {
        let ray = geometry.ray(x as f64, y as f64);
        sums.data[y * sums.width + x] / length(&ray) as f32
    })
}

/// From the smallest value to the largest; black where all are the same.
fn stretched(values: &Gray) -> Gray {
    let (low, high) = values.min_max().unwrap_or((0.0, 0.0));
    let range = high - low;
    values.map(|&v| if range > 0.0 { (v - low) / range } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_volume::Affine;

    #[test]
    fn the_release_has_its_pixels_in_the_plane_at_one_metre() {
        let settings = Settings::default();
        let g = geometry(&settings, Shot::Frontal, [10.0, 20.0, 30.0]).unwrap();
        // The volume's centre is 1300 mm from the source, in front of the patient.
        assert!((g.source[1] - (20.0 - 1300.0)).abs() < 1e-9);
        // A thing in the plane at 1000 mm moves by one pixel every 0.51 mm.
        let a = g.project([10.0, -280.0, 30.0]).unwrap();
        let b = g.project([10.51, -280.0, 30.0]).unwrap();
        assert!((b[0] - a[0] - 1.0).abs() < 1e-9);
        // The lateral: the source at the patient's left, the front on the left of the picture.
        let l = geometry(&settings, Shot::Lateral, [0.0; 3]).unwrap();
        assert!(l.source[0] > 1299.0, "{:?}", l.source);
        assert!(l.project([0.0, -50.0, 0.0]).unwrap()[0] < 255.0);
    }

    #[test]
    fn weights_start_at_the_threshold() {
        let affine = Affine::axis_aligned([2.0; 3], [-39.0; 3]);
        let mut v = Volume::filled([40; 3], affine, -1000f32);
        let settings = Settings {
            size: 64,
            ..Settings::default()
        };
        for (hu, share) in [(-101.0, 0.0), (-50.0, 0.5), (0.0, 1.0)] {
            // A soft block beside one of 0 HU.
            for at in 0..v.data.len() {
                let [i, j, k] = v.index_of(at);
                let inside = (10..30).contains(&j) && (10..30).contains(&k);
                v.data[at] = match i {
                    5..=15 if inside => hu,
                    24..=34 if inside => 0.0,
                    _ => -1000.0,
                };
            }
            let g = geometry(&settings, Shot::Frontal, [0.0; 3]).unwrap();
            let shown = picture(&settings, &v, &g).unwrap();
            let at = |x: f64| {
                let [x, y] = g
                    .project([x, 0.0, 0.0])
                    .unwrap()
                    .map(|v| v.round() as usize);
                shown.data[y * 64 + x]
            };
            let ratio = at(-18.0) / at(20.0);
            assert!((ratio - share).abs() < 0.06, "{hu}: {ratio}");
        }
    }

    #[test]
    fn shots_are_parsed_and_settings_checked() {
        assert_eq!(Shot::parse("lateral"), Some(Shot::Lateral));
        assert_eq!(Shot::parse("-45"), Some(Shot::Angle(-45.0)));
        assert_eq!(Shot::parse("sideways"), None);
        let twice = Settings {
            shots: vec![Shot::Frontal, Shot::Frontal],
            ..Settings::default()
        };
        assert!(twice.validate().is_err());
    }
}
