//! Convolutional networks on the CPU: kernels with their gradients, a graph of layers, an inference
//! plan that folds and fuses, and a training step. It knows nothing of X-rays or files.

// Kernels walk several arrays by one index; iterators over each would hide which places meet.
#![allow(clippy::needless_range_loop)]

mod branch_shapes;
pub mod buffer;
pub mod conv;
pub mod error;
pub mod graph;
mod init;
pub mod machine;
pub mod ops;
mod parallel;
pub mod plan;
pub mod profile;
mod shapes;
pub mod simd;
mod slice_shapes;
pub mod tensor;
pub mod timing;
mod token_shapes;
pub mod train;
pub mod view;

pub use error::KernelError;
pub use graph::{Graph, Init, Node, NodeId, Op, ParamId, ParamInfo, ParamRole, Params};
pub use ops::slices::{SlicePooling, SliceWindow};
pub use plan::Plan;
pub use tensor::Tensor;
pub use timing::{Pass, Timing};
pub use train::{Gradients, Mode, Rule, Trainer, Wanted};
