//! The real cases: images as columns of pixels, reports as columns of weighted words.

use super::config::Config;
use super::problem::Cases;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_core::{Sex, View};
use hilum_data::hashes::{ContentHash, data_hash, file_sha256, split_hash};
use hilum_data::{Sample, Split};
use hilum_image::{Kernel, Recipe, resize};
use hilum_tabular::table::text_hash;
use nalgebra::DMatrix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Children: normal or pneumonia.
    Pneumonia,
    /// Children: normal, bacterial or viral pneumonia.
    PneumoniaKind,
    /// NIH: a finding or none, with age, sex and view.
    NihFinding,
    /// Reports: cardiomegaly in the tags or not, about one in twelve.
    Cardiomegaly,
}

impl TaskName {
    /// All, in the order of the tables.
    pub const ALL: [TaskName; 4] = [
        TaskName::Pneumonia,
        TaskName::PneumoniaKind,
        TaskName::NihFinding,
        TaskName::Cardiomegaly,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            TaskName::Pneumonia => "paediatric pneumonia",
            TaskName::PneumoniaKind => "paediatric, three classes",
            TaskName::NihFinding => "NIH finding",
            TaskName::Cardiomegaly => "IU reports, cardiomegaly",
        }
    }

    /// Name in files.
    pub fn stem(self) -> &'static str {
        match self {
            TaskName::Pneumonia => "pneumonia",
            TaskName::PneumoniaKind => "pneumonia_kind",
            TaskName::NihFinding => "nih_finding",
            TaskName::Cardiomegaly => "cardiomegaly",
        }
    }

    /// Number of classes.
    pub fn classes(self) -> usize {
        if self == TaskName::PneumoniaKind {
            3
        } else {
            2
        }
    }
}

/// Cases of a split with their patients.
#[derive(Debug, Clone)]
pub struct Part {
    /// Cases; covariates are standardised by the training split.
    pub cases: Cases,
    /// Patient (or report) of each case.
    pub patients: Vec<String>,
}

/// What a column's entries are.
#[derive(Debug, Clone, PartialEq)]
pub enum Columns {
    /// Pixels of a square image.
    Pixels(usize),
    /// Words.
    Words(Vec<String>),
}

/// A task's cases.
#[derive(Debug, Clone)]
pub struct Task {
    /// Which.
    pub name: TaskName,
    /// Entries of a column.
    pub columns: Columns,
    /// For fitting.
    pub train: Part,
    /// For choosing.
    pub val: Part,
    /// For reporting.
    pub test: Part,
    /// Hash of the data.
    pub data_hash: String,
    /// Hash of the split.
    pub split_hash: String,
}

/// One case before it is put into a column.
struct Row {
    split: Split,
    patient: String,
    class: usize,
    values: Vec<f64>,
    covariates: Vec<f64>,
}

impl Task {
    /// Loads a task.
    ///
    /// # Errors
    /// Data that are not there, files that cannot be read, a class missing in a split.
    pub fn load(ctx: &Context<'_>, name: TaskName, config: &Config) -> Result<Self> {
        match name {
            TaskName::Pneumonia | TaskName::PneumoniaKind | TaskName::NihFinding => {
                images(ctx, name, config)
            }
            TaskName::Cardiomegaly => reports(ctx, name, config),
        }
    }

    fn new(
        name: TaskName,
        columns: Columns,
        rows: Vec<Row>,
        hashes: (String, String),
    ) -> Result<Self> {
        let part = |split: Split| part(name, &rows, split);
        let (mut train, mut val, mut test) =
            (part(Split::Train)?, part(Split::Val)?, part(Split::Test)?);
        scale(&mut [&mut train, &mut val, &mut test]);
        Ok(Task {
            name,
            columns,
            train,
            val,
            test,
            data_hash: hashes.0,
            split_hash: hashes.1,
        })
    }
}

