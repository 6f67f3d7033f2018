//! Which words of the test text each word of the reference may match.

use super::vocabulary::{Text, Vocabulary};

/// Possible matches of a pair at most: two long texts of a few words, over and over, would take hours.
pub const MAX_MATCHES: usize = 1 << 20;

/// The end of a chain.
const END: u32 = u32::MAX;

/// What two words have in common, in the order in which METEOR looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// They are the same.
    Exact,
    /// The stem.
    Stem,
    /// A synonym set of WordNet.
    Synonym,
}

/// A word of the test text that may be matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its index.
    pub place: u32,
    /// What it has in common.
    pub stage: Stage,
}

/// The possible matches of a pair of texts, and the tables in which they are looked up.
///
/// The tables are arrays over the numbers of a vocabulary; only what a text touched is wiped after it.
#[derive(Debug, Default)]
pub struct Candidates {
    /// First place of a stem, and of each place the next one of the same stem.
    first: Vec<u32>,
    next: Vec<u32>,
    /// The same for synonym sets, over `(place, next)`.
    first_of_set: Vec<u32>,
    in_set: Vec<(u32, u32)>,
    /// All matches in the order of the reference, and where each word's begin.
    all: Vec<Candidate>,
    starts: Vec<u32>,
    /// How many words of the reference may match each place.
    wanted: Vec<u32>,
    places: Vec<u32>,
}

impl Candidates {
    /// Finds the matches, stage after stage; a pair with a stem and a meaning in common is listed twice, as
    /// METEOR does. False when there are more than [`MAX_MATCHES`].
    pub fn find(&mut self, vocabulary: &Vocabulary, test: &Text, reference: &Text) -> bool {
        self.index(vocabulary, test);
        self.all.clear();
        self.starts.clear();
        self.starts.push(0);
        let mut within = true;
        for &word in &reference.words {
            self.same_stem(vocabulary, test, word);
            self.same_meaning(vocabulary, test, word);
            self.starts.push(self.all.len() as u32);
            if self.all.len() > MAX_MATCHES {
                within = false;
                break;
            }
        }
        self.wipe(vocabulary, test);
        self.wanted.clear();
        self.wanted.resize(test.words.len(), 0);
        for candidate in &self.all {
            self.wanted[candidate.place as usize] += 1;
        }
        within
    }

    /// Matches of a word of the reference.
    pub fn of(&self, at: usize) -> &[Candidate] {
        &self.all[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// Whether the word has one match that no other word may have: it is settled beforehand.
    pub fn is_settled(&self, at: usize) -> bool {
        matches!(self.of(at), [only] if self.wanted[only.place as usize] == 1)
    }

    /// Chains the places of each stem and synonym set, in rising order.
    fn index(&mut self, vocabulary: &Vocabulary, test: &Text) {
        self.first.resize(vocabulary.stem_count(), END);
        self.first_of_set.resize(vocabulary.set_count(), END);
        self.next.clear();
        self.next.resize(test.words.len(), END);
        self.in_set.clear();
        for (place, &word) in test.words.iter().enumerate().rev() {
            let first = &mut self.first[vocabulary.stem(word) as usize];
            self.next[place] = std::mem::replace(first, place as u32);
            for &set in vocabulary.meanings(word) {
                let first = &mut self.first_of_set[set as usize];
                let node = self.in_set.len() as u32;
                self.in_set
                    .push((place as u32, std::mem::replace(first, node)));
            }
        }
    }

    fn wipe(&mut self, vocabulary: &Vocabulary, test: &Text) {
        for &word in &test.words {
            self.first[vocabulary.stem(word) as usize] = END;
            for &set in vocabulary.meanings(word) {
                self.first_of_set[set as usize] = END;
            }
        }
    }

    /// Equal words first, then those that share only the stem.
    fn same_stem(&mut self, vocabulary: &Vocabulary, test: &Text, word: u32) {
        self.places.clear();
        let mut at = self.first[vocabulary.stem(word) as usize];
        while at != END {
            if test.words[at as usize] == word {
                self.all.push(Candidate {
                    place: at,
                    stage: Stage::Exact,
                });
            } else {
                self.places.push(at);
            }
            at = self.next[at as usize];
        }
        self.push_places(Stage::Stem);
    }

    fn same_meaning(&mut self, vocabulary: &Vocabulary, test: &Text, word: u32) {
        self.places.clear();
        for &set in vocabulary.meanings(word) {
            let mut node = self.first_of_set[set as usize];
            while node != END {
                let (place, next) = self.in_set[node as usize];
                if test.words[place as usize] != word {
                    self.places.push(place);
                }
                node = next;
            }
        }
        self.places.sort_unstable();
        self.places.dedup();
        self.push_places(Stage::Synonym);
    }

    fn push_places(&mut self, stage: Stage) {
        let staged = self.places.iter().map(|&place| Candidate { place, stage });
        self.all.extend(staged);
    }
}
