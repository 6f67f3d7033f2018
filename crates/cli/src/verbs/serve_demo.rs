//! What `hilum serve --demo` shows: the samples of the repository, and three studies of one phantom patient over time.

use anyhow::Result;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use hilum_dicom::object;
use hilum_dicom::write::{DataSet, DxImage, encode, uid};
use hilum_phantom::render::{Scene, Tissue};
use hilum_phantom::{Patient, Thorax, timeline};
use hilum_room::Room;

macro_rules! samples {
    ($($name:literal),* $(,)?) => {
        /// Name and bytes.
        static SAMPLES: &[(&str, &[u8])] = &[$((
            $name,
            include_bytes!(concat!("../../../../samples/images/", $name)),
        )),*];
    };
}

samples![
    "adult-pa.dcm",
    "adult-pa-monochrome1.dcm",
    "adult-no-finding.jpg",
    "adult-pacemaker.jpg",
    "adult-supine.jpg",
    "child-normal-full.jpg",
    "child-pneumonia-full.jpg",
    "lateral-simulated.png",
];

/// Seed and number of the phantom patient: one whose findings change from study to study.
const SEED: u64 = 1;
const NUMBER: u64 = 4;
/// Studies of the phantom patient.
const STUDIES: u64 = 3;
/// Pixels a side.
const SIZE: usize = 512;

/// Puts the samples into the room, once for a store.
pub async fn fill(room: Room) {
    let mark = room.store().root().join("room").join("demo");
    if mark.exists() {
        return;
    }
    for (name, bytes) in SAMPLES {
        add(&room, bytes.to_vec(), name).await;
    }
    for study in 0..STUDIES {
        let made = tokio::task::spawn_blocking(move || phantom(study)).await;
        match made {
            Ok(Ok(files)) => {
                for bytes in files {
                    add(&room, bytes, "phantom.dcm").await;
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "phantom not made"),
            Err(error) => tracing::warn!(%error, "phantom not made"),
        }
    }
    if let Err(error) = std::fs::write(&mark, "") {
        tracing::warn!(%error, "the samples will be looked at again");
    }
}

async fn add(room: &Room, bytes: Vec<u8>, name: &str) {
    if let Err(error) = room.add_file(bytes, name).await {
        tracing::warn!(%error, name, "sample not stored");
    }
}

/// The images of one study: frontal, and lateral where the phantom stands.
fn phantom(study: u64) -> Result<Vec<Vec<u8>>> {
    let patient = Patient::draw(SEED, NUMBER);
    let visit = timeline::visit(SEED, &patient, study);
    let (sex, age, supine) = (patient.sex, patient.age, visit.exposure.supine);
    let thorax = Thorax::new(patient, visit.exposure, visit.findings, SEED);
    let scene = Scene::new(&thorax, SEED);
    let views: &[bool] = if supine { &[false] } else { &[false, true] };
    let mut files = Vec::new();
    for &lateral in views {
        let geometry = scene.geometry(lateral, SIZE)?;
        let integrals = scene.integrals(&geometry, lateral, Tissue::All)?;
        let shown = scene.picture(&integrals, &geometry, lateral)?;
        let values: Vec<u16> = shown
            .data
            .iter()
            .map(|v| (v * 4095.0 + 0.5) as u16)
            .collect();
        let (view_position, orientation) = match (lateral, supine) {
            (true, _) => ("LL", ["A", "F"]),
            (false, true) => ("AP", ["L", "F"]),
            (false, false) => ("PA", ["L", "F"]),
        };
        let bytes = encode(&DxImage {
            width: SIZE as u16,
            height: SIZE as u16,
            values: &values,
            bits: 12,
            inverted: false,
            view_position,
            orientation,
            imager_pixel_mm: geometry.pixel,
            source_to_detector_mm: geometry.sid,
            source_to_patient_mm: geometry.sad,
            derivation: "Projection of a parametric phantom: simulated, no patient",
        })?;
        let sex = match sex {
            hilum_phantom::patient::Sex::F => "F",
            hilum_phantom::patient::Sex::M => "M",
        };
        files.push(of_patient(&bytes, study, lateral, visit.day, sex, age)?);
    }
    Ok(files)
}

/// The same image as one of a study of the phantom patient.
fn of_patient(
    bytes: &[u8],
    study: u64,
    lateral: bool,
    day: u32,
    sex: &str,
    age: u32,
) -> Result<Vec<u8>> {
    let mut set = DataSet(object::parse(bytes)?.data);
    let id = |what: &str, n: &str| uid(&[b"hilum demo", what.as_bytes(), n.as_bytes()]);
    let number = study.to_string();
    let view = if lateral { "lateral" } else { "frontal" };
    let instance = id("instance", &format!("{number} {view}"));
    let class = uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION;
    set.text(tags::PATIENT_NAME, VR::PN, "Phantom^Robin");
    set.text(tags::PATIENT_ID, VR::LO, "PHANTOM-1");
    set.text(tags::PATIENT_SEX, VR::CS, sex);
    set.text(tags::PATIENT_AGE, VR::AS, &format!("{age:03}Y"));
    set.text(tags::STUDY_DATE, VR::DA, &date(day));
    set.text(tags::STUDY_TIME, VR::TM, "090000");
    set.text(tags::STUDY_DESCRIPTION, VR::LO, "Chest, simulated");
    set.text(tags::STUDY_INSTANCE_UID, VR::UI, &id("study", &number));
    let series = id("series", &format!("{number} {view}"));
    set.text(tags::SERIES_INSTANCE_UID, VR::UI, &series);
    set.text(tags::SERIES_NUMBER, VR::IS, if lateral { "2" } else { "1" });
    set.text(tags::SERIES_DESCRIPTION, VR::LO, view);
    set.text(tags::SOP_INSTANCE_UID, VR::UI, &instance);
    Ok(set.file(class, &instance)?)
}

/// A day after 2 January 2025, as in DICOM.
fn date(day: u32) -> String {
    let first = 1_735_776_000_000i64;
    let text = hilum_node::audit::date_time(first + i64::from(day) * 86_400_000);
    text[..10].replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        assert_eq!(date(0), "20250102");
        assert_eq!(date(30), "20250201");
    }

    #[test]
    fn samples_are_what_their_names_say() {
        for (name, bytes) in SAMPLES {
            assert!(bytes.len() > 1000, "{name}");
        }
    }
}
