//! The image and text encoders and their training on pairs.

use super::config::Config;
use super::sentences::{ENDS, Pool};
use super::similarity::Similarity;
use crate::blocks::classes::ClassSet;
use crate::blocks::classify::shuffled;
use crate::blocks::grow::{conv, linear, push};
use crate::blocks::short::{Judged, Short};
use crate::blocks::text_encoder::input;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Op, Params, Tensor};
use hilum_nn::backbones::{BertConfig, BertHead, bert, resnet};
use hilum_nn::builder::Head;
use hilum_nn::losses::contrastive;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::sync::atomic::Ordering;

/// Films seen at once.
const BATCH: usize = 64;
/// Outputs of the image encoder: feature maps of the trunk, and patches in the space of the sentences.
const FEATURES: usize = 1;
const PATCHES: usize = 2;

/// A film and what its label says: findings that are there, that are not, or of which nothing is known.
pub struct Truth<'a> {
    /// A row of findings, `NaN` where not labelled.
    pub findings: &'a [f32],
    /// Any finding at all?
    pub any: bool,
}

/// Which sentence a film is paired with: one that says this finding, or nothing.
type Topic = Option<usize>;

impl Truth<'_> {
    /// Whether a sentence on `topic` is true of the film: 1, 0 or `NaN`.
    fn agrees(&self, topic: Topic) -> f32 {
        match topic {
            None => f32::from(u8::from(!self.any)),
            Some(k) => self.findings[k],
        }
    }

    fn topics(&self) -> Vec<Topic> {
        let there = (0..self.findings.len()).filter(|&k| self.findings[k] >= 0.5);
        let mut all: Vec<Topic> = there.map(Some).collect();
        if !self.any {
            all.push(None);
        }
        all
    }
}

/// Both encoders, trained.
pub struct Encoders {
    image: Graph,
    text: Graph,
    image_params: Params,
    text_params: Params,
}

/// What the image encoder sees of films.
pub struct Seen {
    /// Mean of each feature map of the trunk.
    pub features: Vec<Vec<f64>>,
    /// Cosine of the best patch with each sentence.
    pub patch: Vec<Vec<f64>>,
    /// Which patch that is.
    pub at: Vec<Vec<usize>>,
    /// Cosine of the whole film with each sentence.
    pub whole: Vec<Vec<f64>>,
}

/// The image encoder: the trunk and a projection of each place.
pub fn image_graph(config: &Config) -> Graph {
    let mut graph = resnet(&config.trunk, 1, &Head::plain(2));
    let features = graph.outputs[FEATURES].1;
    let from = config.trunk.width << (config.trunk.layers.len() - 1);
    let patches = conv(&mut graph, "project", features, [from, config.width, 1]);
    graph.outputs.push(("patches".to_owned(), patches));
    graph
}

/// The text encoder: BERT and a projection of its first token; output `[n, width]`.
pub fn text_graph(config: &Config, words: usize) -> Graph {
    let sizes = BertConfig {
        vocab_size: words,
        ..config.text.clone()
    };
    let mut graph = bert(&sizes, "", BertHead::None);
    let last = graph.outputs[0].1;
    let first = push(&mut graph, "first", Op::TakePlace { index: 0 }, last);
    let out = linear(
        &mut graph,
        "project",
        first,
        [sizes.hidden_size, config.width],
    );
    graph.outputs = vec![("sentence".to_owned(), out)];
    graph
}

