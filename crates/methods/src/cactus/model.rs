//! One encoder with two heads, and the same with a wider classifier.

use super::config::Config;
use crate::error::{MethodError, Result};
use hilum_kernels::{Graph, Init, Node, NodeId, Op, ParamInfo, ParamRole, Params};
use hilum_nn::backbones::resnet;
use hilum_nn::builder::Head;

/// Where the graph has the logits of the views.
pub const LOGITS: usize = 0;
/// Where it has the grades, scaled to -1 to 1.
pub const GRADES: usize = 1;
/// Beginning of the names of the grading head's parameters.
const GRADER: &str = "grade.";
/// Beginning of the names of the classifier's.
const CLASSIFIER: &str = "fc.";

/// Encoder, classifier `fc` of `views` views, and the head `grade` of two linear layers for `grades` grades
/// (a multilayer perceptron, as the paper's second component).
pub fn graph(config: &Config, views: usize, grades: usize) -> Graph {
    let mut graph = resnet(&config.encoder, 1, &Head::plain(views));
    let width = config.encoder.width << (config.encoder.layers.len() - 1);
    // The features themselves are no output: nobody asks for their gradient.
    graph.outputs.truncate(1);
    let flat = graph.node("flatten").unwrap_or(graph.outputs[0].1);
    let hidden = linear(&mut graph, "grade.0", flat, [width, config.hidden]);
    let hidden = push(&mut graph, "grade.1", Op::Relu, hidden);
    let grade = linear(&mut graph, "grade.2", hidden, [config.hidden, grades]);
    graph.outputs.push(("grades".to_owned(), grade));
    graph
}

fn push(graph: &mut Graph, name: &str, op: Op, input: NodeId) -> NodeId {
    graph.nodes.push(Node {
        name: name.to_owned(),
        op,
        inputs: vec![input],
    });
    graph.nodes.len() - 1
}

fn linear(graph: &mut Graph, name: &str, x: NodeId, [from, to]: [usize; 2]) -> NodeId {
    let mut param = |part: &str, shape: Vec<usize>, role, init| {
        graph.params.push(ParamInfo {
            name: format!("{name}.{part}"),
            shape,
            role,
            init,
        });
        graph.params.len() - 1
    };
    let weight = param(
        "weight",
        vec![to, from],
        ParamRole::Weight,
        Init::UniformFanIn,
    );
    let bias = param("bias", vec![to], ParamRole::Bias, Init::Constant(0.0));
    let op = Op::Linear {
        weight,
        bias: Some(bias),
    };
    push(graph, name, op, x)
}

/// The encoder and classifier of `learned` with a fresh grading head: where the second component begins.
pub fn with_fresh_grader(graph: &Graph, learned: &Params, seed: u64) -> Params {
    let fresh = graph.init_params(seed);
    let pairs = graph.params.iter().zip(learned).zip(fresh);
    pairs
        .map(|((info, old), new)| {
            if info.name.starts_with(GRADER) {
                new
            } else {
                old.clone()
            }
        })
        .collect()
}

/// Everything of `learned` in the larger graph `to`, whose classifier keeps the old views' rows and begins the new ones'
/// afresh.
///
/// # Errors
/// [`MethodError::Config`] when `to` is not that graph with more views.
pub fn enlarged(from: &Graph, learned: &Params, to: &Graph, seed: u64) -> Result<Params> {
    let mut out = to.init_params(seed);
    for (info, own) in to.params.iter().zip(&mut out) {
        let old = from
            .params
            .iter()
            .zip(learned)
            .find(|(p, _)| p.name == info.name);
        let Some((_, values)) = old.filter(|(p, v)| fits(p, info) && v.len() <= own.len()) else {
            return Err(MethodError::Config(format!(
                "`{}` is not in the smaller network, or of another shape",
                info.name
            )));
        };
        own[..values.len()].copy_from_slice(values);
    }
    Ok(out)
}

/// The same shape, or more rows of the classifier.
fn fits(old: &ParamInfo, new: &ParamInfo) -> bool {
    let wider = new.name.starts_with(CLASSIFIER) && old.shape.get(1..) == new.shape.get(1..);
    wider || old.shape == new.shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::study::Settings;
    use hilum_kernels::Tensor;
    use hilum_kernels::plan::Plan;

    fn logits(graph: &Graph, params: &Params) -> Vec<Tensor> {
        let mut x = Tensor::zeros(&[2, 1, 32, 32]);
        for (i, v) in x.data.iter_mut().enumerate() {
            *v = ((i * 7) % 13) as f32 / 13.0 - 0.5;
        }
        Plan::new(graph, params).unwrap().run(&x).unwrap()
    }

    #[test]
    fn a_wider_classifier_says_the_same_of_old_views() {
        let config = Config::tiny();
        let (small, large) = (graph(&config, 3, 2), graph(&config, 4, 2));
        let params = small.init_params(1);
        let wide = enlarged(&small, &params, &large, 9).unwrap();
        let (a, b) = (logits(&small, &params), logits(&large, &wide));
        assert_eq!(a[LOGITS].shape, [2, 3]);
        assert_eq!(b[LOGITS].shape, [2, 4]);
        for i in 0..2 {
            for k in 0..3 {
                let gap = a[LOGITS].data[i * 3 + k] - b[LOGITS].data[i * 4 + k];
                assert!(gap.abs() < 1e-5, "{gap}");
            }
        }
        assert_eq!(a[GRADES], b[GRADES]);
        assert!(enlarged(&large, &wide, &small, 9).is_err());
    }

    #[test]
    fn transfer_keeps_the_encoder_and_begins_the_grader_afresh() {
        let config = Config::tiny();
        let graph = graph(&config, 3, 2);
        let (learned, fresh) = (graph.init_params(1), graph.init_params(5));
        let got = with_fresh_grader(&graph, &learned, 5);
        for (i, info) in graph.params.iter().enumerate() {
            let expected = if info.name.starts_with("grade.") {
                &fresh[i]
            } else {
                &learned[i]
            };
            assert_eq!(&got[i], expected, "{}", info.name);
        }
    }
}
