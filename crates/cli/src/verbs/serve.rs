//! `hilum serve`: the reading room.

use super::node_read::{self, Reading};
use super::{methods, node_parts, serve_demo};
use crate::exit::{Code, Usage};
use crate::places;
use anyhow::{Context, Result, bail};
use hilum_explain::Method;
use hilum_node::audit::{self, Audit};
use hilum_node::auto::{Rules, Work};
use hilum_node::config::{Config, Rule};
use hilum_node::scp::Listener;
use hilum_pipeline::{Calibration, Extras, Model, Search};
use hilum_room::access::{self, Role};
use hilum_room::{Room, RoomOptions, Server};
use hilum_store::{Db, Store};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Serve the reading room: work list, viewer, corrections and sign-off in a browser.
///
/// Runs until SIGTERM or Ctrl-C. Prints the address and then `listening` when ready. Without accounts it listens on loopback only,
/// and whoever sits at this machine may do everything; with accounts everybody logs in (see docs/room.md).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show samples and a phantom patient; the store is a temporary folder unless --store names one
    #[arg(long)]
    demo: bool,
    /// Port; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = 8080)]
    port: u16,
    /// Address to listen on; anything but loopback needs accounts [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Folder of the store; made where it is missing
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Configuration (TOML, see docs/config.md); what follows here takes precedence over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder with models of your own (also $HILUM_MODELS)
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Studies that are read at a time [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64))]
    workers: Option<u16>,
    /// DICOM port to receive on as well; none without it
    #[arg(long, value_name = "P")]
    dicom: Option<u16>,
    /// Names under which browsers reach this server, e.g. behind a proxy
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Organisation that persons sign for
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// Language of dates and numbers, e.g. de-CH [default: that of each browser]
    #[arg(long, value_name = "TAG", value_parser = locale)]
    locale: Option<String>,
    /// Attribution to make and judge for findings worth explaining, e.g. deep-lift; makes reading slower [default: none, grad-cam with --demo]
    #[arg(long, value_name = "METHOD")]
    explain: Option<String>,
    /// Calibration of your own (`hilum calibrate`)
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Folder of training runs that the bench page shows side by side
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// Known cases to compare with (`hilum index`) [default: none, the samples with --demo]
    #[arg(long, value_name = "FILE")]
    similar: Option<PathBuf>,
    /// Search the known cases by a graph made at the start, for sets of a million: nearly the nearest, in less time
    #[arg(long, requires = "similar")]
    approximate: bool,
    /// Add an account, or change its role and password, and end; the password is the first line of stdin
    #[arg(long, value_name = "NAME", requires = "role", conflicts_with_all = ["remove_user", "users"])]
    add_user: Option<String>,
    /// Role of the account: reader (looks), editor (uploads, corrects, signs), admin (deletes, sees the audit log)
    #[arg(long, value_name = "ROLE", requires = "add_user")]
    role: Option<Role>,
    /// Remove an account, and end
    #[arg(long, value_name = "NAME", conflicts_with = "users")]
    remove_user: Option<String>,
    /// List the accounts, and end
    #[arg(long)]
    users: bool,
    /// What is logged to stderr: error, warn, info, debug, trace. Below info, UIDs may be in it
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: tracing::Level,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    node_parts::log_to_stderr(args.log);
    // The temporary store goes with this.
    let mut temporary = None;
    let config = settings(args, &mut temporary)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(
            std::thread::available_parallelism()
                .map_or(2, usize::from)
                .clamp(2, 8),
        )
        .enable_all()
        .build()?;
    if args.add_user.is_some() || args.remove_user.is_some() || args.users {
        return runtime.block_on(accounts(args, &config));
    }
    let stop = node_parts::stop_signal()?;
    runtime.block_on(serve(args, config, &stop))
}

fn settings(args: &Args, temporary: &mut Option<tempfile::TempDir>) -> Result<Config> {
    let mut config = match &args.config {
        Some(path) => node_parts::load(Some(path))?,
        None => room_defaults(),
    };
    if config.rule.is_empty() {
        config.rule.push(everything());
    }
    if let Some(dir) = &args.store {
        config.store.dir = Some(dir.clone());
    }
    if args.demo && config.store.dir.is_none() {
        let dir = tempfile::Builder::new().prefix("hilum-demo-").tempdir()?;
        config.store.dir = Some(dir.path().to_owned());
        *temporary = Some(dir);
    }
    if let Some(bind) = args.bind {
        config.http.bind = bind;
        config.node.bind = bind;
    }
    if let Some(port) = args.dicom {
        config.node.port = port;
    }
    if let Some(workers) = args.workers {
        config.read.workers = usize::from(workers);
    }
    config.read.models = args.models.clone().or(config.read.models);
    config.validate()?;
    Ok(config)
}

