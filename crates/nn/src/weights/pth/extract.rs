//! From pickled objects to tensors.

use super::dtype::Dtype;
use super::{Budget, PthError, RawTensor};
use crate::weights::pickle::{Call, Object, Pickle, Value};
use std::collections::{BTreeMap, HashSet};

/// Modules within modules; real networks have about ten.
const MAX_DEPTH: usize = 64;
/// Modules altogether; a module that is shared in many places counts each time.
const MAX_MODULES: usize = 100_000;
/// Dimensions of a tensor.
const MAX_DIMENSIONS: usize = 16;
/// Where training scripts put the state dict beside epoch and optimiser.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Where the numbers of the tensors come from.
pub(super) trait Storages {
    /// Little-endian bytes of the storage `key`.
    fn get(&mut self, key: &str, budget: &mut Budget) -> Result<&[u8], PthError>;
}

/// All tensors of the state dict or module that `pickle` holds.
pub(super) fn tensors(
    pickle: &Pickle,
    storages: &mut dyn Storages,
    budget: Budget,
) -> Result<BTreeMap<String, RawTensor>, PthError> {
    let mut walk = Walk {
        pickle,
        storages,
        budget,
        modules: 0,
        found: BTreeMap::new(),
    };
    walk.holder(pickle.root, 0)?;
    if walk.found.is_empty() {
        return Err(PthError::NoStateDict {
            reason: "a dictionary or module without tensors",
        });
    }
    Ok(walk.found)
}

struct Walk<'a> {
    pickle: &'a Pickle,
    storages: &'a mut dyn Storages,
    budget: Budget,
    modules: usize,
    found: BTreeMap<String, RawTensor>,
}

impl<'a> Walk<'a> {
    /// A state dict, a module, or a dictionary around one of them.
    fn holder(&mut self, value: Value, depth: usize) -> Result<(), PthError> {
        let p = self.pickle;
        if depth > MAX_DEPTH {
            return Err(PthError::TooNested { limit: MAX_DEPTH });
        }
        if let Some(state) = module_state(p, value) {
            return self.module("", state, 0);
        }
        if p.items(value).is_none() {
            let reason = match p.object(value) {
                Some(Object::Call(_)) => "a single tensor or an unknown object",
                Some(Object::List(_) | Object::Tuple(_)) => "a list or tuple",
                _ => "a single value",
            };
            return Err(PthError::NoStateDict { reason });
        }
        for key in WRAPPERS {
            let inner = p.get(value, key);
            let holds = |v: &Value| p.items(*v).is_some() || module_state(p, *v).is_some();
            if let Some(inner) = inner.filter(holds) {
                return self.holder(inner, depth + 1);
            }
        }
        self.entries("", value, &HashSet::new())
    }

    /// The tensors among the items of a dictionary.
    fn entries(&mut self, prefix: &str, dict: Value, skip: &HashSet<&str>) -> Result<(), PthError> {
        let p = self.pickle;
        self.spend_items(dict)?;
        // As a map, because a key that comes twice means its last value.
        let items: BTreeMap<&str, Value> =
            p.text_items(dict).unwrap_or_default().into_iter().collect();
        for (key, value) in items {
            if skip.contains(key) {
                continue;
            }
            let full = format!("{prefix}{key}");
            self.budget.spend(full.len())?;
            let Some(spec) = tensor_spec(p, &full, value)? else {
                continue;
            };
            let tensor = self.read(&full, &spec)?;
            if self.found.insert(full.clone(), tensor).is_some() {
                return Err(PthError::DuplicateKey { key: full });
            }
        }
        Ok(())
    }

    /// A pickled `nn.Module` by its state.
    fn module(&mut self, prefix: &str, state: Value, depth: usize) -> Result<(), PthError> {
        let p = self.pickle;
        self.modules += 1;
        if depth > MAX_DEPTH || self.modules > MAX_MODULES {
            let limit = if depth > MAX_DEPTH {
                MAX_DEPTH
            } else {
                MAX_MODULES
            };
            return Err(PthError::TooNested { limit });
        }
        self.spend_items(state)?;
        if let Some(parameters) = p.get(state, "_parameters") {
            self.entries(prefix, parameters, &HashSet::new())?;
        }
        if let Some(buffers) = p.get(state, "_buffers") {
            let skip = p.get(state, "_non_persistent_buffers_set");
            let skip = skip.map(|s| texts(p, s)).unwrap_or_default();
            self.budget.spend(skip.len())?;
            self.entries(prefix, buffers, &skip)?;
        }
        let Some(modules) = p.get(state, "_modules") else {
            return Ok(());
        };
        self.spend_items(modules)?;
        let modules = p.text_items(modules).unwrap_or_default();
        let modules: BTreeMap<&str, Value> = modules.into_iter().collect();
        for (name, module) in modules {
            // A submodule may be None.
            let Some(state) = module_state(p, module) else {
                continue;
            };
            let path = format!("{prefix}{name}.");
            self.budget.spend(path.len())?;
            self.module(&path, state, depth + 1)?;
        }
        Ok(())
    }

