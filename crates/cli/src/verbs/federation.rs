//! Where the clients of federated methods are: options of `hilum train` and `hilum reproduce`.

use super::run::Task;
use crate::exit::Usage;
use anyhow::{Context as _, Result, bail};
use hilum_methods::context::{ClientsAt, Federation};
use hilum_methods::registry::FEDERATED;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Options of federated methods.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of federated methods (fedld)")]
pub struct Options {
    /// Where their clients are: in-process; processes, which are started here on loopback and ended; or the addresses
    /// HOST:PORT,HOST:PORT,... of `hilum federated-client`. The result is the same
    #[arg(long, value_name = "WHERE", default_value = IN_PROCESS)]
    clients: String,
    /// File with the secret of the clients at addresses
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// Seconds that a client in another process may take for an answer
    #[arg(long, value_name = "S", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    client_timeout: u64,
    /// MiB that the server may hold of states, updates and messages
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    server_memory: u64,
}

const IN_PROCESS: &str = "in-process";
const PROCESSES: &str = "processes";

impl Options {
    /// As methods are told; `data` and `device` are handed on to processes that are started here.
    pub fn federation(&self, data: &Path, device: &str) -> Result<Federation> {
        let clients = match self.clients.as_str() {
            IN_PROCESS => ClientsAt::InProcess,
            PROCESSES => own_processes(data, device)?,
            addresses => ClientsAt::Addresses(parse(addresses)?),
        };
        let secret = match (&self.secret, &clients) {
            (None, _) => None,
            (Some(path), ClientsAt::Addresses(_)) => Some(secret(path)?),
            (Some(_), _) => bail!(Usage(
                "--secret is for clients at addresses; others need none".to_owned()
            )),
        };
        Ok(Federation {
            clients,
            secret,
            patience: Duration::from_secs(self.client_timeout),
            memory: self.server_memory << 20,
        })
    }

    /// Refuses clients elsewhere where nothing would ask them.
    pub fn check(&self, task: Task, names: &[&str]) -> Result<()> {
        if self.clients == IN_PROCESS {
            return Ok(());
        }
        if task == Task::Eval {
            bail!(Usage("--clients is for train and reproduce".to_owned()));
        }
        if !names.iter().any(|n| FEDERATED.contains(n)) {
            bail!(Usage(format!(
                "--clients is for federated methods: {}",
                FEDERATED.join(", ")
            )));
        }
        Ok(())
    }
}

/// The secret in a file: its first line.
pub fn secret(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let line = text.lines().next().unwrap_or("").trim();
    let fits = line.chars().all(|c| c.is_ascii_graphic());
    if line.len() < 16 || !fits {
        bail!(
            "{}: a secret is one line of at least 16 printable ASCII characters without blanks",
            path.display()
        );
    }
    Ok(line.to_owned())
}

fn parse(text: &str) -> Result<Vec<String>> {
    let one = |address: &str| match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(address.to_owned())
        }
        _ => bail!(Usage(format!(
            "--clients: {address:?} is none of {IN_PROCESS}, {PROCESSES} and HOST:PORT"
        ))),
    };
    text.split(',').map(str::trim).map(one).collect()
}

#[cfg(feature = "federation")]
fn own_processes(data: &Path, device: &str) -> Result<ClientsAt> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let mut arguments = ["federated-client", "--with-parent", "--device", device]
        .map(std::ffi::OsString::from)
        .to_vec();
    arguments.push("--data".into());
    arguments.push(data.into());
    Ok(ClientsAt::Processes { program, arguments })
}

#[cfg(not(feature = "federation"))]
fn own_processes(_: &Path, _: &str) -> Result<ClientsAt> {
    bail!(Usage(
        "this program has its clients in one process; build it with the feature `federation`"
            .to_owned()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(clients: &str) -> Options {
        Options {
            clients: clients.to_owned(),
            secret: None,
            client_timeout: 5,
            server_memory: 2,
        }
    }

    #[test]
    fn where_clients_are_is_a_word_or_a_list_of_addresses() {
        let of = |text: &str| options(text).federation(Path::new("data"), "cpu");
        let federation = of("127.0.0.1:4001, [::1]:4002,there:4003").unwrap();
        let expected = ["127.0.0.1:4001", "[::1]:4002", "there:4003"].map(str::to_owned);
        assert_eq!(federation.clients, ClientsAt::Addresses(expected.to_vec()));
        assert_eq!(federation.memory, 2 << 20);
        assert_eq!(of("in-process").unwrap().clients, ClientsAt::InProcess);
        for bad in ["", "proceses", "a:1,", ":4001", "a:70000"] {
            assert!(of(bad).unwrap_err().is::<Usage>(), "{bad:?}");
        }
    }

    #[test]
    fn clients_that_nobody_would_ask_are_refused() {
        let told = |task, names: &[&str]| options("processes").check(task, names).is_ok();
        assert!(told(Task::Train, &["gate", "fedld"]));
        assert!(!told(Task::Train, &["gate"]));
        assert!(!told(Task::Eval, &["fedld"]));
        assert!(options("in-process").check(Task::Eval, &["gate"]).is_ok());
    }

    #[test]
    fn a_secret_is_a_line_that_a_header_can_carry() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let of = |text: &str| {
            std::fs::write(&path, text).unwrap();
            secret(&path)
        };
        assert_eq!(of("0123456789abcdef\n").unwrap(), "0123456789abcdef");
        for bad in ["", "short", "0123456789 abcdef", "0123456789abcdéf"] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
