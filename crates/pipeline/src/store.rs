//! The models: those embedded in the program and those in a folder of the user's.

use crate::error::{PipelineError, Result};
use hilum_core::{AgeGroup, ModelRef};
use hilum_explain::Net;
use hilum_methods::blocks::pack;
use hilum_methods::serve::{ModelCard, NetClassifier, NetSegmenter};
use hilum_nn::weights::{WeightFile, sha256_hex};
use hilum_nn::{InputContract, Network};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Name, SHA-256 (computed when the program was built) and bytes.
static EMBEDDED: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Name of the model that says whether an image may be analysed.
pub const GATE: &str = "gate";

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Part of the program.
    Embedded,
    /// A file of the user's.
    File(PathBuf),
}

/// What a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May the image be analysed?
    Gate,
    /// Masks.
    Segmenter,
    /// Findings.
    Findings,
}

/// What a weight file says of itself, read without its tensors.
#[derive(Debug, Clone)]
pub struct Description {
    /// The network.
    pub network: Network,
    /// What it expects.
    pub contract: InputContract,
    /// The card.
    pub card: ModelCard,
}

/// One weight file. Networks are built when they are first asked for.
pub struct Model {
    /// Name: that of the file without its ending.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Where it came from.
    pub source: Source,
    /// What it says of itself.
    pub description: Description,
    bytes: Cow<'static, [u8]>,
    classifier: OnceLock<std::result::Result<NetClassifier, String>>,
    segmenter: OnceLock<std::result::Result<NetSegmenter, String>>,
    explainer: OnceLock<std::result::Result<Net, String>>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.name)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

impl Model {
    fn new(
        name: String,
        sha256: String,
        source: Source,
        bytes: Cow<'static, [u8]>,
    ) -> Result<Self> {
        let description = describe(&bytes).map_err(|reason| PipelineError::Model {
            name: name.clone(),
            reason,
        })?;
        let (classifier, segmenter, explainer) =
            (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Model {
            name,
            sha256,
            source,
            description,
            bytes,
            classifier,
            segmenter,
            explainer,
        })
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it is asked for.
    pub fn role(&self) -> Role {
        match self.description.network {
            Network::Segmenter { .. } => Role::Segmenter,
            Network::Classifier { .. } if self.name == GATE => Role::Gate,
            Network::Classifier { .. } => Role::Findings,
        }
    }

    /// Name and hash for provenance.
    pub fn reference(&self) -> ModelRef {
        ModelRef {
            name: self.name.clone(),
            sha256: self.sha256.clone(),
        }
    }

    /// Whether the contract names this age group; an unknown age needs a model for both.
    pub fn serves(&self, age: Option<AgeGroup>) -> bool {
        let names = |group: &str| self.description.contract.ages.iter().any(|a| a == group);
        match age {
            Some(AgeGroup::Paediatric) => names("paediatric"),
            Some(AgeGroup::Adult) => names("adult"),
            None => names("paediatric") && names("adult"),
        }
    }

    /// The classifier, built at the first call.
    ///
    /// # Errors
    /// [`PipelineError::Model`].
    pub fn classifier(&self) -> Result<&NetClassifier> {
        let build = || {
            self.parse()
                .and_then(|file| NetClassifier::new(&file).map_err(|e| e.to_string()))
        };
        self.built(self.classifier.get_or_init(build))
    }

    /// The segmenter, built at the first call.
    ///
    /// # Errors
    /// [`PipelineError::Model`].
    pub fn segmenter(&self) -> Result<&NetSegmenter> {
        let build = || {
            self.parse()
                .and_then(|file| NetSegmenter::new(&file).map_err(|e| e.to_string()))
        };
        self.built(self.segmenter.get_or_init(build))
    }

    /// The classifier's networks made ready to be explained, built at the first call.
    ///
    /// # Errors
    /// [`PipelineError::Model`].
    pub fn explainer(&self) -> Result<&Net> {
        let build = || {
            let file = self.parse()?;
            let graph = self.description.network.graph();
            let members = pack::members(&file, &graph).map_err(|e| e.to_string())?;
            Net::new(&graph, &members, "logits").map_err(|e| e.to_string())
        };
        self.built(self.explainer.get_or_init(build))
    }

    fn parse(&self) -> std::result::Result<WeightFile, String> {
        WeightFile::parse(&self.bytes).map_err(|e| e.to_string())
    }

    fn built<'a, T>(&self, built: &'a std::result::Result<T, String>) -> Result<&'a T> {
        built.as_ref().map_err(|reason| PipelineError::Model {
            name: self.name.clone(),
            reason: reason.clone(),
        })
    }
}

