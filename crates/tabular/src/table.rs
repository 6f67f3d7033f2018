//! CSV tables: as text with their header, and as features with labels, groups and splits.

use crate::error::{Result, TabularError};
use crate::matrix::{Matrix, both_classes};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A table as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct RawTable {
    /// Where it came from.
    pub path: PathBuf,
    /// Names of the columns.
    pub header: Vec<String>,
    /// Cells, trimmed.
    pub rows: Vec<Vec<String>>,
}

impl RawTable {
    /// Reads a CSV file, gzipped when its name ends with `.gz`.
    ///
    /// # Errors
    /// A file that cannot be read, or rows of different length.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|source| TabularError::Io {
            path: path.to_owned(),
            source,
        })?;
        if path.extension().is_some_and(|e| e == "gz") {
            Self::parse(path, flate2::read::MultiGzDecoder::new(file))
        } else {
            Self::parse(path, file)
        }
    }

    fn parse(path: &Path, from: impl Read) -> Result<Self> {
        let wrong = |source| TabularError::Csv {
            path: path.to_owned(),
            source,
        };
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(from);
        let header = cells(reader.headers().map_err(wrong)?);
        let rows = reader.records().map(|r| Ok(cells(&r.map_err(wrong)?)));
        Ok(RawTable {
            path: path.to_owned(),
            header,
            rows: rows.collect::<Result<_>>()?,
        })
    }

    /// Place of a column.
    ///
    /// # Errors
    /// [`TabularError::MissingColumn`].
    pub fn column(&self, name: &str) -> Result<usize> {
        self.header
            .iter()
            .position(|h| h == name)
            .ok_or_else(|| TabularError::MissingColumn {
                path: self.path.clone(),
                column: name.to_owned(),
                found: self.header.clone(),
            })
    }

    /// How many cells of a column are empty or stand for nothing (`NA`, `NaN`, `null`, `?`).
    ///
    /// # Errors
    /// [`TabularError::MissingColumn`].
    pub fn missing(&self, name: &str) -> Result<usize> {
        let at = self.column(name)?;
        Ok(self.rows.iter().filter(|r| is_missing(&r[at])).count())
    }
}

fn cells(record: &csv::StringRecord) -> Vec<String> {
    record.iter().map(str::to_owned).collect()
}

fn is_missing(cell: &str) -> bool {
    cell.is_empty()
        || ["na", "nan", "null", "?"]
            .iter()
            .any(|m| cell.eq_ignore_ascii_case(m))
}

/// Which words of the label column mean what.
#[derive(Debug, Clone, Copy)]
pub struct LabelRule<'a> {
    /// The label's column.
    pub column: &'a str,
    /// Values of the positive class.
    pub positive: &'a [&'a str],
    /// Values of the negative class.
    pub negative: &'a [&'a str],
    /// Values that mean "not decided"; such rows, and those without a value, are left out.
    pub null: &'a [&'a str],
}

/// Which columns make the features, the label, the groups and the splits.
#[derive(Debug, Clone, Copy)]
pub struct TableSpec<'a> {
    /// Features, in this order.
    pub features: &'a [&'a str],
    /// The label.
    pub label: LabelRule<'a>,
    /// Rows with equal value stay together in every fold; without it each row is a group.
    pub group: Option<&'a str>,
    /// Split of a row.
    pub split: Option<&'a str>,
}

/// Features with labels, groups and splits, one entry a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Names of the features.
    pub names: Vec<String>,
    /// Features.
    pub x: Matrix,
    /// Labels.
    pub y: Vec<bool>,
    /// Group of each row, numbered in order of appearance.
    pub groups: Vec<usize>,
    /// Split of each row; empty where the table states none.
    pub splits: Vec<String>,
}

