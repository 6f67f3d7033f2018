//! What can be wrong with a chest CT.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum ChestCtError {
    /// A structure that is not in the volume.
    #[error("no {what}: {reason}")]
    Missing {
        /// Which.
        what: &'static str,
        /// Why it is thought not to be there.
        reason: String,
    },
    /// A setting out of range.
    #[error("{name} = {value}: {range}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// Volumes that do not lie on one grid.
    #[error("{what} does not lie on the grid of the CT")]
    Grid {
        /// Which one.
        what: &'static str,
    },
    /// A file that cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An annotation file that is not what it should be.
    #[error("{}: {reason}", path.display())]
    Xml {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Volumes.
    #[error(transparent)]
    Volume(#[from] hilum_volume::VolumeError),
}
