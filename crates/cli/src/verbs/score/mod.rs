//! `hilum score`: texts against references.

mod output;
mod statistics;

use crate::exit::Code;
use crate::progress;
use anyhow::{Context, Result, bail};
use hilum_methods::blocks::text_encoder::TextEncoder;
use hilum_methods::radgraph::SpanModel;
use hilum_text::SectionKind;
use hilum_text::facts::GraphReader;
use hilum_text::nlg::meteor::WordNet;
use hilum_text::score::{
    BY_NAME_ONLY, EmbeddingPair, Embeddings, Format, InputOptions, METRICS, Reader, ScoreOptions,
    ScoreReport, SideKind, TokenVectors, Uncertain, explain, probes, score_readers,
};
use hilum_text::tokenize::Tokenizer;
use indicatif::ProgressBar;
use statistics::{Interval, Plan};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Score texts against references.
///
/// Files are told apart by their ending: .jsonl ({"id","text"}, {"id","texts":[...]} or fields named like
/// sections), .csv and .tsv (with a header; chexpert-labeler's output is one), .json (pycocoevalcap's
/// files, or lists under "refs" and "hyps"), .txt (a report a line). For lunguage_sequential rows also name their
/// patient (patient, patient_id or subject_id), and stand in time order.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// References; `-` is stdin
    #[arg(long = "ref", value_name = "FILE", required_unless_present_any = ["probes", "list"])]
    references: Option<PathBuf>,
    /// Texts to score
    #[arg(long = "hyp", value_name = "FILE", required_unless_present_any = ["probes", "list"])]
    hypotheses: Option<PathBuf>,
    /// Names of metrics (see --list); without, those that need no further file
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    metrics: Vec<String>,
    /// How texts are cut for the n-gram scores: ptb, none, simple
    #[arg(long, default_value = "ptb")]
    tokenizer: String,
    /// Score only these sections; without, texts as they are
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    section: Vec<String>,
    /// How uncertain labels count in the CheXpert F1: ones, zeros, hedges_ones, signs_ones, leaning_ones, ignore; several, or all
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "ones"
    )]
    uncertain: Vec<String>,
    /// Score what both files have, and list what could not be scored
    #[arg(long)]
    allow_partial: bool,
    /// Column or field of the id
    #[arg(long, value_name = "NAME")]
    id_column: Option<String>,
    /// Column or field of the text
    #[arg(long, value_name = "NAME")]
    text_column: Option<String>,
    /// Folder of WordNet 3.0's files, for METEOR's synonyms
    #[arg(long, value_name = "FOLDER")]
    wordnet: Option<PathBuf>,
    /// Token embeddings of the references, for BERTScore: {"id","embeddings":[[...]]} a line
    #[arg(long, value_name = "FILE", requires_all = ["hyp_embeddings", "encoder"])]
    ref_embeddings: Option<PathBuf>,
    /// Token embeddings of the texts to score
    #[arg(long, value_name = "FILE", requires_all = ["ref_embeddings", "encoder"])]
    hyp_embeddings: Option<PathBuf>,
    /// Name of the encoder and layer that made the embeddings, for the signature
    #[arg(long, value_name = "NAME")]
    encoder: Option<String>,
    /// Folder of a BERT (config.json, tokenizer.json, model.safetensors) that makes BERTScore's token
    /// embeddings here
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["ref_embeddings", "encoder"])]
    encoder_model: Option<PathBuf>,
    /// Block of --encoder-model whose output is taken; without, the last
    #[arg(long, value_name = "N", requires = "encoder_model", value_parser = clap::value_parser!(u16).range(1..))]
    encoder_layer: Option<u16>,
    /// Folder of a span model that makes the graphs of radgraph, radfact, green, lunguage and consistency
    /// in place of the rules
    #[arg(long, value_name = "FOLDER")]
    graph_model: Option<PathBuf>,
    /// Intervals by the bootstrap
    #[arg(long, value_name = "KIND", num_args = 0..=1, default_missing_value = "bca")]
    ci: Option<Interval>,
    /// Another system's texts: differences with intervals, and a paired permutation test
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Bootstrap resamples, and permutations
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    resamples: u32,
    /// Seed of both
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Coverage of the intervals
    #[arg(long, default_value_t = 0.95)]
    level: f64,
    /// Show what each metric saw of one pair; the id may be left out when there is only one
    #[arg(long, value_name = "ID", num_args = 0..=1)]
    explain: Option<Option<String>>,
    /// Print how each metric reacts to known mistakes, as a page in Markdown
    #[arg(long, conflicts_with_all = ["references", "hypotheses"])]
    probes: bool,
    /// List the metrics
    #[arg(long, conflicts_with_all = ["references", "hypotheses"])]
    list: bool,
    /// Write one row a text, as CSV or JSON Lines by the ending
    #[arg(long, value_name = "FILE")]
    per_sample: Option<PathBuf>,
    /// Print JSON with one value a text
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    if args.list {
        return print(&output::list());
    }
    if args.probes {
        return print(&probes::page()?);
    }
    let options = options(args)?;
    let (Some(references), Some(hypotheses)) = (&args.references, &args.hypotheses) else {
        bail!("--ref and --hyp are needed");
    };
    let stdins = [Some(references), Some(hypotheses), args.compare.as_ref()];
    if stdins
        .into_iter()
        .flatten()
        .filter(|p| p.as_path() == Path::new("-"))
        .count()
        > 1
    {
        bail!("only one file can be stdin");
    }
    if let Some(id) = &args.explain {
        let bar = ProgressBar::hidden();
        let (left, right) = (
            reader(references, SideKind::Reference, args, &options, &bar)?,
            reader(hypotheses, SideKind::Hypothesis, args, &options, &bar)?,
        );
        let told = explain(left, right, id.as_deref(), &options)?;
        return print(&(serde_json::to_string_pretty(&told)? + "\n"));
    }
    if args.compare.is_some() && references.as_path() == Path::new("-") {
        bail!("--compare reads the references twice; give a file instead of stdin");
    }
    let report = score(references, hypotheses, args, &options)?;
    let other = match &args.compare {
        Some(path) => Some(score(references, path, args, &options)?),
        None => None,
    };
    let plan = Plan {
        interval: args.ci,
        resamples: args.resamples as usize,
        seed: args.seed,
        level: args.level,
    };
    let extra = statistics::compute(&report, other.as_ref(), &plan)?;
    if let Some(path) = &args.per_sample {
        if let Some(name) = output::of_other_samples(&report) {
            bail!(
                "--per-sample has a row a text, and {name} a value a patient: see its values with --json"
            );
        }
        output::write_per_sample(&report, path)?;
    }
    let text = if args.json {
        output::json(&report, &extra)?
    } else {
        output::table(&report, &extra)?
    };
    print(&text)?;
    let clean = report.problems.is_empty() && other.is_none_or(|o| o.problems.is_empty());
    Ok(if clean { Code::Success } else { Code::Failed })
}

