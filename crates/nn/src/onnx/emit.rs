//! From layers to ONNX nodes.

use super::proto::{Attribute, Graph as OnnxGraph, Node as OnnxNode, Tensor, ValueInfo};
use super::{INPUT, OnnxError, int};
use hilum_kernels::{Graph, NodeId, Op, ParamId, Params};
use std::collections::HashSet;

/// Collects nodes and initializers.
pub(super) struct Emitter<'a> {
    graph: &'a Graph,
    nodes: Vec<OnnxNode>,
    initializers: Vec<Tensor>,
    /// Name of the value of each layer so far.
    values: Vec<String>,
    names: HashSet<String>,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(graph: &'a Graph, params: &Params) -> Result<Self, OnnxError> {
        let (nodes, initializers, values) = (Vec::new(), Vec::new(), Vec::new());
        let mut emitter = Emitter {
            graph,
            nodes,
            initializers,
            values,
            names: HashSet::new(),
        };
        emitter.claim(INPUT)?;
        for (info, data) in graph.params.iter().zip(params) {
            let dims: Result<Vec<i64>, OnnxError> = info.shape.iter().map(|&n| int(n)).collect();
            emitter.claim(&info.name)?;
            emitter
                .initializers
                .push(Tensor::floats(&info.name, dims?, data));
        }
        Ok(emitter)
    }

    pub(super) fn finish(self, name: &str, input: ValueInfo, output: Vec<ValueInfo>) -> OnnxGraph {
        let (node, initializer) = (self.nodes, self.initializers);
        OnnxGraph {
            node,
            name: name.to_owned(),
            initializer,
            input: vec![input],
            output,
        }
    }

    /// Gives a value its public name; the identity costs nothing, as runtimes remove it.
    pub(super) fn output(&mut self, name: &str, id: NodeId) -> Result<(), OnnxError> {
        let value = self.values[id].clone();
        self.claim(name)?;
        self.push(OnnxNode {
            input: vec![value],
            output: vec![name.to_owned()],
            name: format!("/{name}/output"),
            op_type: "Identity".to_owned(),
            attribute: Vec::new(),
        });
        Ok(())
    }

    /// One layer.
    pub(super) fn node(&mut self, id: NodeId) -> Result<(), OnnxError> {
        let graph = self.graph;
        let node = &graph.nodes[id];
        let layer = format!("/{}", node.name);
        let x: Vec<String> = node
            .inputs
            .iter()
            .map(|&i| self.values[i].clone())
            .collect();
        let value = match &node.op {
            Op::Input { .. } => INPUT.to_owned(),
            // The identity outside training.
            Op::Dropout { .. } => x[0].clone(),
            Op::Conv2d { .. } => self.conv(&layer, &x[0], &node.op)?,
            Op::ConvTranspose2d { .. } => self.conv_transpose(&layer, &x[0], &node.op)?,
            Op::BatchNorm {
                weight,
                bias,
                mean,
                var,
                eps,
                ..
            } => {
                let mut inputs = x;
                inputs.extend([weight, bias, mean, var].map(|&p| self.param(p)));
                let eps = Attribute::float("epsilon", *eps);
                self.add(layer, "BatchNormalization", inputs, vec![eps])?
            }
            Op::Relu => self.add(layer, "Relu", x, vec![])?,
            Op::Relu6 => {
                let low = self.float(&format!("{layer}/min"), 0.0)?;
                let high = self.float(&format!("{layer}/max"), 6.0)?;
                self.add(layer, "Clip", vec![x[0].clone(), low, high], vec![])?
            }
            Op::LeakyRelu { slope } => self.add(
                layer,
                "LeakyRelu",
                x,
                vec![Attribute::float("alpha", *slope)],
            )?,
            Op::Sigmoid => self.add(layer, "Sigmoid", x, vec![])?,
            Op::Silu => {
                let gate = self.add(format!("{layer}/sigmoid"), "Sigmoid", x.clone(), vec![])?;
                self.add(layer, "Mul", vec![x[0].clone(), gate], vec![])?
            }
            Op::Tanh => self.add(layer, "Tanh", x, vec![])?,
            Op::Gelu => self.gelu(&layer, &x[0])?,
            Op::GeluTanh
            | Op::Embedding { .. }
            | Op::PositionEmbedding { .. }
            | Op::PrependToken { .. }
            | Op::TakePlace { .. }
            | Op::LayerNorm { .. }
            | Op::Attention { .. }
            | Op::ChannelAttention { .. }
            | Op::SplitWindows { .. }
            | Op::JoinWindows => {
                return Err(OnnxError::Unsupported {
                    layer: node.name.clone(),
                    kind: "layers for sequences are not exported",
                });
            }
            Op::GatherSlices { .. }
            | Op::SpreadSlices { .. }
            | Op::PoolSlices { .. }
            | Op::ResizeSlices { .. } => {
                return Err(OnnxError::Unsupported {
                    layer: node.name.clone(),
                    kind: "layers along the slices of volumes are not exported",
                });
            }
            Op::Select => {
                return Err(OnnxError::Unsupported {
                    layer: node.name.clone(),
                    kind: "weighed branches are not exported",
                });
            }
            Op::PixelShuffle { factor } => {
                let attributes = vec![
                    Attribute::int("blocksize", int(*factor)?),
                    Attribute::text("mode", "CRD"),
                ];
                self.add(layer, "DepthToSpace", x, attributes)?
            }
            Op::Add => self.add(layer, "Add", x, vec![])?,
            Op::Mul => self.add(layer, "Mul", x, vec![])?,
            Op::Concat => self.add(layer, "Concat", x, vec![Attribute::int("axis", 1)])?,
            Op::MaxPool2d {
                kernel,
                stride,
                padding,
                ceil,
            } => {
                let mut attributes = window(*kernel, *stride, *padding)?;
                attributes.push(Attribute::int("ceil_mode", i64::from(*ceil)));
                self.add(layer, "MaxPool", x, attributes)?
            }
            Op::AvgPool2d { kernel, stride } => {
                self.add(layer, "AveragePool", x, window(*kernel, *stride, [0, 0])?)?
            }
            Op::GlobalAvgPool => self.add(layer, "GlobalAveragePool", x, vec![])?,
            Op::GlobalMaxPool => self.add(layer, "GlobalMaxPool", x, vec![])?,
            Op::GlobalLsePool { r } => self.lse_pool(&layer, &x[0], *r)?,
            Op::UpsampleLike { align_corners } => self.upsample(&layer, &x, *align_corners)?,
            Op::FitLike => self.fit(&layer, &x)?,
            Op::Flatten => self.add(layer, "Flatten", x, vec![Attribute::int("axis", 1)])?,
            Op::Linear { weight, bias } => {
                let mut inputs = x;
                inputs.push(self.param(*weight));
                inputs.extend(bias.map(|b| self.param(b)));
                self.add(layer, "Gemm", inputs, vec![Attribute::int("transB", 1)])?
            }
        };
        self.values.push(value);
        Ok(())
    }

    fn conv(&mut self, layer: &str, x: &str, op: &Op) -> Result<String, OnnxError> {
        let Op::Conv2d {
            weight,
            bias,
            stride,
            padding,
            dilation,
            groups,
        } = op
        else {
            return Ok(x.to_owned());
        };
        let shape = &self.graph.params[*weight].shape;
        let mut attributes = window([shape[2], shape[3]], *stride, *padding)?;
        attributes.push(Attribute::ints("dilations", ints(dilation)?));
        attributes.push(Attribute::int("group", int(*groups)?));
        let mut inputs = vec![x.to_owned(), self.param(*weight)];
        inputs.extend(bias.map(|b| self.param(b)));
        self.add(layer.to_owned(), "Conv", inputs, attributes)
    }

    fn conv_transpose(&mut self, layer: &str, x: &str, op: &Op) -> Result<String, OnnxError> {
        let Op::ConvTranspose2d {
            weight,
            bias,
            stride,
            padding,
            output_padding,
        } = op
        else {
            return Ok(x.to_owned());
        };
        let shape = &self.graph.params[*weight].shape;
        let mut attributes = window([shape[2], shape[3]], *stride, *padding)?;
        attributes.push(Attribute::ints("output_padding", ints(output_padding)?));
        let mut inputs = vec![x.to_owned(), self.param(*weight)];
        inputs.extend(bias.map(|b| self.param(b)));
        self.add(layer.to_owned(), "ConvTranspose", inputs, attributes)
    }

    /// x (1 + erf(x / sqrt 2)) / 2, by layers that every runtime has.
    fn gelu(&mut self, layer: &str, x: &str) -> Result<String, OnnxError> {
        let root = self.float(&format!("{layer}/root"), std::f32::consts::SQRT_2)?;
        let one = self.float(&format!("{layer}/one"), 1.0)?;
        let half = self.float(&format!("{layer}/half"), 0.5)?;
        let mut step = |part: &str, kind: &str, a: String, b: Option<String>| {
            let inputs = [Some(a), b].into_iter().flatten().collect();
            self.add(format!("{layer}/{part}"), kind, inputs, vec![])
        };
        let y = step("scaled", "Div", x.to_owned(), Some(root))?;
        let y = step("erf", "Erf", y, None)?;
        let y = step("sum", "Add", y, Some(one))?;
        let y = step("product", "Mul", y, Some(x.to_owned()))?;
        step("gelu", "Mul", y, Some(half))
    }

    /// m + ln(mean(exp(r (x - m)))) / r with m the maximum, so that nothing overflows.
    fn lse_pool(&mut self, layer: &str, x: &str, r: f32) -> Result<String, OnnxError> {
        let mut step = |part: &str, kind: &str, inputs: [&str; 2]| {
            let inputs = inputs
                .into_iter()
                .filter(|i| !i.is_empty())
                .map(str::to_owned);
            self.add(format!("{layer}{part}"), kind, inputs.collect(), vec![])
        };
        let max = step("/max", "GlobalMaxPool", [x, ""])?;
        let below = step("/below", "Sub", [x, &max])?;
        let sharpness = format!("{layer}/r");
        let scaled = step("/scaled", "Mul", [&below, &sharpness])?;
        let exp = step("/exp", "Exp", [&scaled, ""])?;
        let mean = step("/mean", "GlobalAveragePool", [&exp, ""])?;
        let log = step("/log", "Log", [&mean, ""])?;
        let over_r = step("/over_r", "Div", [&log, &sharpness])?;
        let value = step("", "Add", [&max, &over_r])?;
        self.float(&sharpness, r)?;
        Ok(value)
    }

    /// Rows and columns of a value as a vector of two integers.
    fn rows_columns(&mut self, name: &str, of: &str) -> Result<String, OnnxError> {
        let shape = self.add(
            format!("{name}/shape"),
            "Shape",
            vec![of.to_owned()],
            vec![],
        )?;
        let start = self.shared("/const/2", &[2])?;
        let end = self.shared("/const/4", &[4])?;
        self.add(name.to_owned(), "Slice", vec![shape, start, end], vec![])
    }

    fn upsample(
        &mut self,
        layer: &str,
        x: &[String],
        align_corners: bool,
    ) -> Result<String, OnnxError> {
        let shape = self.add(
            format!("{layer}/x_shape"),
            "Shape",
            vec![x[0].clone()],
            vec![],
        )?;
        let start = self.shared("/const/0", &[0])?;
        let end = self.shared("/const/2", &[2])?;
        let outer = self.add(
            format!("{layer}/outer"),
            "Slice",
            vec![shape, start, end],
            vec![],
        )?;
        let inner = self.rows_columns(&format!("{layer}/like"), &x[1])?;
        let axis = vec![Attribute::int("axis", 0)];
        let sizes = self.add(format!("{layer}/sizes"), "Concat", vec![outer, inner], axis)?;
        let mode = if align_corners {
            "align_corners"
        } else {
            "half_pixel"
        };
        let attributes = vec![
            Attribute::text("mode", "linear"),
            Attribute::text("coordinate_transformation_mode", mode),
        ];
        // Region of interest and scales are left out; sizes alone decide.
        let inputs = vec![x[0].clone(), String::new(), String::new(), sizes];
        self.add(layer.to_owned(), "Resize", inputs, attributes)
    }

    /// Zeros at the end of rows and columns where the first input is smaller, then a cut.
    fn fit(&mut self, layer: &str, x: &[String]) -> Result<String, OnnxError> {
        let have = self.rows_columns(&format!("{layer}/have"), &x[0])?;
        let want = self.rows_columns(&format!("{layer}/want"), &x[1])?;
        let inputs = vec![want.clone(), have];
        let missing = self.add(format!("{layer}/missing"), "Sub", inputs, vec![])?;
        let zero = self.shared("/const/0", &[0])?;
        let extra = self.add(format!("{layer}/extra"), "Max", vec![missing, zero], vec![])?;
        let before = self.shared("/const/zeros6", &[0; 6])?;
        let axis = vec![Attribute::int("axis", 0)];
        let pads = self.add(format!("{layer}/pads"), "Concat", vec![before, extra], axis)?;
        let padded = self.add(
            format!("{layer}/padded"),
            "Pad",
            vec![x[0].clone(), pads],
            vec![],
        )?;
        let starts = self.shared("/const/zeros2", &[0; 2])?;
        let axes = self.shared("/const/axes", &[2, 3])?;
        self.add(
            layer.to_owned(),
            "Slice",
            vec![padded, starts, want, axes],
            vec![],
        )
    }

    fn param(&self, id: ParamId) -> String {
        self.graph.params[id].name.clone()
    }

    /// A scalar of its own.
    fn float(&mut self, name: &str, value: f32) -> Result<String, OnnxError> {
        self.claim(name)?;
        self.initializers
            .push(Tensor::floats(name, vec![], &[value]));
        Ok(name.to_owned())
    }

    /// Integers that several layers use.
    fn shared(&mut self, name: &str, values: &[i64]) -> Result<String, OnnxError> {
        if !self.initializers.iter().any(|t| t.name == name) {
            self.claim(name)?;
            self.initializers.push(Tensor::ints(name, values));
        }
        Ok(name.to_owned())
    }

    /// A node whose value has the node's name.
    fn add(
        &mut self,
        name: String,
        op_type: &str,
        input: Vec<String>,
        attribute: Vec<Attribute>,
    ) -> Result<String, OnnxError> {
        self.claim(&name)?;
        let (output, op_type) = (vec![name.clone()], op_type.to_owned());
        self.push(OnnxNode {
            input,
            output,
            name: name.clone(),
            op_type,
            attribute,
        });
        Ok(name)
    }

    fn push(&mut self, node: OnnxNode) {
        self.nodes.push(node);
    }

    fn claim(&mut self, name: &str) -> Result<(), OnnxError> {
        if self.names.insert(name.to_owned()) {
            return Ok(());
        }
        Err(OnnxError::DuplicateName {
            name: name.to_owned(),
        })
    }
}

fn ints(sizes: &[usize]) -> Result<Vec<i64>, OnnxError> {
    sizes.iter().map(|&n| int(n)).collect()
}

/// Kernel, strides and the padding of both ends.
fn window(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Result<Vec<Attribute>, OnnxError> {
    let [top, left] = padding;
    Ok(vec![
        Attribute::ints("kernel_shape", ints(&kernel)?),
        Attribute::ints("strides", ints(&stride)?),
        Attribute::ints("pads", ints(&[top, left, top, left])?),
    ])
}
