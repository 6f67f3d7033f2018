//! Tokenizers: words with their places, the PTB tokenizer of caption scoring, and sub-words.

#[cfg(feature = "bpe")]
pub mod bpe;
pub mod ptb;
pub mod word_pieces;
pub mod words;

use crate::error::TextError;

/// How a text is cut before it is scored. The name goes into every score's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokenizer {
    /// Stanford's PTB tokenizer as pycocoevalcap runs it: lower case, punctuation dropped.
    Ptb,
    /// Cut at blanks and nothing else: the text is taken as tokenised.
    None,
    /// Lower case, blanks round punctuation.
    Simple,
}

impl Tokenizer {
    /// Name in signatures and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Tokenizer::Ptb => "ptb",
            Tokenizer::None => "none",
            Tokenizer::Simple => "simple",
        }
    }

    /// The tokenizer of that name.
    pub fn from_name(name: &str) -> Result<Self, TextError> {
        [Tokenizer::Ptb, Tokenizer::None, Tokenizer::Simple]
            .into_iter()
            .find(|t| t.name() == name)
            .ok_or_else(|| TextError::UnknownName {
                what: "tokenizer",
                name: name.to_owned(),
                known: "ptb, none, simple".to_owned(),
            })
    }

    /// Tokens of `text`, joined by one blank each.
    pub fn tokenize(self, text: &str) -> String {
        match self {
            Tokenizer::Ptb => ptb::caption_line(text),
            Tokenizer::None => text.split_whitespace().collect::<Vec<_>>().join(" "),
            Tokenizer::Simple => simple(text),
        }
    }
}

/// Lower case, blanks round each mark, runs of blanks collapsed.
fn simple(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() + 16);
    for c in text.to_lowercase().chars() {
        if ".,?;*!%^&_+():-[]{}\"'/\\".contains(c) {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_simple_keeps_marks() {
        for tokenizer in [Tokenizer::Ptb, Tokenizer::None, Tokenizer::Simple] {
            assert_eq!(Tokenizer::from_name(tokenizer.name()).unwrap(), tokenizer);
        }
        assert_eq!(
            Tokenizer::Simple.tokenize("No  PTX, s/p tube."),
            "no ptx , s / p tube ."
        );
        assert_eq!(Tokenizer::None.tokenize(" No  PTX."), "No PTX.");
    }
}
