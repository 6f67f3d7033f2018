//! Networks on volumes: layers over three axes, written with the layers for images and those along the slices.
//!
//! A volume is `slices` images one behind the other in the batch, `[v s, c, h, w]`, so batch normalisation and pointwise
//! layers need nothing of their own. The number of slices is part of the graph, rows and columns are not.

use crate::builder::{Conv, GraphBuilder};
use hilum_kernels::{NodeId, Op, SlicePooling, SliceWindow};

/// A node whose batch is volumes of `slices` slices each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// The node.
    pub node: NodeId,
    /// Slices of a volume.
    pub slices: usize,
}

impl Volume {
    fn window(self, taps: usize, stride: usize, padding: usize) -> SliceWindow {
        SliceWindow {
            slices: self.slices,
            taps,
            stride,
            padding,
        }
    }
}

/// Windows along an axis; zero when none fits, which the shape check refuses.
fn count(length: usize, taps: usize, stride: usize, padding: usize) -> usize {
    (length + 2 * padding)
        .checked_sub(taps)
        .map_or(0, |rest| rest / stride.max(1) + 1)
}

impl GraphBuilder {
    /// A 3-D convolution with a cubic kernel, the same stride and padding on every axis. Its weight is
    /// `[to, kernel from, kernel, kernel]`, tap after tap; published `[to, from, kernel, kernel, kernel]` load by name.
    pub fn conv3(&mut self, name: &str, x: Volume, c: Conv) -> Volume {
        let gathered = Op::GatherSlices {
            window: x.window(c.kernel, c.stride, c.padding),
        };
        let node = self.node(&format!("{name}.slices"), gathered, &[x.node]);
        let node = self.conv(
            name,
            node,
            Conv {
                from: c.from * c.kernel,
                ..c
            },
        );
        Volume {
            node,
            slices: count(x.slices, c.kernel, c.stride, c.padding),
        }
    }

    /// 3-D convolution, batch normalisation and ReLU.
    pub fn conv3_bn_relu(&mut self, conv: &str, bn: &str, x: Volume, c: Conv) -> Volume {
        let y = self.conv3(conv, x, c);
        let node = self.batch_norm(bn, y.node, c.to);
        Volume {
            node: self.relu(node),
            ..y
        }
    }

    /// 3-D max pooling with stride `k`, without padding.
    pub fn max_pool3(&mut self, name: &str, x: Volume, k: usize) -> Volume {
        let flat = self.max_pool(&format!("{name}.image"), x.node, k, k, 0);
        let pooled = Op::PoolSlices {
            window: x.window(k, k, 0),
            kind: SlicePooling::Max,
        };
        Volume {
            node: self.node(name, pooled, &[flat]),
            slices: count(x.slices, k, k, 0),
        }
    }

    /// Trilinear resizing to the extents of `like`.
    pub fn resize3_like(
        &mut self,
        name: &str,
        x: Volume,
        like: Volume,
        align_corners: bool,
    ) -> Volume {
        let stretched = Op::ResizeSlices {
            slices: x.slices,
            to: like.slices,
            align_corners,
        };
        let node = self.node(&format!("{name}.slices"), stretched, &[x.node]);
        let node = self.node(name, Op::UpsampleLike { align_corners }, &[node, like.node]);
        Volume {
            node,
            slices: like.slices,
        }
    }

    /// Mean over the whole volume: `[v s, c, h, w]` to `[v, c, 1, 1]`.
    pub fn global_avg3(&mut self, name: &str, x: Volume) -> NodeId {
        let flat = self.node(&format!("{name}.image"), Op::GlobalAvgPool, &[x.node]);
        let mean = Op::PoolSlices {
            window: x.window(x.slices, 1, 0),
            kind: SlicePooling::Mean,
        };
        self.node(name, mean, &[flat])
    }
}

/// A published 3-D weight `[a, b, k, k, k]` as the `[a, k b, k, k]` of a graph; `None` when the shapes are not those. Only cubic
/// kernels: of others the two could not be told apart for sure.
pub(crate) fn gathered_weight(values: &[f32], from: &[usize], to: &[usize]) -> Option<Vec<f32>> {
    let (&[a, b, d, h, w], &[ta, tdb, th, tw]) = (from, to) else {
        return None;
    };
    if [a, d * b, h, w] != [ta, tdb, th, tw]
        || [h, w] != [d, d]
        || values.len() != a * b * d * h * w
    {
        return None;
    }
    let mut out = Vec::with_capacity(values.len());
    for (o, tap, i) in (0..a * d * b).map(|k| (k / (d * b), k / b % d, k % b)) {
        out.extend_from_slice(&values[((o * b + i) * d + tap) * h * w..][..h * w]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightFile;
    use hilum_kernels::Plan;

    fn network() -> hilum_kernels::Graph {
        let (mut b, input) = GraphBuilder::new(2);
        let x = Volume {
            node: input,
            slices: 8,
        };
        let skip = b.conv3_bn_relu("c0", "b0", x, Conv::same(2, 4, 3));
        let x = b.max_pool3("pool", skip, 2);
        let x = b.conv3("c1", x, Conv::same(4, 6, 3).stride(2).with_bias());
        let x = b.resize3_like("up", x, skip, true);
        let mean = b.global_avg3("mean", x);
        b.output("up", x.node);
        b.output("mean", mean);
        b.finish()
    }

    #[test]
    fn shapes_over_three_axes() {
        let shapes = network().shapes([16, 2, 12, 10]).unwrap();
        let of = |name: &str| &shapes[network().node(name).unwrap()];
        assert_eq!(*of("pool"), [8, 4, 6, 5]);
        assert_eq!(*of("c1"), [4, 6, 3, 3]);
        assert_eq!(*of("up"), [16, 6, 12, 10]);
        assert_eq!(*of("mean"), [2, 6, 1, 1]);
    }

    #[test]
    fn published_weights_load_by_name() {
        let graph = network();
        let mut file = WeightFile::from_params(&graph, &graph.init_params(1));
        let published: Vec<f32> = (0..4 * 2 * 27).map(|v| v as f32).collect();
        file.tensors
            .insert("c0.weight".into(), (vec![4, 2, 3, 3, 3], published));
        let params = file.params_for(&graph).unwrap();
        let at = graph
            .params
            .iter()
            .position(|p| p.name == "c0.weight")
            .unwrap();
        // Output 1, tap 2, input 1: in the file output 1, input 1, tap 2.
        let here = (6 + 2 * 2 + 1) * 9;
        assert_eq!(params[at][here], (((2 + 1) * 3 + 2) * 9) as f32);
        Plan::new(&graph, &params).unwrap();
        file.tensors
            .insert("c0.weight".into(), (vec![4, 3, 2, 3, 3], vec![0.0; 216]));
        assert!(file.params_for(&graph).is_err());
    }
}
