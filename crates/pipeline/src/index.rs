//! Known cases by the features of a network: a file of unit vectors with labels and thumbnails, searched exactly.
//!
//! Exact search needs no index structure to be built or tuned, gives the same answer on any number of threads, and reads a
//! hundred thousand cases in a few hundredths of a second (`hilum bench similar`). For larger sets a graph can be searched in its place
//! ([`Index::linked`]), which is made when the file is opened and does not stand in it.
//!
//! The file is safetensors: `vectors` `[n, d]` (f32), `thumbnails` (bytes of PNGs, one after the other), `offsets`
//! `[n + 1]` (i64), and the entries as JSON in the metadata under `hilum.index`.

use crate::error::{PipelineError, Result};
use crate::store::{Model, Role, Store};
use hilum_core::{AgeGroup, ModelRef, Similar, SimilarCase};
use hilum_dicom::LoadedImage;
use hilum_image::{Gray, Kernel, Mask, draw, resize};
use hilum_methods::blocks::approximate::Approximate;
use hilum_methods::blocks::vectors::{Vectors, unit};
use hilum_methods::serve::{Classifier, Scores};
use hilum_nn::weights::sha256_hex;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Version of the file's form.
const FORMAT_VERSION: u32 = 1;
/// Key of the metadata.
const KEY: &str = "hilum.index";
/// Longest side of a thumbnail.
const THUMBNAIL: usize = 128;
/// Cases whose nearest neighbour is looked up when an index is built.
const PROBES: usize = 500;
/// Candidates that a search of the graph looks at.
const BREADTH: usize = 200;
/// Seed of the graph: the same cases are linked the same way everywhere.
const SEED: u64 = 1;

/// One known case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Id: the path in the folder or manifest.
    pub id: String,
    /// Labels as given.
    pub labels: Vec<String>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Patient, when known: another film of the same patient is no neighbour when the index is built.
    pub patient: Option<String>,
    /// Licence, when known.
    pub licence: Option<String>,
}

/// What the file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    format_version: u32,
    version: String,
    model: ModelRef,
    entries: Vec<Entry>,
    /// Distances of a sample of cases to their nearest neighbour of another patient, rising.
    nearest: Vec<f64>,
}

/// A case on its way into an index.
#[derive(Debug, Clone)]
pub struct NewCase {
    /// What is known of it.
    pub entry: Entry,
    /// Features; scaled to length 1 here.
    pub features: Vec<f64>,
    /// PNG; null to keep none.
    pub thumbnail: Option<Vec<u8>>,
}

/// Known cases.
#[derive(Debug, Clone)]
pub struct Index {
    header: Header,
    vectors: Vectors,
    thumbnails: Vec<u8>,
    offsets: Vec<usize>,
    graph: Option<Arc<Approximate>>,
}

impl Index {
    /// An index of cases by the features of `model`.
    ///
    /// # Errors
    /// [`PipelineError::Extra`] for no case, and for features that are not finite, all zero, or of several lengths.
    pub fn build(model: ModelRef, cases: Vec<NewCase>) -> Result<Self> {
        let bad = |reason: String| PipelineError::Extra {
            path: "index".into(),
            reason,
        };
        let dimensions = cases.first().map_or(0, |c| c.features.len());
        if dimensions == 0 {
            return Err(bad("no case can be indexed".into()));
        }
        let mut index = Index {
            header: Header {
                format_version: FORMAT_VERSION,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                model,
                entries: Vec::with_capacity(cases.len()),
                nearest: Vec::new(),
            },
            vectors: Vectors::new(dimensions),
            thumbnails: Vec::new(),
            offsets: vec![0],
            graph: None,
        };
        for case in cases {
            if case.features.len() != dimensions {
                return Err(bad(format!(
                    "{}: features of another length",
                    case.entry.id
                )));
            }
            if !index.vectors.push(&case.features) {
                let id = &case.entry.id;
                return Err(bad(format!("{id}: features without a direction")));
            }
            index.thumbnails.extend(case.thumbnail.unwrap_or_default());
            index.offsets.push(index.thumbnails.len());
            index.header.entries.push(case.entry);
        }
        index.header.nearest = index.nearest();
        Ok(index)
    }

