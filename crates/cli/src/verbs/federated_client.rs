//! `hilum federated-client`: one client of a federation, in a process of its own.

use super::federation::secret;
use crate::exit::{Code, Usage};
use crate::places;
use anyhow::{Context as _, Result, bail};
use hilum_methods::Context;
use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// Nothing sets it: a client has nothing to save, so it ends by being ended.
static STOP: AtomicBool = AtomicBool::new(false);

/// Be one client of a federation: hold your own cases, train on them when a server asks.
///
/// The server (`hilum reproduce fedld --clients HOST:PORT,...`) says which client this one is. It then loads its own training
/// cases, and those alone, from the data folder, and answers with state dicts. Prints `client HOST:PORT` when
/// ready; runs until it is ended. Calls are not encrypted: between machines, use a tunnel.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder that holds manifests/ (also $HILUM_DATA)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File with the secret that a server must know; needed beyond loopback
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// What trains: cpu; with the build features of these names also cuda, cuda:1, vulkan, flex
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Take the secret from the first line of standard input, and end when that input ends
    #[arg(long, hide = true, conflicts_with_all = ["listen", "secret"])]
    with_parent: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    hilum_methods::engine::check(&args.device).map_err(|e| Usage(e.to_string()))?;
    let data = places::data(args.data.as_deref());
    if !data.join("manifests").is_dir() {
        bail!(
            "no data folder with manifests/ at {} (give it with --data or HILUM_DATA)",
            data.display()
        );
    }
    let secret = match &args.secret {
        _ if args.with_parent => Some(parents()?),
        Some(path) => Some(secret(path)?),
        None if args.listen.ip().is_loopback() => None,
        None => bail!(Usage(
            "beyond loopback a client needs a --secret: whoever reaches it learns from its cases"
                .to_owned()
        )),
    };
    let listener = TcpListener::bind(args.listen)
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    let mut out = std::io::stdout().lock();
    out.write_all(format!("client {address}\n").as_bytes())?;
    out.flush()?;
    let ctx = Context {
        runs: PathBuf::new(),
        results: PathBuf::new(),
        models: PathBuf::new(),
        data,
        device: args.device.clone(),
        seed: 0,
        tiny: false,
        federation: Default::default(),
        stop: &STOP,
    };
    hilum_methods::fedld::serve(ctx, listener, secret)?;
    Ok(Code::Success)
}

/// The secret from the process that started this one. When that process is gone, whatever the reason, so is this one.
fn parents() -> Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let secret = line.trim().to_owned();
    if secret.is_empty() {
        bail!("the process that started this client gave it no secret");
    }
    std::thread::spawn(|| {
        // Nothing more is said; what counts is the end.
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    Ok(secret)
}
