//! Weight files: safetensors with the network, its input contract and its card in the metadata.

pub mod file;
pub mod pickle;
pub mod pth;

pub use file::{WeightFile, atomic_write, sha256_hex};
