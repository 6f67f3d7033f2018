//! Training a multi-label classifier on prepared pictures.

use super::augment::{Augment, AugmentConfig, Item};
use super::pictures::{Lungs, Picture, load_pictures};
use crate::error::{MethodError, Result};
use hilum_data::{LabelMatrix, LabelPolicy, Sample};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_metrics::classification::{BinaryScores, auroc};
use hilum_nn::losses::{Loss, bce_with_logits, focal_with_logits, weighted_bce_chestxray8};
use hilum_nn::train::{Batch, Scores, Task};
use hilum_nn::{InputContract, NnError};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;

/// Loss of a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LossKind {
    /// Binary cross entropy.
    Bce,
    /// Weighted cross entropy of ChestX-ray8.
    WeightedChestXray8,
    /// Focal loss.
    Focal {
        /// Balance; negative switches it off.
        alpha: f64,
        /// Focus.
        gamma: f64,
    },
}

impl LossKind {
    /// Loss and gradient.
    pub fn loss(self, logits: &[f32], targets: &[f32]) -> Loss {
        match self {
            LossKind::Bce => bce_with_logits(logits, targets, None),
            LossKind::WeightedChestXray8 => weighted_bce_chestxray8(logits, targets),
            LossKind::Focal { alpha, gamma } => focal_with_logits(logits, targets, alpha, gamma),
        }
    }
}

/// What a classifier's training adds to the loop's own settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassifyConfig {
    /// Images a batch.
    pub batch: usize,
    /// Loss.
    pub loss: LossKind,
    /// Augmentation of training images.
    pub augment: AugmentConfig,
    /// Chance that a picture is blended with another of its batch, targets included, by a share drawn
    /// evenly (mixup, Zhang et al. 2018, with alpha 1).
    #[serde(default)]
    pub mixup: f64,
    /// Outputs whose mean AUROC on the validation split selects the epoch; all when empty.
    pub select_on: Vec<usize>,
}

/// Pictures with targets; `NaN` is "not labelled".
#[derive(Debug, Clone, Default)]
pub struct ClassifyData {
    /// Pictures.
    pub pictures: Vec<Picture>,
    /// Targets of each picture, one an output.
    pub targets: Vec<Vec<f32>>,
    /// Patient of each picture, for intervals.
    pub patients: Vec<String>,
}

impl ClassifyData {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// True without pictures.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// The pictures that `keep` accepts by their index.
    pub fn filter(&self, keep: impl Fn(usize) -> bool) -> ClassifyData {
        let at: Vec<usize> = (0..self.len()).filter(|&i| keep(i)).collect();
        ClassifyData {
            pictures: at.iter().map(|&i| self.pictures[i].clone()).collect(),
            targets: at.iter().map(|&i| self.targets[i].clone()).collect(),
            patients: at.iter().map(|&i| self.patients[i].clone()).collect(),
        }
    }

    /// These and then those of `other`.
    pub fn joined(&self, other: &ClassifyData) -> ClassifyData {
        ClassifyData {
            pictures: [self.pictures.as_slice(), &other.pictures].concat(),
            targets: [self.targets.as_slice(), &other.targets].concat(),
            patients: [self.patients.as_slice(), &other.patients].concat(),
        }
    }

    /// Labelled targets of one output with the index of their pictures.
    pub fn labelled(&self, output: usize) -> Vec<(usize, bool)> {
        let label =
            |(i, t): (usize, &Vec<f32>)| (!t[output].is_nan()).then(|| (i, t[output] >= 0.5));
        self.targets.iter().enumerate().filter_map(label).collect()
    }
}

/// The training task.
pub struct ClassifyTask<'a> {
    config: ClassifyConfig,
    contract: InputContract,
    graph: Graph,
    train: &'a ClassifyData,
    val: &'a ClassifyData,
    augment: Augment,
    seed: u64,
    order: Mutex<(usize, Vec<usize>)>,
}

impl<'a> ClassifyTask<'a> {
    /// A task; refuses empty splits.
    pub fn new(
        config: ClassifyConfig,
        contract: InputContract,
        graph: Graph,
        train: &'a ClassifyData,
        val: &'a ClassifyData,
        seed: u64,
    ) -> Result<Self> {
        for (what, data) in [("training split", train), ("validation split", val)] {
            if data.len() < 2 {
                let what = what.to_owned();
                return Err(MethodError::TooFew {
                    what,
                    found: data.len(),
                    needed: 2,
                });
            }
        }
        if config.batch < 2 {
            return Err(MethodError::Config(
                "a batch needs at least 2 images".into(),
            ));
        }
        let augment = Augment::new(config.augment.clone())?;
        let order = Mutex::new((usize::MAX, Vec::new()));
        Ok(ClassifyTask {
            config,
            contract,
            graph,
            train,
            val,
            augment,
            seed,
            order,
        })
    }

    fn indices(&self, epoch: usize, step: usize) -> Vec<usize> {
        let mut order = self.order.lock().unwrap_or_else(|e| e.into_inner());
        if order.0 != epoch {
            *order = (epoch, shuffled(self.train.len(), self.seed, epoch));
        }
        let size = self.config.batch.min(order.1.len());
        order.1[step * size..(step + 1) * size].to_vec()
    }
}

/// A permutation of `n` that depends on seed and epoch only.
pub fn shuffled(n: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch as u64 + 1);
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut rng);
    order
}

