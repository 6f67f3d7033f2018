//! Readings as objects that others can read, and back.

pub mod code;
pub mod context;
pub mod error;
pub mod fhir;
pub mod files;
pub mod gsps;
pub mod item;
pub mod pdf;
pub mod report;
pub mod sc;
pub mod seg;
pub mod source;

pub use context::Context;
pub use error::{ObjectError, Result};
