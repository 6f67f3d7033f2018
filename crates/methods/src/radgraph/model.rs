//! The whole model in use: a folder with a BERT, its tokenizer and the heads, made to graphs of reports.

use super::config::{SpanConfig, Unit};
use super::heads::{Heads, WIDTHS, best, pair_rows, span_rows, winner};
use super::rows::{Rows, add_to};
use super::spans::{Said, Span, graph_of, spans};
use crate::blocks::text_encoder::{base_name, config as bert_config, input, unreadable, weights};
use crate::error::{MethodError, Result};
use hilum_kernels::{Graph as Layers, Plan, Tensor};
use hilum_nn::NnError;
use hilum_nn::backbones::{BertConfig, BertHead, bert};
use hilum_nn::weights::WeightFile;
use hilum_text::facts::extract::ExtractOptions;
use hilum_text::facts::reader::{Passage, passages};
use hilum_text::facts::{Extractor, Graph, GraphReader};
use hilum_text::tokenize::bpe::SubWords;
use hilum_text::{ReportText, TextError};
use std::ops::Range;
use std::path::Path;

/// File of the heads' sizes in a model's folder.
pub const SPANS: &str = "spans.json";
/// Last part of the key by which the encoder's prefix is found.
const WORDS: &str = "embeddings.word_embeddings.weight";
/// Pairs that are scored at a time.
const PAIRS: usize = 2048;
/// Digits of the weights' hash in the name.
const HASH_DIGITS: usize = 12;

/// Cuts tokens into the pieces of the encoder.
#[derive(Debug)]
pub struct Pieces {
    words: SubWords,
    unknown: u32,
    /// Row numbers of `[CLS]` and `[SEP]`.
    pub ends: [u32; 2],
    /// Pieces of a line at most, without its ends.
    pub longest: usize,
}

impl Pieces {
    /// Reads a tokenizer for an encoder with `places` places.
    ///
    /// # Errors
    /// A file that cannot be read, or without BERT's special pieces.
    pub fn open(path: &Path, places: usize) -> Result<Self> {
        let words = SubWords::open(path)?;
        let id = |piece: &str| {
            let missing = || MethodError::Config(format!("{}: no token {piece}", path.display()));
            words.id_of(piece).ok_or_else(missing)
        };
        let (unknown, ends) = (id("[UNK]")?, [id("[CLS]")?, id("[SEP]")?]);
        Ok(Pieces {
            unknown,
            ends,
            longest: places.saturating_sub(2).max(1),
            words,
        })
    }

    /// Pieces of one token; one that leaves none is unknown, one longer than a line is cut.
    ///
    /// # Errors
    /// A token that the tokenizer refuses.
    pub fn of(&self, token: &str) -> Result<Vec<u32>> {
        let mut ids = self.words.encode(token, false)?.ids;
        ids.truncate(self.longest);
        if ids.is_empty() {
            ids.push(self.unknown);
        }
        Ok(ids)
    }
}

/// One vector a word, the mean of its pieces' (as AllenNLP's mismatched embedder): `counts` are the pieces of
/// each word of image `n` of the encoder's output.
pub fn word_rows(states: &Tensor, n: usize, counts: &[usize]) -> Rows {
    let (d, places) = (states.shape[1], states.shape[3]);
    let mut out = Rows::zeros(counts.len(), d);
    let mut place = 1;
    for (word, &count) in counts.iter().enumerate() {
        for (c, v) in out.row_mut(word).iter_mut().enumerate() {
            let base = (n * d + c) * places + place;
            *v = states.data[base..base + count].iter().sum::<f32>() / count as f32;
        }
        place += count;
    }
    out
}

/// Scores of the spans of a window; "none" is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// All spans.
    pub spans: Vec<Span>,
    /// Of each span, for each label.
    pub entity: Rows,
    /// Of each span, how much it deserves to be kept.
    pub prune: Vec<f32>,
    /// Pairs of kept spans, by place among the spans.
    pub pairs: Vec<(usize, usize)>,
    /// Of each pair, for each relation, with both spans' `prune` added.
    pub relation: Rows,
}

/// A trained model.
#[derive(Debug)]
pub struct SpanModel {
    config: SpanConfig,
    pieces: Pieces,
    encoder: Plan,
    entity: Plan,
    prune: Plan,
    relation: Plan,
    widths: Rows,
    name: String,
}

impl SpanModel {
    /// Loads a folder: `config.json` and `tokenizer.json` of the BERT, `spans.json`, and all weights in
    /// `model.safetensors` (or `pytorch_model.bin`). The encoder's keys may have any prefix.
    ///
    /// # Errors
    /// Files that are missing or do not fit each other; a key that is missing or has another shape is named.
    pub fn open(folder: &Path) -> Result<Self> {
        let config = span_config(&folder.join(SPANS))?;
        let sizes = bert_config(folder)?;
        let (file, hash) = weights(folder)?;
        let pieces = Pieces::open(
            &folder.join("tokenizer.json"),
            sizes.max_position_embeddings,
        )?;
        let name = format!("{}-{}", base_name(folder), &hash[..HASH_DIGITS]);
        Self::build(config, &sizes, &file, pieces, name)
    }

