//! RadGraph F1 at its three levels (Jain et al. 2021; Delbrouck et al. 2022): sets per report,
//! lower case, F1 from set precision and recall.
//!
//! * E: (tokens, label);
//! * ER: (tokens, label, whether it has any relation), the value that is commonly quoted;
//! * ER-bar: (tokens, label) where there is no relation, else (tokens, label, relation, tokens of
//!   the other entity) for each.
//!
//! A report without entities scores 0 against one with entities; where both are without, the
//! published code gives 0 and this gives `None`, which the signature says.

use super::{FactScore, f1};
use crate::facts::Graph;
use crate::facts::radgraph::label_name;
use std::collections::{BTreeMap, BTreeSet};

/// One element of a report's set.
type Item = (String, &'static str, String);

/// The three levels.
const LEVELS: [(&str, &str); 3] = [
    ("radgraph_e", "simple"),
    ("radgraph_er", "partial"),
    ("radgraph_er_bar", "complete"),
];

/// `radgraph_e`, `radgraph_er` and `radgraph_er_bar`: means over reports.
pub fn radgraph_f1(references: &[Graph], hypotheses: &[Graph]) -> BTreeMap<String, FactScore> {
    let score = |(name, level): (&str, &str)| {
        let per_sample = references
            .iter()
            .zip(hypotheses)
            .map(|(r, h)| set_f1(&items(r, level), &items(h, level)))
            .collect();
        let signature =
            format!("{name}|level:{level}|case:lower|graph:hilum-rules|both_empty:null");
        let score = FactScore::mean(
            per_sample,
            signature,
            "no report has an entity on either side",
        );
        (name.to_owned(), score)
    };
    LEVELS.map(score).into_iter().collect()
}

fn items(graph: &Graph, level: &str) -> BTreeSet<Item> {
    let mut set = BTreeSet::new();
    for entity in &graph.entities {
        let tokens = entity.tokens.to_lowercase();
        let label = label_name(entity.label);
        match level {
            "simple" => {
                set.insert((tokens, label, String::new()));
            }
            "partial" => {
                let any = if entity.relations.is_empty() {
                    ""
                } else {
                    "related"
                };
                set.insert((tokens, label, any.to_owned()));
            }
            _ if entity.relations.is_empty() => {
                set.insert((tokens, label, String::new()));
            }
            _ => {
                for (relation, to) in &entity.relations {
                    let target = graph.entities[*to].tokens.to_lowercase();
                    set.insert((
                        tokens.clone(),
                        label,
                        format!("{} {target}", relation.name()),
                    ));
                }
            }
        }
    }
    set
}

fn set_f1(reference: &BTreeSet<Item>, hypothesis: &BTreeSet<Item>) -> Option<f64> {
    if reference.is_empty() && hypothesis.is_empty() {
        return None;
    }
    let shared = reference.intersection(hypothesis).count() as f64;
    if shared == 0.0 {
        return Some(0.0);
    }
    Some(f1(
        shared / hypothesis.len() as f64,
        shared / reference.len() as f64,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::radgraph::Document;
    use serde_json::json;

    fn graph(entities: serde_json::Value) -> Graph {
        let doc = json!({"text": "small left effusion . no edema", "entities": entities});
        let document: Document = serde_json::from_value(doc).unwrap();
        document.to_graph().unwrap()
    }

    /// Worked by hand. Reference: small -modify-> effusion, effusion -located_at-> left, edema.
    /// Hypothesis: effusion without relations, edema. E: 2 shared of 4 and 2: P 1, R 1/2, F1 2/3.
    /// ER: only edema of (4, 2): P 1/2, R 1/4, F1 1/3. ER-bar: the same sets of 4 and 2, F1 1/3.
    #[test]
    fn the_three_levels_by_hand() {
        let reference = graph(json!({
            "1": {"tokens": "small", "label": "OBS-DP", "start_ix": 0, "end_ix": 0, "relations": [["modify", "3"]]},
            "2": {"tokens": "left", "label": "ANAT-DP", "start_ix": 1, "end_ix": 1, "relations": []},
            "3": {"tokens": "Effusion", "label": "OBS-DP", "start_ix": 2, "end_ix": 2, "relations": [["located_at", "2"]]},
            "4": {"tokens": "edema", "label": "OBS-DA", "start_ix": 5, "end_ix": 5, "relations": []}
        }));
        let hypothesis = graph(json!({
            "1": {"tokens": "effusion", "label": "OBS-DP", "start_ix": 2, "end_ix": 2, "relations": []},
            "2": {"tokens": "edema", "label": "OBS-DA", "start_ix": 5, "end_ix": 5, "relations": []}
        }));
        let both = [reference.clone(), hypothesis.clone()];
        let swapped = [hypothesis, reference];
        let scores = radgraph_f1(&both, &swapped);
        for (name, expected) in [
            ("radgraph_e", 2.0 / 3.0),
            ("radgraph_er", 1.0 / 3.0),
            ("radgraph_er_bar", 1.0 / 3.0),
        ] {
            let per_sample: Vec<f64> = scores[name].per_sample.iter().copied().flatten().collect();
            // Symmetric under a swap.
            assert_eq!(per_sample.len(), 2);
            for value in per_sample {
                assert!((value - expected).abs() < 1e-12, "{name} {value}");
            }
        }
        let empty = [Graph::default(), Graph::default()];
        assert_eq!(radgraph_f1(&both, &empty)["radgraph_er"].value, Some(0.0));
    }
}