fn print(text: &str) -> Result<Code> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Code::Success)
}

fn options(args: &Args) -> Result<ScoreOptions> {
    let defaults = ScoreOptions::default();
    let uncertain = if args.uncertain.iter().any(|u| u == "all") {
        Uncertain::ALL.to_vec()
    } else {
        args.uncertain
            .iter()
            .map(|u| Uncertain::from_name(u))
            .collect::<Result<_, _>>()?
    };
    let wordnet = match &args.wordnet {
        Some(folder) => Some(Arc::new(WordNet::load(folder)?)),
        None => None,
    };
    let embeddings = token_vectors(args)?;
    let mut metrics = if args.metrics.is_empty() {
        defaults.metrics
    } else {
        args.metrics.clone()
    };
    if args.metrics.is_empty() && embeddings.is_some() {
        metrics.push("bertscore".to_owned());
    }
    if args.metrics.iter().any(|m| m == "all") {
        metrics = METRICS
            .iter()
            .map(|m| m.name)
            .filter(|name| {
                !BY_NAME_ONLY.contains(name) || (*name == "bertscore" && embeddings.is_some())
            })
            .map(str::to_owned)
            .collect();
    }
    Ok(ScoreOptions {
        metrics,
        tokenizer: Tokenizer::from_name(&args.tokenizer)?,
        sections: args
            .section
            .iter()
            .map(|s| SectionKind::from_name(s))
            .collect::<Result<_, _>>()?,
        uncertain,
        allow_partial: args.allow_partial,
        wordnet,
        embeddings,
        graphs: graph_reader(args)?,
    })
}

fn graph_reader(args: &Args) -> Result<Option<Arc<dyn GraphReader>>> {
    let Some(folder) = &args.graph_model else {
        return Ok(None);
    };
    let model = SpanModel::open(folder).with_context(|| format!("model {}", folder.display()))?;
    Ok(Some(Arc::new(model)))
}

fn token_vectors(args: &Args) -> Result<Option<TokenVectors>> {
    if let Some(folder) = &args.encoder_model {
        let layer = args.encoder_layer.map(usize::from);
        let encoder = TextEncoder::open(folder, layer)
            .with_context(|| format!("encoder {}", folder.display()))?;
        return Ok(Some(TokenVectors::Encoder(Arc::new(encoder))));
    }
    let (Some(references), Some(hypotheses), Some(encoder)) =
        (&args.ref_embeddings, &args.hyp_embeddings, &args.encoder)
    else {
        return Ok(None);
    };
    Ok(Some(TokenVectors::Stored(EmbeddingPair {
        references: Arc::new(read_embeddings(references)?),
        hypotheses: Arc::new(read_embeddings(hypotheses)?),
        encoder: encoder.clone(),
    })))
}

fn read_embeddings(path: &Path) -> Result<Embeddings> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(Embeddings::read(
        BufReader::new(file),
        &path.display().to_string(),
    )?)
}

fn score(
    references: &Path,
    hypotheses: &Path,
    args: &Args,
    options: &ScoreOptions,
) -> Result<ScoreReport> {
    let size = |path: &Path| path.metadata().map_or(0, |m| m.len());
    let bar = progress::bar(
        (size(references) + size(hypotheses)) as usize,
        "scoring",
        true,
    );
    let left = reader(references, SideKind::Reference, args, options, &bar)?;
    let right = reader(hypotheses, SideKind::Hypothesis, args, options, &bar)?;
    let report = score_readers(left, right, options);
    bar.finish_and_clear();
    report.with_context(|| format!("{} against {}", hypotheses.display(), references.display()))
}

fn reader(
    path: &Path,
    kind: SideKind,
    args: &Args,
    options: &ScoreOptions,
    bar: &ProgressBar,
) -> Result<Reader> {
    let source: Box<dyn BufRead + Send> = if path == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        Box::new(BufReader::with_capacity(1 << 20, bar.wrap_read(file)))
    };
    let input = InputOptions {
        id_column: args.id_column.clone(),
        text_column: args.text_column.clone(),
        sections: options.sections.clone(),
    };
    Ok(Reader::open(
        source,
        Format::of(path),
        &path.display().to_string(),
        kind,
        input,
    )?)
}
