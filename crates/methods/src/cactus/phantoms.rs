//! Phantom studies: five projections of each thorax, turned, breathed in and exposed by known amounts.

use super::config::Config;
use super::data::{Graded, Source};
use super::quality::{self, exposed, of_exposure, of_inspiration, of_rotation};
use crate::blocks::parts::Parts;
use crate::context::Context;
use crate::error::Result;
use hilum_drr::geometry::{Beam, Geometry, Pose, View};
use hilum_image::{Kernel, Plane, resize};
use hilum_phantom::patient::Exposure;
use hilum_phantom::render::{DETECTOR, Scene, Tissue};
use hilum_phantom::{Patient, PhantomError, Thorax};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Pictures of each projection that differ in their exposure alone.
const EXPOSURES: usize = 2;

/// A projection, in the order of the classes; the lateral one comes later.
const PROJECTIONS: [Projection; 5] = [
    Projection {
        name: "PA",
        view: View::Pa,
        lying: false,
        yaw: 0.0,
        pitch: 0.0,
    },
    Projection {
        name: "AP lying",
        view: View::Ap,
        lying: true,
        yaw: 0.0,
        pitch: 0.0,
    },
    Projection {
        name: "oblique",
        view: View::Pa,
        lying: false,
        yaw: 45.0,
        pitch: 0.0,
    },
    Projection {
        name: "lordotic",
        view: View::Ap,
        lying: false,
        yaw: 0.0,
        pitch: 30.0,
    },
    Projection {
        name: "lateral",
        view: View::Lateral,
        lying: false,
        yaw: 0.0,
        pitch: 0.0,
    },
];

struct Projection {
    name: &'static str,
    view: View,
    lying: bool,
    /// Degrees that the view wants the patient turned, and leant back.
    yaw: f64,
    pitch: f64,
}

/// One picture with its truth.
#[derive(Clone, Serialize, Deserialize)]
struct Shot {
    levels: Vec<u8>,
    view: usize,
    grades: Vec<f32>,
}

#[cfg(not(test))]
use self::one_patient as drawn;
#[cfg(test)]
use self::shared::shots as drawn;

/// Thoraxes take a second each, and tests ask for the same ones again.
#[cfg(test)]
mod shared {
    use super::{Result, Shot, one_patient};
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    static DRAWN: Mutex<BTreeMap<(u64, u64, usize), Vec<Shot>>> = Mutex::new(BTreeMap::new());

    pub(super) fn shots(seed: u64, patient: u64, side: usize) -> Result<Vec<Shot>> {
        let mut drawn = DRAWN.lock().unwrap();
        let key = (seed, patient, side);
        if let Some(shots) = drawn.get(&key) {
            return Ok(shots.clone());
        }
        let shots = one_patient(seed, patient, side)?;
        drawn.insert(key, shots.clone());
        Ok(shots)
    }
}

/// Studies of all patients, of whom the last of every `asked` is asked.
///
/// # Errors
/// A stop between patients.
pub fn load(ctx: &Context<'_>, config: &Config, parts: &Parts<'_>) -> Result<Graded> {
    let views = PROJECTIONS.iter().map(|p| p.name.to_owned()).collect();
    let criteria = ["rotation", "inspiration", "exposure"];
    let mut data = Graded::new(Source::Phantom, config.side, views, &criteria);
    let contract = config.contract();
    for patient in 0..config.phantoms {
        let shots: Vec<Shot> = parts.get(&format!("phantom {patient}"), || {
            drawn(ctx.seed, patient, config.side)
        })?;
        for shot in shots {
            let plane = Plane::new(config.side, config.side, shot.levels)?;
            data.push(
                contract.values(&plane),
                shot.view,
                shot.grades,
                format!("phantom {patient}"),
                patient % config.asked == config.asked - 1,
            );
        }
    }
    data.check()
}

/// All pictures of one patient. Standing and lying are two breaths; each projection is turned on its own.
fn one_patient(seed: u64, patient: u64, side: usize) -> Result<Vec<Shot>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(patient);
    let mut shots = Vec::new();
    for lying in [false, true] {
        let breath = rng.random_range(quality::BREATH..1.0);
        let exposure = Exposure {
            inspiration: breath,
            ..Exposure::draw(seed, patient, u64::from(lying), lying)
        };
        let body = Patient::draw(seed, patient);
        let thorax = Thorax::new(body, exposure, Vec::new(), seed);
        let scene = Scene::new(&thorax, seed);
        for (view, projection) in PROJECTIONS.iter().enumerate() {
            if projection.lying != lying {
                continue;
            }
            let turned = rng.random_range(-quality::ROTATION..quality::ROTATION);
            let plane = picture(&scene, projection, turned, side)?;
            for _ in 0..EXPOSURES {
                let stops = rng.random_range(-quality::STOPS..quality::STOPS);
                let shown = exposed(&plane, stops, rng.random());
                let grades = [
                    of_rotation(turned),
                    of_inspiration(breath),
                    of_exposure(stops),
                ];
                shots.push(Shot {
                    levels: shown.data,
                    view,
                    grades: grades.map(|g| g as f32).to_vec(),
                });
            }
        }
    }
    Ok(shots)
}

/// One projection, turned by so many degrees more than it should be; drawn larger than shown, as detectors are finer than
/// networks' inputs.
fn picture(
    scene: &Scene<'_>,
    projection: &Projection,
    turned: f64,
    side: usize,
) -> Result<Plane<u8>> {
    let exposure = &scene.thorax.exposure;
    let lateral = projection.view == View::Lateral;
    let (sid, sad) = match (lateral, projection.lying) {
        (true, _) => (1800.0, 1560.0),
        (false, true) => (1150.0, 1010.0),
        (false, false) => (1800.0, 1640.0),
    };
    let pose = Pose {
        yaw: projection.yaw + turned,
        pitch: projection.pitch + exposure.lordosis,
        roll: 0.0,
        shift: [exposure.off_centre, 0.0, exposure.off_height],
    };
    let size = 2 * side;
    let centre = [0.0, 6.0, -12.0 * scene.thorax.patient.scale];
    let geometry = Geometry::of_view(
        projection.view,
        centre,
        &pose,
        Beam::Perspective,
        sid,
        sad,
        DETECTOR / size as f64,
        (size, size),
    )
    .map_err(PhantomError::from)?;
    let integrals = scene.integrals(&geometry, lateral, Tissue::All)?;
    let gray = scene.picture(&integrals, &geometry, lateral)?;
    let levels = gray.map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8);
    Ok(resize::resize_u8(&levels, side, side, Kernel::PilBilinear)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_is_shown_in_every_view_with_grades_that_differ() {
        let shots = drawn(1, 0, 32).unwrap();
        assert_eq!(shots.len(), EXPOSURES * PROJECTIONS.len());
        for view in 0..PROJECTIONS.len() {
            let own: Vec<&Shot> = shots.iter().filter(|s| s.view == view).collect();
            assert_eq!(own.len(), EXPOSURES);
            // The same thorax in the same pose: the exposure alone differs.
            assert_eq!(own[0].grades[..2], own[1].grades[..2]);
            assert_ne!(own[0].grades[2], own[1].grades[2]);
            assert_ne!(own[0].levels, own[1].levels);
        }
        let in_range = |s: &Shot| s.grades.iter().all(|g| (0.0..=10.0).contains(g));
        assert!(shots.iter().all(in_range));
        let again = one_patient(1, 0, 32).unwrap();
        assert!(again.iter().zip(&shots).all(|(a, b)| a.levels == b.levels));
    }
}
