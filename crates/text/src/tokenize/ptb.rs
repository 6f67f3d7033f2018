//! The Penn Treebank tokenizer of Stanford CoreNLP 3.4.1 as pycocoevalcap runs it
//! (`-preserveLines -lowerCase`, then a list of punctuation tokens dropped).
//!
//! Written from its described behaviour and checked against the jar: see `docs/text.md` for how many
//! report lines agree. Tokens are lower-cased after cutting, so brackets come out as `-lrb-`, which
//! the drop list (upper case) does not name; they stay, as they do there.

/// Tokens that pycocoevalcap drops.
const DROPPED: [&str; 16] = [
    "''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--",
    "...",
];

/// Words that keep their full stop.
const ABBREVIATIONS: [&str; 59] = [
    "ct", "dr", "drs", "mr", "mrs", "ms", "prof", "st", "jr", "sr", "vs", "etc", "inc", "co",
    "corp", "ltd", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov",
    "dec", "mon", "tue", "tues", "wed", "thu", "thurs", "fri", "gen", "col", "lt", "sgt", "capt",
    "cmdr", "maj", "gov", "sen", "rep", "rev", "hon", "pres", "mt", "ft", "ave", "blvd", "rd",
    "bros", "messrs", "ph.d", "adm", "atty", "supt",
];

/// Words that are cut in two: where.
const SPLIT_WORDS: [(&str, usize); 8] = [
    ("cannot", 3),
    ("gonna", 3),
    ("gotta", 3),
    ("lemme", 3),
    ("gimme", 3),
    ("wanna", 3),
    ("'twas", 2),
    ("'tis", 2),
];

/// [`caption_tokens`] joined by one blank each.
pub fn caption_line(text: &str) -> String {
    // A tag goes on over blanks; everything else is cut within what stands between blanks.
    if text.contains('<') {
        return caption_tokens(text).join(" ");
    }
    let mut line = String::with_capacity(text.len() + 16);
    for chunk in text.split_whitespace() {
        if let Some(word) = plain_word(chunk) {
            let from = blank(&mut line);
            line.push_str(word);
            line[from..].make_ascii_lowercase();
            continue;
        }
        for token in caption_tokens(chunk) {
            blank(&mut line);
            line.push_str(&token);
        }
    }
    line
}

/// A blank unless the line is empty; gives where the line now ends.
fn blank(line: &mut String) -> usize {
    if !line.is_empty() {
        line.push(' ');
    }
    line.len()
}

/// The word of a chunk of plain letters with at most one mark after it that is dropped: most of a report.
fn plain_word(chunk: &str) -> Option<&str> {
    let word = chunk.strip_suffix(['.', ',', ':', ';']).unwrap_or(chunk);
    let stopped = chunk.ends_with('.');
    let is = |known: &str| word.eq_ignore_ascii_case(known);
    let letters = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic());
    let split = SPLIT_WORDS.iter().any(|(known, _)| is(known));
    let abbreviated = stopped && ABBREVIATIONS.iter().any(|known| is(known));
    (letters && !split && !abbreviated).then_some(word)
}

/// Tokens of `text`, lower case, without the dropped ones. Line breaks count as blanks.
pub fn caption_tokens(text: &str) -> Vec<String> {
    let mut tokens = tokens(text);
    tokens.retain(|t| !DROPPED.contains(&t.as_str()) && t != ";");
    tokens
}

/// All tokens of `text`, lower case.
pub fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at].is_whitespace() {
            at += 1;
            continue;
        }
        let end = token_at(&chars, at, &mut out);
        at = end.max(at + 1);
    }
    out
}

/// Pushes the token or tokens that begin at `at`, gives where they end.
fn token_at(chars: &[char], at: usize, out: &mut Vec<String>) -> usize {
    let c = chars[at];
    if let Some(end) = tag_end(chars, at) {
        return push(chars, at, end, out);
    }
    if c.is_ascii_digit() || starts_number(chars, at) {
        return number(chars, at, out);
    }
    if c.is_alphanumeric() {
        return word(chars, at, out);
    }
    if let Some((text, name)) = [("<", "&lt;"), (">", "&gt;"), ("&", "&amp;")]
        .into_iter()
        .find(|(_, name)| starts_with(chars, at, name))
    {
        out.push(text.to_owned());
        return at + name.len();
    }
    if c == '\'' {
        return quote(chars, at, out);
    }
    let run = chars[at..].iter().take_while(|&&x| x == c).count();
    let (token, end) = match c {
        '(' => ("-lrb-", at + 1),
        ')' => ("-rrb-", at + 1),
        '[' => ("-lsb-", at + 1),
        ']' => ("-rsb-", at + 1),
        '{' => ("-lcb-", at + 1),
        '}' => ("-rcb-", at + 1),
        '"' | '“' | '”' => ("''", at + 1),
        '‘' | '’' => ("'", at + 1),
        '…' => ("...", at + 1),
        '–' | '—' => ("--", at + 1),
        '-' if run >= 2 => ("--", at + run),
        '.' if run >= 2 => ("...", at + run),
        '!' | '?' => (if c == '!' { "!" } else { "?" }, at + 1),
        _ => return push(chars, at, at + 1, out),
    };
    out.push(token.to_owned());
    end
}

