//! The messages of `onnx.proto` (onnx/onnx, proto2) that an export needs, with its field numbers.

#![allow(missing_docs, reason = "the fields are those of the published format")]

use prost::{Message, Oneof};

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;
/// `TensorProto.DataType.INT64`.
const INT64: i32 = 7;

/// `ModelProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(string, tag = "3")]
    pub producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringPair>,
}

/// `OperatorSetIdProto`.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, Message)]
pub struct StringPair {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `GraphProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
}

/// `AttributeProto`; single values are optional because ONNX's checker asks for their presence.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(int32, optional, tag = "20")]
    pub r#type: Option<i32>,
}

impl Attribute {
    fn new(name: &str, kind: i32) -> Self {
        Attribute {
            name: name.to_owned(),
            r#type: Some(kind),
            ..Attribute::default()
        }
    }

    /// A float.
    pub fn float(name: &str, value: f32) -> Self {
        Attribute {
            f: Some(value),
            ..Attribute::new(name, 1)
        }
    }

    /// An integer.
    pub fn int(name: &str, value: i64) -> Self {
        Attribute {
            i: Some(value),
            ..Attribute::new(name, 2)
        }
    }

    /// Text.
    pub fn text(name: &str, value: &str) -> Self {
        Attribute {
            s: Some(value.as_bytes().to_vec()),
            ..Attribute::new(name, 3)
        }
    }

    /// Integers.
    pub fn ints(name: &str, values: Vec<i64>) -> Self {
        Attribute {
            ints: values,
            ..Attribute::new(name, 7)
        }
    }
}

/// `TensorProto` with its values in `raw_data` (little-endian).
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
}

impl Tensor {
    /// 32-bit floats.
    pub fn floats(name: &str, dims: Vec<i64>, values: &[f32]) -> Self {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Tensor {
            dims,
            data_type: Some(FLOAT),
            name: name.to_owned(),
            raw_data,
        }
    }

    /// A vector of 64-bit integers.
    pub fn ints(name: &str, values: &[i64]) -> Self {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let dims = vec![values.len() as i64];
        Tensor {
            dims,
            data_type: Some(INT64),
            name: name.to_owned(),
            raw_data,
        }
    }
}

/// `ValueInfoProto`.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

impl ValueInfo {
    /// A tensor of 32-bit floats.
    pub fn float(name: &str, dim: Vec<Dimension>) -> Self {
        let tensor_type = TensorType {
            elem_type: Some(FLOAT),
            shape: Some(Shape { dim }),
        };
        let r#type = Some(Type {
            tensor_type: Some(tensor_type),
        });
        ValueInfo {
            name: name.to_owned(),
            r#type,
        }
    }
}

/// `TypeProto`, of which only tensors are written.
#[derive(Clone, PartialEq, Message)]
pub struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

/// `TypeProto.Tensor`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    #[prost(int32, optional, tag = "1")]
    pub elem_type: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`.
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    #[prost(oneof = "dimension::Value", tags = "1, 2")]
    pub value: Option<dimension::Value>,
}

impl Dimension {
    /// A known size.
    pub fn size(n: i64) -> Self {
        Dimension {
            value: Some(dimension::Value::DimValue(n)),
        }
    }

    /// A size that the caller chooses.
    pub fn named(name: String) -> Self {
        Dimension {
            value: Some(dimension::Value::DimParam(name)),
        }
    }
}

/// The two kinds of dimensions.
pub mod dimension {
    use super::Oneof;

    /// `dim_value` or `dim_param`.
    #[derive(Clone, PartialEq, Oneof)]
    pub enum Value {
        #[prost(int64, tag = "1")]
        DimValue(i64),
        #[prost(string, tag = "2")]
        DimParam(String),
    }
}
