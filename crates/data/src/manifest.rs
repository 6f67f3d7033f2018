//! The manifest format: one CSV a set, beside the images it lists.
//!
//! Columns: `path, set, split, patient_id, view, labels, label_source, mask_path, width, height,
//! orig_width, orig_height, sex, age, source, original_filename, licence, sha256, notes`; `path` and
//! `set` must be there, every other column may be missing and unknown ones are kept in
//! [`Sample::extra`]. Several labels are joined with `|`, several masks are `name=path` joined with
//! `;`. Paths are relative to the data root, the parent of the manifest's folder. Boxes come from
//! `<set>_boxes.csv` beside it (`path, split, label, x, y, w, h, box_source`).

use crate::error::{DataError, Result};
use crate::labels::Vocabulary;
use crate::sample::{
    BoxLabel, MaskForm, MaskRef, Pixels, Sample, Split, parse_age, parse_sex, parse_view,
};
use crate::table::{Row, Table};
use hilum_core::{Rect, taxonomy};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// Samples with the folder their ids are relative to.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The data root.
    pub root: PathBuf,
    /// The images, in the order of the table.
    pub samples: Vec<Sample>,
}

/// Columns with a field of their own in [`Sample`].
const KNOWN: &[&str] = &[
    "path",
    "set",
    "split",
    "patient_id",
    "view",
    "labels",
    "label_source",
    "mask_path",
    "width",
    "height",
    "orig_width",
    "orig_height",
    "sex",
    "age",
    "licence",
    "sha256",
];

/// Structure that an unnamed mask shows, by set.
const UNNAMED_MASKS: &[(&str, &str)] = &[
    ("kermany_paediatric", "lungs"),
    ("covid_cohen", "lungs"),
    ("full_resolution", "lungs"),
];

/// Class ids of the JSRT masks (van Ginneken et al. 2006, SCR).
const JSRT_CLASSES: [(&str, u8); 3] = [("right_lung", 1), ("left_lung", 2), ("heart", 3)];

impl Manifest {
    /// Reads a manifest and, where it exists, the boxes beside it.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::MissingColumn`], [`DataError::Row`].
    pub fn read(path: &Path) -> Result<Self> {
        let root = root_of(path)?;
        let mut samples = Vec::new();
        for_each(path, |s| {
            samples.push(s);
            Ok(())
        })?;
        let mut manifest = Manifest { root, samples };
        let boxes = boxes_beside(path);
        if boxes.exists() {
            manifest.read_boxes(&boxes)?;
        }
        Ok(manifest)
    }

    /// Reads several manifests of one data root, in order.
    ///
    /// # Errors
    /// Those of [`Manifest::read`]; [`DataError::Format`] when the roots differ or `paths` is empty.
    pub fn read_all<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        let mut all: Option<Manifest> = None;
        for path in paths {
            let next = Manifest::read(path.as_ref())?;
            match &mut all {
                None => all = Some(next),
                Some(m) if m.root == next.root => m.samples.extend(next.samples),
                Some(_) => return Err(DataError::format(path.as_ref(), "another data root")),
            }
        }
        all.ok_or_else(|| DataError::setting("manifests", "at least one file", "none"))
    }

    /// Reads the manifests of the named sets under `root/manifests`.
    ///
    /// # Errors
    /// Those of [`Manifest::read`].
    pub fn of_sets(root: &Path, sets: &[&str]) -> Result<Self> {
        let paths: Vec<_> = sets
            .iter()
            .map(|s| root.join("manifests").join(format!("{s}.csv")))
            .collect();
        Manifest::read_all(&paths)
    }

    /// Adds the boxes of a table to the samples they belong to.
    ///
    /// # Errors
    /// [`DataError::Row`] for a box on an image that the manifest does not list, or without a size.
    pub fn read_boxes(&mut self, path: &Path) -> Result<()> {
        let index: HashMap<String, usize> = self
            .samples
            .iter()
            .enumerate()
            .map(|(i, s)| (s.id.clone(), i))
            .collect();
        let table = Table::open(path, &["path", "label", "x", "y", "w", "h"])?;
        table.for_each(|row| {
            let image = row.need("path")?;
            let i = index
                .get(image)
                .ok_or_else(|| row.error(format!("{image} is not in the manifest")))?;
            self.samples[*i].boxes.push(read_box(row)?);
            Ok(())
        })
    }

    /// The samples of one split.
    pub fn split(&self, split: Split) -> Manifest {
        self.filter(|s| s.split == Some(split))
    }

    /// The samples of one set.
    pub fn set(&self, set: &str) -> Manifest {
        self.filter(|s| s.set == set)
    }

    /// The samples that `keep` accepts, in the same order.
    pub fn filter(&self, keep: impl Fn(&Sample) -> bool) -> Manifest {
        let samples = self.samples.iter().filter(|s| keep(s)).cloned().collect();
        Manifest {
            root: self.root.clone(),
            samples,
        }
    }
}

