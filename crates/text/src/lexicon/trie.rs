//! Phrases over tokens: every word is looked up once, then a trie over word ids gives the longest
//! phrase that starts at each token.
//!
//! An automaton over characters would need word boundaries, plural forms and line breaks handled
//! around it; over tokens they vanish, and unknown words (most of a report) cost one hash.

use rustc_hash::FxHashMap;

/// Ids that one token stands for: its own word, and every `prefix*` that it begins with.
pub type Symbols = [u32; 4];

/// No word.
const NONE: u32 = u32::MAX;
/// Shortest beginning allowed in `prefix*`.
const MIN_PREFIX: usize = 3;

/// A set of phrases with payloads.
#[derive(Debug, Default)]
pub struct PhraseTrie {
    words: FxHashMap<Box<str>, u32>,
    prefixes: FxHashMap<Box<str>, u32>,
    edges: FxHashMap<(u32, u32), u32>,
    /// Payloads of the phrase that ends at each node.
    ends: Vec<Vec<u32>>,
    longest_prefix: usize,
    symbols: u32,
}

impl PhraseTrie {
    /// An empty set.
    pub fn new() -> Self {
        PhraseTrie {
            ends: vec![Vec::new()],
            ..PhraseTrie::default()
        }
    }

    /// Adds one plain word sequence. Errors: a `prefix*` that is too short.
    pub fn insert(&mut self, words: &[String], payload: u32) -> Result<(), String> {
        let mut node = 0;
        for word in words {
            let symbol = self.symbol_for(word)?;
            let next = self.ends.len() as u32;
            node = *self.edges.entry((node, symbol)).or_insert(next);
            if node == next {
                self.ends.push(Vec::new());
            }
        }
        let end = &mut self.ends[node as usize];
        if !end.contains(&payload) {
            end.push(payload);
        }
        Ok(())
    }

    fn symbol_for(&mut self, word: &str) -> Result<u32, String> {
        let (map, key) = match word.strip_suffix('*') {
            Some(stem) if stem.len() < MIN_PREFIX => {
                return Err(format!("`{word}` is too short a beginning"));
            }
            Some(stem) => {
                self.longest_prefix = self.longest_prefix.max(stem.len());
                (&mut self.prefixes, stem)
            }
            None => (&mut self.words, word),
        };
        if let Some(&id) = map.get(key) {
            return Ok(id);
        }
        map.insert(key.into(), self.symbols);
        self.symbols += 1;
        Ok(self.symbols - 1)
    }

    /// The ids of a lower-case token, `None` when no phrase has it.
    pub fn symbols(&self, token: &str) -> Option<Symbols> {
        let mut found = [NONE; 4];
        let mut count = 0;
        if let Some(&id) = self.words.get(token) {
            found[0] = id;
            count = 1;
        }
        for len in MIN_PREFIX..=token.len().min(self.longest_prefix) {
            let Some(stem) = token.get(..len) else {
                continue;
            };
            if let Some(&id) = self.prefixes.get(stem)
                && count < found.len()
            {
                found[count] = id;
                count += 1;
            }
        }
        (count > 0).then_some(found)
    }

    /// Length of the longest phrase that starts at `at`, 0 for none; its payloads go into `found`.
    ///
    /// A word and a `prefix*` may give two phrases of one length: both count.
    pub fn longest_at(&self, tokens: &[Option<Symbols>], at: usize, found: &mut Vec<u32>) -> usize {
        found.clear();
        let mut longest = 0;
        self.walk(tokens, at, at, 0, &mut longest, found);
        longest
    }

    fn walk(
        &self,
        tokens: &[Option<Symbols>],
        start: usize,
        at: usize,
        node: u32,
        longest: &mut usize,
        found: &mut Vec<u32>,
    ) {
        let (len, ends) = (at - start, &self.ends[node as usize]);
        if !ends.is_empty() && len >= *longest {
            if len > *longest {
                found.clear();
                *longest = len;
            }
            found.extend(
                ends.iter()
                    .filter(|p| !found.contains(p))
                    .copied()
                    .collect::<Vec<_>>(),
            );
        }
        let Some(Some(symbols)) = tokens.get(at) else {
            return;
        };
        for &symbol in symbols.iter().take_while(|&&s| s != NONE) {
            if let Some(&next) = self.edges.get(&(node, symbol)) {
                self.walk(tokens, start, at + 1, next, longest, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexicon::pattern::expand;

    fn trie(phrases: &[&str]) -> PhraseTrie {
        let mut trie = PhraseTrie::new();
        for (i, phrase) in phrases.iter().enumerate() {
            for words in expand(phrase).unwrap() {
                trie.insert(&words, i as u32).unwrap();
            }
        }
        trie
    }

    fn longest(trie: &PhraseTrie, text: &str) -> Option<(usize, Vec<u32>)> {
        let tokens: Vec<_> = text.split(' ').map(|t| trie.symbols(t)).collect();
        let mut found = Vec::new();
        let len = trie.longest_at(&tokens, 0, &mut found);
        (len > 0).then_some((len, found))
    }

    #[test]
    fn the_longest_phrase_wins_over_word_and_prefix() {
        let trie = trie(&["effusion*", "effusions were", "mass"]);
        assert_eq!(longest(&trie, "effusions are"), Some((1, vec![0])));
        assert_eq!(longest(&trie, "effusions were"), Some((2, vec![1])));
        assert_eq!(longest(&trie, "massive"), None);
        assert_eq!(
            longest(
                &self::trie(&["not exclud*", "not excluded"]),
                "not excluded"
            ),
            Some((2, vec![1, 0]))
        );
        assert!(PhraseTrie::new().insert(&["ab*".to_owned()], 0).is_err());
    }
}
