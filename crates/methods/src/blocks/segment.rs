//! Training a segmenter on prepared pictures with masks.

use super::augment::{Augment, AugmentConfig, Item};
use super::classify::shuffled;
use super::pictures::Picture;
use crate::error::{MethodError, Result};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::losses::{Loss, bce_with_logits, dice_with_logits};
use hilum_nn::train::{Batch, Scores, Task};
use hilum_nn::{InputContract, NnError};
use serde::{Deserialize, Serialize};
use std::sync::Mutex;

/// What a segmenter's training adds to the loop's own settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentConfig {
    /// Images a batch.
    pub batch: usize,
    /// Share of the cross entropy beside the Dice loss.
    pub bce: f64,
    /// Augmentation.
    pub augment: AugmentConfig,
    /// Images drawn from each group an epoch; all when there is no entry for it.
    pub per_epoch: Vec<usize>,
}

/// Pictures whose masks are all the structures, and the group (set) of each.
#[derive(Debug, Clone, Default)]
pub struct SegmentData {
    /// Pictures.
    pub pictures: Vec<Picture>,
    /// Group of each, counted from 0.
    pub groups: Vec<usize>,
}

/// The training task.
pub struct SegmentTask<'a> {
    config: SegmentConfig,
    contract: InputContract,
    graph: Graph,
    train: &'a SegmentData,
    val: &'a SegmentData,
    group_names: Vec<String>,
    structures: Vec<String>,
    augment: Augment,
    seed: u64,
    order: Mutex<(usize, Vec<usize>)>,
}

impl<'a> SegmentTask<'a> {
    /// A task; refuses empty splits.
    #[allow(clippy::too_many_arguments)] // All of it is needed and none of it belongs together.
    pub fn new(
        config: SegmentConfig,
        contract: InputContract,
        graph: Graph,
        train: &'a SegmentData,
        val: &'a SegmentData,
        group_names: Vec<String>,
        structures: Vec<String>,
        seed: u64,
    ) -> Result<Self> {
        for (what, data) in [("training split", train), ("validation split", val)] {
            if data.pictures.len() < 2 {
                let (what, found) = (what.to_owned(), data.pictures.len());
                return Err(MethodError::TooFew {
                    what,
                    found,
                    needed: 2,
                });
            }
        }
        let augment = Augment::new(config.augment.clone())?;
        let order = Mutex::new((usize::MAX, Vec::new()));
        Ok(SegmentTask {
            config,
            contract,
            graph,
            train,
            val,
            group_names,
            structures,
            augment,
            seed,
            order,
        })
    }

    /// The images of an epoch: from each group its share, rotating through it over the epochs.
    fn epoch_order(&self, epoch: usize) -> Vec<usize> {
        let mut chosen = Vec::new();
        for group in 0..self.group_names.len() {
            let mut own: Vec<usize> = (0..self.train.groups.len())
                .filter(|&i| self.train.groups[i] == group)
                .collect();
            let share = self
                .config
                .per_epoch
                .get(group)
                .copied()
                .unwrap_or(own.len());
            if share < own.len() {
                let passes = own.len() / share;
                let order = shuffled(own.len(), self.seed ^ group as u64, epoch / passes);
                let from = (epoch % passes) * share;
                own = order[from..from + share].iter().map(|&k| own[k]).collect();
            }
            chosen.extend(own);
        }
        shuffled(chosen.len(), self.seed, epoch)
            .into_iter()
            .map(|k| chosen[k])
            .collect()
    }

    fn indices(&self, epoch: usize, step: usize) -> Vec<usize> {
        let mut order = self.order.lock().unwrap_or_else(|e| e.into_inner());
        if order.0 != epoch {
            *order = (epoch, self.epoch_order(epoch));
        }
        let size = self.config.batch.min(order.1.len());
        order.1[step * size..(step + 1) * size].to_vec()
    }
}

