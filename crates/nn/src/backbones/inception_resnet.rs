//! Inception modules with a shortcut around them (Inception-ResNet, Szegedy et al. 2017, section 3.2), in small.
//!
//! The paper scales a module's output by 0.1 to 0.3 before it is added; batch normalisation of the last convolution, whose
//! scale is learned, stands for that here.

use crate::builder::{Conv, GraphBuilder, Head};
use hilum_kernels::{Graph, NodeId};
use serde::{Deserialize, Serialize};

/// Sizes of a small Inception-ResNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InceptionResNetConfig {
    /// Channels after the first convolution.
    pub stem: usize,
    /// Modules of each stage; a reduction stands between stages and doubles the channels.
    pub stages: Vec<usize>,
    /// Width of each of the three branches of the first stage's modules, doubled with every stage.
    pub branch: usize,
}

impl InceptionResNetConfig {
    /// A small one for two cores.
    pub fn small() -> Self {
        InceptionResNetConfig {
            stem: 32,
            stages: vec![2, 3, 2],
            branch: 8,
        }
    }
}

/// The graph; outputs `logits` and `features`.
pub fn inception_resnet(config: &InceptionResNetConfig, channels: usize, head: &Head) -> Graph {
    let (mut b, x) = GraphBuilder::new(channels);
    let stem = Conv {
        padding: 3,
        ..Conv::same(channels, config.stem, 7).stride(2)
    };
    let x = b.conv_bn_relu("stem.0", "stem.1", x, stem);
    let mut x = b.max_pool("stem.pool", x, 3, 2, 1);
    let mut width = config.stem;
    for (stage, &modules) in config.stages.iter().enumerate() {
        if stage > 0 {
            x = reduction(&mut b, &format!("reduction{stage}"), x, width);
            width *= 2;
        }
        for module in 0..modules {
            let name = format!("repeat{}.{module}", stage + 1);
            x = residual(&mut b, &name, x, width, config.branch << stage);
        }
    }
    let logits = b.classifier("classif", x, width, head);
    b.output("logits", logits);
    b.output("features", x);
    b.finish()
}

fn unit(b: &mut GraphBuilder, name: &str, x: NodeId, conv: Conv) -> NodeId {
    b.conv_bn_relu(&format!("{name}.conv"), &format!("{name}.bn"), x, conv)
}

/// Half the size and twice the channels: a strided convolution beside a pooling.
fn reduction(b: &mut GraphBuilder, name: &str, x: NodeId, width: usize) -> NodeId {
    let conv = Conv::same(width, width, 3).stride(2);
    let left = unit(b, &format!("{name}.branch0"), x, conv);
    let right = b.max_pool(&format!("{name}.branch1"), x, 3, 2, 1);
    b.concat(&format!("{name}.concat"), &[left, right])
}

fn residual(b: &mut GraphBuilder, name: &str, x: NodeId, width: usize, branch: usize) -> NodeId {
    let part = |p: &str| format!("{name}.{p}");
    let one = unit(b, &part("branch0"), x, Conv::same(width, branch, 1));
    let three = unit(b, &part("branch1.0"), x, Conv::same(width, branch, 1));
    let three = unit(b, &part("branch1.1"), three, Conv::same(branch, branch, 3));
    let five = unit(b, &part("branch2.0"), x, Conv::same(width, branch, 1));
    let five = unit(b, &part("branch2.1"), five, Conv::same(branch, branch, 3));
    let five = unit(b, &part("branch2.2"), five, Conv::same(branch, branch, 3));
    let joined = b.concat(&part("concat"), &[one, three, five]);
    // Linear: the sum is rectified, not its parts.
    let y = b.conv(&part("conv2d"), joined, Conv::same(3 * branch, width, 1));
    let y = b.batch_norm(&part("bn"), y, width);
    let sum = b.add(&part("add"), x, y);
    b.relu(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_kernels::plan::Plan;
    use hilum_kernels::{Mode, Tensor, Trainer};

    #[test]
    fn stages_halve_the_maps_and_plan_and_trainer_agree() {
        let config = InceptionResNetConfig {
            stem: 8,
            stages: vec![1, 2],
            branch: 4,
        };
        let graph = inception_resnet(&config, 1, &Head::plain(3));
        let mut params = graph.init_params(1);
        let x = Tensor {
            shape: vec![2, 1, 32, 32],
            data: (0..2048)
                .map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0)
                .collect(),
        };
        let planned = Plan::new(&graph, &params).unwrap().run(&x).unwrap();
        assert_eq!(planned[0].shape, vec![2, 3]);
        assert_eq!(planned[1].shape, vec![2, 16, 4, 4]);
        let mut trainer = Trainer::new(graph).unwrap();
        let walked = trainer.forward(&mut params, &x, Mode::Eval).unwrap();
        for (a, b) in planned[0].data.iter().zip(&walked[0].data) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
}
