//! What stands on the encoder: spans as vectors, the scorer of entities, the pruner, the scorer of pairs.
//!
//! The arithmetic and the keys are those of DyGIE++ (Wadden et al. 2019) without propagation, of which RadGraph
//! Benchmark is a training: a span is `[first token; last token; its width's vector]`; one network scores its labels,
//! "no entity" being 0; another one scores how much it deserves to be kept; of the kept spans each pair
//! `[a; b; a b]` is scored for each relation, and the scores of both spans are added; "no relation" is 0.

use super::config::SpanConfig;
use super::rows::Rows;
use super::spans::Span;
use hilum_kernels::{Graph, NodeId};
use hilum_nn::builder::GraphBuilder;

/// Key of the table of widths.
pub const WIDTHS: &str = "_endpoint_span_extractor._span_width_embedding.weight";

/// The networks on vectors of spans and of pairs: `[1, width, 1, n]` to `[1, scores, 1, n]`.
pub struct Heads {
    /// Labels of a span.
    pub entity: Graph,
    /// How much a span deserves to be kept.
    pub prune: Graph,
    /// Relations of a pair.
    pub relation: Graph,
}

impl Heads {
    /// Heads for an encoder of `d` channels.
    pub fn new(config: &SpanConfig, d: usize, dropout: f32) -> Self {
        let span = config.span_width(d);
        let (ner, rel) = (
            format!("{}__ner_labels", config.dataset),
            format!("{}__relation_labels", config.dataset),
        );
        let net = |from: usize, to: usize, inner: String, last: String| {
            feed_forward(config, dropout, from, to, &inner, &last)
        };
        Heads {
            entity: net(
                span,
                config.entity_labels.len(),
                format!("_ner._ner_scorers.{ner}.0._module"),
                format!("_ner._ner_scorers.{ner}.1._module"),
            ),
            prune: net(
                span,
                1,
                format!("_relation._mention_pruners.{rel}._scorer.0._module"),
                format!("_relation._mention_pruners.{rel}._scorer.1._module"),
            ),
            relation: net(
                3 * span,
                config.relation_labels.len(),
                format!("_relation._relation_feedforwards.{rel}"),
                format!("_relation._relation_scorers.{rel}"),
            ),
        }
    }
}

fn feed_forward(
    config: &SpanConfig,
    dropout: f32,
    from: usize,
    to: usize,
    inner: &str,
    last: &str,
) -> Graph {
    let (mut b, mut x): (GraphBuilder, NodeId) = GraphBuilder::new(from);
    let mut width = from;
    for (i, &next) in config.hidden.iter().enumerate() {
        let name = format!("{inner}._linear_layers.{i}");
        x = b.linear(&name, x, width, next);
        x = b.relu(x);
        x = b.dropout(&format!("{name}.dropout"), x, dropout);
        width = next;
    }
    let scores = b.linear(last, x, width, to);
    b.output("scores", scores);
    b.finish()
}

/// `[first; last; width]` of each span, from one vector a word and the table of widths.
pub fn span_rows(words: &Rows, first_word: usize, spans: &[Span], widths: &Rows) -> Rows {
    let mut out = Rows::zeros(spans.len(), 2 * words.width + widths.width);
    for (i, &(start, end)) in spans.iter().enumerate() {
        let row = out.row_mut(i);
        let (ends, width) = row.split_at_mut(2 * words.width);
        ends[..words.width].copy_from_slice(words.row(first_word + start));
        ends[words.width..].copy_from_slice(words.row(first_word + end));
        width.copy_from_slice(widths.row(end - start));
    }
    out
}

/// The `keep` best of the scores by place, the earlier of equals; in the order of the places.
pub fn best(scores: &[f32], keep: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.truncate(keep);
    order.sort_unstable();
    order
}

/// `[a; b; a b]` of pairs of rows.
pub fn pair_rows(spans: &Rows, pairs: &[(usize, usize)]) -> Rows {
    let w = spans.width;
    let mut out = Rows::zeros(pairs.len(), 3 * w);
    for (i, &(a, b)) in pairs.iter().enumerate() {
        let (a, b) = (spans.row(a), spans.row(b));
        let row = out.row_mut(i);
        row[..w].copy_from_slice(a);
        row[w..2 * w].copy_from_slice(b);
        let products = a.iter().zip(b).map(|(a, b)| a * b);
        row[2 * w..]
            .iter_mut()
            .zip(products)
            .for_each(|(r, p)| *r = p);
    }
    out
}

/// The label of the highest score above "none", which is 0; the first of equals, none before any.
pub fn winner(scores: &[f32]) -> Option<usize> {
    let mut top = (0.0, None);
    for (i, &score) in scores.iter().enumerate() {
        if score > top.0 {
            top = (score, Some(i));
        }
    }
    top.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_published_model() {
        let heads = Heads::new(&SpanConfig::default(), 768, 0.0);
        let keys: Vec<&str> = [&heads.entity, &heads.prune, &heads.relation]
            .iter()
            .flat_map(|g| g.params.iter().map(|p| p.name.as_str()))
            .collect();
        assert_eq!(keys.len(), 18);
        for key in [
            "_ner._ner_scorers.None__ner_labels.0._module._linear_layers.1.weight",
            "_ner._ner_scorers.None__ner_labels.1._module.bias",
            "_relation._mention_pruners.None__relation_labels._scorer.0._module._linear_layers.0.bias",
            "_relation._mention_pruners.None__relation_labels._scorer.1._module.weight",
            "_relation._relation_feedforwards.None__relation_labels._linear_layers.0.weight",
            "_relation._relation_scorers.None__relation_labels.weight",
        ] {
            assert!(keys.contains(&key), "{key}");
        }
        let shape = |g: &Graph, i: usize| g.params[i].shape.clone();
        assert_eq!(shape(&heads.relation, 0), [150, 3 * (2 * 768 + 20)]);
    }

    #[test]
    fn the_best_keep_their_order_and_none_wins_at_zero() {
        assert_eq!(best(&[0.1, 3.0, 2.0, 3.0], 2), [1, 3]);
        assert_eq!(best(&[1.0, 1.0, 1.0], 2), [0, 1]);
        assert_eq!(best(&[1.0], 5), [0]);
        assert_eq!(winner(&[-1.0, 0.0]), None);
        assert_eq!(winner(&[0.5, 2.0, 2.0]), Some(1));
    }

    #[test]
    fn vectors_of_spans_and_pairs() {
        let words = Rows {
            width: 1,
            data: vec![1.0, 2.0, 3.0],
        };
        let widths = Rows {
            width: 1,
            data: vec![10.0, 20.0],
        };
        let rows = span_rows(&words, 1, &[(0, 0), (0, 1)], &widths);
        assert_eq!(rows.data, [2.0, 2.0, 10.0, 2.0, 3.0, 20.0]);
        let pair = pair_rows(&rows, &[(0, 1)]);
        assert_eq!(pair.data, [2.0, 2.0, 10.0, 2.0, 3.0, 20.0, 4.0, 6.0, 200.0]);
    }
}
