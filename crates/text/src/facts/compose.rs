//! The graph of facts that came without a text: each fact becomes a short sentence of its own words, so that
//! facts read from rows or scenes go wherever graphs go.

use super::extract::cut_tokens;
use super::radgraph;
use super::{Assertion, Entity, Fact, Graph, Label, Relation, Sense, anatomy};

/// Facts of a document that another program made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statements {
    /// What it says; `entity` and `suggests` count rows.
    pub facts: Vec<Fact>,
    /// What of it could not be taken over, a name for each time.
    pub notes: Vec<&'static str>,
}

impl Graph {
    /// A graph that says these facts, in their order: severity, side, places and describing words stand before
    /// the finding, size and change after it. [`Graph::facts`] gives the facts back, with `entity` and
    /// `suggests` counted anew; a place that the finding's name tells, or a code that a place makes more
    /// particular, comes out as from any other graph. `suggests` names other facts by their `entity`.
    pub fn from_facts(facts: &[Fact]) -> Graph {
        let mut sheet = Sheet::default();
        let at: Vec<usize> = facts.iter().map(|fact| sheet.sentence(fact)).collect();
        for (fact, &source) in facts.iter().zip(&at) {
            let row = |entity: usize| facts.iter().position(|f| f.entity == entity);
            for target in fact.suggests.iter().filter_map(|&e| row(e)) {
                let relation = (Relation::SuggestiveOf, at[target]);
                if !sheet.entities[source].relations.contains(&relation) {
                    sheet.entities[source].relations.push(relation);
                }
            }
        }
        Graph {
            text: sheet.tokens.join(" "),
            entities: sheet.entities,
        }
    }
}

#[derive(Default)]
struct Sheet {
    tokens: Vec<String>,
    entities: Vec<Entity>,
}

impl Sheet {
    /// Writes one fact; gives the index of its finding.
    fn sentence(&mut self, fact: &Fact) -> usize {
        let seen = Label::Observation(Assertion::Present);
        let place = Label::Anatomy(Assertion::Present);
        let mut about = Vec::new();
        let mut located = Vec::new();
        if let Some(severity) = fact.severity {
            about.push(self.add(severity.name(), seen, Sense::Severity(severity), fact));
        }
        if let Some(side) = fact.side {
            located.push(self.add(side.name(), place, Sense::Side(side), fact));
        }
        for known in fact.places.iter().filter_map(|p| anatomy::place(p)) {
            let words = known.code.replace('_', " ");
            located.push(self.add(&words, place, Sense::Place(known), fact));
        }
        for (kind, word) in &fact.attributes {
            about.push(self.add(word, seen, Sense::Attribute(*kind), fact));
        }
        let at = self.finding(fact);
        if !fact.mm.is_empty() {
            let words = millimetres(&fact.mm);
            about.push(self.add(&words, seen, Sense::Size(fact.mm.clone()), fact));
        }
        if let Some(change) = fact.change {
            about.push(self.add(change.name(), seen, Sense::Change(change), fact));
        }
        self.tokens.push(".".to_owned());
        for word in about {
            self.entities[word].relations.push((Relation::Modify, at));
        }
        let to = located.into_iter().map(|to| (Relation::LocatedAt, to));
        self.entities[at].relations.extend(to);
        at
    }

    fn finding(&mut self, fact: &Fact) -> usize {
        let sense = if fact.is_normal() {
            Sense::Normal
        } else if fact.codes.is_empty() {
            Sense::Unknown
        } else {
            Sense::Finding {
                codes: fact.codes.clone(),
                rules_out: false,
                history: fact.history,
            }
        };
        let blank = fact.text.trim().is_empty();
        let words = if blank {
            fact.name.replace('_', " ")
        } else {
            fact.text.clone()
        };
        self.add(&words, Label::Observation(fact.assertion), sense, fact)
    }

