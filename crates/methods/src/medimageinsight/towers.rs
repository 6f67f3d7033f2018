//! The two towers, and their training together.

use super::config::Config;
use super::films::{Films, VARIANTS};
use crate::blocks::classify::shuffled;
use crate::blocks::retrieval::words;
use crate::blocks::short::{Short, diverged};
use crate::blocks::unicl::{Pairs, unicl};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Init, ParamInfo, ParamRole, Params, Tensor};
use hilum_nn::backbones::{BertHead, MASK, TOKENS, bert};
use hilum_nn::optim::Optimizer;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Channels of a text's tensor.
const CHANNELS: usize = 3;
/// Row of the token that a text begins with, whose vector stands for it.
const FIRST: usize = 0;
/// Row of words that were not in the training texts.
const UNKNOWN: usize = 1;

/// Rows of the word table.
#[derive(Debug, Clone)]
pub struct Words {
    rows: BTreeMap<String, usize>,
    longest: usize,
}

impl Words {
    /// The words of texts, in the order of the alphabet.
    pub fn of<S: AsRef<str>>(texts: &[S], longest: usize) -> Self {
        let mut rows = BTreeMap::new();
        for text in texts {
            rows.extend(words(text.as_ref()).map(|w| (w, 0)));
        }
        rows.values_mut()
            .enumerate()
            .for_each(|(i, row)| *row = UNKNOWN + 1 + i);
        Words { rows, longest }
    }

    /// Rows of the table.
    pub fn size(&self) -> usize {
        UNKNOWN + 1 + self.rows.len()
    }

    /// Texts as the text tower reads them, `[n, 3, 1, longest]`; what is longer is cut.
    pub fn tensor<S: AsRef<str>>(&self, texts: &[S]) -> Tensor {
        let places = self.longest;
        let mut x = Tensor::zeros(&[texts.len(), CHANNELS, 1, places]);
        for (text, out) in texts.iter().zip(x.data.chunks_mut(CHANNELS * places)) {
            let known = |w: String| self.rows.get(&w).copied().unwrap_or(UNKNOWN);
            let ids = std::iter::once(FIRST).chain(words(text.as_ref()).map(known));
            for (place, id) in ids.take(places).enumerate() {
                out[TOKENS * places + place] = id as f32;
                out[MASK * places + place] = 1.0;
            }
        }
        x
    }
}

/// Both towers as they were trained.
pub struct Towers {
    words: Words,
    texts: Graph,
    text_params: Params,
    /// Layers of the image tower.
    pub images: Graph,
    /// Its weights.
    pub image_params: Params,
    /// What cosines are multiplied by.
    pub scale: f64,
    /// Mean loss of each epoch, nats a pair.
    pub losses: Vec<f64>,
}

impl Towers {
    /// Vectors of texts, not of length one.
    ///
    /// # Errors
    /// What the kernels fail with.
    pub fn texts<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>> {
        let plan = Plan::new(&self.texts, &self.text_params)?;
        let out = plan.run(&self.words.tensor(texts))?.swap_remove(1);
        Ok(out.data.chunks(out.shape[1]).map(<[f32]>::to_vec).collect())
    }
}

/// The logarithm of the scale, trained as everything else is.
struct Scale {
    values: Params,
    infos: Vec<ParamInfo>,
    optimizer: Optimizer,
    most: f64,
}

impl Scale {
    fn new(config: &Config) -> Self {
        let values = vec![vec![config.scale[0].ln() as f32]];
        let infos = vec![ParamInfo {
            name: "logit_scale".to_owned(),
            shape: vec![1],
            role: ParamRole::Bias,
            init: Init::Constant(values[0][0]),
        }];
        Scale {
            optimizer: Optimizer::new(config.train.optimizer, &values),
            values,
            infos,
            most: config.scale[1],
        }
    }

    fn get(&self) -> f64 {
        f64::from(self.values[0][0]).exp().min(self.most)
    }

    /// A step, given the gradient by the scale itself.
    fn step(&mut self, by_scale: f64, rate: f32) {
        let by_logarithm = (by_scale * self.get()) as f32;
        let grads = [Some(vec![by_logarithm])];
        self.optimizer
            .update(&self.infos, &mut self.values, &grads, rate);
        let most = self.most.ln() as f32;
        self.values[0][0] = self.values[0][0].min(most);
    }
}

