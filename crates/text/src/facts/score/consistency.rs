//! Consistency of reports about equivalent studies (ICON, Hou et al. 2024, section 4): studies with
//! the same observations, worded with the same attributes, should get reports with the same attributes.
//!
//! Pairs of studies qualify when their references' observations overlap by at least 0.75 and their
//! references' attributes by at least 0.5 (overlap: size of the intersection over that of the
//! smaller set). `consistency` is the mean overlap of the attributes of the two hypotheses;
//! `r_consistency` weighs each study's mean by the overlap of its hypothesis with its own reference,
//! so that a constant report does not win. Attributes are the words about findings that are present
//! or open; the published code mines its own list of words per observation.

use super::FactScore;
use crate::facts::{Assertion, Fact, Graph};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Least overlap of the observations of two references.
const SAME_OBSERVATIONS: f64 = 0.75;
/// Least overlap of their attributes.
const SAME_ATTRIBUTES: f64 = 0.5;

/// Sorted ids of a set.
type Ids = Vec<u32>;

/// `consistency` and `r_consistency`; per sample the mean over the pairs that it is part of.
pub fn consistency(references: &[Graph], hypotheses: &[Graph]) -> BTreeMap<String, FactScore> {
    let mut names = Names::default();
    let truth: Vec<(Ids, Ids)> = references.iter().map(|g| names.sets(g)).collect();
    let said: Vec<Ids> = hypotheses.iter().map(|g| names.sets(g).1).collect();
    let of_study: Vec<Option<f64>> = (0..truth.len())
        .into_par_iter()
        .map(|i| mean_overlap(i, &truth, &said))
        .collect();
    let weighted = of_study
        .iter()
        .zip(truth.iter().zip(&said))
        .map(|(con, ((_, truth), said))| con.map(|c| c * overlap(truth, said).unwrap_or(0.0)))
        .collect();
    let score = |name: &str, values| {
        let signature = format!(
            "{name}|observations:>={SAME_OBSERVATIONS}|attributes:>={SAME_ATTRIBUTES}|overlap:min|average:studies"
        );
        let undefined = "no two references are equivalent";
        (
            name.to_owned(),
            FactScore::mean(values, signature, undefined),
        )
    };
    BTreeMap::from([
        score("consistency", of_study.clone()),
        score("r_consistency", weighted),
    ])
}

fn mean_overlap(i: usize, truth: &[(Ids, Ids)], said: &[Ids]) -> Option<f64> {
    let (mut sum, mut pairs) = (0.0, 0usize);
    for j in 0..truth.len() {
        let same = |a: &Ids, b: &Ids, least: f64| overlap(a, b).is_some_and(|o| o >= least);
        if j != i
            && same(&truth[i].0, &truth[j].0, SAME_OBSERVATIONS)
            && same(&truth[i].1, &truth[j].1, SAME_ATTRIBUTES)
        {
            sum += overlap(&said[i], &said[j]).unwrap_or(0.0);
            pairs += 1;
        }
    }
    (pairs > 0).then(|| sum / pairs as f64)
}

/// |A and B| / min(|A|, |B|); `None` when either is empty.
fn overlap(a: &Ids, b: &Ids) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let shared = a.iter().filter(|x| b.binary_search(x).is_ok()).count();
    Some(shared as f64 / a.len().min(b.len()) as f64)
}

/// Numbers for words.
#[derive(Default)]
struct Names {
    known: BTreeMap<String, u32>,
}

impl Names {
    fn id(&mut self, name: String) -> u32 {
        let next = self.known.len() as u32;
        *self.known.entry(name).or_insert(next)
    }

    /// Observations and attributes of a report.
    fn sets(&mut self, graph: &Graph) -> (Ids, Ids) {
        let (mut observations, mut attributes) = (BTreeSet::new(), BTreeSet::new());
        let open = |f: &Fact| f.assertion != Assertion::Absent && !f.history && !f.codes.is_empty();
        for fact in graph.facts().into_iter().filter(open) {
            observations.insert(self.id(fact.name.clone()));
            let mut words: Vec<String> = fact.places.iter().map(|p| (*p).to_owned()).collect();
            words.extend(fact.side.map(|s| s.name().to_owned()));
            words.extend(fact.severity.map(|s| s.name().to_owned()));
            words.extend(fact.change.map(|c| c.name().to_owned()));
            words.extend(fact.attributes.into_iter().map(|(_, w)| w));
            for word in words {
                attributes.insert(self.id(format!("{}:{word}", fact.name)));
            }
        }
        (
            observations.into_iter().collect(),
            attributes.into_iter().collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::score::graphs;

    #[test]
    fn a_constant_report_is_consistent_and_not_right() {
        let truth = graphs(&[
            "Small left effusion.",
            "Small left effusion.",
            "Mild cardiomegaly.",
        ])
        .unwrap();
        let right = consistency(&truth, &truth);
        assert_eq!(right["consistency"].value, Some(1.0));
        assert_eq!(right["r_consistency"].value, Some(1.0));
        // The third study has no equivalent.
        assert_eq!(right["consistency"].per_sample[2], None);
        let constant = graphs(&["Large right effusion."; 3]).unwrap();
        let scores = consistency(&truth, &constant);
        assert_eq!(scores["consistency"].value, Some(1.0));
        assert_eq!(scores["r_consistency"].value, Some(0.0));
    }

    #[test]
    fn without_equivalent_studies_it_is_undefined() {
        let truth = graphs(&["Small left effusion.", "Mild cardiomegaly."]).unwrap();
        let score = &consistency(&truth, &truth)["consistency"];
        assert!(score.value.is_none() && score.reason.is_some());
    }
}
