//! One door for volumes: a NIfTI file, or a folder with the slices of a DICOM series.

use crate::error::VolumeError;
use crate::nifti::{self, Orientation};
use crate::series;
use crate::volume::Volume;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a volume was read from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A NIfTI-1 file.
    Nifti,
    /// A series of CT slices.
    DicomSeries {
        /// Series Instance UID.
        series_uid: String,
        /// Number of slices.
        slices: usize,
    },
}

/// A volume with how it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The values, in Hounsfield units for a CT.
    pub volume: Volume<f32>,
    /// Where the orientation came from.
    pub orientation: Orientation,
    /// What it was read from.
    pub source: Source,
}

/// Reads a NIfTI file or a folder of DICOM slices.
///
/// # Errors
/// Those of [`nifti::read`] and [`series::read`].
pub fn load(path: &Path) -> Result<Loaded, VolumeError> {
    let kind = std::fs::metadata(path).map_err(|e| VolumeError::io(path, e))?;
    if kind.is_dir() {
        return series::read(path);
    }
    let (volume, orientation) = nifti::read(path)?;
    Ok(Loaded {
        volume,
        orientation,
        source: Source::Nifti,
    })
}