fn push(chars: &[char], from: usize, to: usize, out: &mut Vec<String>) -> usize {
    out.push(
        chars[from..to]
            .iter()
            .flat_map(|c| c.to_lowercase())
            .collect(),
    );
    to
}

fn starts_with(chars: &[char], at: usize, word: &str) -> bool {
    word.chars()
        .enumerate()
        .all(|(i, c)| chars.get(at + i) == Some(&c))
}

/// End of `<tag>`: SGML stays whole.
fn tag_end(chars: &[char], at: usize) -> Option<usize> {
    if chars[at] != '<'
        || !chars
            .get(at + 1)
            .is_some_and(|c| c.is_ascii_alphabetic() || *c == '/')
    {
        return None;
    }
    let end = chars[at..].iter().position(|&c| c == '>' || c == '\n')? + at;
    (chars[end] == '>').then_some(end + 1)
}

/// `.5` and `,486` wherever they stand, `-3` and `+3` where nothing goes before.
fn starts_number(chars: &[char], at: usize) -> bool {
    let digit = chars.get(at + 1).is_some_and(char::is_ascii_digit);
    let alone = at == 0 || chars[at - 1].is_whitespace() || "([{".contains(chars[at - 1]);
    digit && (matches!(chars[at], '.' | ',') || (alone && matches!(chars[at], '+' | '-')))
}

/// A number with what belongs to it: `2,000`, `1.5`, `10:30`, `3-6`, `8th`, `1/2`. A unit is cut off.
fn number(chars: &[char], at: usize, out: &mut Vec<String>) -> usize {
    let digit = |i: usize| chars.get(i).is_some_and(char::is_ascii_digit);
    let mut end = at + usize::from(!digit(at));
    let mut decimal = matches!(chars[at], '.' | ',');
    loop {
        while digit(end) {
            end += 1;
        }
        match chars.get(end) {
            Some('.' | ',' | ':') if digit(end + 1) => {
                decimal = true;
                end += 2;
            }
            _ => break,
        }
    }
    let joins = |i: usize| {
        chars
            .get(i)
            .is_some_and(|&c| c == '-' || (c == '/' && !decimal))
            && chars.get(i + 1).is_some_and(|c| c.is_alphanumeric())
    };
    let letters = chars.get(end).is_some_and(|c| c.is_alphabetic());
    if joins(end) || (letters && !decimal) {
        let whole = word_end(chars, at);
        return finish_word(chars, at, whole.max(end), out);
    }
    push(chars, at, end, out)
}

/// End of a run of letters and digits with hyphens, slashes and apostrophes inside.
fn word_end(chars: &[char], at: usize) -> usize {
    let inner = |i: usize| chars.get(i).is_some_and(|c| c.is_alphanumeric());
    let mut end = at;
    loop {
        while inner(end) || chars.get(end) == Some(&'_') {
            end += 1;
        }
        let next = chars.get(end).copied();
        let number = chars[at].is_ascii_digit() && end > at && chars[end - 1].is_ascii_digit();
        let decimal = number
            && matches!(next, Some('.' | ','))
            && chars.get(end + 1).is_some_and(char::is_ascii_digit);
        match next {
            Some('-' | '/' | '\'' | '’') if inner(end + 1) => end += 1,
            Some('&') if end - at == 1 && inner(end + 1) => end += 1,
            _ if decimal => end += 1,
            _ => return end,
        }
    }
}

