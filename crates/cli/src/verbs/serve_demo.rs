//! What `hilum serve --demo` shows: the samples of the repository, and three studies of one phantom patient over time.

use crate::places;
use crate::verbs::index;
use crate::verbs::labelled::Image;
use anyhow::{Context, Result};
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use hilum_dicom::object;
use hilum_dicom::write::{DataSet, DxImage, encode, uid};
use hilum_image::Recipe;
use hilum_nn::weights::atomic_write;
use hilum_phantom::render::{Scene, Tissue};
use hilum_phantom::{Patient, Thorax, timeline};
use hilum_pipeline::{Index, Search};
use hilum_room::Room;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A film of the repository.
struct Sample {
    name: &'static str,
    /// What it shows, as labelled by its source.
    words: &'static str,
    patient: &'static str,
    licence: &'static str,
    bytes: &'static [u8],
}

macro_rules! samples {
    ($($name:literal: $words:literal, $patient:literal, $licence:literal);* $(;)?) => {
        static SAMPLES: &[Sample] = &[$(Sample {
            name: $name,
            words: $words,
            patient: $patient,
            licence: $licence,
            bytes: include_bytes!(concat!("../../../../samples/images/", $name)),
        }),*];
    };
}

// As samples/README.md has it.
samples![
    "adult-pa.dcm": "COVID-19", "adult 1", "CC BY 3.0";
    "adult-pa-monochrome1.dcm": "COVID-19", "adult 1", "CC BY 3.0";
    "adult-no-finding.jpg": "No Finding", "adult 2", "CC BY 3.0";
    "adult-pacemaker.jpg": "COVID-19, pacemaker", "adult 3", "CC BY 3.0";
    "adult-supine.jpg": "COVID-19, lines and leads", "adult 1", "CC BY 3.0";
    "child-normal-full.jpg": "normal", "child 1", "CC BY 4.0";
    "child-pneumonia-full.jpg": "bacterial pneumonia", "child 2", "CC BY 4.0";
    "lateral-simulated.png": "simulated lateral", "adult 4", "CC BY 3.0";
];

/// The attribution that is cheapest beside the class activation map: one pass back through the last feature maps.
pub const EXPLAIN: &str = "grad-cam";
/// Model whose features are compared.
const MODEL: &str = "nih_findings";

/// Seed and number of the phantom patient: one whose findings change from study to study.
const SEED: u64 = 1;
const NUMBER: u64 = 4;
/// Studies of the phantom patient.
const STUDIES: u64 = 3;
/// Pixels a side.
const SIZE: usize = 512;

fn mark(room: &Room) -> PathBuf {
    room.store().root().join("room").join("demo")
}

/// Puts the samples into the room, once for a store, and gives them as known cases to compare readings with.
pub async fn samples(
    room: &Room,
    models: Option<PathBuf>,
    stop: Arc<AtomicBool>,
) -> Option<Search> {
    let file = room.store().root().join("room").join("demo.index");
    let mut films = Vec::new();
    if !mark(room).exists() {
        for sample in SAMPLES {
            let study = add(room, sample.bytes.to_vec(), sample.name).await;
            films.extend(films_of(room, sample, study).await);
        }
    }
    let work = move || known_cases(&file, models.as_deref(), &films, &stop);
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(search)) => search,
        Ok(Err(error)) => {
            tracing::warn!(%error, "no known cases");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "no known cases");
            None
        }
    }
}

/// The stored images of a sample.
async fn films_of(room: &Room, sample: &Sample, study: Option<String>) -> Vec<Image> {
    let Some(study) = study else {
        return Vec::new();
    };
    let found = match room.store().db().read().acquire().await {
        Ok(mut on) => hilum_store::images_of(&mut on, &study).await,
        Err(error) => Err(error.into()),
    };
    let film = |path| Image {
        path,
        id: sample.name.to_owned(),
        patient: Some(sample.patient.to_owned()),
        labels: BTreeMap::new(),
        words: vec![sample.words.to_owned()],
        columns: BTreeMap::new(),
        lungs: None,
        licence: Some(sample.licence.to_owned()),
    };
    match found {
        Ok(found) => found.iter().map(|o| film(room.store().path(o))).collect(),
        Err(error) => {
            tracing::warn!(%error, "sample not found again");
            Vec::new()
        }
    }
}

