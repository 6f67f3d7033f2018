//! Is a model right for the right reason, and for whom does it fail?
//!
//! [`masking`] hides the region that a finding lives in, or everything else, and so shows what a model reads elsewhere
//! (Sourget et al., Mask of truth).

pub mod error;
pub mod masking;

pub use error::{AuditError, Result};
pub use masking::{Condition, Masking};