/// Network, contract and card from the header of a weight file; the tensors are not decoded.
fn describe(bytes: &[u8]) -> std::result::Result<Description, String> {
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let mut metadata: BTreeMap<String, String> = header
        .metadata()
        .clone()
        .unwrap_or_default()
        .into_iter()
        .collect();
    if let Some(packed) = metadata.remove("hilum") {
        metadata = serde_json::from_str(&packed).map_err(|e| format!("metadata: {e}"))?;
    }
    let file = WeightFile {
        tensors: BTreeMap::new(),
        metadata,
    };
    let fail = |e: hilum_nn::NnError| {
        format!("{e} (is it a weight file of Hilum? `hilum weights convert` makes one)")
    };
    let contract: InputContract = file.get("hilum.contract").map_err(fail)?;
    contract.validate().map_err(|e| e.to_string())?;
    Ok(Description {
        network: file.get("hilum.network").map_err(fail)?,
        card: file.get("hilum.card").map_err(fail)?,
        contract,
    })
}

/// All models of a run, by name.
#[derive(Debug)]
pub struct Store {
    models: Vec<Model>,
}

impl Store {
    /// The embedded models, and those of `folder`, which replace embedded ones of the same name.
    ///
    /// # Errors
    /// A folder that cannot be listed, a file that cannot be read or is no weight file of this project.
    pub fn open(folder: Option<&Path>) -> Result<Self> {
        let mut models: BTreeMap<String, Model> = BTreeMap::new();
        for (name, sha256, bytes) in EMBEDDED {
            let model = Model::new(
                (*name).to_owned(),
                (*sha256).to_owned(),
                Source::Embedded,
                Cow::Borrowed(bytes),
            )?;
            models.insert(model.name.clone(), model);
        }
        for path in folder.map_or(Ok(Vec::new()), weight_files)? {
            let model = open_file(&path)?;
            models.insert(model.name.clone(), model);
        }
        Ok(Store {
            models: models.into_values().collect(),
        })
    }

    /// A store without any model: everything is then "not assessed".
    pub fn empty() -> Self {
        Store { models: Vec::new() }
    }

    /// All models, by name.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// Builds every network now. A batch does so before it starts: a thread that waits for others while it
    /// builds may take up another study, which would wait for the same network for ever.
    pub fn build_all(&self) {
        for model in &self.models {
            // What goes wrong is kept and told when the model is asked for.
            let _ = match model.role() {
                Role::Segmenter => model.segmenter().map(drop),
                Role::Gate | Role::Findings => model.classifier().map(drop),
            };
        }
    }

    /// Hands all models over.
    pub fn into_models(self) -> Vec<Model> {
        self.models
    }

    /// A model by its name.
    pub fn find(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|m| m.name == name)
    }

    /// The gate.
    pub fn gate(&self) -> Option<&Model> {
        self.models.iter().find(|m| m.role() == Role::Gate)
    }

    /// The segmenter of lungs (and heart).
    pub fn segmenter(&self) -> Option<&Model> {
        let lungs = |m: &&Model| m.description.card.outputs.iter().any(|o| o.code == "lungs");
        self.models
            .iter()
            .filter(|m| m.role() == Role::Segmenter)
            .find(lungs)
    }

    /// Classifiers of findings for an age group; those for this group alone come first, since they were
    /// trained for it.
    pub fn classifiers(&self, age: Option<AgeGroup>) -> Vec<&Model> {
        let fits = |m: &&Model| m.role() == Role::Findings && m.serves(age);
        let mut found: Vec<&Model> = self.models.iter().filter(fits).collect();
        found.sort_by_key(|m| m.description.contract.ages.len());
        found
    }

    /// All classifiers of findings.
    pub fn classifiers_of_all_ages(&self) -> impl Iterator<Item = &Model> {
        self.models.iter().filter(|m| m.role() == Role::Findings)
    }

    /// Whether any classifier of findings answers `code`, whatever its age group.
    pub fn answers(&self, code: &str) -> bool {
        let asked = |m: &Model| {
            m.description
                .card
                .outputs
                .iter()
                .any(|o| o.code == code && o.assessed)
        };
        self.models
            .iter()
            .any(|m| m.role() == Role::Findings && asked(m))
    }
}

/// Reads one weight file of a user's.
///
/// # Errors
/// [`PipelineError::Io`], [`PipelineError::Model`].
pub fn open_file(path: &Path) -> Result<Model> {
    let bytes = std::fs::read(path).map_err(|source| PipelineError::Io {
        path: path.to_owned(),
        source,
    })?;
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Model::new(
        name,
        sha256_hex(&bytes),
        Source::File(path.to_owned()),
        Cow::Owned(bytes),
    )
}

fn weight_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| PipelineError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_hashes_are_those_of_the_bytes() {
        for model in Store::open(None).unwrap().models() {
            assert_eq!(model.sha256, sha256_hex(model.bytes()), "{}", model.name);
            assert_eq!(model.source, Source::Embedded);
        }
    }

    #[test]
    fn a_file_that_is_no_weight_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("odd.safetensors"), b"not a model").unwrap();
        let error = Store::open(Some(dir.path())).unwrap_err();
        assert_eq!(error.kind(), "model");
        assert!(error.to_string().contains("`odd`"), "{error}");
        assert_eq!(
            Store::open(Some(&dir.path().join("absent")))
                .unwrap_err()
                .kind(),
            "io"
        );
    }
}
