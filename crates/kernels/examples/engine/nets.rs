//! The networks that the bench runs: ResNet-18 and DenseNet-121 as in torchvision, and a small U-Net.

use hilum_kernels::{Graph, Init, Node, NodeId, Op, ParamId, ParamInfo, ParamRole};

/// Builds graphs layer by layer.
#[derive(Default)]
pub struct Net {
    graph: Graph,
}

impl Net {
    fn new(channels: usize) -> Self {
        let mut net = Net::default();
        net.push(Op::Input { channels }, &[]);
        net
    }

    fn push(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
        let name = format!("n{}", self.graph.nodes.len());
        self.graph.nodes.push(Node {
            name,
            op,
            inputs: inputs.to_vec(),
        });
        self.graph.nodes.len() - 1
    }

    fn param(&mut self, shape: &[usize], role: ParamRole, init: Init) -> ParamId {
        let name = format!("p{}", self.graph.params.len());
        self.graph.params.push(ParamInfo {
            name,
            shape: shape.to_vec(),
            role,
            init,
        });
        self.graph.params.len() - 1
    }

    fn conv(&mut self, x: NodeId, [i, o]: [usize; 2], kernel: usize, stride: usize) -> NodeId {
        let weight = self.param(
            &[o, i, kernel, kernel],
            ParamRole::Weight,
            Init::KaimingFanOut,
        );
        let padding = [kernel / 2; 2];
        self.push(
            Op::Conv2d {
                weight,
                bias: None,
                stride: [stride; 2],
                padding,
                dilation: [1, 1],
                groups: 1,
            },
            &[x],
        )
    }

    fn bn(&mut self, x: NodeId, c: usize) -> NodeId {
        let weight = self.param(&[c], ParamRole::Norm, Init::Constant(1.0));
        let bias = self.param(&[c], ParamRole::Norm, Init::Constant(0.0));
        let mean = self.param(&[c], ParamRole::Buffer, Init::Constant(0.0));
        let var = self.param(&[c], ParamRole::Buffer, Init::Constant(1.0));
        self.push(
            Op::BatchNorm {
                weight,
                bias,
                mean,
                var,
                eps: 1e-5,
                momentum: 0.1,
            },
            &[x],
        )
    }

    fn conv_bn_relu(
        &mut self,
        x: NodeId,
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> NodeId {
        let y = self.conv(x, channels, kernel, stride);
        let y = self.bn(y, channels[1]);
        self.push(Op::Relu, &[y])
    }

    fn bn_relu(&mut self, x: NodeId, c: usize) -> NodeId {
        let y = self.bn(x, c);
        self.push(Op::Relu, &[y])
    }

    fn max_pool(&mut self, x: NodeId, kernel: usize, stride: usize) -> NodeId {
        let padding = [(kernel - 1) / 2; 2];
        self.push(
            Op::MaxPool2d {
                kernel: [kernel; 2],
                stride: [stride; 2],
                padding,
                ceil: false,
            },
            &[x],
        )
    }

    fn classify(mut self, x: NodeId, channels: usize, classes: usize) -> Graph {
        let x = self.push(Op::GlobalAvgPool, &[x]);
        let x = self.push(Op::Flatten, &[x]);
        let weight = self.param(&[classes, channels], ParamRole::Weight, Init::UniformFanIn);
        let bias = Some(self.param(&[classes], ParamRole::Bias, Init::Constant(0.0)));
        let x = self.push(Op::Linear { weight, bias }, &[x]);
        self.graph.outputs.push(("logits".into(), x));
        self.graph
    }
}

/// ResNet-18 (He et al. 2016).
pub fn resnet18(channels: usize) -> Graph {
    let mut net = Net::new(channels);
    let x = net.conv_bn_relu(0, [channels, 64], 7, 2);
    let mut x = net.max_pool(x, 3, 2);
    let mut from = 64;
    for (stage, to) in [64, 128, 256, 512].into_iter().enumerate() {
        for block in 0..2 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let y = net.conv_bn_relu(x, [from, to], 3, stride);
            let y = net.conv(y, [to, to], 3, 1);
            let y = net.bn(y, to);
            if stride == 2 {
                x = net.conv(x, [from, to], 1, 2);
                x = net.bn(x, to);
            }
            let sum = net.push(Op::Add, &[y, x]);
            x = net.push(Op::Relu, &[sum]);
            from = to;
        }
    }
    net.classify(x, 512, 14)
}

