//! Whether a text can be read at all: English, and not only marks where words were removed.

use super::row::{Row, report};
use super::{LineError, Problem};
use crate::report::ReportText;

/// Words of English reports that reports in German, Dutch, French, Spanish, Portuguese or Italian hardly
/// have ("no", "normal" and most names of findings they have).
const ENGLISH: [&str; 73] = [
    "the",
    "of",
    "and",
    "are",
    "there",
    "with",
    "without",
    "to",
    "at",
    "for",
    "from",
    "this",
    "that",
    "has",
    "have",
    "were",
    "be",
    "been",
    "not",
    "or",
    "by",
    "which",
    "within",
    "seen",
    "noted",
    "evidence",
    "than",
    "but",
    "chest",
    "heart",
    "lung",
    "lungs",
    "size",
    "clear",
    "left",
    "right",
    "small",
    "large",
    "mild",
    "stable",
    "unchanged",
    "findings",
    "limits",
    "acute",
    "upper",
    "lower",
    "lobe",
    "opacity",
    "effusion",
    "effusions",
    "edema",
    "disease",
    "change",
    "visible",
    "consistent",
    "soft",
    "tissue",
    "over",
    "both",
    "neither",
    "nor",
    "likely",
    "worse",
    "slightly",
    "opacities",
    "lobes",
    "enlarged",
    "moderately",
    "measuring",
    "reflecting",
    "displaced",
    "favored",
    "haziness",
];
/// Fewer words than this say nothing about their language.
const FEW_WORDS: usize = 8;
/// Words looked at.
const MANY_WORDS: usize = 60;
/// Known words after which no more are looked at: those that [`MANY_WORDS`] would have to hold.
const ENOUGH: usize = 6;
/// Share of known words below which a text is not taken for English; the lowest of the 2,819 train
/// and val reports of the Indiana University set with eight words or more has 0.118.
const KNOWN: f64 = 0.1;
/// Letters from which the script of a text is looked at.
const FEW_LETTERS: usize = 4;

/// Why a text can hardly be English, in words; `None` where it can be.
pub(crate) fn unlike_english<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some((other, all)) = other_letters(texts.clone()) {
        return Some(format!(
            "{other} of the first {all} letters are not English ones; only English is read"
        ));
    }
    let (known, all) = hardly_english(texts)?;
    Some(format!(
        "{known} of the first {all} words are known English ones; only English is read"
    ))
}

/// Letters outside ASCII and letters looked at, of texts where they are more than a third.
fn other_letters<'a>(texts: impl Iterator<Item = &'a str>) -> Option<(usize, usize)> {
    let (mut other, mut all) = (0, 0);
    let letters = texts.flat_map(str::chars).filter(|c| c.is_alphabetic());
    for letter in letters.take(8 * MANY_WORDS) {
        all += 1;
        other += usize::from(!letter.is_ascii());
    }
    (all >= FEW_LETTERS && other * 3 > all).then_some((other, all))
}

/// Known words and words looked at, of texts that hold hardly an English word.
fn hardly_english<'a>(texts: impl Iterator<Item = &'a str>) -> Option<(usize, usize)> {
    let (mut known, mut all) = (0usize, 0usize);
    let mut lower = String::new();
    for word in texts.flat_map(|t| t.split(|c: char| !c.is_alphabetic() && c != '\'')) {
        // Removed names say nothing.
        if word.is_empty() || is_removed(word) {
            continue;
        }
        all += 1;
        lower.clear();
        lower.push_str(word);
        lower.make_ascii_lowercase();
        known += usize::from(ENGLISH.contains(&lower.as_str()));
        if known >= ENOUGH {
            return None;
        }
        if all == MANY_WORDS {
            break;
        }
    }
    (all >= FEW_WORDS && (known as f64) < KNOWN * all as f64).then_some((known, all))
}

/// An error when the sections hold hardly an English word: rules for English would read silence
/// from them.
fn english(report: &ReportText, row: &Row, line: u64) -> Result<(), LineError> {
    let texts = report.sections.iter().map(|s| s.text.as_str());
    let Some(message) = unlike_english(texts) else {
        return Ok(());
    };
    Err(LineError {
        line,
        id: Some(row.id.clone()),
        kind: Problem::NotEnglish,
        message,
    })
}

/// `XXXX`, also where a tokenizer has made it small.
fn is_removed(word: &str) -> bool {
    word.bytes().all(|b| b.eq_ignore_ascii_case(&b'X')) && word != "x"
}

/// A report whose names or words were removed (`XXXX`, `___`).
fn has_removed_words(report: &ReportText) -> bool {
    let marks = |t: &str| t.contains("XXXX") || t.contains("___");
    report.sections.iter().any(|s| marks(&s.text))
}

/// Whether nothing but marks of removal is left of texts that had words.
pub(crate) fn only_removed_words<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> bool {
    let said = |word: &str| !word.is_empty() && (word.len() == 1 || !is_removed(word));
    let mut words = texts
        .clone()
        .flat_map(|t| t.split(|c: char| !c.is_alphanumeric()));
    let marks = |t: &str| t.contains("XXXX") || t.contains("xxxx") || t.contains("___");
    texts.clone().any(marks) && !words.any(said)
}

/// An error when every word was removed: rules would read "nothing found" from what is not there.
fn anything_left(report: &ReportText, row: &Row, line: u64) -> Result<(), LineError> {
    if !only_removed_words(report.sections.iter().map(|s| s.text.as_str())) {
        return Ok(());
    }
    Err(LineError {
        line,
        id: Some(row.id.clone()),
        kind: Problem::EmptyReport,
        message: "nothing but removed words (XXXX, ___)".to_owned(),
    })
}

/// The report of a row that is to be read by rules for English, and notes about it.
pub(crate) fn readable(row: &Row, line: u64) -> Result<(ReportText, Vec<&'static str>), LineError> {
    let report = report(row, line)?;
    anything_left(&report, row, line)?;
    english(&report, row, line)?;
    let notes = if has_removed_words(&report) {
        vec!["with_removed_words"]
    } else {
        Vec::new()
    };
    Ok((report, notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> Option<String> {
        unlike_english(std::iter::once(text))
    }

    #[test]
    fn another_script_is_told_from_a_few_letters() {
        for text in ["心脏增大，双肺清晰", "Сердце не увеличено.", "القلب طبيعي"]
        {
            assert!(why(text).unwrap().contains("letters"), "{text}");
        }
        for text in [
            "Clear.",
            "Röntgen: no effusion.",
            "",
            "5 µm",
            "Small effusion → drained",
        ] {
            assert_eq!(why(text), None, "{text}");
        }
    }

    #[test]
    fn marks_alone_are_no_text() {
        let only = |text: &str| only_removed_words(std::iter::once(text));
        assert!(only("XXXX, XXXX. ___") && only("xxxx"));
        assert!(!only("XXXX effusion") && !only("") && !only("Clear."));
    }
}
