//! How each metric reacts to known mistakes: one report, one mistake at a time.
//!
//! A metric that hardly moves when a negation is turned round, or that moves more for a harmless
//! paraphrase than for a wrong side, should not be used to compare systems on that mistake.

use super::metric::{BY_NAME_ONLY, METRICS, ScoreOptions};
use crate::error::TextError;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The reference of every probe; written for this page.
pub const REFERENCE: &str = "The heart is normal in size. There is a small left pleural effusion. No pneumothorax. \
                             There is moderate opacity in the right lower lobe, which may represent pneumonia.";

/// One changed text.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// What was changed.
    pub name: &'static str,
    /// The changed report.
    pub text: &'static str,
}

/// The probes, harmless ones first.
pub const PROBES: [Probe; 9] = [
    Probe {
        name: "the same text",
        text: REFERENCE,
    },
    Probe {
        name: "paraphrase, nothing wrong",
        text: "Cardiac size is within normal limits. Small pleural effusion on the left. There is no pneumothorax. Moderate right lower lobe opacity, possibly pneumonia.",
    },
    Probe {
        name: "negation flip: pneumothorax",
        text: "The heart is normal in size. There is a small left pleural effusion. There is a pneumothorax. There is moderate opacity in the right lower lobe, which may represent pneumonia.",
    },
    Probe {
        name: "negation flip: effusion",
        text: "The heart is normal in size. There is no left pleural effusion. No pneumothorax. There is moderate opacity in the right lower lobe, which may represent pneumonia.",
    },
    Probe {
        name: "side flip",
        text: "The heart is normal in size. There is a small right pleural effusion. No pneumothorax. There is moderate opacity in the left lower lobe, which may represent pneumonia.",
    },
    Probe {
        name: "severity change",
        text: "The heart is normal in size. There is a large left pleural effusion. No pneumothorax. There is severe opacity in the right lower lobe, which may represent pneumonia.",
    },
    Probe {
        name: "invented prior",
        text: "The heart is normal in size. The small left pleural effusion has increased since the prior study. No pneumothorax. There is moderate opacity in the right lower lobe, which may represent pneumonia.",
    },
    Probe {
        name: "word salad",
        text: "pneumonia. lobe, effusion. small heart is right No There the pneumothorax. in may moderate which a size. normal left lower is is There in opacity represent the pleural",
    },
    Probe {
        name: "another report",
        text: "Mild cardiomegaly. The lungs are clear. No acute osseous abnormality.",
    },
];

/// Values of every metric that needs no further input, by probe. Scores that depend on the set (CIDEr) are
/// computed over all probes together.
///
/// # Errors
/// A metric cannot be computed.
pub fn values(options: &ScoreOptions) -> Result<BTreeMap<String, Vec<Option<f64>>>, TextError> {
    let pairs: Vec<(String, Vec<String>)> = PROBES
        .iter()
        .map(|p| (p.text.to_owned(), vec![REFERENCE.to_owned()]))
        .collect();
    // CIDEr's weights need other reports in the set; the last probe serves as one.
    let mut pairs = pairs;
    let other = PROBES[PROBES.len() - 1].text.to_owned();
    pairs.push((other.clone(), vec![other]));
    let scores = super::score(&pairs, options)?;
    Ok(scores
        .into_iter()
        .map(|(name, s)| (name, s.per_sample[..PROBES.len()].to_vec()))
        .collect())
}

/// Every metric but those that need a file of their own.
pub fn options() -> ScoreOptions {
    let metrics = METRICS
        .iter()
        .map(|m| m.name)
        .filter(|n| !BY_NAME_ONLY.contains(n))
        .map(str::to_owned)
        .collect();
    ScoreOptions {
        metrics,
        ..ScoreOptions::default()
    }
}

/// The page, in Markdown.
///
/// # Errors
/// A metric cannot be computed.
pub fn page() -> Result<String, TextError> {
    let values = values(&options())?;
    let mut out = String::from(
        "# How the text scores react to known mistakes\n\n\
         Printed by `hilum score --probes`; do not edit. One report, one change at a time; the value is that of the pair.\n\n\
         > ",
    );
    let line = |out: &mut String, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{text}");
    };
    line(&mut out, REFERENCE);
    line(&mut out, "");
    for (k, probe) in PROBES.iter().enumerate().skip(1) {
        line(
            &mut out,
            &format!("{}. **{}**: {}", k, probe.name, probe.text),
        );
    }
    line(&mut out, "");
    let heads: Vec<String> = (1..PROBES.len()).map(|k| format!("{k}")).collect();
    line(
        &mut out,
        &format!("| score | the same | {} |", heads.join(" | ")),
    );
    line(
        &mut out,
        &format!("| --- |{}", " ---: |".repeat(PROBES.len())),
    );
    for info in METRICS {
        for member in info.members {
            if let Some(row) = values.get(*member) {
                let cells: Vec<String> = row
                    .iter()
                    .map(|v| v.map_or("null".to_owned(), |v| format!("{v:.3}")))
                    .collect();
                line(&mut out, &format!("| `{member}` | {} |", cells.join(" | ")));
            }
        }
    }
    line(&mut out, "");
    line(
        &mut out,
        "Read it by columns 3 to 6 against column 1: a score that is higher for a wrong side or a turned negation than for the \
         harmless paraphrase counts words, not facts. Column 7 shows what word order is worth to it.\n\
         `cider`, `cider_d`, `consistency` and `r_consistency` are computed over the probes as one set, so their size means nothing here.",
    );
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_scores_miss_what_labels_see() {
        let values = values(&options()).unwrap();
        let at = |name: &str, k: usize| values[name][k].unwrap();
        // A turned negation costs the labels more than a paraphrase does, and the words less.
        assert_eq!(at("chexpert_f1_micro", 0), 1.0);
        assert!(at("chexpert_f1_micro", 2) < at("chexpert_f1_micro", 0));
        assert!(at("bleu_4", 2) > at("bleu_4", 1));
        // Order matters to BLEU-4, not to BLEU-1.
        assert!(at("bleu_4", 7) < 0.1 && at("bleu_1", 7) > 0.8);
    }

    #[test]
    fn the_page_lists_every_probe() {
        let page = page().unwrap();
        assert!(PROBES.iter().skip(1).all(|p| page.contains(p.name)));
    }
}
