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

/// What `facts` and `timeline` write as rows and scenes they read again; a table of rows and a folder of graphs are read as well.
#[test]
fn rows_and_scenes_go_out_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&folder.path().join(name));
    let reports: String = REPORTS.lines().take(2).map(|l| format!("{l}\n")).collect();
    std::fs::write(at("r.jsonl"), reports).unwrap();
    let names = |lines: &[Value]| -> Vec<Vec<String>> {
        let of = |l: &Value| {
            let facts = l["facts"].as_array().unwrap().iter();
            let mut names: Vec<String> = facts
                .map(|f| format!("{} {} {}", f["name"], f["assertion"], f["change"]))
                .collect();
            names.sort();
            names
        };
        lines.iter().map(of).collect()
    };
    let direct = names(&lines(&run(["text", "facts", &at("r.jsonl")])));
    for (verb, format) in [("facts", "lunguage"), ("graph", "scene")] {
        let written = run(["text", verb, &at("r.jsonl"), "--format", format]);
        std::fs::write(at("w.jsonl"), stdout(&written)).unwrap();
        let read = run(["text", "facts", &at("w.jsonl"), "--from", format]);
        assert_eq!(code(&read), 0, "{}", stderr(&read));
        assert_eq!(names(&lines(&read)), direct, "{format}");
        let table = run([
            "text",
            "facts",
            &at("w.jsonl"),
            "--from",
            format,
            "--format",
            "csv",
        ]);
        assert!(
            stdout(&table).contains("s1,pleural_effusion,pleural effusion,present"),
            "{}",
            stdout(&table)
        );
        let written = run(["text", "timeline", &at("r.jsonl"), "--format", format]);
        std::fs::write(at("t.jsonl"), stdout(&written)).unwrap();
        let events = lines(&run(["text", "timeline", &at("t.jsonl"), "--from", format]));
        assert_eq!(events[0]["studies"], serde_json::json!(["s1", "s2"]));
    }
    let rows = "subject_id,study_id,section,ent_idx,ent,dx_status,dx_certainty,location\n\
                p,s1,find,1,opacity,positive,tentative,loc: left lower lobe\np,s2,find,1,opacity,unsure,tentative,\n";
    std::fs::write(at("rows.csv"), rows).unwrap();
    let read = run(["text", "graph", &at("rows.csv"), "--from", "lunguage"]);
    assert_eq!(code(&read), 1);
    assert!(
        stderr(&read).contains("2 lines: 1 done, 1 failed, 0 blank, unknown_value 1, rows 1"),
        "{}",
        stderr(&read)
    );
    std::fs::create_dir(at("scenes")).unwrap();
    let graph = serde_json::json!({"image_id": "i", "attributes": [{"bbox_name": "left lung", "object_id": "i_left lung",
        "attributes": [["anatomicalfinding|yes|consolidation"]], "phrases": ["Consolidation is seen."]}]});
    std::fs::write(
        at("scenes/a_SceneGraph.json"),
        serde_json::to_string_pretty(&graph).unwrap(),
    )
    .unwrap();
    std::fs::write(at("scenes/b_SceneGraph.json"), "{").unwrap();
    let read = run(["text", "facts", &at("scenes"), "--from", "scene"]);
    let found = lines(&read);
    assert_eq!(found[0]["facts"][0]["side"], "left");
    assert_eq!(
        (&found[1]["line"], &found[1]["error"]["kind"]),
        (&2.into(), &"invalid_json".into())
    );
    assert!(
        found[1]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("b_SceneGraph.json")
    );
    for wrong in [
        vec!["text", "timeline", "--from", "radgraph", "r.json"],
        vec!["text", "facts", "--from", "scene", "--model", "m", "r.json"],
        vec!["text", "facts", "--from", "scene", "missing.json"],
    ] {
        assert_ne!(code(&run(&wrong)), 0, "{wrong:?}");
    }
}

/// Boxes lie in the image's own lungs; an image without a mask of both is an error of its line.
#[test]
fn scene_boxes_come_from_masks() {
    let folder = tempfile::tempdir().unwrap();
    let masks = folder.path().join("masks");
    std::fs::create_dir(&masks).unwrap();
    let lungs = |boxes: &[[usize; 4]]| {
        let inside = |x: usize, y: usize| {
            boxes
                .iter()
                .any(|&[l, t, w, h]| (l..l + w).contains(&x) && (t..t + h).contains(&y))
        };
        hilum_image::Mask::from_fn(200, 160, |x, y| u8::from(inside(x, y)) * 255)
    };
    let both = [[20, 10, 60, 120], [110, 14, 56, 110]];
    for (id, mask) in [("s1", lungs(&both)), ("one", lungs(&both[..1]))] {
        let png = hilum_image::draw::encode_gray_png(&mask).unwrap();
        std::fs::write(masks.join(format!("{id}.png")), png).unwrap();
    }
    std::fs::write(masks.join("bad.png"), b"no picture").unwrap();
    let file = folder.path().join("r.jsonl");
    let ids = ["s1", "one", "none", "bad", "../masks/s1"];
    let reports: String = ids
        .iter()
        .map(|id| format!("{{\"id\":\"{id}\",\"patient\":\"p\",\"text\":\"Left effusion.\"}}\n"))
        .collect();
    std::fs::write(&file, reports).unwrap();
    let output = run([
        "text",
        "graph",
        "--format",
        "scene",
        "--masks",
        &text(&masks),
        &text(&file),
    ]);
    assert_eq!(code(&output), 1);
    let found = lines(&output);
    let objects = found[0]["objects"].as_array().unwrap();
    let rect = |name: &str| {
        let object = objects.iter().find(|o| o["bbox_name"] == name).unwrap();
        ["x1", "y1", "x2", "y2"].map(|k| object[k].as_f64().unwrap())
    };
    // The patient's right lung is on the left of the image.
    assert_eq!(rect("right lung"), [20.0, 10.0, 80.0, 130.0]);
    assert_eq!(rect("left lung"), [110.0, 14.0, 166.0, 124.0]);
    let kinds: Vec<&str> = found[1..]
        .iter()
        .map(|l| l["error"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "unusable_mask",
            "missing_mask",
            "unusable_mask",
            "unusable_mask"
        ]
    );
    assert!(
        stderr(&output).contains("missing_mask 1, unusable_mask 3"),
        "{}",
        stderr(&output)
    );
    let timeline = run([
        "text",
        "timeline",
        "--format",
        "scene",
        "--masks",
        &text(&masks),
        &text(&file),
    ]);
    let found = lines(&timeline);
    let patient = found.iter().find(|l| l["patient"] == "p").unwrap();
    assert_eq!(patient["scenes"].as_array().unwrap().len(), 1);
    // Formats without boxes look at no mask.
    assert_eq!(
        code(&run([
            "text",
            "facts",
            "--masks",
            &text(&masks),
            &text(&file)
        ])),
        0
    );
    let missing = run([
        "text",
        "graph",
        "--format",
        "scene",
        "--masks",
        "nowhere",
        &text(&file),
    ]);
    assert_ne!(code(&missing), 0);
}
