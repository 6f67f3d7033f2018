//! One weight file: named tensors in safetensors, and in its metadata the network (`hilum.network`),
//! the input contract (`hilum.contract`) and a card (`hilum.card`) that upper layers define.

use crate::contract::InputContract;
use crate::error::NnError;
use crate::network::Network;
use crate::volume::gathered_weight;
use hilum_kernels::{Graph, Params};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

/// Stored precision of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    Single,
    /// 16 bits, for shipped files; values are rounded to the nearest half.
    Half,
}

/// Named tensors with metadata.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeightFile {
    /// Shape and values by key.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// Free metadata.
    pub metadata: BTreeMap<String, String>,
}

impl WeightFile {
    /// Packs the parameters of a graph.
    pub fn from_params(graph: &Graph, params: &Params) -> Self {
        let entry = |(info, values): (&hilum_kernels::ParamInfo, &Vec<f32>)| {
            (info.name.clone(), (info.shape.clone(), values.clone()))
        };
        let tensors = graph.params.iter().zip(params).map(entry).collect();
        WeightFile {
            tensors,
            metadata: BTreeMap::new(),
        }
    }

    /// Stores network and contract in the metadata.
    pub fn describe(&mut self, network: &Network, contract: &InputContract) -> Result<(), NnError> {
        self.put("hilum.network", network)?;
        self.put("hilum.contract", contract)
    }

    /// Stores any document in the metadata.
    pub fn put<T: serde::Serialize>(&mut self, key: &str, value: &T) -> Result<(), NnError> {
        let text = serde_json::to_string(value).map_err(|source| NnError::Json {
            what: key.to_owned(),
            source,
        })?;
        self.metadata.insert(key.to_owned(), text);
        Ok(())
    }

    /// Reads a document from the metadata.
    pub fn get<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<T, NnError> {
        let text = self
            .metadata
            .get(key)
            .ok_or_else(|| NnError::Weights(format!("no `{key}` in the metadata")))?;
        serde_json::from_str(text).map_err(|source| NnError::Json {
            what: key.to_owned(),
            source,
        })
    }

    /// The values for `graph`, matched by name and shape; 3-D convolutions may have their published five axes. Keys that the graph does not know are ignored;
    /// missing or misshaped ones are an error.
    pub fn params_for(&self, graph: &Graph) -> Result<Params, NnError> {
        let (mut missing, mut misshaped) = (Vec::new(), Vec::new());
        let mut params = Params::with_capacity(graph.params.len());
        for info in &graph.params {
            match self.tensors.get(&info.name) {
                None => missing.push(info.name.clone()),
                Some((shape, values)) if *shape == info.shape => params.push(values.clone()),
                Some((shape, values)) => match gathered_weight(values, shape, &info.shape) {
                    Some(values) => params.push(values),
                    None => misshaped.push(info.name.clone()),
                },
            }
        }
        if missing.is_empty() && misshaped.is_empty() {
            return Ok(params);
        }
        let first = |v: &[String]| v.first().cloned().unwrap_or_default();
        Err(NnError::Mismatch {
            missing: missing.len(),
            first_missing: first(&missing),
            misshaped: misshaped.len(),
            first_misshaped: first(&misshaped),
        })
    }

