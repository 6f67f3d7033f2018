//! What can be wrong with masks, and why an index is not taken.

use crate::structure::Structure;

/// Errors of this crate: masks that cannot belong to one image.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MeasureError {
    /// A mask of another size.
    #[error(
        "the mask of {structure} has {got_width} x {got_height} pixels, the image {width} x {height}"
    )]
    Size {
        /// Which mask.
        structure: Structure,
        /// Width of the image.
        width: usize,
        /// Height of the image.
        height: usize,
        /// Width of the mask.
        got_width: usize,
        /// Height of the mask.
        got_height: usize,
    },
    /// Two masks of one structure.
    #[error("there are two masks of {structure}")]
    Twice {
        /// Which structure.
        structure: Structure,
    },
    /// An image without pixels.
    #[error("an image of {width} x {height} pixels holds nothing to measure")]
    NoPixels {
        /// Width.
        width: usize,
        /// Height.
        height: usize,
    },
    /// An overlay on a picture of another size, or one that could not be drawn.
    #[error(transparent)]
    Image(#[from] hilum_image::ImageError),
}

/// Why an index is null.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// There is no mask of a structure.
    #[error("there is no mask of {0}")]
    Missing(Structure),
    /// A mask without pixels.
    #[error("the mask of {0} is empty")]
    Empty(Structure),
    /// A mask in several large parts.
    #[error("the mask of {structure} is in parts: the largest holds {percent:.0} % of it")]
    InParts {
        /// Which mask.
        structure: Structure,
        /// Share of the largest part in percent.
        percent: f64,
    },
    /// The two lungs are one piece.
    #[error("the two lungs cannot be told apart")]
    LungsNotSeparate,
    /// Right and left are exchanged, or the image is mirrored.
    #[error(
        "the mask of {right} lies to the right of {left} on the image: the sides are exchanged"
    )]
    SidesExchanged {
        /// The structure that should lie on the left of the image.
        right: Structure,
        /// The other one.
        left: Structure,
    },
    /// One lung much smaller than the other.
    #[error("one lung is less than a third of the other")]
    LungsUnequal,
    /// The lungs are cut by the edge of the image.
    #[error("the lungs touch the left or right edge of the image, so the thorax may be cut")]
    ThoraxCut,
    /// The trachea does not divide within its mask.
    #[error("the mask of the trachea shows no bifurcation")]
    NoBifurcation,
    /// Something that is measured lies where it cannot be.
    #[error("{0}")]
    Misplaced(&'static str),
    /// A measure outside what bodies have.
    #[error("{what} is {value:.3}, outside {low} to {high}")]
    Implausible {
        /// What.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Least believable value.
        low: f64,
        /// Largest.
        high: f64,
    },
}

impl Refusal {
    /// `Err` with [`Refusal::Implausible`] when `value` is not within `low..=high`.
    pub(crate) fn unless_within(
        what: &'static str,
        value: f64,
        low: f64,
        high: f64,
    ) -> Result<f64, Refusal> {
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        Err(Refusal::Implausible {
            what,
            value,
            low,
            high,
        })
    }
}
