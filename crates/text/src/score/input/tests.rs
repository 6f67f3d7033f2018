//! Files of each kind, whole and broken.

use super::*;
use crate::label::LabelValue;

fn read(text: &[u8], format: Format, kind: SideKind) -> Result<Batch, TextError> {
    let source = Box::new(std::io::Cursor::new(text.to_vec()));
    let mut reader = Reader::open(source, format, "file", kind, InputOptions::default())?;
    let mut all = Vec::new();
    loop {
        let batch = reader.next_batch()?;
        if batch.is_empty() {
            return Ok(all);
        }
        all.extend(batch);
    }
}

fn plain(batch: &Batch) -> Vec<(String, Vec<String>)> {
    batch
        .iter()
        .map(|e| e.as_ref().unwrap())
        .map(|e| (e.id.clone(), e.texts.clone()))
        .collect()
}

#[test]
fn files_of_pycocoevalcap() {
    let one = |id: &str, texts: &[&str]| {
        (
            id.to_owned(),
            texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>(),
        )
    };
    let annotations = br#"{"images":[{"id":1}],"annotations":[{"image_id":1,"id":0,"caption":"a"},{"image_id":1,"id":1,"caption":"b"}]}"#;
    let found = read(annotations, Format::Json, SideKind::Reference).unwrap();
    // The image is what is scored, not the annotation's own number.
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(plain(&found), [one("1", &["a", "b"])]);
    let results = br#"[{"image_id":1,"caption":"a"}]"#;
    assert_eq!(
        plain(&read(results, Format::Json, SideKind::Hypothesis).unwrap()),
        [one("1", &["a"])]
    );
    let gts = br#"{"x":[{"caption":"a"},{"caption":"b"}],"y":["c"]}"#;
    let found = read(gts, Format::Json, SideKind::Reference).unwrap();
    assert_eq!(plain(&found), [one("x", &["a", "b"]), one("y", &["c"])]);
    let lists = br#"{"refs":["a","b"],"hyps":["c","d"]}"#;
    assert_eq!(
        plain(&read(lists, Format::Json, SideKind::Hypothesis).unwrap())[1],
        one("2", &["d"])
    );
    assert!(read(b"3", Format::Json, SideKind::Reference).is_err());
}

#[test]
fn labels_of_the_chexpert_labeler() {
    let text = "Reports,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Lesion,Lung Opacity,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices\n\"Big heart,\nno edema\",,,1.0,,,0.0,,-1.0,,,,,,\nx,,,7,,,,,,,,,,,\nx,1\n";
    let found = read(text.as_bytes(), Format::Csv, SideKind::Reference).unwrap();
    let first = found[0].as_ref().unwrap();
    assert_eq!((first.id.as_str(), first.line), ("1", 2));
    let labels = first.labels.unwrap();
    assert_eq!(labels[2], Some(LabelValue::Present));
    assert_eq!(labels[5], Some(LabelValue::Absent));
    assert_eq!(labels[7], Some(LabelValue::Uncertain));
    let wrong: Vec<_> = found[1..]
        .iter()
        .map(|e| e.as_ref().unwrap_err())
        .map(|e| (e.line, e.kind))
        .collect();
    assert_eq!(
        wrong,
        [(4, Problem::InvalidLabel), (5, Problem::InvalidCsv)]
    );
}

#[test]
fn csv_columns_are_found_or_asked_for() {
    let rows = b"study_id,reference,prediction\n7,clear,opacity\n8,\xff,x\n,x,y\n";
    let found = read(rows, Format::Csv, SideKind::Reference).unwrap();
    assert_eq!(found[0].as_ref().unwrap().texts, ["clear"]);
    assert_eq!(found[1].as_ref().unwrap_err().kind, Problem::InvalidUtf8);
    assert_eq!(found[2].as_ref().unwrap_err().kind, Problem::MissingId);
    let found = read(
        b"study_id,reference,prediction\n7,clear,opacity\n",
        Format::Csv,
        SideKind::Hypothesis,
    )
    .unwrap();
    assert_eq!(found[0].as_ref().unwrap().texts, ["opacity"]);
    let missing = read(b"id,words\n1,x\n", Format::Csv, SideKind::Reference).unwrap_err();
    assert!(
        missing.to_string().contains("words") && missing.to_string().contains("line 1"),
        "{missing}"
    );
}

#[test]
fn json_lines_with_sections_labels_and_long_texts() {
    let long = format!("{{\"id\":3,\"text\":\"{}\"}}", "x".repeat(MAX_TEXT + 1));
    let lines = format!(
        "{{\"id\":1,\"findings\":\"Clear.\",\"impression\":\"Normal.\"}}\n\n{{\"id\":2,\"labels\":{{\"edema\":1}}}}\n{long}\n{{\"id\":4}}\n"
    );
    let found = read(lines.as_bytes(), Format::Jsonl, SideKind::Reference).unwrap();
    assert_eq!(found[0].as_ref().unwrap().texts, ["Clear.\nNormal."]);
    assert_eq!(
        found[1].as_ref().unwrap().labels.unwrap()[5],
        Some(LabelValue::Present)
    );
    let kinds: Vec<_> = found[2..]
        .iter()
        .map(|e| e.as_ref().unwrap_err())
        .map(|e| (e.line, e.kind))
        .collect();
    assert_eq!(kinds, [(4, Problem::TooLong), (5, Problem::MissingText)]);
}

#[test]
fn a_quote_that_is_never_closed_takes_no_row_with_it_unseen() {
    let text = b"id,text\n1,Clear.\n2,\"Clear.\n3,Clear.\n";
    let found = read(text, Format::Csv, SideKind::Reference).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found[0].is_ok());
    let error = found[1].as_ref().unwrap_err();
    assert_eq!((error.line, error.kind), (3, Problem::InvalidCsv));
    let empty = read(b"", Format::Csv, SideKind::Reference);
    assert!(empty.unwrap_err().to_string().contains("empty"));
}
