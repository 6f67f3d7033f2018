//! All objects of a made-up reading of two sample images, as files.

#![allow(clippy::unwrap_used)]

use hilum_core::{Masks, Point, Reading, RegionKind, View};
use hilum_dicom::Limits;
use hilum_image::{Mask, Plane, draw};
use hilum_objects::back::{self, Opened};
use hilum_objects::fhir::Release;
use hilum_objects::source::Moment;
use hilum_objects::{Answered, Kind, Options, Readers, Signature, files};
use hilum_reading::{sample, write_report};
use std::path::{Path, PathBuf};
use std::process::Command;

fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples/images")
        .join(name)
}

/// The sample reading, of this image: its hash, size and masks, and a folder that holds what a reading leaves.
fn reading_of(name: &str, out: &Path) -> (Reading, PathBuf) {
    let path = image(name);
    let bytes = std::fs::read(&path).unwrap();
    let loaded =
        hilum_dicom::load_bytes(&bytes, &path, Default::default(), 0, &Limits::default()).unwrap();
    let folder = out.join("study");
    std::fs::create_dir_all(&folder).unwrap();
    let mut reading = sample::reading();
    let meta = loaded.meta.clone().unwrap_or_default();
    reading.study.id = meta.study_uid.unwrap_or_else(|| "sha256-0123".to_owned());
    reading.study.patient = meta.patient_id;
    reading.study.date = meta.study_date;
    let record = &mut reading.images[0];
    record.path = path.to_string_lossy().into_owned();
    record.sha256 = loaded.sha256.clone();
    record.width = loaded.width as u32;
    record.height = loaded.height as u32;
    record.view = View::Pa;
    let (lungs, heart) = masks(loaded.width, loaded.height);
    for (organ, mask) in [("lungs", &lungs), ("heart", &heart)] {
        let png = draw::encode_gray_png(mask).unwrap();
        std::fs::write(folder.join(format!("image-0-{organ}.png")), png).unwrap();
    }
    record.masks = Some(Masks {
        lungs: Some("study/image-0-lungs.png".to_owned()),
        heart: Some("study/image-0-heart.png".to_owned()),
    });
    let overlay = draw::encode_rgb_png(&draw::canvas(&loaded.pixels)).unwrap();
    std::fs::write(folder.join("overlay.png"), overlay).unwrap();
    let region = &mut reading.findings[1].regions[0];
    region.kind = RegionKind::Outline;
    region.outline = [(10.5, 20.25), (100.1, 30.0), (60.0, 90.7)]
        .map(|(x, y)| Point { x, y })
        .to_vec();
    reading.report = write_report(&reading);
    reading.provenance.elapsed_ms = 0;
    (reading, folder)
}

fn masks(w: usize, h: usize) -> (Mask, Mask) {
    let within =
        |v: usize, n: usize, from: f64, to: f64| (from..to).contains(&(v as f64 / n as f64));
    let lungs = Plane::from_fn(w, h, |x, y| {
        let side = within(x, w, 0.15, 0.42) || within(x, w, 0.58, 0.85);
        if side && within(y, h, 0.2, 0.8) {
            255
        } else {
            0
        }
    });
    let heart = Plane::from_fn(w, h, |x, y| {
        if within(x, w, 0.4, 0.65) && within(y, h, 0.5, 0.8) {
            255
        } else {
            0
        }
    });
    (lungs, heart)
}

fn options() -> Options {
    Options {
        kinds: Kind::ALL.to_vec(),
        at: Some(Moment::parse("2026-11-30T10:15:00").unwrap()),
        ..Options::default()
    }
}

fn open(path: &Path) -> Opened {
    back::open(&std::fs::read(path).unwrap(), path, &Limits::default()).unwrap()
}