/// Calls `f` for every sample of a manifest without keeping them; boxes are not read.
///
/// # Errors
/// [`DataError::Io`], [`DataError::MissingColumn`], [`DataError::Row`], and those of `f`.
pub fn for_each(path: &Path, mut f: impl FnMut(Sample) -> Result<()>) -> Result<()> {
    let root = root_of(path)?;
    let table = Table::open(path, &["path", "set"])?;
    let further: Vec<String> = table
        .header()
        .iter()
        .filter(|h| !KNOWN.contains(&h.as_str()))
        .cloned()
        .collect();
    table.for_each(|row| f(read_sample(row, &root, &further)?))
}

fn boxes_beside(path: &Path) -> PathBuf {
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
    path.with_file_name(format!("{stem}_boxes.csv"))
}

fn root_of(path: &Path) -> Result<PathBuf> {
    let folder = match path.parent() {
        Some(p) if p.as_os_str().is_empty() => Path::new("."),
        Some(p) => p,
        None => return Err(DataError::format(path, "a folder, not a manifest")),
    };
    match folder.parent() {
        Some(root) if !root.as_os_str().is_empty() && !folder.ends_with("..") => {
            Ok(root.to_owned())
        }
        _ => Ok(folder.join("..")),
    }
}

/// Joins a path of a table to the root; paths that leave the root are refused.
fn inside(root: &Path, text: &str, row: &Row) -> Result<PathBuf> {
    let relative = Path::new(text);
    let plain = relative
        .components()
        .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !plain {
        return Err(row.error(format!("{text:?} leaves the data root")));
    }
    Ok(root.join(relative))
}

fn read_sample(row: &Row, root: &Path, further: &[String]) -> Result<Sample> {
    let id = row.need("path")?;
    let mut s = Sample::new(row.need("set")?, id, Pixels::File(inside(root, id, row)?));
    s.split = read_split(row)?;
    s.patient = text(row, "patient_id");
    s.view = parse_view(row.get("view"));
    s.raw_labels = row
        .get("labels")
        .split('|')
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(Into::into)
        .collect();
    s.label_source = row.get("label_source").to_owned();
    if let Some(vocabulary) = Vocabulary::of(&s.set) {
        s.labels = vocabulary.read(&s.raw_labels);
    }
    s.masks = read_masks(row, root, &s.set)?;
    s.size = pair(row, "width", "height")?;
    s.original_size = pair(row, "orig_width", "orig_height")?;
    s.sex = parse_sex(row.get("sex"));
    s.age = parse_age(row.get("age"));
    s.licence = text(row, "licence");
    s.sha256 = text(row, "sha256");
    s.extra = further
        .iter()
        .filter_map(|c| Some((c.clone(), text(row, c)?)))
        .collect();
    Ok(s)
}

fn text(row: &Row, column: &str) -> Option<String> {
    Some(row.get(column))
        .filter(|t| !t.is_empty())
        .map(Into::into)
}

fn read_split(row: &Row) -> Result<Option<Split>> {
    match row.get("split") {
        "" => Ok(None),
        word => Split::parse(word)
            .map(Some)
            .ok_or_else(|| row.error(format!("no split {word:?}"))),
    }
}

fn pair(row: &Row, a: &str, b: &str) -> Result<Option<(u32, u32)>> {
    match (row.pixels(a)?, row.pixels(b)?) {
        (Some(a), Some(b)) => Ok(Some((a, b))),
        (None, None) => Ok(None),
        _ => Err(row.error(format!(
            "`{a}` and `{b}` must both be there or both be empty"
        ))),
    }
}

