//! The model against a slow one, its files, and the whole tiny run.

use super::heads::{Heads, WIDTHS};
use super::model::{Pieces, SPANS};
use super::*;
use crate::error::MethodError;
use crate::method::Method;
use hilum_kernels::Params;
use hilum_nn::backbones::{BertConfig, BertHead, bert};
use hilum_nn::weights::WeightFile;
use hilum_nn::weights::file::Precision;
use hilum_text::ReportText;
use hilum_text::facts::GraphReader;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

fn sizes() -> BertConfig {
    let about = json!({
        "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 12, "max_position_embeddings": 12,
    });
    serde_json::from_value(about).unwrap()
}

fn small() -> SpanConfig {
    SpanConfig {
        hidden: vec![6, 5],
        feature_size: 3,
        max_span_width: 3,
        ..SpanConfig::default()
    }
}

/// Random heads for an encoder of `d` channels.
fn heads(config: &SpanConfig, d: usize) -> WeightFile {
    let heads = Heads::new(config, d, 0.0);
    let mut file = WeightFile::default();
    for (graph, seed) in [&heads.entity, &heads.prune, &heads.relation]
        .into_iter()
        .zip(5..)
    {
        let mut params: Params = graph.init_params(seed);
        // Biases start at zero; a test should see them.
        for (i, p) in params.iter_mut().enumerate() {
            for (j, v) in p.iter_mut().enumerate() {
                *v += 0.1 * ((i + 2 * j) as f32).sin();
            }
        }
        file.tensors
            .extend(WeightFile::from_params(graph, &params).tensors);
    }
    let table: Vec<f32> = (0..config.max_span_width * config.feature_size)
        .map(|i| (i as f32).cos())
        .collect();
    let shape = vec![config.max_span_width, config.feature_size];
    file.tensors.insert(WIDTHS.to_owned(), (shape, table));
    file
}

fn tokenizer(vocab: Value) -> String {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab},
    })
    .to_string()
}

/// A folder as a user would have it.
fn folder(edit: impl Fn(&mut WeightFile)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let graph = bert(&sizes(), "encoder.", BertHead::None);
    let mut file = WeightFile::from_params(&graph, &graph.init_params(3));
    file.tensors.extend(heads(&small(), 8).tensors);
    edit(&mut file);
    let path = |name: &str| folder.path().join(name);
    file.write(&path("model.safetensors"), Precision::Single)
        .unwrap();
    let mut about = serde_json::to_value(sizes()).unwrap();
    about["model_type"] = "bert".into();
    std::fs::write(path("config.json"), about.to_string()).unwrap();
    std::fs::write(path(SPANS), serde_json::to_string(&small()).unwrap()).unwrap();
    let vocab = json!({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "no": 3, "effusion": 4, "##s": 5, "left": 6, ".": 7});
    std::fs::write(path("tokenizer.json"), tokenizer(vocab)).unwrap();
    folder
}

/// One layer after another in double precision, as the paper writes it.
fn slow(file: &WeightFile, inner: &str, last: &str, layers: usize, x: &[f64]) -> Vec<f64> {
    let mut x = x.to_vec();
    for layer in 0..=layers {
        let name = match layer == layers {
            true => last.to_owned(),
            false => format!("{inner}._linear_layers.{layer}"),
        };
        let (shape, weight) = &file.tensors[&format!("{name}.weight")];
        let bias = &file.tensors[&format!("{name}.bias")].1;
        x = (0..shape[0])
            .map(|o| {
                let row = &weight[o * shape[1]..(o + 1) * shape[1]];
                let sum: f64 = row.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).sum();
                let y = sum + f64::from(bias[o]);
                if layer == layers { y } else { y.max(0.0) }
            })
            .collect();
    }
    x
}

