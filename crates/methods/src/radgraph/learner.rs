//! The model in training: encoder and heads with their gradients and optimisers.

use super::config::Config;
use super::heads::{Heads, WIDTHS, best, pair_rows, span_rows};
use super::model::{Pieces, word_rows, word_rows_back};
use super::rows::{Rows, add_to};
use super::spans::{Span, Window, spans};
use crate::blocks::text_encoder::input;
use crate::error::Result;
use hilum_kernels::train::{Mode, Trainer, Wanted};
use hilum_kernels::{Graph, Init, ParamInfo, ParamRole, Params, Tensor};
use hilum_nn::backbones::{BertHead, bert};
use hilum_nn::losses::cross_entropy;
use hilum_nn::optim::{Optimizer, OptimizerConfig, clip_norm};
use hilum_nn::weights::WeightFile;
use std::collections::BTreeMap;

/// Where the encoder's keys begin in AllenNLP's archives of such models.
pub const PREFIX: &str = "_embedder.token_embedder_bert._matched_embedder.transformer_model.";

/// A window ready for training.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Pieces of all tokens.
    line: Vec<u32>,
    /// Pieces of each token.
    counts: Vec<usize>,
    spans: Vec<Span>,
    /// Label of each span; 0 is none.
    labels: Vec<Option<usize>>,
    /// Relation of pairs of spans, by place; from 1.
    relations: BTreeMap<(usize, usize), usize>,
}

impl Prepared {
    /// What the model is to say of a window; entities that are wider than its spans cannot be said.
    ///
    /// # Errors
    /// A token that the tokenizer refuses.
    pub fn new(window: &Window, config: &Config, pieces: &Pieces) -> Result<Self> {
        let heads = &config.heads;
        let (mut line, mut counts) = (Vec::new(), Vec::new());
        for token in &window.tokens {
            let ids = pieces.of(token)?;
            counts.push(ids.len());
            line.extend(ids);
        }
        let spans = spans(window.tokens.len(), heads.max_span_width);
        let at = |span: &Span| spans.iter().position(|s| s == span);
        let mut labels = vec![Some(0); spans.len()];
        for (span, name) in &window.said.entities {
            let label = heads.entity_labels.iter().position(|l| l == name);
            if let (Some(i), Some(label)) = (at(span), label) {
                labels[i] = Some(label + 1);
            }
        }
        let mut relations = BTreeMap::new();
        for (source, target, name) in &window.said.relations {
            let label = heads.relation_labels.iter().position(|l| l == name);
            if let (Some(a), Some(b), Some(label)) = (at(source), at(target), label) {
                relations.insert((a, b), label + 1);
            }
        }
        Ok(Prepared {
            line,
            counts,
            spans,
            labels,
            relations,
        })
    }

    /// Pieces with both ends.
    pub fn places(&self) -> usize {
        self.line.len() + 2
    }
}

/// A graph with its parameters.
struct Part {
    trainer: Trainer,
    infos: Vec<ParamInfo>,
    params: Params,
    optimizer: Optimizer,
}

impl Part {
    fn new(graph: Graph, seed: u64) -> Result<Self> {
        let params = graph.init_params(seed);
        Ok(Part {
            infos: graph.params.clone(),
            optimizer: Optimizer::new(adam(), &params),
            params,
            trainer: Trainer::new(graph)?,
        })
    }

    fn forward(&mut self, x: &Tensor, seed: u64) -> Result<Tensor> {
        let mode = Mode::Train { seed };
        let mut out = self.trainer.forward(&mut self.params, x, mode)?;
        Ok(out.swap_remove(0))
    }

    /// Gradients of the parameters and of the input.
    fn backward(&mut self, d: Tensor, input: bool) -> Result<(Grads, Option<Tensor>)> {
        let wanted = Wanted {
            params: true,
            input,
            ..Wanted::default()
        };
        let found = self.trainer.backward(&self.params, &[d], wanted)?;
        Ok((found.params, found.input))
    }
}

type Grads = Vec<Option<Vec<f32>>>;

