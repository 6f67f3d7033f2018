//! `hilum queue`: what a node still has to do, and trying again what it put aside.

use super::node_parts;
use crate::exit::{Code, Usage};
use anyhow::{Result, bail};
use hilum_node::audit::date_time;
use hilum_store::{Chosen, Db, Entry, EntryState, Work};
use std::fmt::Write as _;
use std::path::PathBuf;

/// What a node still has to do.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List jobs and what is to be sent: what waits, what is under way and what was put aside
    List(ListArgs),
    /// Try again what was put aside, or now what waits
    Retry(RetryArgs),
}

/// Which store, and which of its entries.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Configuration of the node (TOML, see docs/config.md)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Of this study alone
    #[arg(long, value_name = "UID")]
    study: Option<String>,
    /// To this destination alone; no jobs then
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Jobs of this kind alone: read, priors, prior; nothing that is to be sent then
    #[arg(long, value_name = "KIND", conflicts_with = "destination")]
    kind: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    which: Which,
    /// In these states: waiting, working, dead, done [default: all but done]
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<State>,
}

/// Arguments of `retry`.
#[derive(Debug, clap::Args)]
pub struct RetryArgs {
    #[command(flatten)]
    which: Which,
    /// Also what waits for its time
    #[arg(long)]
    waiting: bool,
}

/// State of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum State {
    /// To be done
    Waiting,
    /// Under way
    Working,
    /// Put aside
    Dead,
    /// Done or sent
    Done,
}

impl From<State> for EntryState {
    fn from(state: State) -> Self {
        match state {
            State::Waiting => EntryState::Waiting,
            State::Working => EntryState::Working,
            State::Dead => EntryState::Dead,
            State::Done => EntryState::Done,
        }
    }
}

/// Runs the verb. The node may be running meanwhile.
pub fn run(verb: &Verb) -> Result<Code> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match verb {
        Verb::List(args) => runtime.block_on(list(args)),
        Verb::Retry(args) => runtime.block_on(retry(args)),
    }
}

impl Which {
    async fn db(&self) -> Result<Db> {
        let mut config = node_parts::load(self.config.as_deref())?;
        config.store.dir = self.store.clone().or(config.store.dir);
        let dir = node_parts::store_folder(&config)?;
        if !dir.is_dir() {
            bail!(Usage(format!("{}: no such folder", dir.display())));
        }
        Ok(Db::of_store(&dir, config.store.database.as_deref()).await?)
    }

    fn chosen(&self, states: Vec<EntryState>) -> Chosen {
        Chosen {
            states,
            study: self.study.clone(),
            destination: self.destination.clone(),
            kind: self.kind.clone(),
        }
    }
}

async fn list(args: &ListArgs) -> Result<Code> {
    let states = match args.state.is_empty() {
        true => vec![EntryState::Waiting, EntryState::Working, EntryState::Dead],
        false => args.state.iter().map(|&s| s.into()).collect(),
    };
    let db = args.which.db().await?;
    let entries = db.entries(&args.which.chosen(states)).await;
    db.close().await;
    let entries = entries?;
    let mut text = String::new();
    for entry in &entries {
        match args.which.json {
            true => text.push_str(&serde_json::to_string(entry)?),
            false => text.push_str(&line(entry)),
        }
        text.push('\n');
    }
    if !args.which.json {
        let _ = writeln!(text, "{} found", entries.len());
    }
    node_parts::say(&text)?;
    Ok(Code::Success)
}

fn line(entry: &Entry) -> String {
    let state = match entry.state {
        EntryState::Waiting => "waiting",
        EntryState::Working => "working",
        EntryState::Done => "done",
        EntryState::Dead => "dead",
    };
    let what = match &entry.work {
        Work::Job { kind } => kind.clone(),
        Work::Send {
            destination,
            sop_uid,
        } => format!("send to {destination}  {sop_uid}"),
    };
    let mut line = format!(
        "{state}  {what}  {}  {} attempts  due {}",
        entry.study,
        entry.attempts,
        date_time(entry.due)
    );
    if !entry.error.is_empty() {
        // One line an entry, whatever an error says.
        let error = entry.error.replace(char::is_control, " ");
        line.push_str(&format!("  {error}"));
    }
    line
}

async fn retry(args: &RetryArgs) -> Result<Code> {
    let mut states = vec![EntryState::Dead];
    if args.waiting {
        states.push(EntryState::Waiting);
    }
    let db = args.which.db().await?;
    let count = db.retry(&args.which.chosen(states)).await;
    db.close().await;
    let count = count?;
    node_parts::say(&match args.which.json {
        true => format!("{}\n", serde_json::json!({ "retried": count })),
        false => format!("{count} are tried again\n"),
    })?;
    Ok(Code::Success)
}