impl Encoders {
    /// Trains both on films of `set`, each with a sentence drawn anew in every pass that says what its label says.
    ///
    /// # Errors
    /// A stop, a diverging run, films of which nothing can be said.
    pub fn fit(
        ctx: &Context<'_>,
        config: &Config,
        set: &ClassSet,
        truths: &[Truth<'_>],
        pool: &Pool,
        seed: u64,
    ) -> Result<Encoders> {
        let (image, text) = (image_graph(config), text_graph(config, pool.words.size()));
        let c = &config.pretrain;
        let net =
            |g: &Graph, salt| Short::new(ctx, g, g.init_params(seed ^ salt), c.optimizer, seed);
        let (mut images, mut texts) = (net(&image, 0)?, net(&text, 1)?);
        // Films of which no sentence is true teach nothing.
        let spoken: Vec<usize> = (0..set.len())
            .filter(|&i| !truths[i].topics().is_empty())
            .collect();
        if spoken.len() < 2 {
            return Err(MethodError::TooFew {
                what: "films that a sentence can be said of".to_owned(),
                found: spoken.len(),
                needed: 2,
            });
        }
        let steps = (spoken.len() / c.batch).max(1);
        for epoch in 0..c.epochs {
            if ctx.stop.load(Ordering::SeqCst) {
                return Err(MethodError::Stopped);
            }
            let order = shuffled(spoken.len(), seed, epoch);
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5e17);
            rng.set_stream(epoch as u64);
            for step in 0..steps {
                let end = ((step + 1) * c.batch).min(order.len());
                let at: Vec<usize> = order[step * c.batch..end]
                    .iter()
                    .map(|&k| spoken[k])
                    .collect();
                let topics: Vec<Topic> = at.iter().map(|&i| topic(&truths[i], &mut rng)).collect();
                let lines: Vec<Vec<u32>> =
                    topics.iter().map(|t| line(pool, *t, &mut rng)).collect();
                let targets: Vec<f32> = at
                    .iter()
                    .flat_map(|&i| topics.iter().map(move |t| truths[i].agrees(*t)))
                    .collect();
                let (x, _) = set.batch(&at, c.jitter, seed ^ ((epoch as u64) << 32));
                let rate = c
                    .schedule
                    .rate((epoch * steps + step) as u64, (steps * c.epochs) as u64);
                let words = input(&lines, ENDS);
                together(
                    &mut images,
                    &mut texts,
                    [&x, &words],
                    &targets,
                    config,
                    rate,
                )?;
            }
        }
        Ok(Encoders {
            image_params: images.params().clone(),
            text_params: texts.params().clone(),
            image,
            text,
        })
    }

    /// The image encoder with its weights.
    pub fn image(&self) -> (&Graph, &Params) {
        (&self.image, &self.image_params)
    }

    /// Embeddings of sentences, `[n, width]`.
    ///
    /// # Errors
    /// What the kernels fail with.
    pub fn sentences(&self, lines: &[Vec<u32>]) -> Result<Tensor> {
        let plan = Plan::new(&self.text, &self.text_params)?;
        Ok(plan.run(&input(lines, ENDS))?.swap_remove(0))
    }

    /// What is seen of all films, with cosines to these sentences.
    ///
    /// # Errors
    /// What the kernels fail with.
    pub fn see(&self, set: &ClassSet, sentences: &Tensor) -> Result<Seen> {
        let plan = Plan::new(&self.image, &self.image_params)?;
        let m = sentences.shape[0];
        let mut seen = Seen {
            features: Vec::new(),
            patch: Vec::new(),
            at: Vec::new(),
            whole: Vec::new(),
        };
        let wide = |row: &[f32]| row.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let all: Vec<usize> = (0..set.len()).collect();
        for part in all.chunks(BATCH) {
            let (x, _) = set.batch(part, (0.0, 0), 0);
            let out = plan.run(&x)?;
            let maps = &out[FEATURES];
            let places = maps.shape[2] * maps.shape[3];
            let mean = |m: &[f32]| m.iter().map(|v| f64::from(*v)).sum::<f64>() / places as f64;
            let means: Vec<f64> = maps.data.chunks(places).map(mean).collect();
            seen.features
                .extend(means.chunks(maps.shape[1]).map(<[f64]>::to_vec));
            let cosines = Similarity::new(&out[PATCHES], sentences).cosines();
            seen.patch.extend(cosines.patch.chunks(m).map(wide));
            seen.whole.extend(cosines.whole.chunks(m).map(wide));
            seen.at.extend(cosines.at.chunks(m).map(<[usize]>::to_vec));
        }
        Ok(seen)
    }
}

fn topic(truth: &Truth<'_>, rng: &mut ChaCha8Rng) -> Topic {
    let all = truth.topics();
    all[rng.random_range(0..all.len())]
}

fn line(pool: &Pool, topic: Topic, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let from = topic.map_or(&pool.nothing, |k| &pool.there[k]);
    from[rng.random_range(0..from.len())].clone()
}

