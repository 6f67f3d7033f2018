//! Where rows come from: JSON Lines, or CSV whose records become the same objects.

use crate::error::TextError;
use crate::report::SectionKind;
use crate::stream::Problem;
use serde_json::{Map, Value};
use std::io::{BufRead, Chain, Read};

/// Rows taken at once; results are written before the next batch is read.
const BATCH: usize = 1024;
/// Bytes of a batch at most, so that long lines do not fill the memory.
const BATCH_BYTES: usize = 32 << 20;
/// Longest line read; longer ones are errors.
pub const MAX_LINE: usize = 16 << 20;
/// Columns of a CSV file that are taken for the id, the first that is there.
pub const ID_COLUMNS: [&str; 6] = [
    "id",
    "study_id",
    "report_id",
    "image_id",
    "uid",
    "sample_id",
];
/// Columns that are taken for the text where none is named `text`, `xml` or like a section.
const TEXT_COLUMNS: [&str; 3] = ["report", "reports", "caption"];

/// A row that is still text: a JSON object, or why there is none.
pub struct Line {
    pub(crate) number: u64,
    pub(crate) bytes: Result<Vec<u8>, (Problem, String)>,
}

/// Gives rows batch by batch, numbered by the line on which they begin.
pub trait Rows {
    /// The next rows; none at the end.
    ///
    /// # Errors
    /// Reading fails.
    fn next_batch(&mut self) -> Result<Vec<Line>, TextError>;
}

/// JSON Lines.
pub struct JsonLines<R> {
    reader: R,
    number: u64,
}

impl<R: BufRead> JsonLines<R> {
    /// From the first line on.
    pub fn new(reader: R) -> Self {
        JsonLines { reader, number: 0 }
    }
}

impl<R: BufRead> Rows for JsonLines<R> {
    fn next_batch(&mut self) -> Result<Vec<Line>, TextError> {
        Ok(read_batch(&mut self.reader, &mut self.number)?)
    }
}

/// Reads one line without its end; `None` at the end of input.
fn read_line(reader: &mut impl BufRead, number: u64) -> std::io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let read = reader
        .by_ref()
        .take(MAX_LINE as u64 + 1)
        .read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    } else if read > MAX_LINE {
        reader.skip_until(b'\n')?;
        let bytes = Err(too_long());
        return Ok(Some(Line { number, bytes }));
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(Some(Line {
        number,
        bytes: Ok(bytes),
    }))
}

fn too_long() -> (Problem, String) {
    (Problem::TooLong, format!("longer than {MAX_LINE} bytes"))
}

/// Next lines, up to a batch.
pub(crate) fn read_batch(
    reader: &mut impl BufRead,
    number: &mut u64,
) -> std::io::Result<Vec<Line>> {
    let mut batch = Vec::new();
    let mut size = 0;
    while batch.len() < BATCH && size < BATCH_BYTES {
        let Some(line) = read_line(reader, *number + 1)? else {
            break;
        };
        *number += 1;
        size += line.bytes.as_ref().map_or(0, Vec::len);
        batch.push(line);
    }
    Ok(batch)
}

/// Put behind the last record. A quote that was never closed has taken it into its cell, with every line since.
const END: &str = "<end of the table>";
const LAST_LINE: &[u8] = b"\n<end of the table>\n";

/// A table whose end can be told from a cell that was never closed; see [`is_end`] and [`unclosed`].
pub(crate) fn with_end<R: Read>(reader: R) -> Chain<R, &'static [u8]> {
    reader.chain(LAST_LINE)
}

/// Whether a record is the one behind the last.
pub(crate) fn is_end(record: &csv::ByteRecord) -> bool {
    record.len() == 1 && &record[0] == END.as_bytes()
}

/// Why a record cannot be believed that holds the end of the table.
pub(crate) fn unclosed(record: &csv::ByteRecord) -> Option<String> {
    let message = "a quote that is never closed: the rest of the file is in one cell";
    let taken = record.iter().any(|cell| cell.ends_with(LAST_LINE));
    taken.then(|| message.to_owned())
}

