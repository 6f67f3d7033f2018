//! The super-resolution module and the classifier.

use super::config::{Config, Enlarger, Judge};
use hilum_kernels::{Graph, Init, NodeId, Op};
use hilum_nn::builder::{Conv, GraphBuilder};

/// Slope of the rectifiers after enlarging, as in the release.
const SLOPE: f32 = 0.2;
/// Deviation of the last layer's start values: the module begins at the bicubic picture.
const LAST_STD: f32 = 1e-3;
/// Classes.
pub const CLASSES: usize = 2;

/// Head, blocks with a long skip, doublings by pixel shuffle, two convolutions; output `picture`.
pub fn enlarger(config: &Config, channels: usize) -> Graph {
    let c = &config.enlarger;
    let n = c.channels;
    let (mut b, x) = GraphBuilder::new(channels);
    let head = b.conv("head", x, Conv::same(channels, n, 3).with_bias());
    let mut y = head;
    for block in 0..c.blocks {
        y = extraction(&mut b, &format!("body.{block}"), y, c);
    }
    y = b.conv("body.last", y, Conv::same(n, n, 3).with_bias());
    y = b.add("skip", y, head);
    for step in 0..config.steps() {
        let name = format!("up.{step}");
        y = b.conv(&name, y, Conv::same(n, 4 * n, 3).with_bias());
        y = b.pixel_shuffle(&format!("{name}.shuffle"), y, 2);
        y = leaky(&mut b, y);
    }
    y = b.conv("tail.0", y, Conv::same(n, n, 3).with_bias());
    y = leaky(&mut b, y);
    y = b.conv("tail.1", y, Conv::same(n, channels, 3));
    b.output("picture", y);
    let mut graph = b.finish();
    if c.residual {
        for info in graph
            .params
            .iter_mut()
            .filter(|p| p.name == "tail.1.weight")
        {
            info.init = Init::Normal { std: LAST_STD };
        }
    }
    graph
}

fn leaky(b: &mut GraphBuilder, x: NodeId) -> NodeId {
    let name = format!("act.{x}");
    b.node(&name, Op::LeakyRelu { slope: SLOPE }, &[x])
}

/// A multi-features extraction block: branches of growing distance, each of which sees the one before it and the block's input; each is
/// weighed by the softmax over the branches of a sigmoid of its own mean; the sum and the input go through a 1x1 convolution.
fn extraction(b: &mut GraphBuilder, name: &str, x: NodeId, c: &Enlarger) -> NodeId {
    let n = c.channels;
    let (mut gates, mut branches): (Vec<NodeId>, Vec<NodeId>) = (Vec::new(), Vec::new());
    for (k, &dilation) in c.dilations.iter().enumerate() {
        let own = format!("{name}.branch{k}");
        let seen = match branches.last() {
            Some(&before) => b.add(&format!("{own}.in"), before, x),
            None => x,
        };
        let conv = Conv::same(n, n, 3).dilation(dilation);
        let y = b.conv_bn_relu(&own, &format!("{own}.bn"), seen, conv);
        let mean = b.node(&format!("{own}.mean"), Op::GlobalAvgPool, &[y]);
        let gate = b.conv(&format!("{own}.gate"), mean, Conv::same(n, n, 1));
        gates.push(b.node(&format!("{own}.sigmoid"), Op::Sigmoid, &[gate]));
        branches.push(y);
    }
    let y = b.select(&format!("{name}.select"), &gates, &branches);
    let y = b.add(&format!("{name}.skip"), y, x);
    let project = format!("{name}.project");
    b.conv_bn_relu(&project, &format!("{project}.bn"), y, Conv::same(n, n, 1))
}

/// The classifier: selective-kernel units, three scales by pooling, fused from coarse to fine; outputs `logits` and `features`.
pub fn judge(config: &Config, channels: usize) -> Graph {
    let c = &config.judge;
    let (mut b, x) = GraphBuilder::new(channels);
    let stem = Conv::same(channels, c.stem, 7).stride(2);
    let mut y = b.conv_bn_relu("stem", "stem.bn", x, stem);
    let mut from = c.stem;
    for (stage, &[mid, to, units, stride]) in c.stages.iter().enumerate() {
        for unit in 0..units {
            let name = format!("stage{stage}.{unit}");
            let stride = if unit == 0 { stride } else { 1 };
            y = selective(&mut b, &name, y, [from, mid, to, stride], c);
            from = to;
        }
    }
    let fine = b.max_pool("scale1", y, 3, 2, 1);
    let middle = b.max_pool("scale2", fine, 3, 2, 1);
    let coarse = b.max_pool("scale3", middle, 3, 2, 1);
    let middle = fusion(&mut b, "fuse2", middle, coarse, from);
    let fine = fusion(&mut b, "fuse1", fine, middle, from);
    let means: Vec<NodeId> = [coarse, middle, fine]
        .iter()
        .enumerate()
        .map(|(k, &x)| b.node(&format!("mean{k}"), Op::GlobalAvgPool, &[x]))
        .collect();
    let joined = b.concat("joined", &means);
    let features = b.node("features", Op::Flatten, &[joined]);
    let hidden = b.linear("fc.0", features, 3 * from, c.hidden);
    let hidden = b.dropout("fc.1", hidden, 0.1);
    let hidden = b.relu(hidden);
    let logits = b.linear("fc.3", hidden, c.hidden, CLASSES);
    b.output("logits", logits);
    b.output("features", features);
    b.finish()
}

