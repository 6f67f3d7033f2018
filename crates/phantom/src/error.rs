//! What can go wrong with a phantom.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum PhantomError {
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder that holds another set than the one asked for.
    #[error("{}: {reason}", path.display())]
    OtherSet {
        /// The folder.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// A setting outside its range.
    #[error("{name} = {value}: {range}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// A table or record that cannot be written.
    #[error("{}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The projection failed.
    #[error(transparent)]
    Drr(#[from] hilum_drr::DrrError),
    /// Pixel work failed.
    #[error(transparent)]
    Image(#[from] hilum_image::ImageError),
    /// A volume could not be made or written.
    #[error(transparent)]
    Volume(#[from] hilum_volume::VolumeError),
}

impl PhantomError {
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        PhantomError::Io {
            path: path.to_owned(),
            source,
        }
    }
}
