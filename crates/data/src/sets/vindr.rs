//! VinDr-CXR (PhysioNet) and VinBigData (Kaggle), the same images read by several radiologists each.

use super::common::{images_by, missing, stem};
use crate::error::Result;
use crate::labels::{LabelState, Labels, Vocabulary};
use crate::sample::{BoxLabel, Pixels, Sample, Split};
use crate::table::{Row, Table};
use hilum_core::{Rect, taxonomy};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the readers of one image said.
#[derive(Debug, Default, Clone)]
pub struct Readings {
    /// Words by reader; a reader who found nothing has `No finding` or nothing.
    words: BTreeMap<String, BTreeSet<String>>,
    /// Boxes with their reader.
    pub boxes: Vec<BoxLabel>,
}

impl Readings {
    /// The labels over all readers: positive when at least half of them agree, uncertain when fewer do,
    /// negative when none does.
    pub fn labels(&self, vocabulary: &Vocabulary) -> Labels {
        let each: Vec<Labels> = self
            .words
            .values()
            .map(|w| vocabulary.read(&w.iter().collect::<Vec<_>>()))
            .collect();
        let mut votes: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
        for (code, state) in each.iter().flat_map(|l| l.iter().collect::<Vec<_>>()) {
            let (yes, said) = votes.entry(code).or_default();
            *yes += usize::from(state == LabelState::Positive);
            *said += 1;
        }
        let mut labels = Labels::default();
        for (code, (yes, said)) in votes {
            let state = match yes {
                0 if said < each.len() => continue,
                0 => LabelState::Negative,
                _ if 2 * yes >= each.len() => LabelState::Positive,
                _ => LabelState::Uncertain,
            };
            labels.fill(code, state);
        }
        labels.close();
        let unmapped: BTreeSet<&String> = each.iter().flat_map(Labels::unmapped).collect();
        unmapped.into_iter().for_each(|w| labels.push_unmapped(w));
        labels
    }

    fn all_words(&self) -> Vec<String> {
        self.words
            .values()
            .flatten()
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }
}

/// Reads a box table (`image_id, class_name, x_min, y_min, x_max, y_max`, with or without `rad_id`).
///
/// # Errors
/// [`crate::DataError::MissingColumn`], [`crate::DataError::Row`].
pub fn read_boxes(path: &Path, into: &mut BTreeMap<String, Readings>) -> Result<()> {
    let columns = ["image_id", "class_name", "x_min", "y_min", "x_max", "y_max"];
    Table::open(path, &columns)?.for_each(|row| {
        let readings = into.entry(row.need("image_id")?.to_owned()).or_default();
        let label = row.need("class_name")?;
        let reader = reader(row);
        readings
            .words
            .entry(reader.clone())
            .or_default()
            .insert(label.to_owned());
        if let Some(rect) = read_rect(row)? {
            let code = taxonomy::find(label).map(|t| t.code);
            readings.boxes.push(BoxLabel {
                label: label.into(),
                code,
                rect,
                source: reader,
            });
        }
        Ok(())
    })
}

fn reader(row: &Row) -> String {
    match row.get("rad_id") {
        "" => "consensus".into(),
        id => id.into(),
    }
}

fn read_rect(row: &Row) -> Result<Option<Rect>> {
    let sides = ["x_min", "y_min", "x_max", "y_max"].map(|c| row.number_of(c));
    let [left, top, right, bottom] = sides;
    let (left, top, right, bottom) = match (left?, top?, right?, bottom?) {
        (None, None, None, None) => return Ok(None),
        (Some(l), Some(t), Some(r), Some(b)) => (l, t, r, b),
        _ => return Err(row.error("a box with some sides empty")),
    };
    if right < left || bottom < top {
        return Err(row.error("a box of negative size"));
    }
    Ok(Some(Rect {
        x: left,
        y: top,
        w: right - left,
        h: bottom - top,
    }))
}

/// Adds a table of image labels: one row an image and reader, one 0/1 column a label.
fn read_image_labels(path: &Path, into: &mut BTreeMap<String, Readings>) -> Result<()> {
    let table = Table::open(path, &["image_id"])?;
    let labels: Vec<String> = table
        .header()
        .iter()
        .filter(|h| !["image_id", "rad_id"].contains(&h.as_str()))
        .cloned()
        .collect();
    table.for_each(|row| {
        let readings = into.entry(row.need("image_id")?.to_owned()).or_default();
        let words = readings.words.entry(reader(row)).or_default();
        for label in &labels {
            match row.number_of(label)? {
                Some(1.0) => drop(words.insert(label.clone())),
                Some(0.0) => {}
                _ => {
                    return Err(row.error(format!("`{label}` is {:?}, not 0 or 1", row.get(label))));
                }
            }
        }
        Ok(())
    })
}