/// Trains both towers on the films at `at` from the image tower's `start`.
///
/// # Errors
/// Fewer films than a batch, [`MethodError::Stopped`], a diverging run.
pub fn train(
    ctx: &Context<'_>,
    config: &Config,
    films: &Films,
    at: &[usize],
    start: Params,
    seed: u64,
) -> Result<Towers> {
    let how = &config.train;
    if at.len() < how.batch {
        return Err(MethodError::TooFew {
            what: "films with texts".to_owned(),
            found: at.len(),
            needed: how.batch,
        });
    }
    let spoken = |v: u64| at.iter().map(move |&i| films.all[i].text(v));
    let texts: Vec<String> = (0..VARIANTS).flat_map(spoken).collect();
    let vocabulary = Words::of(&texts, config.words);
    let text_graph = bert(&config.texts(vocabulary.size()), "", BertHead::Pooler);
    let image_graph = config.images().graph();
    let set = films.set(at);
    let mut image_net = Short::new(ctx, &image_graph, start, how.optimizer, seed)?;
    let first = text_graph.init_params(seed);
    let mut text_net = Short::new(ctx, &text_graph, first, how.optimizer, seed)?;
    let mut scale = Scale::new(config);
    let steps = at.len() / how.batch;
    let total = (steps * how.epochs) as u64;
    let mut losses = Vec::new();
    for epoch in 0..how.epochs {
        let order = shuffled(at.len(), seed, epoch);
        let mut sum = 0.0;
        for step in 0..steps {
            if ctx.stop.load(Ordering::SeqCst) {
                return Err(MethodError::Stopped);
            }
            let number = (epoch * steps + step) as u64;
            let rate = how.schedule.rate(number, total);
            let own = &order[step * how.batch..(step + 1) * how.batch];
            let texts: Vec<String> = own
                .iter()
                .map(|&i| films.all[at[i]].text(seed ^ (number + i as u64)))
                .collect();
            let (x, _) = set.batch(own, how.jitter, seed ^ ((epoch as u64) << 32));
            let images = image_net.forward(&x)?;
            let said = text_net.forward(&vocabulary.tensor(&texts))?;
            let labels: Vec<usize> = own.iter().map(|&i| set.y[i]).collect();
            let judged = unicl(&Pairs {
                images: &images[0].data,
                texts: &said[1].data,
                width: config.width,
                labels: &labels,
                scale: scale.get(),
            });
            if !judged.value.is_finite() {
                return Err(diverged(number));
            }
            image_net.back(&only(&images, 0, judged.images), rate, None)?;
            text_net.back(&only(&said, 1, judged.texts), rate, None)?;
            scale.step(judged.scale, rate);
            sum += judged.value;
        }
        losses.push(sum / steps as f64);
    }
    Ok(Towers {
        words: vocabulary,
        texts: text_graph,
        text_params: text_net.params().clone(),
        images: image_graph,
        image_params: image_net.params().clone(),
        scale: scale.get(),
        losses,
    })
}

/// The gradient of one output; the others have none.
fn only(outputs: &[Tensor], which: usize, grad: Vec<f32>) -> Vec<Tensor> {
    let mut grads: Vec<Tensor> = outputs.iter().map(|o| Tensor::zeros(&o.shape)).collect();
    grads[which].data = grad;
    grads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_rows_with_a_mask_and_are_cut() {
        let words = Words::of(&["Small effusion, left.", "left mass"], 4);
        assert_eq!(words.size(), 6);
        let x = words.tensor(&["left zebra", "small left mass effusion"]);
        assert_eq!(x.shape, [2, 3, 1, 4]);
        // effusion 2, left 3, mass 4, small 5.
        assert_eq!(x.data[..8], [0.0, 3.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0]);
        assert_eq!(x.data[12..20], [0.0, 5.0, 3.0, 4.0, 1.0, 1.0, 1.0, 1.0]);
        assert!(x.data[8..12].iter().all(|v| *v == 0.0));
    }

    #[test]
    fn the_scale_follows_its_gradient_and_stays_below_its_limit() {
        let config = Config {
            scale: [10.0, 11.0],
            ..Config::default()
        };
        let mut scale = Scale::new(&config);
        assert!((scale.get() - 10.0).abs() < 1e-4);
        scale.step(0.3, 0.01);
        assert!(scale.get() < 10.0);
        for _ in 0..100 {
            scale.step(-0.3, 0.01);
        }
        assert!((scale.get() - 11.0).abs() < 1e-4, "{}", scale.get());
    }
}
