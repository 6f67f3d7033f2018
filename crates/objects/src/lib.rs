//! Readings as objects that others can read, and back.

pub mod code;
pub mod error;

pub use error::{ObjectError, Result};
