//! Word tokens with their byte ranges, for rules over words.

/// One token: a byte range of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Word {
    /// The token's text.
    pub fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

/// Cuts `text[from..to]` into words, numbers and single marks; appends to `words`.
///
/// A hyphen between letters or digits joins nothing and is no token (`left-sided` is two words);
/// numbers keep their decimal point and lose their unit (`1.5cm` is two tokens). `'s` and runs of
/// underscores, which stand for removed names, are left out.
pub fn cut(text: &str, from: usize, to: usize, words: &mut Vec<Word>) {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < to {
        let end = match bytes[at] {
            b if b.is_ascii_whitespace() || b == b'_' => {
                at += 1;
                continue;
            }
            b if b.is_ascii_digit() => number_end(bytes, at, to),
            b if is_word_byte(b) => word_end(bytes, at, to),
            b'-' if joins(bytes, at, from, to) => {
                at += 1;
                continue;
            }
            b'\'' => {
                at = possessive_end(bytes, at, to);
                continue;
            }
            _ => at + 1,
        };
        words.push(Word {
            start: at as u32,
            end: end as u32,
        });
        at = end;
    }
}

/// Letters, and every byte of a non-ASCII character, so that tokens end on character boundaries.
fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphabetic() || b >= 0x80
}

fn word_end(bytes: &[u8], at: usize, to: usize) -> usize {
    (at..to)
        .find(|&i| !(is_word_byte(bytes[i]) || bytes[i].is_ascii_digit()))
        .unwrap_or(to)
}

fn number_end(bytes: &[u8], at: usize, to: usize) -> usize {
    let mut end = at;
    while end < to {
        let point = bytes[end] == b'.' && end + 1 < to && bytes[end + 1].is_ascii_digit();
        if !(bytes[end].is_ascii_digit() || point) {
            break;
        }
        end += 1;
    }
    end
}

fn joins(bytes: &[u8], at: usize, from: usize, to: usize) -> bool {
    let word = |i: usize| is_word_byte(bytes[i]) || bytes[i].is_ascii_digit();
    at > from && at + 1 < to && word(at - 1) && word(at + 1)
}

fn possessive_end(bytes: &[u8], at: usize, to: usize) -> usize {
    let s = at + 1 < to && bytes[at + 1] == b's' && (at + 2 >= to || !is_word_byte(bytes[at + 2]));
    if s { at + 2 } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let mut words = Vec::new();
        cut(text, 0, text.len(), &mut words);
        words.into_iter().map(|w| w.of(text)).collect()
    }

    #[test]
    fn hyphens_units_and_names_are_cut_as_rules_need_them() {
        assert_eq!(
            words("left-sided 1.5cm nodule, t8"),
            ["left", "sided", "1.5", "cm", "nodule", ",", "t8"]
        );
        assert_eq!(
            words("patient's tube/line - ___ ok."),
            ["patient", "tube", "/", "line", "-", "ok", "."]
        );
        assert_eq!(words("œdème à 2 x 3"), ["œdème", "à", "2", "x", "3"]);
    }
}
