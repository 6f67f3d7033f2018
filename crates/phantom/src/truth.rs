//! What is known of a study because it was made so.

use crate::anatomy::{APEX, Organ, Thorax, cage};
use crate::error::PhantomError;
use crate::findings::Finding;
use crate::lobes::Lobe;
use crate::patient::{Exposure, Patient};
use crate::render::Scene;
use crate::skeleton::{rib_line, vertebra};
use crate::solids::Part;
use crate::trees::carina;
use hilum_drr::Geometry;
use hilum_drr::structures::{PixelBox, mask_box};
use hilum_image::Mask;
use hilum_image::chest::widest_span;
use hilum_volume::Vec3;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The truth about one study, a line of `truth.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyTruth {
    /// Kind of data: always phantom.
    pub data: String,
    /// Name of the study.
    pub study: String,
    /// Name of the patient.
    pub patient_id: String,
    /// Study before, if there is one.
    pub prior: Option<String>,
    /// Days since the patient's first study.
    pub day: u32,
    /// The body.
    pub patient: Patient,
    /// How it was taken.
    pub exposure: Exposure,
    /// The findings with grade, place and size.
    pub findings: Vec<Finding>,
    /// Findings of the study before that are gone.
    pub resolved: Vec<Finding>,
    /// What can be measured on the frontal picture.
    pub measurements: Measurements,
    /// The pictures.
    pub views: Vec<ViewTruth>,
}

/// Measures on the frontal picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// Widest heart over widest inside of the thorax; null without heart or lungs in the picture.
    pub cardiothoracic_ratio: Option<f64>,
    /// Posterior ribs over the right dome beside the middle of the clavicle.
    pub ribs_over_right_dome: usize,
    /// Angle of the main bronchi in degrees.
    pub carina_angle: f64,
    /// Shorter over longer distance of the clavicles' medial ends to the spine's middle; 1 is not rotated.
    pub clavicle_ratio: Option<f64>,
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewTruth {
    /// PA, AP or L.
    pub view: String,
    /// The picture, relative to the set.
    pub path: String,
    /// Where source and detector were.
    pub geometry: Geometry,
    /// Masks of organs and findings.
    pub masks: Vec<MaskTruth>,
    /// Points in pixels, column and row with whole numbers at pixel centres.
    pub landmarks: BTreeMap<String, [f64; 2]>,
}

/// One mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskTruth {
    /// Organ, or `finding-<id>-<kind>`.
    pub name: String,
    /// The file, relative to the set.
    pub path: String,
    /// Pixels in it.
    pub area: usize,
    /// Box around it; null when it is out of the picture.
    #[serde(rename = "box")]
    pub bounds: Option<PixelBox>,
    /// Number of the finding.
    pub finding: Option<u16>,
}

/// Named points in mm.
pub fn landmarks(thorax: &Thorax) -> Vec<(String, Vec3)> {
    let mut all = vec![("carina".to_owned(), carina())];
    let mut add = |name: String, p: Vec3| all.push((name, p));
    for (side, s) in [("right", -1.0), ("left", 1.0)] {
        add(format!("{side}_apex"), [s * 52.0, 18.0, APEX]);
        add(
            format!("{side}_dome"),
            [s * 60.0, -12.0, thorax.diaphragm(s * 60.0, -12.0)],
        );
        let wall = cage(-120.0)[0] * s;
        add(
            format!("{side}_costophrenic_angle"),
            [wall, 5.0, thorax.diaphragm(wall, 5.0)],
        );
        add(format!("{side}_clavicle_medial"), [s * 17.0, -40.0, 93.0]);
        for n in 1..=12 {
            add(
                format!("{side}_rib_{n}_lateral"),
                rib_line(thorax, s, n, 0.5),
            );
        }
    }
    for n in [3, 6, 9] {
        let z = vertebra(f64::from(n));
        let [x, y] = crate::anatomy::spine_at(&thorax.patient, z);
        add(format!("T{n}_body"), [x, y, z]);
        add(format!("T{n}_spinous_process"), [x, y + 50.0, z - 17.0]);
    }
    all.into_iter()
        .map(|(name, p)| (name, thorax.to_mm(p)))
        .collect()
}

/// The landmarks on a picture, those outside left out.
pub fn on_picture(thorax: &Thorax, geometry: &Geometry) -> BTreeMap<String, [f64; 2]> {
    let inside = |p: &[f64; 2]| {
        p[0] >= 0.0 && p[1] >= 0.0 && p[0] < geometry.width as f64 && p[1] < geometry.height as f64
    };
    landmarks(thorax)
        .into_iter()
        .filter_map(|(name, p)| Some((name, geometry.project(p).filter(inside)?)))
        .map(|(name, p)| (name, p.map(|v| (v * 100.0).round() / 100.0)))
        .collect()
}

/// Masks of organs and bones by name.
///
/// # Errors
/// [`PhantomError::Drr`], [`PhantomError::Image`].
pub fn anatomy_masks(
    scene: &Scene,
    geometry: &Geometry,
    lateral: bool,
) -> Result<Vec<(String, Mask)>, PhantomError> {
    let organ = |o| scene.organ(o, geometry);
    let (right, left) = (organ(Organ::RightLung)?, organ(Organ::LeftLung)?);
    let (heart, aorta, spine) = (
        organ(Organ::Heart)?,
        organ(Organ::Aorta)?,
        scene.parts(|p| p == Part::Spine, geometry),
    );
    let trachea = scene.parts(|p| p == Part::Trachea, geometry);
    let mut all = vec![];
    let mut add = |name: &str, mask: Mask| all.push((name.to_owned(), mask));
    if !lateral {
        let (middle, under) = (organ(Organ::Mediastinum)?, organ(Organ::Abdomen)?);
        let middle_of_chest = aorta.or(&middle)?;
        let cover = heart.or(&middle)?.or(&aorta)?.or(&under)?;
        add("right_lung_field", right.minus(&cover)?);
        add("left_lung_field", left.minus(&cover)?);
        add("mediastinum", middle);
        add("abdomen", under);
        add(
            "ribs",
            scene.parts(|p| matches!(p, Part::Rib(..)), geometry),
        );
        for (name, mask) in crate::parts::masks(scene, geometry, &middle_of_chest) {
            add(&name, mask);
        }
        for (name, side) in [("right", -1), ("left", 1)] {
            add(
                &format!("{name}_clavicle"),
                scene.parts(|p| p == Part::Clavicle(side), geometry),
            );
            add(
                &format!("{name}_scapula"),
                scene.parts(|p| p == Part::Scapula(side), geometry),
            );
        }
    }
    add("right_lung", right);
    add("left_lung", left);
    for lobe in Lobe::ALL {
        add(lobe.name(), scene.lobe(lobe, geometry)?);
    }
    add("heart", heart);
    add("aorta", aorta);
    add("trachea", trachea);
    add("spine", spine);
    Ok(all)
}

/// Measures on the frontal picture.
pub fn measure(thorax: &Thorax, geometry: &Geometry, masks: &[(String, Mask)]) -> Measurements {
    let mask = |name: &str| masks.iter().find(|m| m.0 == name).map(|m| &m.1);
    let ratio = || {
        let lungs = mask("right_lung")?.or(mask("left_lung")?).ok()?;
        Some(widest_span(mask("heart")?)?.width() as f64 / widest_span(&lungs)?.width() as f64)
    };
    let dome = thorax.to_mm([-60.0, -12.0, thorax.dome(-1.0)]);
    let seen = |p: Vec3| geometry.project(p).unwrap_or([f64::NAN; 2]);
    let edge = seen(dome)[1];
    // Posterior ribs cross the line through the middle of the clavicle at about a sixth of their length.
    let over = (1..=12).filter(|&n| {
        let steps = (0..=60)
            .map(|k| seen(thorax.to_mm(rib_line(thorax, -1.0, n, 0.5 * f64::from(k) / 60.0))));
        let x = seen(dome)[0];
        steps
            .min_by(|a, b| (a[0] - x).abs().total_cmp(&(b[0] - x).abs()))
            .is_some_and(|p| p[1] < edge)
    });
    let spine = |z: f64| {
        let [x, y] = crate::anatomy::spine_at(&thorax.patient, z);
        seen(thorax.to_mm([x, y + 40.0, z - 10.0]))[0]
    };
    let middle = spine(vertebra(3.0));
    let ends =
        [-1.0, 1.0].map(|s: f64| (seen(thorax.to_mm([s * 17.0, -40.0, 93.0]))[0] - middle).abs());
    let (short, long) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    Measurements {
        cardiothoracic_ratio: ratio(),
        ribs_over_right_dome: over.count(),
        carina_angle: carina_angle(thorax, geometry),
        clavicle_ratio: (long > 0.0).then(|| short / long),
    }
}

fn carina_angle(thorax: &Thorax, geometry: &Geometry) -> f64 {
    let c = carina();
    let seen = |p: Vec3| geometry.project(thorax.to_mm(p)).unwrap_or([0.0; 2]);
    let spread = |x: f64| c[0] + thorax.patient.carina_spread * (x - c[0]);
    let (apex, right, left) = (
        seen(c),
        seen([spread(-21.0), 14.0, -10.0]),
        seen([spread(34.0), 14.0, -12.0]),
    );
    let way = |p: [f64; 2]| (p[1] - apex[1]).atan2(p[0] - apex[0]);
    (way(right) - way(left)).abs().to_degrees()
}

/// A mask as it is listed.
pub fn listed(name: String, path: String, mask: &Mask, finding: Option<u16>) -> MaskTruth {
    MaskTruth {
        name,
        path,
        area: mask.count(),
        bounds: mask_box(mask),
        finding,
    }
}