/// Compares every score with the slow ones over vectors of words.
fn check_heads(
    model: &SpanModel,
    file: &WeightFile,
    config: &SpanConfig,
    tokens: &[String],
    words: &[Vec<f64>],
) {
    let scores = model.scores(tokens).unwrap();
    let widths = &file.tensors[WIDTHS].1;
    let vectors: Vec<Vec<f64>> = scores
        .spans
        .iter()
        .map(|&(a, b)| {
            let width = &widths[(b - a) * config.feature_size..][..config.feature_size];
            let width = width.iter().map(|v| f64::from(*v));
            words[a]
                .iter()
                .chain(&words[b])
                .copied()
                .chain(width)
                .collect()
        })
        .collect();
    let layers = config.hidden.len();
    let near = |got: f32, want: f64, what: &str| {
        let off = (f64::from(got) - want).abs();
        assert!(
            off < 2e-4 + 2e-4 * want.abs(),
            "{what}: {got} is not {want}"
        );
    };
    let (ner, rel) = (
        "_ner._ner_scorers.None__ner_labels",
        "None__relation_labels",
    );
    let pruner = format!("_relation._mention_pruners.{rel}._scorer");
    let prune: Vec<f64> = vectors
        .iter()
        .map(|v| {
            slow(
                file,
                &format!("{pruner}.0._module"),
                &format!("{pruner}.1._module"),
                layers,
                v,
            )[0]
        })
        .collect();
    for (i, v) in vectors.iter().enumerate() {
        let want = slow(
            file,
            &format!("{ner}.0._module"),
            &format!("{ner}.1._module"),
            layers,
            v,
        );
        for (got, want) in scores.entity.row(i).iter().zip(want) {
            near(*got, want, "entity");
        }
        near(scores.prune[i], prune[i], "prune");
    }
    let kept: std::collections::BTreeSet<usize> = scores.pairs.iter().map(|p| p.0).collect();
    assert_eq!(kept.len(), config.kept(tokens.len()));
    let lowest = kept.iter().map(|&k| prune[k]).fold(f64::INFINITY, f64::min);
    assert!((0..prune.len()).all(|i| kept.contains(&i) || prune[i] <= lowest + 1e-4));
    assert_eq!(scores.pairs.len(), kept.len() * kept.len());
    for (i, &(a, b)) in scores.pairs.iter().enumerate() {
        let (va, vb) = (&vectors[a], &vectors[b]);
        let products = va.iter().zip(vb).map(|(a, b)| a * b);
        let pair: Vec<f64> = va.iter().chain(vb).copied().chain(products).collect();
        let inner = format!("_relation._relation_feedforwards.{rel}");
        let want = slow(
            file,
            &inner,
            &format!("_relation._relation_scorers.{rel}"),
            layers,
            &pair,
        );
        for (got, want) in scores.relation.row(i).iter().zip(want) {
            near(*got, want + prune[a] + prune[b], "relation");
        }
    }
}

fn parity() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/parity/networks"
    ));
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: the encoder's parity needs ../shared/parity/networks, which is not here");
    None
}

/// The encoder's states are those of transformers, the heads on them those of the slow model.
#[test]
fn states_of_transformers_under_heads_written_out() {
    let Some(at) = parity() else { return };
    let index: Value =
        serde_json::from_str(&std::fs::read_to_string(at.join("index.json")).unwrap()).unwrap();
    let models = index["models"].as_array().unwrap();
    let entry = models.iter().find(|m| m["name"] == "bert").unwrap();
    let mut sizes: BertConfig = serde_json::from_value(entry["config"].clone()).unwrap();
    let config = small();
    let mut file = WeightFile::open(&at.join("bert.safetensors")).unwrap();
    let (ids, states) = fixture_line(&at, &mut file, &mut sizes);
    file.tensors
        .extend(heads(&config, sizes.hidden_size).tensors);
    let inner = &ids[1..ids.len() - 1];
    let mut vocab = serde_json::Map::new();
    for (name, id) in [
        ("[UNK]", ids[0]),
        ("[CLS]", ids[0]),
        ("[SEP]", ids[ids.len() - 1]),
    ] {
        vocab.insert(name.to_owned(), id.into());
    }
    for id in inner {
        vocab.insert(format!("w{id}"), (*id).into());
    }
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), tokenizer(Value::Object(vocab))).unwrap();
    let pieces = Pieces::open(path.path(), sizes.max_position_embeddings).unwrap();
    let model =
        SpanModel::build(config.clone(), &sizes, &file, pieces, "parity".to_owned()).unwrap();
    let tokens: Vec<String> = inner.iter().map(|id| format!("w{id}")).collect();
    check_heads(
        &model,
        &file,
        &config,
        &tokens,
        &states[1..states.len() - 1],
    );
}

/// Ids and states of the first line of the fixture, which counts to its end. The model has one segment: each token of the
/// other one becomes a word of its own, whose row holds what its segment adds.
fn fixture_line(
    at: &Path,
    file: &mut WeightFile,
    sizes: &mut BertConfig,
) -> (Vec<u64>, Vec<Vec<f64>>) {
    let bytes = std::fs::read(at.join("bert_io.safetensors")).unwrap();
    let (header, body) = bytes.split_at(8);
    let size = u64::from_le_bytes(header.try_into().unwrap()) as usize;
    let about: Value = serde_json::from_slice(&body[..size]).unwrap();
    let ints = |name: &str| -> Vec<usize> {
        let at = &about[name]["data_offsets"];
        let range = at[0].as_u64().unwrap() as usize..at[1].as_u64().unwrap() as usize;
        let data = &body[size..][range];
        let value = |b: &[u8]| i64::from_le_bytes(b.try_into().unwrap()) as usize;
        data.chunks_exact(8).map(value).collect()
    };
    let io = WeightFile::parse(&bytes).unwrap();
    let (shape, states) = &io.tensors["out.last_hidden_state"];
    let (t, d) = (shape[1], shape[2]);
    let (mut ids, segments) = (ints("in.input_ids"), ints("in.token_type_ids"));
    assert!(ints("in.attention_mask")[..t].iter().all(|m| *m == 1));
    ids.truncate(t);
    let types = file.tensors["embeddings.token_type_embeddings.weight"]
        .1
        .clone();
    let (rows, words) = file
        .tensors
        .get_mut("embeddings.word_embeddings.weight")
        .unwrap();
    for (place, id) in ids.iter_mut().enumerate() {
        let segment = segments[place];
        let row: Vec<f32> = (0..d)
            .map(|c| words[*id * d + c] + types[segment * d + c] - types[c])
            .collect();
        words.extend(row);
        *id = rows[0];
        rows[0] += 1;
    }
    sizes.vocab_size = rows[0];
    let state = |k: usize| -> Vec<f64> {
        states[k * d..(k + 1) * d]
            .iter()
            .map(|v| f64::from(*v))
            .collect()
    };
    (
        ids.iter().map(|id| *id as u64).collect(),
        (0..t).map(state).collect(),
    )
}

