//! `hilum doctor`: is this machine fit, and is the installation whole?

#[cfg(feature = "node")]
use super::doctor_node;
use crate::exit::Code;
use crate::places;
use anyhow::Result;
use hilum_nn::weights::sha256_hex;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Check this machine and this installation.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder that results are to be written to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Folder with models of your own (also $HILUM_MODELS)
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Folder that holds manifests/ (also $HILUM_DATA); only needed for training
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration of a node (TOML, see docs/config.md): ports, titles, destinations, disk and clock are checked too
    #[cfg(feature = "node")]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What was found; problems make the exit code 1, notes do not.
#[derive(Default)]
pub(super) struct Findings {
    text: String,
    problems: usize,
}

impl Findings {
    fn line(&mut self, state: &str, what: &str, text: &str) {
        let _ = writeln!(self.text, "{state:<8} {what:<9} {text}");
    }

    pub(super) fn ok(&mut self, what: &str, text: &str) {
        self.line("ok", what, text);
    }

    pub(super) fn note(&mut self, what: &str, text: &str) {
        self.line("note", what, text);
    }

    pub(super) fn problem(&mut self, what: &str, text: &str) {
        self.problems += 1;
        self.line("PROBLEM", what, text);
    }
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let mut found = Findings::default();
    found.ok("version", concat!("hilum ", env!("CARGO_PKG_VERSION")));
    machine(&mut found);
    models(args.models.as_deref(), &mut found);
    writable(&args.out, &mut found);
    data(args.data.as_deref(), &mut found);
    #[cfg(feature = "node")]
    if let Some(config) = &args.config {
        doctor_node::check(config, &mut found);
    }
    std::io::Write::write_all(&mut std::io::stdout().lock(), found.text.as_bytes())?;
    Ok(if found.problems == 0 {
        Code::Success
    } else {
        Code::Failed
    })
}

fn machine(found: &mut Findings) {
    let level = hilum_kernels::simd::level();
    match level {
        hilum_kernels::simd::Level::Portable => {
            found.note(
                "cpu",
                "no AVX2 found: the portable kernels run, several times slower than the others",
            );
        }
        _ => found.ok("cpu", &format!("{level:?} kernels")),
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    found.ok("threads", &format!("{threads}"));
    match available_mb() {
        Some(mb) if mb < 500 => found.problem(
            "memory",
            &format!("{mb} MB available; large images need 500 MB"),
        ),
        Some(mb) => found.ok("memory", &format!("{mb} MB available")),
        None => found.note("memory", "this system does not tell how much is available"),
    }
}

fn available_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kb| kb / 1024)
}

fn models(folder: Option<&Path>, found: &mut Findings) {
    let store = match places::store(folder) {
        Ok(store) => store,
        Err(error) => return found.problem("models", &error.to_string()),
    };
    if store.models().is_empty() {
        found.problem("models", "none are here, so nothing can be assessed");
    }
    for model in store.models() {
        if sha256_hex(model.bytes()) == model.sha256 {
            found.ok(
                "model",
                &format!(
                    "{} ({:.1} MB), hash right",
                    model.name,
                    model.bytes().len() as f64 / 1e6
                ),
            );
        } else {
            found.problem(
                "model",
                &format!("{}: its bytes do not have its hash", model.name),
            );
        }
    }
    if store.gate().is_none() {
        found.note(
            "gate",
            "no model of this kind: view, polarity and content are only taken from the files' tags",
        );
    }
    if store.segmenter().is_none() {
        found.note(
            "segmenter",
            "no model of this kind: no masks and no measurements",
        );
    }
}

fn writable(folder: &Path, found: &mut Findings) {
    let probe = folder.join(format!(".hilum-doctor-{}.part", std::process::id()));
    let tried = std::fs::write(&probe, b"probe").and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => found.ok("output", &format!("{} can be written to", folder.display())),
        Err(error) => found.problem(
            "output",
            &format!("{} cannot be written to: {error}", folder.display()),
        ),
    }
}

fn data(given: Option<&Path>, found: &mut Findings) {
    let folder = places::data(given);
    let manifests = folder.join("manifests");
    match std::fs::read_dir(&manifests) {
        Ok(entries) => {
            let csv = entries
                .flatten()
                .filter(|e| e.path().extension().is_some_and(|e| e == "csv"))
                .count();
            found.ok(
                "data",
                &format!("{} with {csv} tables in manifests/", folder.display()),
            );
        }
        Err(_) => found.note(
            "data",
            &format!(
                "no manifests at {} (only needed for training)",
                folder.display()
            ),
        ),
    }
}
