//! PyTorch checkpoints (`.pth`, `.pt`) without Python.
//!
//! [`read_pth`] reads what `torch.save` writes, both the zip archive of PyTorch 1.6 and later and the
//! older stream of pickles, in which several published chest X-ray models are still shipped. It
//! understands state dicts (also nested under `state_dict`, `model_state_dict` or `model`, also with
//! `DataParallel`'s prefix `module.`) and whole pickled `nn.Module` objects, whose `_parameters`,
//! `_buffers` and `_modules` are walked. No code of the file runs: its pickles are read by
//! [`super::pickle`], which calls nothing.
//!
//! All numbers become `f32`. That is exact for float16, bfloat16, bool and integers up to 2^24, and
//! rounds float64 and larger integers (such as a very large `num_batches_tracked`).
//!
//! Format: `torch/serialization.py` of PyTorch (functions `_save` and `_legacy_save`).

mod archive;
mod dtype;
mod extract;
mod legacy;

use super::pickle::PickleError;
use std::collections::BTreeMap;
use thiserror::Error;

/// A tensor of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct RawTensor {
    /// Sizes, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub data: Vec<f32>,
}

/// Why a checkpoint could not be read.
#[derive(Debug, Error)]
pub enum PthError {
    /// Neither a zip archive nor a stream of pickles.
    #[error("not a PyTorch checkpoint (it starts neither as a zip archive nor as a torch pickle)")]
    NotACheckpoint,
    /// The tar format of PyTorch before 0.1.10.
    #[error("a checkpoint of PyTorch before 0.1.10; load and save it again with a newer PyTorch")]
    TarFormat,
    /// A TorchScript archive, which holds code.
    #[error("a TorchScript archive; save the module's state_dict() with torch.save instead")]
    TorchScript,
    /// The zip archive is damaged.
    #[error("the checkpoint's zip archive cannot be read: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// An entry of the archive is damaged.
    #[error("the entry `{name}` of the checkpoint cannot be read: {source}")]
    Entry {
        /// Its name.
        name: String,
        /// Reason.
        source: std::io::Error,
    },
    /// An entry is missing.
    #[error("the checkpoint has no entry `{name}`")]
    MissingEntry {
        /// Its name.
        name: String,
    },
    /// Several `data.pkl`.
    #[error("the checkpoint has {count} entries called `data.pkl`, which is ambiguous")]
    AmbiguousArchive {
        /// How many.
        count: usize,
    },
    /// Written on a big-endian machine.
    #[error(
        "the checkpoint has byte order `{found}`; only little-endian ones are read, because the \
         values of others would need swapping that could not be checked against real files"
    )]
    ByteOrder {
        /// What the file says.
        found: String,
    },
    /// A pickle is damaged.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// A stream of pickles of an unknown version.
    #[error("the checkpoint's stream format has an unknown protocol version")]
    LegacyProtocol,
    /// The file ends within a storage.
    #[error("the checkpoint ends within the storage `{key}`")]
    Truncated {
        /// Its key.
        key: String,
    },
    /// No tensors where they are looked for.
    #[error("the checkpoint holds no state dict and no module: {reason}")]
    NoStateDict {
        /// What was found instead.
        reason: &'static str,
    },
    /// A tensor of a kind or type that is not read.
    #[error("the tensor `{key}` is {what}, which is not read")]
    UnsupportedTensor {
        /// Its key.
        key: String,
        /// Kind or type.
        what: String,
    },
    /// A tensor whose description is damaged.
    #[error("the tensor `{key}` is malformed: {reason}")]
    MalformedTensor {
        /// Its key.
        key: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A tensor reaches beyond its storage.
    #[error("the tensor `{key}` reaches to element {end} of a storage of {len}")]
    OutOfBounds {
        /// Its key.
        key: String,
        /// First element after the tensor.
        end: usize,
        /// Elements of the storage.
        len: usize,
    },
    /// Modules within modules without end.
    #[error("the checkpoint's modules are nested too deeply or too many ({limit} at most)")]
    TooNested {
        /// The limit.
        limit: usize,
    },
    /// The content would take far more memory than the file.
    #[error("the checkpoint of {file} bytes would unpack to more than {limit} bytes")]
    TooLarge {
        /// Size of the file.
        file: usize,
        /// Limit for a file of this size.
        limit: usize,
    },
    /// Two tensors get the same key.
    #[error("the checkpoint has two tensors called `{key}`")]
    DuplicateKey {
        /// The key.
        key: String,
    },
}

