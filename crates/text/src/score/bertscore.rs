//! BERTScore (Zhang et al. 2020, section 3): each token is matched with the most similar one of the other text, by
//! the cosine of their vectors.
//!
//! No encoder lives here: vectors come from a [`TokenEncoder`], text by text, or from files. A file has one line a text,
//! `{"id","embeddings":[[...],...]}` with one vector a token, or one such list a reference (`[[[...]]]`).
//! Vectors of special tokens (`[CLS]`, `[SEP]`) are left out, as bert-score does.

use super::metric::{EmbeddingPair, Pair, TokenVectors};
use crate::error::TextError;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

/// Why a score is null.
pub(super) const NO_TOKENS: &str = "a text has no token embeddings";

/// Token vectors of length one, row after row.
#[derive(Debug, Clone, PartialEq)]
struct Matrix {
    values: Vec<f32>,
    width: usize,
}

/// Embeddings of the texts of a file, by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embeddings {
    texts: HashMap<String, Vec<Matrix>>,
    width: Option<usize>,
}

#[derive(Deserialize)]
struct Line {
    id: serde_json::Value,
    embeddings: Given,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    One(Vec<Vec<f32>>),
    Many(Vec<Vec<Vec<f32>>>),
}

/// Gives every token of a text its vector; may be asked from several threads.
pub trait TokenEncoder: std::fmt::Debug + Send + Sync {
    /// Model, layer and weights, for the signature.
    fn name(&self) -> String;

    /// One vector a token, without special tokens.
    ///
    /// # Errors
    /// Why this text has none.
    fn encode(&self, text: &str) -> Result<Vec<Vec<f32>>, String>;
}

impl Embeddings {
    /// Reads JSON Lines.
    ///
    /// # Errors
    /// Reading fails, a line is no such object, vectors of different length, numbers that are not
    /// finite, or an id that was seen before; the line is named.
    pub fn read(reader: impl BufRead, name: &str) -> Result<Self, TextError> {
        let mut out = Embeddings::default();
        for (at, line) in reader.lines().enumerate() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let fail = |reason: String| TextError::Unscorable {
                reason: format!("{name} line {}: {reason}", at + 1),
            };
            let line: Line = serde_json::from_str(&line).map_err(|e| fail(e.to_string()))?;
            let id = match line.id {
                serde_json::Value::String(id) => id,
                serde_json::Value::Number(id) => id.to_string(),
                _ => return Err(fail("`id` is neither text nor number".to_owned())),
            };
            let many = match line.embeddings {
                Given::One(one) => vec![one],
                Given::Many(many) => many,
            };
            let matrices: Vec<Matrix> = many
                .into_iter()
                .map(|m| out.matrix(m))
                .collect::<Result<_, _>>()
                .map_err(fail)?;
            if out.texts.insert(id, matrices).is_some() {
                return Err(fail("the id was seen before".to_owned()));
            }
        }
        Ok(out)
    }

    fn matrix(&mut self, rows: Vec<Vec<f32>>) -> Result<Matrix, String> {
        let mut values = Vec::new();
        for mut row in rows {
            let width = *self.width.get_or_insert(row.len());
            if row.len() != width || width == 0 {
                return Err(format!(
                    "a vector of {} numbers where {width} are expected",
                    row.len()
                ));
            }
            let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            if !norm.is_finite() || norm == 0.0 {
                return Err("a vector that is zero or not finite".to_owned());
            }
            row.iter_mut().for_each(|v| *v /= norm);
            values.extend(row);
        }
        Ok(Matrix {
            values,
            width: self.width.unwrap_or(1),
        })
    }

    fn of(&self, id: &str, side: &str) -> Result<&Vec<Matrix>, TextError> {
        self.texts.get(id).ok_or_else(|| TextError::Unscorable {
            reason: format!("no embeddings of the {side} `{id}`"),
        })
    }
}

/// Precision, recall and F1, each best over the references; `None` when a text has no token.
pub(super) fn of_texts(given: &TokenVectors, pair: &Pair) -> Result<Option<[f64; 3]>, TextError> {
    match given {
        TokenVectors::Stored(stored) => of_pair(stored, &pair.id),
        TokenVectors::Encoder(encoder) => of_pair(&encoded(&**encoder, pair)?, &pair.id),
    }
}

/// The vectors of one pair.
fn encoded(encoder: &dyn TokenEncoder, pair: &Pair) -> Result<EmbeddingPair, TextError> {
    let side = |texts: &[&str]| -> Result<Arc<Embeddings>, TextError> {
        let mut out = Embeddings::default();
        let fail = |reason| TextError::Unscorable {
            reason: format!("`{}`: {reason}", pair.id),
        };
        let matrices = texts
            .iter()
            .map(|text| match text.trim() {
                "" => Ok(Vec::new()),
                _ => encoder.encode(text),
            })
            .map(|rows| rows.and_then(|rows| out.matrix(rows)))
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        out.texts.insert(pair.id.clone(), matrices);
        Ok(Arc::new(out))
    };
    let references: Vec<&str> = pair.references.iter().map(String::as_str).collect();
    Ok(EmbeddingPair {
        references: side(&references)?,
        hypotheses: side(&[&pair.hypothesis])?,
        encoder: String::new(),
    })
}

/// Number of tokens of the hypothesis and of each reference, for explanations.
pub(super) fn sizes_of(given: &TokenVectors, pair: &Pair) -> Vec<Vec<usize>> {
    match given {
        TokenVectors::Stored(stored) => sizes(stored, &pair.id),
        TokenVectors::Encoder(encoder) => {
            encoded(&**encoder, pair).map_or_else(|_| Vec::new(), |both| sizes(&both, &pair.id))
        }
    }
}