impl Task for SegmentTask<'_> {
    fn steps(&self, epoch: usize) -> usize {
        (self.epoch_order(epoch).len() / self.config.batch).max(1)
    }

    fn batch(&self, epoch: usize, step: usize) -> std::result::Result<Batch, NnError> {
        let at = self.indices(epoch, step);
        let (h, w) = (self.contract.height, self.contract.width);
        let item = |&i: &usize| {
            let picture = &self.train.pictures[i];
            let masks = picture.masks.iter().map(Option::as_ref).collect();
            Item {
                plane: &picture.plane,
                masks,
                key: i as u64,
            }
        };
        let items: Vec<_> = at.iter().map(item).collect();
        let (data, targets) = self.augment.batch(&items, self.seed, epoch as u64);
        let mut x = Tensor {
            shape: vec![at.len(), 1, h, w],
            data,
        };
        x.data
            .chunks_mut(h * w)
            .for_each(|levels| self.contract.scale(levels));
        Ok(Batch { x, targets })
    }

    fn loss(&self, batch: &Batch, outputs: &[Tensor]) -> std::result::Result<Loss, NnError> {
        let pixels = self.contract.height * self.contract.width;
        let dice = dice_with_logits(&outputs[0].data, &batch.targets, pixels);
        let bce = bce_with_logits(&outputs[0].data, &batch.targets, None);
        let share = self.config.bce as f32;
        let grad = dice
            .grad
            .iter()
            .zip(&bce.grad)
            .map(|(d, b)| d + share * b)
            .collect();
        Ok(Loss {
            value: dice.value + self.config.bce * bce.value,
            grad,
        })
    }

    fn validate(&self, params: &Params) -> std::result::Result<Scores, NnError> {
        let table = dice_table(&self.graph, params, &self.contract, self.val)
            .map_err(|e| NnError::Task(e.to_string()))?;
        let mut scores = Vec::new();
        for (g, group) in self.group_names.iter().enumerate() {
            for (k, structure) in self.structures.iter().enumerate() {
                let own: Vec<f64> = table
                    .iter()
                    .zip(&self.val.groups)
                    .filter(|(_, at)| **at == g)
                    .filter_map(|(row, _)| row[k])
                    .collect();
                if !own.is_empty() {
                    let mean = own.iter().sum::<f64>() / own.len() as f64;
                    scores.push((format!("{structure}_{group}"), mean));
                }
            }
        }
        let mean = scores.iter().map(|(_, v)| v).sum::<f64>() / scores.len() as f64;
        scores.insert(0, ("mean_dice".to_owned(), mean));
        Ok(scores)
    }
}

/// Dice of each picture and structure at network size, without clean-up; `None` where there is no mask.
pub fn dice_table(
    graph: &Graph,
    params: &Params,
    contract: &InputContract,
    data: &SegmentData,
) -> Result<Vec<Vec<Option<f64>>>> {
    let plan = Plan::new(graph, params)?;
    let (h, w) = (contract.height, contract.width);
    let mut out = Vec::with_capacity(data.pictures.len());
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
        for (picture, maps) in part.iter().zip(logits.data.chunks(classes * h * w)) {
            let dice =
                |(k, z): (usize, &[f32])| picture.masks[k].as_ref().map(|m| overlap(z, &m.data));
            out.push(maps.chunks(h * w).enumerate().map(dice).collect());
        }
    }
    Ok(out)
}

/// Dice of a logit map cut at 0 and a mask cut at one half; two empty masks agree fully.
fn overlap(logits: &[f32], mask: &[u8]) -> f64 {
    let (mut both, mut sum) = (0usize, 0usize);
    for (&z, &m) in logits.iter().zip(mask) {
        let (a, b) = (z > 0.0, m >= 128);
        both += usize::from(a && b);
        sum += usize::from(a) + usize::from(b);
    }
    if sum == 0 {
        1.0
    } else {
        2.0 * both as f64 / sum as f64
    }
}
