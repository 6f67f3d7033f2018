//! Spans of a line of tokens, what is said of them, and the way from and to RadGraph's graphs.

use hilum_text::facts::radgraph::{label_name, label_of};
use hilum_text::facts::reader::Passage;
use hilum_text::facts::{Entity, Graph, Label, Relation, Sense};
use std::collections::{BTreeMap, BTreeSet};

/// First and last token.
pub type Span = (usize, usize);

/// Tokens that are read together, with what is known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// As RadGraph cuts them.
    pub tokens: Vec<String>,
    /// What it says.
    pub said: Said,
}

/// Labelled spans and relations between spans, by the names of RadGraph.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// (span, label).
    pub entities: BTreeSet<(Span, String)>,
    /// (source, target, relation).
    pub relations: BTreeSet<(Span, Span, String)>,
}

/// All spans of `n` tokens that are at most `widest` tokens long, by their start, then by their end.
pub fn spans(n: usize, widest: usize) -> Vec<Span> {
    (0..n)
        .flat_map(|start| (start..n.min(start + widest)).map(move |end| (start, end)))
        .collect()
}

/// What a graph says in each sentence of its passages. A span has one label, that of its first entity; relations
/// between sentences, and within one span, have no place here.
pub fn windows_of(graph: &Graph, passages: &[Passage]) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut base = 0;
    for passage in passages {
        for sentence in &passage.sentences {
            let range = base + sentence.start..base + sentence.end;
            windows.push(Window {
                tokens: passage.tokens[sentence.clone()].to_vec(),
                said: said_in(graph, range),
            });
        }
        base += passage.tokens.len();
    }
    windows
}

/// What a graph says of a range of its tokens.
pub fn said_in(graph: &Graph, range: std::ops::Range<usize>) -> Said {
    let inside = |e: &Entity| range.contains(&e.start) && range.contains(&e.end);
    let span = |e: &Entity| (e.start - range.start, e.end - range.start);
    let mut labels: BTreeMap<Span, String> = BTreeMap::new();
    let mut relations = BTreeSet::new();
    for entity in graph.entities.iter().filter(|e| inside(e)) {
        let name = || label_name(entity.label).to_owned();
        labels.entry(span(entity)).or_insert_with(name);
        for (relation, to) in &entity.relations {
            let to = &graph.entities[*to];
            if inside(to) && span(to) != span(entity) {
                relations.insert((span(entity), span(to), relation.name().to_owned()));
            }
        }
    }
    Said {
        entities: labels.into_iter().collect(),
        relations,
    }
}

/// Puts what was found in windows together to a graph; each window comes with its first token. Relations to spans that are no entity are left out, as are names that RadGraph does not have.
pub fn graph_of(passages: &[Passage], found: &[(usize, Said)]) -> Graph {
    let tokens: Vec<&str> = passages
        .iter()
        .flat_map(|p| p.tokens.iter().map(String::as_str))
        .collect();
    let places = sentence_of_tokens(passages);
    let mut entities: Vec<Entity> = Vec::new();
    let mut at: BTreeMap<Span, usize> = BTreeMap::new();
    for (base, said) in found {
        for ((start, end), name) in &said.entities {
            let (start, end) = (base + start, base + end);
            let Some(label) = label_of(name) else {
                continue;
            };
            let (sentence, section) = places[start];
            at.insert((start, end), entities.len());
            entities.push(Entity {
                key: (entities.len() + 1).to_string(),
                tokens: tokens[start..=end].join(" "),
                start,
                end,
                label,
                sense: Sense::Unknown,
                section: Some(section),
                sentence: Some(sentence),
                relations: Vec::new(),
            });
        }
    }
    for (base, said) in found {
        let index = |span: &Span| at.get(&(base + span.0, base + span.1)).copied();
        for (source, target, name) in &said.relations {
            if let (Some(s), Some(t), Some(relation)) =
                (index(source), index(target), Relation::from_name(name))
                && s != t
            {
                entities[s].relations.push((relation, t));
            }
        }
    }
    entities
        .iter_mut()
        .for_each(|e| e.relations.sort_by_key(|r| (r.1, r.0)));
    Graph {
        text: tokens.join(" "),
        entities,
    }
}

type Place = (usize, hilum_text::SectionKind);

fn sentence_of_tokens(passages: &[Passage]) -> Vec<Place> {
    let mut places = Vec::new();
    let mut sentence = 0;
    for passage in passages {
        for range in &passage.sentences {
            places.extend(range.clone().map(|_| (sentence, passage.section)));
            sentence += 1;
        }
    }
    places
}

/// Whether a label is one of a place.
pub fn is_anatomy(name: &str) -> bool {
    matches!(label_of(name), Some(Label::Anatomy(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_text::ReportText;
    use hilum_text::facts::Extractor;
    use hilum_text::facts::extract::ExtractOptions;
    use hilum_text::facts::reader::passages;

    #[test]
    fn spans_are_counted_by_start_then_end() {
        assert_eq!(spans(3, 2), [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]);
        assert!(spans(0, 8).is_empty());
    }

    #[test]
    fn a_graph_goes_through_windows_and_comes_back() {
        let report = ReportText::from_parts(
            "Small left pleural effusion. Opacity in the right lower lobe may represent pneumonia.",
            "No pneumothorax.",
        );
        let options = ExtractOptions::default();
        let graph = Extractor::shared().graph(&report, &options).unwrap();
        let passages = passages(&report, &options).unwrap();
        let windows = windows_of(&graph, &passages);
        assert_eq!(windows.len(), 3);
        let mut base = 0;
        let found: Vec<(usize, Said)> = windows
            .iter()
            .map(|w| {
                let from = base;
                base += w.tokens.len();
                (from, w.said.clone())
            })
            .collect();
        let mut again = graph_of(&passages, &found);
        Extractor::shared().read_senses(&mut again);
        assert_eq!(again.text, graph.text);
        assert_eq!(again.entities, graph.entities);
    }
}