    /// The same, searched approximately from now on by a graph that is made here. Takes one thread a while: it is for many searches of
    /// sets that exact search is too slow for.
    ///
    /// # Errors
    /// [`PipelineError::Extra`] where no thread can be started.
    pub fn linked(mut self) -> Result<Self> {
        let graph = Approximate::build(&self.vectors, BREADTH, SEED);
        let graph = graph.map_err(|e| PipelineError::Extra {
            path: "index".into(),
            reason: e.to_string(),
        })?;
        self.graph = Some(Arc::new(graph));
        Ok(self)
    }

    /// Cases.
    pub fn len(&self) -> usize {
        self.header.entries.len()
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.header.entries.is_empty()
    }

    /// Length of the vectors.
    pub fn dimensions(&self) -> usize {
        self.vectors.width()
    }

    /// The model whose features are compared.
    pub fn model(&self) -> &ModelRef {
        &self.header.model
    }

    /// One case.
    pub fn entry(&self, at: usize) -> Option<&Entry> {
        self.header.entries.get(at)
    }

    /// PNG of one case, when it was kept.
    pub fn thumbnail(&self, at: usize) -> Option<&[u8]> {
        let bytes = self
            .thumbnails
            .get(*self.offsets.get(at)?..*self.offsets.get(at + 1)?)?;
        (!bytes.is_empty()).then_some(bytes)
    }

    /// The `k` nearest cases that `keep` accepts, with their cosine distances, nearest first; of equal ones the first.
    /// Empty when the query has no direction or another length. Of a linked index nearly the nearest, and fewer where `keep` refuses many.
    pub fn search(
        &self,
        query: &[f64],
        k: usize,
        keep: impl Fn(&Entry) -> bool,
    ) -> Vec<(usize, f64)> {
        match unit(query) {
            Some(query) if query.len() == self.dimensions() => self.nearest_to(&query, k, keep),
            _ => Vec::new(),
        }
    }

    fn nearest_to(
        &self,
        query: &[f32],
        k: usize,
        keep: impl Fn(&Entry) -> bool,
    ) -> Vec<(usize, f64)> {
        let entries = &self.header.entries;
        let keep = |at: usize| keep(&entries[at]);
        let found = match &self.graph {
            Some(graph) => graph.nearest(query, k, keep),
            None => self.vectors.nearest(query, k, keep),
        };
        let distance = |s: f32| (1.0 - f64::from(s)).clamp(0.0, 2.0);
        found.into_iter().map(|(at, s)| (at, distance(s))).collect()
    }

    /// Distances of at most [`PROBES`] cases, evenly taken, to the nearest case of another patient, rising.
    fn nearest(&self) -> Vec<f64> {
        let step = self.len().div_ceil(PROBES).max(1);
        let mut found: Vec<f64> = (0..self.len())
            .step_by(step)
            .filter_map(|at| {
                let own = &self.header.entries[at];
                let other = |e: &Entry| {
                    e.sha256 != own.sha256 && (e.patient.is_none() || e.patient != own.patient)
                };
                let best = self.nearest_to(self.vectors.row(at), 1, other);
                best.first().map(|(_, d)| *d)
            })
            .collect();
        found.sort_by(f64::total_cmp);
        found
    }

