//! `hilum audit` and `hilum calibrate` on tables of scores, run folders and labelled films: what they find, and what they refuse.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;

use common::{code, run, stderr, stdout};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Numbers that look random and are the same everywhere.
fn noise(state: &mut u64) -> f64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1u64 << 53) as f64
}

/// Overconfident scores; those of men say nothing, those of 2023 say too much, every 20th label is turned.
fn scores(dir: &Path) -> PathBuf {
    let mut state = 7;
    let mut text = String::from("id,patient,finding,label,probability,sex,age,date\n");
    for i in 0..600 {
        let sex = if i % 2 == 0 { "F" } else { "M" };
        let year = 2021 + i % 3;
        let real = noise(&mut state) < 0.4;
        let told = if sex == "F" {
            real
        } else {
            noise(&mut state) < 0.4
        };
        let mut p = match told {
            true => 0.6 + 0.39 * noise(&mut state),
            false => 0.4 * noise(&mut state),
        };
        if year == 2023 {
            p = (p + 0.3).min(0.999);
        }
        let label = real != (i % 20 == 0);
        let _ = writeln!(
            text,
            "case-{i},p{},mass,{},{p},{sex},{},{year}-0{}-01",
            i / 2,
            u8::from(label),
            20 + i % 70,
            1 + i % 9
        );
    }
    let path = dir.join("scores.csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn json(args: &[&str]) -> Value {
    let output = run(args);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[test]
fn a_group_that_the_scores_fail_is_found_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let (table, out) = (text(&scores(dir.path())), text(&dir.path().join("out")));
    let args = [
        "audit",
        "subgroup",
        &table,
        "--by",
        "sex,age",
        "--resamples",
        "300",
    ];
    let found = json(&[&args[..], &["--json", "--out", &out]].concat());
    let finding = &found["findings"][0];
    assert_eq!(
        (finding["finding"].as_str(), &finding["alarm"]),
        (Some("mass"), &Value::Bool(true))
    );
    let gap = finding["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|g| g["value"] == "M" && g["measure"] == "auroc")
        .unwrap();
    assert!(gap["significant"].as_bool().unwrap() && gap["gap"].as_f64().unwrap() < -0.2);
    for name in [
        "subgroup.json",
        "subgroup-mass-auroc.svg",
        "subgroup-mass-groups.csv",
        "subgroup-mass-reliability-sex.svg",
    ] {
        assert!(Path::new(&out).join(name).is_file(), "{name}");
    }
    // The same on any number of threads, and --strict turns the alarm into a code.
    let one = common::hilum()
        .args([&args[..], &["--json", "--strict"]].concat())
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    assert_eq!(code(&one), 1);
    assert_eq!(serde_json::from_str::<Value>(&stdout(&one)).unwrap(), found);
}

#[test]
fn drift_and_wrong_labels_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let table = text(&scores(dir.path()));
    let drift = json(&[
        "audit",
        "drift",
        &table,
        "--every",
        "year",
        "--json",
        "--resamples",
        "300",
    ]);
    let flagged: Vec<&str> = drift["findings"][0]["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|g| g["significant"] == true && g["measure"] == "in_the_large")
        .filter_map(|g| g["value"].as_str())
        .collect();
    assert_eq!(flagged, ["2023"]);
    let labels = run(["audit", "labels", &table, "--top", "3"]);
    assert_eq!(code(&labels), 0, "{}", stderr(&labels));
    assert!(stdout(&labels).contains("labels disagree with a confident answer"));
}

#[test]
fn a_calibration_of_scores_is_better_than_before() {
    let dir = tempfile::tempdir().unwrap();
    let table = text(&scores(dir.path()));
    let (out, plots) = (dir.path().join("c.json"), dir.path().join("plots"));
    let args = [
        "calibrate",
        &table,
        "--out",
        &text(&out),
        "--plots",
        &text(&plots),
    ];
    let output = run(args);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    let refit = &file["outputs"][0]["refit"];
    let ece = |q: &Value| q["ece"]["value"].as_f64().unwrap();
    let best = refit["tried"]
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["kind"] == refit["chosen"])
        .unwrap();
    assert!(ece(&best["quality"]) < ece(&refit["before"]));
    assert!(plots.join("reliability-scores-mass.svg").is_file());
    // A reading cannot use scores of nobody.
    let sample = common::sample("images/adult-pa.jpg");
    let read = run(["read", &text(&sample), "--calibration", &text(&out)]);
    assert_eq!(code(&read), 1);
    assert!(stderr(&read).contains("--model NAME"), "{}", stderr(&read));
}

#[test]
fn what_cannot_be_measured_is_said_without_a_figure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.csv");
    let out = dir.path().join("c.json");
    for (table, words) in [
        (
            "label,probability\n1,0.5\n1,0.7\n",
            "all 2 labelled rows are present",
        ),
        (
            "label,probability\n,0.5\n,0.7\n",
            "none of its 2 rows is labelled",
        ),
        (
            "label,probability\n1,NaN\n0,0.7\n",
            "row 1: the score is NaN",
        ),
        (
            "label,probability\n1,0.5\n0,0.7\n0,0.2\n",
            "use fewer folds",
        ),
        ("label,score\n1,0.5\n", "--scores"),
        ("patient,age\n1,2\n", "neither scores"),
    ] {
        std::fs::write(&path, table).unwrap();
        let output = run(["calibrate", &text(&path), "--out", &text(&out)]);
        assert_ne!(code(&output), 0, "{table}");
        assert!(
            stderr(&output).contains(words),
            "{table}: {}",
            stderr(&output)
        );
        assert!(stdout(&output).is_empty() && !out.exists(), "{table}");
    }
    std::fs::write(&path, "label,probability,sex\n1,0.5,F\n0,0.7,M\n").unwrap();
    let groups = run(["audit", "subgroup", &text(&path), "--by", "sex"]);
    assert_eq!(code(&groups), 1);
    assert!(
        stderr(&groups).contains("nothing can be compared"),
        "{}",
        stderr(&groups)
    );
    let column = run(["audit", "subgroup", &text(&path), "--by", "colour"]);
    assert!(stderr(&column).contains("unknown column `colour`"));
}