fn adam() -> OptimizerConfig {
    OptimizerConfig::default()
}

/// Everything that is trained.
pub struct Learner {
    config: Config,
    ends: [u32; 2],
    /// Encoder, entities, pruner, relations.
    parts: [Part; 4],
    widths: Rows,
    widths_optimizer: Optimizer,
}

const ENCODER: usize = 0;
const ENTITY: usize = 1;
const PRUNE: usize = 2;
const RELATION: usize = 3;

impl Learner {
    /// A fresh model.
    ///
    /// # Errors
    /// Sizes that do not fit each other.
    pub fn new(config: &Config, ends: [u32; 2], seed: u64) -> Result<Self> {
        let heads = Heads::new(&config.heads, config.encoder.hidden_size, config.dropout);
        let encoder = bert(&config.encoder, PREFIX, BertHead::None);
        let graphs = [encoder, heads.entity, heads.prune, heads.relation];
        let mut parts = Vec::with_capacity(graphs.len());
        for (graph, offset) in graphs.into_iter().zip(0..) {
            parts.push(Part::new(graph, seed.wrapping_add(offset))?);
        }
        let Ok(parts) = <[Part; 4]>::try_from(parts) else {
            unreachable!("four graphs give four parts");
        };
        let mut table = Graph::default();
        table.params.push(width_info(config));
        let params = table.init_params(seed.wrapping_add(4));
        let widths_optimizer = Optimizer::new(adam(), &params);
        let widths = Rows {
            width: config.heads.feature_size,
            data: params.into_iter().flatten().collect(),
        };
        Ok(Learner {
            config: config.clone(),
            ends,
            parts,
            widths,
            widths_optimizer,
        })
    }

    /// All weights, by the keys of DyGIE++.
    pub fn weights(&self) -> WeightFile {
        let mut all = WeightFile::default();
        for part in &self.parts {
            let named = part.infos.iter().zip(&part.params);
            all.tensors.extend(
                named.map(|(info, v)| (info.name.clone(), (info.shape.clone(), v.clone()))),
            );
        }
        let info = width_info(&self.config);
        let data = self.widths.data.clone();
        all.tensors.insert(info.name, (info.shape, data));
        all
    }

    /// Forgets the moments of the optimisers, for another phase.
    pub fn restart(&mut self) {
        for part in &mut self.parts {
            part.optimizer = Optimizer::new(adam(), &part.params);
        }
        self.widths_optimizer = Optimizer::new(adam(), &vec![self.widths.data.clone()]);
    }

    /// One step; gives the loss a window.
    ///
    /// # Errors
    /// Windows that do not fit the encoder.
    pub fn step(&mut self, batch: &[&Prepared], rate: f32, seed: u64) -> Result<f64> {
        let (loss, mut grads) = self.gradients(batch, seed)?;
        // One bound over all parts.
        let sizes: Vec<usize> = grads.iter().map(Vec::len).collect();
        let mut flat: Grads = grads.drain(..).flatten().collect();
        clip_norm(&mut flat, self.config.clip);
        let mut rest = flat;
        for (part, size) in self.parts.iter_mut().zip(&sizes) {
            let later = rest.split_off(*size);
            part.optimizer
                .update(&part.infos, &mut part.params, &rest, rate);
            rest = later;
        }
        let mut table = vec![std::mem::take(&mut self.widths.data)];
        let info = [width_info(&self.config)];
        self.widths_optimizer.update(&info, &mut table, &rest, rate);
        self.widths.data = table.swap_remove(0);
        Ok(loss)
    }

