//! Features of frozen encoders, kept by the hash of the picture and of the encoder, so that nothing is computed twice.

use crate::error::{MethodError, Result};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::Network;
use hilum_nn::weights::WeightFile;
use hilum_nn::weights::file::{Precision, sha256_hex};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pictures computed at once.
const BATCH: usize = 32;

/// A frozen network whose last feature maps are averaged.
pub struct Encoder {
    graph: Graph,
    params: Params,
    hash: String,
}

impl Encoder {
    /// Freezes a classifier.
    ///
    /// # Errors
    /// What the weight format refuses.
    pub fn new(network: &Network, params: Params) -> Result<Self> {
        let graph = network.graph();
        let mut file = WeightFile::from_params(&graph, &params);
        file.put("hilum.network", network)?;
        let hash = sha256_hex(&file.to_bytes(Precision::Single)?);
        Ok(Encoder {
            graph,
            params,
            hash,
        })
    }

    /// Hash of its layers and weights.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Averaged feature maps of square pictures `side` wide, without the cache.
    ///
    /// # Errors
    /// What the kernels fail with.
    pub fn features(&self, pictures: &[&[f32]], side: usize) -> Result<Vec<Vec<f32>>> {
        let plan = Plan::new(&self.graph, &self.params)?;
        let mut rows = Vec::with_capacity(pictures.len());
        for part in pictures.chunks(BATCH) {
            let x = Tensor {
                shape: vec![part.len(), 1, side, side],
                data: part.concat(),
            };
            let maps = plan.run(&x)?.swap_remove(1);
            let pixels: usize = maps.shape.iter().skip(2).product();
            let means: Vec<f32> = maps
                .data
                .chunks(pixels)
                .map(|m| m.iter().sum::<f32>() / pixels as f32)
                .collect();
            rows.extend(means.chunks(maps.shape[1]).map(<[f32]>::to_vec));
        }
        Ok(rows)
    }
}

/// A folder of features, one file an encoder.
pub struct FeatureCache {
    folder: PathBuf,
}

impl FeatureCache {
    /// A cache in `folder`.
    pub fn new(folder: &Path) -> Self {
        FeatureCache {
            folder: folder.to_owned(),
        }
    }

    /// Features of `pictures` in order: read back where they are known, computed and kept otherwise.
    ///
    /// # Errors
    /// A file that cannot be read or written; what the kernels fail with.
    pub fn get(
        &self,
        encoder: &Encoder,
        pictures: &[&[f32]],
        side: usize,
    ) -> Result<Vec<Vec<f32>>> {
        let path = self
            .folder
            .join(format!("{}.safetensors", &encoder.hash[..20]));
        let mut file = if path.is_file() {
            WeightFile::read(&path)?
        } else {
            WeightFile::default()
        };
        let keys: Vec<String> = pictures.iter().map(|p| picture_hash(p)).collect();
        let mut seen = BTreeSet::new();
        let new: Vec<usize> = (0..keys.len())
            .filter(|&i| !file.tensors.contains_key(&keys[i]) && seen.insert(&keys[i]))
            .collect();
        if !new.is_empty() {
            let own: Vec<&[f32]> = new.iter().map(|&i| pictures[i]).collect();
            let rows = encoder.features(&own, side)?;
            for (&i, row) in new.iter().zip(rows) {
                file.tensors.insert(keys[i].clone(), (vec![row.len()], row));
            }
            std::fs::create_dir_all(&self.folder).map_err(|source| MethodError::Io {
                path: self.folder.clone(),
                source,
            })?;
            file.write(&path, Precision::Single)?;
        }
        Ok(keys.iter().map(|k| file.tensors[k].1.clone()).collect())
    }
}

fn picture_hash(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    sha256_hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::classes::samples::squares;
    use hilum_nn::backbones::{Backbone, ResNetConfig};
    use hilum_nn::builder::Head;

    fn encoder(seed: u64) -> Encoder {
        let network = Network::Classifier {
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)),
            head: Head::plain(2),
            channels: 1,
        };
        let params = network.graph().init_params(seed);
        Encoder::new(&network, params).unwrap()
    }

    #[test]
    fn kept_features_are_those_computed_and_belong_to_one_encoder() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FeatureCache::new(dir.path());
        let set = squares(5, 32, 2, 1);
        let x: Vec<&[f32]> = set.x.iter().map(Vec::as_slice).collect();
        let one = encoder(1);
        let fresh = one.features(&x, 32).unwrap();
        assert_eq!((fresh.len(), fresh[0].len()), (5, 8));
        assert_eq!(cache.get(&one, &x[..3], 32).unwrap(), fresh[..3]);
        assert_eq!(cache.get(&one, &x, 32).unwrap(), fresh);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let other = encoder(2);
        assert_ne!(one.hash(), other.hash());
        assert_ne!(cache.get(&other, &x, 32).unwrap(), fresh);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
