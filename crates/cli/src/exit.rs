//! Exit codes and the last words on stderr.

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Everything was done.
    Success,
    /// Some of it failed.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// Stopped by the user, with the work saved.
    Stopped,
    /// A defect of the program.
    Defect,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(match code {
            Code::Success => 0,
            Code::Failed => 1,
            Code::Usage => 2,
            Code::Stopped => 130,
            Code::Defect => 70,
        })
    }
}

/// An error in what was asked for, as against one in doing it.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Usage {}

/// Says what went wrong on stderr and gives the code to end with.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return Code::Success.into();
    }
    // Library errors already say their source; a chain would say it twice.
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            let _ = write!(text, "{}{cause}", if text.is_empty() { "" } else { ": " });
        }
    }
    // With stderr gone there is nobody left to tell.
    let _ = io::Write::write_all(&mut io::stderr(), format!("hilum: {text}\n").as_bytes());
    if error.is::<Usage>() {
        Code::Usage.into()
    } else {
        Code::Failed.into()
    }
}

/// Whether somebody closed the pipe we write to, e.g. `head`: that is how they say "enough".
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let pipe = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(pipe)
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|e| e.io_error_kind() == Some(io::ErrorKind::BrokenPipe))
    })
}

/// A defect of the program prints one line. A study that hits one is listed as failed and the others are
/// read; elsewhere the program ends with code 70 (`EX_SOFTWARE`).
pub fn install_panic_message() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let payload = info.payload();
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let place = info
            .location()
            .map(|l| format!(" ({}:{})", l.file(), l.line()))
            .unwrap_or_default();
        let message = format!(
            "hilum: internal error: {}{place}; please report it\n",
            text.unwrap_or("unknown")
        );
        let _ = io::Write::write_all(&mut io::stderr(), message.as_bytes());
    }));
}