/// Somebody sits before the screen and waits.
fn room_defaults() -> Config {
    let mut config = Config::default();
    config.read.settle_s = 1;
    config.read.attempts = 2;
    config.read.backoff_s = 5;
    config.read.objects = Vec::new();
    config
}

fn everything() -> Rule {
    Rule {
        name: "everything".to_owned(),
        ..Rule::default()
    }
}

async fn accounts(args: &Args, config: &Config) -> Result<Code> {
    let dir = node_parts::store_folder(config)?;
    let db = Db::of_store(&dir, config.store.database.as_deref()).await?;
    let done = change_accounts(args, &db).await;
    db.close().await;
    done
}

async fn change_accounts(args: &Args, db: &Db) -> Result<Code> {
    if let (Some(name), Some(role)) = (&args.add_user, args.role) {
        let password = password()?;
        access::add(db, name, role, &password).await?;
        node_parts::say(&format!("{name} {}\n", role.name()))?;
    } else if let Some(name) = &args.remove_user {
        if !access::remove(db, name).await? {
            bail!("there is no account {name:?}");
        }
    } else {
        for account in access::list(db).await? {
            node_parts::say(&format!("{} {}\n", account.name, account.role.name()))?;
        }
    }
    Ok(Code::Success)
}

fn password() -> Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        eprint!("password (shown as it is typed): ");
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn serve(args: &Args, config: Config, stop: &Arc<AtomicBool>) -> Result<Code> {
    let dir = node_parts::store_folder(&config)?;
    let extras = extras(args, &config)?;
    let options = options(args, &config)?;
    let rules = Rules::new(&config);
    let (store, recovered) = Store::open(&dir, config.store.options(), |record, source| {
        rules.job(record, source)
    })
    .await
    .with_context(|| format!("store {}", dir.display()))?;
    node_parts::say_recovered(&recovered);
    let log = node_parts::audit(&config, &dir)?;
    log.write(&audit::started(&config.node.aet));
    let opened = Room::open(store.clone(), config.clone(), log.clone(), options).await;
    let (room, writer) = match opened {
        Ok(opened) => opened,
        Err(hilum_room::RoomError::Setup(text)) => bail!(Usage(text)),
        Err(error) => return Err(error.into()),
    };
    let listener = match args.dicom {
        Some(_) => Some(Listener::bind(&config, store.clone(), log.clone()).await?),
        None => None,
    };
    let address = SocketAddr::new(config.http.bind, args.port);
    let server = Server::start(address, room.clone(), log.clone()).await?;
    let mut lines = String::new();
    if let Some(listener) = &listener {
        lines.push_str(&format!(
            "dicom {} {}\n",
            listener.address(),
            config.node.aet
        ));
    }
    lines.push_str(&format!("http {}\nlistening\n", server.url()));
    let begin = Begin {
        room: room.clone(),
        log: log.clone(),
        stop: Arc::clone(stop),
        workers: Arc::default(),
    };
    let workers = Arc::clone(&begin.workers);
    let mut demo = None;
    if args.demo {
        // Whoever looks sees the page while samples are put in and looked at.
        demo = Some(tokio::spawn(begin.demo(extras)));
    } else {
        begin.workers(extras)?;
        // It holds the room, whose audit log ends with the last who does.
        drop(begin);
    }
    let receiving = listener.map(Listener::start);
    node_parts::say(&lines)?;
    while !stop.load(Ordering::SeqCst) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut begun = Ok(());
    if let Some(demo) = demo {
        demo.abort();
        // It ended, or it was ended just now.
        begun = demo.await.unwrap_or(Ok(()));
    }
    server.stop().await;
    if let Some(receiving) = receiving {
        receiving.stop().await;
    }
    let workers = std::mem::take(&mut *workers.lock().unwrap_or_else(PoisonError::into_inner));
    for worker in workers {
        if tokio::task::block_in_place(|| worker.join()).is_err() {
            eprintln!("hilum: a worker ended by a defect of this program");
        }
    }
    drop(room);
    // The last audit rows; a request that still holds the room must not hold up the end.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(5), writer).await;
    log.write(&audit::stopped(&config.node.aet));
    store.close().await?;
    begun?;
    Ok(Code::Success)
}

