//! The factual sequence of a report: entity words in order, without the style around them
//! (structural entities extraction, Liu et al. 2024, section 2.1).

use super::{Assertion, Graph, Label, Sense};

/// Words that say nothing when they are all that is left of a sentence.
const EMPTY: [&str; 6] = ["normal", "clear", "stable", "unchanged", "left", "right"];

/// The entity words of each sentence in order, led by `no` where the sentence denies an
/// observation, else by `maybe` where it leaves one open (once a sentence). A sentence left with
/// one uninformative word is dropped. Sentences end with a full stop.
pub fn entity_sequence(graph: &Graph) -> String {
    let mut out = String::new();
    let mut from = 0;
    while from < graph.entities.len() {
        let sentence = graph.entities[from].sentence;
        let length = graph.entities[from..]
            .iter()
            .take_while(|e| e.sentence == sentence)
            .count();
        add_sentence(graph, from..from + length, &mut out);
        from += length;
    }
    out
}

fn add_sentence(graph: &Graph, range: std::ops::Range<usize>, out: &mut String) {
    let mut words: Vec<&str> = Vec::new();
    let mut next = 0;
    let (mut denied, mut open) = (false, false);
    for entity in &graph.entities[range] {
        if let Label::Observation(assertion) = entity.label {
            let negated = matches!(entity.sense, Sense::Finding { history: true, .. });
            denied |= assertion == Assertion::Absent || negated;
            open |= assertion == Assertion::Uncertain;
        }
        // Spans may overlap ("right hilar mass" and its "hilar"): each word once.
        let skip = next.max(entity.start) - entity.start;
        words.extend(entity.tokens.split(' ').skip(skip));
        next = next.max(entity.end + 1);
    }
    let bare = words.len() == 1 && EMPTY.contains(&words[0].to_lowercase().as_str());
    if words.is_empty() || bare {
        return;
    }
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(if denied {
        "no "
    } else if open {
        "maybe "
    } else {
        ""
    });
    out.push_str(&words.join(" "));
    out.push('.');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Extractor;
    use crate::report::ReportText;

    fn sequence(text: &str) -> String {
        let report = ReportText::from_parts(text, "");
        let graph = Extractor::shared()
            .graph(&report, &Default::default())
            .unwrap();
        entity_sequence(&graph)
    }

    #[test]
    fn negation_and_doubt_stay_and_style_goes() {
        assert_eq!(
            sequence(
                "There is currently no evidence for a pleural effusion. A small left nodule is noted."
            ),
            "no pleural effusion. small left nodule."
        );
        assert!(sequence("There may be edema.").starts_with("maybe "));
    }

    #[test]
    fn it_is_the_same_every_time() {
        let text = "Mild cardiomegaly. No edema or effusion in the right base.";
        assert_eq!(sequence(text), sequence(text));
    }
}
