//! BLEU, ROUGE-L and CIDEr-D against pycocoevalcap, the PTB tokenizer against CoreNLP 3.4.1.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use hilum_text::nlg::{self, Sample};
use hilum_text::tokenize::ptb;
use serde_json::Value;

fn fixture(name: &str) -> Option<Value> {
    let path = format!(
        "{}/../../../shared/parity/nlg/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: NLG parity needs ../shared/parity/nlg/{name}.json, which is not here");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn close(got: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (got - expected).abs() <= tolerance,
        "{what}: {got} instead of {expected}"
    );
}

fn pairs(tokenized: &Value) -> Vec<Sample> {
    let one = |p: &Value| Sample {
        hypothesis: text(&p["candidate"]),
        references: vec![text(&p["reference"])],
    };
    tokenized.as_array().unwrap().iter().map(one).collect()
}

fn compare(samples: &[Sample], expected: &Value, tolerance: [f64; 3]) {
    let bleu = nlg::bleu::bleu(samples, "given").unwrap();
    for (k, corpus) in numbers(&expected["bleu"]["corpus"]).into_iter().enumerate() {
        close(bleu[k].value.unwrap(), corpus, tolerance[0], "corpus BLEU");
    }
    for (i, row) in expected["bleu"]["per_sample"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        for (k, value) in numbers(row).into_iter().enumerate() {
            close(
                bleu[k].per_sample[i].unwrap(),
                value,
                tolerance[0],
                &format!("BLEU-{} of sample {i}", k + 1),
            );
        }
    }
    let rouge = nlg::rouge::rouge_l(samples, "given").unwrap();
    let cider = nlg::cider::cider_d(samples, "given").unwrap();
    for (score, key, tolerance) in [
        (rouge, "rouge_l", tolerance[1]),
        (cider, "cider", tolerance[2]),
    ] {
        close(
            score.value.unwrap(),
            expected[key]["corpus_mean"].as_f64().unwrap(),
            tolerance,
            key,
        );
        for (i, value) in numbers(&expected[key]["per_sample"])
            .into_iter()
            .enumerate()
        {
            close(
                score.per_sample[i].unwrap(),
                value,
                tolerance,
                &format!("{key} of sample {i}"),
            );
        }
    }
}

#[test]
fn real_pairs_with_and_without_ptb() {
    for name in ["coco_ptb", "coco_raw"] {
        let Some(fixture) = fixture(name) else { return };
        compare(
            &pairs(&fixture["tokenized"]),
            &fixture["expected"],
            [1e-9, 1e-9, 1e-6],
        );
    }
}

#[test]
fn three_references() {
    let (Some(multi), Some(ptb)) = (fixture("coco_multiref"), fixture("coco_ptb")) else {
        return;
    };
    let pairs = pairs(&ptb["tokenized"]);
    let samples: Vec<Sample> = (0..50)
        .map(|k| Sample {
            hypothesis: pairs[k].hypothesis.clone(),
            references: [k, (k + 1) % 50, (k + 7) % 50]
                .map(|i| pairs[i].references[0].clone())
                .to_vec(),
        })
        .collect();
    compare(&samples, &multi["expected"], [1e-6; 3]);
}

#[test]
fn degenerate_texts() {
    let Some(fixture) = fixture("coco_degenerate") else {
        return;
    };
    let cases = fixture["cases"].as_array().unwrap();
    let samples: Vec<Sample> = cases
        .iter()
        .map(|c| Sample {
            hypothesis: text(&c["input"]["candidate"]),
            references: vec![text(&c["input"]["reference"])],
        })
        .collect();
    let bleu = nlg::bleu::bleu(&samples, "given").unwrap();
    let rouge = nlg::rouge::rouge_l(&samples, "given").unwrap();
    let cider = nlg::cider::cider_d(&samples, "given").unwrap();
    for (i, case) in cases.iter().enumerate() {
        let (name, expected) = (text(&case["name"]), &case["expected"]);
        for (k, value) in numbers(&expected["bleu"]).into_iter().enumerate() {
            close(bleu[k].per_sample[i].unwrap(), value, 1e-9, &name);
        }
        close(
            rouge.per_sample[i].unwrap(),
            expected["rouge_l"].as_f64().unwrap(),
            1e-9,
            &name,
        );
        close(
            cider.per_sample[i].unwrap(),
            expected["cider"].as_f64().unwrap(),
            1e-9,
            &name,
        );
    }
}

#[test]
fn ptb_tokens_are_those_of_corenlp() {
    let Some(fixture) = fixture("ptb_tokenizer") else {
        return;
    };
    for case in fixture["cases"].as_array().unwrap() {
        let input = text(&case["input"]);
        assert_eq!(
            ptb::caption_tokens(&input).join(" "),
            text(&case["expected"]),
            "{input}"
        );
    }
    let (Some(pairs), Some(tokenized)) = (self::fixture("pairs"), self::fixture("coco_ptb")) else {
        return;
    };
    let rows = pairs["pairs"]
        .as_array()
        .or_else(|| pairs["data"].as_array())
        .or_else(|| pairs["cases"].as_array());
    let rows = rows.expect("pairs.json has a list of pairs");
    for (pair, expected) in rows.iter().zip(tokenized["tokenized"].as_array().unwrap()) {
        for key in ["reference", "candidate"] {
            assert_eq!(
                ptb::caption_tokens(pair[key].as_str().unwrap()).join(" "),
                text(&expected[key])
            );
        }
    }
}

/// The jar restricted to the stages that are built here.
#[test]
fn meteor_with_exact_and_stem_stages() {
    let Some(texts) = fixture("coco_ptb") else {
        return;
    };
    let expected: Value =
        serde_json::from_str(include_str!("fixtures/meteor_exact_stem.json")).unwrap();
    let score = nlg::meteor::meteor(&pairs(&texts["tokenized"]), "given").unwrap();
    let expected_values = numbers(&expected["expected"]["per_sample"]);
    let wrong: Vec<String> = score
        .per_sample
        .iter()
        .zip(&expected_values)
        .enumerate()
        .filter(|(_, (got, want))| (got.unwrap() - **want).abs() > 1e-6)
        .map(|(i, (got, want))| format!("{i}: {} for {want}", got.unwrap()))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ: {wrong:?}",
        wrong.len(),
        expected_values.len()
    );
    close(
        score.value.unwrap(),
        expected["expected"]["corpus"].as_f64().unwrap(),
        1e-6,
        "corpus METEOR",
    );
}