/// Memory that a file may still ask for: a multiple of its own size, so that a few hostile bytes
/// (a compressed or stride-0 tensor) cannot fill the machine.
#[derive(Debug)]
struct Budget {
    file: usize,
    limit: usize,
    left: usize,
}

impl Budget {
    /// Real checkpoints need about twice their size (float16 to f32), tied weights a little more.
    fn new(file: usize) -> Self {
        let limit = file.saturating_mul(64).saturating_add(1 << 20);
        Budget {
            file,
            limit,
            left: limit,
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), PthError> {
        let (file, limit) = (self.file, self.limit);
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or(PthError::TooLarge { file, limit })?;
        Ok(())
    }
}

/// Reads the tensors of a checkpoint by their state-dict keys.
///
/// Entries of a state dict that are no tensors (`_extra_state`, counters beside it) are left out, and
/// so are buffers that a module marks as not persistent, as `state_dict()` does. The prefix
/// `module.` goes when every key has it.
///
/// # Errors
/// [`PthError`] for every file that is damaged, too large for its size, or of a kind that is not
/// read (TorchScript, tar, sparse and quantised tensors, big-endian).
pub fn read_pth(bytes: &[u8]) -> Result<BTreeMap<String, RawTensor>, PthError> {
    let mut budget = Budget::new(bytes.len());
    let tensors = if bytes.starts_with(b"PK\x03\x04") {
        let (pickle, mut storages) = archive::open(bytes, &mut budget)?;
        extract::tensors(&pickle, &mut storages, budget)?
    } else if bytes.starts_with(&legacy::MAGIC) {
        let (pickle, mut storages) = legacy::open(bytes)?;
        extract::tensors(&pickle, &mut storages, budget)?
    } else if bytes.get(257..262) == Some(b"ustar") {
        return Err(PthError::TarFormat);
    } else {
        return Err(PthError::NotACheckpoint);
    };
    Ok(without_module_prefix(tensors))
}

fn without_module_prefix(tensors: BTreeMap<String, RawTensor>) -> BTreeMap<String, RawTensor> {
    const PREFIX: &str = "module.";
    if !tensors.keys().all(|k| k.starts_with(PREFIX)) {
        return tensors;
    }
    tensors
        .into_iter()
        .map(|(k, t)| (k[PREFIX.len()..].to_owned(), t))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(keys: &[&str]) -> BTreeMap<String, RawTensor> {
        let tensor = RawTensor {
            shape: vec![1],
            data: vec![0.0],
        };
        keys.iter()
            .map(|k| ((*k).to_owned(), tensor.clone()))
            .collect()
    }

    #[test]
    fn the_prefix_goes_only_when_all_have_it() {
        let all = without_module_prefix(map(&["module.a", "module.b"]));
        assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "b"]);
        let some = without_module_prefix(map(&["module.a", "b"]));
        assert_eq!(some.keys().collect::<Vec<_>>(), ["b", "module.a"]);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(matches!(read_pth(b""), Err(PthError::NotACheckpoint)));
        assert!(matches!(read_pth(b"PK\x03\x04"), Err(PthError::Zip(_))));
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(matches!(read_pth(&tar), Err(PthError::TarFormat)));
        assert!(matches!(
            read_pth(&legacy::MAGIC),
            Err(PthError::LegacyProtocol)
        ));
    }

    #[test]
    fn the_budget_ends() {
        let mut budget = Budget::new(0);
        assert!(budget.spend(1 << 20).is_ok());
        assert!(matches!(
            budget.spend(1),
            Err(PthError::TooLarge { file: 0, .. })
        ));
    }
}
