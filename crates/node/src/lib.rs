//! The DICOM network.
//!
//! [`scp::Listener`] receives, answers searches and moves; [`scu::Session`] does the same from the other side. Both
//! speak over a [`link::Link`], which limits length and time of everything that comes in.

pub mod audit;
pub mod auto;
pub mod command;
pub mod config;
pub mod dataset;
mod destination;
pub mod error;
pub mod link;
pub mod message;
mod oidc;
pub mod scp;
pub mod scu;
mod signed;
pub mod tls;
pub mod web;

pub use crate::config::Config;
pub use crate::error::{NodeError, Result};
