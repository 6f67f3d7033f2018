//! Sub-word tokens from a `tokenizer.json` (BPE, WordPiece, unigram), through the `tokenizers` crate.

use crate::error::TextError;
use std::path::Path;

/// A sub-word tokenizer.
#[derive(Debug)]
pub struct SubWords {
    inner: tokenizers::Tokenizer,
}

/// Ids, pieces and the bytes that each piece covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Ids in the vocabulary.
    pub ids: Vec<u32>,
    /// Pieces as in the vocabulary.
    pub pieces: Vec<String>,
    /// Byte ranges of the text.
    pub offsets: Vec<(usize, usize)>,
}

impl SubWords {
    /// Reads a `tokenizer.json`. Errors: a file that cannot be read or is none.
    pub fn open(path: &Path) -> Result<Self, TextError> {
        let inner = tokenizers::Tokenizer::from_file(path).map_err(|e| wrong(path, &*e))?;
        Ok(SubWords { inner })
    }

    /// Cuts a text, with the special tokens of the model where `special` is set.
    pub fn encode(&self, text: &str, special: bool) -> Result<Pieces, TextError> {
        let encoding = self
            .inner
            .encode(text, special)
            .map_err(|e| wrong(Path::new("tokenizer"), &*e))?;
        Ok(Pieces {
            ids: encoding.get_ids().to_vec(),
            pieces: encoding.get_tokens().to_vec(),
            offsets: encoding.get_offsets().to_vec(),
        })
    }

    /// The number of a piece in the vocabulary, special tokens included.
    pub fn id_of(&self, piece: &str) -> Option<u32> {
        self.inner.token_to_id(piece)
    }

    /// Text of the ids, without special tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        self.inner
            .decode(ids, true)
            .map_err(|e| wrong(Path::new("tokenizer"), &*e))
    }
}

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> TextError {
    TextError::Resource {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD_PIECE: &str = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":{"type":"Lowercase"},
        "pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
        "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
        "vocab":{"[UNK]":0,"no":1,"effusion":2,"##s":3}}}"###;

    #[test]
    fn pieces_cover_the_text_and_come_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), WORD_PIECE).unwrap();
        let words = SubWords::open(file.path()).unwrap();
        let pieces = words.encode("No effusions", false).unwrap();
        assert_eq!(pieces.ids, [1, 2, 3]);
        assert_eq!(pieces.offsets, [(0, 2), (3, 11), (11, 12)]);
        assert_eq!(words.decode(&pieces.ids).unwrap(), "no effusions");
        assert!(SubWords::open(Path::new("nowhere.json")).is_err());
    }
}
