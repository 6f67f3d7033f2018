//! Placeholder for the taxonomy; see the label algebra.
