//! wip
pub mod bcd;
pub mod config;
pub mod convergence;
pub mod lifted;
pub mod model;
pub mod problem;
pub mod simulate;
pub mod tasks;
pub use config::Config;
