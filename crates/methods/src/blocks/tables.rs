//! The public tables that methods on numbers learn from.

use super::radiomics::{CO_OCCURRENCE, Disc, FIRST_ORDER, co_occurrence, first_order};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_image::Recipe;
use hilum_tabular::{LabelRule, RawTable, Table, TableSpec};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Ratings of nodules by readers of LIDC-IDRI: is the reader's malignancy score 4 or 5, or 1 or 2.
    /// Undecided scores of 3 are left out; the ratings of a patient stay together.
    Lidc,
    /// Nodules of JSRT, malignant or benign, by radiomic features of the radiograph; one a patient.
    Jsrt,
    /// Nuclei of fine needle aspirates, Wisconsin 1995: malignant or benign; each row its own group.
    Wisconsin,
    /// Blood markers, Coimbra 2018: patient or control; each row its own group.
    Coimbra,
}

/// A table with the file it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// As in the file.
    pub raw: RawTable,
    /// Features and labels.
    pub table: Table,
}

const LIDC: [&str; 9] = [
    "equivalent_diameter_mm",
    "subtlety",
    "internalStructure",
    "calcification",
    "sphericity",
    "margin",
    "lobulation",
    "spiculation",
    "texture",
];

const NUCLEUS: [&str; 10] = [
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
];

const COIMBRA: [&str; 9] = [
    "Age",
    "BMI",
    "Glucose",
    "Insulin",
    "HOMA",
    "Leptin",
    "Adiponectin",
    "Resistin",
    "MCP.1",
];

impl Source {
    /// Name in result tables.
    pub fn name(self) -> &'static str {
        match self {
            Source::Lidc => "LIDC ratings",
            Source::Jsrt => "JSRT radiomics",
            Source::Wisconsin => "Wisconsin",
            Source::Coimbra => "Coimbra",
        }
    }

    /// The file under the data root.
    pub fn file(self) -> &'static str {
        match self {
            Source::Jsrt => "manifests/jsrt.csv",
            Source::Lidc => "labels/lidc_nodule_ratings.csv.gz",
            Source::Wisconsin => "labels/breast_wisconsin_diagnostic.csv",
            Source::Coimbra => "labels/breast_coimbra.csv",
        }
    }

    /// All features.
    pub fn features(self) -> Vec<String> {
        match self {
            Source::Lidc => owned(&LIDC),
            Source::Coimbra => owned(&COIMBRA),
            Source::Jsrt => {
                let mut names = vec!["diameter".to_owned()];
                names.extend(owned(&FIRST_ORDER));
                names.extend(owned(&CO_OCCURRENCE));
                names
            }
            Source::Wisconsin => ["mean", "error", "worst"]
                .iter()
                .flat_map(|kind| NUCLEUS.map(|f| format!("{kind}_{f}")))
                .collect(),
        }
    }

    /// The few that are had most easily: size; size and first order; the nuclei's means; age, body mass index and glucose.
    pub fn lean_features(self) -> Vec<String> {
        let all = self.features();
        let few = match self {
            Source::Lidc => 1,
            Source::Wisconsin => NUCLEUS.len(),
            Source::Coimbra => 3,
            Source::Jsrt => 1 + FIRST_ORDER.len(),
        };
        all.into_iter().take(few).collect()
    }

    fn label(self) -> LabelRule<'static> {
        let rule = |column, positive, negative, null| LabelRule {
            column,
            positive,
            negative,
            null,
        };
        match self {
            Source::Lidc => rule("malignancy", &["4", "5"], &["1", "2"], &["3"]),
            Source::Jsrt => rule("label", &["malignant"], &["benign"], &[]),
            Source::Wisconsin => rule("diagnosis", &["malignant"], &["benign"], &[]),
            Source::Coimbra => rule("Classification", &["Yes"], &["No"], &[]),
        }
    }

    /// Reads it from the data root with these features.
    ///
    /// # Errors
    /// A file that is not there or not such a table.
    pub fn load(self, ctx: &Context<'_>, what: &str, features: &[String]) -> Result<Loaded> {
        let path = ctx.data.join(self.file());
        if !path.is_file() {
            return Err(MethodError::NoData {
                what: what.to_owned(),
                path,
            });
        }
        let raw = match self {
            Source::Jsrt => nodules(ctx, what, path)?,
            _ => RawTable::read(&path)?,
        };
        let names: Vec<&str> = features.iter().map(String::as_str).collect();
        let spec = TableSpec {
            features: &names,
            label: self.label(),
            group: matches!(self, Source::Lidc | Source::Jsrt).then_some("patient_id"),
            split: Some("split"),
        };
        let table = Table::new(&raw, &spec)?;
        Ok(Loaded { raw, table })
    }
}

