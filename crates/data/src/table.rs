//! Streaming CSV with named columns, gzip when the name ends in `.gz`, and row numbers in errors.

use crate::error::{DataError, Result};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A CSV table that is read row by row.
pub struct Table {
    path: PathBuf,
    columns: HashMap<String, usize>,
    header: Vec<String>,
    reader: csv::Reader<Box<dyn Read>>,
    record: csv::StringRecord,
    row: u64,
}

/// One row, borrowed from its [`Table`].
pub struct Row<'a> {
    table: &'a Table,
}

impl Table {
    /// Opens a table and reads its header; `required` columns must exist.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::MissingColumn`], or [`DataError::Format`] for a header that is no CSV.
    pub fn open(path: &Path, required: &[&str]) -> Result<Self> {
        let file = File::open(path).map_err(|e| DataError::io(path, e))?;
        let raw: Box<dyn Read> = match path.extension() {
            Some(e) if e == "gz" => {
                Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file)))
            }
            _ => Box::new(BufReader::new(file)),
        };
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(raw);
        let header: Vec<String> = reader
            .headers()
            .map_err(|e| DataError::format(path, e))?
            .iter()
            .map(|h| h.trim_start_matches('\u{feff}').to_owned())
            .collect();
        let mut columns = HashMap::new();
        for (i, name) in header.iter().enumerate() {
            columns.entry(name.clone()).or_insert(i);
        }
        if let Some(column) = required.iter().find(|c| !columns.contains_key(**c)) {
            return Err(DataError::MissingColumn {
                path: path.into(),
                column: (*column).into(),
            });
        }
        let record = csv::StringRecord::new();
        Ok(Table {
            path: path.into(),
            columns,
            header,
            reader,
            record,
            row: 0,
        })
    }

    /// The column names in order.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Advances to the next row; `None` at the end.
    ///
    /// # Errors
    /// [`DataError::Row`] for text that is no CSV or no UTF-8.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        self.row += 1;
        match self.reader.read_record(&mut self.record) {
            Ok(true) => Ok(Some(Row { table: self })),
            Ok(false) => Ok(None),
            Err(e) => Err(DataError::row(&self.path, self.row, e.to_string())),
        }
    }

    /// Calls `f` for every row.
    ///
    /// # Errors
    /// Those of [`Table::next_row`] and of `f`.
    pub fn for_each(mut self, mut f: impl FnMut(&Row) -> Result<()>) -> Result<()> {
        while let Some(row) = self.next_row()? {
            f(&row)?;
        }
        Ok(())
    }
}

impl Row<'_> {
    /// Row number, 1 for the first row after the header.
    pub fn number(&self) -> u64 {
        self.table.row
    }

    /// The field of that column; empty where the column or the field is missing.
    pub fn get(&self, column: &str) -> &str {
        self.table
            .columns
            .get(column)
            .and_then(|i| self.table.record.get(*i))
            .unwrap_or("")
    }

    /// The field by position, for tables whose header repeats or lacks names.
    pub fn at(&self, index: usize) -> &str {
        self.table.record.get(index).unwrap_or("")
    }

    /// The field of that column, not empty.
    ///
    /// # Errors
    /// [`DataError::Row`] when it is empty.
    pub fn need(&self, column: &str) -> Result<&str> {
        match self.get(column) {
            "" => Err(self.error(format!("`{column}` is empty"))),
            text => Ok(text),
        }
    }

    /// The field as a number; `None` when empty.
    ///
    /// # Errors
    /// [`DataError::Row`] when it is not a finite number.
    pub fn number_of(&self, column: &str) -> Result<Option<f64>> {
        self.parse(column, self.get(column))
    }

    /// The field at a position as a number that must be there.
    ///
    /// # Errors
    /// [`DataError::Row`] when it is empty or not a finite number.
    pub fn number_at(&self, index: usize) -> Result<f64> {
        let name = format!("field {}", index + 1);
        self.parse(&name, self.at(index))?
            .ok_or_else(|| self.error(format!("{name} is empty")))
    }

    /// The field as a size in pixels; `None` when empty.
    ///
    /// # Errors
    /// [`DataError::Row`] when it is not a whole number.
    pub fn pixels(&self, column: &str) -> Result<Option<u32>> {
        match self.get(column) {
            "" => Ok(None),
            text => match text.parse() {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(self.error(format!("`{column}` is no whole number: {text:?}"))),
            },
        }
    }

    /// An error about this row.
    pub fn error(&self, reason: impl Into<String>) -> DataError {
        DataError::row(&self.table.path, self.number(), reason)
    }

    fn parse(&self, name: &str, text: &str) -> Result<Option<f64>> {
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse::<f64>() {
            Ok(v) if v.is_finite() => Ok(Some(v)),
            _ => Err(self.error(format!("`{name}` is no number: {text:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn errors_name_the_row() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, "\u{feff}a,b\n1,2\n3,x\n").unwrap();
        let table = Table::open(&path, &["a", "b"]).unwrap();
        let mut seen = Vec::new();
        let error = table
            .for_each(|r| {
                seen.push(r.number_of("b")?);
                Ok(())
            })
            .unwrap_err();
        assert_eq!(seen, [Some(2.0)]);
        assert!(
            error.to_string().contains("row 2: `b` is no number"),
            "{error}"
        );
        assert!(matches!(
            Table::open(&path, &["c"]),
            Err(DataError::MissingColumn { .. })
        ));
    }

    #[test]
    fn gzip_is_read_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv.gz");
        let mut gz =
            flate2::write::GzEncoder::new(File::create(&path).unwrap(), Default::default());
        gz.write_all(b"a\n7\n").unwrap();
        gz.finish().unwrap();
        let mut table = Table::open(&path, &["a"]).unwrap();
        assert_eq!(table.next_row().unwrap().unwrap().get("a"), "7");
        assert!(table.next_row().unwrap().is_none());
    }
}
