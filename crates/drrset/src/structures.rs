//! The names of labels, and what they are names of.

use crate::error::SetError;
use hilum_text::facts::anatomy::Side;
use std::collections::BTreeMap;
use std::path::Path;

/// Names by label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<u8, String>);

impl Names {
    /// Reads a CSV with the columns `structure` and `id`; others are passed over.
    ///
    /// # Errors
    /// [`SetError::Bad`] with the line: no such column, an id that is not 1 to 255, an id or a name twice.
    pub fn read(path: &Path) -> Result<Self, SetError> {
        let broken = |e: csv::Error| SetError::bad(path, e.to_string());
        let mut reader = csv::Reader::from_path(path).map_err(broken)?;
        let header = reader.headers().map_err(broken)?.clone();
        let column = |name: &str| {
            header
                .iter()
                .position(|h| h.trim_start_matches('\u{feff}').trim() == name)
                .ok_or_else(|| SetError::bad(path, format!("no column `{name}`")))
        };
        let (structure, id) = (column("structure")?, column("id")?);
        let mut names = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let line = record.position().map_or(0, |p| p.line());
            let wrong = |what: String| SetError::bad(path, format!("line {line}: {what}"));
            let text = |at: usize| record.get(at).unwrap_or("").trim();
            let label: u8 = text(id)
                .parse()
                .ok()
                .filter(|v| *v > 0)
                .ok_or_else(|| wrong(format!("{:?} is no label from 1 to 255", text(id))))?;
            let name = file_name(text(structure));
            if name.is_empty() || names.values().any(|n| *n == name) {
                return Err(wrong(format!(
                    "the structure {name:?} is blank or was named before"
                )));
            }
            if names.insert(label, name).is_some() {
                return Err(wrong(format!("the label {label} was named before")));
            }
        }
        Ok(Names(names))
    }

    /// The name of a label; `label_N` where it has none.
    pub fn of(&self, label: u8) -> String {
        self.0
            .get(&label)
            .cloned()
            .unwrap_or_else(|| format!("label_{label}"))
    }

    /// As CSV.
    pub fn table(&self) -> String {
        let rows = self.0.iter().map(|(id, name)| format!("{name},{id}\n"));
        std::iter::once("structure,id\n".to_owned())
            .chain(rows)
            .collect()
    }
}

/// Letters, digits and `_`: names become parts of file names and of the manifest's lists.
fn file_name(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect()
}

/// What a structure's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// Its words without side and number, lower case.
    pub kind: String,
    /// Side of the patient.
    pub side: Option<Side>,
    /// Number of a rib, or of a vertebra within its part of the spine.
    pub number: Option<u8>,
}

impl Structure {
    /// Takes a name of any common label set apart (`rib_left_4`, `left_lung`, `lung_upper_lobe_left`, `vertebrae_T5`).
    pub fn parse(name: &str) -> Structure {
        let lower = name.to_lowercase();
        let (mut side, mut number, mut words) = (None, None, Vec::new());
        for word in lower
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty())
        {
            let digits = word.trim_start_matches(['t', 'l', 'c', 's']);
            match word {
                "left" | "l" => side = Some(Side::Left),
                "right" | "r" => side = Some(Side::Right),
                _ if digits.len() + 1 >= word.len() && digits.parse::<u8>().is_ok() => {
                    number = digits.parse().ok();
                }
                _ => words.push(singular(word)),
            }
        }
        Structure {
            kind: words.join(" "),
            side,
            number,
        }
    }
}

/// One spelling for each structure.
fn singular(word: &str) -> &str {
    match word {
        "clavicula" | "claviculas" | "clavicles" => "clavicle",
        "ribs" => "rib",
        "vertebrae" | "vertebra" => "spine",
        "lungs" => "lung",
        "lobes" => "lobe",
        "scapulas" | "scapulae" => "scapula",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let of = |n: &str| {
            let s = Structure::parse(n);
            (s.kind, s.side, s.number)
        };
        assert_eq!(of("rib_left_4"), ("rib".into(), Some(Side::Left), Some(4)));
        assert_eq!(of("vertebrae_T5"), ("spine".into(), None, Some(5)));
        let lobe = ("lung upper lobe".into(), Some(Side::Left), None);
        assert_eq!(of("lung_upper_lobe_left"), lobe);
        assert_eq!(
            of("right_clavicle"),
            ("clavicle".into(), Some(Side::Right), None)
        );
        assert_eq!(of("clavicula_right"), of("right_clavicle"));
        assert_eq!(of("heart"), ("heart".into(), None, None));
    }

    #[test]
    fn tables_are_read_and_faults_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.csv");
        std::fs::write(&path, "group,structure,id\norgans,heart,51\n").unwrap();
        let names = Names::read(&path).unwrap();
        assert_eq!(
            (names.of(51), names.of(9)),
            ("heart".into(), "label_9".into())
        );
        for (text, words) in [
            ("structure\nheart\n", "no column `id`"),
            ("structure,id\nheart,0\n", "line 2"),
            ("structure,id\nheart,300\n", "no label"),
            ("structure,id\nheart,1\nheart,2\n", "line 3"),
            ("structure,id\nheart,1\nlung,1\n", "the label 1"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Names::read(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
