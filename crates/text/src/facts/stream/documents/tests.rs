use super::super::{Format, facts_jsonl, timeline_jsonl};
use super::*;
use crate::facts::extract::ExtractOptions;
use serde_json::json;
use std::io::Cursor;

const REPORTS: &str = concat!(
    "{\"id\":\"a1\",\"patient\":\"a\",\"text\":\"Small left effusion. A 12 mm nodule in the right upper lobe.\"}\n",
    "{\"id\":\"a2\",\"patient\":\"a\",\"text\":\"The left effusion has increased. Lungs are clear.\"}\n",
    "{\"id\":\"b1\",\"patient\":7,\"text\":\"Patchy opacity at the left base, suspicious for pneumonia.\"}\n",
);

fn options(format: Format) -> FactOptions {
    FactOptions {
        extract: ExtractOptions::default(),
        format,
        frames: None,
        reader: None,
    }
}

fn input(text: impl Into<Vec<u8>>, shape: Shape) -> std::iter::Once<Result<Input, TextError>> {
    std::iter::once(Ok(Input {
        reader: Box::new(Cursor::new(text.into())),
        shape,
        name: None,
    }))
}

fn lines(out: &[u8]) -> Vec<Value> {
    let lines = out.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines.map(|l| serde_json::from_slice(l).unwrap()).collect()
}

fn read(source: Source, text: &str, shape: Shape, format: Format) -> (Summary, Vec<Value>) {
    let mut out = Vec::new();
    let summary = facts_documents(source, input(text, shape), &mut out, &options(format)).unwrap();
    (summary, lines(&out))
}