    /// Loss a window, and the gradients of the four parts and of the table of widths.
    fn gradients(&mut self, batch: &[&Prepared], seed: u64) -> Result<(f64, Vec<Grads>)> {
        let lines: Vec<Vec<u32>> = batch.iter().map(|p| p.line.clone()).collect();
        let x = input(&lines, self.ends);
        let states = self.parts[ENCODER].forward(&x, seed)?;
        let laid = Laid::new(batch, &states, &self.widths);
        let sx = laid.rows.to_tensor();
        let labels = Rows::from_tensor(&self.parts[ENTITY].forward(&sx, seed ^ 1)?);
        let scores = self.parts[PRUNE].forward(&sx, seed ^ 2)?.data;
        let (pairs, targets) = self.pairs(batch, &laid, &scores);
        let px = pair_rows(&laid.rows, &pairs).to_tensor();
        let mut logits = Rows::from_tensor(&self.parts[RELATION].forward(&px, seed ^ 3)?);
        for (i, (a, b)) in pairs.iter().enumerate() {
            let both = scores[*a] + scores[*b];
            logits.row_mut(i).iter_mut().for_each(|v| *v += both);
        }
        let wanted: Vec<Option<usize>> = batch.iter().flat_map(|p| p.labels.clone()).collect();
        let share = 1.0 / batch.len() as f32;
        let (entity_loss, d_labels) = loss(&labels, &wanted, share * self.config.entity_weight);
        let (relation_loss, d_logits) = loss(&logits, &targets, share);
        let (relation, d_pairs) = self.parts[RELATION].backward(d_logits.to_tensor(), true)?;
        let (entity, d_by_labels) = self.parts[ENTITY].backward(d_labels.to_tensor(), true)?;
        let mut d_rows = Rows::zeros(laid.rows.len(), laid.rows.width);
        pair_rows_back(&laid.rows, &pairs, d_pairs, &mut d_rows);
        let mut d_scores = Rows::zeros(scores.len(), 1);
        for (i, (a, b)) in pairs.iter().enumerate() {
            let d: f32 = d_logits.row(i).iter().sum();
            d_scores.data[*a] += d;
            d_scores.data[*b] += d;
        }
        let (prune, d_by_scores) = self.parts[PRUNE].backward(d_scores.to_tensor(), true)?;
        for d in [d_by_labels, d_by_scores].into_iter().flatten() {
            d_rows.add(&Rows::from_tensor(&d));
        }
        let (d_states, d_widths) = laid.back(batch, &d_rows, &states, &self.widths);
        let (encoder, _) = self.parts[ENCODER].backward(d_states, false)?;
        let widths = vec![Some(d_widths.data)];
        Ok((
            entity_loss + relation_loss,
            vec![encoder, entity, prune, relation, widths],
        ))
    }

    /// Pairs of kept spans by row, with what they are to be. Spans that take part in a relation are kept too, so
    /// that the scorer of pairs learns from the first step on (DyGIE++ waits for its pruner to find them).
    fn pairs(
        &self,
        batch: &[&Prepared],
        laid: &Laid,
        scores: &[f32],
    ) -> (Vec<(usize, usize)>, Vec<Option<usize>>) {
        let (mut pairs, mut targets) = (Vec::new(), Vec::new());
        for (window, &base) in batch.iter().zip(&laid.first_span) {
            let own = &scores[base..base + window.spans.len()];
            let mut kept = best(own, self.config.heads.kept(window.counts.len()));
            kept.extend(window.relations.keys().flat_map(|(a, b)| [*a, *b]));
            kept.sort_unstable();
            kept.dedup();
            for &a in &kept {
                for &b in &kept {
                    pairs.push((base + a, base + b));
                    targets.push(Some(window.relations.get(&(a, b)).copied().unwrap_or(0)));
                }
            }
        }
        (pairs, targets)
    }
}

fn width_info(config: &Config) -> ParamInfo {
    ParamInfo {
        name: WIDTHS.to_owned(),
        shape: vec![config.heads.max_span_width, config.heads.feature_size],
        role: ParamRole::Bias,
        init: Init::Normal { std: 0.2 },
    }
}

/// Spans of all windows of a batch, one after another.
struct Laid {
    rows: Rows,
    first_word: Vec<usize>,
    first_span: Vec<usize>,
    words: usize,
}

