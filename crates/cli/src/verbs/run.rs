//! `hilum train`, `eval` and `reproduce`: the methods of the registry.

use crate::exit::{Code, Usage};
use crate::places;
use anyhow::{Context as _, Result, anyhow, bail};
use hilum_methods::{Context, Method, MethodError, ResultFile, registry};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Set by Ctrl-C; the training loop looks at it after every step.
static STOP: AtomicBool = AtomicBool::new(false);

/// Which part of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Train, or go on.
    Train,
    /// Measure the trained weights.
    Eval,
    /// Both, and say whether the claim holds.
    Reproduce,
}

/// Train, measure or reproduce methods.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of methods (see `hilum methods`)
    #[arg(value_name = "NAME", required_unless_present = "all")]
    names: Vec<String>,
    /// Every method of the list
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// A few images and steps, to see that everything works; its figures mean nothing
    #[arg(long)]
    tiny: bool,
    /// Folder that holds manifests/ (also $HILUM_DATA)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of run folders
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// Folder of result files
    #[arg(long, value_name = "DIR", default_value = "bench/results")]
    results: PathBuf,
    /// Folder that trained weights are written to
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// What trains: cpu; with the build features of these names also cuda, cuda:1, vulkan, flex
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the result as JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    federation: super::federation::Options,
}

/// Runs the verb.
pub fn run(task: Task, args: &Args) -> Result<Code> {
    let methods = chosen(args)?;
    let names: Vec<&str> = methods.iter().map(|m| m.info().name).collect();
    args.federation.check(task, &names)?;
    hilum_methods::engine::check(&args.device).map_err(|e| Usage(e.to_string()))?;
    let data = places::data(args.data.as_deref());
    if !data.join("manifests").is_dir() {
        bail!(
            "no data folder with manifests/ at {} (give it with --data or HILUM_DATA)",
            data.display()
        );
    }
    ctrlc::set_handler(|| {
        // A second Ctrl-C ends at once.
        if STOP.swap(true, std::sync::atomic::Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("hilum: stopping after this step; press Ctrl-C again to end at once");
    })
    .context("cannot listen for Ctrl-C")?;
    let ctx = Context {
        federation: args.federation.federation(&data, &args.device)?,
        data,
        runs: args.runs.clone(),
        results: args.results.clone(),
        models: args.models.clone(),
        device: args.device.clone(),
        seed: args.seed,
        tiny: args.tiny,
        stop: &STOP,
    };
    let mut code = Code::Success;
    for method in &methods {
        match one(task, *method, &ctx, args.json) {
            Ok(()) => {}
            Err(MethodError::Stopped) => {
                eprintln!("hilum: {}: {}", method.info().name, MethodError::Stopped);
                return Ok(Code::Stopped);
            }
            // With several methods, one that fails does not take the others with it.
            Err(error) if methods.len() > 1 => {
                eprintln!("hilum: {}: {error}", method.info().name);
                code = Code::Failed;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(code)
}

fn chosen(args: &Args) -> Result<Vec<&'static dyn Method>> {
    if args.all {
        return Ok(registry::all().to_vec());
    }
    let find = |name: &String| {
        registry::find(name).ok_or_else(|| {
            let known: Vec<&str> = registry::all().iter().map(|m| m.info().name).collect();
            anyhow!(Usage(format!(
                "there is no method `{name}`; known: {}",
                known.join(", ")
            )))
        })
    };
    args.names.iter().map(find).collect()
}

fn one(task: Task, method: &dyn Method, ctx: &Context<'_>, json: bool) -> Result<(), MethodError> {
    match task {
        Task::Train => {
            for path in method.train(ctx)? {
                say(&format!("{}\n", path.display()));
            }
        }
        Task::Eval => show(&method.eval(ctx)?.undecided_if_tiny(), json, None)?,
        Task::Reproduce => {
            let result = method.reproduce(ctx)?.undecided_if_tiny();
            let path = result.write(&folder(ctx, method.info().name)?)?;
            show(&result, json, Some(&path))?;
        }
    }
    Ok(())
}

/// Where a result goes. A tiny one never takes the place of a full one.
fn folder(ctx: &Context<'_>, name: &str) -> Result<PathBuf, MethodError> {
    let is_there = ResultFile::read(&ctx.results, name)?.is_some_and(|r| !r.tiny);
    Ok(match ctx.tiny && is_there {
        true => ctx.runs.join("tiny-results"),
        false => ctx.results.clone(),
    })
}

fn show(result: &ResultFile, json: bool, written: Option<&Path>) -> Result<(), MethodError> {
    if json {
        let text =
            serde_json::to_string_pretty(result).map_err(|e| MethodError::Config(e.to_string()))?;
        say(&format!("{text}\n"));
    } else {
        say(&result.table());
    }
    if let Some(path) = written {
        eprintln!("hilum: wrote {}", path.display());
    }
    Ok(())
}

/// Prints; a reader that went away is no reason to lose a training.
fn say(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes());
}
