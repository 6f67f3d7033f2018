//! Convolutional networks on the CPU: kernels with their gradients, a graph of layers, an inference
//! plan that folds and fuses, and a training step. It knows nothing of X-rays or files.

pub mod graph;
pub mod tensor;

pub use graph::{Graph, Init, Node, NodeId, Op, ParamId, ParamInfo, ParamRole, Params};
pub use tensor::Tensor;
