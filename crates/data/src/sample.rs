//! One image with everything a set says about it.

use crate::labels::Labels;
use hilum_core::{Rect, Sex, View};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The part of the data a patient belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// For fitting.
    Train,
    /// For choosing: early stop, thresholds, calibration.
    Val,
    /// For reporting, once.
    Test,
}

impl Split {
    /// All three, in order.
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }

    /// Reads the names in use (`valid`, `validate`, `validation`, `training`, `testing` too).
    pub fn parse(text: &str) -> Option<Split> {
        match text.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Split::Train),
            "val" | "valid" | "validate" | "validation" => Some(Split::Val),
            "test" | "testing" => Some(Split::Test),
            _ => None,
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the pixels are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pixels {
    /// An image file.
    File(PathBuf),
    /// One entry of an array in a NumPy archive.
    Array {
        /// The `.npz` file.
        file: PathBuf,
        /// Name of the array, e.g. `train_images`.
        name: String,
        /// Index along its first axis.
        index: usize,
    },
}

impl Pixels {
    /// The file that holds the pixels.
    pub fn file(&self) -> &Path {
        match self {
            Pixels::File(p) => p,
            Pixels::Array { file, .. } => file,
        }
    }
}

/// A mask of one structure.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskRef {
    /// Structure, e.g. `lungs`, `left_lung`, `heart`, `mask` when the set does not name it.
    pub name: String,
    /// How it is stored.
    pub form: MaskForm,
}

/// How a mask is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum MaskForm {
    /// Image file, the structure where the value is not 0.
    File(PathBuf),
    /// Image file of class ids, the structure where the value equals `class`.
    Class {
        /// The image of class ids.
        path: PathBuf,
        /// The id of this structure.
        class: u8,
    },
    /// SIIM run lengths on an image of `width` x `height`, see [`crate::sets::siim`].
    Runs {
        /// Pairs of gap and length, column-major, each gap counted from the end of the last run.
        runs: Vec<(u32, u32)>,
        /// Width of the image they refer to.
        width: u32,
        /// Height of the image they refer to.
        height: u32,
    },
    /// Closed outline.
    Polygon {
        /// Its corners in pixels of `frame`.
        points: Vec<hilum_core::Point>,
        /// Width and height of the picture that the corners refer to; scaled to the stored image.
        frame: (u32, u32),
    },
}

/// A box with its label, in pixels of the stored image.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxLabel {
    /// The set's own word.
    pub label: String,
    /// The taxonomy's code for it, when there is one.
    pub code: Option<&'static str>,
    /// The box.
    pub rect: Rect,
    /// Who drew it: a reader id or a source.
    pub source: String,
}

/// One image with everything its set says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Stable id: the path as the set writes it (with `#index` for arrays).
    pub id: String,
    /// Where the pixels are.
    pub pixels: Pixels,
    /// Name of the set.
    pub set: String,
    /// Its split, when the set or manifest gives one.
    pub split: Option<Split>,
    /// Patient; several joined with `+` are one group, see [`crate::splits`].
    pub patient: Option<String>,
    /// Study or report, when the set tells.
    pub study: Option<String>,
    /// Projection.
    pub view: View,
    /// The set's own words.
    pub raw_labels: Vec<String>,
    /// How the labels came about.
    pub label_source: String,
    /// The words in the taxonomy, closed under subsumption.
    pub labels: Labels,
    /// Masks.
    pub masks: Vec<MaskRef>,
    /// Boxes.
    pub boxes: Vec<BoxLabel>,
    /// Width and height of the stored image in pixels, when the set tells.
    pub size: Option<(u32, u32)>,
    /// Width and height of the image it was made from.
    pub original_size: Option<(u32, u32)>,
    /// Patient sex.
    pub sex: Option<Sex>,
    /// Age in years.
    pub age: Option<f32>,
    /// Report text, when the set carries one.
    pub report: Option<String>,
    /// Licence of the image, when stated per image.
    pub licence: Option<String>,
    /// SHA-256 of the file, when the set tells.
    pub sha256: Option<String>,
    /// Further columns by name, e.g. `notes`, `source`, `original_filename`.
    pub extra: Vec<(String, String)>,
}

impl Sample {
    /// A sample of which only the place is known.
    pub fn new(set: &str, id: impl Into<String>, pixels: Pixels) -> Self {
        Sample {
            id: id.into(),
            pixels,
            set: set.to_owned(),
            split: None,
            patient: None,
            study: None,
            view: View::Unknown,
            raw_labels: Vec::new(),
            label_source: String::new(),
            labels: Labels::default(),
            masks: Vec::new(),
            boxes: Vec::new(),
            size: None,
            original_size: None,
            sex: None,
            age: None,
            report: None,
            licence: None,
            sha256: None,
            extra: Vec::new(),
        }
    }

