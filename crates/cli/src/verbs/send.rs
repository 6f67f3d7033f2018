//! `hilum send`: files to a DICOM node.

use super::node_parts::{self, RemoteArgs};
use crate::exit::{Code, Usage};
use crate::progress;
use anyhow::{Result, bail};
use hilum_dicomweb::Peers;
use hilum_node::NodeError;
use hilum_node::config::WebService;
use hilum_node::scu::{Item, Remote, Retries, SendReport, Sender};
use hilum_node::web::WebClient;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use walkdir::WalkDir;

/// Send DICOM files to a node (C-STORE), or to a DICOMweb server (STOW-RS) when its URL is given.
///
/// Data sets go as they are where the node takes their transfer syntax. Files without compressed pixel data are otherwise written
/// anew in one that it takes. Files in folders that are no DICOM objects are passed over. Exit codes: 0 all arrived, 1 some did not, 2 usage.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    remote: RemoteArgs,
    /// Files or folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Further attempts when the node is not there or has no room
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    retries: u32,
    /// Seconds before the first of them; each further one waits twice as long
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
}

/// One line of the output.
#[derive(Serialize)]
struct Line<'a> {
    path: String,
    sop_instance_uid: Option<&'a str>,
    sent: bool,
    error: Option<String>,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let to = match args.remote.web()? {
        Some(service) => To::Web(service),
        None => {
            let (remote, aet) = args.remote.remote()?;
            To::Dicom(remote, aet)
        }
    };
    let files = files(&args.paths)?;
    let mut output = Output {
        json: args.remote.json,
        ..Output::default()
    };
    let mut items = Vec::new();
    for file in files {
        match Item::of_file(&file.path) {
            Ok(item) => items.push(item),
            // Pictures and texts lie beside objects; nobody asked for them to be sent.
            Err(NodeError::NotDicom) if file.met => output.passed += 1,
            Err(error) => output.line(&file.path, None, Some(error.to_string())),
        }
    }
    if items.is_empty() && output.errors.is_empty() {
        bail!("no DICOM objects under the paths given");
    }
    let bar = progress::bar(items.len(), "sending", !args.no_progress);
    let retries = Retries {
        count: args.retries,
        wait: Duration::from_secs(args.wait),
    };
    let report = to.send(&items, retries, |_, i, how| {
        bar.inc(1);
        let item = &items[i];
        let error = how.as_ref().err().map(ToString::to_string);
        bar.suspend(|| output.line(&item.path, Some(&item.instance), error));
    });
    bar.finish_and_clear();
    if let Some(error) = output.broken.take() {
        return Err(error.into());
    }
    if !output.json {
        let all = report.done + output.failed();
        let name = to.name();
        node_parts::say(&format!("{} of {all} files sent to {name}\n", report.done))?;
        for (error, count) in &output.errors {
            node_parts::say(&format!("  {count} not sent: {error}\n"))?;
        }
        if output.passed > 0 {
            let passed = output.passed;
            node_parts::say(&format!(
                "  {passed} in folders passed over: not a DICOM object\n"
            ))?;
        }
    }
    Ok(if output.errors.is_empty() {
        Code::Success
    } else {
        Code::Failed
    })
}

/// Who gets the files.
enum To {
    Dicom(Remote, String),
    Web(WebService),
}

impl To {
    fn name(&self) -> &str {
        match self {
            To::Dicom(_, aet) => aet,
            To::Web(service) => &service.url,
        }
    }

    fn send(
        &self,
        items: &[Item],
        retries: Retries,
        mut each: impl FnMut(&SendReport, usize, &hilum_node::Result<()>),
    ) -> SendReport {
        let service = match self {
            To::Dicom(remote, _) => return Sender::new(remote).retries(retries).send(items, each),
            To::Web(service) => service,
        };
        let mut report = SendReport::new(items.len());
        for (i, item) in items.iter().enumerate() {
            let result = store(service, item, retries);
            match &result {
                Ok(()) => report.done += 1,
                Err(_) => report.failed += 1,
            }
            each(&report, i, &result);
        }
        report
    }
}

fn store(service: &WebService, item: &Item, retries: Retries) -> hilum_node::Result<()> {
    let mut n = 0;
    loop {
        match Peers.store(service, &item.path, &item.instance) {
            Err(error) if error.is_transient() && n < retries.count => {
                std::thread::sleep(retries.wait_before(n));
                n += 1;
            }
            other => return other,
        }
    }
}

#[derive(Default)]
struct Output {
    json: bool,
    errors: BTreeMap<String, usize>,
    /// Files met in folders that are no DICOM objects.
    passed: usize,
    /// The first failure to write to stdout.
    broken: Option<std::io::Error>,
}

impl Output {
    fn line(&mut self, path: &std::path::Path, uid: Option<&str>, error: Option<String>) {
        if let Some(error) = &error {
            *self.errors.entry(error.clone()).or_default() += 1;
            if !self.json {
                eprintln!("hilum: {}: {error}", path.display());
            }
        }
        if self.json {
            let line = Line {
                path: path.display().to_string(),
                sop_instance_uid: uid,
                sent: error.is_none(),
                error,
            };
            // A line of strings always has a JSON form.
            let text = serde_json::to_string(&line).unwrap_or_default();
            self.broken = self
                .broken
                .take()
                .or(node_parts::say(&format!("{text}\n")).err());
        }
    }

    fn failed(&self) -> usize {
        self.errors.values().sum()
    }
}

struct File {
    path: PathBuf,
    /// It was met in a folder, not named.
    met: bool,
}

fn files(paths: &[PathBuf]) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.exists() {
            bail!(Usage(format!("{}: no such file or folder", path.display())));
        }
        for entry in WalkDir::new(path).sort_by_file_name() {
            let entry = entry?;
            if entry.file_type().is_file() {
                let met = entry.depth() > 0;
                let path = entry.into_path();
                files.push(File { path, met });
            }
        }
    }
    if files.is_empty() {
        bail!("no files under the paths given");
    }
    Ok(files)
}
