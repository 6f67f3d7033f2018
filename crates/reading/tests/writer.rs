//! What stands on the disk after writing, and after writing failed.

use hilum_core::Reading;
use hilum_reading::{Artefacts, ImageMasks, ReadingError, sample, write_reading, write_report};
use std::fs;
use std::path::Path;

fn written() -> Reading {
    let mut reading = sample::reading();
    reading.report = write_report(&reading);
    reading
}

fn artefacts() -> Artefacts {
    Artefacts {
        report_html: Some("<!DOCTYPE html>".into()),
        overlay_png: Some(b"overlay".to_vec()),
        masks: vec![ImageMasks {
            image: 0,
            lungs_png: Some(b"lungs".to_vec()),
            heart_png: Some(b"heart".to_vec()),
        }],
        maps: Vec::new(),
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn all_files_are_written_and_the_masks_are_recorded() {
    let out = tempfile::tempdir().expect("a folder");
    let mut reading = written();
    let dir = write_reading(out.path(), "1.2.3", &mut reading, &artefacts()).expect("written");
    assert_eq!(
        names(&dir),
        [
            "image-0-heart.png",
            "image-0-lungs.png",
            "overlay.png",
            "reading.json",
            "report.html"
        ]
    );
    let masks = reading.images[0].masks.as_ref().expect("masks");
    assert_eq!(masks.lungs.as_deref(), Some("1.2.3/image-0-lungs.png"));
    assert_eq!(
        fs::read(out.path().join("1.2.3/image-0-lungs.png")).expect("the mask"),
        b"lungs"
    );
    let json = fs::read_to_string(dir.join("reading.json")).expect("json");
    assert_eq!(
        serde_json::from_str::<Reading>(&json).expect("a reading"),
        reading
    );
}

#[test]
fn writing_again_gives_the_same_bytes_and_removes_what_is_no_longer_there() {
    let out = tempfile::tempdir().expect("a folder");
    let dir = write_reading(out.path(), "a", &mut written(), &artefacts()).expect("written");
    let first = fs::read(dir.join("reading.json")).expect("json");
    fs::write(dir.join("notes.txt"), "mine").expect("a note");
    write_reading(out.path(), "a", &mut written(), &artefacts()).expect("written again");
    assert_eq!(fs::read(dir.join("reading.json")).expect("json"), first);
    write_reading(out.path(), "a", &mut written(), &Artefacts::default())
        .expect("written without pictures");
    assert_eq!(names(&dir), ["notes.txt", "reading.json"]);
}

#[test]
fn unsafe_folders_and_dangling_evidence_are_refused_before_anything_is_written() {
    let out = tempfile::tempdir().expect("a folder");
    for folder in [
        "", ".", "..", "../x", "a/b", "a\\b", "/etc", "con", "A", "a..b", ".hidden",
    ] {
        let error =
            write_reading(out.path(), folder, &mut written(), &artefacts()).expect_err(folder);
        assert!(
            matches!(error, ReadingError::UnsafeFolder { .. }),
            "{folder}"
        );
    }
    let mut reading = written();
    reading.report.sentences[0].evidence.clear();
    let error =
        write_reading(out.path(), "a", &mut reading, &artefacts()).expect_err("no evidence");
    assert!(matches!(error, ReadingError::Evidence { sentence: 0, .. }));
    let mut wrong = artefacts();
    wrong.masks[0].image = 5;
    let error = write_reading(out.path(), "a", &mut written(), &wrong).expect_err("no such image");
    assert!(matches!(
        error,
        ReadingError::NoSuchImage {
            image: 5,
            images: 1
        }
    ));
    assert!(names(out.path()).is_empty());
}

#[test]
fn an_error_leaves_the_earlier_reading_and_no_temporary_files() {
    let out = tempfile::tempdir().expect("a folder");
    let dir =
        write_reading(out.path(), "a", &mut written(), &Artefacts::default()).expect("written");
    fs::create_dir(dir.join("report.html")).expect("a folder in the way");
    let mut reading = written();
    let error = write_reading(out.path(), "a", &mut reading, &artefacts())
        .expect_err("a folder is in the way");
    assert_eq!(error.kind(), "io");
    assert!(reading.images[0].masks.is_none());
    assert_eq!(names(&dir), ["reading.json", "report.html"]);
}

#[test]
fn a_file_where_the_folder_belongs_is_a_typed_error() {
    let out = tempfile::tempdir().expect("a folder");
    fs::write(out.path().join("a"), "in the way").expect("a file");
    let error = write_reading(out.path(), "a", &mut written(), &artefacts())
        .expect_err("a file is in the way");
    assert_eq!(error.kind(), "not_a_folder");
    let error =
        write_reading(&out.path().join("a"), "b", &mut written(), &artefacts()).expect_err("still");
    assert_eq!(error.kind(), "not_a_folder");
}
