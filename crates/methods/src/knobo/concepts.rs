//! The concept bank: questions, what each asks for, and what the classes answer.

use crate::error::{MethodError, Result};
use flate2::read::GzDecoder;
use hilum_text::label::{LabelOptions, Labeler};
use hilum_text::report::{ReportText, SectionKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Answers by class, then by question: `yes` or `no`.
pub type Answers = BTreeMap<String, BTreeMap<String, String>>;

/// The classes of the task, as the answers name them: without and with a finding.
pub const CLASSES: [&str; 2] = ["No Finding", "Has Finding"];

/// One concept that can be grounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Concept {
    /// Finding that its questions ask for.
    pub code: String,
    /// The questions.
    pub questions: Vec<String>,
    /// Sign of each class's weight: 1 where most of its answers are yes, -1 where most are no, 0 on a tie.
    pub signs: [f64; 2],
}

/// The questions of a corpus, one a line.
///
/// # Errors
/// A list that is not there or empty.
pub fn questions(data: &Path, corpus: &str) -> Result<Vec<String>> {
    let path = folder(data).join(format!("xray_{corpus}.txt"));
    let text = read(&path)?;
    let all: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect();
    if all.is_empty() {
        return Err(MethodError::Config(format!(
            "{}: no concept questions",
            path.display()
        )));
    }
    Ok(all)
}

/// What the classes answer.
///
/// # Errors
/// A file that is not there, is not what it should be, or lacks a class of the task.
pub fn answers(data: &Path) -> Result<Answers> {
    let path = folder(data).join("xray_class2concept2answer.json.gz");
    let bytes = std::fs::read(&path).map_err(|_| missing(&path))?;
    let bad = |e: &dyn std::fmt::Display| MethodError::Config(format!("{}: {e}", path.display()));
    let mut text = String::new();
    GzDecoder::new(bytes.as_slice())
        .read_to_string(&mut text)
        .map_err(|e| bad(&e))?;
    let answers: Answers = serde_json::from_str(&text).map_err(|e| bad(&e))?;
    match CLASSES.iter().find(|c| !answers.contains_key(**c)) {
        None => Ok(answers),
        Some(class) => Err(bad(&format!("no answers of the class `{class}`"))),
    }
}

/// The concepts behind the questions that ask for a finding with labelled films, in the order of `codes`.
/// Questions about one finding are one concept: labels of whole films cannot tell them apart.
pub fn bank(questions: &[String], answers: &Answers, codes: &[&str]) -> Vec<Concept> {
    let mut by_code: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for question in questions {
        for code in asked(question) {
            if let Some(code) = codes.iter().find(|c| **c == code) {
                by_code.entry(*code).or_default().push(question.clone());
            }
        }
    }
    let concept = |code: &&str| {
        let questions = by_code.remove(*code)?;
        let of = |class: &str| answers.get(class).map_or(0.0, |own| sign(&questions, own));
        let signs = CLASSES.map(of);
        Some(Concept {
            code: (*code).to_owned(),
            questions,
            signs,
        })
    };
    codes.iter().filter_map(concept).collect()
}

/// Findings that a question names.
pub fn asked(question: &str) -> Vec<&'static str> {
    let mut report = ReportText::default();
    report.push(SectionKind::Findings, question);
    let options = LabelOptions {
        negation: false,
        ..LabelOptions::default()
    };
    // A question without text names nothing.
    Labeler::shared()
        .label(&report, &options)
        .map(|l| {
            let named = l.values.keys().copied();
            // What the labeler says of a text in which it finds nothing.
            named.filter(|code| *code != "no_finding").collect()
        })
        .unwrap_or_default()
}

fn sign(questions: &[String], answers: &BTreeMap<String, String>) -> f64 {
    let votes: i32 = questions
        .iter()
        .filter_map(|q| answers.get(q))
        .map(|a| if a == "yes" { 1 } else { -1 })
        .sum();
    f64::from(votes.signum())
}

fn folder(data: &Path) -> PathBuf {
    data.join("text/cxr_concepts")
}

fn missing(path: &Path) -> MethodError {
    MethodError::NoData {
        what: "knobo".to_owned(),
        path: path.to_owned(),
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|_| missing(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers_of(pairs: &[(&str, &str, &str)]) -> Answers {
        let mut all = Answers::new();
        for class in CLASSES {
            all.insert(class.to_owned(), BTreeMap::new());
        }
        for (q, none, has) in pairs {
            for (class, answer) in CLASSES.iter().zip([none, has]) {
                all.get_mut(*class)
                    .unwrap()
                    .insert((*q).to_owned(), (*answer).to_owned());
            }
        }
        all
    }

    #[test]
    fn questions_are_read_as_the_findings_they_name() {
        assert!(asked("Is there presence of pleural effusion?").contains(&"pleural_effusion"));
        assert!(asked("Are cardiomegaly signs visible?").contains(&"cardiomegaly"));
        assert!(asked("Is the film tilted?").is_empty());
        assert!(asked("").is_empty());
    }

    #[test]
    fn a_bank_joins_questions_of_one_finding_and_votes_on_its_signs() {
        let pairs = [
            ("Is there pleural effusion?", "no", "yes"),
            ("Does it show pleural effusions?", "no", "no"),
            ("Is there a pneumothorax?", "no", "yes"),
            ("Is the film tilted?", "no", "no"),
        ];
        let questions: Vec<String> = pairs.iter().map(|p| p.0.to_owned()).collect();
        let bank = bank(
            &questions,
            &answers_of(&pairs),
            &["pneumothorax", "pleural_effusion", "hernia"],
        );
        let codes: Vec<&str> = bank.iter().map(|c| c.code.as_str()).collect();
        assert_eq!(codes, ["pneumothorax", "pleural_effusion"]);
        assert_eq!(bank[1].questions.len(), 2);
        assert_eq!((bank[0].signs, bank[1].signs), ([-1.0, 1.0], [-1.0, 0.0]));
    }
}
