//! The published CACTUS set in its own layout: a folder of frames for each view, a table of grades for each view.
//!
//! `Images Dataset/VIEW/FRAME.jpg` and `Grades/VIEW_grades.csv` with the columns `Image Name`, `Subfolder Name`, `Grade`, below
//! the folder itself or `Cactus Dataset/` in it (from code that reads the set; the set itself is not at hand).

use crate::error::{MethodError, Result};
use hilum_data::table::Table;
use hilum_data::{Pixels, Sample, Split};
use std::path::{Path, PathBuf};

/// Frames of one scan that lie side by side count as one group: the set tells no scans, and neighbours are near-copies.
const RUN: u64 = 50;
/// Grades go from 0 to this.
pub const TOP: f64 = 10.0;
/// Every so many groups one is asked.
const ASKED: u64 = 5;

/// One graded frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The picture; its label is the view, its patient the run of frames that it belongs to, its split by that run.
    pub sample: Sample,
    /// View, the name of its folder.
    pub view: String,
    /// Grade from 0 to 10.
    pub grade: f64,
}

/// True when `root` holds the set.
pub fn is_there(root: &Path) -> bool {
    base(root).join("Grades").is_dir()
}

fn base(root: &Path) -> PathBuf {
    let inner = root.join("Cactus Dataset");
    if inner.is_dir() {
        inner
    } else {
        root.to_owned()
    }
}

/// Reads the set: a frame for each line of each table, in the order of the tables' names and lines.
///
/// # Errors
/// [`MethodError::NoData`] without tables; [`MethodError::Data`] for a column that is missing, a grade that is no number
/// from 0 to 10, a frame that is not there.
pub fn load(root: &Path) -> Result<Vec<Frame>> {
    let base = base(root);
    let mut frames = Vec::new();
    for table in tables(&base.join("Grades"))? {
        let mut rows = Table::open(&table, &["Image Name", "Subfolder Name", "Grade"])?;
        while let Some(row) = rows.next_row()? {
            let (name, view) = (row.need("Image Name")?, row.need("Subfolder Name")?);
            let grade = row.number_of("Grade")?;
            let Some(grade) = grade.filter(|g| (0.0..=TOP).contains(g)) else {
                return Err(row.error("the grade is not from 0 to 10").into());
            };
            let path = base.join("Images Dataset").join(view).join(name);
            if !path.is_file() {
                let what = format!("{} is not there", path.display());
                return Err(row.error(what).into());
            }
            frames.push(frame(path, view, name, grade));
        }
    }
    Ok(frames)
}

fn tables(folder: &Path) -> Result<Vec<PathBuf>> {
    let missing = || MethodError::NoData {
        what: "the CACTUS set".to_owned(),
        path: folder.join("VIEW_grades.csv"),
    };
    let entries = std::fs::read_dir(folder).map_err(|_| missing())?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|source| MethodError::Io {
                path: folder.to_owned(),
                source,
            })?
            .path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name.ends_with("_grades.csv") {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(missing());
    }
    found.sort();
    Ok(found)
}

fn frame(path: PathBuf, view: &str, name: &str, grade: f64) -> Frame {
    let group = format!("{view}/{}", run_of(name));
    let mut sample = Sample::new("cactus", format!("{view}/{name}"), Pixels::File(path));
    sample.split = Some(split_of(&group));
    sample.patient = Some(group);
    sample.raw_labels = vec![view.to_owned()];
    sample.label_source = "folder; expert's grade".to_owned();
    Frame {
        sample,
        view: view.to_owned(),
        grade,
    }
}

/// The run of neighbouring frames that a file name belongs to: its text before the last number, and the number in fifties.
fn run_of(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let text = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    match stem[text.len()..].parse::<u64>() {
        Ok(number) => format!("{text}#{}", number / RUN),
        Err(_) => stem.to_owned(),
    }
}

