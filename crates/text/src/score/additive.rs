//! Metrics whose corpus value is a function of sums over the pairs, and CIDEr, which needs the whole set.

use super::bertscore;
use super::metric::{Pair, ScoreOptions, TextMetric};
use super::table::{Finish, Rows, Table};
use crate::error::TextError;
use crate::nlg::{self, VERSION, chrf, cider, meteor as met, rouge, sacre};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// One score of a family.
pub(super) struct Output {
    /// Its name.
    pub name: String,
    /// How it comes about.
    pub signature: String,
    /// The set's value from the sums.
    pub corpus: Finish,
    /// A pair's value from its row.
    pub sample: Finish,
}

impl Output {
    /// A score whose value of a pair is the value of its row alone.
    fn same(name: &str, signature: String, finish: Finish) -> Output {
        Output {
            name: name.to_owned(),
            signature,
            corpus: finish.clone(),
            sample: finish,
        }
    }

    /// A mean over pairs: column `at` holds the value, column `at + 1` one where it is defined.
    pub(super) fn mean(
        name: &str,
        signature: String,
        at: usize,
        undefined: &'static str,
    ) -> Output {
        let finish: Finish = Arc::new(move |s| {
            if s[at + 1] > 0.0 {
                Ok(s[at] / s[at + 1])
            } else {
                Err(undefined)
            }
        });
        Output::same(name, signature, finish)
    }
}

type Row = Box<dyn Fn(&Pair) -> Result<Vec<f64>, TextError> + Send + Sync>;
type Explain = Box<dyn Fn(&Pair) -> Value + Send + Sync>;

/// A family made of sums over the pairs.
pub(super) struct Additive {
    width: usize,
    values: Vec<f64>,
    row: Row,
    explain: Explain,
    outputs: Vec<Output>,
}

impl Additive {
    /// A family; `row` gives `width` summands a pair.
    pub(super) fn boxed(
        width: usize,
        outputs: Vec<Output>,
        row: impl Fn(&Pair) -> Result<Vec<f64>, TextError> + Send + Sync + 'static,
        explain: impl Fn(&Pair) -> Value + Send + Sync + 'static,
    ) -> Box<dyn TextMetric> {
        Box::new(Additive {
            width,
            values: Vec::new(),
            row: Box::new(row),
            explain: Box::new(explain),
            outputs,
        })
    }
}

impl TextMetric for Additive {
    fn add(&mut self, pairs: &[Pair]) -> Result<(), TextError> {
        let rows: Vec<Vec<f64>> = pairs.par_iter().map(&self.row).collect::<Result<_, _>>()?;
        rows.iter().for_each(|row| self.values.extend(row));
        Ok(())
    }

    fn finish(self: Box<Self>, order: &[usize]) -> Vec<(String, Table)> {
        let rows = Arc::new(
            Rows {
                values: self.values,
                width: self.width,
            }
            .reordered(order),
        );
        let table = |output: Output| {
            let Output {
                name,
                signature,
                corpus,
                sample,
            } = output;
            (
                name,
                Table {
                    rows: rows.clone(),
                    corpus,
                    sample,
                    signature,
                    samples: None,
                },
            )
        };
        self.outputs.into_iter().map(table).collect()
    }

    fn explain(&self, pair: &Pair) -> Value {
        (self.explain)(pair)
    }
}

/// The part of every signature that says which text was cut how.
fn cut(options: &ScoreOptions) -> String {
    format!(
        "tok:{}|section:{}",
        options.tokenizer.name(),
        options.section_name()
    )
}

/// `bleu_1` to `bleu_4`.
pub(super) fn bleu(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    let output = |k: usize| {
        let finish: Finish = Arc::new(move |s| Ok(nlg::bleu::from_sums(s)[k]));
        Output::same(
            &format!("bleu_{}", k + 1),
            nlg::bleu::signature(k + 1, &cut(options)),
            finish,
        )
    };
    let explain = |pair: &Pair| {
        let row = nlg::bleu::row(&pair.tokens);
        json!({
            "hypothesis_tokens": pair.tokens.hypothesis, "reference_tokens": pair.tokens.references,
            "matched_ngrams": row[..4], "ngrams": row[4..8], "hypothesis_length": row[8], "closest_reference_length": row[9],
        })
    };
    let row = |pair: &Pair| Ok(nlg::bleu::row(&pair.tokens).to_vec());
    Ok(Additive::boxed(
        nlg::bleu::WIDTH,
        (0..4).map(output).collect(),
        row,
        explain,
    ))
}

