//! `hilum phantom`: made-up patients with X-rays, masks, reports and the truth about them.

use crate::exit::{Code, Usage};
use crate::progress;
use anyhow::Result;
use hilum_phantom::dataset::{self, Settings, VERSION};
use std::path::PathBuf;

/// Make phantom studies.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of studies
    #[arg(long, value_name = "N")]
    n: u64,
    /// Seed of everything; the same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder to write to; a run that was stopped goes on, and more studies of the same set can be asked for later
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Pixels a side
    #[arg(long, default_value_t = 512)]
    size: usize,
    /// Most studies of one patient; later ones have the earlier as prior
    #[arg(long, default_value_t = 3)]
    timeline: u64,
    /// No lateral views
    #[arg(long)]
    frontal_only: bool,
    /// Also pictures of bones alone and of soft tissue alone
    #[arg(long)]
    tissues: bool,
    /// Also CT-like volumes in Hounsfield units (NIfTI, 2 mm)
    #[arg(long)]
    volumes: bool,
    /// Threads; the result does not depend on them
    #[arg(long)]
    jobs: Option<usize>,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    if args.jobs == Some(0) {
        return Err(Usage("--jobs 0: at least one thread".into()).into());
    }
    let settings = Settings {
        studies: args.n,
        seed: args.seed,
        size: args.size,
        timeline: args.timeline,
        lateral: !args.frontal_only,
        tissues: args.tissues,
        volumes: args.volumes,
        version: VERSION,
    };
    let bar = progress::bar(usize::try_from(args.n)?, "studies", true);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.jobs.unwrap_or(0))
        .build()?;
    let summary = pool.install(|| dataset::generate(&args.out, &settings, || bar.inc(1)))?;
    bar.finish_and_clear();
    println!(
        "{}: {} studies made, {} were there, {} images",
        args.out.join("manifest.csv").display(),
        summary.made,
        summary.kept,
        summary.images
    );
    Ok(Code::Success)
}
