//! Small English: lists, capitals, plural.

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn join(items: &[String], conjunction: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} {conjunction} {last}", head.join(", ")),
    }
}

/// First letter in upper case.
pub(crate) fn capitalise(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// First letter in lower case, unless the word is an abbreviation (`COVID-19` stays).
pub(crate) fn decapitalise(text: &str) -> String {
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.next());
    match (first, second) {
        (Some(a), Some(b)) if a.is_uppercase() && b.is_uppercase() => text.to_owned(),
        (Some(a), _) => a.to_lowercase().chain(text.chars().skip(1)).collect(),
        (None, _) => String::new(),
    }
}

/// Text from elsewhere made fit to stand inside a sentence: one line, no full stop at its end.
pub(crate) fn clause(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.trim_end_matches(['.', ';', ',']).to_owned()
}

/// `1 finding`, `2 findings`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

/// A share of an area without false precision: `34%`.
pub(crate) fn percent(value: f64) -> String {
    format!("{value:.0}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_english() {
        let items: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        assert_eq!(join(&items, "or"), "a, b or c");
        assert_eq!(join(&items[..2], "and"), "a and b");
        assert_eq!(join(&items[..1], "and"), "a");
        assert_eq!(join(&[], "and"), "");
    }

    #[test]
    fn abbreviations_keep_their_capitals() {
        assert_eq!(decapitalise("COVID-19"), "COVID-19");
        assert_eq!(decapitalise("Pleural effusion"), "pleural effusion");
        assert_eq!(capitalise("\u{e9}tat"), "\u{c9}tat");
    }

    #[test]
    fn foreign_text_becomes_a_clause() {
        assert_eq!(
            clause(" the heart mask\n touches the border. "),
            "the heart mask touches the border"
        );
    }
}