/// `rouge_l`.
pub(super) fn rouge_l(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    let signature = rouge::signature(&cut(options));
    let outputs = vec![Output::mean("rouge_l", signature, 0, "no sample")];
    let row = |pair: &Pair| Ok(vec![rouge::one(&pair.tokens), 1.0]);
    let explain =
        |pair: &Pair| json!({ "longest_common_subsequence": rouge::common_words(&pair.tokens) });
    Ok(Additive::boxed(2, outputs, row, explain))
}

/// `meteor`.
pub(super) fn meteor(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    let wordnet = options.wordnet.clone();
    let signature = met::signature(wordnet.as_deref(), &cut(options));
    let finish: Finish = Arc::new(met::from_sums);
    let meteor = met::Meteor::new(wordnet.clone());
    let row = move |pair: &Pair| Ok(meteor.row(&pair.tokens).to_vec());
    let explain = move |pair: &Pair| met::explain(&pair.tokens, wordnet.as_deref());
    Ok(Additive::boxed(
        met::WIDTH,
        vec![Output::same("meteor", signature, finish)],
        row,
        explain,
    ))
}

/// `chrf` and `chrf_pp`, on the texts as they are, as sacreBLEU does.
pub(super) fn chrf(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    let section = options.section_name();
    let output = |name: &'static str, words: usize| {
        let finish: Finish = Arc::new(move |s| {
            Ok(chrf::from_sums(
                &s[if words == 0 { 0 } else { chrf::PLAIN }..],
                words,
            ))
        });
        Output::same(name, chrf::signature(name, words, &section), finish)
    };
    let outputs = vec![output("chrf", 0), output("chrf_pp", 2)];
    let row = |pair: &Pair| {
        let mut row = chrf::row(&pair.hypothesis, &pair.references, 0);
        row.extend(chrf::row(&pair.hypothesis, &pair.references, 2));
        Ok(row)
    };
    let explain = |pair: &Pair| {
        let row = chrf::row(&pair.hypothesis, &pair.references, 2);
        let orders: Vec<Value> = row
            .chunks(3)
            .enumerate()
            .map(|(k, c)| json!({ "order": if k < 6 { format!("{} characters", k + 1) } else { format!("{} words", k - 5) }, "hypothesis": c[0], "reference": c[1], "matched": c[2] }))
            .collect();
        json!({ "ngrams": orders })
    };
    Ok(Additive::boxed(
        chrf::PLAIN + chrf::WITH_WORDS,
        outputs,
        row,
        explain,
    ))
}

/// `rouge_1`, `rouge_2`, `rouge_l_f1`: the F1 of rouge-score, best reference.
pub(super) fn rouge(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    let names = ["rouge_1", "rouge_2", "rouge_l_f1"];
    let section = options.section_name();
    let outputs = names
        .iter()
        .enumerate()
        .map(|(k, name)| {
            let signature = format!(
                "{name}|beta:1|tok:a-z0-9|stem:no|ref:best|agg:mean|impl:rouge-score|section:{section}|{VERSION}"
            );
            Output::mean(name, signature, 2 * k, "no sample")
        })
        .collect();
    let row = |pair: &Pair| {
        let best = rouge::best_f1(&pair.hypothesis, &pair.references, false);
        Ok(best.iter().flat_map(|v| [*v, 1.0]).collect())
    };
    let explain =
        |pair: &Pair| json!({ "hypothesis_tokens": rouge::plain_tokens(&pair.hypothesis, false) });
    Ok(Additive::boxed(6, outputs, row, explain))
}