/// Reads VinDr-CXR: three readers for `train`, their consensus for `test`. Patients are not published.
///
/// # Errors
/// [`crate::DataError::Layout`], [`crate::DataError::MissingColumn`], [`crate::DataError::Row`].
pub fn load_vindr(root: &Path) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for (name, split) in [("train", Split::Train), ("test", Split::Test)] {
        let labels = root.join(format!("annotations/image_labels_{name}.csv"));
        if !labels.exists() {
            continue;
        }
        let mut readings = BTreeMap::new();
        read_image_labels(&labels, &mut readings)?;
        let mut boxes = BTreeMap::new();
        read_boxes(
            &root.join(format!("annotations/annotations_{name}.csv")),
            &mut boxes,
        )?;
        for (image, mut found) in boxes {
            // The image labels already count every box; only the boxes themselves are added.
            readings
                .entry(image)
                .or_default()
                .boxes
                .append(&mut found.boxes);
        }
        samples.extend(join("vindr_cxr", root, &root.join(name), readings, split)?);
    }
    if samples.is_empty() {
        return Err(missing(
            root,
            "vindr_cxr",
            "annotations/image_labels_train.csv or its images",
        ));
    }
    Ok(samples)
}

/// Reads VinBigData's training set. Patients are not published.
///
/// # Errors
/// [`crate::DataError::Layout`], [`crate::DataError::MissingColumn`], [`crate::DataError::Row`].
pub fn load_vinbigdata(root: &Path) -> Result<Vec<Sample>> {
    let table = root.join("train.csv");
    if !table.exists() {
        return Err(missing(root, "vinbigdata", "train.csv"));
    }
    let mut readings = BTreeMap::new();
    read_boxes(&table, &mut readings)?;
    join(
        "vinbigdata",
        root,
        &root.join("train"),
        readings,
        Split::Train,
    )
}

fn join(
    set: &'static str,
    root: &Path,
    folder: &Path,
    readings: BTreeMap<String, Readings>,
    split: Split,
) -> Result<Vec<Sample>> {
    let images: BTreeMap<String, PathBuf> = images_by(folder, |p| stem(p).to_owned())?;
    let Some(vocabulary) = Vocabulary::of(set) else {
        return Err(missing(root, set, "a vocabulary"));
    };
    let sample = |(image, r): (String, Readings)| {
        let path = images.get(&image)?.clone();
        let mut s = Sample::new(
            set,
            super::common::relative(root, &path),
            Pixels::File(path),
        );
        s.labels = r.labels(vocabulary);
        s.raw_labels = r.all_words();
        s.label_source = format!("{} reader(s)", r.words.len());
        s.boxes = r.boxes;
        s.split = Some(split);
        Some(s)
    };
    Ok(readings.into_iter().filter_map(sample).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn readers_vote() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            "train.csv",
            "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n\
             a,Cardiomegaly,3,R1,10,20,30,60\na,Cardiomegaly,3,R2,11,20,30,60\na,ILD,5,R1,1,2,3,4\na,No finding,14,R3,,,,\n\
             b,No finding,14,R1,,,,\nb,No finding,14,R2,,,,\nb,No finding,14,R3,,,,\n",
        );
        write(dir.path(), "train/a.dicom", "");
        write(dir.path(), "train/b.png", "");
        let all = load_vinbigdata(dir.path()).unwrap();
        let a = &all[0];
        assert!(a.labels.is_positive("cardiomegaly"));
        assert_eq!(
            a.labels.get("interstitial_lung_disease"),
            Some(LabelState::Uncertain)
        );
        assert_eq!(a.labels.get("pneumothorax"), Some(LabelState::Negative));
        assert_eq!(
            a.boxes[0].rect,
            Rect {
                x: 10.0,
                y: 20.0,
                w: 20.0,
                h: 40.0
            }
        );
        assert_eq!(all[1].labels.get("abnormal"), Some(LabelState::Negative));
    }

    #[test]
    fn physionet_tables_are_joined() {
        let dir = tempfile::tempdir().unwrap();
        let head = "image_id,rad_id,Cardiomegaly,Pneumonia,Other diseases,No finding";
        write(
            dir.path(),
            "annotations/image_labels_train.csv",
            &format!("{head}\na,R1,1,0,0,0\na,R2,1,1,0,0\na,R3,0,0,0,1\n"),
        );
        write(
            dir.path(),
            "annotations/annotations_train.csv",
            "image_id,rad_id,class_name,x_min,y_min,x_max,y_max\na,R1,Cardiomegaly,1,2,3,5\n",
        );
        write(dir.path(), "train/a.dicom", "");
        let all = load_vindr(dir.path()).unwrap();
        assert!(all[0].labels.is_positive("cardiomegaly"));
        assert_eq!(all[0].labels.get("pneumonia"), Some(LabelState::Uncertain));
        assert_eq!(all[0].boxes.len(), 1);
        write(
            dir.path(),
            "annotations/image_labels_train.csv",
            &format!("{head}\na,R1,1,,0,0\n"),
        );
        assert!(
            load_vindr(dir.path())
                .unwrap_err()
                .to_string()
                .contains("row 1: `Pneumonia`")
        );
    }
}
