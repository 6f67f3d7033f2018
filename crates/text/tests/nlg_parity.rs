//! BLEU, ROUGE-L and CIDEr-D against pycocoevalcap, the PTB tokenizer against CoreNLP 3.4.1.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use hilum_text::nlg::{self, Sample};
use hilum_text::tokenize::ptb;

#[path = "../../metrics/tests/common/mod.rs"]
mod common;

use common::{Value, nothing_left, pack};

fn fixture(name: &str) -> Option<Value> {
    pack(&format!("nlg/{name}.json"))
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
    let corpus = &fixture["corpus"];
    for (k, value) in numbers(&corpus["bleu"]).into_iter().enumerate() {
        close(bleu[k].value.unwrap(), value, 1e-9, "corpus BLEU");
    }
    for (score, key) in [(&rouge, "rouge_l"), (&cider, "cider")] {
        close(
            score.value.unwrap(),
            corpus[key].as_f64().unwrap(),
            1e-9,
            key,
        );
    }
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
    let expected = Value::parse(
        "meteor_exact_stem",
        include_str!("fixtures/meteor_exact_stem.json"),
    );
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

/// The jar with WordNet's synonyms as well; needs the user's copy of WordNet 3.0.
#[test]
fn meteor_with_the_synonym_stage() {
    let Some(texts) = fixture("coco_ptb") else {
        return;
    };
    let folder = std::env::var_os("HILUM_WORDNET").unwrap_or_else(|| "/usr/share/wordnet".into());
    let Ok(wordnet) = nlg::meteor::WordNet::load(folder.as_ref()) else {
        eprintln!(
            "skipped: METEOR's synonyms need WordNet 3.0 in HILUM_WORDNET or /usr/share/wordnet"
        );
        return;
    };
    let expected = Value::parse(
        "meteor_exact_stem_synonym",
        include_str!("fixtures/meteor_exact_stem_synonym.json"),
    );
    let samples = pairs(&texts["tokenized"]);
    let score =
        nlg::meteor::meteor_with(&samples, Some(&std::sync::Arc::new(wordnet)), "given").unwrap();
    assert!(
        score
            .signature
            .contains("stages:exact+stem+synonym|wordnet:3.0|no:paraphrase")
    );
    for (i, want) in numbers(&expected["expected"]["per_sample"])
        .into_iter()
        .enumerate()
    {
        close(
            score.per_sample[i].unwrap(),
            want,
            1e-6,
            &format!("METEOR of sample {i}"),
        );
    }
    close(
        score.value.unwrap(),
        expected["expected"]["corpus"].as_f64().unwrap(),
        1e-6,
        "corpus METEOR",
    );
}

fn raw_pairs() -> Option<Vec<(String, String)>> {
    let fixture = fixture("pairs")?;
    let pairs = fixture["pairs"].as_array().unwrap();
    Some(
        pairs
            .iter()
            .map(|p| (text(&p["candidate"]), text(&p["reference"])))
            .collect(),
    )
}

fn total(rows: &[Vec<f64>]) -> Vec<f64> {
    let width = rows[0].len();
    (0..width)
        .map(|k| rows.iter().map(|r| r[k]).sum())
        .collect()
}

#[test]
fn sacrebleu_scores() {
    use nlg::sacre::{Cut, Options, Smoothing, from_sums, row};
    let (Some(fixture), Some(pairs)) = (fixture("sacrebleu"), raw_pairs()) else {
        return;
    };
    let plain = Options::default();
    let cases = [
        ("default_13a_exp", plain),
        (
            "lowercase",
            Options {
                lowercase: true,
                ..plain
            },
        ),
        (
            "tokenize_none",
            Options {
                tokenizer: Cut::None,
                ..plain
            },
        ),
        (
            "intl",
            Options {
                tokenizer: Cut::International,
                ..plain
            },
        ),
        (
            "floor",
            Options {
                smoothing: Smoothing::Floor(0.1),
                ..plain
            },
        ),
        (
            "add_k1",
            Options {
                smoothing: Smoothing::AddK(1.0),
                ..plain
            },
        ),
        (
            "none",
            Options {
                smoothing: Smoothing::None,
                ..plain
            },
        ),
        ("max2", Options { orders: 2, ..plain }),
    ];
    for (name, options) in cases {
        let expected = &fixture["expected"][name];
        let rows: Vec<Vec<f64>> = pairs
            .iter()
            .map(|(h, r)| row(h, std::slice::from_ref(r), &options))
            .collect();
        close(
            from_sums(&total(&rows), &options, false),
            expected["corpus"].as_f64().unwrap(),
            1e-7,
            name,
        );
        corpus_parts(&total(&rows), &options, expected, name);
        for (i, want) in numbers(&expected["sentence"]).into_iter().enumerate() {
            close(
                from_sums(&rows[i], &options, true),
                want,
                1e-7,
                &format!("{name}, sentence {i}"),
            );
        }
    }
}

/// Lengths, brevity penalty and the precisions of the orders, smoothed where no count is 0.
fn corpus_parts(sums: &[f64], options: &nlg::sacre::Options, expected: &Value, name: &str) {
    let [ours, theirs] = [sums[sums.len() - 2], sums[sums.len() - 1]];
    close(ours, expected["sys_len"].as_f64().unwrap(), 0.0, name);
    close(theirs, expected["ref_len"].as_f64().unwrap(), 0.0, name);
    let penalty = (1.0 - theirs / ours).min(0.0).exp();
    close(penalty, expected["bp"].as_f64().unwrap(), 1e-9, name);
    let orders = (sums.len() - 2) / 2;
    for (n, want) in numbers(&expected["precisions"]).into_iter().enumerate() {
        let added = match options.smoothing {
            nlg::sacre::Smoothing::AddK(k) if n > 0 => k,
            _ => 0.0,
        };
        let got = 100.0 * (sums[n] + added) / (sums[orders + n] + added);
        close(got, want, 1e-7, &format!("{name}, order {}", n + 1));
    }
}

#[test]
fn chrf_and_edit_rate() {
    let (Some(fixture), Some(pairs)) = (fixture("sacrebleu"), raw_pairs()) else {
        return;
    };
    for (name, words) in [("chrf2", 0), ("chrf++", 2)] {
        let expected = &fixture["expected"][name];
        let rows: Vec<Vec<f64>> = pairs
            .iter()
            .map(|(h, r)| nlg::chrf::row(h, std::slice::from_ref(r), words))
            .collect();
        close(
            nlg::chrf::from_sums(&total(&rows), words),
            expected["corpus"].as_f64().unwrap(),
            1e-7,
            name,
        );
        for (i, want) in numbers(&expected["sentence"]).into_iter().enumerate() {
            close(
                nlg::chrf::from_sums(&rows[i], words),
                want,
                1e-7,
                &format!("{name}, sentence {i}"),
            );
        }
    }
    let expected = &fixture["expected"]["ter"];
    let rows: Vec<Vec<f64>> = pairs
        .iter()
        .map(|(h, r)| nlg::ter::row(h, std::slice::from_ref(r)).to_vec())
        .collect();
    close(
        nlg::ter::from_sums(&total(&rows)),
        expected["corpus"].as_f64().unwrap(),
        1e-7,
        "ter",
    );
    for (i, want) in numbers(&expected["sentence"]).into_iter().enumerate() {
        close(
            nlg::ter::from_sums(&rows[i]),
            want,
            1e-7,
            &format!("ter, sentence {i}"),
        );
    }
}

#[test]
fn rouge_score_with_and_without_stemmer() {
    let (Some(fixture), Some(pairs)) = (fixture("rouge_score"), raw_pairs()) else {
        return;
    };
    for (name, stemmed) in [("plain", false), ("stemmer", true)] {
        let expected = &fixture["expected"][name];
        let mut sums = [0.0; 3];
        for (i, (hypothesis, reference)) in pairs.iter().enumerate() {
            let found = nlg::rouge::f1(hypothesis, reference, stemmed);
            for (sum, one) in sums.iter_mut().zip(&found) {
                *sum += one[2];
            }
            // No line breaks: rougeLsum is rougeL.
            for (kind, k) in [
                ("rouge1", 0),
                ("rouge2", 1),
                ("rougeL", 2),
                ("rougeLsum", 2),
            ] {
                for (part, at) in [("precision", 0), ("recall", 1), ("f1", 2)] {
                    let want = expected[kind][part][i].as_f64().unwrap();
                    close(
                        found[k][at],
                        want,
                        1e-9,
                        &format!("{name} {kind} {part} of {i}"),
                    );
                }
            }
        }
        for (kind, k) in [
            ("rouge1", 0),
            ("rouge2", 1),
            ("rougeL", 2),
            ("rougeLsum", 2),
        ] {
            let want = expected[kind]["mean_f1"].as_f64().unwrap();
            let mean = sums[k] / pairs.len() as f64;
            close(mean, want, 1e-9, &format!("{name} {kind}, mean"));
        }
    }
}

#[test]
fn nltk_smoothing_methods() {
    use nlg::nltk_bleu::{Method, corpus, sentence};
    let (Some(fixture), Some(texts)) = (fixture("nltk_bleu"), fixture("coco_ptb")) else {
        return;
    };
    let samples = pairs(&texts["tokenized"]);
    for (name, method) in [
        ("method0", Method::M0),
        ("method1", Method::M1),
        ("method2", Method::M2),
        ("method3", Method::M3),
        ("method4", Method::M4),
        ("method5", Method::M5),
        ("method7", Method::M7),
    ] {
        let expected = &fixture["expected"][name];
        match (corpus(&samples, method), expected["corpus"].as_f64()) {
            (Some(got), Some(want)) => close(got, want, 1e-9, name),
            (got, want) => assert_eq!(got.is_none(), want.is_none(), "{name}"),
        }
        for (i, want) in expected["sentence"].as_array().unwrap().iter().enumerate() {
            close(
                sentence(&samples[i], method),
                want.as_f64().unwrap(),
                1e-9,
                &format!("{name}, sentence {i}"),
            );
        }
    }
}

#[test]
fn no_reference_value_is_left_out() {
    real_pairs_with_and_without_ptb();
    three_references();
    degenerate_texts();
    sacrebleu_scores();
    chrf_and_edit_rate();
    rouge_score_with_and_without_stemmer();
    nltk_smoothing_methods();
    ptb_tokens_are_those_of_corenlp();
    let jar = ".expected.meteor";
    let why =
        "the whole jar, whose paraphrase table is not here; its other stages are in fixtures/";
    let named = (".signature", "names the library's version");
    for (name, exceptions) in [
        ("coco_ptb", &[(jar, why)][..]),
        ("coco_raw", &[(jar, why)]),
        ("coco_multiref", &[(jar, why)]),
        ("coco_degenerate", &[]),
        ("sacrebleu", &[named]),
        ("rouge_score", &[]),
        ("nltk_bleu", &[]),
        ("ptb_tokenizer", &[]),
    ] {
        let Some(fixture) = fixture(name) else { return };
        nothing_left(&fixture, exceptions);
    }
}