/// `sacrebleu`.
pub(super) fn sacrebleu(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    let kind = sacre::Options::default();
    let signature = sacre::signature(&kind, &options.section_name());
    let output = Output {
        name: "sacrebleu".to_owned(),
        signature,
        corpus: Arc::new(move |s| Ok(sacre::from_sums(s, &kind, false))),
        sample: Arc::new(move |s| Ok(sacre::from_sums(s, &kind, true))),
    };
    let row = move |pair: &Pair| Ok(sacre::row(&pair.hypothesis, &pair.references, &kind));
    let explain =
        move |pair: &Pair| json!({ "hypothesis_tokens": kind.tokenizer.cut(&pair.hypothesis) });
    Ok(Additive::boxed(sacre::WIDTH, vec![output], row, explain))
}

/// `bertscore_p`, `_r`, `_f1`.
pub(super) fn bertscore(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    let Some(given) = options.embeddings.clone() else {
        return Err(TextError::Unscorable {
            reason: "bertscore needs an encoder (--encoder-model), or token embeddings of both sides and the name \
                     of their encoder (--ref-embeddings, --hyp-embeddings, --encoder)"
                .to_owned(),
        });
    };
    let output = |(k, part): (usize, &str)| {
        let signature = format!(
            "bertscore_{part}|encoder:{}|idf:no|rescale:no|ref:best|agg:mean|{VERSION}",
            given.encoder()
        );
        Output::mean(
            &format!("bertscore_{part}"),
            signature,
            2 * k,
            bertscore::NO_TOKENS,
        )
    };
    let outputs = ["p", "r", "f1"]
        .into_iter()
        .enumerate()
        .map(output)
        .collect();
    let other = given.clone();
    let row = move |pair: &Pair| {
        let scores = bertscore::of_texts(&given, pair)?;
        Ok(scores.map_or(vec![0.0; 6], |s| s.iter().flat_map(|v| [*v, 1.0]).collect()))
    };
    let explain = move |pair: &Pair| json!({ "tokens": bertscore::sizes_of(&other, pair) });
    Ok(Additive::boxed(6, outputs, row, explain))
}

struct Cider {
    set: cider::Set,
    kind: cider::Kind,
    cut: String,
}

impl TextMetric for Cider {
    fn add(&mut self, pairs: &[Pair]) -> Result<(), TextError> {
        pairs.iter().for_each(|pair| self.set.add(&pair.tokens));
        Ok(())
    }

    fn finish(self: Box<Self>, order: &[usize]) -> Vec<(String, Table)> {
        let n = self.set.len();
        let signature = cider::signature(self.kind, n, &self.cut);
        let values = self
            .set
            .score(self.kind)
            .into_iter()
            .flat_map(|v| [v, 1.0])
            .collect();
        let rows = Arc::new(Rows { values, width: 2 }.reordered(order));
        let mut table = Table::of_means(rows, signature, "no sample");
        if n == 1 {
            table.corpus = Arc::new(|_| Err(cider::SINGLE));
        }
        vec![(self.kind.name().to_owned(), table)]
    }

    fn explain(&self, pair: &Pair) -> Value {
        json!({
            "hypothesis_tokens": pair.tokens.hypothesis,
            "note": "weights come from the document frequencies of all references of the set",
        })
    }
}

/// `cider_d`.
pub(super) fn cider_d(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    Ok(Box::new(Cider {
        set: cider::Set::default(),
        kind: cider::Kind::D,
        cut: cut(options),
    }))
}

/// `cider`.
pub(super) fn cider(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    Ok(Box::new(Cider {
        set: cider::Set::default(),
        kind: cider::Kind::Plain,
        cut: cut(options),
    }))
}

/// `ter`.
pub(super) fn ter(options: &ScoreOptions) -> Result<Box<dyn TextMetric>, TextError> {
    let signature = format!(
        "ter|case:lc|tok:tercom|norm:no|punct:yes|ref:best|impl:sacrebleu|section:{}|{VERSION}",
        options.section_name()
    );
    let finish: Finish = Arc::new(|s| Ok(nlg::ter::from_sums(s)));
    let row = |pair: &Pair| Ok(nlg::ter::row(&pair.hypothesis, &pair.references).to_vec());
    let explain = |pair: &Pair| {
        let [edits, length] = nlg::ter::row(&pair.hypothesis, &pair.references);
        json!({ "edits": edits, "mean_reference_length": length })
    };
    Ok(Additive::boxed(
        2,
        vec![Output::same("ter", signature, finish)],
        row,
        explain,
    ))
}
