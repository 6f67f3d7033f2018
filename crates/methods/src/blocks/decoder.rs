//! A small causal language model that writes of a picture: the picture's tokens stand before the words, and every place sees those before it
//! (blocks with the normalisation first, as GPT-2's, Radford et al. 2019; picture tokens as a prefix, as MedImageInsight's decoder reads them,
//! Codella et al. 2024). The encoder that gives the tokens is not part of it and is not trained.

use super::classify::shuffled;
use super::short::{Judged, Short, ShortConfig, by_logits};
use super::wording::{BEGIN, END, FILL, IMAGE, Wording};
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, NodeId, Op, Params, Tensor};
use hilum_nn::builder::GraphBuilder;
use hilum_nn::losses::cross_entropy;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;

/// Added to variances.
const EPS: f32 = 1e-5;
/// Channel of the input that holds the words; those behind it hold the picture's tokens.
const WORDS: usize = 0;
/// Layer that reads the picture's tokens.
const READER: &str = "image";
/// Pictures written of at once.
const BATCH: usize = 32;

/// Sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecoderConfig {
    /// Channels.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads.
    pub heads: usize,
    /// Longest text in words and marks; what is longer is cut.
    pub longest: usize,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        DecoderConfig {
            width: 128,
            layers: 2,
            heads: 4,
            longest: 80,
        }
    }
}

impl DecoderConfig {
    /// Fails where there are no layers to be made.
    ///
    /// # Errors
    /// [`MethodError::Config`].
    pub fn validate(&self) -> Result<()> {
        let fits = self.heads > 0 && self.width > 0 && self.width.is_multiple_of(self.heads);
        if fits && self.layers > 0 && self.longest > 1 {
            return Ok(());
        }
        Err(MethodError::Config(
            "a decoder needs a layer, two words, and heads that divide its width".to_owned(),
        ))
    }

    /// The layers for pictures of `image` channels and tokens and a table of `rows` words. Input `[n, 1 + channels, 1, tokens + words]`,
    /// output `[n, rows, 1, tokens + words]`: at each place the logits of the word that comes next.
    pub fn graph(&self, [channels, tokens]: [usize; 2], rows: usize) -> Graph {
        let d = self.width;
        let (mut b, input) = GraphBuilder::new(1 + channels);
        let words = b.embedding("words", input, WORDS, [rows, d]);
        let image = b.linear(READER, input, 1 + channels, d);
        let places = b.position_embedding("places", input, [tokens + self.longest, d]);
        let x = b.add("seen", words, image);
        let mut x = b.add("placed", x, places);
        for layer in 0..self.layers {
            x = self.block(&mut b, &format!("blocks.{layer}"), x);
        }
        let x = b.layer_norm("norm", x, d, EPS);
        let logits = b.linear_with_table("logits", x, rows);
        b.output("logits", logits);
        b.finish()
    }

    fn block(&self, b: &mut GraphBuilder, at: &str, x: NodeId) -> NodeId {
        let d = self.width;
        let name = |part: &str| format!("{at}.{part}");
        let y = b.layer_norm(&name("norm1"), x, d, EPS);
        let [q, k, v] = ["query", "key", "value"].map(|part| b.linear(&name(part), y, d, d));
        let op = Op::Attention {
            heads: self.heads,
            causal: true,
            mask: None,
        };
        let y = b.node(&name("attention"), op, &[q, k, v]);
        let y = b.linear(&name("joined"), y, d, d);
        let x = b.add(&name("sum1"), x, y);
        let y = b.layer_norm(&name("norm2"), x, d, EPS);
        let y = b.linear(&name("wide"), y, d, 4 * d);
        let y = b.node(&name("gelu"), Op::GeluTanh, &[y]);
        let y = b.linear(&name("narrow"), y, 4 * d, d);
        b.add(&name("sum2"), x, y)
    }
}

/// A picture's tokens, channel after channel, with what is said of it.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Tokens.
    pub image: &'a [f32],
    /// Text.
    pub text: &'a str,
}

/// A trained decoder.
pub struct Decoder {
    wording: Wording,
    graph: Graph,
    params: Params,
    image: [usize; 2],
    longest: usize,
    /// Mean loss of each epoch, nats a word.
    pub losses: Vec<f64>,
}

/// A text on its way through training: what is read, and what should come next at each place.
struct Line {
    read: Vec<usize>,
    next: Vec<usize>,
}

