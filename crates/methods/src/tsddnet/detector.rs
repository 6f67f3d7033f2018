//! The detector: one stage on the trunk's grid, an objectness and four offsets a cell.

use super::boxes::{decode, encode, middle, placed};
use super::config::Config;
use crate::blocks::classes::{ClassSet, place};
use crate::blocks::classify::shuffled;
use crate::blocks::grow::conv;
use crate::blocks::short::{Judged, Short};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_core::Rect;
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_metrics::detection::nms;
use hilum_nn::backbones::resnet;
use hilum_nn::builder::Head;
use hilum_nn::losses::{bce_with_logits, sigmoid, smooth_l1};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::atomic::Ordering;

/// Outputs of the network: feature maps of the trunk, and objectness with offsets.
pub const FEATURES: usize = 1;
/// See [`FEATURES`].
pub const CELLS: usize = 2;
/// Overlap above which the weaker of two boxes falls.
const SAME: f64 = 0.5;
/// Pictures looked at at once.
const BATCH: usize = 32;

/// The network; outputs `logits` (unused), `features` and `cells`, `[n, 5, h, w]`.
pub fn graph(config: &Config) -> Graph {
    let mut graph = resnet(&config.trunk, 1, &Head::plain(2));
    let features = graph.outputs[FEATURES].1;
    let cells = conv(&mut graph, "cells", features, [channels(config), 5, 1]);
    graph.outputs.push(("cells".to_owned(), cells));
    graph
}

/// Channels of the trunk's feature maps.
pub fn channels(config: &Config) -> usize {
    config.trunk.width << (config.trunk.layers.len() - 1)
}

/// A box with its score, the logistic function of the objectness.
pub type Scored = (Rect, f64);

/// Pictures of a batch, mirrored and shifted, with their boxes where they have one.
pub struct Batch {
    /// `[n, 1, side, side]`.
    pub x: Tensor,
    /// Boxes.
    pub boxes: Vec<Option<Rect>>,
}

impl Batch {
    /// The pictures at `at`; what is drawn hangs on `seed` and the picture's place alone.
    pub fn new(
        set: &ClassSet,
        boxes: &[Option<Rect>],
        at: &[usize],
        shift: usize,
        seed: u64,
    ) -> Batch {
        let side = set.side;
        let mut x = Tensor::zeros(&[at.len(), 1, side, side]);
        let mut own = Vec::with_capacity(at.len());
        for (row, &i) in x.data.chunks_mut(side * side).zip(at) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(i as u64);
            let flip = rng.random_bool(0.5);
            let reach = shift as i64;
            let moved = [(); 2].map(|()| rng.random_range(-reach..=reach));
            place(&set.x[i], row, side, flip, moved);
            own.push(boxes[i].map(|b| placed(&b, side as f64, flip, moved)));
        }
        Batch { x, boxes: own }
    }
}

/// Value of the detector's loss and its gradient by the cells: binary cross entropy of the objectness, smooth L1 of the
/// offsets of cells that hold the lesion. A cell whose middle is in the inner half of the box holds it, and the one nearest to
/// the box's middle; other cells inside the box say nothing, and neither does a picture without a box.
pub fn loss(config: &Config, cells: &Tensor, boxes: &[Option<Rect>]) -> (f64, Tensor) {
    let [rows, columns] = [cells.shape[2], cells.shape[3]];
    let places = rows * columns;
    let stride = config.side as f64 / columns as f64;
    let mut wanted = vec![f32::NAN; cells.data.len()];
    for (own, rect) in wanted.chunks_mut(5 * places).zip(boxes) {
        let Some(rect) = rect else { continue };
        for p in 0..places {
            let centre = centre(p, columns, stride);
            match holds(rect, centre, stride) {
                Some(true) => {
                    own[p] = 1.0;
                    for (k, v) in encode(rect, centre, config.anchor).into_iter().enumerate() {
                        own[(k + 1) * places + p] = v;
                    }
                }
                Some(false) => own[p] = 0.0,
                None => {}
            }
        }
    }
    // Objectness and offsets are judged apart: what belongs to the other is not known to each.
    let side = |object: bool| -> Vec<f32> {
        let is = |i: usize| (i / places).is_multiple_of(5) == object;
        let mark = |(i, v): (usize, &f32)| if is(i) { *v } else { f32::NAN };
        wanted.iter().enumerate().map(mark).collect()
    };
    let hit = bce_with_logits(&cells.data, &side(true), Some(&[config.hit_weight]));
    let offsets = smooth_l1(&cells.data, &side(false), 1.0);
    let both = hit.grad.iter().zip(&offsets.grad);
    let data = both
        .map(|(a, b)| a + config.box_weight as f32 * b)
        .collect();
    let shape = cells.shape.clone();
    (
        hit.value + config.box_weight * offsets.value,
        Tensor { shape, data },
    )
}