/// Columns of one split.
fn part(name: TaskName, rows: &[Row], split: Split) -> Result<Part> {
    let own: Vec<&Row> = rows.iter().filter(|r| r.split == split).collect();
    for class in 0..name.classes() {
        let found = own.iter().filter(|r| r.class == class).count();
        if found < 2 {
            return Err(MethodError::TooFew {
                what: format!("{}, {split} split, class {class}", name.name()),
                found,
                needed: 2,
            });
        }
    }
    let matrix = |f: &dyn Fn(&Row) -> &Vec<f64>| {
        let columns = own
            .iter()
            .map(|r| nalgebra::DVector::from_column_slice(f(r)));
        DMatrix::from_columns(&columns.collect::<Vec<_>>())
    };
    Ok(Part {
        cases: Cases {
            x: matrix(&|r| &r.values),
            y: own.iter().map(|r| r.class).collect(),
            z: matrix(&|r| &r.covariates),
        },
        patients: own.iter().map(|r| r.patient.clone()).collect(),
    })
}

/// Total variance of the training values becomes 1, so that ξ = 1 weighs all of it like one nat a case;
/// covariates get mean 0 and deviation 1. The first part is that of the training.
fn scale(parts: &mut [&mut Part; 3]) {
    let train = &parts[0].cases;
    let n = train.x.ncols() as f64;
    let mean = train.x.column_mean();
    let variance = train.x.norm_squared() / n - mean.norm_squared();
    let size = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    let centre = train.z.column_mean();
    let spread: Vec<f64> = train.z.row_iter().map(|r| r.variance().sqrt()).collect();
    for part in parts.iter_mut() {
        part.cases.x /= size;
        for mut column in part.cases.z.column_iter_mut() {
            column -= &centre;
            for (v, s) in column.iter_mut().zip(&spread) {
                *v /= if *s > 0.0 { *s } else { 1.0 };
            }
        }
    }
}

/// At most `n` rows of each split, every k-th.
fn limited<T>(items: Vec<T>, split: impl Fn(&T) -> Split, n: Option<usize>) -> Vec<T> {
    let Some(n) = n else { return items };
    let mut total: BTreeMap<Split, usize> = BTreeMap::new();
    items
        .iter()
        .for_each(|i| *total.entry(split(i)).or_default() += 1);
    let mut seen: BTreeMap<Split, usize> = BTreeMap::new();
    let keep = |item: &T| {
        let s = split(item);
        let at = seen.entry(s).or_default();
        *at += 1;
        let step = total[&s].div_ceil(n);
        (*at - 1).is_multiple_of(step)
    };
    let mut keep = keep;
    items.into_iter().filter(|i| keep(i)).collect()
}

fn images(ctx: &Context<'_>, name: TaskName, config: &Config) -> Result<Task> {
    let sets: &[&str] = match name {
        // One resolution: the two sets have the views the other way round, which would hide what covariates tell.
        TaskName::NihFinding => &["nih14"],
        _ => &["kermany_paediatric"],
    };
    let all = ctx.samples("supervised_dictionary", sets)?;
    let known = all.into_iter().filter_map(|s| Some((s.split?, s)));
    let kept = limited(known.collect(), |(split, _)| *split, config.cases);
    let row = |(split, sample): &(Split, Sample)| image_row(*split, sample, name, config.size);
    let rows: Vec<Row> = kept.par_iter().map(row).collect::<Result<_>>()?;
    let samples: Vec<Sample> = kept.into_iter().map(|(_, s)| s).collect();
    let hashes = (
        data_hash(&samples, ContentHash::Stated, None)?,
        split_hash(&samples),
    );
    Task::new(name, Columns::Pixels(config.size), rows, hashes)
}

fn image_row(split: Split, sample: &Sample, name: TaskName, size: usize) -> Result<Row> {
    let image = hilum_dicom::load(sample.path(), Recipe::Voi)?.pixels;
    let gray = image.to_u8();
    let small = resize::resize_u8(&gray, size, size, Kernel::PilBilinear)?;
    let covariates = match name {
        TaskName::NihFinding => metadata(sample)?,
        _ => Vec::new(),
    };
    Ok(Row {
        split,
        patient: sample.patient.clone().unwrap_or_else(|| sample.id.clone()),
        class: class_of(sample, name)?,
        values: small.data.iter().map(|v| f64::from(*v) / 255.0).collect(),
        covariates,
    })
}