impl Laid {
    fn new(batch: &[&Prepared], states: &Tensor, widths: &Rows) -> Self {
        let d = states.shape[1];
        let mut words = Rows {
            width: d,
            data: Vec::new(),
        };
        let (mut first_word, mut first_span) = (Vec::new(), Vec::new());
        let mut rows = Rows {
            width: 2 * d + widths.width,
            data: Vec::new(),
        };
        for (n, window) in batch.iter().enumerate() {
            let at = words.len();
            words.data.extend(word_rows(states, n, &window.counts).data);
            first_span.push(rows.len());
            rows.data
                .extend(span_rows(&words, at, &window.spans, widths).data);
            first_word.push(at);
        }
        Laid {
            rows,
            first_word,
            first_span,
            words: words.len(),
        }
    }

    /// Gradients of the states and of the widths from that of the spans.
    fn back(
        &self,
        batch: &[&Prepared],
        d_rows: &Rows,
        states: &Tensor,
        widths: &Rows,
    ) -> (Tensor, Rows) {
        let d = states.shape[1];
        let mut d_words = Rows::zeros(self.words, d);
        let mut d_widths = Rows::zeros(widths.len(), widths.width);
        for (n, window) in batch.iter().enumerate() {
            for (i, &(start, end)) in window.spans.iter().enumerate() {
                let row = d_rows.row(self.first_span[n] + i);
                let first = self.first_word[n];
                add_to(d_words.row_mut(first + start), &row[..d]);
                add_to(d_words.row_mut(first + end), &row[d..2 * d]);
                add_to(d_widths.row_mut(end - start), &row[2 * d..]);
            }
        }
        let mut d_states = Tensor::zeros(&states.shape);
        for (n, window) in batch.iter().enumerate() {
            let first = self.first_word[n];
            let own = Rows {
                width: d,
                data: d_words.data[first * d..(first + window.counts.len()) * d].to_vec(),
            };
            word_rows_back(&own, n, &window.counts, &mut d_states);
        }
        (d_states, d_widths)
    }
}

/// The gradient of [`pair_rows`]: adds to that of the spans.
fn pair_rows_back(rows: &Rows, pairs: &[(usize, usize)], d: Option<Tensor>, d_rows: &mut Rows) {
    let Some(d) = d else { return };
    let d = Rows::from_tensor(&d);
    let w = rows.width;
    for (i, &(a, b)) in pairs.iter().enumerate() {
        let (first, rest) = d.row(i).split_at(w);
        let (second, product) = rest.split_at(w);
        for (c, ((first, second), product)) in first.iter().zip(second).zip(product).enumerate() {
            d_rows.data[a * w + c] += first + product * rows.data[b * w + c];
            d_rows.data[b * w + c] += second + product * rows.data[a * w + c];
        }
    }
}

