//! Batches for training: order, augmentation and stacking into `N, C, H, W`.

use crate::augment::{AugmentConfig, Augmentation};
use crate::error::{DataError, Result};
use crate::labels::LabelMatrix;
use crate::random::Draws;
use crate::store::{ImageStore, PlacedBox};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// In which order an epoch goes through the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As stored.
    Sequential,
    /// Each image once, shuffled by seed and epoch.
    Shuffled,
    /// As many draws as images, with replacement: an image weighs as much as its rarest target value
    /// (the inverse of how often that value of that code occurs); images without any target are not drawn.
    Balanced,
}

/// How batches are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchConfig {
    /// Images a batch.
    pub batch_size: usize,
    /// Order of an epoch.
    pub order: Order,
    /// Seed of order and augmentation.
    pub seed: u64,
    /// Leaves out a last batch that is not full.
    pub drop_last: bool,
    /// Per channel, `(mean, std)`: the value of a channel is `(v / 255 - mean) / std`. Its length is the
    /// number of channels; the grey image goes into each.
    pub normalise: Vec<(f32, f32)>,
    /// Augmentation; [`AugmentConfig::NONE`] for evaluation.
    pub augment: AugmentConfig,
}

impl BatchConfig {
    /// One channel between 0 and 1, in order, unchanged: for evaluation.
    pub fn plain(batch_size: usize) -> Self {
        BatchConfig {
            batch_size,
            order: Order::Sequential,
            seed: 0,
            drop_last: false,
            normalise: vec![(0.0, 1.0)],
            augment: AugmentConfig::NONE,
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DataError::Setting`].
    pub fn validate(&self) -> Result<()> {
        if self.batch_size == 0 {
            return Err(DataError::setting("batch_size", "at least 1", 0));
        }
        let fine = |(m, s): &(f32, f32)| m.is_finite() && s.is_finite() && *s > 0.0;
        if self.normalise.is_empty() || !self.normalise.iter().all(fine) {
            let got = format!("{:?}", self.normalise);
            return Err(DataError::setting(
                "normalise",
                "one or more (mean, positive std)",
                got,
            ));
        }
        self.augment.validate()
    }
}

/// A stack of images with what belongs to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Row of each image in the store and in the label matrix; length N.
    pub rows: Vec<usize>,
    /// Number of channels C.
    pub channels: usize,
    /// Side of the squares.
    pub size: usize,
    /// Images, `N * C * size * size`.
    pub images: Vec<f32>,
    /// Targets, `N * K`; 0 where the weight is 0. Empty without labels.
    pub targets: Vec<f32>,
    /// 1 where there is a target, else 0; `N * K`.
    pub weights: Vec<f32>,
    /// Masks, `N * M * size * size`, 0 or 1, in the order of the store's masks; 0 where the weight is 0.
    pub masks: Vec<f32>,
    /// 1 where the image has that mask, else 0; `N * M`.
    pub mask_weights: Vec<f32>,
    /// Boxes in pixels of the square; length N.
    pub boxes: Vec<Vec<PlacedBox>>,
}

impl Batch {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True without images.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Makes the batches of each epoch; the same for any number of threads.
#[derive(Debug, Clone)]
pub struct Loader<'a> {
    store: &'a ImageStore,
    labels: Option<&'a LabelMatrix>,
    config: BatchConfig,
    rows: Vec<usize>,
}

const PURPOSE: u64 = 0x6f72_6465;

impl<'a> Loader<'a> {
    /// A loader over the whole store.
    ///
    /// # Errors
    /// [`DataError::Setting`] for a config out of range, labels of another length than the store, or a
    /// balanced order without labels.
    pub fn new(
        store: &'a ImageStore,
        labels: Option<&'a LabelMatrix>,
        config: BatchConfig,
    ) -> Result<Self> {
        config.validate()?;
        if let Some(l) = labels.filter(|l| l.len() != store.len()) {
            return Err(DataError::setting(
                "labels",
                "as many rows as images",
                l.len(),
            ));
        }
        if config.order == Order::Balanced && labels.is_none() {
            return Err(DataError::setting(
                "order",
                "`sequential` or `shuffled` without labels",
                "balanced",
            ));
        }
        Ok(Loader {
            store,
            labels,
            config,
            rows: (0..store.len()).collect(),
        })
    }

    /// The same loader over some rows of the store, e.g. one fold.
    ///
    /// # Errors
    /// [`DataError::Setting`] for a row beyond the store.
    pub fn over(mut self, rows: Vec<usize>) -> Result<Self> {
        if let Some(row) = rows.iter().find(|r| **r >= self.store.len()) {
            return Err(DataError::setting(
                "rows",
                "below the number of images",
                row,
            ));
        }
        self.rows = rows;
        Ok(self)
    }

    /// Number of batches an epoch.
    pub fn batches(&self) -> usize {
        let n = self.rows.len();
        if self.config.drop_last {
            n / self.config.batch_size
        } else {
            n.div_ceil(self.config.batch_size)
        }
    }

    /// The rows of an epoch in their order.
    pub fn order(&self, epoch: u64) -> Vec<usize> {
        let mut draws = Draws::new(self.config.seed, PURPOSE, epoch, 0);
        match (self.config.order, self.labels) {
            (Order::Balanced, Some(labels)) => draw_balanced(&self.rows, labels, &mut draws),
            (Order::Shuffled, _) => {
                let mut rows = self.rows.clone();
                draws.shuffle(&mut rows);
                rows
            }
            _ => self.rows.clone(),
        }
    }

    /// The batches of an epoch, each made when it is asked for.
    pub fn epoch(&self, epoch: u64) -> impl Iterator<Item = Batch> + '_ {
        let order = self.order(epoch);
        let (size, count) = (self.config.batch_size, self.batches());
        (0..count).map(move |b| {
            let start = (b * size).min(order.len());
            self.batch(
                &order[start..(start + size).min(order.len())],
                epoch,
                start as u64,
            )
        })
    }

    /// The batch of these rows; `place` is the place of the first one in the epoch, so that an image
    /// that is drawn twice is changed in two ways.
    fn batch(&self, rows: &[usize], epoch: u64, place: u64) -> Batch {
        let area = self.store.size() * self.store.size();
        let (channels, kinds) = (self.config.normalise.len(), self.store.config().masks.len());
        let mut images = vec![0.0; rows.len() * channels * area];
        let mut masks = vec![0.0; rows.len() * kinds * area];
        let mut mask_weights = vec![0.0; rows.len() * kinds];
        let boxes = if kinds == 0 {
            let items = images.par_chunks_mut(channels * area).zip(rows).enumerate();
            items
                .map(|(i, (out, row))| {
                    self.fill(*row, epoch, place + i as u64, out, &mut [], &mut [])
                })
                .collect()
        } else {
            images
                .par_chunks_mut(channels * area)
                .zip(masks.par_chunks_mut(kinds * area))
                .zip(mask_weights.par_chunks_mut(kinds))
                .zip(rows)
                .enumerate()
                .map(|(i, (((out, m), w), row))| {
                    self.fill(*row, epoch, place + i as u64, out, m, w)
                })
                .collect()
        };
        let (targets, weights) = self
            .labels
            .map_or((Vec::new(), Vec::new()), |l| l.dense(rows));
        let size = self.store.size();
        Batch {
            rows: rows.to_vec(),
            channels,
            size,
            images,
            targets,
            weights,
            masks,
            mask_weights,
            boxes,
        }
    }

    fn fill(
        &self,
        row: usize,
        epoch: u64,
        place: u64,
        out: &mut [f32],
        masks: &mut [f32],
        weights: &mut [f32],
    ) -> Vec<PlacedBox> {
        let size = self.store.size();
        let change = Augmentation::draw(&self.config.augment, size, self.config.seed, epoch, place);
        let (first, others) = out.split_at_mut(size * size);
        change.image(self.store.image(row), first);
        for (channel, (mean, std)) in others
            .chunks_exact_mut(size * size)
            .zip(&self.config.normalise[1..])
        {
            channel
                .iter_mut()
                .zip(&*first)
                .for_each(|(o, v)| *o = (v - mean) / std);
        }
        let (mean, std) = self.config.normalise[0];
        first.iter_mut().for_each(|v| *v = (*v - mean) / std);
        let kinds = self.store.config().masks.iter();
        for ((name, out), weight) in kinds.zip(masks.chunks_exact_mut(size * size)).zip(weights) {
            let source = if change.is_flipped() {
                other_side(name)
            } else {
                name.clone()
            };
            if let Some(mask) = self.store.mask(row, &source) {
                change.mask(mask, out);
                *weight = 1.0;
            }
        }
        change.boxes(self.store.boxes(row))
    }
}

/// `left_lung` for `right_lung` and the other way round; other names stay.
fn other_side(name: &str) -> String {
    match (name.strip_prefix("left_"), name.strip_prefix("right_")) {
        (Some(rest), _) => format!("right_{rest}"),
        (_, Some(rest)) => format!("left_{rest}"),
        _ => name.to_owned(),
    }
}

fn draw_balanced(rows: &[usize], labels: &LabelMatrix, draws: &mut Draws) -> Vec<usize> {
    let codes = labels.codes().len();
    let mut counts = vec![[0usize; 2]; codes];
    let value = |t: f32| usize::from(t >= 0.5);
    for row in rows {
        let known = labels
            .row(*row)
            .iter()
            .enumerate()
            .filter_map(|(c, t)| Some((c, (*t)?)));
        known.for_each(|(c, t)| counts[c][value(t)] += 1);
    }
    let mut total = 0.0;
    let mut upto = Vec::with_capacity(rows.len());
    for row in rows {
        let known = labels
            .row(*row)
            .iter()
            .enumerate()
            .filter_map(|(c, t)| Some((c, (*t)?)));
        total += known
            .map(|(c, t)| 1.0 / counts[c][value(t)] as f64)
            .fold(0.0, f64::max);
        upto.push(total);
    }
    if total == 0.0 {
        return Vec::new();
    }
    let pick = |draws: &mut Draws| {
        let at = (draws.word() >> 11) as f64 / (1u64 << 53) as f64 * total;
        rows[upto.partition_point(|u| *u <= at).min(rows.len() - 1)]
    };
    (0..rows.len()).map(|_| pick(draws)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{LabelPolicy, LabelState};
    use crate::sample::{MaskForm, MaskRef, Pixels, Sample};
    use crate::store::StoreConfig;

    fn samples(dir: &std::path::Path, n: usize) -> Vec<Sample> {
        (0..n)
            .map(|i| {
                let path = dir.join(format!("{i}.png"));
                let shade = |x: u32, _| image::Luma([(i * 10) as u8 + x as u8]);
                image::GrayImage::from_fn(8, 8, shade).save(&path).unwrap();
                let mut s = Sample::new("x", i.to_string(), Pixels::File(path.clone()));
                let state = if i == 0 {
                    LabelState::Positive
                } else {
                    LabelState::Negative
                };
                s.labels.set("mass", state).unwrap();
                for (name, left) in [("left_lung", true), ("right_lung", false)] {
                    let path = dir.join(format!("{i}_{name}.png"));
                    image::GrayImage::from_fn(8, 8, |x, _| {
                        image::Luma([if (x < 3) == left { 255 } else { 0 }])
                    })
                    .save(&path)
                    .unwrap();
                    s.masks.push(MaskRef {
                        name: name.into(),
                        form: MaskForm::File(path),
                    });
                }
                s
            })
            .collect()
    }

    fn store(samples: &[Sample]) -> ImageStore {
        let masks = vec!["left_lung".into(), "right_lung".into(), "heart".into()];
        let config = StoreConfig {
            masks,
            ..StoreConfig::square(8)
        };
        ImageStore::load(samples, &config, None)
            .unwrap()
            .strict()
            .unwrap()
    }

    #[test]
    fn batches_do_not_depend_on_threads() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&samples(dir.path(), 11));
        let config = BatchConfig {
            order: Order::Shuffled,
            augment: AugmentConfig::POSITIONING,
            normalise: vec![(0.5, 0.25), (0.0, 1.0)],
            ..BatchConfig::plain(4)
        };
        let epoch = |threads: usize| -> Vec<Batch> {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let loader = Loader::new(&store, None, config.clone()).unwrap();
            pool.install(|| loader.epoch(3).collect())
        };
        let one = epoch(1);
        assert_eq!(one, epoch(4));
        assert_eq!(one.iter().map(Batch::len).collect::<Vec<_>>(), [4, 4, 3]);
        let mut rows: Vec<_> = one.iter().flat_map(|b| b.rows.clone()).collect();
        assert_ne!(rows, (0..11).collect::<Vec<_>>());
        rows.sort_unstable();
        assert_eq!(rows, (0..11).collect::<Vec<_>>());
    }

    #[test]
    fn channels_are_normalised_by_themselves_and_missing_masks_weigh_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&samples(dir.path(), 2));
        let config = BatchConfig {
            normalise: vec![(0.0, 1.0), (0.5, 0.5)],
            ..BatchConfig::plain(2)
        };
        let b = Loader::new(&store, None, config)
            .unwrap()
            .epoch(0)
            .next()
            .unwrap();
        assert_eq!(b.images.len(), 2 * 2 * 64);
        let (grey, scaled) = (b.images[128 + 5], b.images[128 + 64 + 5]);
        assert!((grey - 15.0 / 255.0).abs() < 1e-6 && (scaled - (grey - 0.5) / 0.5).abs() < 1e-6);
        assert_eq!(b.mask_weights, [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn mirroring_swaps_the_sides_of_masks() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&samples(dir.path(), 1));
        let augment = AugmentConfig {
            flip: 1.0,
            ..AugmentConfig::NONE
        };
        let config = BatchConfig {
            augment,
            ..BatchConfig::plain(1)
        };
        let b = Loader::new(&store, None, config)
            .unwrap()
            .epoch(0)
            .next()
            .unwrap();
        assert_eq!(
            b.masks[..8],
            [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0],
            "the right lung, mirrored"
        );
    }

    #[test]
    fn balanced_draws_meet_rare_labels() {
        let dir = tempfile::tempdir().unwrap();
        let samples = samples(dir.path(), 20);
        let (store, labels) = (
            store(&samples),
            LabelMatrix::new(&samples, &["mass"], LabelPolicy::IGNORE).unwrap(),
        );
        let config = BatchConfig {
            order: Order::Balanced,
            ..BatchConfig::plain(5)
        };
        let loader = Loader::new(&store, Some(&labels), config.clone()).unwrap();
        let rare: usize = (0..50)
            .map(|e| loader.order(e).iter().filter(|r| **r == 0).count())
            .sum();
        assert!((400..600).contains(&rare), "{rare} of 1000 draws");
        assert!(Loader::new(&store, None, config).is_err());
        let fold = Loader::new(&store, Some(&labels), BatchConfig::plain(8))
            .unwrap()
            .over(vec![4, 2])
            .unwrap();
        assert_eq!((fold.batches(), fold.order(0)), (1, vec![4, 2]));
    }
}
