//! Sentence boundaries in report prose.
//!
//! Reports break ordinary rules: `apex.There` has no blank, `1.5 cm` and `approx. 2 mm` have stops
//! that end nothing, `1. Left effusion` numbers a list, and `XXXX.` or `___.` stands where a word
//! was removed. A line break alone ends nothing (MIMIC wraps its lines), a blank line and a list
//! mark do.

use std::ops::Range;

/// Bytes that are looked at of the word before a stop.
const MAX_WORD: usize = 64;

/// Words before a full stop that do not end a sentence, lower case.
const ABBREVIATIONS: [&str; 26] = [
    "dr", "drs", "mr", "mrs", "ms", "prof", "vs", "approx", "e.g", "i.e", "eg", "ie", "fig",
    "incl", "pt", "st", "etc", "min", "max", "ca", "cf", "resp", "ant", "inf", "post", "sup",
];

/// Byte ranges of the sentences of `text`, trimmed, in order, none empty.
///
/// A list number (`2.`) belongs to the sentence after it.
pub fn split(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let end = match byte {
            b'.' | b'?' | b'!' if ends_here(text, start, at) => at + 1,
            b'\n' if breaks_line(text, at) => at,
            _ => continue,
        };
        push_trimmed(text, start..end, &mut sentences);
        start = end;
    }
    push_trimmed(text, start..text.len(), &mut sentences);
    sentences
}

fn push_trimmed(text: &str, range: Range<usize>, sentences: &mut Vec<Range<usize>>) {
    let part = &text[range.clone()];
    let trimmed = part.trim();
    if trimmed.chars().any(char::is_alphanumeric) {
        let start = range.start + (part.len() - part.trim_start().len());
        sentences.push(start..start + trimmed.len());
    }
}

/// Whether the stop at byte `at` ends the sentence that began at `start`.
fn ends_here(text: &str, start: usize, at: usize) -> bool {
    let bytes = text.as_bytes();
    let next = bytes.get(at + 1).copied();
    if matches!(next, Some(b'.' | b'?' | b'!')) {
        return false;
    }
    let before = word_before(text, start, at);
    let glued = match next {
        None => return true,
        Some(b) if b.is_ascii_whitespace() => false,
        Some(b')' | b'"' | b'\'' | b']') => return !is_abbreviation(before),
        Some(b) => {
            // `apex.There`: only a capital straight after a lower-case word is a new sentence.
            let lower_before =
                before.len() > 1 && before.ends_with(|c: char| c.is_ascii_lowercase());
            if !(b.is_ascii_uppercase() && lower_before) {
                return false;
            }
            true
        }
    };
    if is_list_number(text, start, at) {
        return false;
    }
    glued
        || bytes[at] != b'.'
        || !(is_abbreviation(before) || is_dotted(before) && goes_on(text, at))
}

/// `a.m`, `s.p`: letters with a stop inside.
fn is_dotted(word: &str) -> bool {
    word.contains('.')
        && word
            .split('.')
            .all(|part| part.len() == 1 && part.starts_with(|c: char| c.is_alphabetic()))
}

/// The next word begins with a small letter.
fn goes_on(text: &str, at: usize) -> bool {
    text[at + 1..].trim_start().starts_with(char::is_lowercase)
}

fn word_before(text: &str, start: usize, at: usize) -> &str {
    // Longer words are no abbreviation, and a text may be one word of a megabyte.
    let start = start.max(text.ceil_char_boundary(at.saturating_sub(MAX_WORD)));
    let head = &text[start..at];
    let from = head
        .rfind(|c: char| c.is_whitespace() || c == '(' || c == ',')
        .map_or(0, |i| i + 1);
    &head[from..]
}

fn is_abbreviation(word: &str) -> bool {
    let initial = word.len() == 1 && word.starts_with(|c: char| c.is_ascii_uppercase());
    initial || ABBREVIATIONS.iter().any(|a| a.eq_ignore_ascii_case(word))
}

/// `2.` or `(3.` and nothing else since the sentence began.
fn is_list_number(text: &str, start: usize, at: usize) -> bool {
    let head = text[start..at].trim().trim_start_matches('(');
    !head.is_empty() && head.len() <= 2 && head.bytes().all(|b| b.is_ascii_digit())
}

/// A blank line or a list mark follows the line break at `at`.
fn breaks_line(text: &str, at: usize) -> bool {
    let rest = &text[at + 1..];
    let line = rest.split('\n').next().unwrap_or("").trim();
    if line.is_empty() {
        return true;
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let numbered = (1..=2).contains(&digits) && line[digits..].starts_with(['.', ')']);
    let marked = line.starts_with("- ") || line.starts_with("* ") || line.starts_with('•');
    // `1.5 cm` at the start of a wrapped line is a size, not an item.
    let decimal = line[digits..]
        .strip_prefix('.')
        .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()));
    marked || (numbered && !decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|r| &text[r]).collect()
    }

    /// Neither short sentences nor words with stops inside take more than a moment at a megabyte.
    #[test]
    fn a_megabyte_on_one_line_is_cut() {
        let sentences = "No effusion. ".repeat(80_000);
        assert_eq!(split(&sentences).len(), 80_000);
        assert_eq!(split(&"x.".repeat(500_000)).len(), 1);
        let sections = crate::sections::split(&sentences);
        assert_eq!(sections.len(), 1);
    }

    #[test]
    fn sizes_titles_and_list_numbers_do_not_end_a_sentence() {
        assert_eq!(
            cut("A 1.5 cm nodule. Dr. XXXX was told."),
            ["A 1.5 cm nodule.", "Dr. XXXX was told."]
        );
        assert_eq!(
            cut("1. Left effusion. 2. No edema."),
            ["1. Left effusion.", "2. No edema."]
        );
        assert_eq!(
            cut("Atelectasis vs. pneumonia at 10:30 a.m. today"),
            ["Atelectasis vs. pneumonia at 10:30 a.m. today"]
                .map(|s| s)
                .to_vec()
        );
    }

    #[test]
    fn missing_blanks_and_doubled_stops_still_end_one() {
        assert_eq!(
            cut("In the apex.There is scar.. Clear XXXX. ."),
            ["In the apex.", "There is scar..", "Clear XXXX."]
        );
    }

    #[test]
    fn wrapped_lines_stay_whole_and_lists_are_cut() {
        assert_eq!(
            cut("There is a\nsmall effusion\n\n- No edema\n2. Stable"),
            ["There is a\nsmall effusion", "- No edema", "2. Stable"]
        );
        assert_eq!(cut("nodule of\n1.5 cm"), ["nodule of\n1.5 cm"]);
    }

    #[test]
    fn ranges_lie_on_character_boundaries() {
        assert_eq!(
            cut("Épanchement pleural à droite. Pas d’œdème !"),
            ["Épanchement pleural à droite.", "Pas d’œdème !"]
        );
        assert!(cut(" . \n ").is_empty());
    }
}
