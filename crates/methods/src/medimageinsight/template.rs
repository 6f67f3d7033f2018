//! A reporter with a fixed sentence for each finding that a linear adapter finds on a film's vector, and one for each that it does not find
//! where reports usually deny it.

use super::config::Config;
use super::films::{Domain, Films};
use super::reports::{Said, f1, labelled, written};
use super::space::Space;
use crate::error::Result;
use hilum_data::Split;
use hilum_tabular::learner::{Fitted, Logistic};
use hilum_tabular::{Matrix, fit_standardised};
use std::collections::BTreeMap;

/// The reporter.
pub struct Template {
    entries: Vec<Entry>,
}

struct Entry {
    sentences: Sentences,
    fit: Box<dyn Fitted>,
    threshold: f64,
}

/// What is written of a code.
#[derive(Debug, Clone, PartialEq)]
struct Sentences {
    present: String,
    /// Nothing where most reports without the finding do not deny it.
    absent: Option<String>,
}

/// What a report says that would say nothing else.
const NOTHING: &str = "No acute cardiopulmonary abnormality.";

impl Template {
    /// Learns from the training films with their findings sections; penalties and thresholds are those with the best F1 on the validation
    /// films. Findings of too few films are never said.
    ///
    /// # Errors
    /// Fits that fail, a report that the labeler refuses.
    pub fn fit(
        config: &Config,
        films: &Films,
        space: &Space<'_>,
        train: &[(usize, &str)],
    ) -> Result<Self> {
        let val = written(films, &films.of(Domain::Phantom, Split::Val));
        let said = |own: &[(usize, &str)]| -> Result<Vec<Said>> {
            own.iter().map(|(_, text)| labelled(text)).collect()
        };
        let (known, wanted) = (said(train)?, said(&val)?);
        let (x, asked) = (matrix(space, train)?, matrix(space, &val)?);
        let mut entries = Vec::new();
        for (code, sentences) in sentences(train, &known)? {
            let has = |all: &[Said]| -> Vec<bool> {
                all.iter().map(|s| s.present.contains(code)).collect()
            };
            let (y, truth) = (has(&known), has(&wanted));
            let positives = y.iter().filter(|y| **y).count();
            let seldom = positives < config.least || positives == y.len();
            if seldom || !truth.contains(&true) {
                continue;
            }
            let mut best: Option<(f64, Box<dyn Fitted>, f64)> = None;
            for &penalty in &config.penalties {
                let fit = fit_standardised(&Logistic { penalty }, &x, &y, 0)?;
                let (value, threshold) = best_f1(&truth, &fit.scores(&asked)?);
                if best.as_ref().is_none_or(|(f1, _, _)| value > *f1) {
                    best = Some((value, fit, threshold));
                }
            }
            entries.extend(best.map(|(_, fit, threshold)| Entry {
                sentences,
                fit,
                threshold,
            }));
        }
        Ok(Template { entries })
    }

    /// What it writes of a film's vector.
    ///
    /// # Errors
    /// A vector of another width.
    pub fn report(&self, row: &[f32]) -> Result<String> {
        let wide = row.iter().map(|v| f64::from(*v)).collect();
        let x = Matrix::new(wide, row.len())?;
        let mut said = Vec::new();
        for entry in &self.entries {
            let found = entry.fit.scores(&x)?.iter().any(|s| *s >= entry.threshold);
            match found {
                true => said.push(entry.sentences.present.as_str()),
                false => said.extend(entry.sentences.absent.as_deref()),
            }
        }
        if said.is_empty() {
            said.push(NOTHING);
        }
        Ok(said.join(" "))
    }
}

fn matrix(space: &Space<'_>, films: &[(usize, &str)]) -> Result<Matrix> {
    let row = |(film, _): &(usize, &str)| space.row(*film).iter().map(|v| f64::from(*v));
    let width = films.first().map_or(0, |(film, _)| space.row(*film).len());
    Ok(Matrix::new(films.iter().flat_map(row).collect(), width)?)
}