/// A CSV or TSV file with a header; each record is an object of its columns.
pub struct CsvRows<R> {
    reader: csv::Reader<Chain<R, &'static [u8]>>,
    /// Field that each column becomes.
    names: Vec<String>,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`TextError::Columns`] when it has no id or nothing to read; reading fails.
    pub fn open(reader: R, delimiter: u8) -> Result<Self, TextError> {
        Self::with(reader, delimiter, fields)
    }

    /// Reads the header of a table that must have one column of each group, in any case; fields keep the
    /// names of the columns.
    ///
    /// # Errors
    /// [`TextError::Columns`] when a group is missing; reading fails.
    pub fn with_columns(reader: R, delimiter: u8, groups: &[&[&str]]) -> Result<Self, TextError> {
        Self::with(reader, delimiter, |names| {
            for group in groups {
                let there = |n: &String| group.iter().any(|g| n.eq_ignore_ascii_case(g));
                if !names.iter().any(there) {
                    let (group, all) = (group.join(", "), names.join(", "));
                    return Err(TextError::Columns {
                        reason: format!("no column {group}; there are: {all}"),
                    });
                }
            }
            Ok(names)
        })
    }

    fn with(
        reader: R,
        delimiter: u8,
        names: impl Fn(Vec<String>) -> Result<Vec<String>, TextError>,
    ) -> Result<Self, TextError> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(with_end(reader));
        let header = reader.byte_headers().map_err(|e| match e.into_kind() {
            csv::ErrorKind::Io(error) => TextError::Io(error),
            other => TextError::Columns {
                reason: format!("{other:?}"),
            },
        })?;
        if is_end(header) {
            return Err(TextError::Columns {
                reason: "the table is empty: it has no header".to_owned(),
            });
        }
        let columns = header
            .iter()
            .map(|b| {
                String::from_utf8_lossy(b)
                    .trim_start_matches('\u{feff}')
                    .trim()
                    .to_owned()
            })
            .collect();
        let names = names(columns)?;
        Ok(CsvRows { reader, names })
    }

    fn row(&self, record: &csv::ByteRecord) -> Result<Vec<u8>, (Problem, String)> {
        if record.as_slice().len() > MAX_LINE {
            return Err(too_long());
        }
        if let Some(message) = unclosed(record) {
            return Err((Problem::InvalidCsv, message));
        }
        if record.len() != self.names.len() {
            let (found, wanted) = (record.len(), self.names.len());
            let message = format!("{found} fields where the header has {wanted}");
            return Err((Problem::InvalidCsv, message));
        }
        let mut object = Map::new();
        for (name, cell) in self.names.iter().zip(record) {
            let text = std::str::from_utf8(cell)
                .map_err(|e| (Problem::InvalidUtf8, format!("column `{name}`: {e}")))?;
            // An id or XML that is not there is missing, not empty.
            let missing =
                text.trim().is_empty() && matches!(name.as_str(), "id" | "xml" | "patient");
            if !missing {
                object.insert(name.clone(), Value::String(text.to_owned()));
            }
        }
        Ok(Value::Object(object).to_string().into_bytes())
    }
}

impl<R: Read> Rows for CsvRows<R> {
    fn next_batch(&mut self) -> Result<Vec<Line>, TextError> {
        let mut batch = Vec::new();
        let mut size = 0;
        let mut record = csv::ByteRecord::new();
        while batch.len() < BATCH && size < BATCH_BYTES {
            let before = self.reader.position().line();
            let bytes = match self.reader.read_byte_record(&mut record) {
                Ok(false) => break,
                Ok(true) if is_end(&record) => break,
                Ok(true) => self.row(&record),
                Err(error) => match error.into_kind() {
                    csv::ErrorKind::Io(error) => return Err(error.into()),
                    other => Err((Problem::InvalidCsv, format!("{other:?}"))),
                },
            };
            let number = record.position().map_or(before, csv::Position::line);
            size += bytes.as_ref().map_or(0, Vec::len);
            batch.push(Line { number, bytes });
        }
        Ok(batch)
    }
}

