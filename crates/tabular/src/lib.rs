//! Tables of numbers: loading, folds, standardisation, classical learners behind one trait,
//! hyper-parameter search, exploratory reports, and the factorisations that dictionaries are learned with.
//!
//! The learners themselves come from kept crates (smartcore, linfa, forust); what is here makes them agree on
//! one input, one seed and one answer, and refuses input on which their figures would mean nothing.

pub mod eda;
pub mod error;
pub mod factor;
pub mod folds;
pub mod learner;
pub mod matrix;
pub mod scale;
pub mod search;
pub mod table;

pub use error::{Result, TabularError};
pub use folds::{folds, holdout, out_of_fold};
pub use learner::{Fitted, Learner, LearnerKind, fit_standardised};
pub use matrix::Matrix;
pub use scale::Standardiser;
pub use search::{Dimension, Point, Sampler, Search, Space, Trial, minimise};
pub use table::{LabelRule, RawTable, Table, TableSpec};
