//! `hilum echo`: is the other side there, and does it let us in?

use super::node_parts::{self, RemoteArgs};
use crate::exit::Code;
use anyhow::Result;
use dicom_dictionary_std::uids;
use hilum_node::scu::Proposed;
use std::time::Instant;

/// Ask a DICOM node whether it is there (C-ECHO).
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let (remote, aet) = args.remote.remote()?;
    let start = Instant::now();
    let answered = remote
        .associate(&[Proposed::service(uids::VERIFICATION)])
        .and_then(|mut session| {
            session.echo()?;
            session.release()
        });
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    if args.remote.json {
        let error = answered.as_ref().err().map(ToString::to_string);
        node_parts::say(&format!(
            "{}\n",
            serde_json::json!({ "aet": aet, "ok": error.is_none(), "ms": ms, "error": error })
        ))?;
        return Ok(if error.is_none() {
            Code::Success
        } else {
            Code::Failed
        });
    }
    answered?;
    node_parts::say(&format!("{aet} answered in {ms:.0} ms\n"))?;
    Ok(Code::Success)
}
