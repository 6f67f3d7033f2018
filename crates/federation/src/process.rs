//! Clients' processes that are started here and end with the server's.

use crate::error::{FederationError, Result};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// First word of the line by which a client says its address.
const ANNOUNCES: &str = "client ";
/// How long an ended process may take to be seen as such.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A program that, started with these arguments, reads a secret from the first line of its standard input, serves a client
/// on loopback until that input ends, and prints a line `client HOST:PORT` when it is ready.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables of its environment beside this process' own.
    pub environment: Vec<(String, String)>,
}

/// A running one. It is ended when this value is dropped; when this process ends without dropping it, the end of its
/// standard input ends it.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// Starts one and hands it its secret; it is not ready yet.
    pub(crate) fn start(program: &Program, client: &str, secret: &str) -> Result<Self> {
        let failed = |e: std::io::Error| FederationError::Start {
            client: client.to_owned(),
            reason: format!("{}: {e}", program.path.display()),
        };
        let mut command = Command::new(&program.path);
        command
            .args(&program.arguments)
            .envs(program.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        own_group(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        let lines = lines_of(&mut child);
        let process = Process { child, lines };
        process.hand_over(secret).map_err(failed)?;
        Ok(process)
    }

    fn hand_over(&self, secret: &str) -> std::io::Result<()> {
        let Some(mut input) = self.child.stdin.as_ref() else {
            return Err(std::io::Error::other("it has no standard input"));
        };
        match input.write_all(format!("{secret}\n").as_bytes()) {
            // One that ended already: how it did is told where its address is waited for.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Waits for its address.
    pub(crate) fn address(&mut self, client: &str, patience: Duration) -> Result<String> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let reason = match self.lines.recv_timeout(left) {
                Ok(line) => match line.strip_prefix(ANNOUNCES) {
                    Some(address) => return Ok(address.trim().to_owned()),
                    None => continue,
                },
                Err(RecvTimeoutError::Timeout) => {
                    format!("it was not ready within {} s", patience.as_secs_f64())
                }
                Err(RecvTimeoutError::Disconnected) => self.ended(),
            };
            return Err(FederationError::Start {
                client: client.to_owned(),
                reason,
            });
        }
    }

    /// How it ended, in words.
    fn ended(&mut self) -> String {
        match self.status() {
            Some(status) => format!("its process ended ({status})"),
            None => "its process closed its output".to_owned(),
        }
    }

    /// How it ended, where it ends within a moment.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        let until = Instant::now() + LAST_WORDS;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => return None,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that a process prints. The pipe is read to its end, so that nothing that is printed can block the process.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = channel();
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
                // Nobody listens once the address is known.
                let _ = sender.send(line);
            }
        });
    }
    lines
}

/// Ctrl-C in a terminal goes to the whole group: it is the server's to hear, which then ends its clients.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}