fn of_pair(given: &EmbeddingPair, id: &str) -> Result<Option<[f64; 3]>, TextError> {
    let references = given.references.of(id, "reference")?;
    let hypothesis = match given.hypotheses.of(id, "hypothesis")?.as_slice() {
        [one] => one,
        many => {
            return Err(TextError::Unscorable {
                reason: format!("hypothesis `{id}` has embeddings of {} texts", many.len()),
            });
        }
    };
    // A side without any token has no length that could differ.
    let widths = given.references.width.zip(given.hypotheses.width);
    if widths.is_some_and(|(left, right)| left != right) {
        return Err(TextError::Unscorable {
            reason: "the two sides' vectors differ in length".to_owned(),
        });
    }
    let mut best: Option<[f64; 3]> = None;
    for reference in references.iter().filter(|r| !r.values.is_empty()) {
        if hypothesis.values.is_empty() {
            return Ok(None);
        }
        let found = greedy(hypothesis, reference);
        best = Some(best.map_or(found, |b| [0, 1, 2].map(|k| b[k].max(found[k]))));
    }
    Ok(best)
}

fn sizes(given: &EmbeddingPair, id: &str) -> Vec<Vec<usize>> {
    let count = |e: &Embeddings| {
        e.texts.get(id).map_or_else(Vec::new, |all| {
            all.iter().map(|m| m.values.len() / m.width).collect()
        })
    };
    vec![count(&given.hypotheses), count(&given.references)]
}

fn greedy(hypothesis: &Matrix, reference: &Matrix) -> [f64; 3] {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum::<f64>()
    };
    let mean_of_best = |from: &Matrix, to: &Matrix| {
        let best = |row: &[f32]| {
            to.values
                .chunks(to.width)
                .map(|o| dot(row, o))
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let rows = from.values.len() / from.width;
        from.values.chunks(from.width).map(best).sum::<f64>() / rows as f64
    };
    let (p, r) = (
        mean_of_best(hypothesis, reference),
        mean_of_best(reference, hypothesis),
    );
    let f1 = if p + r > 0.0 {
        2.0 * p * r / (p + r)
    } else {
        0.0
    };
    [p, r, f1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(references: &str, hypotheses: &str) -> EmbeddingPair {
        EmbeddingPair {
            references: Arc::new(Embeddings::read(references.as_bytes(), "ref").unwrap()),
            hypotheses: Arc::new(Embeddings::read(hypotheses.as_bytes(), "hyp").unwrap()),
            encoder: "test".to_owned(),
        }
    }

    #[test]
    fn greedy_matching_by_hand() {
        // Tokens at 0 and 90 degrees against one at 60: cosines 0.5 and sqrt(3)/2.
        let g = given(
            "{\"id\":\"a\",\"embeddings\":[[1,0],[0,2]]}",
            "{\"id\":\"a\",\"embeddings\":[[0.5,0.8660254]]}",
        );
        let [p, r, f1] = of_pair(&g, "a").unwrap().unwrap();
        let high = 0.75_f64.sqrt();
        assert!(
            (p - high).abs() < 1e-6 && (r - (0.5 + high) / 2.0).abs() < 1e-6,
            "{p} {r}"
        );
        assert!((f1 - 2.0 * p * r / (p + r)).abs() < 1e-12);
    }

    #[test]
    fn several_references_and_what_is_missing() {
        let g = given(
            "{\"id\":1,\"embeddings\":[[[1,0]],[[0,1]]]}\n{\"id\":2,\"embeddings\":[]}",
            "{\"id\":1,\"embeddings\":[[0,3]]}\n{\"id\":2,\"embeddings\":[[1,1]]}",
        );
        assert_eq!(of_pair(&g, "1").unwrap(), Some([1.0, 1.0, 1.0]));
        assert_eq!(of_pair(&g, "2").unwrap(), None);
        assert!(of_pair(&g, "3").is_err());
        assert!(Embeddings::read("{\"id\":1,\"embeddings\":[[1,0],[1]]}".as_bytes(), "x").is_err());
        assert!(Embeddings::read("{\"id\":1,\"embeddings\":[[0,0]]}".as_bytes(), "x").is_err());
    }

    /// A vector for the first letter of each word.
    #[derive(Debug)]
    struct Letters;

    impl TokenEncoder for Letters {
        fn name(&self) -> String {
            "letters".to_owned()
        }

        fn encode(&self, text: &str) -> Result<Vec<Vec<f32>>, String> {
            let vector = |word: &str| match word.as_bytes() {
                [b'a', ..] => Ok(vec![1.0, 0.0]),
                [b'b', ..] => Ok(vec![0.0, 1.0]),
                _ => Err(format!("no vector of {word}")),
            };
            text.split_whitespace().map(vector).collect()
        }
    }

    #[test]
    fn an_encoder_is_asked_for_every_text() {
        let given = TokenVectors::Encoder(Arc::new(Letters));
        let pair = |hypothesis: &str, reference: &str| Pair {
            id: "1".to_owned(),
            hypothesis: hypothesis.to_owned(),
            references: vec![reference.to_owned()],
            ..Pair::default()
        };
        let scores = of_texts(&given, &pair("a b", "a a")).unwrap().unwrap();
        assert_eq!(scores, [0.5, 1.0, 2.0 / 3.0]);
        assert_eq!(sizes_of(&given, &pair("a b", "a")), [[2], [1]]);
        assert_eq!(of_texts(&given, &pair(" ", "a")).unwrap(), None);
        let error = of_texts(&given, &pair("a", "c")).unwrap_err().to_string();
        assert!(error.contains("no vector of c"), "{error}");
    }
}