impl Task for ClassifyTask<'_> {
    fn steps(&self, _epoch: usize) -> usize {
        (self.train.len() / self.config.batch).max(1)
    }

    fn batch(&self, epoch: usize, step: usize) -> std::result::Result<Batch, NnError> {
        let at = self.indices(epoch, step);
        let (h, w) = (self.contract.height, self.contract.width);
        let item = |&i: &usize| {
            let plane = &self.train.pictures[i].plane;
            Item {
                plane,
                masks: Vec::new(),
                key: i as u64,
            }
        };
        let items: Vec<_> = at.iter().map(item).collect();
        let (data, _) = self.augment.batch(&items, self.seed, epoch as u64);
        let mut x = Tensor {
            shape: vec![at.len(), 1, h, w],
            data,
        };
        x.data
            .chunks_mut(h * w)
            .for_each(|levels| self.contract.scale(levels));
        let mut targets: Vec<f32> = at
            .iter()
            .flat_map(|&i| self.train.targets[i].clone())
            .collect();
        if self.config.mixup > 0.0 {
            let stream = ((epoch as u64 + 1) << 32) | (step as u64 + 1);
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(stream);
            mixup(
                &mut rng,
                self.config.mixup,
                at.len(),
                &mut x.data,
                &mut targets,
            );
        }
        Ok(Batch { x, targets })
    }

    fn loss(&self, batch: &Batch, outputs: &[Tensor]) -> std::result::Result<Loss, NnError> {
        Ok(self.config.loss.loss(&outputs[0].data, &batch.targets))
    }

    fn validate(&self, params: &Params) -> std::result::Result<Scores, NnError> {
        let logits = predict(&self.graph, params, &self.contract, self.val)
            .map_err(|e| NnError::Task(e.to_string()))?;
        let classes = self.val.targets[0].len();
        let all: Vec<usize> = (0..classes).collect();
        let chosen = if self.config.select_on.is_empty() {
            &all
        } else {
            &self.config.select_on
        };
        let scores: Vec<f64> = chosen
            .iter()
            .filter_map(|&k| output_auroc(self.val, &logits, k))
            .collect();
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        Ok(vec![("val_auroc".to_owned(), mean)])
    }
}

/// Blends each of `n` rows of `x` and `targets` with its successor in the batch by `chance`. A target that
/// either row lacks stays unlabelled.
fn mixup(rng: &mut ChaCha8Rng, chance: f64, n: usize, x: &mut [f32], targets: &mut [f32]) {
    let shares: Vec<f32> = (0..n)
        .map(|_| {
            let share = rng.random::<f32>();
            if rng.random_bool(chance) {
                share.max(1.0 - share)
            } else {
                1.0
            }
        })
        .collect();
    for values in [x, targets] {
        let width = values.len() / n;
        let before = values.to_vec();
        for (i, row) in values.chunks_mut(width).enumerate() {
            let own = shares[i];
            if own == 1.0 {
                continue;
            }
            let other = &before[(i + 1) % n * width..][..width];
            row.iter_mut()
                .zip(other)
                .for_each(|(a, b)| *a = own * *a + (1.0 - own) * b);
        }
    }
}

/// AUROC of one output over its labelled pictures; `None` when a class is missing.
pub fn output_auroc(data: &ClassifyData, logits: &[Vec<f64>], output: usize) -> Option<f64> {
    let labelled = data.labelled(output);
    let scores: Vec<f64> = labelled.iter().map(|&(i, _)| logits[i][output]).collect();
    let labels: Vec<bool> = labelled.iter().map(|&(_, y)| y).collect();
    auroc(&BinaryScores::new(&labels, &scores).ok()?).ok()
}

/// Logits of all pictures, in order.
pub fn predict(
    graph: &Graph,
    params: &Params,
    contract: &InputContract,
    data: &ClassifyData,
) -> Result<Vec<Vec<f64>>> {
    let plan = Plan::new(graph, params)?;
    let (h, w) = (contract.height, contract.width);
    let mut out = Vec::with_capacity(data.len());
    for part in data.pictures.chunks(16) {
        let values = part
            .iter()
            .flat_map(|p| contract.values(&p.plane))
            .collect();
        let x = Tensor {
            shape: vec![part.len(), 1, h, w],
            data: values,
        };
        let logits = &plan.run(&x)?[0];
        let classes = logits.shape[1];
        out.extend(
            logits
                .data
                .chunks(classes)
                .map(|z| z.iter().map(|&v| f64::from(v)).collect()),
        );
    }
    Ok(out)
}

/// Logits averaged over several networks of one shape.
pub fn predict_members(
    graph: &Graph,
    members: &[Params],
    contract: &InputContract,
    data: &ClassifyData,
) -> Result<Vec<Vec<f64>>> {
    let mut sum: Vec<Vec<f64>> = Vec::new();
    for params in members {
        let logits = predict(graph, params, contract, data)?;
        if sum.is_empty() {
            sum = logits;
            continue;
        }
        for (a, b) in sum.iter_mut().flatten().zip(logits.iter().flatten()) {
            *a += b;
        }
    }
    let share = 1.0 / members.len().max(1) as f64;
    sum.iter_mut().flatten().for_each(|v| *v *= share);
    Ok(sum)
}

/// Pictures and targets of `samples` for `codes`.
pub fn classify_data(
    samples: &[Sample],
    codes: &[&str],
    contract: &InputContract,
    lungs: Lungs<'_>,
) -> Result<ClassifyData> {
    let labels = LabelMatrix::new(samples, codes, LabelPolicy::IGNORE)?;
    let target = |i: usize| {
        labels
            .row(i)
            .iter()
            .map(|t| t.unwrap_or(f32::NAN))
            .collect()
    };
    Ok(ClassifyData {
        pictures: load_pictures(samples, contract, lungs, &[])?,
        targets: (0..samples.len()).map(target).collect(),
        patients: samples
            .iter()
            .map(|s| s.patient.clone().unwrap_or_else(|| s.id.clone()))
            .collect(),
    })
}