#[test]
fn a_dicom_image_and_a_picture_come_back_whole() {
    for name in ["adult-pa.dcm", "child-pneumonia.jpg"] {
        let dir = tempfile::tempdir().unwrap();
        let (reading, folder) = reading_of(name, dir.path());
        let written = files::write(dir.path(), &folder, &reading, &options()).unwrap();
        let picture = written.files.iter().any(|f| f == "image-0.dcm");
        assert_eq!(picture, name.ends_with("jpg"), "{written:?}");
        let opened = ["sr.dcm", "seg.dcm"].map(|f| open(&folder.join(f)));
        let study = back::assemble(opened.to_vec()).remove(0).unwrap();
        assert_eq!(study.reading.unwrap(), reading, "{name}");
        let size = (
            reading.images[0].width as usize,
            reading.images[0].height as usize,
        );
        let (lungs, heart) = masks(size.0, size.1);
        assert!(study.structures[0].lungs.as_ref() == Some(&lungs), "{name}");
        assert!(study.structures[0].heart.as_ref() == Some(&heart), "{name}");
        assert!(study.notes.is_empty(), "{:?}", study.notes);
        judge(&folder, &written.files);
    }
}

/// dciodvfy, where it is installed.
fn judge(folder: &Path, files: &[String]) {
    if Command::new("dciodvfy").output().is_err() {
        eprintln!("skipped: dciodvfy (Debian dicom3tools) is not installed");
        return;
    }
    for name in files.iter().filter(|f| f.ends_with(".dcm")) {
        let said = Command::new("dciodvfy")
            .arg(folder.join(name))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("Error")).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn the_same_reading_gives_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (reading, first) = reading_of("adult-pa.dcm", one.path());
    let (mut again, second) = reading_of("adult-pa.dcm", two.path());
    // The wall time is not in the objects.
    again.provenance.elapsed_ms = 99;
    let names = files::write(one.path(), &first, &reading, &options())
        .unwrap()
        .files;
    files::write(two.path(), &second, &again, &options()).unwrap();
    for name in names {
        let bytes = [&first, &second].map(|f| std::fs::read(f.join(&name)).unwrap());
        assert!(bytes[0] == bytes[1], "{name}");
    }
}

#[test]
fn a_file_that_changed_since_is_refused_and_old_objects_go() {
    let dir = tempfile::tempdir().unwrap();
    let (mut reading, folder) = reading_of("child-pneumonia.jpg", dir.path());
    files::write(dir.path(), &folder, &reading, &options()).unwrap();
    let fewer = Options {
        kinds: vec![Kind::Fhir],
        ..options()
    };
    files::write(dir.path(), &folder, &reading, &fewer).unwrap();
    assert!(folder.join("fhir.json").exists() && !folder.join("sr.dcm").exists());
    assert!(folder.join("overlay.png").exists());
    files::write(dir.path(), &folder, &reading, &Options::default()).unwrap();
    assert!(!folder.join("fhir.json").exists());
    reading.images[0].sha256 = "00".repeat(32);
    let refused = files::write(dir.path(), &folder, &reading, &options()).unwrap_err();
    assert_eq!(refused.kind(), "changed");
}

#[test]
fn a_bundle_that_is_sent_twice_makes_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (reading, folder) = reading_of("adult-pa.dcm", dir.path());
    let bundle = || -> serde_json::Value {
        files::write(dir.path(), &folder, &reading, &options()).unwrap();
        serde_json::from_slice(&std::fs::read(folder.join("fhir.json")).unwrap()).unwrap()
    };
    let first = bundle();
    let entries = first["entry"].as_array().unwrap();
    let mut searches: Vec<String> = entries
        .iter()
        .map(|e| {
            let unless = e["request"]["ifNoneExist"].as_str();
            let kind = e["request"]["url"].as_str().unwrap();
            let unless = unless.unwrap_or_else(|| panic!("{kind} would be made again"));
            // The search finds what the entry makes.
            let id = &e["resource"]["identifier"][0];
            assert!(id["system"].is_string() && id["value"].is_string(), "{e}");
            format!("{kind}?{unless}")
        })
        .collect();
    let count = searches.len();
    searches.sort();
    searches.dedup();
    assert_eq!(searches.len(), count, "two entries are found by one search");
    assert_eq!(bundle(), first);
}

