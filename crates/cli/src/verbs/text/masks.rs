//! Frames of scenes from a folder of lung masks.

use anyhow::{Context, Result, bail};
use hilum_core::Rect;
use hilum_image::Mask;
use hilum_image::chest::split_lungs;
use hilum_image::decode::{Limits, decode};
use hilum_image::mask::{Connectivity, keep_largest, properties};
use hilum_text::TextError;
use hilum_text::facts::atlas::{Frame, Frames};
use std::path::{Path, PathBuf};

/// Pixels of the smaller lung over those of the larger one, at least: less is one lung and a part of it.
const LEAST_SHARE: f64 = 0.2;

/// A folder with a mask `ID.png` of each image's lungs.
#[derive(Debug)]
pub struct LungMasks {
    folder: PathBuf,
}

impl LungMasks {
    /// Errors: it is no folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let data = std::fs::metadata(folder).with_context(|| folder.display().to_string())?;
        if !data.is_dir() {
            bail!("{}: is no folder of masks", folder.display());
        }
        Ok(LungMasks {
            folder: folder.to_owned(),
        })
    }
}

impl Frames for LungMasks {
    fn frame(&self, id: &str) -> Result<Frame, TextError> {
        let path = self.folder.join(format!("{id}.png"));
        let unusable = |reason: String| TextError::UnusableMask {
            path: path.clone(),
            reason,
        };
        // An id leads to a file of this folder and nowhere else.
        let plain = Path::new(id).components().count() == 1 && !id.contains(['/', '\\']);
        if !plain || id == ".." {
            return Err(unusable("the id is no file name".to_owned()));
        }
        let limits = Limits::default();
        let bytes = match std::fs::metadata(&path) {
            Ok(data) if data.len() > limits.max_file_bytes => {
                return Err(unusable(format!("{} bytes are too many", data.len())));
            }
            Ok(_) => std::fs::read(&path)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(TextError::NoMask { path });
            }
            Err(e) => return Err(unusable(e.to_string())),
        };
        let raster = decode(&bytes, &limits).map_err(|e| unusable(e.to_string()))?;
        if raster.colour {
            return Err(unusable("it is in colour".to_owned()));
        }
        let top = raster.values.data.iter().copied().max().unwrap_or(0);
        if raster.values.data.iter().any(|&v| v != 0 && v != top) {
            return Err(unusable("it has more than two values".to_owned()));
        }
        let mask: Mask = raster.values.map(|v| u8::from(*v != 0) * 255);
        frame(&mask).map_err(unusable)
    }
}

/// The boxes of the two lungs, without stray parts; the patient's right lung is on the left of the image.
fn frame(mask: &Mask) -> Result<Frame, String> {
    if mask.count() == 0 {
        return Err("it is empty".to_owned());
    }
    let lungs = split_lungs(mask).ok_or("it shows one lung, or two that cannot be told apart")?;
    let (right, left) = (lungs.right.count() as f64, lungs.left.count() as f64);
    if right.min(left) < LEAST_SHARE * right.max(left) {
        return Err("it shows one lung".to_owned());
    }
    let bounds = |lung: &Mask| -> Result<Rect, String> {
        let found = properties(&keep_largest(lung, 1, Connectivity::Eight));
        Ok(found.ok_or("it shows one lung")?.bounds)
    };
    Ok(Frame {
        right_lung: bounds(&lungs.right)?,
        left_lung: bounds(&lungs.left)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(boxes: &[(usize, usize, usize, usize)]) -> Mask {
        let mut mask = Mask::filled(100, 80, 0);
        for &(x, y, w, h) in boxes {
            for row in y..y + h {
                mask.row_mut(row)[x..x + w].fill(255);
            }
        }
        mask
    }

    #[test]
    fn boxes_are_those_of_the_two_lungs() {
        let lungs = frame(&mask(&[(10, 5, 30, 60), (55, 8, 28, 55), (95, 0, 2, 2)])).unwrap();
        let sides = |r: Rect| (r.x, r.y, r.w, r.h);
        assert_eq!(sides(lungs.right_lung), (10.0, 5.0, 30.0, 60.0));
        assert_eq!(sides(lungs.left_lung), (55.0, 8.0, 28.0, 55.0));
    }

    #[test]
    fn one_lung_or_none_is_no_frame() {
        assert!(frame(&mask(&[])).unwrap_err().contains("empty"));
        assert!(frame(&mask(&[(10, 5, 30, 60)])).is_err());
        assert!(frame(&mask(&[(10, 5, 30, 60), (60, 5, 2, 2)])).is_err());
    }
}
