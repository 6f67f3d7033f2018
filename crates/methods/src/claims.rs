//! A paper's claim beside what was seen here.

use crate::curves::Curve;
use crate::error::{MethodError, Result};
use crate::info::{DataKind, MethodInfo};
use hilum_nn::weights::atomic_write;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One line of a claim table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimRow {
    /// What is claimed, in words.
    pub claim: String,
    /// The paper's figure, if it has one.
    pub paper: Option<f64>,
    /// The figure seen here; null with a note when undefined.
    pub here: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Whether it holds here; null when it could not be decided.
    pub holds: Option<bool>,
    /// How many cases it stands on.
    pub n: usize,
    /// Anything a reader must know.
    pub note: String,
}

/// The result of reproducing one method, as written to `bench/results/NAME.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultFile {
    /// Card number.
    pub card: Option<u8>,
    /// Method.
    pub name: String,
    /// Kind of data.
    pub data: String,
    /// The main claim.
    pub claim: String,
    /// Its figure here.
    pub here: Option<f64>,
    /// Its interval.
    pub interval: Option<(f64, f64)>,
    /// Whether all decidable rows hold.
    pub holds: Option<bool>,
    /// Seeds used.
    pub seeds: Vec<u64>,
    /// Hash of the data.
    pub data_hash: String,
    /// Hash of the split.
    pub split_hash: String,
    /// Version of Hilum.
    pub version: String,
    /// Whether it was the tiny run, whose figures mean nothing.
    pub tiny: bool,
    /// All rows; the first is the main claim.
    pub rows: Vec<ClaimRow>,
    /// Points to draw, where they were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<Curve>,
}

impl ResultFile {
    /// The same with `holds` made from its rows again.
    pub fn judged(mut self) -> Self {
        self.holds = verdict(&self.rows);
        self
    }

    /// Where the result of `name` is kept under the project's folder.
    pub fn path(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.json"))
    }

    /// Puts the rows of a method together.
    pub fn new(info: &MethodInfo, rows: Vec<ClaimRow>) -> Self {
        let holds = verdict(&rows);
        let first = rows.first().cloned();
        ResultFile {
            card: info.card,
            name: info.name.to_owned(),
            data: data_name(info.data).to_owned(),
            claim: info.claim.to_owned(),
            here: first.as_ref().and_then(|r| r.here),
            interval: first.and_then(|r| r.interval),
            holds,
            seeds: Vec::new(),
            data_hash: String::new(),
            split_hash: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tiny: false,
            rows,
            curves: Vec::new(),
        }
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder).map_err(|source| MethodError::Io {
            path: folder.to_owned(),
            source,
        })?;
        let path = Self::path(folder, &self.name);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|e| MethodError::Config(format!("result: {e}")))?;
        text.push('\n');
        atomic_write(&path, text.as_bytes())?;
        Ok(path)
    }

    /// Reads it back; `None` when the method was not reproduced.
    ///
    /// # Errors
    /// [`MethodError::Config`] for a file that is no result.
    pub fn read(folder: &Path, name: &str) -> Result<Option<Self>> {
        let path = Self::path(folder, name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(MethodError::Io { path, source }),
        };
        let bad = |e| MethodError::Config(format!("{}: no result: {e}", path.display()));
        serde_json::from_str(&text).map(Some).map_err(bad)
    }

    /// The verdict of a tiny run is none: its figures mean nothing.
    #[must_use]
    pub fn undecided_if_tiny(mut self) -> Self {
        if self.tiny {
            self.holds = None;
        }
        self
    }

    /// The table for the terminal.
    pub fn table(&self) -> String {
        let mut out = format!("{} ({} data): {}\n", self.name, self.data, self.claim);
        if self.tiny {
            out.push_str("tiny run: it shows that the commands work; its figures mean nothing\n");
        }
        out.push_str(&format!(
            "{:<62} {:>8} {:>8} {:>17} {:>6}  {}\n",
            "claim", "paper", "here", "95 % interval", "n", "verdict"
        ));
        for r in &self.rows {
            out.push_str(&format!(
                "{:<62} {:>8} {:>8} {:>17} {:>6}  {}{}\n",
                r.claim,
                number(r.paper),
                number(r.here),
                r.interval
                    .map_or("-".to_owned(), |(a, b)| format!("{a:.3} to {b:.3}")),
                r.n,
                row_verdict(r),
                if r.note.is_empty() {
                    String::new()
                } else {
                    format!("  ({})", r.note)
                }
            ));
        }
        out.push_str(&format!("{}: {}\n", self.name, verdict_word(self.holds)));
        out
    }

    /// The table in Markdown, as it stands in the method's README.
    pub fn markdown(&self) -> String {
        let mut out = String::from(
            "| claim | paper | here | 95 % interval | n | verdict |\n| --- | --- | --- | --- | --- | --- |\n",
        );
        for r in &self.rows {
            let interval = r
                .interval
                .map_or("-".to_owned(), |(a, b)| format!("{a:.3} to {b:.3}"));
            let note = if r.note.is_empty() {
                String::new()
            } else {
                format!(" ({})", r.note)
            };
            out.push_str(&format!(
                "| {} | {} | {} | {interval} | {} | {}{note} |\n",
                r.claim,
                number(r.paper),
                number(r.here),
                r.n,
                row_verdict(r),
            ));
        }
        out
    }
}

/// Verdict of one row: a figure that is reported beside the claims has none, and one that these data do not give is said.
fn row_verdict(row: &ClaimRow) -> &'static str {
    match (row.holds, row.here) {
        (None, None) => "undefined",
        (None, Some(_)) => "reported",
        (decided, _) => verdict_word(decided),
    }
}

/// `HOLDS`, `DOES NOT HOLD` or `UNDECIDED`.
pub fn verdict_word(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "HOLDS",
        Some(false) => "DOES NOT HOLD",
        None => "UNDECIDED",
    }
}

/// Name of a kind of data in result files.
pub fn data_name(data: DataKind) -> &'static str {
    match data {
        DataKind::Real => "real",
        DataKind::PseudoPaired => "pseudo-paired",
        DataKind::Phantom => "phantom",
    }
}

fn number(v: Option<f64>) -> String {
    v.map_or("-".to_owned(), |v| format!("{v:.3}"))
}

/// False as soon as one row is false; true when all decided rows are and there is one.
fn verdict(rows: &[ClaimRow]) -> Option<bool> {
    let decided: Vec<bool> = rows.iter().filter_map(|r| r.holds).collect();
    if decided.is_empty() {
        None
    } else {
        Some(decided.iter().all(|&h| h))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(holds: Option<bool>) -> ClaimRow {
        ClaimRow {
            claim: "x".into(),
            paper: None,
            here: Some(0.5),
            interval: None,
            holds,
            n: 3,
            note: String::new(),
        }
    }

    #[test]
    fn one_no_is_a_no_and_nothing_decided_is_undecided() {
        assert_eq!(verdict(&[row(Some(true)), row(Some(false))]), Some(false));
        assert_eq!(verdict(&[row(Some(true)), row(None)]), Some(true));
        assert_eq!(verdict(&[row(None)]), None);
        assert_eq!(row_verdict(&row(None)), "reported");
        let undefined = ClaimRow {
            here: None,
            ..row(None)
        };
        assert_eq!(row_verdict(&undefined), "undefined");
    }
}