    /// Puts a model together.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub fn build(
        config: SpanConfig,
        sizes: &BertConfig,
        file: &WeightFile,
        pieces: Pieces,
        name: String,
    ) -> Result<Self> {
        let heads = Heads::new(&config, sizes.hidden_size, 0.0);
        let encoder = bert(sizes, &prefix(file)?, BertHead::None);
        let plan =
            |graph: &Layers| -> Result<Plan> { Ok(Plan::new(graph, &file.params_for(graph)?)?) };
        Ok(SpanModel {
            encoder: plan(&encoder)?,
            entity: plan(&heads.entity)?,
            prune: plan(&heads.prune)?,
            relation: plan(&heads.relation)?,
            widths: widths(file, &config)?,
            config,
            pieces,
            name,
        })
    }

    /// Entities and relations of tokens that are read together.
    ///
    /// # Errors
    /// Tokens that the tokenizer refuses, or more than the encoder has places for.
    pub fn read(&self, tokens: &[String]) -> Result<Said> {
        let scores = self.scores(tokens)?;
        let mut said = Said::default();
        for (i, span) in scores.spans.iter().enumerate() {
            if let Some(label) = winner(scores.entity.row(i)) {
                let name = self.config.entity_labels[label].clone();
                said.entities.insert((*span, name));
            }
        }
        for (i, (a, b)) in scores.pairs.iter().enumerate() {
            if let Some(label) = winner(scores.relation.row(i)) {
                let name = self.config.relation_labels[label].clone();
                let (a, b) = (scores.spans[*a], scores.spans[*b]);
                said.relations.insert((a, b, name));
            }
        }
        Ok(said)
    }

    /// All scores of tokens that are read together.
    ///
    /// # Errors
    /// As [`SpanModel::read`].
    pub fn scores(&self, tokens: &[String]) -> Result<Scores> {
        let spans = spans(tokens.len(), self.config.max_span_width);
        if spans.is_empty() {
            return Ok(Scores {
                entity: Rows::zeros(0, self.config.entity_labels.len()),
                relation: Rows::zeros(0, self.config.relation_labels.len()),
                spans,
                prune: Vec::new(),
                pairs: Vec::new(),
            });
        }
        let rows = span_rows(&self.words(tokens)?, 0, &spans, &self.widths);
        let x = rows.to_tensor();
        let entity = Rows::from_tensor(&self.entity.run(&x)?[0]);
        let prune = self.prune.run(&x)?.swap_remove(0).data;
        let kept = best(&prune, self.config.kept(tokens.len()));
        let pairs: Vec<(usize, usize)> = kept
            .iter()
            .flat_map(|&a| kept.iter().map(move |&b| (a, b)))
            .collect();
        let mut relation = Rows::zeros(0, self.config.relation_labels.len());
        for part in pairs.chunks(PAIRS) {
            let x = pair_rows(&rows, part).to_tensor();
            let mut out = Rows::from_tensor(&self.relation.run(&x)?[0]);
            for (i, &(a, b)) in part.iter().enumerate() {
                let both = prune[a] + prune[b];
                out.row_mut(i).iter_mut().for_each(|v| *v += both);
            }
            relation.data.extend(out.data);
        }
        Ok(Scores {
            spans,
            entity,
            prune,
            pairs,
            relation,
        })
    }

    fn words(&self, tokens: &[String]) -> Result<Rows> {
        let mut line = Vec::new();
        let mut counts = Vec::with_capacity(tokens.len());
        for token in tokens {
            let ids = self.pieces.of(token)?;
            counts.push(ids.len());
            line.extend(ids);
        }
        if line.len() > self.pieces.longest {
            return Err(MethodError::Config(format!(
                "{} pieces where the encoder has places for {}",
                line.len(),
                self.pieces.longest
            )));
        }
        let states = self.encoder.run(&input(&[line], self.pieces.ends))?;
        Ok(word_rows(&states[0], 0, &counts))
    }

    /// Entities and relations of the passages of a report, window by window, as one graph with senses.
    ///
    /// # Errors
    /// As [`SpanModel::read`].
    pub fn graph_of(&self, passages: &[Passage]) -> Result<Graph> {
        let mut found = Vec::new();
        let mut base = 0;
        for passage in passages {
            let mut lengths = Vec::with_capacity(passage.tokens.len());
            for token in &passage.tokens {
                lengths.push(self.pieces.of(token)?.len());
            }
            for window in self.windows(passage, &lengths) {
                found.push((base + window.start, self.read(&passage.tokens[window])?));
            }
            base += passage.tokens.len();
        }
        let mut graph = graph_of(passages, &found);
        Extractor::shared().read_senses(&mut graph);
        Ok(graph)
    }

    fn windows(&self, passage: &Passage, lengths: &[usize]) -> Vec<Range<usize>> {
        windows(
            &passage.sentences,
            lengths,
            self.config.unit,
            self.pieces.longest,
        )
    }
}

