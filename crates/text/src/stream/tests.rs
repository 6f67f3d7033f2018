use super::*;
use crate::label::LabelOptions;
use serde_json::Value;

fn label(input: &[u8]) -> (Summary, Vec<Value>) {
    let mut out = Vec::new();
    let summary = label_jsonl(input, &mut out, &LabelOptions::default(), false).unwrap();
    let lines = out.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    (
        summary,
        lines.map(|l| serde_json::from_slice(l).unwrap()).collect(),
    )
}

#[test]
fn other_languages_are_refused_and_removed_words_are_noted() {
    let input = concat!(
        "{\"id\":1,\"text\":\"Kein Nachweis eines Pneumothorax oder Ergusses, Herzschatten normal konfiguriert und schlank.\"}\n",
        "{\"id\":2,\"text\":\"心臓の大きさは正常です。 胸水 なし 肺野 清 明 異常 所見 認め ません でした\"}\n",
        "{\"id\":3,\"text\":\"XXXX XXXX XXXX. Heart is normal. XXXX XXXX XXXX XXXX XXXX XXXX\"}\n",
        "{\"id\":4,\"text\":\"Thorax unauffällig.\"}\n",
        "{\"id\":5,\"text\":\"XXXX XXXX. ___\"}\n",
        "{\"id\":\" \",\"text\":\"Clear.\"}\n",
    );
    let (summary, lines) = label(input.as_bytes());
    assert_eq!((summary.done, summary.failed), (2, 4), "{lines:?}");
    assert_eq!(summary.problems["empty_report"], 1);
    assert_eq!(summary.problems["missing_id"], 1);
    assert_eq!(summary.problems["not_english"], 2);
    assert_eq!(summary.notes["with_removed_words"], 1);
    assert_eq!(lines[0]["line"], 1);
}

#[test]
fn every_line_is_answered_and_counted() {
    let mut input = b"{\"id\":\"a\",\"findings\":\"Small effusion.\",\"impression\":\"\"}\n\n{\"id\":7,\"text\":\"Clear.\"}\n".to_vec();
    input.extend(b"\xff\xfe\n{\"id\":\"a\",\"text\":\"x\"}\n[1]\n{\"text\":\"x\"}\n{\"id\":\"b\"}\n{\"id\":\"c\",\"text\":\" \"}\n");
    input.extend(b"{\"id\":\"d\",\"indication\":\"Cough\"}\n{\"id\":\"e\",\"text\":3}\n{\"id\":\"f\",\"xml\":\"<a/>\"}");
    let (summary, lines) = label(&input);
    assert_eq!(
        (summary.lines, summary.done, summary.blank, summary.failed),
        (12, 2, 1, 9)
    );
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[0]["labels"]["pleural_effusion"], 1);
    assert!(lines[0]["labels"]["fracture"].is_null());
    assert_eq!(lines[1]["id"], 7);
    let kinds: Vec<&str> = lines[2..]
        .iter()
        .map(|l| l["error"]["kind"].as_str().unwrap())
        .collect();
    let expected = [
        "invalid_utf8",
        "duplicate_id",
        "invalid_json",
        "missing_id",
        "missing_text",
        "empty_report",
        "no_such_section",
        "missing_text",
        "invalid_xml",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(lines[2]["line"], 4);
    assert_eq!(summary.problems.values().sum::<u64>(), 9);
}

#[test]
fn order_is_kept_over_batches_and_long_reports_pass() {
    let mut input = Vec::new();
    for i in 0..3000 {
        input.extend(format!("{{\"id\":{i},\"text\":\"No effusion.\"}}\n").bytes());
    }
    input.extend(
        format!(
            "{{\"id\":\"long\",\"text\":\"{}\"}}\n",
            "No effusion. ".repeat(90_000)
        )
        .bytes(),
    );
    let (summary, lines) = label(&input);
    assert_eq!(summary.done, 3001);
    assert!(lines[..3000].iter().enumerate().all(|(i, l)| l["id"] == i));
    assert_eq!(lines[3000]["labels"]["pleural_effusion"], 0);
}

#[test]
fn lines_beyond_the_limit_are_skipped_whole() {
    let mut input = vec![b'x'; MAX_LINE + 10];
    input.extend(b"\n{\"id\":1,\"text\":\"Clear.\"}\n");
    let (summary, lines) = label(&input);
    assert_eq!((summary.failed, summary.done), (1, 1));
    assert_eq!(lines[0]["error"]["kind"], "too_long");
}

#[test]
fn missing_sections_are_noted() {
    let mut out = Vec::new();
    let input: &[u8] =
        b"{\"id\":1,\"text\":\"IMPRESSION: Clear.\"}\n{\"id\":2,\"text\":\"Clear.\"}\n";
    let summary = sections_jsonl(input, &mut out).unwrap();
    assert_eq!(summary.notes["without_findings"], 2);
    assert_eq!(summary.notes["without_any_heading"], 1);
    assert!(
        String::from_utf8(out)
            .unwrap()
            .contains("\"kind\":\"impression\"")
    );
}
