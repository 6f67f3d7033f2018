//! A pickle reader that runs no code.
//!
//! A pickle is a program for a small stack machine (Python's `pickletools` documents every opcode).
//! Python's own machine imports and calls whatever the file names; this one only records it: a name
//! becomes [`Object::Global`], a call becomes an [`Object::Call`] that nobody carries out. All objects
//! live in one list and refer to each other by index, so shared and cyclic objects need no recursion.
//! Memory is bounded by the length of the file: no opcode makes more than the bytes it was read from.

mod opcodes;

use std::collections::HashMap;
use thiserror::Error;

/// The longest pickle that is read; those of checkpoints have at most a few million bytes.
const MAX_BYTES: usize = 64 << 20;
/// The most objects that are made.
const MAX_OBJECTS: usize = 4 << 20;

/// Why a pickle could not be read.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PickleError {
    /// The file ends within an opcode or before STOP.
    #[error("the pickle ends unexpectedly at byte {offset}")]
    UnexpectedEnd {
        /// Where.
        offset: usize,
    },
    /// An opcode that is not known or not supported (extension registry, out-of-band buffers).
    #[error("the pickle has the unsupported opcode 0x{opcode:02x} at byte {offset}")]
    UnsupportedOpcode {
        /// The opcode.
        opcode: u8,
        /// Where.
        offset: usize,
    },
    /// An opcode takes more from the stack than there is.
    #[error("the pickle's stack is empty or has no mark at byte {offset}")]
    StackUnderflow {
        /// Where.
        offset: usize,
    },
    /// An opcode met an operand of the wrong kind, e.g. an item for something that holds no items.
    #[error("the pickle has an operand of the wrong kind at byte {offset}")]
    WrongOperand {
        /// Where.
        offset: usize,
    },
    /// A number or text that cannot be read.
    #[error("the pickle has a malformed number or text at byte {offset}")]
    Malformed {
        /// Where.
        offset: usize,
    },
    /// A memo entry that was never stored.
    #[error("the pickle refers to the memo entry {index}, which was never stored")]
    MissingMemo {
        /// Its number.
        index: u64,
    },
    /// More bytes or objects than any checkpoint has.
    #[error("the pickle is too large ({size} {unit}, at most {limit})")]
    TooLarge {
        /// How large.
        size: usize,
        /// Of what.
        unit: &'static str,
        /// What is read at most.
        limit: usize,
    },
}

/// A value: small ones themselves, others by their place in [`Pickle::objects`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// A float.
    Float(f64),
    /// Index into [`Pickle::objects`].
    Object(usize),
}

/// What a value refers to.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// Text.
    Text(String),
    /// Bytes, and integers of more than 64 bits (little-endian, two's complement).
    Bytes(Vec<u8>),
    /// A list, set or frozen set.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dictionary in the order of insertion; a key may come twice, the later one counts.
    Dict(Vec<(Value, Value)>),
    /// A class or function by name; never looked up.
    Global {
        /// Module, e.g. `torch._utils`.
        module: String,
        /// Name, e.g. `_rebuild_tensor_v2`.
        name: String,
    },
    /// An object that Python would have built; nothing was called.
    Call(Call),
    /// A persistent id, which the surrounding file explains.
    Persistent(Value),
}

/// How Python would have built an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Class or function.
    pub callee: Value,
    /// Its arguments, a tuple.
    pub args: Value,
    /// What `__setstate__` would have received.
    pub state: Option<Value>,
    /// Dictionary items that were added.
    pub items: Vec<(Value, Value)>,
    /// List elements that were added.
    pub elements: Vec<Value>,
}

/// A pickle that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Pickle {
    /// All objects.
    pub objects: Vec<Object>,
    /// The result.
    pub root: Value,
}

impl Pickle {
    /// Reads one pickle from the start of `bytes`; returns it and the number of bytes it took.
    ///
    /// # Errors
    /// Every malformed, truncated or too large pickle.
    pub fn read(bytes: &[u8]) -> Result<(Pickle, usize), PickleError> {
        opcodes::Machine::new(bytes).run()
    }

