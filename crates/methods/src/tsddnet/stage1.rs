//! Stage 1: a detector and a classifier of crops, the choice among candidate boxes, and both again on the chosen ones.

use super::boxes::{crop, moved};
use super::config::Config;
use super::detector::{self, Scored};
use crate::blocks::classes::ClassSet;
use crate::blocks::classify::shuffled;
use crate::blocks::short::{fit_classes, outputs, shares};
use crate::context::Context;
use crate::error::Result;
use hilum_core::Rect;
use hilum_kernels::{Graph, Params};
use hilum_metrics::detection::iou;
use hilum_nn::backbones::resnet;
use hilum_nn::builder::Head;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Pictures, classes and what boxes are known of them.
pub struct Scene<'a> {
    /// Where it runs.
    pub ctx: &'a Context<'a>,
    /// Settings.
    pub config: &'a Config,
    /// Pictures with their classes.
    pub set: &'a ClassSet,
    /// Seed.
    pub seed: u64,
}

/// A detector and a classifier of crops.
pub struct Pair {
    /// Weights of the detector.
    pub detector: Params,
    /// Weights of the classifier.
    pub classifier: Params,
}

/// Boxes of all pictures; none where none is known.
pub type Boxes = Vec<Option<Rect>>;

impl Scene<'_> {
    fn classifier(&self) -> Graph {
        resnet(&self.config.classifier, 1, &Head::plain(2))
    }

    /// The crops of pictures at `at` in these boxes, a box each.
    fn crops(&self, at: &[usize], rects: &[Rect]) -> ClassSet {
        let (seen, margin) = self.config.crop;
        let side = self.set.side;
        let cut = |(&i, rect): (&usize, &Rect)| crop(&self.set.x[i], side, rect, margin, seen);
        ClassSet {
            x: at.iter().zip(rects).map(cut).collect(),
            y: at.iter().map(|&i| self.set.y[i]).collect(),
            patients: at.iter().map(|&i| self.set.patients[i].clone()).collect(),
            side: seen,
            classes: 2,
        }
    }

    /// Trains both on the pictures of `at` that have a box, in a share of the steps.
    ///
    /// # Errors
    /// No boxes, a class without any, a stop, a diverging run.
    pub fn fit(&self, boxes: &Boxes, at: &[usize], share: f64) -> Result<Pair> {
        let (c, seed) = (self.config, self.seed);
        let part = |steps: usize| ((steps as f64 * share).round() as usize).max(1);
        let detector = detector::fit(
            self.ctx,
            c,
            self.set,
            boxes,
            at,
            part(c.steps.detector),
            seed,
        )?;
        let (own, rects): (Vec<usize>, Vec<Rect>) =
            at.iter().filter_map(|&i| Some((i, boxes[i]?))).unzip();
        let graph = self.classifier();
        let crops = self.crops(&own, &rects);
        let settings = c.crops(own.len(), part(c.steps.classifier));
        let start = graph.init_params(seed);
        let classifier = fit_classes(self.ctx, &graph, start, &crops, &settings, seed)?;
        Ok(Pair {
            detector,
            classifier,
        })
    }

    /// Logits of the classifier for the crops of pictures at `at`, a box each.
    ///
    /// # Errors
    /// What the kernels fail with.
    pub fn logits(&self, pair: &Pair, at: &[usize], rects: &[Rect]) -> Result<Vec<Vec<f32>>> {
        let crops = self.crops(at, rects);
        outputs(&self.classifier(), &pair.classifier, &crops, 0)
    }

    /// Probability of the second class in the best box of each picture.
    ///
    /// # Errors
    /// What the kernels fail with.
    pub fn says(&self, pair: &Pair, at: &[usize], found: &[Vec<Scored>]) -> Result<Vec<f32>> {
        let rects: Vec<Rect> = found.iter().map(|f| f[0].0).collect();
        let logits = self.logits(pair, at, &rects)?;
        Ok(logits.iter().map(|z| shares(z)[1]).collect())
    }

    /// Chooses a box for every picture of `at` by both networks: near the drawn box where there is one, else among the
    /// detector's. What decides is the probability of the true class in the crop; among equals, the detector's score, in
    /// which a candidate that is not the detector's counts as the best of those that it overlaps, times the overlap.
    ///
    /// # Errors
    /// What the kernels fail with.
    pub fn choose(&self, pair: &Pair, drawn: &Boxes, at: &[usize]) -> Result<Vec<Rect>> {
        let c = self.config;
        let found = detector::detect(c, &pair.detector, self.set, at)?;
        let (mut owners, mut rects, mut scores) = (Vec::new(), Vec::new(), Vec::new());
        for (k, (&i, found)) in at.iter().zip(&found).enumerate() {
            for rect in self.candidates(i, drawn[i], found) {
                owners.push(k);
                rects.push(rect);
                scores.push(score(&rect, found));
            }
        }
        let pictures: Vec<usize> = owners.iter().map(|&k| at[k]).collect();
        let logits = self.logits(pair, &pictures, &rects)?;
        let mut best: Vec<Option<(Rect, [f64; 2])>> = vec![None; at.len()];
        for (n, &k) in owners.iter().enumerate() {
            let p = f64::from(shares(&logits[n])[self.set.y[at[k]]]);
            // Probabilities within a step of each other are a tie.
            let rank = [(p / c.tie).round(), scores[n]];
            if best[k].is_none_or(|(_, r)| rank > r) {
                best[k] = Some((rects[n], rank));
            }
        }
        // Every picture has a candidate: its drawn box, or the detector's best.
        Ok(best.into_iter().flatten().map(|(r, _)| r).collect())
    }

    /// The drawn box, boxes near it and the detector's that overlap it; without a drawn box the detector's.
    fn candidates(&self, i: usize, drawn: Option<Rect>, found: &[Scored]) -> Vec<Rect> {
        let Some(drawn) = drawn else {
            return found.iter().map(|f| f.0).collect();
        };
        let c = self.config;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0xca4d);
        rng.set_stream(i as u64);
        let side = self.set.side as f64;
        let (many, noise) = &c.jitter;
        let mut all = vec![drawn];
        all.extend((0..*many).map(|_| moved(&drawn, noise, side, &mut rng)));
        let near = found.iter().map(|f| f.0);
        all.extend(near.filter(|r| iou(r, &drawn) >= c.near));
        all
    }

    /// New boxes for the pictures of `at`. Those with a drawn box are judged by networks of the other half of them: a classifier
    /// is sure of every crop that it was trained on. Those without one are judged by `pair`, trained on all drawn boxes.
    ///
    /// # Errors
    /// As [`Scene::fit`].
    pub fn refined(&self, pair: &Pair, drawn: &Boxes, at: &[usize]) -> Result<Boxes> {
        let (with, without): (Vec<usize>, Vec<usize>) =
            at.iter().partition(|&&i| drawn[i].is_some());
        let mut boxes = drawn.clone();
        for half in self.halves(&with) {
            let rest: Vec<usize> = with.iter().copied().filter(|i| !half.contains(i)).collect();
            let other = self.fit(drawn, &rest, 0.5)?;
            for (&i, rect) in half.iter().zip(self.choose(&other, drawn, &half)?) {
                boxes[i] = Some(rect);
            }
        }
        for (&i, rect) in without.iter().zip(self.choose(pair, drawn, &without)?) {
            boxes[i] = Some(rect);
        }
        Ok(boxes)
    }

    /// Pictures in two halves, each with its share of either class.
    fn halves(&self, at: &[usize]) -> [Vec<usize>; 2] {
        let mut halves = [Vec::new(), Vec::new()];
        for class in 0..2 {
            let own: Vec<usize> = at
                .iter()
                .copied()
                .filter(|&i| self.set.y[i] == class)
                .collect();
            let order = shuffled(own.len(), self.seed, class);
            for (n, k) in order.into_iter().enumerate() {
                halves[n % 2].push(own[k]);
            }
        }
        halves
    }
}

