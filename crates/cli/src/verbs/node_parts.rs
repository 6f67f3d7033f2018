//! What the verbs of the network share: configuration, remote addresses, signals, logging, the DICOMweb listener.

use crate::exit::Usage;
use anyhow::{Context, Result, bail};
use hilum_dicomweb::{Server, WebState};
use hilum_node::audit::Audit;
use hilum_node::config::{Address, Config, Destination, WebService};
use hilum_node::scu::Remote;
use hilum_store::{Recovered, Store};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Logs to stderr. Does nothing when something logs already.
pub fn log_to_stderr(level: tracing::Level) {
    // A second call within one process changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .try_init();
}

/// Writes to stdout. A reader that closed the pipe is an error here, which ends the program quietly.
pub fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The configuration of a file, or the defaults.
pub fn load(path: Option<&Path>) -> Result<Config> {
    match path {
        Some(path) => Config::load(path).with_context(|| path.display().to_string()),
        None => Ok(Config::default()),
    }
}

/// The store's folder.
pub fn store_folder(config: &Config) -> Result<PathBuf> {
    config.store.dir.clone().ok_or_else(|| {
        Usage("--store DIR is needed (or store.dir in the configuration)".to_owned()).into()
    })
}

/// The audit log of a configuration.
pub fn audit(config: &Config, dir: &Path) -> Result<Audit> {
    let file = config
        .audit
        .file
        .clone()
        .unwrap_or_else(|| dir.join("audit.xml"));
    Ok(Audit::open(&file)?)
}

/// Set by SIGTERM and Ctrl-C.
pub fn stop_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst))?;
    Ok(stop)
}

/// A remote application entity: `TITLE@HOST:PORT`, or the name of a destination of the configuration.
pub struct Remotes;

impl Remotes {
    /// `TITLE@HOST:PORT`.
    pub fn parse(text: &str) -> Result<Destination> {
        let wrong = || Usage(format!("{text:?}: TITLE@HOST:PORT is expected"));
        let (aet, address) = text.split_once('@').ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if aet.is_empty() || aet.len() > 16 || host.is_empty() {
            bail!(wrong());
        }
        Ok(Destination::dicom(aet, aet, host, port))
    }

    /// Either form.
    pub fn find(text: &str, config: &Config) -> Result<Destination> {
        match config.find_destination(text) {
            Some(destination) => Ok(destination.clone()),
            None => Remotes::parse(text),
        }
    }
}

fn web_service(destination: Destination) -> Option<WebService> {
    match destination.at {
        Address::Web(service) => Some(service),
        Address::Dicom(_) => None,
    }
}

/// Arguments of all verbs that call a remote application entity.
#[derive(Debug, clap::Args)]
pub struct RemoteArgs {
    /// Who is called: TITLE@HOST:PORT, or the name of a destination of the configuration
    #[arg(value_name = "REMOTE")]
    remote: String,
    /// Configuration with destinations (TOML, see docs/config.md)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Own application entity title [default: HILUM]
    #[arg(long, value_name = "TITLE")]
    aet: Option<String>,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl RemoteArgs {
    /// The application entity that is called, and its title.
    pub fn remote(&self) -> Result<(Remote, String)> {
        let config = load(self.config.as_deref())?;
        let destination = Remotes::find(&self.remote, &config)?;
        let calling = self.aet.clone().unwrap_or(config.node.aet);
        let entity = destination.entity().map_err(|e| Usage(e.to_string()))?;
        let remote = Remote::new(entity, &calling)?;
        Ok((
            remote.with_timeout(Duration::from_secs(self.timeout)),
            entity.aet.clone(),
        ))
    }

    /// The DICOMweb server that is named, by its URL or by the name of a destination; `None` when it is an application entity.
    pub fn web(&self) -> Result<Option<WebService>> {
        if self.remote.contains("://") {
            let mut config = Config::default();
            config
                .destination
                .push(Destination::web("web", self.remote.trim_end_matches('/')));
            config.validate().map_err(|e| Usage(e.to_string()))?;
            return Ok(config.destination.pop().and_then(web_service));
        }
        let config = load(self.config.as_deref())?;
        Ok(config
            .find_destination(&self.remote)
            .cloned()
            .and_then(web_service))
    }
}

/// The DICOMweb listener, where one is configured.
pub async fn web(config: &Config, store: &Store, audit: &Audit) -> Result<Option<Server>> {
    let Some(port) = config.http.port else {
        return Ok(None);
    };
    let state = WebState::new(config, store.clone(), audit.clone()).context("http.token_file")?;
    let address = SocketAddr::new(config.http.bind, port);
    let server = Server::start(address, state).await;
    Ok(Some(
        server.with_context(|| format!("cannot listen on {address}"))?,
    ))
}

/// Tells what had to be mended.
pub fn say_recovered(recovered: &Recovered) {
    if *recovered != Recovered::default() {
        eprintln!(
            "hilum: the store was not closed: {} unfinished files removed, {} files indexed, {} put into quarantine, \
             {} rows without a file removed, {} deletions finished",
            recovered.unfinished,
            recovered.indexed,
            recovered.quarantined,
            recovered.lost,
            recovered.deleted
        );
    }
}