    /// The object behind a value, if it is not one of the small values.
    pub fn object(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(i) => self.objects.get(i),
            _ => None,
        }
    }

    /// The text of a value.
    pub fn text(&self, value: Value) -> Option<&str> {
        match self.object(value)? {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a tuple or list.
    pub fn sequence(&self, value: Value) -> Option<&[Value]> {
        match self.object(value)? {
            Object::Tuple(v) | Object::List(v) => Some(v),
            _ => None,
        }
    }

    /// The call that would have built a value.
    pub fn call(&self, value: Value) -> Option<&Call> {
        match self.object(value)? {
            Object::Call(call) => Some(call),
            _ => None,
        }
    }

    /// Module and name of a class or function.
    pub fn global(&self, value: Value) -> Option<(&str, &str)> {
        match self.object(value)? {
            Object::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }

    /// The items of a dictionary or of an object that behaves as one (`OrderedDict`).
    pub fn items(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.object(value)? {
            Object::Dict(items) => Some(items),
            Object::Call(call) if !call.items.is_empty() || self.is_ordered_dict(call) => {
                Some(&call.items)
            }
            _ => None,
        }
    }

    fn is_ordered_dict(&self, call: &Call) -> bool {
        self.global(call.callee) == Some(("collections", "OrderedDict"))
    }

    /// The value of a text key in a dictionary; the last one where a key comes twice.
    pub fn get(&self, dict: Value, key: &str) -> Option<Value> {
        let mut items = self.items(dict)?.iter().rev();
        items
            .find(|(k, _)| self.text(*k) == Some(key))
            .map(|&(_, v)| v)
    }

    /// All items of a dictionary that have text keys, as a map.
    pub fn text_items(&self, dict: Value) -> Option<HashMap<&str, Value>> {
        let items = self.items(dict)?;
        Some(
            items
                .iter()
                .filter_map(|&(k, v)| Some((self.text(k)?, v)))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Pickle {
        Pickle::read(bytes)
            .map(|(p, _)| p)
            .unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn reads_protocol_0() {
        // pickle.dumps({'a': [1, 2.5, True, None]}, protocol=0)
        let p = read(b"(dp0\nVa\np1\n(lp2\nI1\naF2.5\naI01\naNas.");
        let list = p
            .get(p.root, "a")
            .and_then(|v| p.sequence(v).map(<[_]>::to_vec));
        let want = vec![
            Value::Int(1),
            Value::Float(2.5),
            Value::Bool(true),
            Value::None,
        ];
        assert_eq!(list, Some(want));
    }

    #[test]
    fn reads_protocol_4() {
        // pickle.dumps({'a': (1, -2, 70000)}, protocol=4)
        let p = read(
            b"\x80\x04\x95\x16\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01J\xfe\xff\xff\xffJp\x11\x01\x00\x87\x94s.",
        );
        let tuple = p
            .get(p.root, "a")
            .and_then(|v| p.sequence(v).map(<[_]>::to_vec));
        assert_eq!(
            tuple,
            Some(vec![Value::Int(1), Value::Int(-2), Value::Int(70000)])
        );
    }

    #[test]
    fn calls_nothing() {
        // os.system('true') by GLOBAL and REDUCE: recorded only.
        let p = read(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.");
        let call = p.call(p.root).cloned();
        let callee = call.as_ref().and_then(|c| p.global(c.callee));
        assert_eq!(callee, Some(("os", "system")));
    }

    #[test]
    fn a_cycle_is_harmless() {
        // l = []; l.append(l)
        let p = read(b"\x80\x02]q\x00h\x00a.");
        assert_eq!(p.sequence(p.root), Some(&[p.root][..]));
    }

    #[test]
    fn malformed_input_is_an_error() {
        use PickleError::*;
        let cases: [(&[u8], PickleError); 8] = [
            (b"", UnexpectedEnd { offset: 0 }),
            (b".", StackUnderflow { offset: 0 }),
            (b"\x80\x02h\x05.", MissingMemo { index: 5 }),
            (b"N\x81.", StackUnderflow { offset: 1 }),
            (b"K\x01Na.", WrongOperand { offset: 3 }),
            (b"X\xff\xff\xff\xffa", UnexpectedEnd { offset: 5 }),
            (b"Ix\n.", Malformed { offset: 0 }),
            (
                b"\x82\x01.",
                UnsupportedOpcode {
                    opcode: 0x82,
                    offset: 0,
                },
            ),
        ];
        for (bytes, want) in cases {
            assert_eq!(Pickle::read(bytes), Err(want), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(0u8..=255, 0..400)) {
            let _ = Pickle::read(&bytes);
        }

        /// Only opcodes, so that programs run for long.
        #[test]
        fn random_opcodes_never_panic(
            ops in proptest::collection::vec(proptest::sample::select(&b"()]}lt0N2asuebRoQ\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94"[..]), 0..300)
        ) {
            let mut bytes = ops;
            bytes.extend_from_slice(b"N.");
            let _ = Pickle::read(&bytes);
        }
    }
}
