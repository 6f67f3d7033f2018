//! Healthy thoraxes of the phantom in network size with their lungs, and soft opacities painted inside them.
//!
//! What is painted changes pixels of the lungs and no other, so that everything outside of them knows nothing of it: the
//! truth that audits and explanations are held to.

use super::pictures::Picture;
use crate::error::{MethodError, Result};
use hilum_core::Rect;
use hilum_data::{Pixels, Sample, Split};
use hilum_drr::Geometry;
use hilum_image::{Mask, Plane, resize};
use hilum_phantom::anatomy::Organ;
use hilum_phantom::patient::Exposure;
use hilum_phantom::render::{Scene, Tissue};
use hilum_phantom::report::{self, Report};
use hilum_phantom::timeline::{self, Visit};
use hilum_phantom::{Patient, Thorax};
use hilum_tabular::table::text_hash;
use hilum_volume::Volume;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Studies of `patients` patients, `studies` each, without findings; the mask of each picture is that of the lungs.
/// Pictures of one patient stand together.
///
/// # Errors
/// [`MethodError::Phantom`].
pub fn healthy(patients: u64, studies: u64, size: usize, seed: u64) -> Result<Vec<Picture>> {
    let one = |patient: u64| -> Result<Vec<Picture>> {
        let drawn = Patient::draw(seed, patient);
        (0..studies)
            .map(|study| {
                #[cfg(test)]
                if let Some(known) = shared::get([seed, patient, study, size as u64]) {
                    return Ok(known);
                }
                let exposure = Exposure::draw(seed, patient, study, false);
                let made = picture(drawn.clone(), exposure, size, seed)?;
                #[cfg(test)]
                shared::put([seed, patient, study, size as u64], &made);
                Ok(made)
            })
            .collect()
    };
    let all: Result<Vec<Vec<Picture>>> = (0..patients).into_par_iter().map(one).collect();
    Ok(all?.into_iter().flatten().collect())
}

fn picture(patient: Patient, exposure: Exposure, size: usize, seed: u64) -> Result<Picture> {
    let thorax = Thorax::new(patient, exposure, Vec::new(), seed);
    let scene = Scene::new(&thorax, seed);
    let (plane, geometry) = projected(&scene, size)?;
    let right = scene.organ(Organ::RightLung, &geometry)?;
    let lungs = right.or(&scene.organ(Organ::LeftLung, &geometry)?)?;
    if lungs.count() == 0 {
        return Err(MethodError::Config("a phantom without lungs".to_owned()));
    }
    let masks = vec![Some(resize::resize_mask(&lungs, size, size)?)];
    Ok(whole(plane, masks))
}

/// The frontal view in network size, and where its rays ran.
fn projected(scene: &Scene, size: usize) -> Result<(Plane<u8>, Geometry)> {
    // Drawn larger than shown, as detectors are finer than networks' inputs.
    let geometry = scene.geometry(false, 2 * size)?;
    let integrals = scene.integrals(&geometry, false, Tissue::All)?;
    let gray = scene.picture(&integrals, &geometry, false)?;
    let levels = gray.map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8);
    let plane = resize::resize_u8(&levels, size, size, hilum_image::Kernel::PilBilinear)?;
    Ok((plane, geometry))
}

fn whole(plane: Plane<u8>, masks: Vec<Option<Mask>>) -> Picture {
    let (width, height) = (plane.width, plane.height);
    Picture {
        plane,
        crop: Rect {
            x: 0.0,
            y: 0.0,
            w: width as f64,
            h: height as f64,
        },
        stored: (width, height),
        masks,
    }
}

/// The first study of a made-up patient, with what was found and what was written of it.
#[derive(Debug, Clone)]
pub struct FirstVisit {
    /// The frontal picture, without masks.
    pub picture: Picture,
    /// Findings and exposure.
    pub visit: Visit,
    /// The report.
    pub report: Report,
}

/// The first study of patient `number` at `size` pixels.
///
/// # Errors
/// [`MethodError::Phantom`].
pub fn first_visit(seed: u64, number: u64, size: usize) -> Result<FirstVisit> {
    let patient = Patient::draw(seed, number);
    let visit = timeline::visit(seed, &patient, 0);
    let report = report::write(&format!("phantom-{number}"), seed, number, &visit, false);
    let draw = || -> Result<Picture> {
        let (exposure, findings) = (visit.exposure.clone(), visit.findings.clone());
        let thorax = Thorax::new(patient.clone(), exposure, findings, seed);
        let (plane, _) = projected(&Scene::new(&thorax, seed), size)?;
        Ok(whole(plane, Vec::new()))
    };
    #[cfg(test)]
    let key = [seed, number, shared::WITH_FINDINGS, size as u64];
    #[cfg(test)]
    let draw = || -> Result<Picture> {
        if let Some(known) = shared::get(key) {
            return Ok(known);
        }
        let made = draw()?;
        shared::put(key, &made);
        Ok(made)
    };
    Ok(FirstVisit {
        picture: draw()?,
        visit,
        report,
    })
}