/// Ranges of tokens that are read together: sentences, or as many as fit in `longest` pieces; a sentence that does not
/// fit is cut where it is full.
fn windows(
    sentences: &[Range<usize>],
    lengths: &[usize],
    unit: Unit,
    longest: usize,
) -> Vec<Range<usize>> {
    let pieces = |range: &Range<usize>| lengths[range.clone()].iter().sum::<usize>();
    let mut out: Vec<Range<usize>> = Vec::new();
    for sentence in sentences.iter().flat_map(|s| cut(s, lengths, longest)) {
        match out.last_mut() {
            Some(last)
                if unit == Unit::Section && pieces(&(last.start..sentence.end)) <= longest =>
            {
                last.end = sentence.end;
            }
            _ => out.push(sentence),
        }
    }
    out
}

fn cut(sentence: &Range<usize>, lengths: &[usize], longest: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let (mut start, mut filled) = (sentence.start, 0);
    for at in sentence.clone() {
        if filled + lengths[at] > longest && at > start {
            out.push(start..at);
            (start, filled) = (at, 0);
        }
        filled += lengths[at];
    }
    out.push(start..sentence.end);
    out
}

impl GraphReader for SpanModel {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn graph(
        &self,
        report: &ReportText,
        options: &ExtractOptions,
    ) -> std::result::Result<Graph, TextError> {
        let passages = passages(report, options)?;
        self.graph_of(&passages).map_err(|e| TextError::Model {
            model: self.name.clone(),
            reason: e.to_string(),
        })
    }
}

fn span_config(path: &Path) -> Result<SpanConfig> {
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, e))?;
    let config: SpanConfig = serde_json::from_str(&text).map_err(|e| unreadable(path, e))?;
    config.validate()?;
    Ok(config)
}

/// What stands before the encoder's keys.
fn prefix(file: &WeightFile) -> Result<String> {
    let mut found = file.tensors.keys().filter_map(|k| k.strip_suffix(WORDS));
    match (found.next(), found.next()) {
        (Some(prefix), None) => Ok(prefix.to_owned()),
        (None, _) => Err(NnError::Weights(format!("no key ends in `{WORDS}`")).into()),
        (Some(a), Some(b)) => {
            Err(NnError::Weights(format!("two encoders: `{a}{WORDS}` and `{b}{WORDS}`")).into())
        }
    }
}

fn widths(file: &WeightFile, config: &SpanConfig) -> Result<Rows> {
    let wanted = [config.max_span_width, config.feature_size];
    match file.tensors.get(WIDTHS) {
        Some((shape, data)) if *shape == wanted => Ok(Rows {
            width: config.feature_size,
            data: data.clone(),
        }),
        Some((shape, _)) => Err(NnError::Weights(format!(
            "`{WIDTHS}` is {shape:?} where {wanted:?} is expected"
        ))
        .into()),
        None => Err(NnError::Weights(format!("no `{WIDTHS}`")).into()),
    }
}

/// The gradient of [`word_rows`]: adds to the gradient of the states.
pub fn word_rows_back(d_words: &Rows, n: usize, counts: &[usize], d_states: &mut Tensor) {
    let (d, places) = (d_states.shape[1], d_states.shape[3]);
    let mut place = 1;
    for (word, &count) in counts.iter().enumerate() {
        for (c, v) in d_words.row(word).iter().enumerate() {
            let base = (n * d + c) * places + place;
            let share = vec![v / count as f32; count];
            add_to(&mut d_states.data[base..base + count], &share);
        }
        place += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_sentences_or_as_many_as_fit() {
        let sentences = [0..3, 3..5, 5..6];
        let lengths = [1, 1, 1, 2, 2, 1];
        let by = |unit, longest| windows(&sentences, &lengths, unit, longest);
        assert_eq!(by(Unit::Sentence, 100), sentences);
        assert_eq!(by(Unit::Section, 100), std::slice::from_ref(&(0..6)));
        assert_eq!(by(Unit::Section, 5), [0..3, 3..6]);
        // A sentence that is too long is cut.
        assert_eq!(by(Unit::Sentence, 2), [0..2, 2..3, 3..4, 4..5, 5..6]);
    }

    #[test]
    fn words_are_means_of_their_pieces_and_gradients_go_back_to_them() {
        // Two channels, places: end, three pieces, end.
        let states = Tensor::from_vec(
            &[1, 2, 1, 5],
            vec![9.0, 1.0, 3.0, 5.0, 9.0, 9.0, 2.0, 4.0, 6.0, 9.0],
        )
        .unwrap();
        let rows = word_rows(&states, 0, &[2, 1]);
        assert_eq!(rows.data, [2.0, 3.0, 5.0, 6.0]);
        let mut back = Tensor::zeros(&[1, 2, 1, 5]);
        word_rows_back(&rows, 0, &[2, 1], &mut back);
        assert_eq!(
            back.data,
            [0.0, 1.0, 1.0, 5.0, 0.0, 0.0, 1.5, 1.5, 6.0, 0.0]
        );
    }
}
