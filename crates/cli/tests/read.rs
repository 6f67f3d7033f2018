//! `hilum read` on the samples: its contract for scripts.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;

use common::{code, hilum, json_lines, repository, run, sample, stderr, stdout, timeless, tree};
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn every_line_follows_the_published_schema() {
    let schema = std::fs::read_to_string(repository().join("docs/reading.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let output = run(["read", &text(&sample("")), "--json"]);
    // The folder holds bad files too.
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let lines = json_lines(&output);
    for line in &lines {
        let errors: Vec<String> = schema
            .iter_errors(line)
            .map(|e| format!("{e} at {}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?}\n{line}");
    }
    assert!(lines.iter().any(|l| l.get("error").is_some()));
    let images: usize = lines
        .iter()
        .filter_map(|l| l["images"].as_array())
        .map(Vec::len)
        .sum();
    let pictures = std::fs::read_dir(sample("images")).unwrap().count();
    assert!(images >= pictures, "{images} of at least {pictures}");
    for reading in lines.iter().filter(|l| l.get("study").is_some()) {
        let codes: Vec<&str> = reading["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|f| f["code"].as_str())
            .collect();
        for wanted in [
            "pneumonia",
            "pleural_effusion",
            "cardiomegaly",
            "lung_opacity",
            "pneumothorax",
        ] {
            assert!(codes.contains(&wanted), "{wanted}");
        }
    }
}

#[test]
fn one_and_four_threads_give_the_same_bytes() {
    let (one, four) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let read = |jobs: &str, out: &Path| {
        let output = run([
            "read",
            &text(&sample("images")),
            "--json",
            "--jobs",
            jobs,
            "--out",
            &text(out),
        ]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        json_lines(&output)
            .into_iter()
            .map(timeless)
            .collect::<Vec<_>>()
    };
    assert_eq!(read("1", one.path()), read("4", four.path()));
    let files = tree(one.path());
    assert_eq!(files, tree(four.path()));
    for file in files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "png"))
    {
        let bytes = |root: &Path| std::fs::read(root.join(file)).unwrap();
        assert_eq!(bytes(one.path()), bytes(four.path()), "{}", file.display());
    }
}

#[test]
fn the_files_of_a_study_are_whole_and_the_masks_have_the_stored_size() {
    let out = tempfile::tempdir().unwrap();
    let output = run([
        "read",
        &text(&sample("images/adult-pa.dcm")),
        "--json",
        "--out",
        &text(out.path()),
    ]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let line = &json_lines(&output)[0];
    let names: Vec<String> = tree(out.path())
        .iter()
        .filter_map(|p| p.file_name())
        .map(|n| n.to_string_lossy().into_owned())
        .collect();
    for wanted in ["reading.json", "report.html", "overlay.png"] {
        assert!(names.iter().any(|n| n == wanted), "{wanted} in {names:?}");
    }
    let folder = tree(out.path())[0].parent().unwrap().to_owned();
    let written: Value = serde_json::from_str(
        &std::fs::read_to_string(out.path().join(&folder).join("reading.json")).unwrap(),
    )
    .unwrap();
    assert_eq!(&written, line);
    for organ in ["lungs", "heart"] {
        if let Some(mask) = line["images"][0]["masks"][organ].as_str() {
            let bytes = std::fs::read(out.path().join(mask)).unwrap();
            let size =
                |at: usize| u64::from(u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()));
            assert_eq!(Some(size(16)), line["images"][0]["width"].as_u64());
            assert_eq!(Some(size(20)), line["images"][0]["height"].as_u64());
        }
    }
    // A second run replaces the first.
    let again = run([
        "read",
        &text(&sample("images/adult-pa.dcm")),
        "--out",
        &text(out.path()),
    ]);
    assert_eq!((code(&again), tree(out.path()).len()), (0, names.len()));
}

#[test]
fn polarity_in_the_file_changes_nothing() {
    let of = |name: &str| {
        let output = run(["read", &text(&sample(name)), "--json"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        json_lines(&output).remove(0)
    };
    let (plain, stored_inverted) = (
        of("images/adult-pa.dcm"),
        of("images/adult-pa-monochrome1.dcm"),
    );
    assert_eq!(plain["findings"], stored_inverted["findings"]);
    assert_eq!(plain["measurements"], stored_inverted["measurements"]);
    assert_eq!(plain["gate"], stored_inverted["gate"]);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = hilum()
        .args(["read", &text(&sample("images")), "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    assert!(!said.contains("internal error"), "{said}");
}

#[test]
fn the_table_says_what_it_is() {
    let output = run([
        "read",
        &text(&sample("images/child-pneumonia.jpg")),
        &text(&sample("images/adult-pa.jpg")),
    ]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stdout(&output).contains("Research use only"),
        "{}",
        stdout(&output)
    );
    assert!(
        !stdout(&output).contains('\u{1b}'),
        "no colours into a pipe"
    );
}
