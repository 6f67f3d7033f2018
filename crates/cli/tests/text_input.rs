//! `hilum text` and `hilum score` on input that is wrong: a reason and a line, nothing dropped uncounted.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;

use common::{code, json_lines, run, stderr, stdout};
use std::path::PathBuf;

/// A file in a folder that lives as long as the test.
fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> String {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_string_lossy().into_owned()
}

const MIXED: &[u8] = b"{\"id\":\"a\",\"text\":\"\"}
{\"id\":\"b\",\"text\":\"No pleural effusion.\"}
{\"id\":\"b\",\"text\":\"again\"}
{\"id\":\"c\"}
{\"text\":\"no id\"}
{\"id\":\"d\",\"text\":\"The heart is XXXX. No XXXX effusion.\"}
{\"id\":\"e\",\"text\":\"El coraz\xc3\xb3n es de tama\xc3\xb1o normal. No hay derrame pleural ni neumot\xc3\xb3rax en este estudio.\"}
{\"id\":\"f\",\"text\":5}
not json

{\"id\":\"g\",\"text\":\"bad \xff byte\"}
";

#[test]
fn every_bad_line_has_its_reason_and_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "mixed.jsonl", MIXED);
    let wanted = [
        (1, "empty_report"),
        (3, "duplicate_id"),
        (4, "missing_text"),
        (5, "missing_id"),
        (7, "not_english"),
        (8, "missing_text"),
        (9, "invalid_json"),
        (11, "invalid_utf8"),
    ];
    for verb in ["label", "graph", "facts"] {
        let output = run(["text", verb, &path]);
        assert_eq!(code(&output), 1);
        let lines = json_lines(&output);
        let errors: Vec<(u64, &str)> = lines
            .iter()
            .filter_map(|l| Some((l["line"].as_u64()?, l["error"]["kind"].as_str()?)))
            .collect();
        assert_eq!(errors, wanted, "{verb}");
        assert_eq!(lines.len(), 10, "{verb}");
        let summary = stderr(&output);
        assert!(
            summary.contains("11 lines: 2 done, 8 failed, 1 blank"),
            "{summary}"
        );
        assert!(summary.contains("with_removed_words 1"), "{summary}");
    }
}

#[test]
fn csv_goes_in_and_labels_come_out_as_csv() {
    let folder = tempfile::tempdir().unwrap();
    let csv = b"study_id,findings,impression\n7,\"Small left effusion,\nunchanged.\",\n8,clear\n9,No pneumothorax.,\n";
    let path = file(&folder, "reports.csv", csv);
    let output = run(["text", "label", &path]);
    assert_eq!(code(&output), 1);
    let lines = json_lines(&output);
    assert_eq!(lines[0]["labels"]["pleural_effusion"], 1);
    assert_eq!(
        (&lines[1]["line"], &lines[1]["error"]["kind"]),
        (&4.into(), &"invalid_csv".into())
    );
    assert_eq!(lines[2]["labels"]["pneumothorax"], 0);

    let table = run(["text", "label", &path, "--chexpert", "--format", "csv"]);
    let text = stdout(&table);
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].starts_with("id,no_finding,"), "{text}");
    assert_eq!((rows.len(), rows[0].split(',').count()), (3, 15));
    assert!(
        rows[1].starts_with("7,") && rows[2].starts_with("9,1,"),
        "{text}"
    );
    assert!(stderr(&table).contains("\"invalid_csv\""));

    let facts = run(["text", "facts", &path, "--format", "csv"]);
    let text = stdout(&facts);
    assert!(
        text.lines()
            .any(|l| l.starts_with("7,pleural_effusion,effusion,present,")),
        "{text}"
    );
}

#[test]
fn labels_written_as_csv_are_read_as_labels() {
    let folder = tempfile::tempdir().unwrap();
    let reports = file(
        &folder,
        "r.jsonl",
        b"{\"id\":\"a\",\"text\":\"Small left pleural effusion.\"}\n",
    );
    let table = run(["text", "label", &reports, "--chexpert", "--format", "csv"]);
    let labels = file(&folder, "labels.csv", stdout(&table).as_bytes());
    let output = run([
        "score",
        "--ref",
        &labels,
        "--hyp",
        &reports,
        "--metrics",
        "chexpert_f1",
        "--json",
    ]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["metrics"]["chexpert_f1_micro"]["value"], 1.0);
}

#[test]
fn a_header_that_lacks_a_column_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "words.csv", b"id,words\n1,x\n");
    for output in [
        run(["text", "label", &path]),
        run(["score", "--ref", &path, "--hyp", &path]),
    ] {
        assert_eq!(code(&output), 1);
        let said = stderr(&output);
        assert!(said.contains("line 1") && said.contains("words"), "{said}");
    }
}

#[test]
fn a_report_of_a_megabyte_is_read_and_not_scored() {
    let folder = tempfile::tempdir().unwrap();
    let text = "There is a small left pleural effusion. ".repeat(26_000);
    let line = format!("{{\"id\":\"big\",\"text\":\"{text}\"}}\n");
    let path = file(&folder, "big.jsonl", line.as_bytes());
    let labelled = run(["text", "label", &path]);
    assert_eq!(code(&labelled), 0, "{}", stderr(&labelled));
    assert_eq!(json_lines(&labelled)[0]["labels"]["pleural_effusion"], 1);
    let scored = run(["score", "--ref", &path, "--hyp", &path]);
    assert_eq!(code(&scored), 1);
    assert!(stderr(&scored).contains("at most"), "{}", stderr(&scored));
}

/// The id may have another name, and a row that cannot be read is told before its echo on the other side.
#[test]
fn the_cause_comes_before_its_echo() {
    let folder = tempfile::tempdir().unwrap();
    let reference = file(
        &folder,
        "ref.jsonl",
        b"{\"study\":\"1\",\"text\":\"no effusion\"}\n{\"study\":\"2\",\"text\":\"clear\"}\n",
    );
    let broken = file(
        &folder,
        "hyp.jsonl",
        b"{\"study\":\"1\",\"text\":\"no effusion\"}\n{\"study\":\"2\",\"text\":null}\n",
    );
    let with = |hyp: &str| {
        run([
            "score",
            "--ref",
            &reference,
            "--hyp",
            hyp,
            "--metrics",
            "bleu",
            "--id-column",
            "study",
        ])
    };
    let same = with(&reference);
    assert_eq!(code(&same), 0, "{}", stderr(&same));
    let told = with(&broken);
    assert_eq!(code(&told), 1);
    let told = stderr(&told);
    assert!(told.contains("first: hyp line 2 (id 2)"), "{told}");
    assert!(told.contains("missing_text 1, unmatched 1"), "{told}");
}

#[test]
fn ids_that_do_not_match_are_an_error_or_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let refs = file(
        &folder,
        "r.jsonl",
        b"{\"id\":1,\"text\":\"Clear.\"}\n{\"id\":2,\"text\":\"Clear.\"}\n",
    );
    let hyps = file(
        &folder,
        "h.jsonl",
        b"{\"id\":2,\"text\":\"Clear.\"}\n{\"id\":3,\"text\":\"\"}\n",
    );
    let strict = run(["score", "--ref", &refs, "--hyp", &hyps, "--metrics", "bleu"]);
    assert_eq!(code(&strict), 1);
    assert!(
        stderr(&strict).contains("ref line 1 (id 1)"),
        "{}",
        stderr(&strict)
    );
    let partial = run([
        "score",
        "--ref",
        &refs,
        "--hyp",
        &hyps,
        "--metrics",
        "bleu",
        "--allow-partial",
        "--json",
    ]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&partial)).unwrap();
    assert_eq!(report["counts"]["scored"], 1);
    assert_eq!(report["counts"]["problems"], 2);
}

