//! Settings of the study of uncertainty-guided patches.

use crate::blocks::classes::PAEDIATRIC;
use crate::blocks::short::ShortConfig;
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::backbones::ResNetConfig;
use serde::{Deserialize, Serialize};

/// How patches are chosen and the uncertainty head is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// The map is brought to the picture's size, and its head learns on every batch.
    Corrected,
    /// The same with an evidential loss on a Dirichlet map in place of the map's squared error.
    Dirichlet,
    /// As released: places of the small map taken for pixels, patches of four pixels, the map in the loss on the first
    /// batch of a pass only.
    Released,
    /// Patches at random.
    Random,
    /// Patches always at the same places.
    Fixed,
    /// No patches: the global network alone.
    Global,
}

impl Variant {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Corrected => "UGPL",
            Variant::Dirichlet => "UGPL, Dirichlet map",
            Variant::Released => "UGPL as released",
            Variant::Random => "random patches",
            Variant::Fixed => "fixed patches",
            Variant::Global => "global network alone",
        }
    }
}

/// What is to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Slices of the phantom with and without a nodule.
    Phantom,
    /// CT slices of IQ-OTH/NCCD, malignant or normal.
    Iqoth,
    /// Radiographs of children: normal, bacterial or viral pneumonia.
    Paediatric,
}

impl TaskName {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            TaskName::Phantom => "phantom CT",
            TaskName::Iqoth => "CT slices",
            TaskName::Paediatric => "paediatric",
        }
    }

    /// Classes.
    pub fn classes(self) -> usize {
        match self {
            TaskName::Paediatric => 3,
            _ => 2,
        }
    }

    /// Their names.
    pub fn class_names(self) -> &'static [&'static str] {
        match self {
            TaskName::Paediatric => &PAEDIATRIC,
            TaskName::Iqoth => &["normal", "malignant"],
            TaskName::Phantom => &["no nodule", "nodule"],
        }
    }
}

/// One task and how long it is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// Which.
    pub task: TaskName,
    /// Passes.
    pub epochs: usize,
    /// Training pictures at most.
    pub most: usize,
    /// Variants.
    pub variants: Vec<Variant>,
}

/// Weights of the parts of the loss, the released ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Cross entropy of the fused answer.
    pub fused: f64,
    /// Of the global one.
    pub global: f64,
    /// Of the patches.
    pub local: f64,
    /// Of the map.
    pub map: f64,
    /// Patches must agree with the whole, by their confidence.
    pub agree: f64,
    /// Confidence must be right.
    pub confidence: f64,
    /// Patches must differ.
    pub diversity: f64,
}

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Side of the pictures; 256 in the paper.
    pub side: usize,
    /// Side of a patch in the picture; a quarter of it, as in the paper.
    pub patch: usize,
    /// Side that patches are brought to.
    pub seen: usize,
    /// Patches.
    pub patches: usize,
    /// Global trunk; ResNet-34 in the paper.
    pub backbone: ResNetConfig,
    /// Channels of the head's hidden convolution; 256 in the paper.
    pub head: usize,
    /// Channels of the local network's convolutions; 64, 128, 256, 256 in the paper.
    pub local: Vec<usize>,
    /// Training; 100 passes in the paper.
    pub train: ShortConfig,
    /// Tasks.
    pub studies: Vec<Study>,
    /// Weights of the loss.
    pub weights: Weights,
    /// Seeds, counting up from the run's.
    pub seeds: usize,
    /// Folds of the CT slices, whose test split has too few patients.
    pub folds: usize,
    /// Phantom patients and slices a patient.
    pub phantoms: (u64, usize),
}

impl Default for Config {
    fn default() -> Self {
        use Variant::{Corrected, Dirichlet, Fixed, Global, Random, Released};
        Config {
            side: 96,
            patch: 24,
            seen: 32,
            patches: 3,
            backbone: ResNetConfig::basic(&[1, 1, 1], 12),
            head: 32,
            local: vec![12, 24, 32, 32],
            train: ShortConfig {
                epochs: 8,
                batch: 16,
                jitter: (0.5, 4),
                ..ShortConfig::default()
            },
            studies: vec![
                Study {
                    task: TaskName::Paediatric,
                    epochs: 8,
                    most: 600,
                    variants: vec![Corrected, Released, Random, Fixed, Global],
                },
                Study {
                    task: TaskName::Iqoth,
                    epochs: 20,
                    most: 400,
                    variants: vec![Corrected, Global],
                },
                Study {
                    task: TaskName::Phantom,
                    epochs: 16,
                    most: 400,
                    variants: vec![Corrected, Dirichlet, Released, Global],
                },
            ],
            weights: Weights {
                fused: 1.0,
                global: 0.5,
                local: 0.5,
                map: 0.3,
                agree: 0.2,
                confidence: 0.1,
                diversity: 0.1,
            },
            seeds: 3,
            folds: 3,
            phantoms: (24, 16),
        }
    }
}

impl Settings for Config {
    /// One seed, two passes, a small picture.
    fn tiny() -> Self {
        let mut c = Config {
            side: 64,
            patch: 16,
            seen: 16,
            backbone: ResNetConfig::basic(&[1, 1], 4),
            head: 4,
            local: vec![4, 4],
            seeds: 1,
            folds: 2,
            phantoms: (3, 8),
            ..Config::default()
        };
        for study in &mut c.studies {
            study.epochs = 2;
            study.most = 48;
        }
        c.train.batch = 8;
        c
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        self.train.validate()?;
        if self.patch < 4 || 2 * self.patch > self.side || self.patches == 0 {
            return wrong(
                "patches need four pixels, fit into half the picture, and there must be one",
            );
        }
        if self.local.is_empty() || self.seen >> self.local.len() == 0 {
            return wrong("every convolution halves a patch: it is too small for so many");
        }
        if self.seeds == 0 || self.folds < 2 || self.studies.iter().any(|s| s.epochs == 0) {
            return wrong("a seed, two folds and one pass are needed");
        }
        if self.phantoms.0 < 3 || self.phantoms.1 < 2 {
            return wrong("three phantom patients with two slices are needed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_nonsense_is_not() {
        assert!(Config::default().validate().is_ok());
        assert!(Config::tiny().validate().is_ok());
        let bad: [fn(&mut Config); 4] = [
            |c| c.patch = 60,
            |c| c.seen = 8,
            |c| c.folds = 1,
            |c| c.phantoms = (1, 8),
        ];
        for change in bad {
            let mut c = Config::default();
            change(&mut c);
            assert!(c.validate().is_err());
        }
    }
}