    /// Share of the probed cases whose nearest neighbour lies nearer than `distance`; null for fewer than three.
    fn percentile(&self, distance: f64) -> Option<f64> {
        let all = &self.header.nearest;
        let nearer = all.partition_point(|d| *d < distance);
        (all.len() >= 3).then(|| nearer as f64 / all.len() as f64)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`PipelineError::Extra`] when it cannot be written as safetensors.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let bad = |reason: String| PipelineError::Extra {
            path: "index".into(),
            reason,
        };
        let header = serde_json::to_string(&self.header).map_err(|e| bad(e.to_string()))?;
        let values = self.vectors.values().iter();
        let vectors: Vec<u8> = values.flat_map(|v| v.to_le_bytes()).collect();
        let offsets: Vec<u8> = self
            .offsets
            .iter()
            .flat_map(|v| (*v as i64).to_le_bytes())
            .collect();
        let view = |dtype, shape, data| {
            TensorView::new(dtype, shape, data).map_err(|e| bad(e.to_string()))
        };
        let tensors = [
            (
                "vectors",
                view(Dtype::F32, vec![self.len(), self.dimensions()], &vectors)?,
            ),
            (
                "thumbnails",
                view(Dtype::U8, vec![self.thumbnails.len()], &self.thumbnails)?,
            ),
            (
                "offsets",
                view(Dtype::I64, vec![self.offsets.len()], &offsets)?,
            ),
        ];
        let metadata = HashMap::from([(KEY.to_owned(), header)]);
        safetensors::serialize(tensors, Some(metadata)).map_err(|e| bad(e.to_string()))
    }

    /// Reads a file's bytes; everything is checked, for the file may come from anywhere.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        let hint = "make it with `hilum index build`";
        let (_, metadata) = safetensors::SafeTensors::read_metadata(bytes)
            .map_err(|e| format!("not an index: {e}; {hint}"))?;
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|m| m.get(KEY))
            .ok_or_else(|| format!("not an index of hilum; {hint}"))?;
        let header: Header =
            serde_json::from_str(text).map_err(|e| format!("not an index: {e}; {hint}"))?;
        if header.format_version != FORMAT_VERSION {
            return Err(format!(
                "version {} of the form, this program reads {FORMAT_VERSION}; {hint}",
                header.format_version
            ));
        }
        let file = safetensors::SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
        let tensor = |name: &str, dtype: Dtype| {
            let found = file.tensor(name).map_err(|e| e.to_string())?;
            match found.dtype() == dtype {
                true => Ok(found),
                false => Err(format!("`{name}` has another type")),
            }
        };
        let vectors = tensor("vectors", Dtype::F32)?;
        let (n, dimensions) = match vectors.shape() {
            [n, d] if *n == header.entries.len() && *d > 0 && *n > 0 => (*n, *d),
            shape => {
                return Err(format!(
                    "{shape:?} vectors for {} entries",
                    header.entries.len()
                ));
            }
        };
        let index = Index {
            header,
            vectors: Vectors::from_values(dimensions, words(vectors.data(), f32::from_le_bytes))
                .ok_or("the vectors are not whole")?,
            thumbnails: tensor("thumbnails", Dtype::U8)?.data().to_vec(),
            offsets: words(tensor("offsets", Dtype::I64)?.data(), i64::from_le_bytes)
                .into_iter()
                .map(|v| usize::try_from(v).unwrap_or(usize::MAX))
                .collect(),
            graph: None,
        };
        index.check(n)
    }

    fn check(self, n: usize) -> std::result::Result<Self, String> {
        let rising = self.offsets.windows(2).all(|w| w[0] <= w[1]);
        let ends =
            self.offsets.first() == Some(&0) && self.offsets.last() == Some(&self.thumbnails.len());
        if self.offsets.len() != n + 1 || !rising || !ends {
            return Err("the thumbnails do not fit the entries".into());
        }
        if !self.vectors.values().iter().all(|v| v.is_finite()) {
            return Err("a vector is not finite".into());
        }
        if !self.header.nearest.iter().all(|v| v.is_finite()) {
            return Err("a distance is not finite".into());
        }
        Ok(self)
    }
}

/// Little-endian words.
fn words<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .chunks_exact(N)
        .filter_map(|c| <[u8; N]>::try_from(c).ok())
        .map(read)
        .collect()
}

/// A small PNG of an image.
///
/// # Errors
/// An image without pixels.
pub fn thumbnail(image: &Gray) -> std::result::Result<Vec<u8>, hilum_image::ImageError> {
    let side = image.width.max(image.height).max(1);
    let fit = |v: usize| match side > THUMBNAIL {
        true => (v * THUMBNAIL / side).max(1),
        false => v,
    };
    let small = resize::resize_u8(
        &image.to_u8(),
        fit(image.width),
        fit(image.height),
        Kernel::PilBilinear,
    )?;
    draw::encode_gray_png(&small)
}

/// Features of an image by a model: those that its logits are read from, of its first network.
///
/// # Errors
/// [`PipelineError::Extra`] for a model that gives no findings or needs lungs that are not known;
/// [`PipelineError::Network`].
pub fn features(
    model: &Model,
    path: &Path,
    image: &Gray,
    lungs: Option<&Mask>,
) -> Result<Vec<f64>> {
    Ok(scores(model, path, image, lungs)?.embedding)
}

fn scores(model: &Model, path: &Path, image: &Gray, lungs: Option<&Mask>) -> Result<Scores> {
    if model.role() == Role::Segmenter {
        return Err(PipelineError::Extra {
            path: path.to_owned(),
            reason: format!(
                "`{}` is a segmenter; take a model of findings, e.g. nih_findings",
                model.name
            ),
        });
    }
    model
        .classifier()?
        .score(image, lungs)
        .map_err(|source| PipelineError::Network {
            path: path.to_owned(),
            model: model.name.clone(),
            source,
        })
}

