//! Porter's stemmer (Porter 1980) with the departures of NLTK's default mode, which rouge-score uses.

/// Words with a stem of their own.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// A rule's condition on the stem.
type Condition = fn(&str) -> bool;

/// Stem of a word in lower-case ASCII.
pub fn stem(word: &str) -> String {
    if let Some((_, stem)) = IRREGULAR.iter().find(|(w, _)| *w == word) {
        return (*stem).to_owned();
    }
    if word.len() <= 2 {
        return word.to_owned();
    }
    let steps: [fn(String) -> String; 8] = [
        plurals,
        past_forms,
        final_y,
        double_suffixes,
        single_suffixes,
        bare_suffixes,
        final_e,
        final_ll,
    ];
    steps
        .into_iter()
        .fold(word.to_owned(), |word, step| step(word))
}

fn is_consonant(word: &[u8], i: usize) -> bool {
    match word[i] {
        b'a' | b'e' | b'i' | b'o' | b'u' => false,
        b'y' => i == 0 || !is_consonant(word, i - 1),
        _ => true,
    }
}

/// Number of vowel runs followed by a consonant.
fn measure(stem: &str) -> usize {
    let bytes = stem.as_bytes();
    (1..bytes.len())
        .filter(|&i| !is_consonant(bytes, i - 1) && is_consonant(bytes, i))
        .count()
}

fn has_vowel(stem: &str) -> bool {
    (0..stem.len()).any(|i| !is_consonant(stem.as_bytes(), i))
}

fn positive(stem: &str) -> bool {
    measure(stem) > 0
}

fn above_one(stem: &str) -> bool {
    measure(stem) > 1
}

/// Consonant, vowel, consonant other than w, x, y; or, as NLTK has it, a vowel and a consonant alone.
fn ends_cvc(word: &str) -> bool {
    let (b, n) = (word.as_bytes(), word.len());
    let long = n >= 3
        && is_consonant(b, n - 3)
        && !is_consonant(b, n - 2)
        && is_consonant(b, n - 1)
        && !b"wxy".contains(&b[n - 1]);
    long || (n == 2 && !is_consonant(b, 0) && is_consonant(b, 1))
}

fn ends_double_consonant(word: &str) -> bool {
    let (b, n) = (word.as_bytes(), word.len());
    n >= 2 && b[n - 1] == b[n - 2] && is_consonant(b, n - 1)
}

/// The first rule whose suffix fits decides, whether its condition holds or not.
fn apply(word: String, rules: &[(&str, &str, Condition)]) -> String {
    for (suffix, replacement, condition) in rules {
        if let Some(stem) = word.strip_suffix(suffix) {
            return if condition(stem) {
                format!("{stem}{replacement}")
            } else {
                word
            };
        }
    }
    word
}

fn always(_: &str) -> bool {
    true
}

fn plurals(word: String) -> String {
    if word.len() == 4 && word.ends_with("ies") {
        return word[..3].to_owned();
    }
    apply(
        word,
        &[
            ("sses", "ss", always),
            ("ies", "i", always),
            ("ss", "ss", always),
            ("s", "", always),
        ],
    )
}

fn past_forms(word: String) -> String {
    if let Some(stem) = word.strip_suffix("ied") {
        return format!("{stem}{}", if word.len() == 4 { "ie" } else { "i" });
    }
    if let Some(stem) = word.strip_suffix("eed") {
        return if positive(stem) {
            format!("{stem}ee")
        } else {
            word
        };
    }
    let stem = ["ed", "ing"]
        .iter()
        .find_map(|s| word.strip_suffix(s).filter(|stem| has_vowel(stem)));
    let Some(stem) = stem else { return word };
    if ["at", "bl", "iz"].iter().any(|end| stem.ends_with(end)) {
        return format!("{stem}e");
    }
    if ends_double_consonant(stem) {
        let kept = stem.ends_with(['l', 's', 'z']);
        return stem[..stem.len() - usize::from(!kept)].to_owned();
    }
    let short = measure(stem) == 1 && ends_cvc(stem);
    format!("{stem}{}", if short { "e" } else { "" })
}

fn final_y(word: String) -> String {
    let condition: Condition =
        |stem| stem.len() > 1 && is_consonant(stem.as_bytes(), stem.len() - 1);
    apply(word, &[("y", "i", condition)])
}

fn double_suffixes(word: String) -> String {
    if let Some(stem) = word.strip_suffix("alli").filter(|stem| positive(stem)) {
        return double_suffixes(format!("{stem}al"));
    }
    // The l of "logi" counts towards the measure.
    let logi: Condition = |stem| positive(&format!("{stem}l"));
    let rules: [(&str, &str, Condition); 22] = [
        ("ational", "ate", positive),
        ("tional", "tion", positive),
        ("enci", "ence", positive),
        ("anci", "ance", positive),
        ("izer", "ize", positive),
        ("bli", "ble", positive),
        ("alli", "al", positive),
        ("entli", "ent", positive),
        ("eli", "e", positive),
        ("ousli", "ous", positive),
        ("ization", "ize", positive),
        ("ation", "ate", positive),
        ("ator", "ate", positive),
        ("alism", "al", positive),
        ("iveness", "ive", positive),
        ("fulness", "ful", positive),
        ("ousness", "ous", positive),
        ("aliti", "al", positive),
        ("iviti", "ive", positive),
        ("biliti", "ble", positive),
        ("fulli", "ful", positive),
        ("logi", "log", logi),
    ];
    apply(word, &rules)
}

fn single_suffixes(word: String) -> String {
    let rules: [(&str, &str, Condition); 7] = [
        ("icate", "ic", positive),
        ("ative", "", positive),
        ("alize", "al", positive),
        ("iciti", "ic", positive),
        ("ical", "ic", positive),
        ("ful", "", positive),
        ("ness", "", positive),
    ];
    apply(word, &rules)
}

fn bare_suffixes(word: String) -> String {
    let ion: Condition = |stem| above_one(stem) && stem.ends_with(['s', 't']);
    let rules: [(&str, &str, Condition); 19] = [
        ("al", "", above_one),
        ("ance", "", above_one),
        ("ence", "", above_one),
        ("er", "", above_one),
        ("ic", "", above_one),
        ("able", "", above_one),
        ("ible", "", above_one),
        ("ant", "", above_one),
        ("ement", "", above_one),
        ("ment", "", above_one),
        ("ent", "", above_one),
        ("ion", "", ion),
        ("ou", "", above_one),
        ("ism", "", above_one),
        ("ate", "", above_one),
        ("iti", "", above_one),
        ("ous", "", above_one),
        ("ive", "", above_one),
        ("ize", "", above_one),
    ];
    apply(word, &rules)
}

fn final_e(word: String) -> String {
    let Some(stem) = word.strip_suffix('e') else {
        return word;
    };
    let gone = measure(stem) > 1 || (measure(stem) == 1 && !ends_cvc(stem));
    if gone { stem.to_owned() } else { word }
}

fn final_ll(word: String) -> String {
    if word.ends_with("ll") && measure(&word[..word.len() - 1]) > 1 {
        return word[..word.len() - 1].to_owned();
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_paper_and_of_reports() {
        for (word, expected) in [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("relational", "relat"),
            ("hopping", "hop"),
            ("falling", "fall"),
            ("controll", "control"),
            ("effusions", "effus"),
            ("cardiomegaly", "cardiomegali"),
            ("opacities", "opac"),
            ("dying", "die"),
        ] {
            assert_eq!(stem(word), expected, "{word}");
        }
    }
}
