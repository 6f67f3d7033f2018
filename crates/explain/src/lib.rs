//! Why a network answered as it did.
//!
//! [`Net`] prepares a network once; the functions of [`mod@gradient`], [`perturb`] and [`cam`] attribute a class's logit
//! to pixels, all images of a batch at once; [`fidelity`] says by deletion and insertion whether a map may be
//! believed. [`attribute`] makes a map by a method's name. Those in captum's fixture are held to its numbers,
//! DeepLIFT to its axiom (`tests/captum.rs`).
//!
//! Inputs are `[n, c, h, w]` in network values, targets are class indices, one an image. Everything drawn is seeded.

pub mod baseline;
pub mod cam;
pub mod error;
pub mod fidelity;
pub mod gradient;
pub mod method;
pub mod net;
pub mod perturb;
mod rows;
pub mod segments;

pub use baseline::Baseline;
pub use error::ExplainError;
pub use method::{Effort, Method, attribute, evidence};
pub use net::{Layer, Net};
pub use segments::Segments;