fn centre(p: usize, columns: usize, stride: f64) -> [f64; 2] {
    [
        ((p % columns) as f64 + 0.5) * stride,
        ((p / columns) as f64 + 0.5) * stride,
    ]
}

/// Whether a cell holds the lesion; `None` where that is left open.
fn holds(rect: &Rect, centre: [f64; 2], stride: f64) -> Option<bool> {
    let off = |k: usize| (centre[k] - middle(rect)[k]).abs();
    let within = |share: f64| off(0) <= share * rect.w && off(1) <= share * rect.h;
    if within(0.25) || (off(0) <= stride / 2.0 && off(1) <= stride / 2.0) {
        return Some(true);
    }
    (!within(0.5)).then_some(false)
}

/// Trains a detector on the pictures of `at` that have a box.
///
/// # Errors
/// No boxes, a stop, a diverging run.
pub fn fit(
    ctx: &Context<'_>,
    config: &Config,
    set: &ClassSet,
    boxes: &[Option<Rect>],
    at: &[usize],
    steps: usize,
    seed: u64,
) -> Result<Params> {
    let boxed: Vec<usize> = at.iter().copied().filter(|&i| boxes[i].is_some()).collect();
    if boxed.len() < 2 {
        return Err(MethodError::TooFew {
            what: "pictures with a box".to_owned(),
            found: boxed.len(),
            needed: 2,
        });
    }
    let graph = graph(config);
    let mut net = Short::new(ctx, &graph, graph.init_params(seed), config.optimizer, seed)?;
    for step in 0..steps {
        if ctx.stop.load(Ordering::SeqCst) {
            return Err(MethodError::Stopped);
        }
        let own = drawn(&boxed, config.batch, step, seed);
        let batch = Batch::new(set, boxes, &own, config.shift, seed ^ ((step as u64) << 24));
        let rate = config.schedule.rate(step as u64, steps as u64);
        let judge = |outputs: &[Tensor]| -> Result<Judged> {
            let (value, grad) = loss(config, &outputs[CELLS], &batch.boxes);
            let mut grads: Vec<Tensor> = outputs.iter().map(|o| Tensor::zeros(&o.shape)).collect();
            grads[CELLS] = grad;
            Ok(Judged { value, grads })
        };
        net.step(&batch.x, rate, judge, None)?;
    }
    Ok(net.params().clone())
}

/// The pictures of a step: pass after pass, each in an order of its own.
pub fn drawn(from: &[usize], batch: usize, step: usize, seed: u64) -> Vec<usize> {
    let first = step * batch;
    let mut own = Vec::with_capacity(batch);
    let (mut pass, mut order) = (None, Vec::new());
    for k in first..first + batch {
        let number = k / from.len();
        if pass != Some(number) {
            order = shuffled(from.len(), seed, number);
            pass = Some(number);
        }
        own.push(from[order[k % from.len()]]);
    }
    own
}

/// Boxes of each picture, the most certain first, at most `top`.
///
/// # Errors
/// What the kernels fail with; scores that are not numbers.
pub fn detect(
    config: &Config,
    params: &Params,
    set: &ClassSet,
    at: &[usize],
) -> Result<Vec<Vec<Scored>>> {
    let plan = Plan::new(&graph(config), params)?;
    let mut all = Vec::with_capacity(at.len());
    for part in at.chunks(BATCH) {
        let (x, _) = set.batch(part, (0.0, 0), 0);
        let cells = plan.run(&x)?.swap_remove(CELLS);
        all.extend(found(config, &cells)?);
    }
    Ok(all)
}