#[test]
fn patient_and_study_are_those_of_the_source() {
    use dicom_dictionary_std::tags;
    let dir = tempfile::tempdir().unwrap();
    let (reading, folder) = reading_of("adult-pa.dcm", dir.path());
    let written = files::write(dir.path(), &folder, &reading, &options()).unwrap();
    let source = std::fs::read(image("adult-pa.dcm")).unwrap();
    let source = hilum_dicom::object::parse(&source).unwrap().data;
    for name in written.files.iter().filter(|f| f.ends_with(".dcm")) {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let object = hilum_dicom::object::parse(&bytes).unwrap().data;
        for tag in [
            tags::STUDY_INSTANCE_UID,
            tags::PATIENT_ID,
            tags::PATIENT_NAME,
            tags::STUDY_DATE,
            tags::ACCESSION_NUMBER,
        ] {
            let text = |data| hilum_dicom::object::text(data, tag);
            assert_eq!(text(&object), text(&source), "{name} {tag}");
        }
    }
}

#[test]
fn segmentations_that_are_cut_short_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (reading, folder) = reading_of("child-pneumonia.jpg", dir.path());
    let seg = Options {
        kinds: vec![Kind::Seg],
        ..options()
    };
    files::write(dir.path(), &folder, &reading, &seg).unwrap();
    let bytes = std::fs::read(folder.join("seg.dcm")).unwrap();
    for end in (0..bytes.len()).step_by(bytes.len() / 97) {
        let cut = &bytes[..end];
        assert!(
            back::open(cut, "cut".as_ref(), &Limits::default()).is_err(),
            "{end}"
        );
    }
    let tight = Limits {
        max_pixels: 100,
        ..Limits::default()
    };
    assert!(back::open(&bytes, "seg".as_ref(), &tight).is_err());
}

/// The sample as a film of a hospital whose clocks are `offset` ahead of UTC.
fn in_zone(mut reading: Reading, offset: &str, dir: &Path) -> Reading {
    use dicom_core::VR;
    use dicom_dictionary_std::tags;
    let bytes = std::fs::read(&reading.images[0].path).unwrap();
    let mut set = hilum_dicom::write::DataSet(hilum_dicom::object::parse(&bytes).unwrap().data);
    set.text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, offset);
    let value = |tag| hilum_dicom::object::text(&set.0, tag).unwrap();
    let (class, instance) = (value(tags::SOP_CLASS_UID), value(tags::SOP_INSTANCE_UID));
    let path = dir.join("zone.dcm");
    std::fs::write(&path, set.file(&class, &instance).unwrap()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let loaded =
        hilum_dicom::load_bytes(&bytes, &path, Default::default(), 0, &Limits::default()).unwrap();
    reading.images[0].sha256 = loaded.sha256;
    reading.images[0].path = path.to_string_lossy().into_owned();
    reading
}

fn signed() -> Options {
    Options {
        kinds: vec![Kind::Sr, Kind::Pdf, Kind::Fhir],
        signature: Some(Signature {
            name: "Ada".to_owned(),
            organisation: "Clinic".to_owned(),
            at: Moment::parse("2026-11-30T23:30:05").unwrap(),
        }),
        ..Options::default()
    }
}

