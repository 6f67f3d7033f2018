//! The small pattern language of the lexicon files.
//!
//! A pattern is a line of words. `word*` matches every word with that beginning; `(a|b c)` is one
//! of several, also inside a word (`nodul(e|es)`); `(a |)` may be left out. Hyphens do not count, so
//! `air-space` and `air space` are the same pattern. A punctuation mark stands for itself.

/// All plain word sequences that `pattern` stands for.
///
/// Errors: the reason, for unbalanced brackets or an expansion to nothing.
pub fn expand(pattern: &str) -> Result<Vec<Vec<String>>, String> {
    let mut rest = pattern;
    let texts = alternatives(&mut rest)?;
    if !rest.is_empty() {
        return Err(format!("unbalanced `)` in `{pattern}`"));
    }
    let sequences: Vec<Vec<String>> = texts.iter().map(|t| words(t)).collect();
    if sequences.iter().any(|s| s.is_empty()) {
        return Err(format!("`{pattern}` can match nothing"));
    }
    Ok(sequences)
}

/// Reads `a|b|c` up to a closing bracket or the end, as plain texts.
fn alternatives(rest: &mut &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    let mut current = vec![String::new()];
    while let Some(c) = rest.chars().next() {
        if c == ')' {
            break;
        }
        *rest = &rest[c.len_utf8()..];
        match c {
            '|' => all.append(&mut std::mem::replace(&mut current, vec![String::new()])),
            '(' => {
                let inner = alternatives(rest)?;
                *rest = rest.strip_prefix(')').ok_or("unbalanced `(`")?;
                current = current
                    .iter()
                    .flat_map(|l| inner.iter().map(move |r| format!("{l}{r}")))
                    .collect();
            }
            c => current.iter_mut().for_each(|text| text.push(c)),
        }
    }
    all.append(&mut current);
    Ok(all)
}

fn words(text: &str) -> Vec<String> {
    let cut = |word: &str| -> Vec<String> {
        if word == "-" {
            return vec![word.to_owned()];
        }
        word.split('-')
            .filter(|w| !w.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    text.split_whitespace().flat_map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(pattern: &str) -> Vec<String> {
        expand(pattern)
            .unwrap()
            .into_iter()
            .map(|w| w.join(" "))
            .collect()
    }

    #[test]
    fn alternatives_nest_and_may_be_empty() {
        assert_eq!(strings("(a|b (c |))d"), ["ad", "b c d", "b d"]);
        assert_eq!(strings("nodul(e|es)"), ["nodule", "nodules"]);
        assert_eq!(strings("air-space disease*"), ["air space disease*"]);
        assert_eq!(strings(", stable"), [", stable"]);
        assert_eq!(strings("- "), ["-"]);
    }

    #[test]
    fn brackets_must_balance_and_something_must_be_left() {
        assert!(expand("(a").is_err());
        assert!(expand("a)").is_err());
        assert!(expand("(a|)").is_err());
    }
}