/// The index of the samples, made when they came into the store and opened afterwards.
fn known_cases(
    file: &Path,
    models: Option<&Path>,
    films: &[Image],
    stop: &AtomicBool,
) -> Result<Option<Search>> {
    let models = places::store(models)?;
    if !films.is_empty() {
        let model = models.find(MODEL).context("its model is not here")?;
        let mut cases = Vec::new();
        for film in films {
            if stop.load(Ordering::SeqCst) {
                return Ok(None);
            }
            match index::case(&models, model, film, Recipe::default(), true) {
                Ok(case) => cases.push(case),
                Err(error) => tracing::warn!(%error, film = film.id, "left out of the known cases"),
            }
        }
        atomic_write(file, &Index::build(model.reference(), cases)?.to_bytes()?)?;
    }
    match file.exists() {
        true => Ok(Some(Search::open(file, &models, CASES, false)?)),
        false => Ok(None),
    }
}

/// Known cases that are shown beside an image.
const CASES: usize = 3;

/// Puts the phantom patient into the room, once for a store.
pub async fn phantoms(room: &Room) {
    let mark = mark(room);
    if mark.exists() {
        return;
    }
    for study in 0..STUDIES {
        let made = tokio::task::spawn_blocking(move || phantom(study)).await;
        match made {
            Ok(Ok(files)) => {
                for bytes in files {
                    add(room, bytes, "phantom.dcm").await;
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

/// Stores a file; its study.
async fn add(room: &Room, bytes: Vec<u8>, name: &str) -> Option<String> {
    match room.add_file(bytes, name).await {
        Ok(added) => added.study_uid,
        Err(error) => {
            tracing::warn!(%error, name, "sample not stored");
            None
        }
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
        let (view_position, orientation) = position(lateral, supine);
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

/// View Position, and where rows and columns lead: to the left or the back of the patient, and to the feet.
fn position(lateral: bool, supine: bool) -> (&'static str, [&'static str; 2]) {
    match (lateral, supine) {
        (true, _) => ("LL", ["P", "F"]),
        (false, true) => ("AP", ["L", "F"]),
        (false, false) => ("PA", ["L", "F"]),
    }
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
    fn rows_and_columns_lead_where_the_files_say() {
        let patient = Patient::draw(SEED, NUMBER);
        let visit = timeline::visit(SEED, &patient, 0);
        let supine = visit.exposure.supine;
        let thorax = Thorax::new(patient, visit.exposure, visit.findings, SEED);
        let scene = Scene::new(&thorax, SEED);
        for lateral in [false, true] {
            let geometry = scene.geometry(lateral, SIZE).unwrap();
            let at = |p: [f64; 3]| geometry.project(p).unwrap();
            let middle = at([0.0; 3]);
            for (axis, way) in position(lateral, supine).1.into_iter().enumerate() {
                // 40 mm in LPS.
                let moved = match way {
                    "L" => [40.0, 0.0, 0.0],
                    "P" => [0.0, 40.0, 0.0],
                    "F" => [0.0, 0.0, -40.0],
                    other => panic!("{other}"),
                };
                let (to, other) = (
                    at(moved)[axis] - middle[axis],
                    at(moved)[1 - axis] - middle[1 - axis],
                );
                assert!(
                    to > 10.0 && to > 3.0 * other.abs(),
                    "{lateral} {way}: {to} {other}"
                );
            }
        }
    }

    #[test]
    fn samples_are_what_their_names_say() {
        let table = include_str!("../../../../samples/README.md");
        for sample in SAMPLES {
            assert!(sample.bytes.len() > 1000, "{}", sample.name);
            let row = table
                .lines()
                .find(|l| l.contains(&format!("`{}`", sample.name)));
            let row = row.unwrap_or_default();
            assert!(row.contains(sample.licence), "{row}");
            // "the same" rows leave out what they share.
            if !row.contains("the same") && !row.contains("simulated") {
                assert!(row.contains(sample.words), "{row}");
            }
        }
    }
}
