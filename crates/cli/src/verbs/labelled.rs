//! Labelled cases for `calibrate`, `audit` and `index`: a table of scores, or images with labels that are read here.

use crate::exit::Usage;
use crate::progress;
use anyhow::{Result, bail};
use hilum_audit::table::Case;
use hilum_audit::{ScoreKind, ScoreTable};
use hilum_core::taxonomy;
use hilum_data::table::Table;
use hilum_data::{LabelState, Manifest, MaskForm};
use hilum_pipeline::collect::Item;
use hilum_pipeline::{BatchOptions, Reader, Study, batch, collect};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Name of the table in a labelled folder.
const TABLE: &str = "labels.csv";

/// An image with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// Path as written in the table or folder.
    pub id: String,
    /// Patient; the image is its own patient when none is known.
    pub patient: Option<String>,
    /// Labels by taxonomy code; null is "not labelled".
    pub labels: BTreeMap<String, Option<bool>>,
    /// Labels in the words of their source, for people.
    pub words: Vec<String>,
    /// All other columns.
    pub columns: BTreeMap<String, String>,
    /// Mask of the lungs, when the table names one.
    pub lungs: Option<PathBuf>,
    /// Licence, when the table tells.
    pub licence: Option<String>,
}

/// What the input is.
#[derive(Debug)]
pub enum Input {
    /// Scores that are there already.
    Scores(ScoreTable),
    /// Images to read.
    Images(Vec<Image>),
}

/// How to read the input.
#[derive(Debug, Clone, Copy, Default)]
pub struct InputOptions<'a> {
    /// What a column `score` means.
    pub kind: Option<ScoreKind>,
    /// Finding that the subfolders of a folder tell.
    pub finding: Option<&'a str>,
    /// Split of a manifest.
    pub split: Option<&'a str>,
}

/// Opens a table of scores, a run folder with one, a table of images, a manifest, or a folder of images.
pub fn open(path: &Path, options: &InputOptions<'_>) -> Result<Input> {
    if path.is_dir() {
        if let Some(scores) = of_run(path)? {
            return Ok(Input::Scores(ScoreTable::read(&scores, options.kind)?));
        }
        return Ok(Input::Images(folder(path, options.finding)?));
    }
    let header = Table::open(path, &[])?.header().to_vec();
    let has = |name: &str| header.iter().any(|h| h == name);
    if has("path") && has("set") && has("labels") {
        return Ok(Input::Images(manifest(path, options.split)?));
    }
    let scored = ["probability", "logit", "score"].iter().any(|n| has(n));
    if scored {
        return Ok(Input::Scores(ScoreTable::read(path, options.kind)?));
    }
    if has("path") {
        let root = path.parent().unwrap_or(Path::new("."));
        return Ok(Input::Images(table(path, root)?));
    }
    bail!(Usage(format!(
        "{}: neither scores (columns `label` and `probability` or `logit`) nor images (column `path` and columns named by findings)",
        path.display()
    )))
}

/// The table of scores of a run folder; none for a folder that is no run's.
///
/// A run without one is an error: its pictures are plots, not films.
fn of_run(path: &Path) -> Result<Option<PathBuf>> {
    let scores = path.join(hilum_methods::scores::FILE);
    if scores.is_file() {
        return Ok(Some(scores));
    }
    let is_run = ["run.json", "outcome.json"]
        .iter()
        .any(|n| path.join(n).is_file());
    if is_run && !path.join(TABLE).is_file() {
        bail!(Usage(format!(
            "{}: a run folder without {}: `hilum eval` writes it for methods that say something of single cases",
            path.display(),
            hilum_methods::scores::FILE
        )));
    }
    Ok(None)
}

/// A folder with `labels.csv`, or with subfolders: files below one named by the finding have it, those below any other do not.
fn folder(path: &Path, finding: Option<&str>) -> Result<Vec<Image>> {
    let own = path.join(TABLE);
    if own.is_file() {
        return table(&own, path);
    }
    let found = collect(&[path.to_owned()], &Default::default());
    let mut images = Vec::new();
    for file in files(&found.items) {
        let id = file.strip_prefix(path).unwrap_or(&file).to_owned();
        let group = match id.components().count() {
            0 | 1 => None,
            _ => id
                .components()
                .next()
                .map(|c| c.as_os_str().to_string_lossy().into_owned()),
        };
        let labels = match (finding, &group) {
            (Some(code), Some(group)) => [(code.to_owned(), Some(is_code(group, code)))].into(),
            _ => BTreeMap::new(),
        };
        images.push(Image {
            id: id.to_string_lossy().into_owned(),
            path: file,
            patient: None,
            labels,
            words: group.into_iter().collect(),
            columns: BTreeMap::new(),
            lungs: None,
            licence: None,
        });
    }
    if images.is_empty() {
        bail!("{}: no image files", path.display());
    }
    Ok(images)
}

