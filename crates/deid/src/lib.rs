//! De-identification of DICOM objects: the basic application-level confidentiality profile of PS3.15, annex E, with its options.
//!
//! [`Deidentifier::apply`] takes a data set and gives back another one and a [`Report`] of what was done to which attribute.
//! UIDs, pseudonyms and date shifts come from a secret: the same secret gives the same ones for all objects, and without it
//! nobody can tell which they were. [`burned_in::suspect`] says which images may have text in their pixels.
//!
//! What the profile asks for is in `profile.csv`, one attribute of the standard's table E.1-1 a line.

mod apply;
pub mod burned_in;
mod clean;
mod dates;
pub mod error;
mod file;
mod options;
mod profile;
mod report;
mod secret;

pub use apply::Deidentifier;
pub use error::{DeidError, Result};
pub use options::{Options, SafePrivate};
pub use report::{Change, Done, Report};
pub use secret::Secret;