    /// Looking at items costs too: a dictionary may be shared by many modules.
    fn spend_items(&mut self, dict: Value) -> Result<(), PthError> {
        self.budget
            .spend(self.pickle.items(dict).map_or(0, <[_]>::len))
    }

    fn read(&mut self, key: &str, spec: &TensorSpec<'a>) -> Result<RawTensor, PthError> {
        let count = spec.count(key)?;
        self.budget.spend(count.saturating_mul(4))?;
        let bytes = self.storages.get(spec.storage, &mut self.budget)?;
        let base = bytes
            .get(spec.view.0.saturating_mul(spec.dtype.size())..)
            .unwrap_or_default();
        let len = spec
            .view
            .1
            .unwrap_or(usize::MAX)
            .min(base.len() / spec.dtype.size());
        let end = spec.end(key)?;
        if count > 0 && end > len {
            return Err(PthError::OutOfBounds {
                key: key.to_owned(),
                end,
                len,
            });
        }
        let mut data = Vec::with_capacity(count);
        let mut index = vec![0usize; spec.shape.len()];
        let mut at = spec.offset;
        for _ in 0..count {
            let value = spec.dtype.get(base, at);
            let out = || PthError::OutOfBounds {
                key: key.to_owned(),
                end,
                len,
            };
            data.push(value.ok_or_else(out)?);
            at = spec.advance(&mut index, at);
        }
        Ok(RawTensor {
            shape: spec.shape.clone(),
            data,
        })
    }
}

/// The state of a pickled module: a dictionary with `_modules` and `_parameters`.
fn module_state(p: &Pickle, value: Value) -> Option<Value> {
    let state = p.call(value)?.state?;
    // An object with slots has the pair (dictionary, slots) for its state.
    let state = match p.sequence(state) {
        Some(&[dict, _]) => dict,
        _ => state,
    };
    (p.get(state, "_parameters").is_some() && p.get(state, "_modules").is_some()).then_some(state)
}

/// The texts of a set, pickled as such or as `set([...])`.
fn texts(p: &Pickle, set: Value) -> HashSet<&str> {
    let elements = match p.object(set) {
        Some(Object::List(v)) => Some(v.as_slice()),
        Some(Object::Call(c)) => p
            .sequence(c.args)
            .and_then(|a| a.first())
            .and_then(|&v| p.sequence(v)),
        _ => None,
    };
    elements
        .unwrap_or_default()
        .iter()
        .filter_map(|&v| p.text(v))
        .collect()
}

/// A tensor as a strided view of a storage, all in elements.
struct TensorSpec<'a> {
    dtype: Dtype,
    storage: &'a str,
    /// Start and length of the part of the storage that the tensor sees (streams before 0.4).
    view: (usize, Option<usize>),
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl TensorSpec<'_> {
    fn count(&self, key: &str) -> Result<usize, PthError> {
        if self.shape.contains(&0) {
            return Ok(0);
        }
        let count = self.shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
        count.ok_or_else(|| malformed(key, "its shape overflows"))
    }

    /// First element after the last one.
    fn end(&self, key: &str) -> Result<usize, PthError> {
        let steps = self.shape.iter().zip(&self.strides);
        let last = steps
            .into_iter()
            .try_fold(self.offset, |at, (&size, &stride)| {
                at.checked_add(size.saturating_sub(1).checked_mul(stride)?)
            });
        last.and_then(|l| l.checked_add(1))
            .ok_or_else(|| malformed(key, "its strides overflow"))
    }

    /// Moves to the next element in row-major order. Wraps, as the step of an axis of size 1 may be
    /// anything; each step that counts was checked by [`Self::end`].
    fn advance(&self, index: &mut [usize], mut at: usize) -> usize {
        for d in (0..index.len()).rev() {
            index[d] += 1;
            at = at.wrapping_add(self.strides[d]);
            if index[d] < self.shape[d] {
                return at;
            }
            at = at.wrapping_sub(self.strides[d].wrapping_mul(self.shape[d]));
            index[d] = 0;
        }
        at
    }
}

fn malformed(key: &str, reason: &'static str) -> PthError {
    PthError::MalformedTensor {
        key: key.to_owned(),
        reason,
    }
}

fn unsupported(key: &str, what: impl Into<String>) -> PthError {
    PthError::UnsupportedTensor {
        key: key.to_owned(),
        what: what.into(),
    }
}