#[test]
fn a_folder_is_read_and_a_report_becomes_a_graph() {
    let folder = folder(|_| {});
    let model = SpanModel::open(folder.path()).unwrap();
    let report = ReportText::from_parts("No effusions. Left effusion.", "No effusion.");
    let graph = model.graph(&report, &Default::default()).unwrap();
    assert_eq!(graph.text, "No effusions . Left effusion . No effusion .");
    for e in &graph.entities {
        let tokens: Vec<&str> = graph.text.split(' ').collect();
        assert_eq!(tokens[e.start..=e.end].join(" "), e.tokens);
    }
    assert_eq!(graph, model.graph(&report, &Default::default()).unwrap());
    assert!(model.scores(&[]).unwrap().spans.is_empty());
    assert!(model.name().len() > 13);
    // A report without any known token, and one longer than the encoder.
    let long = ReportText::from_parts(&"zq effusion ".repeat(200), "");
    assert!(model.graph(&long, &Default::default()).is_ok());
}

#[test]
fn what_does_not_fit_is_named() {
    let told = |edit: &dyn Fn(&mut WeightFile)| {
        SpanModel::open(folder(edit).path())
            .unwrap_err()
            .to_string()
    };
    let scorer = "_relation._relation_scorers.None__relation_labels.weight";
    let without = told(&|f| drop(f.tensors.remove(scorer)));
    assert!(without.contains(scorer), "{without}");
    assert!(told(&|f| drop(f.tensors.remove(WIDTHS))).contains(WIDTHS));
    let words = "encoder.embeddings.word_embeddings.weight";
    assert!(told(&|f| drop(f.tensors.remove(words))).contains("word_embeddings"));
    let other = told(&|f| {
        let table = f.tensors[words].clone();
        f.tensors.insert(words.replace("encoder.", "other."), table);
    });
    assert!(other.contains("two encoders"), "{other}");
    let broken = folder(|_| {});
    std::fs::write(broken.path().join(SPANS), r#"{"hiden":[1]}"#).unwrap();
    assert!(
        SpanModel::open(broken.path())
            .unwrap_err()
            .to_string()
            .contains("hiden")
    );
    assert!(SpanModel::open(Path::new("nowhere")).is_err());
}

fn write_reports(root: &Path) {
    let mut lines = String::new();
    let texts = [
        "Small left pleural effusion. No pneumothorax.",
        "The heart is mildly enlarged. Lungs are clear.",
        "Opacity in the right lower lobe may represent pneumonia.",
        "Stable cardiomegaly. No focal consolidation.",
    ];
    for i in 0..24 {
        let split = if i % 6 == 5 { "test" } else { "train" };
        let row = json!({"id": format!("r{i}"), "findings": texts[i % 4], "impression": "", "split": split});
        lines.push_str(&format!("{row}\n"));
    }
    std::fs::create_dir_all(root.join("text")).unwrap();
    std::fs::write(root.join("text/iu_reports.jsonl"), lines).unwrap();
}

fn context<'a>(root: &Path, stop: &'a AtomicBool) -> Context<'a> {
    Context {
        data: root.to_owned(),
        runs: root.join("runs"),
        results: root.join("results"),
        models: root.join("models"),
        device: "cpu".to_owned(),
        seed: 0,
        tiny: true,
        federation: Default::default(),
        stop,
    }
}

#[test]
fn the_tiny_run_writes_its_rows_and_a_model_that_is_read() {
    let dir = tempfile::tempdir().unwrap();
    write_reports(dir.path());
    let stop = AtomicBool::new(false);
    let ctx = context(dir.path(), &stop);
    let a = RadGraph.reproduce(&ctx).unwrap();
    assert!(a.tiny && a.rows.len() >= 14, "{}", a.table());
    assert_eq!(a, RadGraph.reproduce(&ctx).unwrap());
    let folder = ctx.run_folder("radgraph").join("model");
    let model = SpanModel::open(&folder).unwrap();
    let report = ReportText::from_parts("Small left pleural effusion.", "");
    assert!(model.graph(&report, &Default::default()).is_ok());
}

#[test]
fn without_reports_or_training_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let ctx = context(dir.path(), &stop);
    assert!(matches!(
        RadGraph.train(&ctx),
        Err(MethodError::NoData { .. })
    ));
    assert!(matches!(RadGraph.eval(&ctx), Err(MethodError::NoModel(_))));
    write_reports(dir.path());
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(RadGraph.train(&ctx), Err(MethodError::Stopped)));
}
