//! `hilum deidentify`: DICOM files without what identifies the patient.

use super::node_parts;
use crate::exit::{Code, Usage};
use crate::progress;
use anyhow::{Context, Result, bail};
use hilum_deid::{Deidentifier, Options, Report, SafePrivate, Secret};
use serde::Serialize;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Take out of DICOM files what identifies the patient (PS3.15, basic profile with options).
///
/// UIDs, pseudonyms and date shifts come from the secret: the same secret gives the same ones for all files. Images that may have
/// text in their pixels are listed for review and written nevertheless; nothing is taken out of pixels. Exit codes: 0 all done,
/// 1 some files failed, 2 usage.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files or folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Folder for the new files, which are named by their new UIDs
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// File with the secret, at least 16 bytes; keep it as you keep the patients' data
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// Report as JSON Lines: every file with what was done to which attribute, and why to look at it; values are never in it
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    options: Switches,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
}

/// The options of the profile.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of the profile")]
struct Switches {
    /// Keep UIDs
    #[arg(long)]
    retain_uids: bool,
    /// Keep what identifies the device
    #[arg(long)]
    retain_device_identity: bool,
    /// Keep what identifies the institution
    #[arg(long)]
    retain_institution_identity: bool,
    /// Keep age, sex, size, weight and the like
    #[arg(long)]
    retain_patient_characteristics: bool,
    /// Keep dates and times
    #[arg(long, conflicts_with = "retain_modified_dates")]
    retain_full_dates: bool,
    /// Move all dates of a patient back by the same number of days, 1 to 3650
    #[arg(long)]
    retain_modified_dates: bool,
    /// Keep descriptions, cleaned of names, numbers and dates
    #[arg(long)]
    clean_descriptors: bool,
    /// Keep the content of reports, cleaned
    #[arg(long)]
    clean_structured_content: bool,
    /// Keep graphics and overlays, their texts cleaned
    #[arg(long)]
    clean_graphics: bool,
    /// Keep a private element: GGGGEE:CREATOR
    #[arg(long, value_name = "ELEMENT")]
    retain_safe_private: Vec<String>,
}

impl Switches {
    fn options(&self) -> Result<Options> {
        let texts = self.retain_safe_private.iter();
        let private: Result<Vec<SafePrivate>, _> =
            texts.map(|t| t.parse::<SafePrivate>()).collect();
        Ok(Options {
            retain_uids: self.retain_uids,
            retain_device_identity: self.retain_device_identity,
            retain_institution_identity: self.retain_institution_identity,
            retain_patient_characteristics: self.retain_patient_characteristics,
            retain_full_dates: self.retain_full_dates,
            retain_modified_dates: self.retain_modified_dates,
            clean_descriptors: self.clean_descriptors,
            clean_structured_content: self.clean_structured_content,
            clean_graphics: self.clean_graphics,
            retain_safe_private: private.map_err(|e| Usage(e.to_string()))?,
        })
    }
}

/// A line of the report.
#[derive(Serialize)]
struct Line<'a> {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<&'a str>,
    #[serde(flatten)]
    report: Option<&'a Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let secret = std::fs::read(&args.secret).with_context(|| args.secret.display().to_string())?;
    let secret =
        Secret::new(secret.trim_ascii()).with_context(|| args.secret.display().to_string())?;
    let deidentifier = Deidentifier::new(args.options.options()?, secret)?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let files = files(&args.paths, &args.out)?;
    let mut written = HashMap::new();
    let mut lines = match &args.report {
        Some(path) => {
            Some(std::fs::File::create(path).with_context(|| path.display().to_string())?)
        }
        None => None,
    };
    let bar = progress::bar(files.len(), "de-identifying", !args.no_progress);
    let (mut done, mut failed, mut review) = (0usize, 0usize, Vec::new());
    for file in &files {
        let result = one(&deidentifier, file, &args.out, &mut written);
        bar.inc(1);
        let line = match &result {
            Ok((name, report)) => {
                done += 1;
                if !report.review.is_empty() {
                    review.push((file.clone(), report.review.join("; ")));
                }
                Line {
                    path: file.display().to_string(),
                    written: Some(name),
                    report: Some(report),
                    error: None,
                }
            }
            Err(error) => {
                failed += 1;
                bar.suspend(|| eprintln!("hilum: {}: {error:#}", file.display()));
                Line {
                    path: file.display().to_string(),
                    written: None,
                    report: None,
                    error: Some(format!("{error:#}")),
                }
            }
        };
        if let Some(lines) = &mut lines {
            writeln!(lines, "{}", serde_json::to_string(&line)?)?;
        }
    }
    bar.finish_and_clear();
    node_parts::say(&format!("{done} files de-identified, {failed} failed\n"))?;
    if !review.is_empty() {
        node_parts::say(&format!(
            "{} to be looked at for text in their pixels:\n",
            review.len()
        ))?;
        for (file, why) in &review {
            node_parts::say(&format!("  {}: {why}\n", file.display()))?;
        }
    }
    Ok(if failed == 0 {
        Code::Success
    } else {
        Code::Failed
    })
}

fn files(paths: &[PathBuf], out: &Path) -> Result<Vec<PathBuf>> {
    // What an earlier run wrote is no input, however the folders are spelled.
    let out = out
        .canonicalize()
        .with_context(|| out.display().to_string())?;
    let is_ours = |path: &Path| path.canonicalize().is_ok_and(|p| p.starts_with(&out));
    let mut files = Vec::new();
    for path in paths {
        if !path.exists() {
            bail!(Usage(format!("{}: no such file or folder", path.display())));
        }
        for entry in WalkDir::new(path).sort_by_file_name() {
            let entry = entry?;
            if entry.file_type().is_file() && !is_ours(entry.path()) {
                files.push(entry.into_path());
            }
        }
    }
    if files.is_empty() {
        bail!("no files under the paths given");
    }
    Ok(files)
}

/// De-identifies one file. Its new name is its new SOP Instance UID; two objects of one UID are not two files, and the second is refused
/// unless it is the same one.
fn one(
    deidentifier: &Deidentifier,
    file: &Path,
    out: &Path,
    written: &mut HashMap<String, PathBuf>,
) -> Result<(String, Report)> {
    let bytes = std::fs::read(file)?;
    let (bytes, report) = deidentifier.file(&bytes)?;
    let meta = dicom_object::FileMetaTable::from_reader(bytes.get(128..).unwrap_or_default())?;
    let uid = hilum_store::Uid::new(&meta.media_storage_sop_instance_uid, "SOPInstanceUID")?;
    let name = format!("{uid}.dcm");
    if let Some(first) = written.get(&name) {
        if std::fs::read(out.join(&name))? != bytes {
            bail!("another object with the UID of {}", first.display());
        }
        return Ok((name, report));
    }
    let mut part = tempfile::NamedTempFile::new_in(out)?;
    part.write_all(&bytes)?;
    part.persist(out.join(&name))?;
    written.insert(name.clone(), file.to_owned());
    Ok((name, report))
}