/// Lowest and highest slice of [`axial`] in mm over the lung roots.
const REACH: [f64; 2] = [-110.0, 90.0];
/// Centre and width of the window that slices are shown in, Hounsfield units: lungs.
const WINDOW: [f32; 2] = [-600.0, 1500.0];

/// `count` axial slices of the first study of patient `number`, evenly over the lungs from below, in a lung window at `size` pixels; with
/// what is in them.
///
/// # Errors
/// [`MethodError::Phantom`]; no slices.
pub fn axial(seed: u64, number: u64, size: usize, count: usize) -> Result<(Visit, Vec<Plane<u8>>)> {
    let patient = Patient::draw(seed, number);
    let visit = timeline::visit(seed, &patient, 0);
    let (exposure, findings) = (visit.exposure.clone(), visit.findings.clone());
    let draw = || -> Result<Vec<Plane<u8>>> {
        let thorax = Thorax::new(patient.clone(), exposure, findings, seed);
        let scene = Scene::new(&thorax, seed);
        let step = (REACH[1] - REACH[0]) / (count.max(2) - 1) as f64;
        (0..count)
            .map(|k| windowed(&scene.slice(REACH[0] + step * k as f64), size))
            .collect()
    };
    #[cfg(test)]
    let draw = || -> Result<Vec<Plane<u8>>> {
        let key = [seed, number, shared::SLICE + count as u64, size as u64];
        if let Some(known) = shared::get(key) {
            return Ok(known);
        }
        let made = draw()?;
        shared::put(key, &made);
        Ok(made)
    };
    Ok((visit, draw()?))
}

/// A slice in the window.
fn windowed(slice: &Volume<f32>, size: usize) -> Result<Plane<u8>> {
    let [width, rows, _] = slice.size;
    let [centre, wide] = WINDOW;
    let level = |hu: &f32| {
        (((hu - centre) / wide + 0.5) * 255.0)
            .round()
            .clamp(0.0, 255.0) as u8
    };
    let plane = Plane::new(width, rows, slice.data.iter().map(level).collect())?;
    Ok(resize::resize_u8(
        &plane,
        size,
        size,
        hilum_image::Kernel::PilBilinear,
    )?)
}

/// Phantoms take a second each, and tests ask for the same ones again and again.
#[cfg(test)]
mod shared {
    use std::any::Any;
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    /// In the place of a study's number: the first one, with its findings.
    pub(super) const WITH_FINDINGS: u64 = u64::MAX;
    /// In the same place, with their number added: slices of the first one.
    pub(super) const SLICE: u64 = 1 << 40;

    static DRAWN: Mutex<BTreeMap<[u64; 4], Box<dyn Any + Send>>> = Mutex::new(BTreeMap::new());

    pub(super) fn get<T: Any + Clone>(key: [u64; 4]) -> Option<T> {
        let drawn = DRAWN.lock().unwrap();
        drawn.get(&key).and_then(|v| v.downcast_ref::<T>()).cloned()
    }

    pub(super) fn put<T: Any + Clone + Send>(key: [u64; 4], made: &T) {
        DRAWN.lock().unwrap().insert(key, Box::new(made.clone()));
    }
}

/// Where opacities lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Soft patches near the edge of the lungs, on both sides.
    Peripheral,
    /// One dense patch in one lung.
    Focal,
}

