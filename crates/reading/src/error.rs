//! The errors of this crate.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a reading could not be put on a page or into files.
#[derive(Debug, Error)]
pub enum ReadingError {
    /// A sentence points at something the reading does not have, or at nothing.
    #[error("sentence {sentence} (\"{text}\") has no evidence in the reading: {missing}")]
    Evidence {
        /// Position in `report.sentences`.
        sentence: usize,
        /// The sentence.
        text: String,
        /// What it points at, or `nothing`.
        missing: String,
    },
    /// The number of layers differs from the number of images.
    #[error("{layers} sets of layers were given for {images} images")]
    LayerCount {
        /// Layers given.
        layers: usize,
        /// Images in the reading.
        images: usize,
    },
    /// Bytes given as a picture are not a PNG.
    #[error("layer {layer} of image {image} is not a PNG file")]
    LayerNotPng {
        /// Index of the image.
        image: usize,
        /// Which layer.
        layer: String,
    },
    /// A picture has another shape than its image.
    #[error(
        "layer {layer} of image {image} is {width}x{height}, which is not the shape of {expected_width}x{expected_height}"
    )]
    LayerShape {
        /// Index of the image.
        image: usize,
        /// Which layer.
        layer: String,
        /// Width of the picture.
        width: u32,
        /// Height of the picture.
        height: u32,
        /// Stored width of the image.
        expected_width: u32,
        /// Stored height of the image.
        expected_height: u32,
    },
    /// A heat map belongs to a finding that the reading does not have.
    #[error("image {image} has a heat map of {code:?}, which is no finding of the reading")]
    UnknownHeatMap {
        /// Index of the image.
        image: usize,
        /// The code given with the map.
        code: String,
    },
    /// A picture or mask belongs to an image that the reading does not have.
    #[error("there is no image {image} in a reading of {images} images")]
    NoSuchImage {
        /// Index asked for.
        image: usize,
        /// Images in the reading.
        images: usize,
    },
    /// The folder name is not one that [`crate::folder_name`] gives.
    #[error("{name:?} is not a safe folder name")]
    UnsafeFolder {
        /// The name.
        name: String,
    },
    /// The reading could not be written as JSON.
    #[error("cannot write the reading as JSON")]
    Json(#[from] serde_json::Error),
    /// The disk is full or the quota used up.
    #[error("no space left while writing {}", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Writing is not permitted.
    #[error("no permission to write {}", path.display())]
    PermissionDenied {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Something that is no folder stands where the folder belongs.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another error of the file system.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl ReadingError {
    /// Sorts an error of the file system by what a user can do about it.
    pub fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, source }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::PermissionDenied { path, source }
            }
            io::ErrorKind::NotADirectory => Self::NotAFolder { path, source },
            _ => Self::Io { path, source },
        }
    }

    /// Snake-case kind for [`hilum_core::ReadError::kind`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Evidence { .. } => "evidence",
            Self::LayerCount { .. }
            | Self::LayerNotPng { .. }
            | Self::LayerShape { .. }
            | Self::UnknownHeatMap { .. }
            | Self::NoSuchImage { .. } => "layer",
            Self::UnsafeFolder { .. } => "unsafe_folder",
            Self::Json(_) => "json",
            Self::DiskFull { .. } => "disk_full",
            Self::PermissionDenied { .. } => "permission_denied",
            Self::NotAFolder { .. } => "not_a_folder",
            Self::Io { .. } => "io",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_are_sorted_by_kind() {
        let kind =
            |io_kind: io::ErrorKind| ReadingError::from_io(Path::new("x"), io_kind.into()).kind();
        assert_eq!(kind(io::ErrorKind::StorageFull), "disk_full");
        assert_eq!(kind(io::ErrorKind::QuotaExceeded), "disk_full");
        assert_eq!(kind(io::ErrorKind::PermissionDenied), "permission_denied");
        assert_eq!(kind(io::ErrorKind::ReadOnlyFilesystem), "permission_denied");
        assert_eq!(kind(io::ErrorKind::NotADirectory), "not_a_folder");
        assert_eq!(kind(io::ErrorKind::Interrupted), "io");
    }
}
