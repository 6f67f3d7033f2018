//! What can be wrong with a volume.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("{}: {reason}", path.display())]
    Bad {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that ends before its header says so.
    #[error("{}: ends after {got} of {expected} bytes of voxels", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header asks for.
        expected: u64,
        /// Bytes that were there.
        got: u64,
    },
    /// A header that asks for more memory than allowed; nothing was allocated.
    #[error("{}: the header claims {bytes} bytes of voxels, the limit is {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes claimed.
        bytes: u128,
        /// Most bytes allowed.
        limit: u64,
    },
    /// A voxel without a value.
    #[error("{}: {count} voxels are not finite, the first at index ({}, {}, {})", path.display(), index[0], index[1], index[2])]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The first.
        index: [usize; 3],
    },
    /// Sides and number of values do not fit.
    #[error("a volume of {}x{}x{} needs {expected} values, got {got}", size[0], size[1], size[2])]
    Shape {
        /// Sides.
        size: [usize; 3],
        /// Values needed.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// An index to space map that loses a dimension or skews.
    #[error("the voxel axes {reason}")]
    Geometry {
        /// What is wrong.
        reason: String,
    },
    /// A DICOM file that cannot be read.
    #[error(transparent)]
    Dicom(#[from] hilum_dicom::LoadError),
    /// Nothing in a mask where something is needed.
    #[error("the mask is empty: {what}")]
    Empty {
        /// What needed it.
        what: &'static str,
    },
}

impl VolumeError {
    pub(crate) fn bad(path: &std::path::Path, reason: impl Into<String>) -> Self {
        VolumeError::Bad {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        VolumeError::Io {
            path: path.to_owned(),
            source,
        }
    }
}