#[test]
fn scores_under_masks_tell_a_shortcut_from_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("masked.csv");
    let verdict = |told_without_lungs: bool| {
        let mut state = 3;
        let mut table = String::from("id,label,logit,condition,view\n");
        for i in 0..80 {
            let y = i % 2 == 0;
            for condition in [
                "full",
                "no_region",
                "no_region_box",
                "only_region",
                "only_region_box",
            ] {
                let hidden = condition.starts_with("no");
                let told = y && (told_without_lungs || !hidden);
                let z = 4.0 * noise(&mut state) + if told { 4.0 } else { 0.0 };
                let view = if i % 3 == 0 { "AP" } else { "PA" };
                let _ = writeln!(table, "c{i},{},{z},{condition},{view}", u8::from(y));
            }
        }
        std::fs::write(&path, table).unwrap();
        let found = json(&[
            "audit",
            "shortcut",
            &text(&path),
            "--json",
            "--resamples",
            "300",
        ]);
        found["findings"][0]["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict(true), "shortcut");
    assert_eq!(verdict(false), "no_sign");
}

#[test]
fn a_run_folder_is_audited_by_its_scores_and_one_without_them_is_no_folder_of_films() {
    let dir = tempfile::tempdir().unwrap();
    let run_folder = dir.path().join("method-seed1");
    std::fs::create_dir(&run_folder).unwrap();
    std::fs::write(run_folder.join("outcome.json"), "{}").unwrap();
    std::fs::copy(
        common::sample("images/adult-pa.jpg"),
        run_folder.join("a-plot.jpg"),
    )
    .unwrap();
    let none = run(["audit", "labels", &text(&run_folder)]);
    assert_eq!(code(&none), 2);
    assert!(
        stderr(&none).contains("a run folder without scores.csv"),
        "{}",
        stderr(&none)
    );
    let table = scores(&run_folder);
    let of = |input: &Path| json(&["audit", "labels", &text(input), "--json"]);
    assert_eq!(of(&run_folder), of(&table));
}

/// Twenty films, the sample's adults five times each, with labels that the model can tell in four of five cases.
fn labelled_films(dir: &Path) {
    let mut table = String::from("path,patient,pneumonia,sex\n");
    for (kind, ill) in [
        ("adult-pa", 1),
        ("adult-supine", 1),
        ("adult-no-finding", 0),
        ("adult-pacemaker", 0),
    ] {
        for i in 0..5 {
            let name = format!("{kind}-{i}.jpg");
            std::fs::copy(
                common::sample(&format!("images/{kind}.jpg")),
                dir.join(&name),
            )
            .unwrap();
            let label = if i == 4 { 1 - ill } else { ill };
            let sex = if i % 2 == 0 { "F" } else { "M" };
            let _ = writeln!(table, "{name},{kind}-{i},{label},{sex}");
        }
    }
    std::fs::copy(common::sample("bad/ct-slice.png"), dir.join("ct-slice.png")).unwrap();
    table.push_str("ct-slice.png,ct,1,F\n");
    std::fs::write(dir.join("labels.csv"), table).unwrap();
}

#[test]
fn a_folder_of_labelled_films_is_calibrated_audited_and_read_with_its_calibration() {
    let dir = tempfile::tempdir().unwrap();
    let films = dir.path().join("films");
    std::fs::create_dir(&films).unwrap();
    labelled_films(&films);
    let (out, plots) = (dir.path().join("own.json"), dir.path().join("plots"));
    let folder = text(&films);
    let made = run([
        "calibrate",
        &folder,
        "--out",
        &text(&out),
        "--plots",
        &text(&plots),
    ]);
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    // What is no film gives no score.
    assert!(stderr(&made).contains("left out ct-slice.png"));
    assert!(stdout(&made).contains("20 cases, 10 present, 20 patients"));
    assert!(
        plots
            .join("reliability-nih_findings-pneumonia.svg")
            .is_file()
    );

    let film = text(&common::sample("images/adult-pa.jpg"));
    let read = |more: &[&str]| -> Value {
        let args = [&["read", film.as_str(), "--json"], more].concat();
        json(&args)
    };
    let probability = |reading: &Value| {
        let findings = reading["findings"].as_array().unwrap().iter();
        let mut own = findings.filter(|f| f["code"] == "pneumonia");
        own.next().unwrap()["probability"].as_f64().unwrap()
    };
    let (plain, own) = (read(&[]), read(&["--calibration", &text(&out)]));
    assert_eq!(own["provenance"]["calibration"]["name"], "own.json");
    assert_ne!(probability(&plain), probability(&own));

    let groups = json(&[
        "audit", "subgroup", &folder, "--by", "sex", "--least", "2", "--json",
    ]);
    assert!(groups.to_string().contains("\"pneumonia\""), "{groups}");
    let shortcut = run([
        "audit",
        "shortcut",
        &folder,
        "--model",
        "nih_findings",
        "--finding",
        "pneumonia",
        "--attributed",
        "2",
    ]);
    assert_eq!(code(&shortcut), 0, "{}", stderr(&shortcut));
    assert!(
        stderr(&shortcut).contains("left out ct-slice.png: stopped by the gate"),
        "{}",
        stderr(&shortcut)
    );
    assert!(stdout(&shortcut).contains("NoLungBB"));
}

#[test]
fn scores_of_one_class_or_that_are_no_numbers_are_not_audited() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.csv");
    for (table, words) in [
        (
            "label,probability,date\n1,0.5,2024-01-01\n1,0.7,2024-05-01\n",
            "all 2 labelled rows are present",
        ),
        (
            "label,probability,date\n,0.5,2024-01-01\n,0.7,2024-05-01\n",
            "none of its 2 rows is labelled",
        ),
        (
            "label,probability,date\n1,NaN,2024-01-01\n0,0.7,2024-05-01\n",
            "row 1: the score is NaN",
        ),
    ] {
        std::fs::write(&path, table).unwrap();
        let input = text(&path);
        for args in [
            vec!["audit", "labels", &input],
            vec!["audit", "drift", &input, "--by", "date"],
        ] {
            let output = run(args.clone());
            assert_ne!(code(&output), 0, "{args:?} {table}");
            assert!(
                stderr(&output).contains(words),
                "{args:?} {table}: {}",
                stderr(&output)
            );
        }
    }
}