/// Radiomic features of the nodules of JSRT, as a table. The disc reaches a quarter beyond the stated diameter,
/// so that the edge is in it, and is never smaller than texture needs.
fn nodules(ctx: &Context<'_>, what: &str, path: PathBuf) -> Result<RawTable> {
    let mut rows = Vec::new();
    for sample in ctx.samples(what, &["jsrt"])? {
        let Some(nodule) = sample.boxes.first() else {
            continue;
        };
        let image = hilum_dicom::load(sample.path(), Recipe::Voi)?.pixels;
        let rect = nodule.rect;
        let size = rect.w.max(rect.h);
        let disc = Disc {
            x: rect.x + rect.w / 2.0,
            y: rect.y + rect.h / 2.0,
            radius: (0.625 * size).max(4.0),
        };
        // A region without texture has no features; a made-up value would be one.
        let found = first_order(&image, disc).zip(co_occurrence(&image, disc));
        let Some((intensity, texture)) = found else {
            continue;
        };
        let mut row = vec![
            sample.split.map_or(String::new(), |s| s.name().to_owned()),
            sample.patient.clone().unwrap_or_else(|| sample.id.clone()),
            nodule.label.trim_start_matches("Nodule ").to_owned(),
            size.to_string(),
        ];
        row.extend(intensity.iter().chain(&texture).map(f64::to_string));
        rows.push(row);
    }
    let mut header = owned(&["split", "patient_id", "label"]);
    header.extend(Source::Jsrt.features());
    Ok(RawTable { path, header, rows })
}

/// The rows for development (train and val) and those for the test.
pub fn development_and_test(table: &Table) -> (Table, Table) {
    (
        table.select(&table.rows_of(&["train", "val"])),
        table.select(&table.rows_of(&["test"])),
    )
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    pub(crate) use crate::blocks::made_up::context;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::fmt::Write as _;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    /// Made-up breast tables of the published shape under a data root; no row is anyone's.
    pub(crate) fn write_tables(root: &Path) {
        std::fs::create_dir_all(root.join("labels")).unwrap();
        for (source, classes) in [
            (Source::Wisconsin, ["malignant", "benign"]),
            (Source::Coimbra, ["Yes", "No"]),
        ] {
            let features = source.features();
            let mut text = format!(
                "split,row,{},{}\n",
                features.join(","),
                source.label().column
            );
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            for row in 0..300 {
                let split = ["train", "train", "train", "val", "test"][row % 5];
                let positive = rng.random_bool(0.45);
                let _ = write!(text, "{split},{row}");
                for j in 0..features.len() {
                    let shift = if positive && j % 3 == 0 { 0.35 } else { 0.0 };
                    let _ = write!(text, ",{:.4}", rng.random::<f64>() + shift);
                }
                let _ = writeln!(text, ",{}", classes[usize::from(!positive)]);
            }
            std::fs::write(root.join(source.file()), text).unwrap();
        }
    }

    #[test]
    fn the_shared_tables_have_the_shape_that_is_expected() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
        if !root.join(Source::Lidc.file()).is_file() {
            eprintln!("skipped: no public tables beside the repository");
            return;
        }
        let stop = AtomicBool::new(false);
        let ctx = context(&root, &stop);
        for (source, rows) in [
            (Source::Lidc, 3766),
            (Source::Jsrt, 130),
            (Source::Wisconsin, 499),
            (Source::Coimbra, 105),
        ] {
            let t = source.load(&ctx, "test", &source.features()).unwrap().table;
            let (development, test) = development_and_test(&t);
            assert_eq!((t.len(), development.len() + test.len()), (rows, rows));
            assert!(development.groups.iter().all(|g| !test.groups.contains(g)));
        }
    }
}
