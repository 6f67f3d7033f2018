//! Settings of the federated study.

use super::algorithm::Algorithm;
use crate::blocks::classes::PAEDIATRIC;
use crate::blocks::study::Settings;
use crate::error::{MethodError, Result};
use hilum_nn::Network;
use hilum_nn::backbones::{Backbone, ResNetConfig};
use hilum_nn::builder::Head;
use serde::{Deserialize, Serialize};

/// How the training cases are dealt out to the clients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Skew {
    /// Label skew from a Dirichlet distribution.
    Label {
        /// Concentration.
        alpha: f64,
    },
    /// Quantity skew from a Dirichlet distribution.
    Quantity {
        /// Concentration.
        alpha: f64,
    },
    /// By view and age of the patients.
    Natural,
}

impl Skew {
    /// Name in tables.
    pub fn name(self) -> String {
        match self {
            Skew::Label { alpha } => format!("labels, Dirichlet {alpha}"),
            Skew::Quantity { alpha } => format!("quantity, Dirichlet {alpha}"),
            Skew::Natural => "view and age".to_owned(),
        }
    }
}

/// What is to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Normal, bacterial or viral pneumonia, children of one hospital.
    Paediatric,
    /// Any finding or none, NIH ChestX-ray14.
    Nih,
}

impl TaskName {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            TaskName::Paediatric => "paediatric",
            TaskName::Nih => "NIH",
        }
    }

    /// Sets that it reads.
    pub fn sets(self) -> &'static [&'static str] {
        match self {
            TaskName::Paediatric => &["kermany_paediatric"],
            // One resolution: the sets of two have the views the other way round, and a film's sharpness would tell them.
            TaskName::Nih => &["nih14"],
        }
    }

    /// Classes.
    pub fn classes(self) -> usize {
        match self {
            TaskName::Paediatric => 3,
            TaskName::Nih => 2,
        }
    }

    /// Their names.
    pub fn class_names(self) -> &'static [&'static str] {
        match self {
            TaskName::Paediatric => &PAEDIATRIC,
            TaskName::Nih => &["no finding", "any finding"],
        }
    }
}

/// One task with its skews.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// Task.
    pub task: TaskName,
    /// Side of the pictures.
    pub side: usize,
    /// Clients; the natural skew has four.
    pub clients: usize,
    /// Training cases at most: every k-th of the split.
    pub most: usize,
    /// Skews.
    pub skews: Vec<Skew>,
}

/// What a client does in a round.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Local {
    /// Passes over its cases; one in the paper.
    pub epochs: usize,
    /// Pictures a batch; 50 in the paper.
    pub batch: usize,
    /// Learning rate; 0.01 in the paper, which starts from ImageNet weights.
    pub rate: f32,
    /// Momentum.
    pub momentum: f32,
    /// Weight decay.
    pub weight_decay: f32,
    /// Weight of the margin control, where the algorithm has it.
    pub margin: f64,
    /// Weight of FedProx's pull towards the global weights.
    pub proximal: f32,
}

/// Everything that decides the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Tasks.
    pub studies: Vec<Study>,
    /// Trunk; an ImageNet ResNet-50 in the paper, a small one from scratch here.
    pub backbone: Backbone,
    /// Rounds; 200 in the paper.
    pub rounds: usize,
    /// Seeds, counting up from the run's: of the deal, the start and the batches.
    pub seeds: usize,
    /// What clients do.
    pub local: Local,
    /// Share of the principal directions that are kept.
    pub kept: f64,
    /// Cases that every client has at least.
    pub least: usize,
    /// Algorithms.
    pub algorithms: Vec<Algorithm>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            studies: vec![
                Study {
                    task: TaskName::Paediatric,
                    side: 32,
                    clients: 5,
                    most: 1000,
                    skews: vec![
                        Skew::Label { alpha: 0.1 },
                        Skew::Label { alpha: 0.5 },
                        Skew::Label { alpha: 10.0 },
                        Skew::Quantity { alpha: 0.5 },
                    ],
                },
                Study {
                    task: TaskName::Nih,
                    side: 48,
                    clients: 4,
                    most: 1000,
                    skews: vec![Skew::Natural],
                },
            ],
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1], 12)),
            rounds: 20,
            seeds: 5,
            local: Local {
                epochs: 1,
                batch: 25,
                rate: 0.05,
                momentum: 0.5,
                weight_decay: 5e-4,
                margin: 0.1,
                proximal: 0.01,
            },
            kept: 0.8,
            least: 20,
            algorithms: Algorithm::ALL.to_vec(),
        }
    }
}

impl Settings for Config {
    /// Two rounds of a very small net.
    fn tiny() -> Self {
        let mut c = Config {
            backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1], 4)),
            rounds: 2,
            seeds: 1,
            least: 4,
            ..Config::default()
        };
        c.local.batch = 16;
        c.studies[0].skews = vec![Skew::Label { alpha: 0.1 }];
        c.studies[1].side = 32;
        c
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        if self.rounds == 0 || self.seeds == 0 || self.local.epochs == 0 || self.least == 0 {
            return wrong("rounds, seeds, local epochs and least cases must be at least 1");
        }
        if self.local.batch < 2 || !(self.local.rate > 0.0 && self.local.rate.is_finite()) {
            return wrong("a batch of two pictures and a positive learning rate are needed");
        }
        if !(self.kept > 0.0 && self.kept <= 1.0) {
            return wrong("the share of directions kept lies above 0 and up to 1");
        }
        if self.local.margin < 0.0 || self.local.proximal < 0.0 {
            return wrong("the weights of margin control and proximal term must not be negative");
        }
        if self.studies.iter().any(|s| s.clients < 2 || s.side < 32) {
            return wrong("at least 2 clients and 32 pixels are needed");
        }
        let natural = |s: &Study| s.skews.contains(&Skew::Natural);
        if self
            .studies
            .iter()
            .any(|s| natural(s) && (s.task != TaskName::Nih || s.clients != 4))
        {
            return wrong("the natural skew is of the NIH task, with four clients");
        }
        Ok(())
    }
}

impl Config {
    /// The network of a task.
    pub fn network(&self, task: TaskName) -> Network {
        network(&self.backbone, task)
    }
}

/// The network of a task on a trunk.
pub fn network(backbone: &Backbone, task: TaskName) -> Network {
    Network::Classifier {
        backbone: backbone.clone(),
        head: Head::plain(task.classes()),
        channels: 1,
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
            |c| c.kept = 0.0,
            |c| c.rounds = 0,
            |c| c.local.rate = f32::NAN,
            |c| c.studies[0].skews = vec![Skew::Natural],
        ];
        for change in bad {
            let mut c = Config::default();
            change(&mut c);
            assert!(c.validate().is_err());
        }
    }
}
