//! `hilum worker`: reads studies of a queue that several machines share.

use super::{node_parts, node_read};
use crate::exit::{Code, Usage};
use anyhow::{Context, Result, bail};
use hilum_node::auto::Work;
use hilum_store::{Options, Store};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Read studies that a listener received, on this machine.
///
/// The listener and all workers use the same PostgreSQL database (store.database) and see the same files (store.dir). A study is read
/// by one worker; when that one falls silent, by another. Runs until SIGTERM or Ctrl-C. Prints `working` when ready.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration (TOML, see docs/config.md) with store.database
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Studies that are read at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Name of this worker in the queue and in the audit log
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What is logged to stderr: error, warn, info, debug, trace. Below info, UIDs may be in it
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: tracing::Level,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    node_parts::log_to_stderr(args.log);
    let config = node_parts::load(Some(&args.config))?;
    if config.store.database.is_none() {
        bail!(Usage(
            "a worker needs store.database: an SQLite index belongs to the listener alone"
                .to_owned()
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let stop = node_parts::stop_signal()?;
    runtime.block_on(work(args, &config, &stop))
}

async fn work(args: &Args, config: &hilum_node::Config, stop: &Arc<AtomicBool>) -> Result<Code> {
    let dir = node_parts::store_folder(config)?;
    let options: Options = config.store.options();
    let store = Store::join(&dir, options)
        .await
        .with_context(|| format!("store {}", dir.display()))?;
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| format!("worker-{}", std::process::id()));
    let work = Work {
        worker: name,
        store,
        config: config.clone(),
        audit: node_parts::audit(config, &dir)?,
        web: Arc::new(hilum_dicomweb::Peers),
    };
    let threads = node_read::start_workers(
        work,
        usize::from(args.jobs),
        node_read::Reading::default(),
        stop,
    )?;
    node_parts::say("working\n")?;
    while !stop.load(Ordering::SeqCst) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for thread in threads {
        if tokio::task::block_in_place(|| thread.join()).is_err() {
            eprintln!("hilum: a worker ended by a defect of this program");
        }
    }
    Ok(Code::Success)
}
