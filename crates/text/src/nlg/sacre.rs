//! BLEU as sacreBLEU computes it (Post 2018): its own tokenizers, 0 to 100, named smoothing; a sentence is
//! scored with the effective order.

use super::VERSION;
use super::ngram::{ORDERS, Words, count_of, counts};
use regex::Regex;
use std::sync::LazyLock;

/// Numbers of a row: matched n-grams, all n-grams, length of the text, length of the reference.
pub const WIDTH: usize = 2 * ORDERS + 2;

/// How the text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// `mteval-v13a`, the default of WMT.
    V13a,
    /// By Unicode punctuation and symbols (`mteval-v14` international).
    International,
    /// At white space only.
    None,
}

/// What happens to orders without a match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Smoothing {
    /// 1/2, 1/4, ... of a match for each such order in turn.
    Exponential,
    /// This many matches.
    Floor(f64),
    /// So many added to matches and totals above unigrams.
    AddK(f64),
    /// Nothing: the score is 0.
    None,
}

/// Conventions of a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Tokens.
    pub tokenizer: Cut,
    /// Lower case first.
    pub lowercase: bool,
    /// Smoothing.
    pub smoothing: Smoothing,
    /// Highest order, 1 to 4.
    pub orders: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            tokenizer: Cut::V13a,
            lowercase: false,
            smoothing: Smoothing::Exponential,
            orders: ORDERS,
        }
    }
}

/// Signature in sacreBLEU's words.
pub fn signature(options: &Options, section: &str) -> String {
    let tokens = match options.tokenizer {
        Cut::V13a => "13a",
        Cut::International => "intl",
        Cut::None => "none",
    };
    let smoothing = match options.smoothing {
        Smoothing::Exponential => "exp".to_owned(),
        Smoothing::Floor(v) => format!("floor[{v:.2}]"),
        Smoothing::AddK(v) => format!("add-k[{v:.2}]"),
        Smoothing::None => "none".to_owned(),
    };
    let case = if options.lowercase { "lc" } else { "mixed" };
    format!(
        "sacrebleu|case:{case}|eff:corpus=no,sample=yes|tok:{tokens}|smooth:{smoothing}|ref:closest|impl:sacrebleu|section:{section}|{VERSION}"
    )
}

/// Patterns with their replacements, one after another. They are constants; a test compiles them.
fn rules(list: &[(&str, &'static str)]) -> Vec<(Regex, &'static str)> {
    list.iter()
        .filter_map(|(p, r)| Regex::new(p).ok().map(|p| (p, *r)))
        .collect()
}

static V13A: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    rules(&[
        (r"([\{-~\[-` -&\(-\+:-@/])", " $1 "),
        (r"([^0-9])([\.,])", "$1 $2 "),
        (r"([\.,])([^0-9])", " $1 $2"),
        (r"([0-9])(-)", "$1 $2 "),
    ])
});

static INTERNATIONAL: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    rules(&[
        (r"(\P{N})(\p{P})", "$1 $2 "),
        (r"(\p{P})(\P{N})", " $1 $2"),
        (r"(\p{S})", " $1 "),
    ])
});

impl Cut {
    /// Tokens, joined by one blank each.
    pub fn cut(self, text: &str) -> String {
        let replaced = match self {
            Cut::None => text.to_owned(),
            Cut::International => apply(text.to_owned(), &INTERNATIONAL),
            Cut::V13a => {
                let mut line = text
                    .replace("<skipped>", "")
                    .replace("-\n", "")
                    .replace('\n', " ");
                for (entity, mark) in [
                    ("&quot;", "\""),
                    ("&amp;", "&"),
                    ("&lt;", "<"),
                    ("&gt;", ">"),
                ] {
                    line = line.replace(entity, mark);
                }
                apply(format!(" {line} "), &V13A)
            }
        };
        replaced.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn apply(text: String, rules: &[(Regex, &str)]) -> String {
    rules.iter().fold(text, |text, (pattern, with)| {
        pattern.replace_all(&text, *with).into_owned()
    })
}

/// What one sample adds.
pub fn row(hypothesis: &str, references: &[String], options: &Options) -> Vec<f64> {
    let prepare = |text: &str| {
        let text = if options.lowercase {
            text.to_lowercase()
        } else {
            text.to_owned()
        };
        options.tokenizer.cut(&text)
    };
    let (test, references) = (
        prepare(hypothesis),
        references.iter().map(|r| prepare(r)).collect::<Vec<_>>(),
    );
    let mut words = Words::default();
    let test = words.ids(&test);
    let references: Vec<Vec<u32>> = references.iter().map(|r| words.ids(r)).collect();
    let closest = references
        .iter()
        .map(Vec::len)
        .min_by_key(|&n| (n.abs_diff(test.len()), n))
        .unwrap_or(0);
    let mut out = vec![0.0; WIDTH];
    out[2 * ORDERS] = test.len() as f64;
    out[2 * ORDERS + 1] = closest as f64;
    for k in 0..ORDERS {
        let truth: Vec<_> = references.iter().map(|r| counts(r, k + 1)).collect();
        out[ORDERS + k] = test.len().saturating_sub(k) as f64;
        for (gram, count) in counts(&test, k + 1) {
            let most = truth.iter().map(|r| count_of(r, &gram)).max().unwrap_or(0);
            out[k] += f64::from(count.min(most));
        }
    }
    out
}

/// BLEU of the sums of rows; `effective` leaves out orders that the text is too short for.
pub fn from_sums(sums: &[f64], options: &Options, effective: bool) -> f64 {
    let orders = options.orders.clamp(1, ORDERS);
    let (length, reference) = (sums[2 * ORDERS], sums[2 * ORDERS + 1]);
    if sums[..orders].iter().all(|c| *c == 0.0) || length == 0.0 {
        return 0.0;
    }
    let brevity = if length < reference {
        (1.0 - reference / length).exp()
    } else {
        1.0
    };
    let (mut logs, mut used, mut halving) = (0.0, orders, 1.0);
    for n in 0..orders {
        let (mut correct, mut total) = (sums[n], sums[ORDERS + n]);
        if let Smoothing::AddK(k) = options.smoothing
            && n > 0
        {
            correct += k;
            total += k;
        }
        if total == 0.0 {
            if !effective {
                return 0.0;
            }
            break;
        }
        if effective {
            used = n + 1;
        }
        if correct == 0.0 {
            correct = match options.smoothing {
                Smoothing::Exponential => {
                    halving *= 2.0;
                    1.0 / halving
                }
                Smoothing::Floor(value) => value,
                Smoothing::AddK(_) | Smoothing::None => return 0.0,
            };
        }
        logs += (100.0 * correct / total).ln();
    }
    brevity * (logs / used as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        assert_eq!((V13A.len(), INTERNATIONAL.len()), (4, 3));
        assert_eq!(
            Cut::V13a.cut("1.5 cm nodule, right-sided (stable)."),
            "1.5 cm nodule , right-sided ( stable ) ."
        );
        assert_eq!(Cut::International.cut("a–b, 1.5"), "a – b , 1.5");
    }

    #[test]
    fn identity_and_nothing_in_common() {
        let same = row(
            "no acute disease today",
            &["no acute disease today".to_owned()],
            &Options::default(),
        );
        assert!((from_sums(&same, &Options::default(), false) - 100.0).abs() < 1e-9);
        let none = row("x y", &["a b".to_owned()], &Options::default());
        assert_eq!(from_sums(&none, &Options::default(), true), 0.0);
    }
}
