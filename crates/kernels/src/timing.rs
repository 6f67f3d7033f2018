//! Where the time goes.

use std::time::Duration;

use crate::graph::NodeId;

/// Which way through the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// From input to outputs.
    Forward,
    /// From the outputs' gradients back.
    Backward,
}

/// Time of one node; layers that were fused count at the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Node.
    pub node: NodeId,
    /// Forward or backward.
    pub pass: Pass,
    /// By the clock.
    pub time: Duration,
}
