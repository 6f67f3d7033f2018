//! `hilum listen`: a DICOM node that keeps what it receives and, where rules say so, reads it.

use super::node_parts::{self, Remotes};
use super::node_read::{self, Reading};
use crate::exit::{Code, Usage};
use anyhow::{Context, Result};
use hilum_node::audit::Audit;
use hilum_node::auto::{Rules, Work};
use hilum_node::config::Config;
use hilum_node::scp::{Listener, Totals};
use hilum_store::Store;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Receive, keep, find, move and read DICOM objects.
///
/// Runs until SIGTERM or Ctrl-C. Prints the addresses and then `listening` when ready. An object is acknowledged when it is
/// on the disk and in the index. Listens on loopback unless --bind or the configuration say otherwise.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration (TOML, see docs/config.md); what follows here takes precedence over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// DICOM port; 0 takes a free one [default: 11112]
    #[arg(long, value_name = "P")]
    port: Option<u16>,
    /// Own application entity title [default: HILUM]
    #[arg(long, value_name = "TITLE")]
    aet: Option<String>,
    /// Folder of the store; made where it is missing
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// DICOMweb port; 0 takes a free one, none without it
    #[arg(long, value_name = "P")]
    http: Option<u16>,
    /// Destinations that C-MOVE and rules may send to, besides those of the configuration: TITLE@HOST:PORT
    #[arg(long, value_name = "REMOTE")]
    destination: Vec<String>,
    /// Folder with models of your own (also $HILUM_MODELS)
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// What is logged to stderr: error, warn, info, debug, trace. Below info, UIDs may be in it
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: tracing::Level,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    node_parts::log_to_stderr(args.log);
    let config = settings(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(
            std::thread::available_parallelism()
                .map_or(2, usize::from)
                .clamp(2, 8),
        )
        .enable_all()
        .build()?;
    let stop = node_parts::stop_signal()?;
    runtime.block_on(serve(config, &stop))
}

fn settings(args: &Args) -> Result<Config> {
    let mut config = node_parts::load(args.config.as_deref())?;
    if let Some(port) = args.port {
        config.node.port = port;
    }
    if let Some(aet) = &args.aet {
        config.node.aet.clone_from(aet);
    }
    if let Some(bind) = args.bind {
        config.node.bind = bind;
        config.http.bind = bind;
    }
    if let Some(dir) = &args.store {
        config.store.dir = Some(dir.clone());
    }
    config.http.port = args.http.or(config.http.port);
    config.read.models = args.models.clone().or(config.read.models);
    for text in &args.destination {
        config.destination.push(Remotes::parse(text)?);
    }
    config.validate()?;
    if config.http.port.is_some() {
        config
            .http
            .check_access()
            .map_err(|e| Usage(e.to_string()))?;
    }
    Ok(config)
}

async fn serve(config: Config, stop: &Arc<AtomicBool>) -> Result<Code> {
    let dir = node_parts::store_folder(&config)?;
    let rules = Rules::new(&config);
    let (store, recovered) = Store::open(&dir, config.store.options(), |record, source| {
        rules.job(record, source)
    })
    .await
    .with_context(|| format!("store {}", dir.display()))?;
    node_parts::say_recovered(&recovered);
    let audit = node_parts::audit(&config, &dir)?;
    let listener = Listener::bind(&config, store.clone(), audit.clone()).await?;
    let address = listener.address();
    let web = node_parts::web(&config, &store, &audit).await?;
    let workers = start_workers(&config, &store, &audit, stop)?;
    let running = listener.start();
    let mut lines = format!("dicom {address} {}\n", config.node.aet);
    if let Some(web) = &web {
        lines.push_str(&format!("http {}\n", web.base()));
    }
    lines.push_str("listening\n");
    node_parts::say(&lines)?;
    while !stop.load(Ordering::SeqCst) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    if let Some(web) = web {
        web.stop().await;
    }
    let totals = running.stop().await;
    for worker in workers {
        if tokio::task::block_in_place(|| worker.join()).is_err() {
            eprintln!("hilum: a worker ended by a defect of this program");
        }
    }
    store.close().await?;
    node_parts::say(&table(&totals))?;
    Ok(Code::Success)
}

/// Starts the threads that read and send, when there are rules.
fn start_workers(
    config: &Config,
    store: &Store,
    audit: &Audit,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<JoinHandle<()>>> {
    if config.rule.is_empty() {
        return Ok(Vec::new());
    }
    node_read::start_workers(
        Work {
            worker: format!("{}/{}", config.node.aet, std::process::id()),
            store: store.clone(),
            config: config.clone(),
            audit: audit.clone(),
            web: Arc::new(hilum_dicomweb::Peers),
        },
        config.read.workers,
        Reading::default(),
        stop,
    )
}

/// What was done and what was refused, with the reasons.
fn table(totals: &Totals) -> String {
    let mut text = String::new();
    let mut row = |what: &str, why: &str, count: u64| {
        if count > 0 {
            text.push_str(&format!("{what:<12} {why:<24} {count}\n"));
        }
    };
    row("associations", "", totals.associations);
    row("stored", "", totals.stored);
    row("known", "stored already", totals.known);
    row("searches", "", totals.searches);
    row("moved", "", totals.moved);
    for (what, reasons) in [
        ("refused", &totals.refused),
        ("rejected", &totals.rejected),
        ("aborted", &totals.aborted),
    ] {
        for (why, count) in reasons {
            row(what, why, *count);
        }
    }
    text
}