/// The tensor behind a value; `None` if it is something else, an error if it is a tensor of a kind
/// that is not read.
fn tensor_spec<'a>(
    p: &'a Pickle,
    key: &str,
    mut value: Value,
) -> Result<Option<TensorSpec<'a>>, PthError> {
    // Parameters and tensor subclasses wrap a tensor; each wrapping is one step.
    for _ in 0..MAX_DEPTH {
        let Some(call) = p.call(value) else {
            return Ok(None);
        };
        let Some((module, name)) = p.global(call.callee) else {
            return Ok(None);
        };
        let args = p.sequence(call.args).unwrap_or_default();
        match (module, name) {
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                value = *args
                    .first()
                    .ok_or_else(|| malformed(key, "a parameter without data"))?;
            }
            ("torch._tensor", "_rebuild_from_type_v2") => return subclass(p, key, args),
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => {
                return strided(p, key, args).map(Some);
            }
            ("torch._utils" | "torch._tensor", _) if name.starts_with("_rebuild") => {
                return Err(unsupported(key, name));
            }
            ("torch" | "torch.nn.parameter", "Tensor" | "Parameter" | "Buffer") => {
                value = match args.first() {
                    Some(&data) => data,
                    None => return Err(unsupported(key, "a tensor pickled in an unknown way")),
                };
            }
            _ => return Ok(None),
        }
    }
    Err(PthError::TooNested { limit: MAX_DEPTH })
}

/// `_rebuild_from_type_v2(function, type, arguments, state)`.
fn subclass<'a>(
    p: &'a Pickle,
    key: &str,
    args: &[Value],
) -> Result<Option<TensorSpec<'a>>, PthError> {
    let &[function, _, inner, ..] = args else {
        return Err(malformed(key, "a tensor subclass without arguments"));
    };
    match p.global(function) {
        Some(("torch._utils", "_rebuild_tensor_v2")) => {
            strided(p, key, p.sequence(inner).unwrap_or_default()).map(Some)
        }
        Some((_, name)) => Err(unsupported(key, name)),
        None => Err(malformed(key, "a tensor subclass without a function")),
    }
}

/// `_rebuild_tensor_v2(storage, offset, size, stride, ...)`.
fn strided<'a>(p: &'a Pickle, key: &str, args: &[Value]) -> Result<TensorSpec<'a>, PthError> {
    let &[storage, offset, size, stride, ..] = args else {
        return Err(malformed(key, "too few arguments"));
    };
    let (dtype, storage, view) = storage_of(p, key, storage)?;
    let offset = number(offset).ok_or_else(|| malformed(key, "its offset is no number"))?;
    let shape = numbers(p, size).ok_or_else(|| malformed(key, "its shape is not of numbers"))?;
    let strides =
        numbers(p, stride).ok_or_else(|| malformed(key, "its strides are not of numbers"))?;
    if shape.len() != strides.len() || shape.len() > MAX_DIMENSIONS {
        return Err(malformed(key, "its shape and strides do not match"));
    }
    Ok(TensorSpec {
        dtype,
        storage,
        view,
        offset,
        shape,
        strides,
    })
}

/// `('storage', class, key, device, numel)`, in streams also a view.
type Storage<'a> = (Dtype, &'a str, (usize, Option<usize>));

fn storage_of<'a>(p: &'a Pickle, key: &str, value: Value) -> Result<Storage<'a>, PthError> {
    let Some(Object::Persistent(id)) = p.object(value) else {
        return Err(malformed(key, "its storage is not in the file"));
    };
    let Some(&[_, class, name, _, _, ref view @ ..]) = p.sequence(*id) else {
        return Err(malformed(key, "its storage is described in an unknown way"));
    };
    let class = p
        .global(class)
        .ok_or_else(|| malformed(key, "its storage has no type"))?
        .1;
    let dtype = Dtype::of_storage(class).ok_or_else(|| unsupported(key, format!("a {class}")))?;
    let name = p
        .text(name)
        .ok_or_else(|| malformed(key, "its storage has no key"))?;
    let view = match view.first().and_then(|&v| p.sequence(v)) {
        Some(&[_, start, len]) => {
            let pair = number(start).zip(number(len));
            pair.map(|(s, l)| (s, Some(l)))
                .ok_or_else(|| malformed(key, "its view is damaged"))?
        }
        _ => (0, None),
    };
    Ok((dtype, name, view))
}

fn number(value: Value) -> Option<usize> {
    match value {
        Value::Int(i) => usize::try_from(i).ok(),
        _ => None,
    }
}

/// A tuple of sizes; `torch.Size` is pickled as a call with a tuple.
fn numbers(p: &Pickle, value: Value) -> Option<Vec<usize>> {
    let size = |call: &Call| p.global(call.callee) == Some(("torch", "Size"));
    let sequence = match p.call(value).filter(|c| size(c)) {
        Some(call) => p.sequence(p.sequence(call.args)?.first().copied()?)?,
        None => p.sequence(value)?,
    };
    sequence.iter().map(|&v| number(v)).collect()
}