/// One step of both networks on the sum of two contrastive losses: of whole films, as BioViL's, and of their best patches,
/// because scores are read there.
fn together(
    images: &mut Short,
    texts: &mut Short,
    [x, words]: [&Tensor; 2],
    targets: &[f32],
    config: &Config,
    rate: f32,
) -> Result<()> {
    let m = words.shape[0];
    images.step(
        x,
        rate,
        |seen| {
            let by_patches = RefCell::new(None);
            let value = texts.step(
                words,
                rate,
                |said| {
                    let both = Similarity::new(&seen[PATCHES], &said[0]);
                    let cosines = both.cosines();
                    let patch = contrastive(&cosines.patch, targets, m, config.temperature);
                    let whole = contrastive(&cosines.whole, targets, m, config.temperature);
                    let [films, sentences] = both.back(&cosines.at, &patch.grad, &whole.grad);
                    *by_patches.borrow_mut() = Some(films);
                    Ok(Judged {
                        value: patch.value + whole.value,
                        grads: vec![sentences],
                    })
                },
                None,
            )?;
            let mut grads: Vec<Tensor> = seen.iter().map(|o| Tensor::zeros(&o.shape)).collect();
            if let Some(films) = by_patches.into_inner() {
                grads[PATCHES] = films;
            }
            Ok(Judged { value, grads })
        },
        None,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::classes::samples::squares;
    use crate::blocks::films::FINDINGS;
    use crate::blocks::study::Settings;
    use crate::blocks::tables::samples::context;
    use crate::robust_cbm::sentences::Vocabulary;
    use hilum_nn::optim::Schedule;
    use std::sync::atomic::AtomicBool;

    fn pool() -> Pool {
        let words = Vocabulary::new(["effusion seen", "mass seen", "clear"].into_iter(), 1, 8);
        let mut there = vec![Vec::new(); FINDINGS.len()];
        there[0].push(words.rows("effusion seen"));
        there[1].push(words.rows("mass seen"));
        Pool {
            there,
            nothing: vec![words.rows("clear")],
            words,
            used: 0,
        }
    }

    #[test]
    fn sentences_find_the_films_that_they_are_true_of() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let mut config = Config::tiny();
        config.pretrain.epochs = 12;
        config.pretrain.batch = 16;
        // A mirror image would be another film's.
        config.pretrain.jitter = (0.0, 2);
        config.pretrain.schedule = Schedule {
            base: 1e-2,
            ..config.pretrain.schedule
        };
        let set = squares(96, 32, 3, 1);
        let rows: Vec<Vec<f32>> = set
            .y
            .iter()
            .map(|&y| {
                let mut row = vec![0.0; FINDINGS.len()];
                if y > 0 {
                    row[y - 1] = 1.0;
                }
                row
            })
            .collect();
        let truths: Vec<Truth<'_>> = rows
            .iter()
            .zip(&set.y)
            .map(|(findings, y)| Truth {
                findings,
                any: *y > 0,
            })
            .collect();
        let pool = pool();
        let both = Encoders::fit(&ctx, &config, &set, &truths, &pool, 1).unwrap();
        let lines = [&pool.nothing, &pool.there[0], &pool.there[1]].map(|l| l[0].clone());
        let fresh = squares(60, 32, 3, 2);
        let seen = both.see(&fresh, &both.sentences(&lines).unwrap()).unwrap();
        let right = |rows: &[Vec<f64>]| {
            let best = rows.iter().map(|r| crate::blocks::exclusive::argmax(r));
            best.zip(&fresh.y).filter(|(a, y)| a == *y).count()
        };
        assert!(right(&seen.patch) > 45, "{}", right(&seen.patch));
        assert!(right(&seen.whole) > 45, "{}", right(&seen.whole));
        assert_eq!(seen.features[0].len(), 8);
    }

    #[test]
    fn a_film_is_spoken_of_by_what_its_label_says() {
        let mut findings = vec![0.0; FINDINGS.len()];
        findings[2] = f32::NAN;
        let clear = Truth {
            findings: &findings,
            any: false,
        };
        assert_eq!(clear.topics(), [None]);
        assert_eq!(clear.agrees(None), 1.0);
        assert!(clear.agrees(Some(2)).is_nan());
        let unnamed = Truth {
            findings: &findings,
            any: true,
        };
        assert!(unnamed.topics().is_empty());
    }
}