/// For each code the commonest sentences that speak of it and of no other, of equally common ones the first of the alphabet.
fn sentences(train: &[(usize, &str)], known: &[Said]) -> Result<BTreeMap<&'static str, Sentences>> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, text) in train {
        for range in hilum_text::sentence::split(text) {
            *seen.entry(text[range].trim()).or_default() += 1;
        }
    }
    let mut best: [BTreeMap<&'static str, (usize, &str)>; 2] = Default::default();
    for (sentence, count) in seen {
        let said = labelled(sentence)?;
        let (which, code) = match (said.present.len(), said.absent.len()) {
            (1, 0) => (0, said.present.first()),
            (0, 1) => (1, said.absent.first()),
            _ => continue,
        };
        if let Some(code) = code
            && best[which].get(code).is_none_or(|(most, _)| count > *most)
        {
            best[which].insert(*code, (count, sentence));
        }
    }
    let [present, absent] = best;
    let denied = |code: &str| {
        let without = known.iter().filter(|s| !s.present.contains(code));
        let denials = without.clone().filter(|s| s.absent.contains(code)).count();
        2 * denials > without.count()
    };
    let both = |(code, (_, sentence)): (&'static str, (usize, &str))| {
        let other = absent.get(code).filter(|_| denied(code));
        let sentences = Sentences {
            present: sentence.to_owned(),
            absent: other.map(|(_, s)| (*s).to_owned()),
        };
        (code, sentences)
    };
    Ok(present.into_iter().map(both).collect())
}

/// The largest F1 that a threshold reaches, and the highest threshold that reaches it.
fn best_f1(truth: &[bool], scores: &[f64]) -> (f64, f64) {
    let mut found = (0.0, f64::INFINITY);
    for &threshold in scores {
        let mut counts = [0usize; 3];
        for (&truth, &score) in truth.iter().zip(scores) {
            match (score >= threshold, truth) {
                (true, true) => counts[0] += 1,
                (true, false) => counts[1] += 1,
                (false, true) => counts[2] += 1,
                (false, false) => {}
            }
        }
        let value = f1(counts.map(|c| c as f64)).unwrap_or(0.0);
        if value > found.0 || (value == found.0 && value > 0.0 && threshold > found.1) {
            found = (value, threshold);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_says_what_is_commonest_of_one_finding() {
        let train = [
            (
                0,
                "There is a small left pleural effusion. No pneumothorax.",
            ),
            (
                1,
                "There is a small left pleural effusion. No pneumothorax.",
            ),
            (
                2,
                "A large right pleural effusion. Small left apical pneumothorax.",
            ),
            (3, "Pleural effusion and pneumothorax. No pulmonary edema."),
            (4, "No pleural effusion."),
        ];
        let known: Vec<Said> = train.iter().map(|(_, t)| labelled(t).unwrap()).collect();
        let found = sentences(&train, &known).unwrap();
        let of = |code: &str| {
            let s = &found[code];
            (s.present.as_str(), s.absent.as_deref())
        };
        let effusion = "There is a small left pleural effusion.";
        assert_eq!(
            of("pleural_effusion"),
            (effusion, Some("No pleural effusion."))
        );
        // Two of the three without it deny it.
        let pneumothorax = "Small left apical pneumothorax.";
        assert_eq!(of("pneumothorax"), (pneumothorax, Some("No pneumothorax.")));
        assert_eq!(found.len(), 2);
        let few = sentences(&train[2..], &known[2..]).unwrap();
        assert_eq!(few["pneumothorax"].absent, None);
        assert!(labelled(NOTHING).unwrap().present.is_empty());
    }

    #[test]
    fn thresholds_reach_the_best_f1() {
        let truth = [true, false, true, false];
        assert_eq!(best_f1(&truth, &[0.9, 0.8, 0.7, 0.1]), (0.8, 0.7));
        assert_eq!(best_f1(&truth, &[0.9, 0.2, 0.7, 0.1]), (1.0, 0.7));
        assert_eq!(best_f1(&[false], &[0.5]), (0.0, f64::INFINITY));
    }
}