/// The detector's score of a candidate.
fn score(rect: &Rect, found: &[Scored]) -> f64 {
    found
        .iter()
        .map(|(r, s)| s * iou(r, rect))
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::classes::samples::squares;
    use crate::blocks::study::Settings;
    use crate::blocks::tables::samples::context;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_box_moves_to_the_crop_that_shows_the_class() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let config = Config {
            side: 48,
            ..Config::tiny()
        };
        let set = squares(12, 48, 2, 1);
        let scene = Scene {
            ctx: &ctx,
            config: &config,
            set: &set,
            seed: 1,
        };
        let rect = |x| Rect {
            x,
            y: 4.0,
            w: 16.0,
            h: 16.0,
        };
        let drawn: Boxes = (0..12)
            .map(|i| (i < 8).then(|| rect(if i % 2 == 0 { 4.0 } else { 28.0 })))
            .collect();
        let at: Vec<usize> = (0..12).collect();
        let pair = scene.fit(&drawn, &at, 1.0).unwrap();
        let boxes = scene.refined(&pair, &drawn, &at).unwrap();
        assert!(boxes.iter().all(Option::is_some));
        for i in 0..8 {
            let (old, new) = (drawn[i].unwrap(), boxes[i].unwrap());
            assert!(iou(&old, &new) > 0.1, "{i}: {old:?} {new:?}");
        }
        // The chosen candidate is at least as likely as the drawn box.
        let own: Vec<usize> = (0..8).collect();
        let chosen = scene.choose(&pair, &drawn, &own).unwrap();
        let old: Vec<Rect> = own.iter().filter_map(|&i| drawn[i]).collect();
        let likely = |rects: &[Rect]| -> Vec<f32> {
            let z = scene.logits(&pair, &own, rects).unwrap();
            z.iter()
                .zip(&own)
                .map(|(z, &i)| shares(z)[set.y[i]])
                .collect()
        };
        for (new, old) in likely(&chosen).iter().zip(likely(&old)) {
            assert!(*new + 0.011 > old, "{new} {old}");
        }
        let halves = scene.halves(&own);
        assert_eq!((halves[0].len(), halves[1].len()), (4, 4));
    }
}
