//! Runs of trainings below a folder, as the bench page shows them side by side.

use crate::error::{Result, RoomError};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Last value of a score.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RunMetric {
    /// Column of `metrics.csv`.
    pub name: String,
    /// Value after the last epoch; null where it is no number.
    pub value: Option<f64>,
}

/// A score over the epochs.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RunCurve {
    /// Column of `metrics.csv`.
    pub name: String,
    /// Epoch and value.
    #[schema(value_type = Vec<Vec<f64>>)]
    pub points: Vec<[f64; 2]>,
}

/// A training.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Run {
    /// Path below the folder of runs.
    pub name: String,
    /// First part of the path without seed: the method that was trained.
    pub method: String,
    /// Version of the program, where the run says it.
    pub version: Option<String>,
    /// When it was started, as far as the run says it.
    pub started: Option<String>,
    /// Whether it went to its end.
    pub finished: bool,
    /// Last values.
    pub metrics: Vec<RunMetric>,
    /// Curves.
    pub curves: Vec<RunCurve>,
}

/// Folders below the folder of runs that are looked into.
const DEPTH: usize = 4;
/// Most runs that are listed.
const MOST: usize = 200;

/// All runs below a folder, by name; none where there is no such folder.
///
/// # Errors
/// A folder that cannot be listed.
pub(crate) fn list(root: &Path) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        if folder.join("metrics.csv").is_file() && folder.join("run.json").is_file() {
            // A run that is being written is shown with the next request.
            runs.extend(run(root, &folder));
        }
        if depth < DEPTH && runs.len() < MOST {
            open.extend(folders(&folder)?.into_iter().map(|f| (f, depth + 1)));
        }
    }
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(runs)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(RoomError::io("folder of runs")(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(RoomError::io("folder of runs"))?;
        // Links are not followed: they may lead anywhere, and in circles.
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn run(root: &Path, folder: &Path) -> Option<Run> {
    let name = folder.strip_prefix(root).ok()?;
    let name = name.to_string_lossy().replace('\\', "/");
    let text = std::fs::read_to_string(folder.join("run.json")).ok()?;
    let about: Value = serde_json::from_str(&text).ok()?;
    let told = |key: &str| about[key].as_str().map(str::to_owned);
    let curves = curves(&folder.join("metrics.csv"))?;
    let last = |c: &RunCurve| RunMetric {
        name: c.name.clone(),
        value: c.points.last().map(|p| p[1]),
    };
    let first = name.split('/').next().unwrap_or_default();
    Some(Run {
        method: first.split("-seed").next().unwrap_or(first).to_owned(),
        version: told("version"),
        started: told("started"),
        finished: folder.join("done").exists(),
        metrics: curves.iter().map(last).collect(),
        curves,
        name,
    })
}

/// Columns of `metrics.csv` but the time, over its first column. Values that are no numbers are left out.
fn curves(path: &Path) -> Option<Vec<RunCurve>> {
    let mut reader = csv::Reader::from_path(path).ok()?;
    let header = reader.headers().ok()?.clone();
    let mut curves: Vec<RunCurve> = header
        .iter()
        .skip(1)
        .map(|name| RunCurve {
            name: name.to_owned(),
            points: Vec::new(),
        })
        .collect();
    for row in reader.records() {
        let row = row.ok()?;
        let number = |i: usize| {
            row.get(i)?
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|v| v.is_finite())
        };
        let Some(epoch) = number(0) else { continue };
        for (i, curve) in curves.iter_mut().enumerate() {
            if let Some(value) = number(i + 1) {
                curve.points.push([epoch, value]);
            }
        }
    }
    curves.retain(|c| c.name != "seconds");
    Some(curves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_below_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("gate-seed1/trainings/a");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("run.json"), "{\"name\": \"a\"}").unwrap();
        let table = "epoch,train_loss,seconds,val_auroc\n1,0.5,2,0.7\n2,0.4,2,NaN\n";
        std::fs::write(folder.join("metrics.csv"), table).unwrap();
        let runs = list(dir.path()).unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(
            (runs[0].name.as_str(), runs[0].method.as_str()),
            ("gate-seed1/trainings/a", "gate")
        );
        assert!(!runs[0].finished);
        assert_eq!(runs[0].curves[0].points, [[1.0, 0.5], [2.0, 0.4]]);
        assert_eq!(runs[0].metrics[1].value, Some(0.7));
        assert!(list(&dir.path().join("nowhere")).unwrap().is_empty());
    }
}