fn class_of(sample: &Sample, name: TaskName) -> Result<usize> {
    let has = |label: &str| sample.raw_labels.iter().any(|l| l == label);
    match name {
        TaskName::NihFinding => Ok(usize::from(!has("No Finding"))),
        _ if has("normal") => Ok(0),
        _ if has("bacterial_pneumonia") => Ok(1),
        _ if has("viral_pneumonia") => Ok(if name == TaskName::PneumoniaKind {
            2
        } else {
            1
        }),
        _ => Err(MethodError::Config(format!(
            "{}: the label `{}` is not one of this task",
            sample.id,
            sample.raw_labels.join("|")
        ))),
    }
}

/// Age, sex and view; a model of them must not guess what is not stated.
fn metadata(sample: &Sample) -> Result<Vec<f64>> {
    let stated =
        |what: &str| MethodError::Config(format!("{}: the manifest states no {what}", sample.id));
    let age = sample.age.ok_or_else(|| stated("age"))?;
    let sex = match sample.sex {
        Some(Sex::Male) => 1.0,
        Some(Sex::Female) => 0.0,
        _ => return Err(stated("sex")),
    };
    let view = match sample.view {
        View::Ap => 1.0,
        View::Pa => 0.0,
        _ => return Err(stated("AP or PA view")),
    };
    Ok(vec![f64::from(age), sex, view])
}

/// A report as it stands in the file.
#[derive(Debug, Deserialize)]
struct Report {
    id: String,
    #[serde(default)]
    comparison: Option<String>,
    #[serde(default)]
    indication: Option<String>,
    #[serde(default)]
    findings: Option<String>,
    #[serde(default)]
    impression: Option<String>,
    labels14: Option<Vec<String>>,
    #[serde(default)]
    images: Vec<serde_json::Value>,
    split: String,
}

const REPORTS: &str = "text/iu_reports.jsonl";

fn reports(ctx: &Context<'_>, name: TaskName, config: &Config) -> Result<Task> {
    let path = ctx.data.join(REPORTS);
    if !path.is_file() {
        return Err(MethodError::NoData {
            what: "supervised_dictionary".to_owned(),
            path,
        });
    }
    let text = std::fs::read_to_string(&path).map_err(|source| MethodError::Io {
        path: path.clone(),
        source,
    })?;
    let mut labelled = Vec::new();
    for (i, line) in text
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.trim().is_empty())
    {
        let wrong = |e: String| MethodError::Config(format!("{REPORTS}, line {}: {e}", i + 1));
        let report: Report = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
        let split = Split::parse(&report.split).ok_or_else(|| wrong("no split".to_owned()))?;
        // Null means that nobody tagged it, not that nothing was found.
        if report.labels14.is_some() {
            labelled.push((split, report));
        }
    }
    let kept = limited(labelled, |(split, _)| *split, config.cases);
    let bags: Vec<Vec<String>> = kept.iter().map(|(_, r)| words(r)).collect();
    let fitted = kept
        .iter()
        .zip(&bags)
        .filter(|((s, _), _)| *s == Split::Train);
    let lexicon = Lexicon::fit(&fitted.map(|(_, b)| b).collect::<Vec<_>>(), config.words)?;
    let rows = kept.iter().zip(&bags).map(|((split, report), bag)| Row {
        split: *split,
        patient: report.id.clone(),
        class: usize::from(has_cardiomegaly(report)),
        values: lexicon.weigh(bag),
        covariates: circumstances(report),
    });
    let rows: Vec<Row> = rows.collect();
    let lines: Vec<String> = rows
        .iter()
        .map(|r| format!("{}\t{}\n", r.patient, r.split))
        .collect();
    let hashes = (file_sha256(&path)?, text_hash(&lines.concat()));
    Task::new(name, Columns::Words(lexicon.names()), rows, hashes)
}

