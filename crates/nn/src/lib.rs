//! Networks: how they are written down, the backbones with the published checkpoint keys, weights
//! with their input contract, losses, optimisers and the one training loop.
//!
//! A network is a [`hilum_kernels::Graph`]; whoever runs it (the CPU kernels, an ONNX runtime, another
//! engine) walks the same nodes.

pub mod backbones;
pub mod builder;
pub mod chart;
pub mod contract;
pub mod engine;
pub mod error;
pub mod losses;
pub mod network;
pub mod onnx;
pub mod optim;
pub mod train;
pub mod volume;
pub mod weights;

pub use contract::{Fit, InputContract, Scaling};
pub use error::NnError;
pub use network::Network;
