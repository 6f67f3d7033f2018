//! The stream of PyTorch before 1.6: pickles of a magic number, a protocol version, facts about the
//! machine, the object and the list of storage keys; then each storage, a 64-bit length in elements
//! and the values.

use super::dtype::Dtype;
use super::extract::Storages;
use super::{Budget, PthError};
use crate::weights::pickle::{Object, Pickle, Value};
use std::collections::HashMap;

/// The pickled magic number 0x1950a86a20f9469cfc6c, as every pickle protocol from 2 on writes it.
pub(super) const MAGIC: [u8; 15] = [
    0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.',
];
const PROTOCOL_VERSION: i64 = 1001;

/// The storages of a stream.
pub(super) struct StreamStorages<'a>(HashMap<String, &'a [u8]>);

/// Reads the pickles of a stream and finds its storages.
pub(super) fn open(bytes: &[u8]) -> Result<(Pickle, StreamStorages<'_>), PthError> {
    let mut rest = bytes.get(MAGIC.len()..).unwrap_or_default();
    match read(&mut rest) {
        Ok(p) if p.root == Value::Int(PROTOCOL_VERSION) => {}
        _ => return Err(PthError::LegacyProtocol),
    }
    let system = read(&mut rest)?;
    match system.get(system.root, "little_endian") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => {
            return Err(PthError::ByteOrder {
                found: "big".to_owned(),
            });
        }
        _ => {
            return Err(PthError::ByteOrder {
                found: "not stated".to_owned(),
            });
        }
    }
    let pickle = read(&mut rest)?;
    let keys = read(&mut rest)?;
    let sizes = element_sizes(&pickle);
    let mut storages = HashMap::new();
    for &key in keys.sequence(keys.root).unwrap_or_default() {
        let Some(key) = keys.text(key) else { continue };
        let truncated = || PthError::Truncated {
            key: key.to_owned(),
        };
        let (numel, after) = rest.split_first_chunk::<8>().ok_or_else(truncated)?;
        let numel = usize::try_from(i64::from_le_bytes(*numel)).map_err(|_| truncated())?;
        let size = *sizes.get(key).ok_or_else(|| unknown_type(key))?;
        let len = numel.checked_mul(size).ok_or_else(truncated)?;
        let (data, after) = after.split_at_checked(len).ok_or_else(truncated)?;
        storages.insert(key.to_owned(), data);
        rest = after;
    }
    Ok((pickle, StreamStorages(storages)))
}

fn read(rest: &mut &[u8]) -> Result<Pickle, PthError> {
    let (pickle, used) = Pickle::read(rest)?;
    *rest = rest.get(used..).unwrap_or_default();
    Ok(pickle)
}

fn unknown_type(key: &str) -> PthError {
    PthError::UnsupportedTensor {
        key: format!("storage {key}"),
        what: "of an unknown number type".to_owned(),
    }
}

/// Bytes of an element by storage key: the stream itself states only numbers of elements.
fn element_sizes(pickle: &Pickle) -> HashMap<String, usize> {
    let ids = pickle.objects.iter().filter_map(|object| match object {
        Object::Persistent(id) => pickle.sequence(*id),
        _ => None,
    });
    ids.filter_map(|id| {
        let [kind, class, key, ..] = id else {
            return None;
        };
        (pickle.text(*kind) == Some("storage")).then_some(())?;
        let dtype = Dtype::of_storage(pickle.global(*class)?.1)?;
        Some((pickle.text(*key)?.to_owned(), dtype.size()))
    })
    .collect()
}

impl Storages for StreamStorages<'_> {
    fn get(&mut self, key: &str, _: &mut Budget) -> Result<&[u8], PthError> {
        let missing = || PthError::MissingEntry {
            name: key.to_owned(),
        };
        self.0.get(key).copied().ok_or_else(missing)
    }
}