/// One of five runs is asked, by a hash (FNV-1a) of its name, so that more frames never move one to the other side.
fn split_of(group: &str) -> Split {
    let hash = group.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    if (hash >> 32).is_multiple_of(ASKED) {
        Split::Test
    } else {
        Split::Train
    }
}

#[cfg(test)]
pub(super) mod made_up {
    use hilum_image::Plane;
    use std::path::Path;

    /// Sectors of made-up echoes: the view is the number of dark chambers, the grade the brightness.
    pub(in crate::cactus) fn write(root: &Path, frames: usize) {
        let base = root.join("Cactus Dataset");
        std::fs::create_dir_all(base.join("Grades")).unwrap();
        for (chambers, view) in ["A4C", "PL", "PSMV"].into_iter().enumerate() {
            let folder = base.join("Images Dataset").join(view);
            std::fs::create_dir_all(&folder).unwrap();
            let mut table = "Image Name,Subfolder Name,Grade\n".to_owned();
            for i in 0..frames {
                let grade = i % 11;
                let plane = Plane::from_fn(48, 48, |x, y| {
                    let inside = x.abs_diff(24) * 2 <= y;
                    let chamber = (0..=chambers).any(|c| {
                        let (dx, dy) = (x.abs_diff(14 + 10 * c), y.abs_diff(36));
                        dx * dx + dy * dy < 16
                    });
                    if !inside || chamber {
                        0
                    } else {
                        60 + 15 * grade as u8 + ((x * y) % 7) as u8
                    }
                });
                // Far apart, so that every frame is a run of its own.
                let name = format!("{view}_frame{}.png", i * 60);
                let png = hilum_image::draw::encode_gray_png(&plane).unwrap();
                std::fs::write(folder.join(&name), png).unwrap();
                table.push_str(&format!("{name},{view},{grade}\n"));
            }
            std::fs::write(base.join(format!("Grades/{view}_grades.csv")), table).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_layout_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_there(dir.path()));
        assert!(matches!(load(dir.path()), Err(MethodError::NoData { .. })));
        made_up::write(dir.path(), 12);
        assert!(is_there(dir.path()) && is_there(&dir.path().join("Cactus Dataset")));
        let frames = load(dir.path()).unwrap();
        assert_eq!(frames.len(), 36);
        assert_eq!(
            (frames[13].view.as_str(), frames[13].grade),
            ("PL", 1.0),
            "tables in the order of their names"
        );
        assert_eq!(frames[13].sample.id, "PL/PL_frame60.png");
        assert!(frames[13].sample.path().is_file());
        let asked = |f: &&Frame| f.sample.split == Some(Split::Test);
        let asked = frames.iter().filter(asked).count();
        assert!((1..18).contains(&asked), "{asked}");
    }

    #[test]
    fn neighbouring_frames_stay_together() {
        assert_eq!(run_of("A4C_frame_12.jpg"), run_of("A4C_frame_49.jpg"));
        assert_ne!(run_of("A4C_frame_12.jpg"), run_of("A4C_frame_50.jpg"));
        assert_ne!(run_of("A4C_frame_12.jpg"), run_of("PL_frame_12.jpg"));
        assert_eq!(run_of("plain.jpg"), "plain");
    }

    #[test]
    fn what_is_wrong_with_a_table_is_named() {
        let dir = tempfile::tempdir().unwrap();
        made_up::write(dir.path(), 2);
        let table = dir.path().join("Cactus Dataset/Grades/PL_grades.csv");
        let told = |line: &str| {
            let text = format!("Image Name,Subfolder Name,Grade\n{line}\n");
            std::fs::write(&table, text).unwrap();
            load(dir.path()).unwrap_err().to_string()
        };
        assert!(told("PL_frame0.png,PL,11").contains("0 to 10"));
        assert!(told("PL_frame0.png,PL,").contains("0 to 10"));
        assert!(told("nowhere.png,PL,3").contains("not there"));
        std::fs::write(&table, "Image Name,Grade\nPL_frame0.png,3\n").unwrap();
        assert!(load(dir.path()).is_err());
    }
}