fn is_code(group: &str, code: &str) -> bool {
    group == code || taxonomy::find(group).is_some_and(|t| t.code == code)
}

fn files(items: &[Item]) -> Vec<PathBuf> {
    let of = |item: &Item| match item {
        Item::Study(study) => study.files.clone(),
        Item::Failed(failed) => vec![failed.path.clone().into()],
    };
    items.iter().flat_map(of).collect()
}

/// A table with the column `path` (relative to `root`), columns named by findings, `patient` and any others.
fn table(path: &Path, root: &Path) -> Result<Vec<Image>> {
    let table = Table::open(path, &["path"])?;
    let header = table.header().to_vec();
    let mut images = Vec::new();
    table.for_each(|row| {
        let id = row.need("path")?.to_owned();
        let (mut labels, mut columns) = (BTreeMap::new(), BTreeMap::new());
        let mut words = Vec::new();
        for name in header.iter().filter(|h| *h != "path") {
            let value = row.get(name);
            if let Some(taxon) = taxonomy::find(name) {
                let state = label(value).map_err(|e| row.error(format!("column `{name}`: {e}")))?;
                labels.insert(taxon.code.to_owned(), state);
                if state == Some(true) {
                    words.push(name.clone());
                }
            } else if name == "labels" {
                let parts = value.split('|').map(str::trim).filter(|v| !v.is_empty());
                words.extend(parts.map(str::to_owned));
            } else if !value.is_empty() {
                columns.insert(name.clone(), value.to_owned());
            }
        }
        let take = |columns: &mut BTreeMap<String, String>, names: &[&str]| {
            names.iter().find_map(|n| columns.remove(*n))
        };
        images.push(Image {
            path: root.join(&id),
            patient: take(&mut columns, &["patient", "patient_id"]),
            lungs: take(&mut columns, &["lungs", "mask"]).map(|m| root.join(m)),
            licence: take(&mut columns, &["licence", "license"]),
            id,
            labels,
            words,
            columns,
        });
        Ok(())
    })?;
    if images.is_empty() {
        bail!("{}: no rows", path.display());
    }
    Ok(images)
}

fn label(text: &str) -> std::result::Result<Option<bool>, String> {
    match text {
        "1" | "1.0" | "true" => Ok(Some(true)),
        "0" | "0.0" | "false" => Ok(Some(false)),
        "" | "-1" | "-1.0" => Ok(None),
        other => Err(format!(
            "`{other}` is none of 1, 0, -1 (uncertain) and empty"
        )),
    }
}

fn manifest(path: &Path, split: Option<&str>) -> Result<Vec<Image>> {
    let manifest = Manifest::read(path)?;
    let wanted = |name: Option<&str>| split.is_none_or(|s| name == Some(s));
    let mut images = Vec::new();
    for sample in &manifest.samples {
        if !wanted(sample.split.map(|s| s.name())) {
            continue;
        }
        let state = |s: LabelState| match s {
            LabelState::Positive => Some(true),
            LabelState::Negative => Some(false),
            LabelState::Uncertain | LabelState::NotMentioned => None,
        };
        let mut columns = sample.extra.clone().into_iter().collect::<BTreeMap<_, _>>();
        let known = [
            ("view", Some(format!("{:?}", sample.view).to_lowercase())),
            ("sex", sample.sex.map(|s| format!("{s:?}").to_lowercase())),
            ("age", sample.age.map(|a| a.to_string())),
            ("set", Some(sample.set.clone())),
        ];
        for (name, value) in known {
            if let Some(value) = value {
                columns.insert(name.to_owned(), value);
            }
        }
        images.push(Image {
            path: sample.path().to_owned(),
            id: sample.id.clone(),
            patient: sample.patient.clone(),
            labels: sample
                .labels
                .iter()
                .map(|(code, s)| (code.to_owned(), state(s)))
                .collect(),
            words: sample.raw_labels.iter().map(ToString::to_string).collect(),
            columns,
            lungs: sample.masks.iter().find_map(|m| match &m.form {
                MaskForm::File(path) if m.name == "lungs" => Some(path.clone()),
                _ => None,
            }),
            licence: sample.licence.clone(),
        });
    }
    if images.is_empty() {
        bail!(
            "{}: no image{}",
            path.display(),
            split.map_or(String::new(), |s| format!(" in the split {s}"))
        );
    }
    Ok(images)
}

