//! The other verbs: their contracts for scripts.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;

use common::{code, json_lines, run, sample, stderr, stdout};
use serde_json::Value;
use std::path::Path;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn json(args: &[&str]) -> Value {
    let output = run(args);
    assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap_or_else(|e| panic!("{e}: {}", stdout(&output)))
}

#[test]
fn methods_are_an_array_with_the_agreed_fields() {
    let rows = json(&["methods", "--json"]);
    let rows = rows.as_array().unwrap();
    for card in [2, 3, 8] {
        assert!(rows.iter().any(|r| r["card"] == card), "card {card}");
    }
    for row in rows {
        assert!(
            row["name"].is_string() && row["title"].is_string() && row["data"].is_string(),
            "{row}"
        );
        assert!(!row["tasks"].as_array().unwrap().is_empty());
        assert!(row["holds"].is_boolean() || row["holds"].is_null());
    }
    let table = stdout(&run(["methods", "--markdown"]));
    assert_eq!(table.lines().count(), rows.len() + 2);
}

#[test]
fn weights_are_listed_with_hash_and_licence_and_are_whole() {
    let rows = json(&["weights", "list", "--json"]);
    for row in rows.as_array().unwrap() {
        assert_eq!(row["sha256"].as_str().unwrap().len(), 64);
        assert!(row["research_only"].is_boolean() && row["outputs"].is_array());
    }
    if rows.as_array().unwrap().is_empty() {
        eprintln!("skipped: checking the models, of which none was built in");
        return;
    }
    let output = run(["weights", "verify"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    assert!(stdout(&output).lines().all(|l| l.starts_with("ok ")));
}

#[test]
fn a_damaged_weight_file_fails_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd.safetensors");
    std::fs::write(&path, b"\x08\0\0\0\0\0\0\0{}      ").unwrap();
    let output = run(["weights", "verify", &text(&path)]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("FAILED") && stdout(&output).contains("odd.safetensors"));
    let output = run([
        "weights",
        "convert",
        &text(&path),
        &text(&dir.path().join("a.onnx")),
    ]);
    assert_eq!(code(&output), 1);
    assert!(!dir.path().join("a.onnx").exists());
}

#[test]
fn inspect_shows_the_steps_and_tags() {
    let output = run(["inspect", &text(&sample("images/adult-pa-monochrome1.dcm"))]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stdout(&output);
    for wanted in ["steps", "MONOCHROME1", "sha256", "tags", "view_position"] {
        assert!(said.contains(wanted), "{wanted} in\n{said}");
    }
    let dir = tempfile::tempdir().unwrap();
    let png = dir.path().join("seen.png");
    assert_eq!(
        code(&run([
            "inspect",
            &text(&sample("images/adult-pa.jpg")),
            "--out",
            &text(&png)
        ])),
        0
    );
    assert!(std::fs::read(&png).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn training_without_data_names_the_folder() {
    let output = run(["reproduce", "--all", "--tiny", "--data", "/nowhere/data"]);
    assert_eq!(code(&output), 1);
    assert!(
        stderr(&output).contains("/nowhere/data"),
        "{}",
        stderr(&output)
    );
    let output = run(["train", "no_such_method"]);
    assert_eq!(code(&output), 2);
}

#[test]
fn reports_are_labelled_line_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("reports.jsonl");
    std::fs::write(&file, "{\"id\":\"a\",\"findings\":\"Cardiomegaly. No pneumothorax.\",\"impression\":\"\"}\nnot json\n").unwrap();
    let output = run([
        "text",
        "label",
        &text(&file),
        "--section",
        "findings,impression",
        "--json",
    ]);
    assert_eq!(code(&output), 1, "one line is broken");
    let lines = json_lines(&output);
    assert_eq!(
        (
            &lines[0]["labels"]["cardiomegaly"],
            &lines[0]["labels"]["pneumothorax"]
        ),
        (&Value::from(1), &Value::from(0))
    );
    assert!(lines[0]["labels"]["fracture"].is_null());
    assert_eq!(lines[1]["error"]["kind"], "invalid_json");
}

#[test]
fn texts_are_scored_with_signatures() {
    let dir = tempfile::tempdir().unwrap();
    let (reference, hypothesis) = (dir.path().join("r.jsonl"), dir.path().join("h.jsonl"));
    std::fs::write(
        &reference,
        "{\"id\":1,\"text\":\"The lungs are clear today.\"}\n",
    )
    .unwrap();
    std::fs::write(
        &hypothesis,
        "{\"id\":1,\"text\":\"The lungs are clear today.\"}\n",
    )
    .unwrap();
    let args = [
        "score",
        "--ref",
        &text(&reference),
        "--hyp",
        &text(&hypothesis),
        "--metrics",
        "bleu,rouge_l",
        "--tokenizer",
        "ptb",
        "--json",
    ];
    let report = json(&args);
    let bleu = &report["metrics"]["bleu_4"];
    assert!(
        (bleu["value"].as_f64().unwrap() - 1.0).abs() < 1e-6 && bleu["signature"].is_string(),
        "{report}"
    );
    assert_eq!(bleu["per_sample"].as_array().unwrap().len(), 1);
    let args = [
        "score",
        "--ref",
        &text(&reference),
        "--hyp",
        &text(&hypothesis),
        "--metrics",
        "vibes",
    ];
    assert_ne!(code(&run(args)), 0);
}

#[test]
fn sets_are_counted_split_and_checked() {
    let root = tempfile::tempdir().unwrap();
    let (images, manifests) = (root.path().join("images"), root.path().join("manifests"));
    std::fs::create_dir_all(&images).unwrap();
    std::fs::create_dir_all(&manifests).unwrap();
    for name in ["a.jpg", "b.jpg"] {
        std::fs::copy(sample("images/child-normal.jpg"), images.join(name)).unwrap();
    }
    let manifest = manifests.join("mine.csv");
    std::fs::write(&manifest, "path,set,split,patient_id,labels\nimages/a.jpg,mine,train,p1,Normal\nimages/b.jpg,mine,test,p1,Pneumonia\n").unwrap();
    let report = json(&["data", "scan", &text(&manifest), "--json"]);
    assert_eq!(report["images"], 2);
    let output = run(["data", "check", &text(&manifest)]);
    assert_eq!(code(&output), 1);
    assert!(
        stdout(&output).contains("p1") && stdout(&output).contains("nearly identical"),
        "{}",
        stdout(&output)
    );
    let output = run(["data", "split", &text(&manifest), "--seed", "3"]);
    let rows: Vec<String> = stdout(&output)
        .lines()
        .map(|l| l.rsplit(',').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        (rows.len(), rows[1] == rows[2]),
        (3, true),
        "one patient, one split"
    );
}

#[test]
fn every_shipped_model_has_a_time() {
    let output = run(["bench", "engine", "--shipped", "--repeats", "1", "--json"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let rows = json_lines(&output);
    let models = run(["weights", "list", "--json"]);
    let models: Value = serde_json::from_slice(&models.stdout).unwrap();
    assert_eq!(rows.len(), models.as_array().unwrap().len());
    for row in rows {
        assert!(row["ms"].as_f64().unwrap() > 0.0 && row["networks"].as_u64().unwrap() > 0);
    }
}

#[test]
fn engine_rows_have_the_agreed_fields_and_peers_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let losses = dir.path().join("losses.npy");
    let args = [
        "bench",
        "engine",
        "--net",
        "unet",
        "--task",
        "train",
        "--batch",
        "1",
        "--repeats",
        "1",
        "--output",
        &text(&losses),
        "--json",
    ];
    let output = run(args);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let rows = json_lines(&output);
    assert_eq!(
        (&rows[0]["engine"], &rows[0]["net"], &rows[0]["batch"]),
        (&"hilum".into(), &"unet".into(), &1.into())
    );
    assert!(rows[0]["ms"].as_f64().unwrap() > 0.0 && rows[0]["per_second"].as_f64().unwrap() > 0.0);
    assert!(
        rows[1..]
            .iter()
            .all(|r| r["ms"].is_null() && r["reason"].is_string())
    );
    assert!(std::fs::read(&losses).unwrap().starts_with(b"\x93NUMPY"));
}

#[test]
fn the_doctor_looks_at_the_output_folder() {
    let output = run(["doctor", "--out", "/nowhere/out"]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).contains("/nowhere/out"));
}
