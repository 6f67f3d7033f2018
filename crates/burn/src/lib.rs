//! The layer graph of `hilum-kernels` on burn, behind [`hilum_nn::engine::Engine`].
//!
//! The same nodes, the same parameters and the same checkpoints as on the CPU: a run that was begun by one
//! engine goes on with another. Losses and optimisers stay where they are, on the host.
//!
//! Which devices there are is chosen when this is built: feature `vulkan` (any GPU with a Vulkan driver), `flex`
//! (burn's CPU backend; slower than the project's own kernels, for tests), `cuda` (its build fetches an LLVM).
#![cfg(any(feature = "cuda", feature = "flex", feature = "vulkan"))]

mod device;
mod engine;
mod forward;
mod ops;

pub use device::{NAMES, device};
pub use engine::BurnEngine;
