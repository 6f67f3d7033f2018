//! Published methods on shared blocks. A method's folder holds what its paper adds and nothing else.

pub mod error;

pub use error::{MethodError, Result};