impl Line {
    fn of(wording: &Wording, text: &str, longest: usize) -> Self {
        let words = wording.rows(text);
        let read = std::iter::once(BEGIN).chain(words.iter().copied());
        let next = words.iter().copied().chain(std::iter::once(END));
        Line {
            read: read.take(longest).collect(),
            next: next.take(longest).collect(),
        }
    }
}

impl Decoder {
    /// Learns to say what is told of pictures of `image` channels and tokens.
    ///
    /// # Errors
    /// Settings that fit nothing, fewer cases than a batch, tokens of another number, [`MethodError::Stopped`], a diverging run.
    pub fn train(
        ctx: &Context<'_>,
        config: &DecoderConfig,
        how: &ShortConfig,
        image: [usize; 2],
        cases: &[Told<'_>],
        seed: u64,
    ) -> Result<Self> {
        config.validate()?;
        how.validate()?;
        if cases.len() < how.batch {
            return Err(MethodError::TooFew {
                what: "pictures with a text".to_owned(),
                found: cases.len(),
                needed: how.batch,
            });
        }
        cases.iter().try_for_each(|c| check(c.image, image))?;
        let texts: Vec<&str> = cases.iter().map(|c| c.text).collect();
        let wording = Wording::of(&texts);
        let graph = config.graph(image, wording.size());
        let reader = format!("{READER}.weight");
        let at = graph.params.iter().position(|p| p.name == reader);
        let mut start = graph.init_params(seed);
        let columns = 1 + image[0];
        // The number of a word is no strength: its column in the layer that reads pictures stays 0.
        let blind = |values: &mut Vec<f32>| {
            let own = values.iter_mut().skip(WORDS).step_by(columns);
            own.for_each(|v| *v = 0.0);
        };
        if let Some(weights) = at.and_then(|at| start.get_mut(at)) {
            blind(weights);
        }
        let adjust = |_: &Params, grads: &mut [Option<Vec<f32>>]| {
            if let Some(Some(grad)) = at.and_then(|at| grads.get_mut(at)) {
                blind(grad);
            }
        };
        let line = |c: &Told<'_>| Line::of(&wording, c.text, config.longest);
        let lines: Vec<Line> = cases.iter().map(line).collect();
        let mut net = Short::new(ctx, &graph, start, how.optimizer, seed)?;
        let steps = cases.len() / how.batch;
        let total = (steps * how.epochs) as u64;
        let mut losses = Vec::new();
        for epoch in 0..how.epochs {
            if ctx.stop.load(Ordering::SeqCst) {
                return Err(MethodError::Stopped);
            }
            let order = shuffled(cases.len(), seed, epoch);
            let mut sum = 0.0;
            for (step, own) in order.chunks_exact(how.batch).enumerate() {
                let read: Vec<&[usize]> = own.iter().map(|&i| &lines[i].read[..]).collect();
                let next: Vec<&[usize]> = own.iter().map(|&i| &lines[i].next[..]).collect();
                let seen: Vec<&[f32]> = own.iter().map(|&i| cases[i].image).collect();
                let rate = how.schedule.rate((epoch * steps + step) as u64, total);
                let x = input(image, &seen, &read);
                sum += net.step(
                    &x,
                    rate,
                    |out| Ok(judge(out, image[1], &next)),
                    Some(&adjust),
                )?;
            }
            losses.push(sum / steps as f64);
        }
        Ok(Decoder {
            params: net.params().clone(),
            wording,
            graph,
            image,
            longest: config.longest,
            losses,
        })
    }

    /// What it says of pictures: at each place the likeliest word, to the end or as long as texts may be.
    ///
    /// # Errors
    /// Tokens of another number; what the kernels fail with.
    pub fn write(&self, images: &[&[f32]]) -> Result<Vec<String>> {
        images.iter().try_for_each(|i| check(i, self.image))?;
        let plan = Plan::new(&self.graph, &self.params)?;
        let mut out = Vec::with_capacity(images.len());
        for part in images.chunks(BATCH) {
            let lines = self.continued(&plan, part)?;
            out.extend(lines.iter().map(|line| self.wording.text(line)));
        }
        Ok(out)
    }

    fn continued(&self, plan: &Plan, images: &[&[f32]]) -> Result<Vec<Vec<usize>>> {
        let mut lines = vec![vec![BEGIN]; images.len()];
        // Those that have not come to their end.
        let mut open: Vec<usize> = (0..images.len()).collect();
        while !open.is_empty() && lines[open[0]].len() < self.longest {
            let seen: Vec<&[f32]> = open.iter().map(|&i| images[i]).collect();
            let read: Vec<&[usize]> = open.iter().map(|&i| &lines[i][..]).collect();
            let logits = plan.run(&input(self.image, &seen, &read))?.swap_remove(0);
            let place = self.image[1] + read[0].len() - 1;
            let words: Vec<usize> = (0..open.len())
                .map(|at| self.likeliest(&column(&logits, at, place)))
                .collect();
            for (&line, &word) in open.iter().zip(&words) {
                lines[line].push(word);
            }
            open.retain(|&line| lines[line].last() != Some(&END));
        }
        Ok(lines)
    }

    /// The end or the word with the largest logit; the other rows are never said.
    fn likeliest(&self, logits: &[f32]) -> usize {
        let said = |row: &usize| *row == END || self.wording.is_word(*row);
        let rows = (0..logits.len()).filter(said);
        rows.max_by(|a, b| logits[*a].total_cmp(&logits[*b]).then(b.cmp(a)))
            .unwrap_or(END)
    }
}

fn check(image: &[f32], [channels, tokens]: [usize; 2]) -> Result<()> {
    if image.len() == channels * tokens {
        return Ok(());
    }
    Err(MethodError::Config(format!(
        "{} values of a picture, the decoder reads {tokens} tokens of {channels}",
        image.len()
    )))
}

/// `[n, 1 + channels, 1, tokens + words]`: words behind the picture's places, filled up to the longest line.
fn input([channels, tokens]: [usize; 2], seen: &[&[f32]], lines: &[&[usize]]) -> Tensor {
    let words = lines.iter().map(|l| l.len()).max().unwrap_or(0);
    let places = tokens + words;
    let mut x = Tensor::zeros(&[lines.len(), 1 + channels, 1, places]);
    for ((out, image), line) in x
        .data
        .chunks_mut((1 + channels) * places)
        .zip(seen)
        .zip(lines)
    {
        let (rows, maps) = out.split_at_mut(places);
        rows[..tokens].fill(IMAGE as f32);
        rows[tokens..].fill(FILL as f32);
        for (row, &word) in rows[tokens..].iter_mut().zip(*line) {
            *row = word as f32;
        }
        for (out, map) in maps.chunks_mut(places).zip(image.chunks(tokens)) {
            out[..tokens].copy_from_slice(map);
        }
    }
    x
}

/// Logits of one place of one line.
fn column(logits: &Tensor, line: usize, place: usize) -> Vec<f32> {
    let [rows, places] = [logits.shape[1], logits.shape[3]];
    let own = &logits.data[line * rows * places..][..rows * places];
    own.iter().skip(place).step_by(places).copied().collect()
}

/// Mean cross entropy of the words to come, `first` being the place of the first of them.
fn judge(outputs: &[Tensor], first: usize, next: &[&[usize]]) -> Judged {
    let logits = &outputs[0];
    let [rows, places] = [logits.shape[1], logits.shape[3]];
    let at = |line: usize, word: usize| (line, first + word);
    let asked: Vec<((usize, usize), usize)> = next
        .iter()
        .enumerate()
        .flat_map(|(line, own)| own.iter().enumerate().map(move |(w, &t)| (at(line, w), t)))
        .collect();
    let values: Vec<f32> = asked
        .iter()
        .flat_map(|((line, place), _)| column(logits, *line, *place))
        .collect();
    let targets: Vec<Option<usize>> = asked.iter().map(|(_, t)| Some(*t)).collect();
    let mut loss = cross_entropy(&values, &targets, rows);
    let mut grad = vec![0.0; logits.data.len()];
    for (((line, place), _), own) in asked.iter().zip(loss.grad.chunks(rows)) {
        let start = line * rows * places + place;
        for (row, g) in own.iter().enumerate() {
            grad[start + row * places] = *g;
        }
    }
    loss.grad = grad;
    by_logits(outputs, loss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::tables::samples::context;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::sync::atomic::AtomicBool;

    const SIZES: [usize; 2] = [3, 4];

    fn small() -> DecoderConfig {
        DecoderConfig {
            width: 16,
            layers: 2,
            heads: 2,
            longest: 12,
        }
    }

    fn pictures(n: usize) -> Vec<Vec<f32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let one = |_| (0..12).map(|_| rng.random_range(-1.0..1.0)).collect();
        (0..n).map(one).collect()
    }

    #[test]
    fn later_words_do_not_change_what_was_expected_before_them_and_pictures_do() {
        let graph = small().graph(SIZES, 20);
        let plan = Plan::new(&graph, &graph.init_params(1)).unwrap();
        let pictures = pictures(2);
        let logits = |image: usize, words: &[usize]| {
            let x = input(SIZES, &[&pictures[image]], &[words]);
            let out = plan.run(&x).unwrap().swap_remove(0);
            let at = |word| column(&out, 0, SIZES[1] + word);
            (0..words.len()).map(at).collect::<Vec<_>>()
        };
        let first = logits(0, &[BEGIN, 7, 8, 9]);
        let other = logits(0, &[BEGIN, 7, 12, 6]);
        assert_eq!(first[..2], other[..2]);
        assert_ne!(first[2], other[2]);
        // A longer line, and one that is filled up, change nothing either.
        assert_eq!(logits(0, &[BEGIN, 7, 8, 9, 10, FILL])[..4], first[..]);
        assert_ne!(logits(1, &[BEGIN, 7, 8, 9])[0], first[0]);
    }

    #[test]
    fn it_says_of_each_picture_what_it_was_told() {
        let dir = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let ctx = context(dir.path(), &stop);
        let texts = [
            "no effusion.",
            "small left effusion.",
            "large mass, new.",
            "small right effusion.",
            "the heart is large.",
        ];
        let pictures = pictures(texts.len());
        let cases: Vec<Told<'_>> = pictures
            .iter()
            .zip(texts)
            .map(|(image, text)| Told { image, text })
            .collect();
        let mut how = ShortConfig {
            epochs: 150,
            batch: 5,
            ..ShortConfig::default()
        };
        how.schedule.base = 1e-2;
        let train = || Decoder::train(&ctx, &small(), &how, SIZES, &cases, 3).unwrap();
        let decoder = train();
        let images: Vec<&[f32]> = pictures.iter().map(Vec::as_slice).collect();
        assert_eq!(decoder.write(&images).unwrap(), texts);
        assert!(decoder.losses[149] < 0.1 * decoder.losses[0]);
        assert_eq!(train().params, decoder.params);
        let reader = decoder
            .graph
            .params
            .iter()
            .position(|p| p.name == "image.weight");
        let weights = &decoder.params[reader.unwrap()];
        for row in weights.chunks(1 + SIZES[0]) {
            assert!(row[WORDS] == 0.0 && row[1..].iter().all(|v| *v != 0.0));
        }
        assert!(decoder.write(&[&pictures[0][..11]]).is_err());
        let few = Decoder::train(&ctx, &small(), &how, SIZES, &cases[..4], 3);
        assert!(matches!(few, Err(MethodError::TooFew { .. })));
        stop.store(true, Ordering::SeqCst);
        let stopped = Decoder::train(&ctx, &small(), &how, SIZES, &cases, 3);
        assert!(matches!(stopped, Err(MethodError::Stopped)));
    }

    #[test]
    fn gradients_are_those_of_differences_and_places_without_a_word_have_none() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (rows, places) = (6, 5);
        let mut logits = Tensor::zeros(&[2, rows, 1, places]);
        logits
            .data
            .iter_mut()
            .for_each(|v| *v = rng.random_range(-2.0..2.0));
        let next: [&[usize]; 2] = [&[5, 2], &[1, 3, 2]];
        let judged = judge(std::slice::from_ref(&logits), 2, &next);
        for at in 0..logits.data.len() {
            let value = |by: f32| {
                let mut moved = logits.clone();
                moved.data[at] += by;
                judge(&[moved], 2, &next).value
            };
            let slope = (value(1e-2) - value(-1e-2)) / 2e-2;
            let grad = f64::from(judged.grads[0].data[at]);
            assert!((grad - slope).abs() < 1e-3, "{at}: {grad} {slope}");
            let (line, place) = (at / (rows * places), at % places);
            let asked = place >= 2 && place - 2 < next[line].len();
            assert_eq!(asked, grad != 0.0);
        }
    }

    #[test]
    fn sizes_that_fit_nothing_are_refused() {
        assert!(DecoderConfig::default().validate().is_ok());
        for config in [
            DecoderConfig {
                heads: 3,
                ..small()
            },
            DecoderConfig {
                layers: 0,
                ..small()
            },
            DecoderConfig {
                longest: 1,
                ..small()
            },
        ] {
            assert!(config.validate().is_err());
        }
    }
}
