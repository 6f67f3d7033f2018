//! A record of a CSV or TSV file as an entry.

use super::labels::{finding, value_of};
use super::sections::join_parts;
use super::{Entry, InputOptions, PATIENT_COLUMNS, SideKind, problem};
use crate::report::SectionKind;
use crate::rows::ID_COLUMNS;
use crate::score::chexpert::FileLabels;
use crate::stream::{LineError, Problem};

/// Where a CSV file holds what.
pub(super) struct Columns {
    width: usize,
    id: Option<usize>,
    text: Option<usize>,
    patient: Option<usize>,
    /// Section columns with their names, where there is no text column.
    sections: Vec<(usize, &'static str)>,
    headings: bool,
    /// Label column of each finding, when all 14 are there.
    labels: Option<[usize; 14]>,
}

impl Columns {
    /// Finds the columns of a header; errors name what is missing.
    pub(super) fn find(
        header: &csv::ByteRecord,
        kind: SideKind,
        options: &InputOptions,
    ) -> Result<Self, String> {
        let names: Vec<String> = header
            .iter()
            .map(|b| {
                String::from_utf8_lossy(b)
                    .trim_start_matches('\u{feff}')
                    .trim()
                    .to_owned()
            })
            .collect();
        let exact = |name: &str| names.iter().position(|n| n == name);
        let any = |wanted: &[&str]| {
            wanted
                .iter()
                .find_map(|w| names.iter().position(|n| n.eq_ignore_ascii_case(w)))
        };
        let named = |name: &Option<String>, what: &str| match name {
            Some(name) => exact(name).map(Some).ok_or_else(|| {
                format!("no {what} column `{name}`; there are {}", names.join(", "))
            }),
            None => Ok(None),
        };
        let id = named(&options.id_column, "id")?.or_else(|| any(&ID_COLUMNS));
        let text = named(&options.text_column, "text")?.or_else(|| any(&kind.text_columns()));
        let sections: Vec<(usize, &'static str)> = SectionKind::ALL
            .iter()
            .filter_map(|s| any(&[s.name()]).map(|at| (at, s.name())))
            .collect();
        let at: Vec<usize> = (0..14)
            .filter_map(|k| names.iter().position(|n| finding(n) == Some(k)))
            .collect();
        let labels = <[usize; 14]>::try_from(at).ok();
        if text.is_none() && sections.is_empty() && labels.is_none() {
            return Err(format!(
                "no column with text ({}, or one named like a section); there are: {}; name it with --text-column",
                kind.text_columns().join(", "),
                names.join(", ")
            ));
        }
        let headings = !options.sections.is_empty();
        Ok(Columns {
            width: names.len(),
            id,
            text,
            patient: any(&PATIENT_COLUMNS),
            sections,
            headings,
            labels,
        })
    }

    /// A record as an entry.
    pub(super) fn entry(
        &self,
        record: &csv::ByteRecord,
        line: u64,
        row: u64,
    ) -> Result<Entry, LineError> {
        if record.len() != self.width {
            let message = format!(
                "{} fields where the header has {}",
                record.len(),
                self.width
            );
            return Err(problem(line, None, Problem::InvalidCsv, message));
        }
        let field = |at: usize| {
            std::str::from_utf8(&record[at])
                .map_err(|e| problem(line, None, Problem::InvalidUtf8, e.to_string()))
        };
        let id = match self.id {
            Some(at) => field(at)?.trim().to_owned(),
            None => row.to_string(),
        };
        if id.is_empty() {
            return Err(problem(
                line,
                None,
                Problem::MissingId,
                "the id is empty".to_owned(),
            ));
        }
        let text = match self.text {
            Some(at) => field(at)?.to_owned(),
            None => {
                let mut parts = Vec::new();
                for (at, name) in &self.sections {
                    parts.push((*name, field(*at)?));
                }
                parts.retain(|(_, text)| !text.trim().is_empty());
                join_parts(&parts, self.headings).unwrap_or_default()
            }
        };
        let labels = match &self.labels {
            Some(columns) => {
                let cells = columns.map(&field);
                Some(labels_of(cells, &id, line)?)
            }
            None => None,
        };
        let patient = match self.patient {
            Some(at) => Some(field(at)?.trim().to_owned()).filter(|p| !p.is_empty()),
            None => None,
        };
        Ok(Entry {
            id,
            line,
            texts: vec![text],
            labels,
            phrases: None,
            patient,
        })
    }
}

/// Labels of the cells of the 14 findings.
fn labels_of(
    cells: [Result<&str, LineError>; 14],
    id: &str,
    line: u64,
) -> Result<FileLabels, LineError> {
    let mut given: FileLabels = [None; 14];
    for (slot, cell) in given.iter_mut().zip(cells) {
        let cell = cell?.trim();
        if cell.is_empty() {
            continue;
        }
        let value = cell.parse().ok().and_then(value_of);
        *slot = Some(value.ok_or_else(|| {
            let message = format!("`{cell}` is no label");
            problem(line, Some(id.to_owned()), Problem::InvalidLabel, message)
        })?);
    }
    Ok(given)
}
