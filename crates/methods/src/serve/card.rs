//! The model card inside a weight file.

use hilum_trust::{
    AbsoluteResidual, BinaryConformal, Calibrator, Mahalanobis, OodThreshold, TunedPoint,
};
use serde::{Deserialize, Serialize};

/// A set that a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSource {
    /// Name of the set.
    pub set: String,
    /// Licence in words.
    pub licence: String,
    /// Training images used.
    pub images: usize,
}

/// One measured figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRow {
    /// Which score, e.g. `auroc`.
    pub metric: String,
    /// Finding or structure.
    pub target: String,
    /// Set it was measured on.
    pub set: String,
    /// Split.
    pub split: String,
    /// The figure; null when undefined.
    pub value: Option<f64>,
    /// 95 % interval by bootstrap over patients.
    pub interval: Option<(f64, f64)>,
    /// Cases.
    pub n: usize,
    /// Positive cases, for scores that have them.
    pub positives: Option<usize>,
}

/// One output of a classifier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputCard {
    /// Taxonomy code, or the question of a gate.
    pub code: String,
    /// Whether the model was shown to detect it, by the rule in the card's `assessed_rule`.
    pub assessed: bool,
    /// The figure behind `assessed`, in words.
    pub shown_by: String,
    /// Logit to probability.
    pub calibrator: Option<Calibrator>,
    /// Threshold with its measured sensitivity and specificity.
    pub operating_point: Option<TunedPoint>,
    /// From here up the answer is sure, for a gate whose operating point refuses only what is surely wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sure_from: Option<TunedPoint>,
    /// Label-conditional conformal set.
    pub conformal: Option<BinaryConformal>,
}

/// Distance of an image's features from the training images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OodDetector {
    /// Distance.
    pub distance: Mahalanobis,
    /// Above it an image is too unlike.
    pub threshold: OodThreshold,
}

/// Interval of a measurement taken from this model's masks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasurementError {
    /// Name of the measurement, e.g. `cardiothoracic_ratio`.
    pub name: String,
    /// Absolute error on the validation split.
    pub residual: AbsoluteResidual,
}

/// Everything a user must know about a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Name in the weight store.
    pub name: String,
    /// What it does, in one line.
    pub title: String,
    /// Method that trained it.
    pub method: String,
    /// Training sets.
    pub data: Vec<DataSource>,
    /// True when any training set is for research only; such weights inherit that limit.
    pub research_only: bool,
    /// Why, or what was checked.
    pub licence_note: String,
    /// Outputs of a classifier; structures of a segmenter by name.
    pub outputs: Vec<OutputCard>,
    /// When an output counts as assessed.
    pub assessed_rule: String,
    /// Figures.
    pub metrics: Vec<MetricRow>,
    /// What is known to go wrong.
    pub failure_cases: Vec<String>,
    /// Tells images that are unlike the training images.
    #[serde(default)]
    pub ood: Option<OodDetector>,
    /// Measured errors of what is measured on the masks.
    #[serde(default)]
    pub measurement_errors: Vec<MeasurementError>,
    /// Seed.
    pub seed: u64,
    /// Hash over the training data.
    pub data_hash: String,
    /// Hash over the split.
    pub split_hash: String,
    /// Version that trained it.
    pub version: String,
    /// The method's whole configuration.
    pub config: serde_json::Value,
}

impl ModelCard {
    /// The card as Markdown, for `models/`.
    pub fn markdown(&self, sha256: &str, contract: &hilum_nn::InputContract) -> String {
        let mut out = format!("# {}\n\n{}\n\n", self.name, self.title);
        out.push_str("Research software; not a medical device, not for clinical use.\n\n");
        out.push_str(&format!(
            "- trained by `hilum train {}` (seed {}, version {})\n",
            self.method, self.seed, self.version
        ));
        out.push_str(&format!(
            "- sha256 `{sha256}`\n- data hash `{}`\n- split hash `{}`\n",
            self.data_hash, self.split_hash
        ));
        out.push_str(&format!(
            "- research only: {}. {}\n",
            if self.research_only { "yes" } else { "no" },
            self.licence_note
        ));
        out.push_str("\n## Training data\n\n| set | images | licence |\n| --- | --- | --- |\n");
        for d in &self.data {
            out.push_str(&format!("| `{}` | {} | {} |\n", d.set, d.images, d.licence));
        }
        out.push_str(&format!(
            "\n## Input contract\n\n{}\n",
            contract_lines(contract)
        ));
        out.push_str(&self.outputs_table());
        out.push_str("\n## Measured\n\n| score | target | set | split | value | 95 % interval | n | positives |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
        for m in &self.metrics {
            out.push_str(&format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
                m.metric,
                m.target,
                m.set,
                m.split,
                m.value.map_or("undefined".into(), |v| format!("{v:.3}")),
                m.interval
                    .map_or("-".into(), |(a, b)| format!("{a:.3} to {b:.3}")),
                m.n,
                m.positives.map_or("-".into(), |p| p.to_string()),
            ));
        }
        out.push_str("\n## Known failure cases\n\n");
        self.failure_cases
            .iter()
            .for_each(|f| out.push_str(&format!("- {f}\n")));
        out
    }

    fn outputs_table(&self) -> String {
        if self.outputs.is_empty() {
            return String::new();
        }
        let mut out = format!(
            "\n## Outputs\n\n{}\n\n| output | assessed | shown by | threshold | sensitivity | specificity |\n| --- | --- | --- | --- | --- | --- |\n",
            self.assessed_rule
        );
        for o in &self.outputs {
            let p = o.operating_point.as_ref();
            let show = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.3}"));
            out.push_str(&format!(
                "| `{}` | {} | {} | {} | {} | {} |\n",
                o.code,
                if o.assessed { "yes" } else { "no" },
                o.shown_by,
                show(p.map(|p| p.threshold)),
                show(p.map(|p| p.sensitivity)),
                show(p.map(|p| p.specificity)),
            ));
        }
        out
    }
}

fn contract_lines(c: &hilum_nn::InputContract) -> String {
    let text = serde_json::to_string_pretty(c).unwrap_or_default();
    format!("```json\n{text}\n```")
}