/// Paints opacities over about `share` of the lungs and gives the part that they cover.
///
/// # Errors
/// A mask that is missing, empty or of another size.
pub fn paint(picture: &mut Picture, pattern: Pattern, share: f64, seed: u64) -> Result<f64> {
    let lungs = lungs_of(picture)?.clone();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let depth = hilum_image::mask::distance_transform(&lungs)
        .ok_or_else(|| MethodError::Config("a picture without lungs".to_owned()))?;
    let inside: Vec<usize> = (0..lungs.data.len())
        .filter(|&i| lungs.data[i] > 0)
        .collect();
    let wanted = (share.clamp(0.0, 1.0) * inside.len() as f64) as usize;
    let (strength, radius) = match pattern {
        Pattern::Peripheral => (38.0, picture.plane.width as f64 / 12.0),
        Pattern::Focal => (
            75.0,
            (wanted.max(1) as f64 / std::f64::consts::PI)
                .sqrt()
                .max(2.0),
        ),
    };
    let near = |i: usize| f64::from(depth.data[i]) < radius;
    let candidates: Vec<usize> = match pattern {
        Pattern::Peripheral => inside.iter().copied().filter(|&i| near(i)).collect(),
        Pattern::Focal => inside.clone(),
    };
    let width = picture.plane.width;
    let mut opacity = vec![0.0f64; lungs.data.len()];
    let covered = |o: &[f64]| o.iter().filter(|v| **v > 0.25).count();
    // A patch that falls on another adds little; the number of tries is bounded.
    for _ in 0..400 {
        if covered(&opacity) >= wanted || candidates.is_empty() {
            break;
        }
        let at = candidates[rng.random_range(0..candidates.len())];
        let (cx, cy) = ((at % width) as f64, (at / width) as f64);
        let r = radius * (0.8 + 0.4 * rng.random::<f64>());
        for &i in &inside {
            let d = (((i % width) as f64 - cx).powi(2) + ((i / width) as f64 - cy).powi(2)).sqrt();
            let o = (1.0 - (d / r).powi(2)).max(0.0);
            opacity[i] = opacity[i].max(o);
        }
        if pattern == Pattern::Focal {
            break;
        }
    }
    for (level, o) in picture.plane.data.iter_mut().zip(&opacity) {
        *level = (f64::from(*level) + strength * o).round().min(255.0) as u8;
    }
    Ok(covered(&opacity) as f64 / inside.len().max(1) as f64)
}

/// The mask of the lungs of a picture, at the size of its pixels.
///
/// # Errors
/// [`MethodError::Config`] when it is missing or empty.
pub fn lungs_of(picture: &Picture) -> Result<&Mask> {
    match picture.masks.first() {
        Some(Some(mask)) if mask.count() > 0 && mask.same_size(&picture.plane) => Ok(mask),
        _ => Err(MethodError::Config(
            "a picture has no lung mask of its size".to_owned(),
        )),
    }
}

/// A phantom as a sample; every fourth patient is in the test split.
pub fn phantom_sample(i: usize, patient: u64, plane: &Plane<u8>) -> Sample {
    let mut s = Sample::new(
        "phantom",
        format!("phantom-{i}"),
        Pixels::File("phantom".into()),
    );
    s.patient = Some(format!("PH-{patient}"));
    s.split = Some(if patient % 4 == 3 {
        Split::Test
    } else {
        Split::Train
    });
    let hex: String = plane.data.iter().map(|v| format!("{v:02x}")).collect();
    s.sha256 = Some(text_hash(&hex));
    s
}

/// A white square of `side` pixels near the upper left corner.
pub fn mark(plane: &mut Plane<u8>, side: usize) {
    for y in 2..(2 + side).min(plane.height) {
        let width = plane.width;
        plane.row_mut(y)[2..(2 + side).min(width)].fill(255);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_painted_stays_inside_the_lungs_and_covers_about_what_was_asked() {
        let plain = healthy(1, 1, 48, 3).unwrap().remove(0);
        for (pattern, share) in [(Pattern::Peripheral, 0.3), (Pattern::Focal, 0.15)] {
            let mut painted = plain.clone();
            let covered = paint(&mut painted, pattern, share, 5).unwrap();
            assert!((0.3 * share..share + 0.2).contains(&covered), "{covered}");
            let lungs = lungs_of(&plain).unwrap();
            let mut changed = 0;
            for i in 0..lungs.data.len() {
                let same = painted.plane.data[i] == plain.plane.data[i];
                assert!(same || lungs.data[i] > 0);
                changed += usize::from(!same);
            }
            assert!(changed > 20);
            let mut again = plain.clone();
            paint(&mut again, pattern, share, 5).unwrap();
            assert_eq!(again.plane, painted.plane);
        }
    }

    #[test]
    fn slices_show_lungs_in_a_body_and_those_of_a_patient_differ() {
        let (visit, slices) = axial(1, 3, 32, 3).unwrap();
        assert_eq!(visit.number, 0);
        assert_eq!(slices.len(), 3);
        let middle = &slices[1];
        let dark = middle.data.iter().filter(|v| **v < 100).count();
        let bright = middle.data.iter().filter(|v| **v > 200).count();
        assert!(dark > 100 && bright > 100, "{dark} {bright}");
        assert_ne!(slices[0], slices[1]);
        // The spine is bright in the middle, behind.
        assert!(middle.data[22 * 32 + 16] > 200);
    }

    #[test]
    fn thoraxes_are_the_same_again_and_those_of_a_patient_differ() {
        let a = healthy(1, 2, 32, 1).unwrap();
        let again = |study| {
            let exposure = Exposure::draw(1, 0, study, false);
            picture(Patient::draw(1, 0), exposure, 32, 1).unwrap()
        };
        assert_eq!(a[0].plane, again(0).plane);
        assert_ne!(a[0].plane, a[1].plane);
    }
}
