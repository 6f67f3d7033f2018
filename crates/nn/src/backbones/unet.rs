//! U-Net (Ronneberger et al. 2015) in its batch-normalised form.

use crate::builder::{Conv, GraphBuilder};
use hilum_kernels::{Graph, NodeId, Op};
use serde::{Deserialize, Serialize};

/// How the decoder doubles the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpMode {
    /// Bilinear with aligned corners, no weights.
    Bilinear,
    /// Learned 2x2 transposed convolution.
    Transposed,
}

/// Sizes of a U-Net.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UNetConfig {
    /// Channels of each level, the first at full size.
    pub widths: Vec<usize>,
    /// Output channels, one logit map each.
    pub classes: usize,
    /// Upsampling.
    pub up: UpMode,
}

/// The graph; outputs `logits` `[n, classes, h, w]` and `bottom`, the deepest features.
pub fn unet(config: &UNetConfig, channels: usize) -> Graph {
    let (mut b, input) = GraphBuilder::new(channels);
    let mut skips = Vec::new();
    let mut x = input;
    let mut from = channels;
    for (level, &width) in config.widths.iter().enumerate() {
        let name = if level == 0 {
            "inc".to_owned()
        } else {
            format!("d{level}")
        };
        if level > 0 {
            x = b.max_pool(&format!("{name}.pool"), x, 2, 2, 0);
        }
        x = double_conv(&mut b, &name, x, from, width);
        skips.push((x, width));
        from = width;
    }
    let bottom = x;
    for level in (1..config.widths.len()).rev() {
        let (skip, width) = skips[level - 1];
        let (up, up_width) = upsample(&mut b, config.up, level, x, skip, [from, width]);
        let joined = b.concat(&format!("c{level}.concat"), &[skip, up]);
        x = double_conv(
            &mut b,
            &format!("c{level}"),
            joined,
            width + up_width,
            width,
        );
        from = width;
    }
    let logits = b.conv("outc", x, Conv::same(from, config.classes, 1).with_bias());
    b.output("logits", logits);
    b.output("bottom", bottom);
    b.finish()
}

fn upsample(
    b: &mut GraphBuilder,
    mode: UpMode,
    level: usize,
    x: NodeId,
    skip: NodeId,
    [from, to]: [usize; 2],
) -> (NodeId, usize) {
    let name = format!("u{level}");
    match mode {
        UpMode::Bilinear => (
            b.node(
                &name,
                Op::UpsampleLike {
                    align_corners: true,
                },
                &[x, skip],
            ),
            from,
        ),
        UpMode::Transposed => {
            let up = b.up_conv(&name, x, from, to, 2);
            (b.node(&format!("{name}.fit"), Op::FitLike, &[up, skip]), to)
        }
    }
}

fn double_conv(b: &mut GraphBuilder, name: &str, x: NodeId, from: usize, to: usize) -> NodeId {
    let y = b.conv_bn_relu(
        &format!("{name}.0"),
        &format!("{name}.1"),
        x,
        Conv::same(from, to, 3),
    );
    b.conv_bn_relu(
        &format!("{name}.3"),
        &format!("{name}.4"),
        y,
        Conv::same(to, to, 3),
    )
}
