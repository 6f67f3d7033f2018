//! `hilum weights`: which models are here, whether they are whole, and conversion.

use crate::exit::Code;
use crate::places;
use anyhow::{Context, Result, anyhow, bail};
use hilum_kernels::Tensor;
use hilum_kernels::plan::Plan;
use hilum_methods::blocks::pack;
use hilum_nn::weights::file::Precision;
use hilum_nn::weights::{WeightFile, atomic_write, sha256_hex};
use hilum_nn::{InputContract, Network, onnx};
use hilum_pipeline::store::{Role, Source, open_file};
use hilum_pipeline::{Model, Store};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Hashes that the repository had when the program was built, as `sha256sum` writes them.
const SUMS: &str = include_str!(concat!(env!("OUT_DIR"), "/SHA256SUMS"));

/// List, check and convert weight files.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Names, sizes, hashes, licences and outputs of the models that are here
    List {
        /// One JSON array
        #[arg(long)]
        json: bool,
        /// Folder with models of your own (also $HILUM_MODELS)
        #[arg(long, value_name = "DIR")]
        models: Option<PathBuf>,
    },
    /// Check files (all models that are here when none is named): hash, contract, network and finite outputs
    Verify {
        /// Weight files
        files: Vec<PathBuf>,
        /// Folder with models of your own (also $HILUM_MODELS)
        #[arg(long, value_name = "DIR")]
        models: Option<PathBuf>,
    },
    /// Convert a PyTorch checkpoint (.pth, .pt) or safetensors to safetensors, or a weight file to ONNX
    Convert {
        /// .pth, .pt or .safetensors
        input: PathBuf,
        /// .safetensors or .onnx
        output: PathBuf,
        /// Store 16-bit values
        #[arg(long)]
        half: bool,
    },
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    match verb {
        Verb::List { json, models } => list(&places::store(models.as_deref())?, *json),
        Verb::Verify { files, models } => verify(files, models.as_deref()),
        Verb::Convert {
            input,
            output,
            half,
        } => convert(input, output, *half),
    }
}

fn role(model: &Model) -> &'static str {
    match model.role() {
        Role::Gate => "gate",
        Role::Segmenter => "segmenter",
        Role::Findings => "findings",
    }
}

fn list(store: &Store, as_json: bool) -> Result<Code> {
    let mut text = String::new();
    if as_json {
        let rows: Vec<_> = store.models().iter().map(row).collect();
        writeln!(text, "{}", serde_json::to_string_pretty(&rows)?)?;
    } else if store.models().is_empty() {
        writeln!(
            text,
            "no models are here: none was built in, and neither --models nor HILUM_MODELS names a folder"
        )?;
    } else {
        store
            .models()
            .iter()
            .try_for_each(|m| lines(m, &mut text))?;
    }
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())?;
    Ok(Code::Success)
}

fn source(model: &Model) -> String {
    match &model.source {
        Source::Embedded => "embedded".to_owned(),
        Source::File(path) => path.display().to_string(),
    }
}

fn row(model: &Model) -> serde_json::Value {
    let card = &model.description.card;
    let outputs: Vec<_> = card
        .outputs
        .iter()
        .map(|o| json!({ "code": o.code, "assessed": o.assessed, "shown_by": o.shown_by }))
        .collect();
    json!({
        "name": model.name,
        "title": card.title,
        "role": role(model),
        "bytes": model.bytes().len(),
        "sha256": model.sha256,
        "source": source(model),
        "research_only": card.research_only,
        "licence_note": card.licence_note,
        "ages": model.description.contract.ages,
        "parameters": model.description.network.parameters(),
        "outputs": outputs,
    })
}

fn lines(model: &Model, out: &mut String) -> Result<()> {
    let card = &model.description.card;
    let limit = if card.research_only {
        "RESEARCH ONLY"
    } else {
        "free to use"
    };
    writeln!(
        out,
        "{}  {}, {:.2} MB, {} parameters, {limit}",
        model.name,
        role(model),
        model.bytes().len() as f64 / 1e6,
        model.description.network.parameters()
    )?;
    writeln!(out, "  {}", card.title)?;
    writeln!(out, "  sha256 {}  ({})", model.sha256, source(model))?;
    writeln!(out, "  licence: {}", card.licence_note)?;
    let names = |assessed: bool| -> Vec<&str> {
        card.outputs
            .iter()
            .filter(|o| o.assessed == assessed)
            .map(|o| o.code.as_str())
            .collect()
    };
    if !names(true).is_empty() {
        writeln!(out, "  answers: {}", names(true).join(", "))?;
    }
    if !names(false).is_empty() {
        writeln!(out, "  not shown to detect: {}", names(false).join(", "))?;
    }
    Ok(())
}

fn verify(files: &[PathBuf], folder: Option<&Path>) -> Result<Code> {
    let own: Vec<Result<Model, (String, String)>> = if files.is_empty() {
        let store = places::store(folder)?;
        let names: Vec<Model> = store.into_models();
        names.into_iter().map(Ok).collect()
    } else {
        files
            .iter()
            .map(|f| open_file(f).map_err(|e| (f.display().to_string(), e.to_string())))
            .collect()
    };
    if own.is_empty() {
        bail!("no models are here to verify");
    }
    let (mut text, mut code) = (String::new(), Code::Success);
    for model in &own {
        let (name, found) = match model {
            Ok(model) => (model.name.clone(), check(model).map_err(|e| e.to_string())),
            Err((name, reason)) => (name.clone(), Err(reason.clone())),
        };
        match found {
            Ok(notes) => writeln!(text, "ok      {name}: {}", notes.join("; "))?,
            Err(reason) => {
                code = Code::Failed;
                writeln!(text, "FAILED  {name}: {reason}")?;
            }
        }
    }
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())?;
    Ok(code)
}