#[test]
fn time_lines_are_scored_a_patient_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let table = b"subject_id,study_id,reference,prediction\np,1,Left effusion.,Left effusion.\n\
q,2,Cardiomegaly.,No cardiomegaly.\np,3,The effusion is gone.,Left effusion.\n";
    let table = file(&folder, "t.csv", table);
    let score = |path: &str, more: &[&str]| {
        let plain = [
            "score",
            "--ref",
            path,
            "--hyp",
            path,
            "--metrics",
            "lunguage_sequential",
        ];
        run(plain.iter().chain(more))
    };
    let output = score(&table, &["--json", "--ci", "percentile"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let f1 = &report["metrics"]["lunguage_sequential_f1"];
    assert_eq!(f1["samples"], serde_json::json!(["p", "q"]));
    assert_eq!(f1["per_sample"].as_array().unwrap().len(), 2);
    assert!(f1["per_sample"][0].as_f64().unwrap() > f1["per_sample"][1].as_f64().unwrap());
    assert!(f1["signature"].as_str().unwrap().contains("sample:patient"));
    assert!(f1["ci"].is_object() || f1["ci_reason"].is_string(), "{f1}");
    assert_eq!(report["ids"].as_array().unwrap().len(), 3);
    let rows = folder.path().join("rows.csv");
    let refused = score(&table, &["--per-sample", &rows.to_string_lossy()]);
    assert_eq!(code(&refused), 1);
    assert!(
        stderr(&refused).contains("a value a patient"),
        "{}",
        stderr(&refused)
    );
    let bare = file(&folder, "b.jsonl", b"{\"id\":1,\"text\":\"Clear.\"}\n");
    let refused = score(&bare, &[]);
    assert_eq!(code(&refused), 1);
    assert!(
        stderr(&refused).contains("no `patient`"),
        "{}",
        stderr(&refused)
    );
    assert!(stdout(&run(["score", "--list"])).contains("`lunguage_sequential_f1`"));
}
