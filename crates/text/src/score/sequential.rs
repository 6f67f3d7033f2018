//! LunguageScore over patients' time lines in the list of text metrics: its samples are patients, not texts.

use super::facts::read_graph;
use super::metric::{Pair, ScoreOptions, TextMetric};
use super::table::{Rows, Table};
use crate::error::TextError;
use crate::facts::extract::ExtractOptions;
use crate::facts::score::FactScore;
use crate::facts::score::lunguage::sequential;
use crate::facts::timeline::{Tracked, track};
use crate::facts::{Fact, Graph, GraphReader};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const UNDEFINED: &str = "no patient has a fact on the side that is counted";
const UNREADABLE: &str = "a text of the patient has nothing in findings or impression";

/// A study of both sides.
struct Study {
    patient: String,
    reference: Vec<Fact>,
    hypothesis: Vec<Fact>,
    readable: bool,
}

struct Sequential {
    extract: ExtractOptions,
    reader: Option<Arc<dyn GraphReader>>,
    section: String,
    studies: Vec<Study>,
}

/// `lunguage_sequential_precision`, `_recall`, `_f1`: studies of a patient in the order of the references.
pub(super) fn build(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    let extract = super::facts::extract_options(options);
    let names: Vec<&str> = extract.sections.iter().map(|s| s.name()).collect();
    Ok(Box::new(Sequential {
        section: names.join("+"),
        extract,
        reader: options.graphs.clone(),
        studies: Vec::new(),
    }))
}

/// The patient of a pair, whom either side may name.
fn patient(pair: &Pair) -> Result<String, TextError> {
    let reason = match (&pair.reference_patient, &pair.hypothesis_patient) {
        (Some(a), Some(b)) if a != b => {
            format!(
                "{}: the reference is of patient `{a}`, the text of `{b}`",
                pair.id
            )
        }
        (Some(patient), _) | (None, Some(patient)) => return Ok(patient.clone()),
        (None, None) => format!(
            "lunguage_sequential follows patients, and {} has no `patient` (or `patient_id`, `subject_id`)",
            pair.id
        ),
    };
    Err(TextError::Unscorable { reason })
}

impl Sequential {
    fn graph(&self, text: &str) -> Option<Graph> {
        read_graph(self.reader.as_deref(), &self.extract, text)
    }

    fn study(&self, pair: &Pair) -> Result<Study, TextError> {
        let reference = self.graph(pair.references.first().map_or("", String::as_str));
        let hypothesis = self.graph(&pair.hypothesis);
        Ok(Study {
            patient: patient(pair)?,
            readable: reference.is_some() && hypothesis.is_some(),
            reference: reference.map(|g| g.facts()).unwrap_or_default(),
            hypothesis: hypothesis.map(|g| g.facts()).unwrap_or_default(),
        })
    }
}

/// A patient with the studies by place, in the order of the references.
struct Patient<'a> {
    name: &'a str,
    studies: Vec<&'a Study>,
}

fn patients<'a>(studies: &'a [Study], order: &[usize]) -> Vec<Patient<'a>> {
    let mut out: Vec<Patient> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for study in order.iter().map(|&i| &studies[i]) {
        let at = *known.entry(study.patient.as_str()).or_insert_with(|| {
            out.push(Patient {
                name: &study.patient,
                studies: Vec::new(),
            });
            out.len() - 1
        });
        out[at].studies.push(study);
    }
    out
}

fn score(patients: &[Patient]) -> BTreeMap<String, FactScore> {
    let side = |facts: fn(&Study) -> Vec<Fact>| -> Vec<Vec<Tracked>> {
        let follow = |p: &Patient| {
            let studies: Vec<Vec<Fact>> = p.studies.iter().map(|s| facts(s)).collect();
            track(&studies)
        };
        patients.par_iter().map(follow).collect()
    };
    sequential(
        &side(|s| s.reference.clone()),
        &side(|s| s.hypothesis.clone()),
    )
}

impl TextMetric for Sequential {
    fn add(&mut self, pairs: &[Pair]) -> Result<(), TextError> {
        let studies: Vec<Study> = pairs
            .par_iter()
            .map(|pair| self.study(pair))
            .collect::<Result<_, _>>()?;
        self.studies.extend(studies);
        Ok(())
    }