#[test]
fn a_signature_is_one_moment_in_every_zone() {
    use dicom_dictionary_std::tags;
    for (offset, date, time) in [
        ("+0900", "20261201", "083005"),
        ("-0330", "20261130", "200005"),
        // No zone that there is: it is left out, and nothing is added to the moment.
        ("+9900", "20261130", "233005"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (reading, folder) = reading_of("adult-pa.dcm", dir.path());
        let reading = in_zone(reading, offset, dir.path());
        files::write(dir.path(), &folder, &reading, &signed()).unwrap();
        for name in ["sr.dcm", "pdf.dcm"] {
            let bytes = std::fs::read(folder.join(name)).unwrap();
            let object = hilum_dicom::object::parse(&bytes).unwrap().data;
            let text = |tag| hilum_dicom::object::text(&object, tag).unwrap();
            let content = (text(tags::CONTENT_DATE), text(tags::CONTENT_TIME));
            assert_eq!(content, (date.to_owned(), time.to_owned()), "{name}");
            if name == "sr.dcm" {
                let observers = object
                    .element(tags::VERIFYING_OBSERVER_SEQUENCE)
                    .unwrap()
                    .items()
                    .unwrap();
                let at = hilum_dicom::object::text(&observers[0], tags::VERIFICATION_DATE_TIME);
                assert_eq!(at.as_deref(), Some("20261130233005+0000"));
            }
        }
        judge(&folder, &["sr.dcm".to_owned(), "pdf.dcm".to_owned()]);
        let bundle = bundle(&folder);
        for kind in ["DiagnosticReport", "Observation"] {
            for resource in resources(&bundle, kind) {
                assert_eq!(resource["issued"], "2026-11-30T23:30:05Z", "{resource}");
            }
        }
    }
}

fn bundle(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("fhir.json")).unwrap()).unwrap()
}

fn resources<'a>(bundle: &'a serde_json::Value, kind: &str) -> Vec<&'a serde_json::Value> {
    let entries = bundle["entry"].as_array().unwrap().iter();
    let all = entries.map(|e| &e["resource"]);
    let found: Vec<_> = all.filter(|r| r["resourceType"] == kind).collect();
    assert!(!found.is_empty(), "{kind}");
    found
}

#[test]
fn what_a_reader_said_is_no_models() {
    let dir = tempfile::tempdir().unwrap();
    let (mut reading, folder) = reading_of("adult-pa.dcm", dir.path());
    let answered: Vec<usize> = (0..reading.findings.len())
        .filter(|&n| reading.findings[n].set.is_some())
        .take(3)
        .collect();
    let [changed, confirmed, left] = answered[..] else {
        panic!("the sample has three answers");
    };
    reading.findings[changed].model = None;
    let mut own = reading.measurements[0].clone();
    own.name = "width".to_owned();
    reading.measurements.push(own);
    let by = |confirms| Answered {
        by: "Ada".to_owned(),
        confirms,
    };
    let code = |n: usize| reading.findings[n].code.clone();
    let readers = Readers {
        findings: [(code(changed), by(false)), (code(confirmed), by(true))].into(),
        measurements: [(reading.measurements.len() - 1, "Ada".to_owned())].into(),
    };
    for release in [Release::R4, Release::R5] {
        let options = Options {
            readers: readers.clone(),
            release,
            ..signed()
        };
        files::write(dir.path(), &folder, &reading, &options).unwrap();
        let bundle = bundle(&folder);
        let all = resources(&bundle, "Observation");
        let text = |n: usize| {
            let text = all[n]["valueCodeableConcept"]["text"].as_str();
            text.unwrap().to_owned()
        };
        assert!(text(changed).ends_with(" by Ada"), "{}", text(changed));
        assert!(!text(changed).contains("model"));
        assert!(text(confirmed).ends_with(" by the model, confirmed by Ada"));
        assert!(text(left).ends_with(" by the model"));
        let last = all.len() - 1;
        for (n, device, performer) in [
            (changed, false, true),
            (confirmed, true, true),
            (left, true, false),
            (last, false, true),
        ] {
            assert_eq!(all[n]["device"].is_object(), device, "{}", all[n]);
            assert_eq!(all[n]["performer"][0]["display"] == "Ada", performer);
        }
    }
}
