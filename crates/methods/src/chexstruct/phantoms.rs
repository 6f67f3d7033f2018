//! Phantoms for the measurements: ordinary ones, and ones whose anatomy is stretched so far that every label occurs.

use hilum_core::View;
use hilum_drr::Geometry;
use hilum_image::Mask;
use hilum_measure::{MaskSet, MeasureError, Structure};
use hilum_phantom::patient::{Exposure, Patient};
use hilum_phantom::random::{Draws, Purpose};
use hilum_phantom::render::Scene;
use hilum_phantom::{PhantomError, Thorax, timeline, truth};

/// Number of the stream that stretches the anatomy, apart from those of the phantom itself.
const STREAM: u64 = 7_000;

/// A healthy thorax with parameters beyond what patients have.
pub fn stretched(seed: u64, number: u64) -> Thorax {
    let mut patient = Patient::draw(seed, number);
    let mut d = Draws::new(seed, Purpose::Patient, number, STREAM);
    let supine = d.chance(0.5);
    let mut exposure = Exposure::draw(seed, number, 0, supine);
    patient.heart = d.range(0.38, 0.60);
    patient.aorta = d.range(10.0, 27.0);
    patient.tortuosity = d.range(0.0, 30.0);
    patient.scoliosis = d.range(-24.0, 24.0);
    patient.carina_spread = d.range(0.30, 2.2);
    patient.retraction = d.range(-15.0, 45.0);
    exposure.inspiration = d.range(0.0, 1.0);
    exposure.rotation = d.range(-9.0, 9.0);
    // A third of the pictures are taken beside the chest.
    if d.chance(0.33) {
        exposure.off_centre = d.range(-60.0, 60.0);
        exposure.off_height = d.range(-60.0, 60.0);
    }
    Thorax::new(patient, exposure, Vec::new(), seed)
}

/// The first study of an ordinary phantom, with its findings.
pub fn ordinary(seed: u64, number: u64) -> Thorax {
    let patient = Patient::draw(seed, number);
    let visit = timeline::visit(seed, &patient, 0);
    Thorax::new(patient, visit.exposure, visit.findings, seed)
}

/// PA or AP, as it was taken.
pub fn view(thorax: &Thorax) -> View {
    if thorax.exposure.supine {
        View::Ap
    } else {
        View::Pa
    }
}

/// The masks that indices are read from.
///
/// # Errors
/// Those of the projection; [`MeasureError`] never, since all masks have the picture's size.
pub fn masks(scene: &Scene, geometry: &Geometry) -> Result<Vec<(Structure, Mask)>, PhantomError> {
    let all = truth::anatomy_masks(scene, geometry, false)?;
    let known = |(name, mask): (String, Mask)| Some((Structure::of_name(&name)?, mask));
    // What is not in the picture has no mask, as in a set on disk.
    let seen = all.into_iter().filter(|(_, m)| m.count() > 0);
    Ok(seen.filter_map(known).collect())
}

/// The masks as a set.
///
/// # Errors
/// [`MeasureError`] for masks that do not belong together.
pub fn set(geometry: &Geometry, masks: Vec<(Structure, Mask)>) -> Result<MaskSet, MeasureError> {
    let mut set = MaskSet::new(geometry.width, geometry.height)?;
    for (structure, mask) in masks {
        set.insert(structure, mask)?;
    }
    Ok(set)
}