    fn finish(self: Box<Self>, order: &[usize]) -> Vec<(String, Table)> {
        let patients = patients(&self.studies, order);
        let readable: Vec<bool> = patients
            .iter()
            .map(|p| p.studies.iter().all(|s| s.readable))
            .collect();
        let reason = if readable.contains(&false) {
            UNREADABLE
        } else {
            UNDEFINED
        };
        let names: Arc<Vec<String>> =
            Arc::new(patients.iter().map(|p| p.name.to_owned()).collect());
        let graph = self
            .reader
            .as_ref()
            .map_or(String::new(), |r| format!("|graph:{}", r.name()));
        let table = |(name, score): (String, FactScore)| {
            let value = |(v, whole): (&Option<f64>, &bool)| match v {
                Some(v) if *whole => [*v, 1.0],
                _ => [0.0, 0.0],
            };
            let each = score.per_sample.iter().zip(&readable);
            let values: Vec<f64> = each.flat_map(value).collect();
            let defined = values.iter().skip(1).step_by(2).sum::<f64>();
            let kept = score.signature.split('|');
            let kept: Vec<&str> = kept.filter(|p| !p.starts_with("defined:")).collect();
            let signature = format!(
                "{}{graph}|ref:first|section:{}|sample:patient|studies:{}|defined:{defined}of{}",
                kept.join("|"),
                self.section,
                self.studies.len(),
                readable.len()
            );
            let rows = Arc::new(Rows { values, width: 2 });
            let mut table = Table::of_means(rows, signature, reason);
            table.samples = Some(names.clone());
            (name, table)
        };
        score(&patients).into_iter().map(table).collect()
    }

    fn explain(&self, pair: &Pair) -> Value {
        match self.study(pair) {
            Ok(study) => json!({
                "patient": study.patient, "reference_facts": study.reference, "hypothesis_facts": study.hypothesis,
                "note": "scored with the patient's other studies",
            }),
            Err(error) => json!({ "reason": error.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::TextError;
    use crate::score::{ScoreOptions, ScoreReport, score_jsonl};

    fn run(references: &str, hypotheses: &str) -> Result<ScoreReport, TextError> {
        let options = ScoreOptions {
            metrics: vec!["lunguage_sequential".to_owned(), "bleu_1".to_owned()],
            ..ScoreOptions::default()
        };
        let (r, h) = (references.to_owned(), hypotheses.to_owned());
        let source = |text: String| std::io::Cursor::new(text.into_bytes());
        score_jsonl(source(r), source(h), &options)
    }

    fn line(id: &str, patient: &str, text: &str) -> String {
        format!("{{\"id\":\"{id}\",\"patient\":\"{patient}\",\"text\":\"{text}\"}}\n")
    }

    const STUDIES: [(&str, &str, &str); 4] = [
        ("a1", "a", "Left effusion."),
        ("b1", "b", "Cardiomegaly."),
        ("a2", "a", "No effusion."),
        ("a3", "a", "Left effusion."),
    ];

    fn file(rows: &[(&str, &str, &str)]) -> String {
        rows.iter().map(|(i, p, t)| line(i, p, t)).collect()
    }

    #[test]
    fn a_sample_is_a_patient_and_the_texts_keep_theirs() {
        let report = run(&file(&STUDIES), &file(&STUDIES)).unwrap();
        let f1 = &report.metrics["lunguage_sequential_f1"];
        assert_eq!(
            f1.samples.as_deref(),
            Some(&["a".to_owned(), "b".to_owned()][..])
        );
        assert_eq!(f1.per_sample, [Some(1.0), Some(1.0)]);
        assert!(
            f1.signature
                .contains("sample:patient|studies:4|defined:2of2"),
            "{}",
            f1.signature
        );
        assert_eq!(report.metrics["bleu_1"].per_sample.len(), 4);
        assert!(report.metrics["bleu_1"].samples.is_none());
    }

    /// The same words told of other studies: single reports see less of it than the time line does.
    #[test]
    fn the_order_of_studies_counts() {
        let swapped = [
            ("a1", "a", "No effusion."),
            ("b1", "b", "Cardiomegaly."),
            ("a2", "a", "Left effusion."),
            ("a3", "a", "Left effusion."),
        ];
        let report = run(&file(&STUDIES), &file(&swapped)).unwrap();
        let f1 = &report.metrics["lunguage_sequential_f1"];
        assert!(f1.per_sample[0].unwrap() < 1.0);
        assert_eq!(f1.per_sample[1], Some(1.0));
    }

    #[test]
    fn either_side_may_name_the_patient_and_one_must() {
        let bare: String = STUDIES
            .iter()
            .map(|(i, _, t)| format!("{{\"id\":\"{i}\",\"text\":\"{t}\"}}\n"))
            .collect();
        assert!(run(&file(&STUDIES), &bare).is_ok());
        let error = run(&bare, &bare).err().unwrap().to_string();
        assert!(
            error.contains("no `patient`") && error.contains("a1"),
            "{error}"
        );
        let mut other = STUDIES;
        other[1].1 = "c";
        let error = run(&file(&STUDIES), &file(&other))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("`b`") && error.contains("`c`"), "{error}");
    }

    #[test]
    fn an_unreadable_study_leaves_its_patient_undefined() {
        let mut broken = STUDIES;
        broken[2].2 = "INDICATION: Cough.";
        let report = run(&file(&STUDIES), &file(&broken)).unwrap();
        let f1 = &report.metrics["lunguage_sequential_f1"];
        assert_eq!(f1.per_sample, [None, Some(1.0)]);
        assert!(f1.per_sample_reason.is_some());
    }
}
