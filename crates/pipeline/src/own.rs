//! The user's own calibration: a file that `hilum calibrate` wrote, put in place of the cards' calibrations.

use crate::error::{PipelineError, Result};
use crate::store::Store;
use hilum_core::ModelRef;
use hilum_nn::weights::sha256_hex;
use hilum_trust::{Refit, RefitOptions};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What the file says that it is.
pub const FORMAT: &str = "hilum-calibration";
/// Version of the file's form.
pub const FORMAT_VERSION: u32 = 1;

/// Where the labelled cases came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationSource {
    /// Name of the table or folder.
    pub name: String,
    /// SHA-256 of the table.
    pub sha256: String,
}

/// The calibration of one output of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibratedOutput {
    /// The finding.
    pub finding: String,
    /// The model; null for scores that came without one, which a reading cannot use.
    pub model: Option<ModelRef>,
    /// The fit and what it was measured to be worth.
    pub refit: Refit,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationFile {
    /// [`FORMAT`].
    pub format: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Version of Hilum that wrote it.
    pub version: String,
    /// The data.
    pub source: CalibrationSource,
    /// How it was fitted.
    pub options: RefitOptions,
    /// Outputs.
    pub outputs: Vec<CalibratedOutput>,
}

/// A calibration file, checked against the models at hand.
#[derive(Debug, Clone)]
pub struct Calibration {
    file: CalibrationFile,
    reference: ModelRef,
}

impl Calibration {
    /// Reads a file and checks that it fits the models of `store`.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; [`PipelineError::Extra`] when it is no calibration file, of another version, of a model
    /// that is not here or has other weights, or of no model.
    pub fn open(path: &Path, store: &Store) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| PipelineError::Io {
            path: path.to_owned(),
            source,
        })?;
        let bad = |reason: String| PipelineError::Extra {
            path: path.to_owned(),
            reason,
        };
        let file: CalibrationFile = serde_json::from_slice(&bytes).map_err(|e| {
            bad(format!(
                "not a calibration file of `hilum calibrate` ({e}); make it again"
            ))
        })?;
        if file.format != FORMAT || file.format_version != FORMAT_VERSION {
            return Err(bad(format!(
                "is `{}` version {}, this program reads `{FORMAT}` version {FORMAT_VERSION}; run `hilum calibrate` again",
                file.format, file.format_version
            )));
        }
        for output in &file.outputs {
            fits(output, store).map_err(bad)?;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Calibration {
            file,
            reference: ModelRef {
                name: name.into_owned(),
                sha256: sha256_hex(&bytes),
            },
        })
    }

    /// The calibration of an output, if the file has one.
    pub fn of(&self, model: &str, finding: &str) -> Option<&Refit> {
        self.file
            .outputs
            .iter()
            .find(|o| o.finding == finding && o.model.as_ref().is_some_and(|m| m.name == model))
            .map(|o| &o.refit)
    }

    /// Name and hash for provenance.
    pub fn reference(&self) -> &ModelRef {
        &self.reference
    }
}

fn fits(output: &CalibratedOutput, store: &Store) -> std::result::Result<(), String> {
    let code = &output.finding;
    let Some(wanted) = &output.model else {
        return Err(format!(
            "`{code}` was fitted on scores without a model; run `hilum calibrate` with --model NAME"
        ));
    };
    let Some(model) = store.find(&wanted.name) else {
        return Err(format!(
            "`{code}` is of the model `{}`, which is not here (see `hilum weights list`)",
            wanted.name
        ));
    };
    if model.sha256 != wanted.sha256 {
        return Err(format!(
            "`{code}` was fitted on other weights of `{}`; run `hilum calibrate` again with these",
            wanted.name
        ));
    }
    match model
        .description
        .card
        .outputs
        .iter()
        .any(|o| o.code == *code)
    {
        true => Ok(()),
        false => Err(format!("`{}` has no output `{code}`", wanted.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_calibration_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.json");
        let open = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Calibration::open(&path, &Store::empty())
                .unwrap_err()
                .to_string()
        };
        assert!(open("{}").contains("make it again"));
        let other = r#"{"format":"hilum-calibration","format_version":9,"version":"0","source":{"name":"","sha256":""},
            "options":{"kinds":[],"folds":2,"seed":0,"rule":"youden","alpha":0.1,"resamples":0},"outputs":[]}"#;
        assert!(open(other).contains("version 9"));
        assert_eq!(
            Calibration::open(&dir.path().join("none"), &Store::empty())
                .unwrap_err()
                .kind(),
            "io"
        );
    }
}