/// Scores that the reader gave, one table a model.
#[derive(Debug, Default)]
pub struct Read {
    /// Log odds by model, and the probabilities in use beside them in the column `probability_before`.
    pub tables: BTreeMap<String, ScoreTable>,
    /// Images that were not analysed, with the reason.
    pub left_out: Vec<(String, String)>,
}

/// Column that keeps the probability in use.
pub const BEFORE: &str = "probability_before";

/// Reads images as `hilum read` does, and keeps the log odds of every labelled finding that was assessed.
pub fn read(reader: &Reader, images: &[Image], jobs: Option<usize>, bar: bool) -> Result<Read> {
    let items: Vec<Item> = images
        .iter()
        .map(|image| {
            Item::Study(Study {
                id: None,
                files: vec![image.path.clone()],
            })
        })
        .collect();
    let pool = batch::threads(jobs)?;
    let bar = progress::bar(items.len(), "reading", bar);
    let mut read = Read::default();
    let mut at = 0;
    let options = BatchOptions { jobs, out: None };
    batch::run(reader, &items, &options, &pool, |answer| {
        bar.inc(1);
        let image = &images[at];
        at += 1;
        for failed in &answer.outcome.failed {
            read.left_out
                .push((image.id.clone(), failed.error.message.clone()));
        }
        if let Some(reading) = &answer.outcome.reading {
            read.take(image, reading);
        }
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    Ok(read)
}

impl Read {
    fn take(&mut self, image: &Image, reading: &hilum_core::Reading) {
        if !reading.gate.analysable {
            let reason = reading.gate.reasons.iter().find(|r| r.blocking);
            self.left_out.push((
                image.id.clone(),
                reason.map_or("not analysable".to_owned(), |r| r.message.clone()),
            ));
            return;
        }
        for finding in &reading.findings {
            let labelled = image.labels.get(&finding.code);
            let (Some(label), Some(logit), Some(model)) = (labelled, finding.logit, &finding.model)
            else {
                continue;
            };
            let table = self
                .tables
                .entry(model.clone())
                .or_insert_with(|| ScoreTable {
                    kind: ScoreKind::Logit,
                    has_patients: false,
                    cases: Vec::new(),
                });
            table.has_patients |= image.patient.is_some();
            let mut columns = image.columns.clone();
            columns.insert("path".into(), image.id.clone());
            if let Some(p) = finding.probability {
                columns.insert(BEFORE.into(), p.to_string());
            }
            table.cases.push(Case {
                id: image.id.clone(),
                patient: image
                    .patient
                    .clone()
                    .unwrap_or_else(|| format!("image {}", image.id)),
                finding: finding.code.clone(),
                label: *label,
                score: logit,
                columns,
            });
        }
    }

    /// Says on stderr what was left out, a few lines at most.
    pub fn report(&self) {
        const SHOWN: usize = 5;
        for (id, reason) in self.left_out.iter().take(SHOWN) {
            eprintln!("hilum: left out {id}: {reason}");
        }
        if self.left_out.len() > SHOWN {
            eprintln!("hilum: and {} others", self.left_out.len() - SHOWN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_images_keep_labels_and_columns_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels.csv");
        std::fs::write(
            &path,
            "path,Pneumonia,pleural_effusion,patient,sex\na.png,1,,p1,F\nb.png,0,-1,,M\n",
        )
        .unwrap();
        let Input::Images(images) = open(dir.path(), &InputOptions::default()).unwrap() else {
            panic!("images");
        };
        assert_eq!(images[0].labels["pneumonia"], Some(true));
        assert_eq!(images[0].labels["pleural_effusion"], None);
        assert_eq!(images[0].words, ["Pneumonia"]);
        assert_eq!(images[0].patient.as_deref(), Some("p1"));
        assert_eq!(images[1].columns["sex"], "M");
        assert_eq!(images[1].path, dir.path().join("b.png"));
        std::fs::write(&path, "path,pneumonia\na.png,maybe\n").unwrap();
        let error = open(dir.path(), &InputOptions::default()).unwrap_err();
        assert!(error.to_string().contains("`maybe`"), "{error}");
    }

    #[test]
    fn subfolders_are_labels() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["pneumonia/a.png", "normal/b.png"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        let options = InputOptions {
            finding: Some("pneumonia"),
            ..InputOptions::default()
        };
        let Input::Images(images) = open(dir.path(), &options).unwrap() else {
            panic!("images");
        };
        let found: Vec<Option<bool>> = images.iter().map(|i| i.labels["pneumonia"]).collect();
        assert_eq!(found, [Some(false), Some(true)]);
        assert_eq!(images[1].words, ["pneumonia"]);
    }
}
