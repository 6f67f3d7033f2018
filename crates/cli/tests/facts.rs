//! `hilum text graph | facts | timeline` as scripts use them.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;

use common::{code, run, stderr, stdout};
use serde_json::Value;
use std::path::Path;

const REPORTS: &str = concat!(
    "{\"id\":\"s1\",\"patient\":\"p\",\"findings\":\"Small left pleural effusion. A 6 mm nodule in the right upper lobe.\",\"impression\":\"\"}\n",
    "{\"id\":\"s2\",\"patient\":\"p\",\"text\":\"FINDINGS: The left effusion has increased. No pneumothorax.\"}\n",
    "not json\n",
);

fn lines(output: &std::process::Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn a_graph_goes_out_as_radgraph_and_comes_back_as_facts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.jsonl");
    std::fs::write(&file, REPORTS).unwrap();
    let output = run(["text", "graph", &text(&file)]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let graphs = lines(&output);
    assert_eq!(graphs.len(), 3);
    assert_eq!(graphs[0]["entities"]["1"]["label"], "OBS-DP");
    assert_eq!(graphs[2]["error"]["kind"], "invalid_json");
    assert_eq!(graphs[2]["line"], 3);

    let radgraph = folder.path().join("g.json");
    let whole = serde_json::json!({ "s1": graphs[0], "s2": graphs[1] });
    std::fs::write(&radgraph, whole.to_string()).unwrap();
    let read = run(["text", "facts", "--from", "radgraph", &text(&radgraph)]);
    assert_eq!(code(&read), 0, "{}", stderr(&read));
    let direct = lines(&run(["text", "facts", &text(&file)]));
    for (a, b) in lines(&read).iter().zip(&direct) {
        assert_eq!(a["facts"], b["facts"]);
        assert_eq!(a["id"], b["id"]);
    }
}

#[test]
fn a_timeline_follows_a_patient() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.jsonl");
    std::fs::write(&file, REPORTS).unwrap();
    let events = lines(&run(["text", "timeline", &text(&file)]));
    let patient = events.iter().find(|l| l["patient"] == "p").unwrap();
    let effusion: Vec<&Value> = patient["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|e| e["fact"]["name"] == "pleural_effusion")
        .collect();
    assert_eq!(effusion[1]["trend"]["change"], "worse");
    assert_eq!(effusion[1]["trend"]["since"], 0);
    let scenes = lines(&run([
        "text",
        "timeline",
        "--format",
        "scene",
        "--image",
        "1000x900",
        &text(&file),
    ]));
    let patient = scenes.iter().find(|l| l["patient"] == "p").unwrap();
    assert_eq!(
        patient["scenes"][1]["objects"].as_array().unwrap().len(),
        29
    );
    let relation = &patient["scenes"][1]["relationships"][0];
    assert_eq!(relation["relationship_names"][0], "comparison|yes|worsened");
}

/// A model that `hilum train` made is read by the verbs in place of the rules.
#[test]
fn a_trained_model_makes_the_graphs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&folder.path().join(name));
    std::fs::create_dir_all(folder.path().join("data/manifests")).unwrap();
    std::fs::create_dir_all(folder.path().join("data/text")).unwrap();
    let reports: String = [
        "Small left effusion.",
        "No pneumothorax.",
        "Lungs are clear.",
    ]
    .iter()
    .enumerate()
    .map(|(i, t)| {
        format!("{{\"id\":\"{i}\",\"findings\":\"{t}\",\"impression\":\"\",\"split\":\"train\"}}\n")
    })
    .collect();
    std::fs::write(folder.path().join("data/text/iu_reports.jsonl"), reports).unwrap();
    let (data, runs) = (at("data"), at("runs"));
    let trained = run([
        "train", "radgraph", "--tiny", "--seed", "3", "--data", &data, "--runs", &runs,
    ]);
    assert_eq!(code(&trained), 0, "{}", stderr(&trained));
    let model = at("runs/radgraph-seed3-tiny/model");
    std::fs::write(folder.path().join("r.jsonl"), REPORTS).unwrap();
    let graphs = run(["text", "graph", &at("r.jsonl"), "--model", &model]);
    assert_eq!(code(&graphs), 1, "{}", stderr(&graphs));
    let graphs = lines(&graphs);
    assert_eq!(graphs.len(), 3);
    assert!(graphs[0]["entities"].is_object() && graphs[2]["error"].is_object());
    std::fs::write(
        folder.path().join("one.jsonl"),
        "{\"id\":\"a\",\"text\":\"Small left effusion.\"}\n",
    )
    .unwrap();
    let one = at("one.jsonl");
    let scored = run([
        "score",
        "--ref",
        &one,
        "--hyp",
        &one,
        "--metrics",
        "radgraph",
        "--graph-model",
        &model,
        "--json",
    ]);
    assert_eq!(code(&scored), 0, "{}", stderr(&scored));
    let scores: Value = serde_json::from_str(&stdout(&scored)).unwrap();
    let signature = scores["metrics"]["radgraph_er"]["signature"]
        .as_str()
        .unwrap();
    assert!(
        signature.contains("graph:model-") && !signature.contains("hilum-rules"),
        "{signature}"
    );

    let nowhere = run(["text", "graph", &one, "--model", &at("nowhere")]);
    assert_eq!(code(&nowhere), 1);
    assert!(
        stderr(&nowhere).contains("spans.json"),
        "{}",
        stderr(&nowhere)
    );
    let file = run([
        "text", "facts", &one, "--from", "radgraph", "--model", &model,
    ]);
    assert!(
        stderr(&file).contains("--model reads reports"),
        "{}",
        stderr(&file)
    );
}
