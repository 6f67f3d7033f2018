//! RadFact (Bannur et al. 2024, MAIRA-2, section 4) with the entailment engine of
//! [`crate::facts::entail`] in place of a language model.
//!
//! Precision looks at the candidate's phrases in the light of the reference's, recall the other way:
//!
//! * logical: entailed share of all phrases;
//! * grounding: spatially entailed share of the phrases that are entailed and have boxes;
//! * spatial: spatially entailed share of all phrases with boxes.
//!
//! A phrase is spatially entailed when it is entailed and more than half of the pixels of its boxes
//! (a union on a grid of 224 x 224) lie in the boxes of its evidence. The value of a set is the mean
//! over the reports where the share is defined.

use super::{FactScore, f1};
use crate::facts::entail::{self, Verdict};
use crate::facts::{Extractor, Fact, Graph};
use crate::report::ReportText;
use hilum_core::Rect;
use std::collections::BTreeMap;

/// Pixels of a side of the grid on which boxes are compared.
const GRID: usize = 224;
/// Share of a phrase's pixels that must lie in the evidence.
const COVERED: f64 = 0.5;

/// A phrase with its facts and, in grounded reports, its boxes.
#[derive(Debug, Clone, PartialEq)]
pub struct Phrase {
    /// What it says; a phrase without any fact is neither right nor wrong and not counted.
    pub facts: Vec<Fact>,
    /// Boxes relative to the image, all values from 0 to 1; empty without any.
    pub boxes: Vec<Rect>,
}

impl Phrase {
    /// A phrase of a grounded report.
    pub fn new(text: &str, boxes: Vec<Rect>) -> Self {
        let report = ReportText::from_parts(text, "");
        // Only an empty text has no graph, and it has no facts either.
        let graph = Extractor::shared().graph(&report, &Default::default());
        Phrase {
            facts: graph.map(|g| g.facts()).unwrap_or_default(),
            boxes,
        }
    }

    /// Every fact of a narrative report as a phrase of its own, without boxes.
    pub fn of_graph(graph: &Graph) -> Vec<Phrase> {
        let one = |fact| Phrase {
            facts: vec![fact],
            boxes: Vec::new(),
        };
        graph.facts().into_iter().map(one).collect()
    }
}

/// What the phrases of the other side say about a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhraseVerdict {
    /// The verdict; the indices are phrases of the other side.
    pub verdict: Verdict,
    /// Whether its boxes are covered too; `None` without boxes.
    pub spatial: Option<bool>,
}

/// Judges each phrase by the phrases of the other side. A phrase is entailed when each of its facts
/// is, and contradicted when any of them is. Phrases without facts give `None`.
pub fn judge(phrases: &[Phrase], evidence: &[Phrase]) -> Vec<Option<PhraseVerdict>> {
    let mut facts = Vec::new();
    let mut owner = Vec::new();
    for (i, phrase) in evidence.iter().enumerate() {
        facts.extend(phrase.facts.iter().cloned());
        owner.resize(facts.len(), i);
    }
    phrases
        .iter()
        .map(|p| (!p.facts.is_empty()).then(|| judge_one(p, &facts, &owner, evidence)))
        .collect()
}

fn judge_one(
    phrase: &Phrase,
    facts: &[Fact],
    owner: &[usize],
    evidence: &[Phrase],
) -> PhraseVerdict {
    let mut from = Vec::new();
    let mut verdict = None;
    for fact in &phrase.facts {
        match entail::judge(facts, fact) {
            Verdict::Entailed(by) => from.extend(by.into_iter().map(|i| owner[i])),
            Verdict::Contradicted(by) => {
                verdict = Some(Verdict::Contradicted(owner[by]));
                break;
            }
            Verdict::Neutral => verdict = Some(Verdict::Neutral),
        }
    }
    from.sort_unstable();
    from.dedup();
    let verdict = verdict.unwrap_or(Verdict::Entailed(from));
    let spatial = (!phrase.boxes.is_empty()).then(|| match &verdict {
        Verdict::Entailed(from) => {
            let boxes: Vec<Rect> = from
                .iter()
                .flat_map(|&i| evidence[i].boxes.clone())
                .collect();
            covered(&phrase.boxes, &boxes) > COVERED
        }
        _ => false,
    });
    PhraseVerdict { verdict, spatial }
}

/// Share of the pixels of `boxes` that lie in `evidence`; 0 when `boxes` cover no pixel.
fn covered(boxes: &[Rect], evidence: &[Rect]) -> f64 {
    let inside = |all: &[Rect], x: f64, y: f64| {
        all.iter()
            .any(|b| x >= b.x && x < b.x + b.w && y >= b.y && y < b.y + b.h)
    };
    let (mut own, mut shared) = (0usize, 0usize);
    for row in 0..GRID {
        for column in 0..GRID {
            let x = (column as f64 + 0.5) / GRID as f64;
            let y = (row as f64 + 0.5) / GRID as f64;
            if inside(boxes, x, y) {
                own += 1;
                shared += usize::from(inside(evidence, x, y));
            }
        }
    }
    if own == 0 {
        0.0
    } else {
        shared as f64 / own as f64
    }
}

