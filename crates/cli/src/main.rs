//! The command `hilum`: one file a verb under `verbs`.

mod app;
mod exit;
mod places;
mod progress;
mod verbs;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    exit::install_panic_message();
    // clap ends the process with code 2 on wrong usage, 0 on help and version.
    let app = app::App::parse();
    match std::panic::catch_unwind(|| verbs::run(app.verb)) {
        Ok(Ok(code)) => code.into(),
        Ok(Err(error)) => exit::report(&error),
        Err(_) => exit::Code::Defect.into(),
    }
}