fn has_cardiomegaly(report: &Report) -> bool {
    let labels = report.labels14.iter().flatten();
    labels.into_iter().any(|l| l == "Cardiomegaly")
}

/// What is known of a report beside its text: films, whether it compares, whether it has a findings section, and
/// how much was asked.
fn circumstances(report: &Report) -> Vec<f64> {
    let given = |t: &Option<String>| t.as_ref().is_some_and(|t| t.trim().len() > 5);
    let asked = report.indication.as_deref().unwrap_or("");
    vec![
        report.images.len() as f64,
        f64::from(u8::from(given(&report.comparison))),
        f64::from(u8::from(given(&report.findings))),
        (1.0 + asked.split_whitespace().count() as f64).ln(),
    ]
}

/// Words of three letters or more of findings and impression, without the mark of what was blacked out.
fn words(report: &Report) -> Vec<String> {
    let parts = [&report.findings, &report.impression];
    let text = parts
        .map(|t| t.as_deref().unwrap_or("").to_lowercase())
        .join(" ");
    text.split(|c: char| !c.is_alphabetic())
        .filter(|w| w.len() >= 3 && *w != "xxxx")
        .map(str::to_owned)
        .collect()
}

/// Words with their weights (inverse document frequency), from the training reports.
struct Lexicon(BTreeMap<String, (usize, f64)>);