/// Logical, grounding and spatial share of one direction; `None` where there is nothing to count.
fn shares(verdicts: &[Option<PhraseVerdict>]) -> [Option<f64>; 3] {
    let judged: Vec<&PhraseVerdict> = verdicts.iter().flatten().collect();
    let entailed = |v: &&&PhraseVerdict| matches!(v.verdict, Verdict::Entailed(_));
    let boxed = judged.iter().filter(|v| v.spatial.is_some()).count();
    let boxed_entailed = judged
        .iter()
        .filter(entailed)
        .filter(|v| v.spatial.is_some())
        .count();
    let spatial = judged.iter().filter(|v| v.spatial == Some(true)).count();
    let share = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
    [
        share(judged.iter().filter(entailed).count(), judged.len()),
        share(spatial, boxed_entailed),
        share(spatial, boxed),
    ]
}

/// The six numbers and their three F1s over reports of phrases.
pub fn radfact(
    references: &[Vec<Phrase>],
    hypotheses: &[Vec<Phrase>],
) -> BTreeMap<String, FactScore> {
    let pairs = references.iter().zip(hypotheses);
    let (precision, recall): (Vec<_>, Vec<_>) = pairs
        .map(|(r, h)| (shares(&judge(h, r)), shares(&judge(r, h))))
        .unzip();
    let mut scores = BTreeMap::new();
    for (i, family) in ["logical", "grounding", "spatial"].into_iter().enumerate() {
        let column = |rows: &[[Option<f64>; 3]]| rows.iter().map(|r| r[i]).collect::<Vec<_>>();
        let (p, r) = (column(&precision), column(&recall));
        let both = p
            .iter()
            .zip(&r)
            .map(|(p, r)| Some(f1((*p)?, (*r)?)))
            .collect();
        for (part, values) in [("precision", p), ("recall", r), ("f1", both)] {
            let name = format!("radfact_{family}_{part}");
            let signature = format!(
                "{name}|nli:hilum-entail|phrases:facts|grid:224|covered:>0.5|average:reports"
            );
            let undefined = if family == "logical" {
                "no report has a fact on the side that is counted"
            } else {
                "no phrase has boxes"
            };
            scores.insert(name, FactScore::mean(values, signature, undefined));
        }
    }
    scores
}

/// The logical numbers of narrative reports, each fact a phrase.
pub fn logical(references: &[Graph], hypotheses: &[Graph]) -> BTreeMap<String, FactScore> {
    let phrases = |graphs: &[Graph]| graphs.iter().map(Phrase::of_graph).collect::<Vec<_>>();
    radfact(&phrases(references), &phrases(hypotheses))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: f64, y: f64, w: f64, h: f64) -> Rect {
        Rect { x, y, w, h }
    }

    fn value(scores: &BTreeMap<String, FactScore>, name: &str) -> Option<f64> {
        scores[&format!("radfact_{name}")].value
    }

    /// Three candidate phrases: one entailed with its box covered, one entailed with its box
    /// elsewhere, one not entailed with a box: logical 2/3, grounding 1/2, spatial 1/3.
    #[test]
    fn the_six_numbers_by_hand() {
        let reference = vec![
            Phrase::new("Left pleural effusion.", vec![rect(0.5, 0.5, 0.4, 0.4)]),
            Phrase::new("Right upper lobe nodule.", vec![rect(0.1, 0.1, 0.2, 0.2)]),
            Phrase::new("No pneumothorax.", vec![]),
        ];
        let candidate = vec![
            Phrase::new("Left effusion.", vec![rect(0.6, 0.6, 0.2, 0.2)]),
            Phrase::new("Nodule.", vec![rect(0.7, 0.1, 0.2, 0.2)]),
            Phrase::new("Right pneumothorax.", vec![rect(0.1, 0.1, 0.2, 0.2)]),
            Phrase::new("PA and lateral views.", vec![]),
        ];
        let scores = radfact(&[reference], &[candidate]);
        let near = |name: &str, expected: f64| {
            let value = value(&scores, name).unwrap();
            assert!((value - expected).abs() < 1e-12, "{name} {value}");
        };
        near("logical_precision", 2.0 / 3.0);
        near("grounding_precision", 0.5);
        near("spatial_precision", 1.0 / 3.0);
        // Neither "left" nor "right upper lobe" follows from what the candidate says of them.
        near("logical_recall", 1.0 / 3.0);
        assert_eq!(value(&scores, "spatial_recall"), Some(0.0));
    }

    #[test]
    fn the_share_of_pixels_is_that_of_the_union() {
        let whole = covered(
            &[rect(0.0, 0.0, 0.5, 1.0), rect(0.25, 0.0, 0.5, 1.0)],
            &[rect(0.0, 0.0, 0.375, 1.0)],
        );
        assert!((whole - 0.5).abs() < 1e-12, "{whole}");
        assert_eq!(
            covered(&[rect(0.2, 0.2, 0.0, 0.0)], &[rect(0.0, 0.0, 1.0, 1.0)]),
            0.0
        );
    }
}
