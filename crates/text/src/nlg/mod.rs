//! Scores of a text against reference texts, with the conventions of pycocoevalcap, sacreBLEU,
//! rouge-score and NLTK.
//!
//! Input is tokenised text (see [`crate::tokenize::Tokenizer`]), one hypothesis and one or more
//! references a sample. Every [`Score`] carries its per-sample values and a signature that says how
//! it came about.

pub mod bleu;
pub mod chrf;
pub mod cider;
pub mod meteor;
mod ngram;
pub mod nltk_bleu;
mod porter;
pub mod rouge;
pub mod sacre;
pub mod ter;

use crate::error::TextError;
use serde::Serialize;

/// One hypothesis with its references, tokenised and joined by single blanks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// The text to score.
    pub hypothesis: String,
    /// What it is compared with; at least one.
    pub references: Vec<String>,
}

/// A corpus value with its samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Value over the whole set; `None` when it is not defined, see `reason`.
    pub value: Option<f64>,
    /// One value a sample, in order; `None` where it is not defined.
    pub per_sample: Vec<Option<f64>>,
    /// How it was computed.
    pub signature: String,
    /// Why the value is undefined or says less than it seems to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why samples are undefined, where some are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_sample_reason: Option<String>,
    /// Names of the samples where they are no texts, e.g. patients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<Vec<String>>,
}

/// Version in every signature; changes when a value could.
pub const VERSION: &str = concat!("hilum-", env!("CARGO_PKG_VERSION"));

/// Refuses empty sets and samples without a reference.
fn check(samples: &[Sample]) -> Result<(), TextError> {
    if samples.is_empty() {
        return Err(TextError::Unscorable {
            reason: "no samples".to_owned(),
        });
    }
    match samples.iter().position(|s| s.references.is_empty()) {
        Some(at) => Err(TextError::Unscorable {
            reason: format!("sample {at} has no reference"),
        }),
        None => Ok(()),
    }
}

fn defined(values: Vec<f64>) -> Vec<Option<f64>> {
    values.into_iter().map(Some).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