/// Names of the fields that columns become: the id and the text under their own names, the rest as they are.
fn fields(mut names: Vec<String>) -> Result<Vec<String>, TextError> {
    let find = |names: &[String], wanted: &[&str]| {
        wanted
            .iter()
            .find_map(|w| names.iter().position(|n| n.eq_ignore_ascii_case(w)))
    };
    let fail = |what: String| TextError::Columns {
        reason: format!("{what}; there are: {}", names.join(", ")),
    };
    let Some(id) = find(&names, &ID_COLUMNS) else {
        return Err(fail(format!("no id column ({})", ID_COLUMNS.join(", "))));
    };
    let sections: Vec<&str> = SectionKind::ALL.iter().map(|s| s.name()).collect();
    let known = |n: &String| {
        ["text", "xml", "patient", "patient_id"]
            .iter()
            .chain(&sections)
            .any(|k| n.eq_ignore_ascii_case(k))
    };
    let readable = |n: &String| known(n) && !n.to_ascii_lowercase().starts_with("patient");
    let text = find(&names, &TEXT_COLUMNS).filter(|_| !names.iter().any(readable));
    if text.is_none() && !names.iter().any(readable) {
        return Err(fail(format!(
            "no column with text (text, xml, {}, or one named like a section)",
            TEXT_COLUMNS.join(", ")
        )));
    }
    for name in &mut names {
        if known(name) {
            name.make_ascii_lowercase();
        }
    }
    "id".clone_into(&mut names[id]);
    if let Some(text) = text {
        "text".clone_into(&mut names[text]);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, Result<Value, Problem>)> {
        let mut rows = CsvRows::open(text, b',').unwrap();
        let batch = rows.next_batch().unwrap();
        let parse = |line: Line| match line.bytes {
            Ok(bytes) => (line.number, Ok(serde_json::from_slice(&bytes).unwrap())),
            Err((problem, _)) => (line.number, Err(problem)),
        };
        batch.into_iter().map(parse).collect()
    }

    #[test]
    fn records_become_objects_with_the_line_they_begin_on() {
        let rows = read(b"Study_ID,Findings,x\n7,\"Clear\nlungs.\",1\n8,a\n9,\xff,\n,b,2\n");
        assert_eq!(rows[0].0, 2);
        let first = rows[0].1.as_ref().unwrap();
        assert_eq!(
            (&first["id"], &first["findings"]),
            (&Value::from("7"), &Value::from("Clear\nlungs."))
        );
        assert_eq!(rows[1], (4, Err(Problem::InvalidCsv)));
        assert_eq!(rows[2], (5, Err(Problem::InvalidUtf8)));
        assert!(rows[3].1.as_ref().unwrap().get("id").is_none());
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error() {
        for text in [
            &b"id,text\n1,Clear.\n2,\"Clear.\n3,Clear.\n"[..],
            b"id,text\n1,Clear.\n2,\"Clear.",
        ] {
            let rows = read(text);
            assert_eq!(rows.len(), 2);
            assert!(rows[0].1.is_ok());
            assert_eq!(rows[1], (3, Err(Problem::InvalidCsv)));
        }
        // A mark for inches is no quote, and a file may end without a line break.
        assert!(read(b"id,text\n1,a 5\" tube").iter().all(|r| r.1.is_ok()));
        assert_eq!(read(b"id,text\n1,\"a\"\n\n").len(), 1);
    }

    #[test]
    fn a_header_without_id_or_text_is_refused_by_name() {
        for (header, reason) in [
            ("words,text\n", "no id column"),
            ("id,words\n", "no column with text"),
        ] {
            let error = CsvRows::open(header.as_bytes(), b',')
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(reason) && error.contains("words"), "{error}");
        }
        assert_eq!(
            fields(vec!["id".into(), "report".into()]).unwrap(),
            ["id", "text"]
        );
        assert!(CsvRows::open(&b""[..], b',').is_err());
    }
}
