//! What can be wrong with a graph, its parameters or its input; found before any kernel runs.

/// Errors of graphs, shapes and parameters.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KernelError {
    /// An axis of the input has no extent.
    #[error("the input shape {shape:?} has an empty axis")]
    EmptyInput {
        /// The shape given.
        shape: Vec<usize>,
    },
    /// The input is not `[n, c, h, w]`.
    #[error("the input must have four axes (batch, channel, row, column), it has shape {shape:?}")]
    InputRank {
        /// The shape given.
        shape: Vec<usize>,
    },
    /// The number of values does not fit the shape.
    #[error("shape {shape:?} does not hold {len} values")]
    Length {
        /// The shape given.
        shape: Vec<usize>,
        /// Values given.
        len: usize,
    },
    /// More values than can be addressed.
    #[error("layer `{node}`: the size of its output overflows")]
    Overflow {
        /// Layer.
        node: String,
    },
    /// A graph must begin with its input and have no other.
    #[error("the graph must begin with exactly one input node")]
    NoInput,
    /// A graph without outputs computes nothing.
    #[error("the graph names no outputs")]
    NoOutputs,
    /// An output names a node that is not there.
    #[error("output `{name}` names node {id}, which does not exist")]
    UnknownOutput {
        /// Output.
        name: String,
        /// Node index.
        id: usize,
    },
    /// Two nodes share a name.
    #[error("two layers are called `{node}`")]
    DuplicateName {
        /// The name.
        node: String,
    },
    /// A node reads from a node that does not come before it.
    #[error("layer `{node}` reads node {input}, which does not come before it")]
    Order {
        /// Layer.
        node: String,
        /// Node index it reads.
        input: usize,
    },
    /// Wrong number of inputs.
    #[error("layer `{node}` takes {expected} input(s), it has {got}")]
    Arity {
        /// Layer.
        node: String,
        /// Inputs it takes.
        expected: usize,
        /// Inputs it has.
        got: usize,
    },
    /// The layer works on images (four axes) or rows (two axes), and got the other.
    #[error("layer `{node}` needs {expected} axes, its input has shape {shape:?}")]
    Rank {
        /// Layer.
        node: String,
        /// Axes needed.
        expected: usize,
        /// Shape of its input.
        shape: Vec<usize>,
    },
    /// Channels do not fit.
    #[error("layer `{node}` needs {expected} channels, its input has {got}")]
    Channels {
        /// Layer.
        node: String,
        /// Channels needed.
        expected: usize,
        /// Channels given.
        got: usize,
    },
    /// Two inputs do not fit each other.
    #[error("layer `{node}`: inputs of shapes {left:?} and {right:?} do not fit")]
    Mismatch {
        /// Layer.
        node: String,
        /// First shape.
        left: Vec<usize>,
        /// Second shape.
        right: Vec<usize>,
    },
    /// The window does not fit into the padded input.
    #[error(
        "layer `{node}`: a window of {window:?} does not fit into an input of {input:?} rows and columns with its padding"
    )]
    Window {
        /// Layer.
        node: String,
        /// Window with dilation.
        window: [usize; 2],
        /// Rows and columns of the input.
        input: [usize; 2],
    },
    /// Row numbers and masks come from the graph's input itself.
    #[error("layer `{node}` must read its row numbers or its mask from the graph's input")]
    NotTheInput {
        /// Layer.
        node: String,
    },
    /// The batch does not consist of whole volumes.
    #[error("layer `{node}`: {images} images are not whole volumes of {slices} slices")]
    Slices {
        /// Layer.
        node: String,
        /// Images in the batch.
        images: usize,
        /// Slices of a volume.
        slices: usize,
    },
    /// A value of the input that is no row of the layer's table.
    #[error("layer `{node}`: {value} in the input is not one of the table's {rows} rows")]
    Row {
        /// Layer.
        node: String,
        /// Value of the input.
        value: f32,
        /// Rows of the table.
        rows: usize,
    },
    /// More places than a table of places has rows.
    #[error("layer `{node}`: {places} places, the table has rows for {rows}")]
    Places {
        /// Layer.
        node: String,
        /// Places of the input.
        places: usize,
        /// Rows from the offset on.
        rows: usize,
    },
    /// A setting outside its range.
    #[error("layer `{node}`: {field} = {value} is out of range")]
    Setting {
        /// Layer.
        node: String,
        /// Name of the setting.
        field: &'static str,
        /// Its value.
        value: f64,
    },
    /// A node names a parameter that does not exist.
    #[error("layer `{node}` names parameter {id}, which does not exist")]
    UnknownParam {
        /// Layer.
        node: String,
        /// Parameter index.
        id: usize,
    },
    /// A parameter's declared shape does not fit its layer.
    #[error("layer `{node}`: parameter `{name}` has shape {got:?}, the layer needs {expected:?}")]
    ParamShape {
        /// Layer.
        node: String,
        /// Parameter.
        name: String,
        /// Shape needed.
        expected: Vec<usize>,
        /// Shape declared.
        got: Vec<usize>,
    },
    /// Number of parameter arrays.
    #[error("the graph has {expected} parameters, {got} were given")]
    ParamCount {
        /// Parameters of the graph.
        expected: usize,
        /// Parameters given.
        got: usize,
    },
    /// Number of values of a parameter.
    #[error("parameter `{name}` has {expected} values, {got} were given")]
    ParamLength {
        /// Parameter.
        name: String,
        /// Values needed.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// Batch statistics of a single value have no variance.
    #[error(
        "layer `{node}`: batch statistics need more than one value a channel, the input has shape {shape:?}"
    )]
    SingleValue {
        /// Layer.
        node: String,
        /// Shape of its input.
        shape: Vec<usize>,
    },
    /// `backward` before `forward`, or twice after one.
    #[error("backward needs a forward of its own before it")]
    NoForward,
    /// Number of output gradients.
    #[error("the graph has {expected} outputs, {got} gradients were given")]
    GradientCount {
        /// Outputs.
        expected: usize,
        /// Gradients given.
        got: usize,
    },
    /// Shape of an output gradient.
    #[error("the gradient of output `{name}` must have shape {expected:?}, it has {got:?}")]
    GradientShape {
        /// Output.
        name: String,
        /// Shape of the output.
        expected: Vec<usize>,
        /// Shape given.
        got: Vec<usize>,
    },
    /// The gradient at a layer that was fused with its neighbour.
    #[error(
        "the gradient at layer `{node}` is not kept; name the layer in `Trainer::retain` first"
    )]
    NotRetained {
        /// Layer.
        node: String,
    },
    /// An attribution rule has no answer for a layer.
    #[error("the rule {rule} does not cover layer `{node}`")]
    NoRule {
        /// Layer.
        node: String,
        /// Rule.
        rule: String,
    },
    /// The rescale rule compares each input with its reference.
    #[error("{n} images cannot be halves of inputs and references")]
    Unpaired {
        /// Images in the batch.
        n: usize,
    },
    /// A node index that does not exist.
    #[error("node {id} does not exist")]
    UnknownNode {
        /// Node index.
        id: usize,
    },
}