fn word(chars: &[char], at: usize, out: &mut Vec<String>) -> usize {
    if let Some(end) = acronym_end(chars, at) {
        return push(chars, at, end, out);
    }
    let mut end = word_end(chars, at);
    // `apex.There` without a blank is one token there, as a file or host name would be.
    let glued = |end: usize| {
        chars.get(end) == Some(&'.') && chars.get(end + 1).is_some_and(|c| c.is_alphabetic())
    };
    if glued(end) && end > at + 1 {
        while glued(end) {
            end += 1;
            end += chars[end..]
                .iter()
                .take_while(|c| c.is_alphanumeric())
                .count();
        }
        return push(chars, at, end, out);
    }
    if chars.get(end) == Some(&'.') {
        let lower: String = chars[at..end]
            .iter()
            .flat_map(|c| c.to_lowercase())
            .collect();
        if ABBREVIATIONS.contains(&lower.as_str()) {
            return push(chars, at, end + 1, out);
        }
    }
    finish_word(chars, at, end, out)
}

/// `U.S.`, `a.m.`, `e.g.`: single letters each with a stop.
fn acronym_end(chars: &[char], at: usize) -> Option<usize> {
    let mut end = at;
    while chars.get(end).is_some_and(|c| c.is_ascii_alphabetic())
        && chars.get(end + 1) == Some(&'.')
    {
        end += 2;
    }
    let more = chars.get(end).is_some_and(|c| c.is_alphanumeric());
    (end >= at + 4 && !more).then_some(end)
}

/// Cuts clitics (`n't`, `'s`, `'ll`) and the few words that are two.
fn finish_word(chars: &[char], at: usize, end: usize, out: &mut Vec<String>) -> usize {
    let lower: String = chars[at..end]
        .iter()
        .flat_map(|c| c.to_lowercase())
        .collect();
    let plain = lower.replace('’', "'");
    if let Some((_, cut)) = SPLIT_WORDS.iter().find(|(w, _)| *w == plain) {
        out.push(plain[..*cut].to_owned());
        out.push(plain[*cut..].to_owned());
        return end;
    }
    if let Some(stem) = plain.strip_suffix("n't").filter(|s| !s.is_empty()) {
        out.extend([stem.to_owned(), "n't".to_owned()]);
        return end;
    }
    for clitic in ["'s", "'m", "'d", "'re", "'ve", "'ll"] {
        if let Some(stem) = plain.strip_suffix(clitic).filter(|s| !s.is_empty()) {
            out.extend([stem.to_owned(), clitic.to_owned()]);
            return end;
        }
    }
    out.push(lower);
    end
}

/// `'s` standing alone, or a quote.
fn quote(chars: &[char], at: usize, out: &mut Vec<String>) -> usize {
    if chars.get(at + 1) == Some(&'\'') {
        out.push("''".to_owned());
        return at + 2;
    }
    let s = matches!(chars.get(at + 1), Some('s' | 'S'))
        && !chars.get(at + 2).is_some_and(|c| c.is_alphanumeric());
    if s {
        return push(chars, at, at + 2, out);
    }
    out.push("'".to_owned());
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> String {
        caption_tokens(text).join(" ")
    }

    #[test]
    fn a_line_is_its_tokens() {
        let pieces = [
            "cannot", "Cannot.", "Dr.", "dr,", "A.", "No", "lungs;", "s.o.b", "a.m.", "5", ".5",
            "-3", "<b>", "<5", "(WNL)", "1.5cm", "w/", "it's", "XXXX't", "--", "...", ".",
            "\u{a0}", "n't", "ct.", "CT", "\"q\"", "µm", "Ü.", "x:", "&amp;", "  ", "\n",
        ];
        for a in pieces {
            for b in pieces {
                for c in pieces {
                    let text = format!("{a} {b}{c}");
                    assert_eq!(caption_line(&text), joined(&text), "{text}");
                }
            }
        }
    }

    #[test]
    fn corenlp_cases_hold() {
        assert_eq!(
            joined("The patient's PICC doesn't reach the SVC/RA junction."),
            "the patient 's picc does n't reach the svc/ra junction"
        );
        assert_eq!(
            joined("w/ 1.5cm nodule @ RUL; (WNL)"),
            "w / 1.5 cm nodule @ rul -lrb- wnl -rrb-"
        );
        assert_eq!(
            joined("cannot 10:30 a.m. Dr. Smith... 50% a--b"),
            "can not 10:30 a.m. dr. smith 50 % a b"
        );
        assert_eq!(
            joined("[X] {x} <y> 8th T8-T9"),
            "-lsb- x -rsb- -lcb- x -rcb- <y> 8th t8-t9"
        );
    }
}
