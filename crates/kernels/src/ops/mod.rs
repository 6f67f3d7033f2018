//! Layers other than convolution, one file each, on views of blocked activations. Shapes are checked by
//! [`crate::Graph::shapes`] before; what is asserted here is that views and shapes agree.

pub mod activation;
pub mod attention;
pub mod batch_norm;
pub mod copy;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod global_pool;
pub mod layer_norm;
pub mod layout;
pub mod pool;
pub mod resize;
pub mod select;
pub mod shuffle;
pub mod slices;
pub mod softmax;
pub mod windows;