/// Sum of the cross entropies with "none" at 0, times `weight`, and its gradient by the other scores.
fn loss(scores: &Rows, targets: &[Option<usize>], weight: f32) -> (f64, Rows) {
    let classes = scores.width + 1;
    let mut full = vec![0.0; scores.len() * classes];
    for i in 0..scores.len() {
        full[i * classes + 1..(i + 1) * classes].copy_from_slice(scores.row(i));
    }
    let mean = cross_entropy(&full, targets, classes);
    let scale = weight * targets.len() as f32;
    let mut grad = Rows::zeros(scores.len(), scores.width);
    for i in 0..scores.len() {
        let own = &mean.grad[i * classes + 1..(i + 1) * classes];
        let row = grad.row_mut(i).iter_mut().zip(own);
        row.for_each(|(g, v)| *g = v * scale);
    }
    (mean.value * f64::from(scale), grad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radgraph::spans::Said;
    use hilum_text::tokenize::word_pieces::{tokenizer_json, words};

    fn pieces(text: &str, places: usize) -> Pieces {
        let mut counts = BTreeMap::new();
        for word in words(text) {
            *counts.entry(word).or_insert(0) += 5;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), tokenizer_json(&counts, 400)).unwrap();
        Pieces::open(file.path(), places).unwrap()
    }

    fn window(text: &str, entities: &[(Span, &str)], relations: &[(Span, Span, &str)]) -> Window {
        Window {
            tokens: text.split(' ').map(str::to_owned).collect(),
            said: Said {
                entities: entities
                    .iter()
                    .map(|(s, l)| (*s, (*l).to_owned()))
                    .collect(),
                relations: relations
                    .iter()
                    .map(|(a, b, r)| (*a, *b, (*r).to_owned()))
                    .collect(),
            },
        }
    }

    /// Two sentences, one with a word of two pieces.
    fn windows() -> [Window; 2] {
        [
            window(
                "small effusions on the left .",
                &[((0, 0), "OBS-DP"), ((1, 1), "OBS-DP"), ((4, 4), "ANAT-DP")],
                &[((0, 0), (1, 1), "modify"), ((1, 1), (4, 4), "located_at")],
            ),
            window("no pleural effusion .", &[((1, 2), "OBS-DA")], &[]),
        ]
    }

    fn learner(config: &Config) -> (Learner, Vec<Prepared>) {
        let pieces = pieces("small effusion on the left no pleural .", 32);
        let prepared = windows()
            .iter()
            .map(|w| Prepared::new(w, config, &pieces).unwrap())
            .collect();
        (Learner::new(config, pieces.ends, 3).unwrap(), prepared)
    }

    fn plain() -> Config {
        let mut config = Config::tiny();
        config.dropout = 0.0;
        config.encoder.hidden_dropout_prob = 0.0;
        // All spans are kept, so that no small change of a parameter keeps other ones.
        config.heads.spans_per_word = 20.0;
        config
    }

    /// Central differences for a few parameters of every part.
    #[test]
    fn gradients_are_those_of_the_loss() {
        let config = plain();
        let (mut learner, prepared) = learner(&config);
        let batch: Vec<&Prepared> = prepared.iter().collect();
        let (_, grads) = learner.gradients(&batch, 0).unwrap();
        let mut checked = 0;
        let parts = learner.parts.len();
        for (part, of_part) in grads.iter().take(parts).enumerate() {
            for (p, grad) in of_part.iter().enumerate() {
                let Some(grad) = grad else { continue };
                let i = grad.len() / 2;
                let mut loss_at = |delta: f32| {
                    learner.parts[part].params[p][i] += delta;
                    let loss = learner.gradients(&batch, 0).unwrap().0;
                    learner.parts[part].params[p][i] -= delta;
                    loss
                };
                let h = 4e-3;
                let slope = (loss_at(h) - loss_at(-h)) / (2.0 * f64::from(h));
                let off = (slope - f64::from(grad[i])).abs();
                let name = &learner.parts[part].infos[p].name;
                let bound = 2e-3 + 0.03 * slope.abs();
                assert!(off < bound, "{name}: {slope} is not {}", grad[i]);
                checked += 1;
            }
        }
        assert!(checked > 25, "{checked}");
        let d = grads[4][0].clone().unwrap();
        let h = 1e-2;
        let mut loss_at = |delta: f32| {
            learner.widths.data[1] += delta;
            let loss = learner.gradients(&batch, 0).unwrap().0;
            learner.widths.data[1] -= delta;
            loss
        };
        let slope = (loss_at(h) - loss_at(-h)) / (2.0 * f64::from(h));
        assert!((slope - f64::from(d[1])).abs() < 2e-3 + 0.03 * slope.abs());
    }

    #[test]
    fn two_sentences_are_learned_by_heart() {
        let mut config = plain();
        config.heads.spans_per_word = 1.0;
        let (mut learner, prepared) = learner(&config);
        let batch: Vec<&Prepared> = prepared.iter().collect();
        let first = learner.step(&batch, 3e-3, 0).unwrap();
        let mut last = first;
        for step in 0..250 {
            last = learner.step(&batch, 3e-3, step).unwrap();
        }
        assert!(last < 0.05 * first, "{first} to {last}");
        let pieces = pieces("small effusion on the left no pleural .", 32);
        let model = crate::radgraph::SpanModel::build(
            config.heads.clone(),
            &config.encoder,
            &learner.weights(),
            pieces,
            "test".to_owned(),
        )
        .unwrap();
        for window in windows() {
            assert_eq!(model.read(&window.tokens).unwrap(), window.said);
        }
    }
}