/// Hash, network, contract and a run; gives what was found in words.
fn check(model: &Model) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let found = sha256_hex(model.bytes());
    if found != model.sha256 {
        bail!("its bytes have the sha256 {found}, not {}", model.sha256);
    }
    match published(&model.name) {
        Some(hash) if hash == found => notes.push("hash as published".to_owned()),
        Some(hash) if model.source == Source::Embedded => {
            bail!("its sha256 is {found}, SHA256SUMS says {hash}")
        }
        Some(_) => notes.push("replaces the published model of this name".to_owned()),
        None => notes.push("not among the published models".to_owned()),
    }
    let file = WeightFile::parse(model.bytes())?;
    let graph = model.description.network.graph();
    let members = pack::members(&file, &graph)?;
    if members.iter().flatten().flatten().any(|v| !v.is_finite()) {
        bail!("some of its values are not finite");
    }
    notes.push(format!("{} network(s) fit", members.len()));
    for params in &members {
        run_once(&model.description.contract, &graph, params)?;
    }
    notes.push("outputs finite".to_owned());
    golden(model, &file, &graph, &members, &mut notes)?;
    Ok(notes)
}

fn published(name: &str) -> Option<&'static str> {
    let wanted = format!("{name}.safetensors");
    SUMS.lines()
        .filter_map(|line| line.split_once(char::is_whitespace))
        .find(|(_, file)| file.trim_start_matches([' ', '*']) == wanted)
        .map(|(hash, _)| hash)
}

/// A ramp that every contract accepts.
fn ramp(contract: &InputContract) -> Tensor {
    let (h, w) = (contract.height, contract.width);
    let levels = hilum_image::Plane::from_fn(w, h, |x, y| ((3 * x + 5 * y) % 256) as u8);
    Tensor {
        shape: vec![1, contract.channels, h, w],
        data: contract.values(&levels),
    }
}

fn run_once(
    contract: &InputContract,
    graph: &hilum_kernels::Graph,
    params: &hilum_kernels::Params,
) -> Result<Vec<f32>> {
    let outputs = Plan::new(graph, params)?.run(&ramp(contract))?;
    let first = outputs
        .first()
        .ok_or_else(|| anyhow!("the network has no output"))?;
    if first.data.iter().any(|v| !v.is_finite()) {
        bail!("its outputs on a test picture are not finite");
    }
    Ok(first.data.clone())
}

/// Compares the logits of the ramp with those in the metadata (`hilum.golden`), if the file carries them.
fn golden(
    model: &Model,
    file: &WeightFile,
    graph: &hilum_kernels::Graph,
    members: &[hilum_kernels::Params],
    notes: &mut Vec<String>,
) -> Result<()> {
    if !file.metadata.contains_key("hilum.golden") {
        return Ok(());
    }
    let expected: Vec<f32> = file.get("hilum.golden")?;
    let params = members.first().ok_or_else(|| anyhow!("no network"))?;
    let found = run_once(&model.description.contract, graph, params)?;
    let size = expected.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    let fits = expected.len() == found.len()
        && expected
            .iter()
            .zip(&found)
            .all(|(a, b)| (a - b).abs() <= 1e-4 * size);
    if !fits {
        bail!("its outputs on the test picture are not those that were published");
    }
    notes.push("test picture as published".to_owned());
    Ok(())
}

fn convert(input: &Path, output: &Path, half: bool) -> Result<Code> {
    let file = WeightFile::open(input).with_context(|| format!("{}", input.display()))?;
    let ending = output
        .extension()
        .map(|e| e.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    match ending.as_str() {
        "safetensors" => {
            file.write(
                output,
                if half {
                    Precision::Half
                } else {
                    Precision::Single
                },
            )?;
        }
        "onnx" if half => bail!("ONNX files are written with 32 bits; leave --half out"),
        "onnx" => atomic_write(
            output,
            &to_onnx(&file).with_context(|| format!("{}", input.display()))?,
        )?,
        _ => bail!(
            "{}: the ending must be .safetensors or .onnx",
            output.display()
        ),
    }
    eprintln!(
        "hilum: wrote {} ({} tensors)",
        output.display(),
        file.tensors.len()
    );
    Ok(Code::Success)
}

fn to_onnx(file: &WeightFile) -> Result<Vec<u8>> {
    let network: Network = file
        .get("hilum.network")
        .context("only a weight file that describes its network can become ONNX")?;
    let contract: InputContract = file.get("hilum.contract")?;
    let graph = network.graph();
    let mut members = pack::members(file, &graph)?;
    if members.len() != 1 {
        bail!(
            "the file holds {} networks; an ONNX file holds one",
            members.len()
        );
    }
    let options = onnx::ExportOptions {
        name: "hilum".to_owned(),
        size: onnx::InputSize::Fixed([contract.height, contract.width]),
        metadata: BTreeMap::from([(
            "hilum.contract".to_owned(),
            serde_json::to_string(&contract)?,
        )]),
    };
    Ok(onnx::export(&graph, &members.remove(0), &options)?)
}
