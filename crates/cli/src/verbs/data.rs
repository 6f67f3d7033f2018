//! `hilum data`: count, split and check sets of images.

use crate::exit::{Code, Usage};
use crate::progress;
use anyhow::{Result, bail};
use hilum_data::{
    CheckConfig, CheckReport, Manifest, Sample, ScanReport, SplitConfig, sets, splits,
};
use hilum_nn::weights::atomic_write;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Count, split and check sets of images.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Images, patients, labels, masks and boxes, and listed files that are not there
    Scan {
        /// Where the images are.
        #[command(flatten)]
        input: Input,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Assign every patient to train, val or test; prints CSV (id, patient_id, split)
    Split {
        /// Where the images are.
        #[command(flatten)]
        input: Input,
        /// Seed
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Share of patients in val
        #[arg(long, default_value_t = 0.1)]
        val: f64,
        /// Share of patients in test
        #[arg(long, default_value_t = 0.2)]
        test: f64,
        /// Write the CSV here instead of stdout
        #[arg(long, value_name = "CSV")]
        out: Option<PathBuf>,
    },
    /// Leaks between splits by patient and by near-duplicate, unreadable and changed files; exit code 1 if any
    Check {
        /// Where the images are.
        #[command(flatten)]
        input: Input,
        /// Compare every file with the manifest's sha256
        #[arg(long)]
        content: bool,
        /// Also near-duplicates of two patients within one split
        #[arg(long)]
        within_splits: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Manifests, or a folder in the published layout of a set.
#[derive(Debug, clap::Args)]
pub struct Input {
    /// Manifests (.csv), or with --set the folder of the set
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The public set whose layout the folder has, e.g. nih_chestxray14, chexpert, mimic_cxr_jpg
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
}

impl Input {
    fn samples(&self) -> Result<Vec<Sample>> {
        if let Some(name) = &self.set {
            let Ok(set) = sets::find(name) else {
                let known: Vec<&str> = sets::SETS.iter().map(|s| s.name).collect();
                bail!(Usage(format!(
                    "there is no set `{name}`; known: {}",
                    known.join(", ")
                )));
            };
            let mut samples = Vec::new();
            for path in &self.paths {
                samples.extend((set.load)(path)?);
            }
            return Ok(samples);
        }
        if let Some(folder) = self.paths.iter().find(|p| p.is_dir()) {
            bail!(Usage(format!(
                "{} is a folder: name its set with --set, or give manifests",
                folder.display()
            )));
        }
        Ok(Manifest::read_all(&self.paths)?.samples)
    }
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    match verb {
        Verb::Scan { input, json } => scan(input, *json),
        Verb::Split {
            input,
            seed,
            val,
            test,
            out,
        } => split(
            input,
            &SplitConfig {
                seed: *seed,
                val: *val,
                test: *test,
            },
            out.as_deref(),
        ),
        Verb::Check {
            input,
            content,
            within_splits,
            json,
        } => {
            let config = CheckConfig {
                content: *content,
                within_splits: *within_splits,
                ..CheckConfig::default()
            };
            check(input, &config, *json)
        }
    }
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn scan(input: &Input, json: bool) -> Result<Code> {
    let samples = input.samples()?;
    let report = hilum_data::scan(&samples, None);
    print(&if json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        scan_text(&report)?
    })?;
    Ok(if report.missing.is_empty() {
        Code::Success
    } else {
        Code::Failed
    })
}

fn scan_text(report: &ScanReport) -> Result<String> {
    let mut out = String::new();
    for (name, set) in &report.sets {
        writeln!(
            out,
            "{name}: {} images, {} patients ({} images without one)",
            set.images, set.patients, set.without_patient
        )?;
        writeln!(out, "  splits  {}", counts(set.splits.iter()))?;
        writeln!(out, "  views   {}", counts(set.views.iter()))?;
        writeln!(out, "  labels  {} images with any", set.labelled)?;
        for (code, n) in &set.labels {
            writeln!(
                out,
                "    {code:<28} {:>7} present {:>7} absent {:>6} uncertain {:>7} not mentioned",
                n.positive, n.negative, n.uncertain, n.not_mentioned
            )?;
        }
        for (title, list) in [
            ("masks", &set.masks),
            ("boxes", &set.boxes),
            ("unmapped", &set.unmapped),
            ("conflicts", &set.conflicts),
        ] {
            if !list.is_empty() {
                writeln!(out, "  {title:<7} {}", counts(list.iter()))?;
            }
        }
    }
    for file in &report.missing {
        writeln!(
            out,
            "missing: {} of {}: {}",
            file.what,
            file.id,
            file.path.display()
        )?;
    }
    writeln!(
        out,
        "{} images in {} sets, {} listed files missing",
        report.images,
        report.sets.len(),
        report.missing.len()
    )?;
    Ok(out)
}

fn counts<'a>(list: impl Iterator<Item = (&'a String, &'a usize)>) -> String {
    list.map(|(name, n)| format!("{name} {n}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn split(input: &Input, config: &SplitConfig, out: Option<&Path>) -> Result<Code> {
    let mut samples = input.samples()?;
    let assigned = splits::assign(&samples, config)?;
    let field = |text: &str| {
        if text.contains([',', '"', '\n']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let mut text = String::from("id,patient_id,split\n");
    for (sample, split) in samples.iter_mut().zip(assigned) {
        writeln!(
            text,
            "{},{},{}",
            field(&sample.id),
            field(sample.patient.as_deref().unwrap_or("")),
            split.name()
        )?;
        sample.split = Some(split);
    }
    match out {
        Some(path) => atomic_write(path, text.as_bytes())?,
        None => print(&text)?,
    }
    eprintln!(
        "hilum: {} images, split hash {}",
        samples.len(),
        hilum_data::split_hash(&samples)
    );
    Ok(Code::Success)
}

fn check(input: &Input, config: &CheckConfig, json: bool) -> Result<Code> {
    let samples = input.samples()?;
    let bar = progress::bar(samples.len(), "checking", true);
    let progress = |done: usize, _all: usize| bar.set_position(done as u64);
    let report = hilum_data::check(&samples, config, Some(&progress))?;
    bar.finish_and_clear();
    print(&if json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        check_text(&report)?
    })?;
    Ok(if report.is_clean() {
        Code::Success
    } else {
        Code::Failed
    })
}

fn check_text(report: &CheckReport) -> Result<String> {
    let mut out = String::new();
    for leak in &report.patient_leaks {
        let places: Vec<String> = leak
            .splits
            .iter()
            .map(|(split, ids)| format!("{} in {}", ids.len(), split.name()))
            .collect();
        writeln!(
            out,
            "patient in several splits: {} ({})",
            leak.patient,
            places.join(", ")
        )?;
    }
    for leak in &report.duplicate_leaks {
        let name = |s: Option<hilum_data::Split>| s.map_or("none", |s| s.name());
        writeln!(
            out,
            "nearly identical: {} ({}) and {} ({}), correlation {:.4}",
            leak.a,
            name(leak.split_a),
            leak.b,
            name(leak.split_b),
            leak.correlation
        )?;
    }
    for (title, list) in [
        ("unreadable", &report.unreadable),
        ("size", &report.size_mismatches),
        ("changed", &report.changed),
    ] {
        for problem in list {
            writeln!(out, "{title}: {}: {}", problem.id, problem.reason)?;
        }
    }
    for id in &report.repeated_ids {
        writeln!(out, "listed twice: {id}")?;
    }
    let verdict = if report.is_clean() {
        "nothing found"
    } else {
        "problems found"
    };
    writeln!(out, "{} images looked at: {verdict}", report.images)?;
    Ok(out)
}