/// A selective-kernel unit (Li et al. 2019): 1x1, two 3x3 branches of distance 1 and 2 of which a gate chooses, 1x1, and a shortcut.
fn selective(
    b: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    [from, mid, to, stride]: [usize; 4],
    c: &Judge,
) -> NodeId {
    let named = |part: &str| format!("{name}.{part}");
    let y = b.conv_bn_relu(&named("in"), &named("in.bn"), x, Conv::same(from, mid, 1));
    let branches: Vec<NodeId> = (1..=2)
        .map(|dilation| {
            let own = named(&format!("branch{dilation}"));
            let conv = Conv::same(mid, mid, 3).dilation(dilation);
            let conv = conv.stride(stride).groups(c.groups);
            b.conv_bn_relu(&own, &format!("{own}.bn"), y, conv)
        })
        .collect();
    let sum = b.add(&named("sum"), branches[0], branches[1]);
    let mean = b.node(&named("mean"), Op::GlobalAvgPool, &[sum]);
    let width = (mid / 16).max(c.least);
    let squeeze = Conv::same(mid, width, 1);
    let z = b.conv_bn_relu(&named("squeeze"), &named("squeeze.bn"), mean, squeeze);
    let gates: Vec<NodeId> = (1..=2)
        .map(|k| {
            let conv = Conv::same(width, mid, 1).with_bias();
            b.conv(&named(&format!("gate{k}")), z, conv)
        })
        .collect();
    let y = b.select(&named("select"), &gates, &branches);
    let y = b.conv(&named("out"), y, Conv::same(mid, to, 1));
    let y = b.batch_norm(&named("out.bn"), y, to);
    let shortcut = if from == to && stride == 1 {
        x
    } else {
        let conv = Conv::same(from, to, 1).stride(stride);
        let s = b.conv(&named("shortcut"), x, conv);
        b.batch_norm(&named("shortcut.bn"), s, to)
    };
    let y = b.add(&named("add"), y, shortcut);
    b.relu(y)
}

/// Cross-scale fusion: the coarse map is enlarged by a transposed convolution; a gate made of both chooses between fine and coarse,
/// channel by channel. Where the fine side is odd, the enlarged map is cut to it.
fn fusion(b: &mut GraphBuilder, name: &str, fine: NodeId, coarse: NodeId, n: usize) -> NodeId {
    let named = |part: &str| format!("{name}.{part}");
    let up = b.up_conv(&named("up"), coarse, n, n, 2);
    let up = b.batch_norm(&named("up.bn"), up, n);
    let up = b.relu(up);
    let up = b.node(&named("fit"), Op::FitLike, &[up, fine]);
    let sum = b.add(&named("sum"), fine, up);
    let mean = b.node(&named("mean"), Op::GlobalAvgPool, &[sum]);
    let narrow = (n / 4).max(1);
    let mut one = |part: &str, x: NodeId, from: usize, to: usize| {
        let conv = Conv::same(from, to, 1).with_bias();
        b.conv_bn_relu(&named(part), &named(&format!("{part}.bn")), x, conv)
    };
    let z = one("down", mean, n, narrow);
    let z = one("widen", z, narrow, n);
    let gates = [one("gate1", z, n, n), one("gate2", z, n, n)];
    b.select(&named("select"), &gates, &[fine, up])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::study::Settings;
    use hilum_kernels::Tensor;
    use hilum_kernels::plan::Plan;

    fn run(graph: &Graph, shape: &[usize]) -> Vec<Tensor> {
        let plan = Plan::new(graph, &graph.init_params(1)).unwrap();
        let mut x = Tensor::zeros(shape);
        for (i, v) in x.data.iter_mut().enumerate() {
            *v = ((i * 7) % 11) as f32 / 11.0;
        }
        plan.run(&x).unwrap()
    }

    #[test]
    fn pictures_grow_by_the_scale_and_begin_near_the_bicubic_one() {
        for config in [Config::tiny(), Config::default()] {
            let out = run(&enlarger(&config, 3), &[2, 3, 8, 8]);
            assert_eq!(out[0].shape, [2, 3, 32, 32]);
            let most = out[0].data.iter().fold(0f32, |m, v| m.max(v.abs()));
            assert!(most > 0.0 && most < 0.5, "{most}");
        }
    }

    /// The published sizes, at the published widths.
    #[test]
    fn the_classifier_has_the_published_sizes_and_takes_odd_ones() {
        let paper = Config {
            judge: Judge {
                stem: 32,
                stages: vec![[32, 64, 2, 1], [64, 128, 2, 2], [128, 128, 4, 1]],
                groups: 32,
                least: 32,
                hidden: 256,
            },
            ..Config::default()
        };
        paper.validate().unwrap();
        let graph = judge(&paper, 3);
        let shapes = graph.shapes([1, 3, 96, 96]).unwrap();
        assert_eq!(shapes[graph.outputs[1].1], [1, 384]);
        for side in [32, 48, 64] {
            let out = run(&judge(&Config::default(), 3), &[2, 3, side, side]);
            assert_eq!(out[0].shape, [2, CLASSES]);
            assert_eq!(out[1].shape, [2, 96]);
            assert!(out[0].data.iter().all(|v| v.is_finite()));
        }
    }
}