/// Boxes read off the cells of each picture.
///
/// # Errors
/// Scores that are not numbers.
pub fn found(config: &Config, cells: &Tensor) -> Result<Vec<Vec<Scored>>> {
    let (columns, places) = (cells.shape[3], cells.shape[2] * cells.shape[3]);
    let side = config.side as f64;
    let stride = side / columns as f64;
    let one = |own: &[f32]| -> Result<Vec<Scored>> {
        let rects: Vec<Rect> = (0..places)
            .map(|p| {
                let offsets = [1, 2, 3, 4].map(|k| own[k * places + p]);
                decode(offsets, centre(p, columns, stride), config.anchor, side)
            })
            .collect();
        let scores: Vec<f64> = own[..places]
            .iter()
            .map(|z| sigmoid(f64::from(*z)))
            .collect();
        let kept = nms(&rects, &scores, SAME)?;
        let scored = |&k: &usize| (rects[k], scores[k]);
        Ok(kept.iter().take(config.top).map(scored).collect())
    };
    cells.data.chunks(5 * places).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::study::Settings;
    use crate::blocks::tables::samples::context;
    use crate::tsddnet::speckle::phantom;
    use hilum_metrics::detection::iou;
    use hilum_nn::InputContract;
    use std::sync::atomic::AtomicBool;

    fn cells(config: &Config) -> Tensor {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut t = Tensor::zeros(&[2, 5, 6, 6]);
        t.data.fill_with(|| rng.random_range(-1.0..1.0));
        assert_eq!(config.side % 6, 0);
        t
    }

    #[test]
    fn gradients_are_those_of_finite_differences_and_no_box_is_silent() {
        let config = Config::tiny();
        let rect = Rect {
            x: 10.0,
            y: 6.0,
            w: 20.0,
            h: 18.0,
        };
        let boxes = [Some(rect), None];
        let cells = cells(&config);
        let (_, grad) = loss(&config, &cells, &boxes);
        assert!(grad.data[180..].iter().all(|g| *g == 0.0));
        for k in 0..180 {
            let at = |step: f32| {
                let mut moved = cells.clone();
                moved.data[k] += step;
                loss(&config, &moved, &boxes).0
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((slope - f64::from(grad.data[k])).abs() < 1e-3, "{k}");
        }
    }

    #[test]
    fn a_cell_that_knows_the_lesion_gives_its_box() {
        let config = Config::tiny();
        let rect = Rect {
            x: 20.0,
            y: 10.0,
            w: 12.0,
            h: 14.0,
        };
        let mut cells = Tensor::zeros(&[1, 5, 6, 6]);
        cells.data[..36].fill(-6.0);
        let p = 2 * 6 + 3;
        cells.data[p] = 3.0;
        for (k, v) in encode(&rect, centre(p, 6, 8.0), config.anchor)
            .into_iter()
            .enumerate()
        {
            cells.data[(k + 1) * 36 + p] = v;
        }
        let found = found(&config, &cells).unwrap();
        assert!(iou(&found[0][0].0, &rect) > 0.999);
        assert!(found[0][0].1 > 0.9 && found[0][1].1 < 0.1);
    }

    #[test]
    fn it_learns_to_find_dark_lesions() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let config = Config {
            trunk: hilum_nn::backbones::ResNetConfig::basic(&[1, 1], 8),
            batch: 16,
            ..Config::tiny()
        };
        let contract = InputContract::square(48);
        let made: Vec<_> = (0..60).map(|n| phantom(n, 48, 1).unwrap()).collect();
        let set = ClassSet {
            x: made.iter().map(|p| contract.values(&p.plane)).collect(),
            y: vec![0; 60],
            patients: vec![String::new(); 60],
            side: 48,
            classes: 2,
        };
        let boxes: Vec<Option<Rect>> = made.iter().map(|p| Some(p.rect)).collect();
        let train: Vec<usize> = (0..40).collect();
        let test: Vec<usize> = (40..60).collect();
        let params = fit(&ctx, &config, &set, &boxes, &train, 120, 1).unwrap();
        let found = detect(&config, &params, &set, &test).unwrap();
        let mean = found
            .iter()
            .zip(&test)
            .map(|(f, &i)| iou(&f[0].0, &made[i].rect))
            .sum::<f64>()
            / 20.0;
        assert!(mean > 0.3, "{mean}");
        assert!(matches!(
            fit(&ctx, &config, &set, &vec![None; 60], &train, 1, 1),
            Err(MethodError::TooFew { .. })
        ));
    }

    #[test]
    fn every_pass_shows_every_picture_once() {
        let from = [4, 7, 9];
        let mut seen: Vec<usize> = (0..3).flat_map(|s| drawn(&from, 2, s, 1)).collect();
        let (first, second) = seen.split_at_mut(3);
        first.sort_unstable();
        second.sort_unstable();
        assert_eq!((&*first, &*second), (&from[..], &from[..]));
    }
}
