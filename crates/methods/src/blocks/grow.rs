//! Layers put on a graph that is there already: heads of one's own on a published trunk.

use hilum_kernels::{Graph, Init, Node, NodeId, Op, ParamId, ParamInfo, ParamRole};

/// A node without parameters on one input.
pub fn push(graph: &mut Graph, name: &str, op: Op, input: NodeId) -> NodeId {
    graph.nodes.push(Node {
        name: name.to_owned(),
        op,
        inputs: vec![input],
    });
    graph.nodes.len() - 1
}

/// A convolution with bias that keeps the size, on a graph that is there already.
pub fn conv(graph: &mut Graph, name: &str, x: NodeId, [from, to, kernel]: [usize; 3]) -> NodeId {
    let shape = vec![to, from, kernel, kernel];
    let weight = weight(graph, name, shape, Init::KaimingFanIn);
    let bias = Some(bias(graph, name, to));
    let op = Op::Conv2d {
        weight,
        bias,
        stride: [1; 2],
        padding: [kernel / 2; 2],
        dilation: [1; 2],
        groups: 1,
    };
    push(graph, name, op, x)
}

/// A linear layer with bias.
pub fn linear(graph: &mut Graph, name: &str, x: NodeId, [from, to]: [usize; 2]) -> NodeId {
    let weight = weight(graph, name, vec![to, from], Init::UniformFanIn);
    let bias = Some(bias(graph, name, to));
    push(graph, name, Op::Linear { weight, bias }, x)
}

fn weight(graph: &mut Graph, name: &str, shape: Vec<usize>, init: Init) -> ParamId {
    graph.params.push(ParamInfo {
        name: format!("{name}.weight"),
        shape,
        role: ParamRole::Weight,
        init,
    });
    graph.params.len() - 1
}

fn bias(graph: &mut Graph, name: &str, to: usize) -> ParamId {
    graph.params.push(ParamInfo {
        name: format!("{name}.bias"),
        shape: vec![to],
        role: ParamRole::Bias,
        init: Init::Constant(0.0),
    });
    graph.params.len() - 1
}