    fn add(&mut self, words: &str, label: Label, sense: Sense, fact: &Fact) -> usize {
        let mut ranges = Vec::new();
        cut_tokens(words, &mut ranges);
        let start = self.tokens.len();
        let cut = ranges.into_iter().map(|r| words[r].to_owned());
        self.tokens.extend(cut);
        // Words that are nothing but blanks would be a span of no token.
        if self.tokens.len() == start {
            self.tokens.push("_".to_owned());
        }
        self.entities.push(Entity {
            key: (self.entities.len() + 1).to_string(),
            tokens: self.tokens[start..].join(" "),
            start,
            end: self.tokens.len() - 1,
            label,
            sense,
            section: fact.section,
            sentence: fact.sentence,
            relations: Vec::new(),
        });
        self.entities.len() - 1
    }
}

/// `12 x 9 mm`.
pub(super) fn millimetres(mm: &[f64]) -> String {
    let numbers: Vec<String> = mm.iter().map(|v| format!("{v}")).collect();
    format!("{} mm", numbers.join(" x "))
}

/// A fact of which nothing is said but its name, codes and words.
pub(super) fn bare(entity: usize, name: String, codes: Vec<&'static str>, text: String) -> Fact {
    Fact {
        entity,
        name,
        codes,
        text,
        assertion: Assertion::Present,
        history: false,
        side: None,
        places: Vec::new(),
        severity: None,
        change: None,
        mm: Vec::new(),
        attributes: Vec::new(),
        suggests: Vec::new(),
        section: None,
        sentence: None,
    }
}

/// Facts without their places in a graph, for comparison: `suggests` by position among the facts, those that
/// suggest no fact left out, and describing words by kind.
pub fn detached(facts: &[Fact]) -> Vec<Fact> {
    let row = |entity: usize| facts.iter().position(|f| f.entity == entity);
    let mut out = facts.to_vec();
    for (i, fact) in out.iter_mut().enumerate() {
        fact.suggests = fact.suggests.iter().filter_map(|&e| row(e)).collect();
        fact.attributes
            .sort_by_key(|(kind, _)| radgraph::attribute_name(*kind));
        fact.entity = i;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::score::graphs;
    use crate::facts::{AttributeKind, anatomy::Side};

    fn sentences() -> Vec<String> {
        let facts = include_str!("../../tests/fixtures/annotated_facts.jsonl").lines();
        let own = facts.map(|l| {
            let row: serde_json::Value = serde_json::from_str(l).unwrap();
            row["text"].as_str().unwrap().to_owned()
        });
        let labels = include_str!("../../tests/fixtures/annotated_sentences.tsv").lines();
        let others = labels
            .filter(|l| !l.starts_with('#'))
            .flat_map(|l| l.split('\t').map(str::to_owned).collect::<Vec<_>>());
        own.chain(others.filter(|t| t.contains(' '))).collect()
    }

    #[test]
    fn facts_come_back_from_the_graph_that_says_them() {
        let mut checked = 0;
        for text in sentences() {
            let facts = graphs(&[text.as_str()]).unwrap()[0].facts();
            let again = Graph::from_facts(&facts).facts();
            assert_eq!(detached(&again), detached(&facts), "{text}");
            checked += facts.len();
        }
        assert!(checked > 400, "{checked}");
    }

    #[test]
    fn what_is_only_words_stays_words() {
        let mut fact = bare(
            7,
            "odd thing".to_owned(),
            Vec::new(),
            "Odd thing".to_owned(),
        );
        fact.side = Some(Side::Left);
        fact.attributes = vec![(AttributeKind::Onset, "old".to_owned())];
        let graph = Graph::from_facts(&[fact.clone()]);
        assert_eq!(graph.text, "left old Odd thing .");
        assert_eq!(detached(&graph.facts()), detached(&[fact]));
    }

    #[test]
    fn the_document_of_such_a_graph_is_one_that_radgraph_reads() {
        let graph = &graphs(&["A 12 x 9 mm nodule in the lingula, new."]).unwrap()[0];
        let graph = Graph::from_facts(&graph.facts());
        let document = radgraph::Document::from_graph(&graph);
        assert_eq!(document.to_graph().unwrap(), graph);
    }
}
