//! A word-piece vocabulary of a set of texts, as a `tokenizer.json` that [`super::bpe`] reads.
//!
//! Words that are frequent stay whole; beginnings and endings that many words share come next, so that a rare word
//! is cut into parts that others know; single characters keep every word writable. No merges are searched for: ties
//! are broken by the alphabet, and the same words always give the same vocabulary.

use std::collections::BTreeMap;

/// First rows of the vocabulary: padding, unknown, and the two ends of a text, as BERT names them.
pub const SPECIAL: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
/// Characters of the beginnings that are looked for.
const BEGINNINGS: std::ops::RangeInclusive<usize> = 3..=7;
/// Characters of the endings that are looked for.
const ENDINGS: std::ops::RangeInclusive<usize> = 1..=6;
/// Different words that must share a beginning or an ending.
const SHARED: usize = 4;
/// Times that a word must be there to stay whole.
const FREQUENT: u64 = 2;

/// Lower-case pieces of a text as BERT cuts it: words, and every mark by itself.
pub fn words(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut open = false;
    for c in text.chars().flat_map(char::to_lowercase) {
        let letter = c.is_alphanumeric();
        if letter && open {
            if let Some(last) = out.last_mut() {
                last.push(c);
            }
        } else if !c.is_whitespace() {
            out.push(c.to_string());
        }
        open = letter;
    }
    out
}

/// The vocabulary of word counts, at most `size` pieces (but always all characters), as a `tokenizer.json`.
pub fn tokenizer_json(counts: &BTreeMap<String, u64>, size: usize) -> String {
    let mut pieces: Vec<String> = SPECIAL.map(str::to_owned).to_vec();
    let mut seen: std::collections::BTreeSet<String> = pieces.iter().cloned().collect();
    let mut push = |piece: String| {
        if seen.insert(piece.clone()) {
            pieces.push(piece);
        }
        pieces.len() >= size
    };
    for c in ('!'..='~').filter(|c| !c.is_ascii_uppercase()) {
        push(c.to_string());
        push(format!("##{c}"));
    }
    let mut frequent: Vec<(&String, u64)> = counts.iter().map(|(w, n)| (w, *n)).collect();
    frequent.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let whole = frequent.iter().filter(|(_, n)| *n >= FREQUENT);
    let whole = whole.map(|(w, _)| (*w).clone());
    for piece in whole.chain(parts(counts)) {
        if push(piece) {
            break;
        }
    }
    let vocab: serde_json::Map<String, serde_json::Value> = pieces
        .into_iter()
        .enumerate()
        .map(|(i, p)| (p, i.into()))
        .collect();
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": null, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": SPECIAL[1], "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab},
    })
    .to_string()
}

/// Shared beginnings and endings, those of most words first.
fn parts(counts: &BTreeMap<String, u64>) -> Vec<String> {
    let mut shared: BTreeMap<String, usize> = BTreeMap::new();
    for word in counts.keys() {
        let chars: Vec<char> = word.chars().collect();
        let shorter = |n: &usize| *n < chars.len();
        for n in BEGINNINGS.filter(shorter) {
            *shared.entry(chars[..n].iter().collect()).or_default() += 1;
        }
        for n in ENDINGS.filter(shorter) {
            let end: String = chars[chars.len() - n..].iter().collect();
            *shared.entry(format!("##{end}")).or_default() += 1;
        }
    }
    let mut parts: Vec<(String, usize)> = shared.into_iter().filter(|p| p.1 >= SHARED).collect();
    parts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    parts.into_iter().map(|p| p.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for word in words(text) {
            *counts.entry(word).or_default() += 1;
        }
        counts
    }

    #[test]
    fn words_are_lower_case_and_marks_stand_alone() {
        assert_eq!(words("X-ray: Clear."), ["x", "-", "ray", ":", "clear", "."]);
    }

    #[test]
    fn frequent_words_stay_and_the_same_words_give_the_same_file() {
        let counts = counts("effusion effusion fusion infusion profusion diffusion nodule");
        let json = tokenizer_json(&counts, 1000);
        assert_eq!(json, tokenizer_json(&counts, 1000));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let vocab = &value["model"]["vocab"];
        assert!(vocab["effusion"].is_u64() && vocab["##fusion"].is_u64());
        assert!(vocab["nodule"].is_null() && vocab["##e"].is_u64());
        assert_eq!(vocab["[PAD]"], 0);
    }

    #[cfg(feature = "bpe")]
    #[test]
    fn the_tokenizer_writes_every_word_with_its_pieces() {
        let json = tokenizer_json(&counts("effusion effusion"), 1000);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json).unwrap();
        let words = super::super::bpe::SubWords::open(file.path()).unwrap();
        assert_eq!(
            words.encode("Effusion", false).unwrap().pieces,
            ["effusion"]
        );
        assert_eq!(words.encode("no", false).unwrap().pieces, ["n", "##o"]);
        assert_eq!(words.encode("é", false).unwrap().pieces, ["[UNK]"]);
    }
}