/// Starts who reads and sends.
struct Begin {
    room: Room,
    log: Audit,
    stop: Arc<AtomicBool>,
    workers: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Begin {
    fn workers(&self, extras: Extras) -> Result<()> {
        let store = self.room.store();
        let started = start_workers(self.room.config(), store, &self.log, extras, &self.stop)?;
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.extend(started);
        Ok(())
    }

    /// The samples come first, then those who read them, then the phantom patient.
    async fn demo(self, mut extras: Extras) -> Result<()> {
        if extras.similar.is_none() {
            let models = self.room.config().read.models.clone();
            let stop = Arc::clone(&self.stop);
            extras.similar = serve_demo::samples(&self.room, models, stop).await;
        }
        if let Err(error) = self.workers(extras) {
            self.stop.store(true, Ordering::SeqCst);
            return Err(error);
        }
        serve_demo::phantoms(&self.room).await;
        Ok(())
    }
}

fn extras(args: &Args, config: &Config) -> Result<Extras> {
    let store = places::store(config.read.models.as_deref())?;
    let method = |name: &String| {
        name.parse::<Method>()
            .map_err(|e| Usage(format!("--explain: {e}")))
    };
    let in_demo = args.demo.then(|| serve_demo::EXPLAIN.to_owned());
    let explain = args.explain.clone().or(in_demo);
    let calibration = args.calibration.as_ref();
    let similar = args.similar.as_ref();
    Ok(Extras {
        explain: explain.as_ref().map(method).transpose()?,
        calibration: calibration
            .map(|p| Calibration::open(p, &store))
            .transpose()?,
        similar: similar
            .map(|p| Search::open(p, &store, CASES, args.approximate))
            .transpose()?,
        augment: false,
    })
}

/// Known cases that are shown beside an image.
const CASES: usize = 5;

fn options(args: &Args, config: &Config) -> Result<RoomOptions> {
    let store = places::store(config.read.models.as_deref())?;
    let bind = args.bind.unwrap_or(config.http.bind);
    Ok(RoomOptions {
        demo: args.demo,
        methods: methods::catalogue(Path::new(".")),
        models: Value::Array(store.models().iter().map(model).collect()),
        segmenter: store.segmenter().map(Model::reference),
        runs: Some(args.runs.clone()),
        organisation: args.organisation.clone(),
        locale: args.locale.clone(),
        hosts: args.host.clone(),
        loopback: is_loopback(bind),
    })
}

/// A language tag as far as its form goes (RFC 5646, 2.1): what browsers would refuse is refused here.
fn locale(text: &str) -> Result<String, String> {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let alphabetic = language.bytes().all(|b| b.is_ascii_alphabetic());
    let fits = |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
    match alphabetic && (2..=8).contains(&language.len()) && parts.all(fits) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no language tag such as en, de-CH")),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v| v.is_loopback()),
        IpAddr::V4(v4) => v4.is_loopback() || v4 == Ipv4Addr::LOCALHOST,
    }
}

/// A model and its card, as the page of models shows it.
fn model(model: &Model) -> Value {
    let card = &model.description.card;
    let outputs = card.outputs.iter().map(|o| {
        json!({ "code": o.code, "assessed": o.assessed, "shown_by": o.shown_by, "operating_point": o.operating_point })
    });
    json!({
        "name": model.name,
        "title": card.title,
        "method": card.method,
        "sha256": model.sha256,
        "bytes": model.bytes().len(),
        "parameters": model.description.network.parameters(),
        "licence": card.licence_note,
        "research_only": card.research_only,
        "ages": model.description.contract.ages,
        "contract": model.description.contract,
        "data": card.data,
        "outputs": outputs.collect::<Vec<_>>(),
        "assessed_rule": card.assessed_rule,
        "figures": card.metrics,
        "failure_cases": card.failure_cases,
        "card_markdown": card.markdown(&model.sha256, &model.description.contract),
    })
}

fn start_workers(
    config: &Config,
    store: &Store,
    audit: &Audit,
    extras: Extras,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<JoinHandle<()>>> {
    let work = Work {
        worker: format!("{}/{}", config.node.aet, std::process::id()),
        store: store.clone(),
        config: config.clone(),
        audit: audit.clone(),
        web: Arc::new(hilum_dicomweb::Peers),
    };
    node_read::start_workers(
        work,
        config.read.workers,
        Reading {
            extras,
            // Requests come first.
            nice: true,
        },
        stop,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_tags() {
        for tag in ["en", "de-CH", "zh-Hans-TW", "sr-Latn-RS"] {
            assert_eq!(locale(tag).as_deref(), Ok(tag));
        }
        for none in ["", "e", "de_CH", "de-", "de-CH;q=0.9", "<b>", "1a"] {
            assert!(locale(none).is_err(), "{none}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (text, expected) in [
            ("127.0.0.1", true),
            ("127.3.2.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(text.parse().unwrap()), expected, "{text}");
        }
    }
}