impl Table {
    /// Takes what `spec` names out of a raw table.
    ///
    /// # Errors
    /// Missing columns, features that are no finite numbers, labels that the rule does not name, no labels at
    /// all, or one class only.
    pub fn new(raw: &RawTable, spec: &TableSpec<'_>) -> Result<Self> {
        let columns: Vec<usize> = spec
            .features
            .iter()
            .map(|f| raw.column(f))
            .collect::<Result<_>>()?;
        let at = |name: Option<&str>| name.map(|n| raw.column(n)).transpose();
        let (label, group, split) = (
            raw.column(spec.label.column)?,
            at(spec.group)?,
            at(spec.split)?,
        );
        let mut known: HashMap<String, usize> = HashMap::new();
        let (mut x, mut y, mut groups, mut splits) = (vec![], vec![], vec![], vec![]);
        for (i, row) in raw.rows.iter().enumerate() {
            let Some(truth) = truth(raw, &spec.label, i, &row[label])? else {
                continue;
            };
            for &c in &columns {
                x.push(number(raw, i, c)?);
            }
            y.push(truth);
            let name = group.map_or_else(|| i.to_string(), |g| row[g].clone());
            let next = known.len();
            groups.push(*known.entry(name).or_insert(next));
            splits.push(split.map_or_else(String::new, |s| row[s].clone()));
        }
        let what = raw.path.display().to_string();
        if y.is_empty() {
            return Err(TabularError::NoLabels {
                what,
                rows: raw.rows.len(),
            });
        }
        both_classes(&what, &y)?;
        Ok(Table {
            names: spec.features.iter().map(|f| (*f).to_owned()).collect(),
            x: Matrix::new(x, columns.len())?,
            y,
            groups,
            splits,
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Never true: a table without rows is refused.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// Number of positive rows.
    pub fn positives(&self) -> usize {
        self.y.iter().filter(|y| **y).count()
    }

    /// Indices of the rows in any of the named splits.
    pub fn rows_of(&self, splits: &[&str]) -> Vec<usize> {
        (0..self.len())
            .filter(|&i| splits.contains(&self.splits[i].as_str()))
            .collect()
    }

    /// The table of these rows alone.
    pub fn select(&self, rows: &[usize]) -> Table {
        Table {
            names: self.names.clone(),
            x: self.x.select(rows),
            y: rows.iter().map(|&i| self.y[i]).collect(),
            groups: rows.iter().map(|&i| self.groups[i]).collect(),
            splits: rows.iter().map(|&i| self.splits[i].clone()).collect(),
        }
    }

    /// SHA-256 over features and labels.
    pub fn data_hash(&self) -> String {
        let mut hash = Sha256::new();
        for (row, y) in self.x.iter_rows().zip(&self.y) {
            row.iter().for_each(|v| hash.update(v.to_le_bytes()));
            hash.update([u8::from(*y)]);
        }
        format!("{:x}", hash.finalize())
    }

    /// SHA-256 over group and split of each row.
    pub fn split_hash(&self) -> String {
        let mut hash = Sha256::new();
        for (group, split) in self.groups.iter().zip(&self.splits) {
            hash.update(format!("{group}\t{split}\n"));
        }
        format!("{:x}", hash.finalize())
    }
}

/// SHA-256 of a text, for hashes of several tables in one.
pub fn text_hash(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

fn truth(raw: &RawTable, rule: &LabelRule<'_>, row: usize, cell: &str) -> Result<Option<bool>> {
    if rule.positive.contains(&cell) {
        return Ok(Some(true));
    }
    if rule.negative.contains(&cell) {
        return Ok(Some(false));
    }
    if rule.null.contains(&cell) || is_missing(cell) {
        return Ok(None);
    }
    Err(TabularError::UnknownLabel {
        path: raw.path.clone(),
        row: row + 1,
        value: cell.to_owned(),
    })
}

fn number(raw: &RawTable, row: usize, column: usize) -> Result<f64> {
    let cell = &raw.rows[row][column];
    cell.parse::<f64>()
        .ok()
        .filter(|v| v.is_finite())
        .ok_or_else(|| TabularError::NotANumber {
            path: raw.path.clone(),
            row: row + 1,
            column: raw.header[column].clone(),
            value: cell.clone(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const RULE: LabelRule<'_> = LabelRule {
        column: "label",
        positive: &["yes"],
        negative: &["no"],
        null: &["maybe"],
    };

    fn spec<'a>(features: &'a [&'a str]) -> TableSpec<'a> {
        TableSpec {
            features,
            label: RULE,
            group: Some("patient"),
            split: Some("split"),
        }
    }

    fn table(text: &str, features: &[&str]) -> Result<Table> {
        let raw = RawTable::parse(Path::new("t.csv"), text.as_bytes())?;
        Table::new(&raw, &spec(features))
    }

    const GOOD: &str = "split,patient,a,b,label\ntrain,p1,1,2,yes\ntest,p2,3,4,no\ntrain,p1,5,6,maybe\ntrain,p1,7,8,no\n";

    #[test]
    fn rows_without_a_decision_are_left_out_and_groups_are_numbered() {
        let t = table(GOOD, &["b", "a"]).unwrap();
        assert_eq!(t.y, [true, false, false]);
        assert_eq!(t.x.row(0), [2.0, 1.0]);
        assert_eq!(t.groups, [0, 1, 0]);
        assert_eq!(t.rows_of(&["train"]), [0, 2]);
    }

    #[test]
    fn gzipped_tables_read_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv.gz");
        let file = File::create(&path).unwrap();
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gz.write_all(GOOD.as_bytes()).unwrap();
        gz.finish().unwrap();
        let raw = RawTable::read(&path).unwrap();
        assert_eq!(Table::new(&raw, &spec(&["a"])).unwrap().len(), 3);
    }

    #[test]
    fn a_missing_column_names_those_there_are() {
        let err = table(GOOD, &["c"]).unwrap_err().to_string();
        assert!(err.contains("`c`") && err.contains("patient"), "{err}");
    }

    #[test]
    fn nan_and_empty_cells_are_errors_with_their_place() {
        for bad in ["NaN", "", "inf", "x"] {
            let text = format!("split,patient,a,b,label\nt,p,1,{bad},yes\nt,q,1,1,no\n");
            let err = table(&text, &["a", "b"]).unwrap_err();
            assert!(
                matches!(&err, TabularError::NotANumber { row: 1, column, .. } if column == "b"),
                "{err}"
            );
        }
    }

    #[test]
    fn all_null_single_class_and_unknown_labels_are_errors() {
        let one = |labels: [&str; 2]| {
            let text = format!(
                "split,patient,a,label\nt,p,1,{}\nt,q,2,{}\n",
                labels[0], labels[1]
            );
            table(&text, &["a"]).unwrap_err()
        };
        assert!(matches!(
            one(["maybe", ""]),
            TabularError::NoLabels { rows: 2, .. }
        ));
        assert!(matches!(
            one(["yes", "yes"]),
            TabularError::SingleClass { positives: 2, .. }
        ));
        assert!(matches!(
            one(["yes", "perhaps"]),
            TabularError::UnknownLabel { row: 2, .. }
        ));
    }

    #[test]
    fn missing_cells_are_counted() {
        let raw = RawTable::parse(Path::new("t.csv"), "a,b\n1,NA\n,2\n3,?\n".as_bytes()).unwrap();
        assert_eq!(
            (raw.missing("a").unwrap(), raw.missing("b").unwrap()),
            (1, 2)
        );
    }
}
