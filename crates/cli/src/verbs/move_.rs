//! `hilum move`: has a DICOM node send objects to a third one.

use super::find::{Level, identifier};
use super::node_parts::{self, RemoteArgs};
use crate::exit::{Code, Usage};
use anyhow::{Result, bail};
use dicom_dictionary_std::uids;
use hilum_node::scu::Proposed;

/// Have a DICOM node send objects to another one, or to this one (C-MOVE, study root).
///
/// The node must know the destination's title. Exit codes: 0 all moved, 1 some were not, 2 usage.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    remote: RemoteArgs,
    /// Title of the application entity that receives the objects
    #[arg(long, value_name = "TITLE")]
    to: String,
    /// What: StudyInstanceUID=..., with --level series and image also SeriesInstanceUID=... and SOPInstanceUID=...
    #[arg(required = true, value_name = "KEYWORD=VALUE")]
    conditions: Vec<String>,
    /// What is moved
    #[arg(long, value_enum, default_value = "study")]
    level: Level,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    const MODEL: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE;
    if args.conditions.iter().any(|c| !c.contains('=')) {
        bail!(Usage(
            "every condition needs a value: KEYWORD=VALUE".to_owned()
        ));
    }
    let identifier = identifier(args.level, &args.conditions)?;
    let (remote, _) = args.remote.remote()?;
    let mut session = remote.associate(&[Proposed::service(MODEL)])?;
    let moved = session.move_to(MODEL, &identifier, &args.to, |_| {})?;
    session.release()?;
    if args.remote.json {
        node_parts::say(&format!("{}\n", serde_json::to_string(&moved)?))?;
    } else {
        node_parts::say(&format!(
            "{} moved to {}, {} failed\n",
            moved.completed, args.to, moved.failed
        ))?;
    }
    Ok(if moved.failed == 0 {
        Code::Success
    } else {
        Code::Failed
    })
}
