//! The three networks: global with its uncertainty head, local, and the one that mixes them.

use super::config::Config;
use crate::blocks::grow::{conv, push};
use hilum_kernels::{Graph, Op};
use hilum_nn::backbones::resnet;
use hilum_nn::builder::{Conv, GraphBuilder, Head};

/// The global network; outputs `logits`, `features` and `evidence`, two maps a class (α's, then β's).
pub fn global(config: &Config, classes: usize) -> Graph {
    let mut graph = resnet(&config.backbone, 1, &Head::plain(classes));
    let features = graph.outputs[1].1;
    let from = config.backbone.width << (config.backbone.layers.len() - 1);
    let hidden = conv(&mut graph, "evidence.0", features, [from, config.head, 3]);
    let hidden = push(&mut graph, "evidence.0.relu", Op::Relu, hidden);
    let maps = conv(
        &mut graph,
        "evidence.2",
        hidden,
        [config.head, 2 * classes, 1],
    );
    graph.outputs.push(("evidence".to_owned(), maps));
    graph
}

/// The local network on patches; outputs `logits` and `confidence`, before the logistic function.
pub fn local(config: &Config, classes: usize) -> Graph {
    let (mut b, mut x) = GraphBuilder::new(1);
    let mut from = 1;
    for (i, &to) in config.local.iter().enumerate() {
        x = b.conv_bn_relu(
            &format!("conv{i}"),
            &format!("bn{i}"),
            x,
            Conv::same(from, to, 3),
        );
        x = b.max_pool(&format!("pool{i}"), x, 2, 2, 0);
        from = to;
    }
    let pooled = b.node("pool", Op::GlobalAvgPool, &[x]);
    let flat = b.node("flatten", Op::Flatten, &[pooled]);
    let logits = b.linear("logits", flat, from, classes);
    let trust = b.linear("confidence", flat, from, 1);
    b.output("logits", logits);
    b.output("confidence", trust);
    b.finish()
}

/// The mix of both answers from global logits and mean uncertainty; output `mix`, before the logistic function.
pub fn mix(classes: usize) -> Graph {
    let (mut b, x) = GraphBuilder::new(classes + 1);
    let x = b.node("flatten", Op::Flatten, &[x]);
    let x = b.linear("hidden", x, classes + 1, 16);
    let x = b.relu(x);
    let y = b.linear("mix", x, 16, 1);
    b.output("mix", y);
    b.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::study::Settings;
    use hilum_kernels::Tensor;
    use hilum_kernels::plan::Plan;

    #[test]
    fn outputs_have_the_shapes_that_are_promised() {
        let config = Config::tiny();
        let run = |graph: Graph, shape: &[usize]| {
            let plan = Plan::new(&graph, &graph.init_params(1)).unwrap();
            let out = plan.run(&Tensor::zeros(shape)).unwrap();
            out.into_iter().map(|t| t.shape).collect::<Vec<_>>()
        };
        let shapes = run(global(&config, 3), &[2, 1, 64, 64]);
        assert_eq!(shapes[0], [2, 3]);
        assert_eq!(shapes[2][..2], [2, 6]);
        assert_eq!(shapes[1][2..], shapes[2][2..]);
        assert_eq!(
            run(local(&config, 3), &[6, 1, 16, 16]),
            [vec![6, 3], vec![6, 1]]
        );
        assert_eq!(run(mix(3), &[2, 4, 1, 1]), [vec![2, 1]]);
    }
}