fn write(format: Format) -> String {
    let mut out = Vec::new();
    facts_jsonl(REPORTS.as_bytes(), &mut out, &options(format)).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_written_is_read_again_in_each_form() {
    let plain = |line: &Value| {
        let facts = line["facts"].as_array().unwrap().iter();
        facts
            .map(|f| {
                let mut fact = f.clone();
                for key in ["entity", "suggests"] {
                    fact.as_object_mut().unwrap().remove(key);
                }
                fact
            })
            .collect::<Vec<_>>()
    };
    let direct: Vec<Value> = write(Format::Facts)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    for (source, format) in [
        (Source::Radgraph, Format::Radgraph),
        (Source::Lunguage, Format::Lunguage),
    ] {
        let text = write(format);
        let (summary, facts) = read(source, &text, Shape::JsonLines, Format::Facts);
        assert_eq!((summary.done, summary.failed), (3, 0), "{facts:?}");
        for (a, b) in facts.iter().zip(&direct) {
            assert_eq!(plain(a), plain(b));
        }
    }
    let text = write(Format::Scene);
    let (summary, scenes) = read(Source::Scene, &text, Shape::JsonLines, Format::Scene);
    assert_eq!((summary.done, summary.failed), (3, 0));
    for (scene, line) in scenes.iter().zip(text.lines()) {
        let before: Value = serde_json::from_str(line).unwrap();
        assert_eq!(scene["attributes"], before["attributes"]);
    }
}

#[test]
fn a_radgraph_file_is_read_entry_by_entry() {
    let graphs = write(Format::Radgraph);
    let first: Value = serde_json::from_str(graphs.lines().next().unwrap()).unwrap();
    let file = json!({ "a": first, "b": {"text": "x", "entities": {"1": {"tokens": "x", "label": "?", "start_ix": 0, "end_ix": 0, "relations": []}}} });
    let (summary, facts) = read(
        Source::Radgraph,
        &file.to_string(),
        Shape::Json,
        Format::Facts,
    );
    assert_eq!((summary.done, summary.failed), (1, 1));
    assert_eq!(facts[0]["facts"][0]["name"], "pleural_effusion");
    assert_eq!(facts[1]["error"]["kind"], "invalid_document");
    let mut out = Vec::new();
    let wrong = facts_documents(
        Source::Radgraph,
        input("[]", Shape::Json),
        &mut out,
        &options(Format::Facts),
    );
    assert!(wrong.is_err());
}

#[test]
fn a_table_of_rows_becomes_reports_and_time_lines() {
    let table = "subject_id,study_id,sequence,section,ent_idx,ent,dx_status,dx_certainty,location,worsened,no change\n\
         p,s1,1,find,1,effusion,positive,definitive,left,,\n\
         p,s1,1,find,2,cardiomegaly,positive,tentative,,,\n\
         p,s2,2,find,1,effusion,positive,definitive,left,increased,\n\
         q,s3,1,find,1,effusion,perhaps,definitive,,,\n\
         q,s4\n\
         p,s1,1,find,3,edema,negative,definitive,,,\n";
    let (summary, facts) = read(Source::Lunguage, table, Shape::Table(b','), Format::Facts);
    assert_eq!((summary.lines, summary.done, summary.failed), (5, 2, 3));
    assert_eq!(summary.notes["rows"], 3);
    assert_eq!(facts[0]["facts"].as_array().unwrap().len(), 2);
    assert_eq!(facts[1]["facts"][0]["change"], "worse");
    for (kind, n) in [
        ("unknown_value", 1),
        ("invalid_csv", 1),
        ("duplicate_id", 1),
    ] {
        assert_eq!(summary.problems[kind], n, "{kind}: {facts:?}");
    }
    let mut out = Vec::new();
    let options = options(Format::Facts);
    let inputs = input(table, Shape::Table(b','));
    let summary = timeline_documents(Source::Lunguage, inputs, &mut out, &options).unwrap();
    assert_eq!((summary.done, summary.notes["patients"]), (2, 1));
    let lines = lines(&out);
    let patient = lines.iter().find(|l| l["patient"] == "p").unwrap();
    assert_eq!(patient["studies"], json!(["s1", "s2"]));
    assert_eq!(patient["events"][2]["trend"]["change"], "worse");
    let header = facts_documents(
        Source::Lunguage,
        input("a,b\n1,2\n", Shape::Table(b',')),
        Vec::new(),
        &options,
    );
    assert!(matches!(header, Err(TextError::Columns { .. })));
}

#[test]
fn time_lines_come_back_from_a_patients_rows_and_scenes() {
    let events = |format| {
        let mut out = Vec::new();
        timeline_jsonl(REPORTS.as_bytes(), &mut out, &options(format)).unwrap();
        String::from_utf8(out).unwrap()
    };
    let changes = |line: &Value| {
        let events = line["events"].as_array().unwrap().iter();
        let mut all: Vec<String> = events
            .map(|e| {
                format!(
                    "{} {} {}",
                    e["study"], e["fact"]["name"], e["trend"]["change"]
                )
            })
            .collect();
        all.sort();
        all
    };
    let before: Vec<Value> = events(Format::Facts)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    for (source, format) in [
        (Source::Lunguage, Format::Lunguage),
        (Source::Scene, Format::Scene),
    ] {
        let mut out = Vec::new();
        let inputs = input(events(format), Shape::JsonLines);
        let summary =
            timeline_documents(source, inputs, &mut out, &options(Format::Facts)).unwrap();
        assert_eq!((summary.done, summary.failed), (3, 0), "{source:?}");
        let after = lines(&out);
        assert_eq!(after.len(), before.len());
        for (a, b) in after.iter().zip(&before) {
            assert_eq!(
                (&a["patient"], &a["studies"]),
                (&b["patient"], &b["studies"])
            );
            assert_eq!(changes(a), changes(b), "{source:?}");
        }
    }
}

#[test]
fn what_is_no_document_is_an_error_line() {
    let text = concat!(
        "{\"id\":\"a\",\"rows\":[]}\n\n",
        "{\"rows\":[]}\n",
        "{\"id\":\"b\",\"rows\":3}\n",
        "{\"id\":\"c\",\"text\":\"x\"}\n",
        "{\"ent\":\"edema\",\"dx_status\":\"positive\"}\n",
        "{\"id\":\"d\",\"rows\":[{\"entity\":\"mass\",\"dx_status\":\"positive\",\"evidence\":[3]}]}\n",
        "nonsense\n",
    );
    let (summary, lines) = read(Source::Lunguage, text, Shape::JsonLines, Format::Facts);
    assert_eq!((summary.done, summary.failed, summary.blank), (1, 6, 1));
    let kinds: Vec<&str> = lines[1..]
        .iter()
        .map(|l| l["error"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "missing_id",
            "invalid_document",
            "invalid_document",
            "missing_id",
            "dangling_relation",
            "invalid_json"
        ]
    );
    let scenes =
        "{\"image_id\":\"i\"}\n{\"scenes\":1}\n{\"scenes\":[{\"image_id\":2,\"attributes\":[]}]}\n";
    let (summary, _) = read(Source::Scene, scenes, Shape::JsonLines, Format::Facts);
    assert_eq!((summary.done, summary.failed), (1, 2));
    let list = "[{\"image_id\":\"i\",\"attributes\":[]}, 3]";
    let (summary, _) = read(Source::Scene, list, Shape::Json, Format::Facts);
    assert_eq!((summary.done, summary.failed), (1, 1));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    /// Whatever the bytes are, every line is answered and counted.
    #[test]
    fn foreign_bytes_never_break_a_reader(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), rows in "[a-z_,:\\[\\]{}\"0-9 \n]{0,200}") {
        for source in [Source::Lunguage, Source::Scene, Source::Radgraph] {
            for text in [bytes.clone(), rows.clone().into_bytes()] {
                for shape in [Shape::JsonLines, Shape::Json, Shape::Table(b',')] {
                    let mut out = Vec::new();
                    let read = facts_documents(source, input(text.clone(), shape), &mut out, &options(Format::Facts));
                    if let Ok(summary) = read {
                        assert_eq!(summary.lines, summary.done + summary.failed + summary.blank);
                    }
                }
            }
        }
    }
}
