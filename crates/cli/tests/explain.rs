//! `hilum read` with --explain, --similar, --calibration and --augment, and `hilum index`.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;

use common::{code, json_lines, repository, run, sample, stderr, stdout, timeless};
use serde_json::Value;
use std::path::Path;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn valid(reading: &Value) {
    let schema = std::fs::read_to_string(repository().join("docs/reading.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<String> = schema
        .iter_errors(reading)
        .map(|e| format!("{e} at {}", e.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn a_finding_is_explained_and_the_same_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let image = text(&sample("images/child-pneumonia.jpg"));
    let read = |jobs: &str, out: &Path| {
        let output = run([
            "read",
            &image,
            "--json",
            "--explain=grad-cam",
            "--jobs",
            jobs,
            "--out",
            &text(out),
        ]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        timeless(json_lines(&output).remove(0))
    };
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let reading = read("1", &a);
    assert_eq!(reading, read("3", &b));
    valid(&reading);
    let findings = reading["findings"].as_array().unwrap();
    let explained: Vec<&Value> = findings
        .iter()
        .filter(|f| f["explanations"].is_array())
        .collect();
    assert!(!explained.is_empty());
    for finding in explained {
        let maps = finding["explanations"].as_array().unwrap();
        let methods: Vec<&str> = maps.iter().filter_map(|m| m["method"].as_str()).collect();
        assert_eq!(methods, ["cam", "grad-cam"]);
        for map in maps.iter().filter(|m| m["trust"].is_object()) {
            let file = map["map"].as_str().unwrap();
            let bytes = std::fs::read(a.join(file)).unwrap();
            assert_eq!(bytes, std::fs::read(b.join(file)).unwrap());
            assert!((1..=19).contains(&map["trust"]["random"].as_u64().unwrap()));
        }
    }
    let folder = std::fs::read_dir(&a)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("Where the network looked"));
    assert!(page.contains("believable") || page.contains("not to be trusted"));
    // Without the option nothing of it is there, and the old maps are gone.
    let plain = run(["read", &image, "--json", "--out", &text(&a)]);
    assert!(!stdout(&plain).contains("explanations"));
    let left = std::fs::read_dir(&folder).unwrap();
    assert!(
        left.into_iter()
            .all(|e| !e.unwrap().file_name().to_string_lossy().contains("-map-"))
    );
}

#[test]
fn an_unknown_attribution_is_wrong_usage() {
    let image = text(&sample("images/child-normal.jpg"));
    let output = run(["read", &image, "--explain=crystal-ball"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("deep-lift"), "{}", stderr(&output));
}

#[test]
fn known_cases_are_found_by_their_looks() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cases");
    std::fs::create_dir(&folder).unwrap();
    let mut table = String::from("path,labels,patient\n");
    for (name, labels) in [
        ("adult-pa.jpg", "COVID-19"),
        ("adult-pacemaker.jpg", "COVID-19|pacemaker"),
        ("adult-no-finding.jpg", "No Finding"),
        ("adult-supine.jpg", ""),
    ] {
        std::fs::copy(sample("images").join(name), folder.join(name)).unwrap();
        table += &format!("{name},{labels},{name}\n");
    }
    std::fs::write(folder.join("labels.csv"), table).unwrap();
    let index = dir.path().join("cases.index");
    let built = run(["index", "build", &text(&folder), "--out", &text(&index)]);
    assert_eq!(code(&built), 0, "{}", stderr(&built));
    let shown = stdout(&run(["index", "show", &text(&index)]));
    assert!(
        shown.contains("COVID-19, pacemaker") && shown.contains("no label"),
        "{shown}"
    );
    let out = dir.path().join("out");
    let image = text(&sample("images/adult-pa.jpg"));
    let output = run([
        "read",
        &image,
        "--json",
        "--augment",
        "--similar",
        &text(&index),
        "--cases",
        "2",
        "--out",
        &text(&out),
    ]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let reading = json_lines(&output).remove(0);
    valid(&reading);
    let cases = reading["similar"][0]["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2, "{reading}");
    // The image itself is left out, the rest come nearest first.
    assert!(cases.iter().all(|c| c["id"] != "adult-pa.jpg"));
    let distance = |i: usize| cases[i]["distance"].as_f64().unwrap();
    assert!(distance(0) <= distance(1));
    assert_eq!(reading["provenance"]["index"]["name"], "cases.index");
    let page_folder = std::fs::read_dir(&out)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let page = std::fs::read_to_string(page_folder.join("report.html")).unwrap();
    assert!(page.contains("Similar known cases"));
    let assessed = reading["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["status"] == "assessed");
    let uncertainty = &assessed.unwrap()["uncertainty"];
    assert_eq!(uncertainty["augmented"]["count"], 9);
    // Damaged and foreign files are refused before anything is read.
    std::fs::write(&index, b"not an index").unwrap();
    let bad = run(["read", &image, "--similar", &text(&index)]);
    assert_eq!(code(&bad), 1);
    assert!(
        stderr(&bad).contains("hilum index build"),
        "{}",
        stderr(&bad)
    );
}
