//! What can be wrong with a projection.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum DrrError {
    /// A parameter outside its range.
    #[error("{name} = {value} is out of range: {range}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// A source or detector inside the volume: the ray would start in the body.
    #[error("the {what} lies inside the volume: increase --sad or --sid, or cut the volume")]
    Inside {
        /// Source or detector.
        what: &'static str,
    },
    /// The volume's map cannot be inverted.
    #[error(transparent)]
    Volume(#[from] hilum_volume::VolumeError),
    /// Pixel work that failed.
    #[error(transparent)]
    Image(#[from] hilum_image::ImageError),
}

impl DrrError {
    pub(crate) fn check(
        ok: bool,
        name: &'static str,
        value: f64,
        range: &'static str,
    ) -> Result<(), Self> {
        if ok {
            Ok(())
        } else {
            Err(DrrError::Parameter { name, value, range })
        }
    }
}