    /// Reads safetensors (`F32`, `F16`, `BF16`, `F64`); other types are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NnError> {
        let bad = |e: safetensors::SafeTensorError| NnError::Weights(e.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(bad)?;
        let metadata = header
            .metadata()
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect();
        let file = SafeTensors::deserialize(bytes).map_err(bad)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            if let Some(values) = decode(&name, &view)? {
                tensors.insert(name, (view.shape().to_vec(), values));
            }
        }
        Ok(WeightFile { tensors, metadata })
    }

    /// Reads a file: safetensors, or a PyTorch checkpoint by its `.pth`/`.pt` content.
    pub fn read(path: &Path) -> Result<Self, NnError> {
        let bytes = std::fs::read(path).map_err(|e| NnError::io(path, e))?;
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02") {
            let raw = super::pth::read_pth(&bytes).map_err(|e| NnError::Weights(e.to_string()))?;
            let tensors = raw
                .into_iter()
                .map(|(k, t)| (k, (t.shape, t.data)))
                .collect();
            return Ok(WeightFile {
                tensors,
                metadata: BTreeMap::new(),
            });
        }
        Self::from_bytes(&bytes)
    }

    /// The bytes of the file.
    pub fn to_bytes(&self, precision: Precision) -> Result<Vec<u8>, NnError> {
        let dtype = match precision {
            Precision::Single => Dtype::F32,
            Precision::Half => Dtype::F16,
        };
        let encoded: Vec<_> = self
            .tensors
            .iter()
            .map(|(k, (s, v))| (k, s, encode(v, precision)))
            .collect();
        let mut views = Vec::with_capacity(encoded.len());
        for (name, shape, data) in &encoded {
            let view = TensorView::new(dtype, shape.to_vec(), data)
                .map_err(|e| NnError::Weights(format!("{name}: {e}")))?;
            views.push((name.as_str(), view));
        }
        // One metadata key only: a hash map of several would be written in another order each time.
        let packed = serde_json::to_string(&self.metadata).map_err(|source| NnError::Json {
            what: "metadata".to_owned(),
            source,
        })?;
        let metadata = HashMap::from([(PACKED.to_owned(), packed)]);
        safetensors::serialize(views, Some(metadata)).map_err(|e| NnError::Weights(e.to_string()))
    }

    /// Writes the file, whole or not at all.
    pub fn write(&self, path: &Path, precision: Precision) -> Result<(), NnError> {
        atomic_write(path, &self.to_bytes(precision)?)
    }

    /// Undoes the packing of the metadata.
    fn unpack(mut self) -> Result<Self, NnError> {
        if let Some(text) = self.metadata.remove(PACKED) {
            self.metadata = serde_json::from_str(&text).map_err(|source| NnError::Json {
                what: "metadata".to_owned(),
                source,
            })?;
        }
        Ok(self)
    }

    /// Reads a weight file of this project from memory.
    pub fn parse(bytes: &[u8]) -> Result<Self, NnError> {
        Self::from_bytes(bytes)?.unpack()
    }

    /// Reads a weight file of this project from disk.
    pub fn open(path: &Path) -> Result<Self, NnError> {
        Self::read(path)?.unpack()
    }
}

const PACKED: &str = "hilum";

fn decode(name: &str, view: &TensorView<'_>) -> Result<Option<Vec<f32>>, NnError> {
    let data = view.data();
    let values = match view.dtype() {
        Dtype::F32 => chunks::<4>(data).map(f32::from_le_bytes).collect(),
        Dtype::F64 => chunks::<8>(data)
            .map(|b| f64::from_le_bytes(b) as f32)
            .collect(),
        Dtype::F16 => chunks::<2>(data)
            .map(|b| half::f16::from_le_bytes(b).to_f32())
            .collect(),
        Dtype::BF16 => chunks::<2>(data)
            .map(|b| half::bf16::from_le_bytes(b).to_f32())
            .collect(),
        // Counters such as `num_batches_tracked` are no weights.
        Dtype::I64 => return Ok(None),
        other => {
            return Err(NnError::Weights(format!(
                "{name} has type {other:?}, which is not a float"
            )));
        }
    };
    Ok(Some(values))
}

fn chunks<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    data.chunks_exact(N).map(|c| std::array::from_fn(|i| c[i]))
}

fn encode(values: &[f32], precision: Precision) -> Vec<u8> {
    match precision {
        Precision::Single => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Precision::Half => values
            .iter()
            .flat_map(|&v| half::f16::from_f32(v).to_le_bytes())
            .collect(),
    }
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// Writes to a temporary name beside `path`, flushes, and renames.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), NnError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().map_err(|e| {
        // The reason matters more than the left-over, which may not even exist.
        let _ = std::fs::remove_file(&part);
        NnError::io(path, e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> WeightFile {
        let mut file = WeightFile::default();
        file.tensors
            .insert("a.weight".into(), (vec![2, 2], vec![1.0, -2.0, 0.5, 4.0]));
        file.metadata.insert("hilum.card".into(), "{}".into());
        file.metadata.insert("other".into(), "x".into());
        file
    }

    #[test]
    fn round_trip_keeps_values_and_metadata() {
        for precision in [Precision::Single, Precision::Half] {
            let bytes = sample().to_bytes(precision).unwrap();
            assert_eq!(WeightFile::parse(&bytes).unwrap(), sample());
        }
    }

    #[test]
    fn bytes_are_the_same_every_time() {
        let a = sample().to_bytes(Precision::Single).unwrap();
        assert!((0..20).all(|_| sample().to_bytes(Precision::Single).unwrap() == a));
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(WeightFile::parse(b"not a weight file").is_err());
        let bytes = sample().to_bytes(Precision::Single).unwrap();
        assert!(WeightFile::parse(&bytes[..bytes.len() - 3]).is_err());
    }
}