impl Lexicon {
    fn fit(bags: &[&Vec<String>], size: usize) -> Result<Self> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for bag in bags {
            let mut own: Vec<&str> = bag.iter().map(String::as_str).collect();
            own.sort_unstable();
            own.dedup();
            own.iter().for_each(|w| *counts.entry(w).or_default() += 1);
        }
        let mut common: Vec<(&str, usize)> = counts.into_iter().collect();
        common.sort_by_key(|(w, n)| (std::cmp::Reverse(*n), *w));
        common.truncate(size);
        if common.len() < size {
            return Err(MethodError::TooFew {
                what: "different words of the training reports".to_owned(),
                found: common.len(),
                needed: size,
            });
        }
        let n = bags.len() as f64;
        let entry = |(i, (w, count)): (usize, (&str, usize))| {
            (w.to_owned(), (i, ((1.0 + n) / (1.0 + count as f64)).ln()))
        };
        Ok(Lexicon(common.into_iter().enumerate().map(entry).collect()))
    }

    fn names(&self) -> Vec<String> {
        let mut names = vec![String::new(); self.0.len()];
        for (word, (i, _)) in &self.0 {
            names[*i] = word.clone();
        }
        names
    }

    /// (1 + ln count) times the weight, the column then of length 1.
    fn weigh(&self, bag: &[String]) -> Vec<f64> {
        let mut values = vec![0.0; self.0.len()];
        for word in bag {
            if let Some((i, _)) = self.0.get(word) {
                values[*i] += 1.0;
            }
        }
        for (i, weight) in self.0.values() {
            if values[*i] > 0.0 {
                values[*i] = (1.0 + f64::ln(values[*i])) * weight;
            }
        }
        let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm > 0.0 {
            values.iter_mut().for_each(|v| *v /= norm);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: &str) -> Report {
        Report {
            id: "r".to_owned(),
            comparison: None,
            indication: Some("chest pain".to_owned()),
            findings: Some(findings.to_owned()),
            impression: None,
            labels14: Some(vec!["Cardiomegaly".to_owned()]),
            images: Vec::new(),
            split: "train".to_owned(),
        }
    }

    #[test]
    fn words_are_weighed_by_rarity_and_columns_have_length_one() {
        let bags = [
            words(&report("The heart is enlarged. XXXX")),
            words(&report("The heart is normal, the lungs clear")),
        ];
        assert_eq!(bags[0], ["the", "heart", "enlarged"]);
        let lexicon = Lexicon::fit(&bags.iter().collect::<Vec<_>>(), 4).unwrap();
        assert_eq!(lexicon.names()[..2], ["heart", "the"]);
        let x = lexicon.weigh(&bags[1]);
        assert!((x.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(x[0], 0.0);
        assert!(Lexicon::fit(&bags.iter().collect::<Vec<_>>(), 40).is_err());
    }

    #[test]
    fn covariates_of_a_report_are_counts_not_words() {
        assert_eq!(circumstances(&report("normal heart"))[..3], [0.0, 0.0, 1.0]);
        assert!(has_cardiomegaly(&report("x")));
    }

    #[test]
    fn limits_keep_every_kth_of_each_split() {
        let items: Vec<(Split, usize)> = (0..20)
            .map(|i| (if i < 16 { Split::Train } else { Split::Test }, i))
            .collect();
        let kept = limited(items, |i| i.0, Some(4));
        let at: Vec<usize> = kept.iter().map(|i| i.1).collect();
        assert_eq!(at, [0, 4, 8, 12, 16, 17, 18, 19]);
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use hilum_image::Plane;
    use hilum_image::draw::encode_gray_png;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::fmt::Write as _;
    use std::path::Path;

    /// Made-up images and reports in the layout of the data folder; labels show as a brighter corner and as a
    /// word.
    pub(crate) fn write_data(root: &Path) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let kinds = ["normal", "bacterial_pneumonia", "viral_pneumonia"];
        write_set(root, "kermany_paediatric", &kinds, 90, &mut rng);
        let findings = ["No Finding", "Effusion"];
        write_set(root, "nih14", &findings, 60, &mut rng);
        write_set(root, "nih14_64px", &findings, 60, &mut rng);
        write_reports(root, &mut rng);
    }

    fn split(i: usize) -> &'static str {
        ["train", "train", "train", "val", "test"][(i / 3) % 5]
    }

    fn write_set(root: &Path, set: &str, labels: &[&str], n: usize, rng: &mut ChaCha8Rng) {
        let folder = root.join("images").join(set);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(root.join("manifests")).unwrap();
        let mut text = String::from("path,set,split,patient_id,view,labels,sex,age\n");
        for i in 0..n {
            let class = i % labels.len();
            let image = Plane::from_fn(24, 24, |x, y| {
                let bright = class > 0 && (x < 12) == (class == 1) && y < 12;
                let base: u8 = rng.random_range(20..120);
                base + if bright { 70 } else { 0 }
            });
            let path = format!("images/{set}/{i}.png");
            std::fs::write(root.join(&path), encode_gray_png(&image).unwrap()).unwrap();
            let view = if rng.random_bool(0.3 + 0.4 * f64::from(class.min(1) as u32)) {
                "AP"
            } else {
                "PA"
            };
            let sex = if rng.random_bool(0.5) { "F" } else { "M" };
            let age = rng.random_range(20..80);
            let (split, label) = (split(i), labels[class]);
            let _ = writeln!(
                text,
                "{path},{set},{split},{set}-{i},{view},{label},{sex},{age}"
            );
        }
        std::fs::write(root.join(format!("manifests/{set}.csv")), text).unwrap();
    }

    fn write_reports(root: &Path, rng: &mut ChaCha8Rng) {
        std::fs::create_dir_all(root.join("text")).unwrap();
        let mut text = String::new();
        for i in 0..150 {
            let large = i % 3 == 0;
            let mut words: Vec<String> = (0..14)
                .map(|_| {
                    let letter = |v: u32| char::from(b'a' + v as u8);
                    let (a, b) = (rng.random_range(0..12), rng.random_range(0..12));
                    format!("wo{}{}", letter(a), letter(b))
                })
                .collect();
            words.push(if large { "enlarged" } else { "clear" }.to_owned());
            let report = serde_json::json!({
                "id": format!("r{i}"), "findings": words.join(" "), "impression": "heart",
                "indication": "pain", "comparison": if i % 2 == 0 { "none at all" } else { "" },
                "labels14": if large { vec!["Cardiomegaly"] } else { vec![] },
                "images": [], "split": split(i),
            });
            let _ = writeln!(text, "{report}");
        }
        std::fs::write(root.join(super::REPORTS), text).unwrap();
    }
}