fn read_masks(row: &Row, root: &Path, set: &str) -> Result<Vec<MaskRef>> {
    let mut masks = Vec::new();
    for part in row
        .get("mask_path")
        .split(';')
        .map(str::trim)
        .filter(|p| !p.is_empty())
    {
        let (name, place) = part.split_once('=').unwrap_or(("", part));
        let path = inside(root, place, row)?;
        if set == "jsrt" && name.is_empty() {
            masks.extend(JSRT_CLASSES.map(|(n, class)| MaskRef {
                name: n.into(),
                form: MaskForm::Class {
                    path: path.clone(),
                    class,
                },
            }));
            continue;
        }
        let unnamed = UNNAMED_MASKS
            .iter()
            .find(|(s, _)| *s == set)
            .map_or("mask", |(_, n)| n);
        let name = if name.is_empty() { unnamed } else { name };
        masks.push(MaskRef {
            name: name.into(),
            form: MaskForm::File(path),
        });
    }
    Ok(masks)
}

fn read_box(row: &Row) -> Result<BoxLabel> {
    let side = |c: &str| {
        row.number_of(c)?
            .ok_or_else(|| row.error(format!("`{c}` is empty")))
    };
    let rect = Rect {
        x: side("x")?,
        y: side("y")?,
        w: side("w")?,
        h: side("h")?,
    };
    if rect.w < 0.0 || rect.h < 0.0 {
        return Err(row.error("a box of negative size"));
    }
    let label = row.get("label").to_owned();
    let code = taxonomy::find(&label).map(|t| t.code);
    Ok(BoxLabel {
        label,
        code,
        rect,
        source: row.get("box_source").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("manifests")).unwrap();
        let path = dir.path().join("manifests/nih14.csv");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_row_becomes_a_sample() {
        let (dir, path) = written(
            "path,set,split,patient_id,view,labels,mask_path,width,height,sex,age,notes\n\
             images/a.png,nih14,val,P1+P2,AP,Effusion|Mass,a=masks/a.png;b=masks/b.png,4,5,F,7,k=v;rsna_class=Normal\n",
        );
        let boxes = dir.path().join("manifests/nih14_boxes.csv");
        std::fs::write(
            boxes,
            "path,split,label,x,y,w,h,box_source\nimages/a.png,val,Mass,1,2,3,4,r\n",
        )
        .unwrap();
        let m = Manifest::read(&path).unwrap();
        let s = &m.samples[0];
        assert_eq!(s.path(), dir.path().join("images/a.png"));
        assert_eq!(
            (s.split, s.patient.as_deref()),
            (Some(Split::Val), Some("P1+P2"))
        );
        assert!(s.labels.is_positive("mass") && s.labels.is_positive("pleural_effusion"));
        assert_eq!(s.masks[1].name, "b");
        assert_eq!(s.size, Some((4, 5)));
        assert_eq!(s.note("rsna_class"), Some("Normal"));
        assert_eq!(s.boxes[0].code, Some("mass"));
        assert!(m.split(Split::Test).samples.is_empty());
    }

    #[test]
    fn bad_rows_are_named() {
        for (row, reason) in [
            ("images/a.png,nih14,tarin,1,1", "row 1: no split \"tarin\""),
            ("../a.png,nih14,train,1,1", "leaves the data root"),
            ("/etc/a.png,nih14,train,1,1", "leaves the data root"),
            ("a.png,nih14,train,x,1", "`width` is no whole number"),
            ("a.png,nih14,train,1,", "must both be there"),
            (",nih14,train,1,1", "`path` is empty"),
        ] {
            let (_dir, path) = written(&format!("path,set,split,width,height\n{row}\n"));
            let error = Manifest::read(&path).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn the_root_is_the_folder_above_manifests() {
        assert_eq!(
            root_of(Path::new("/d/manifests/a.csv")).unwrap(),
            Path::new("/d")
        );
        assert_eq!(
            root_of(Path::new("manifests/a.csv")).unwrap(),
            Path::new("manifests/..")
        );
        assert_eq!(root_of(Path::new("a.csv")).unwrap(), Path::new("./.."));
    }
}