    /// The file that holds the pixels.
    pub fn path(&self) -> &Path {
        self.pixels.file()
    }

    /// A further column, e.g. `source`.
    pub fn extra(&self, column: &str) -> Option<&str> {
        self.extra
            .iter()
            .find(|(k, _)| k == column)
            .map(|(_, v)| v.as_str())
    }

    /// A `key=value` entry of the `notes` column, e.g. `rsna_class`.
    pub fn note(&self, key: &str) -> Option<&str> {
        let notes = self.extra("notes")?;
        notes
            .split(';')
            .find_map(|n| n.trim().strip_prefix(key)?.strip_prefix('='))
    }

    /// The masks that together make `structure`: its own, or for `lungs` both sides.
    pub fn mask_parts(&self, structure: &str) -> Vec<&MaskRef> {
        let named = |n: &str| {
            self.masks
                .iter()
                .filter(|m| m.name == n)
                .collect::<Vec<_>>()
        };
        let own = named(structure);
        if !own.is_empty() || structure != "lungs" {
            return own;
        }
        let (right, left) = (named("right_lung"), named("left_lung"));
        if right.is_empty() || left.is_empty() {
            return Vec::new();
        }
        [right, left].concat()
    }
}

/// Reads the projection words in use (`PA`, `AP Supine`, `L`, `LL`, `Frontal`, ...); an empty word is unknown.
pub fn parse_view(text: &str) -> View {
    let t = text.trim().to_ascii_lowercase();
    let first = t.split([' ', '_', '-']).next().unwrap_or("");
    match first {
        "" | "?" | "unknown" | "unk" => View::Unknown,
        "pa" | "postero" | "posteroanterior" => View::Pa,
        "ap" | "antero" | "anteroposterior" => View::Ap,
        "frontal" => View::Frontal,
        "l" | "ll" | "lat" | "lateral" | "lld" | "rl" => View::Lateral,
        _ => View::Other,
    }
}

/// Reads `M`, `F`, `Male`, `female`, `O`; anything else is not known.
pub fn parse_sex(text: &str) -> Option<Sex> {
    match text.trim().to_ascii_lowercase().as_str() {
        "m" | "male" => Some(Sex::Male),
        "f" | "female" => Some(Sex::Female),
        "o" | "other" => Some(Sex::Other),
        _ => None,
    }
}

/// Reads `57`, `57.5`, and the DICOM forms `057Y`, `006M`, `012D`, `003W`, in years.
pub fn parse_age(text: &str) -> Option<f32> {
    let t = text.trim();
    let (digits, per_year) = match t.chars().last()? {
        'Y' | 'y' => (&t[..t.len() - 1], 1.0),
        'M' | 'm' => (&t[..t.len() - 1], 12.0),
        'W' | 'w' => (&t[..t.len() - 1], 52.18),
        'D' | 'd' => (&t[..t.len() - 1], 365.25),
        _ => (t, 1.0),
    };
    let years = digits.parse::<f32>().ok()? / per_year;
    (0.0..=130.0).contains(&years).then_some(years)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_sets_are_read() {
        assert_eq!(parse_view("AP Supine"), View::Ap);
        assert_eq!(parse_view("L"), View::Lateral);
        assert_eq!(parse_view("?"), View::Unknown);
        assert_eq!(parse_view("MLO"), View::Other);
        assert_eq!(parse_age("006M"), Some(0.5));
        assert_eq!(parse_age("057Y"), Some(57.0));
        assert_eq!(parse_age("412"), None);
        assert_eq!(parse_age("-"), None);
        assert_eq!(Split::parse("validate"), Some(Split::Val));
    }

    #[test]
    fn lungs_are_made_of_both_sides_or_not_at_all() {
        let mask = |n: &str| MaskRef {
            name: n.into(),
            form: MaskForm::File(n.into()),
        };
        let mut s = Sample::new("x", "a", Pixels::File("a".into()));
        s.masks = vec![mask("right_lung")];
        assert!(s.mask_parts("lungs").is_empty());
        s.masks.push(mask("left_lung"));
        assert_eq!(s.mask_parts("lungs").len(), 2);
    }

    #[test]
    fn notes_are_keyed() {
        let mut s = Sample::new("x", "a", Pixels::File("a".into()));
        s.extra
            .push(("notes".into(), "state=benign; rsna_class=Normal".into()));
        assert_eq!(s.note("rsna_class"), Some("Normal"));
        assert_eq!(s.note("rsna"), None);
    }
}