/// An index in use by a reader.
#[derive(Debug, Clone)]
pub struct Search {
    index: Index,
    reference: ModelRef,
    count: usize,
}

impl Search {
    /// Opens an index file and checks that its model is here with the same weights; `approximate` makes a graph to be searched.
    ///
    /// # Errors
    /// [`PipelineError::Io`], [`PipelineError::Extra`].
    pub fn open(path: &Path, store: &Store, count: usize, approximate: bool) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| PipelineError::Io {
            path: path.to_owned(),
            source,
        })?;
        let bad = |reason: String| PipelineError::Extra {
            path: path.to_owned(),
            reason,
        };
        let index = Index::from_bytes(&bytes).map_err(bad)?;
        let wanted = index.model();
        match store.find(&wanted.name) {
            None => Err(bad(format!(
                "was built with the model `{}`, which is not here; build it again",
                wanted.name
            ))),
            Some(model) if model.sha256 != wanted.sha256 => Err(bad(format!(
                "was built with other weights of `{}`; build it again",
                wanted.name
            ))),
            Some(_) => Ok(Search {
                reference: ModelRef {
                    name: path
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned(),
                    sha256: sha256_hex(&bytes),
                },
                index: match approximate {
                    true => index.linked()?,
                    false => index,
                },
                count,
            }),
        }
    }

    /// Name and hash for provenance.
    pub fn reference(&self) -> &ModelRef {
        &self.reference
    }

    /// The cases nearest to an image, and their thumbnails. The image itself, told by its bytes, is left out.
    pub(crate) fn of_image(
        &self,
        store: &Store,
        path: &Path,
        image: usize,
        age: Option<AgeGroup>,
        loaded: &LoadedImage,
        lungs: Option<&Mask>,
    ) -> Result<(Similar, Vec<Option<Vec<u8>>>)> {
        let name = &self.index.model().name;
        let none = |note: String| Similar {
            image,
            model: name.clone(),
            cases: Vec::new(),
            note: Some(note),
        };
        let Some(model) = store.find(name) else {
            return Ok((none(format!("the model `{name}` is not here")), Vec::new()));
        };
        if !model.serves(age) {
            let note = format!("`{name}` was not trained on patients of this age group");
            return Ok((none(note), Vec::new()));
        }
        if model.description.contract.needs_lungs() && lungs.is_none() {
            let note = format!("`{name}` needs the lungs, which were not found");
            return Ok((none(note), Vec::new()));
        }
        let query = features(model, path, &loaded.pixels, lungs)?;
        let own = &loaded.sha256;
        let found = self.index.search(&query, self.count, |e| e.sha256 != *own);
        let case = |&(at, distance): &(usize, f64)| {
            let entry = self.index.entry(at)?;
            Some(SimilarCase {
                id: entry.id.clone(),
                labels: entry.labels.clone(),
                distance,
                percentile: self.index.percentile(distance),
            })
        };
        let thumbnails = found
            .iter()
            .map(|(at, _)| self.index.thumbnail(*at).map(<[u8]>::to_vec))
            .collect();
        let cases: Vec<SimilarCase> = found.iter().filter_map(case).collect();
        let note = cases
            .is_empty()
            .then(|| "the index holds no other case".to_owned());
        Ok((
            Similar {
                image,
                model: name.clone(),
                cases,
                note,
            },
            thumbnails,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case(id: usize, features: &[f64]) -> NewCase {
        NewCase {
            entry: Entry {
                id: format!("case-{id}"),
                labels: vec!["label".into()],
                sha256: format!("{id:064}"),
                patient: Some(format!("p{}", id / 2)),
                licence: None,
            },
            features: features.to_vec(),
            thumbnail: (id != 1).then(|| vec![id as u8; id + 1]),
        }
    }

    fn index() -> Index {
        let model = ModelRef {
            name: "m".into(),
            sha256: "0".repeat(64),
        };
        let turned = |i: usize| {
            let angle = i as f64 * 0.3;
            case(i, &[angle.cos() * 5.0, angle.sin() * 5.0, 0.0])
        };
        Index::build(model, (0..6).map(turned).collect()).unwrap()
    }

    #[test]
    fn the_nearest_come_first_and_the_case_itself_can_be_left_out() {
        let index = index();
        let query = [0.3f64.cos(), 0.3f64.sin(), 0.0];
        let found = index.search(&query, 3, |_| true);
        assert_eq!(found[0].0, 1);
        assert!(found[0].1 < 1e-6 && (found[1].1 - (1.0 - 0.3f64.cos())).abs() < 1e-6);
        let others = index.search(&query, 9, |e| e.id != "case-1");
        assert_eq!(others.len(), 5);
        assert!(others.iter().all(|(at, _)| *at != 1));
        assert!(index.search(&[0.0; 3], 3, |_| true).is_empty());
        assert!(index.search(&[1.0; 2], 3, |_| true).is_empty());
    }

    #[test]
    fn search_equals_a_plain_loop_on_any_number_of_threads() {
        let model = ModelRef {
            name: "m".into(),
            sha256: "0".repeat(64),
        };
        let value = |i: usize, j: usize| ((i * 37 + j * 101) % 97) as f64 - 48.0;
        let cases: Vec<NewCase> = (0..2500)
            .map(|i| case(i, &(0..19).map(|j| value(i, j)).collect::<Vec<_>>()))
            .collect();
        let index = Index::build(model, cases).unwrap();
        let query: Vec<f64> = (0..19).map(|j| value(7, j + 1)).collect();
        let found = index.search(&query, 5, |_| true);
        let q = unit(&query).unwrap();
        let mut plain: Vec<(usize, f64)> = (0..2500)
            .map(|i| {
                let row = index.vectors.row(i);
                (
                    i,
                    1.0 - f64::from(hilum_methods::blocks::vectors::dot(&q, row)),
                )
            })
            .collect();
        plain.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (a, b) in found.iter().zip(&plain) {
            assert!((a.1 - b.1.max(0.0)).abs() < 1e-9);
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(pool.install(|| index.search(&query, 5, |_| true)), found);
    }

    #[test]
    fn a_linked_index_answers_as_the_exact_one_where_it_looks_at_all_cases() {
        let exact = index();
        let linked = exact.clone().linked().unwrap();
        let query = [0.7f64.cos(), 0.7f64.sin(), 0.0];
        let but = |e: &Entry| e.id != "case-2";
        assert_eq!(linked.search(&query, 3, but), exact.search(&query, 3, but));
        assert_eq!(linked.to_bytes().unwrap(), exact.to_bytes().unwrap());
        assert!(linked.search(&[1.0; 2], 3, |_| true).is_empty());
    }

    #[test]
    fn a_file_comes_back_and_distances_get_a_place() {
        let index = index();
        let back = Index::from_bytes(&index.to_bytes().unwrap()).unwrap();
        assert_eq!(back.header, index.header);
        assert_eq!(back.vectors, index.vectors);
        assert_eq!(back.thumbnail(0), Some(&[0u8][..]));
        assert_eq!(back.thumbnail(1), None);
        assert_eq!(back.thumbnail(2), Some(&[2u8; 3][..]));
        // Patients have two films each, 0.3 apart; the nearest of another patient is 0.3 or 0.6 away.
        assert_eq!(index.percentile(0.0), Some(0.0));
        assert_eq!(index.percentile(1.0), Some(1.0));
    }

    #[test]
    fn cases_without_direction_or_of_other_lengths_are_refused() {
        let model = || ModelRef {
            name: "m".into(),
            sha256: String::new(),
        };
        for cases in [
            vec![],
            vec![case(0, &[0.0, 0.0])],
            vec![case(0, &[f64::NAN, 1.0])],
            vec![case(0, &[1.0, 0.0]), case(1, &[1.0])],
        ] {
            assert!(Index::build(model(), cases).is_err());
        }
    }

    proptest! {
        #[test]
        fn damaged_files_are_errors(at in 0usize..2000, with in any::<u8>(), cut in 0usize..2000) {
            let mut bytes = index().to_bytes().unwrap();
            let at = at % bytes.len();
            bytes[at] = with;
            // Either refused or a whole index; never a panic.
            if let Ok(found) = Index::from_bytes(&bytes) {
                for i in 0..found.len() {
                    let _ = found.thumbnail(i);
                }
                let _ = found.search(&[1.0, 0.0, 0.0], 2, |_| true);
            }
            bytes.truncate(cut % bytes.len());
            prop_assert!(Index::from_bytes(&bytes).is_err());
        }
    }
}