/// DenseNet-121 (Huang et al. 2017).
pub fn densenet121(channels: usize) -> Graph {
    let mut net = Net::new(channels);
    let x = net.conv_bn_relu(0, [channels, 64], 7, 2);
    let mut x = net.max_pool(x, 3, 2);
    let mut width = 64;
    for (block, layers) in [6, 12, 24, 16].into_iter().enumerate() {
        let mut features = vec![x];
        for _ in 0..layers {
            let joined = net.push(Op::Concat, &features);
            let y = net.bn_relu(joined, width);
            let y = net.conv(y, [width, 128], 1, 1);
            let y = net.bn_relu(y, 128);
            features.push(net.conv(y, [128, 32], 3, 1));
            width += 32;
        }
        x = net.push(Op::Concat, &features);
        x = net.bn_relu(x, width);
        if block < 3 {
            x = net.conv(x, [width, width / 2], 1, 1);
            x = net.push(
                Op::AvgPool2d {
                    kernel: [2, 2],
                    stride: [2, 2],
                },
                &[x],
            );
            width /= 2;
        }
    }
    net.classify(x, width, 14)
}

/// A U-Net of four levels (Ronneberger et al. 2015) with padding and batch norm, `width` channels at the top.
pub fn unet(channels: usize, width: usize) -> Graph {
    let mut net = Net::new(channels);
    let (mut x, mut from, mut skips) = (0, channels, Vec::new());
    for level in 0..4 {
        let to = width << level;
        x = net.conv_bn_relu(x, [from, to], 3, 1);
        x = net.conv_bn_relu(x, [to, to], 3, 1);
        skips.push(x);
        x = net.max_pool(x, 2, 2);
        from = to;
    }
    let bottom = width << 4;
    x = net.conv_bn_relu(x, [from, bottom], 3, 1);
    x = net.conv_bn_relu(x, [bottom, bottom], 3, 1);
    from = bottom;
    for level in (0..4).rev() {
        let to = width << level;
        let weight = net.param(&[from, to, 2, 2], ParamRole::Weight, Init::KaimingFanIn);
        let bias = Some(net.param(&[to], ParamRole::Bias, Init::Constant(0.0)));
        let op = Op::ConvTranspose2d {
            weight,
            bias,
            stride: [2, 2],
            padding: [0, 0],
            output_padding: [0, 0],
        };
        x = net.push(op, &[x]);
        x = net.push(Op::Concat, &[skips[level], x]);
        x = net.conv_bn_relu(x, [2 * to, to], 3, 1);
        x = net.conv_bn_relu(x, [to, to], 3, 1);
        from = to;
    }
    x = net.conv(x, [width, 1], 1, 1);
    net.graph.outputs.push(("mask".into(), x));
    net.graph
}

/// A small classifier: three convolutions with pooling between.
pub fn small_cnn(channels: usize) -> Graph {
    let mut net = Net::new(channels);
    let x = net.conv_bn_relu(0, [channels, 16], 3, 1);
    let x = net.max_pool(x, 2, 2);
    let x = net.conv_bn_relu(x, [16, 32], 3, 1);
    let x = net.max_pool(x, 2, 2);
    let x = net.conv_bn_relu(x, [32, 64], 3, 1);
    net.classify(x, 64, 14)
}

/// By name.
pub fn by_name(name: &str) -> Option<(Graph, [usize; 3])> {
    Some(match name {
        "resnet18" => (resnet18(3), [3, 224, 224]),
        "densenet121" => (densenet121(3), [3, 224, 224]),
        "unet" => (unet(1, 16), [1, 256, 256]),
        "small" => (small_cnn(1), [1, 128, 128]),
        _ => return None,
    })
}
