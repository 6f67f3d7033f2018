//! The alignment: which words match, most of them, in the fewest chunks.
//!
//! A beam search over the words of the reference, as in METEOR 1.5: alignments are ordered by how
//! many words they cover, then by chunks, then by how far the matched words lie apart.
//!
//! Ways of one step are packed into whole numbers that sort as the ways do; only those that stay in the
//! beam are written out. Every buffer is kept from pair to pair.

use super::candidates::{Candidate, Candidates, Stage};
use super::vocabulary::{Text, Vocabulary};

/// Alignments kept after each word.
const BEAM: usize = 40;
/// Words of a text at most: what a [`Key`] has room for.
const MAX_WORDS: usize = 1 << 20;
/// No link, no open chunk.
const NONE: u32 = u32::MAX;

/// A matched pair of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Index in the test text.
    pub test: usize,
    /// Index in the reference.
    pub reference: usize,
    /// What they have in common.
    pub stage: Stage,
}

/// Matched pairs and the number of runs in which both sides go on together.
#[derive(Debug, Clone, Default)]
pub struct Alignment {
    /// In the order of the reference.
    pub pairs: Vec<Pair>,
    /// Chunks.
    pub chunks: usize,
}

/// Order of a way and where it comes from; smaller is better, and of equals the one found first.
///
/// From the top: what is missing of the most exact matches, chunks, distance, place of discovery. With
/// [`MAX_WORDS`] and [`super::candidates::MAX_MATCHES`] none of them can overflow into the next.
type Key = u128;

const EXACT_SHIFT: u32 = 96;
const CHUNK_SHIFT: u32 = 72;
const DISTANCE_SHIFT: u32 = 32;

/// One way so far.
#[derive(Debug, Clone, Copy)]
struct Path {
    /// Exact matches: the others, worth less than 1, add nothing to METEOR's whole-number count.
    exact: u32,
    /// Chunks that have ended; the open one is counted when it ends, as there, which steers the beam.
    chunks: u32,
    distance: u64,
    /// Test index after the last match, if the last reference word was matched, else [`NONE`].
    next: u32,
    /// Its last match, in the list of links.
    link: u32,
    /// Where its bits of used test words are.
    slot: u32,
}

/// A match and the one before it.
#[derive(Debug, Clone, Copy)]
struct Link {
    reference: u32,
    candidate: Candidate,
    before: u32,
}

/// The search, with its buffers.
#[derive(Debug, Default)]
pub struct Aligner {
    candidates: Candidates,
    paths: Vec<Path>,
    other_paths: Vec<Path>,
    keys: Vec<Key>,
    links: Vec<Link>,
    /// Bits of used test words, `stride` numbers a slot.
    used: Vec<u64>,
    other_used: Vec<u64>,
    stride: usize,
}

impl Aligner {
    /// Best alignment of two texts, into `out`; false when there is too much to search.
    pub fn align(
        &mut self,
        vocabulary: &Vocabulary,
        test: &Text,
        reference: &Text,
        out: &mut Alignment,
    ) -> bool {
        out.pairs.clear();
        out.chunks = 0;
        let longest = test.words.len().max(reference.words.len());
        if longest > MAX_WORDS || !self.candidates.find(vocabulary, test, reference) {
            return false;
        }
        self.start(test.words.len());
        for at in 0..reference.words.len() {
            if self.candidates.is_settled(at) {
                self.match_all(at);
            } else if self.candidates.of(at).is_empty() {
                self.skip_all();
            } else {
                self.branch(at);
            }
        }
        self.skip_all();
        self.finish(out);
        true
    }

    fn start(&mut self, words: usize) {
        self.stride = words.div_ceil(64);
        for used in [&mut self.used, &mut self.other_used] {
            used.clear();
            used.resize(self.stride * BEAM, 0);
        }
        self.links.clear();
        self.paths.clear();
        self.paths.push(Path {
            exact: 0,
            chunks: 0,
            distance: 0,
            next: NONE,
            link: NONE,
            slot: 0,
        });
    }

    /// No match for this word: every way goes on without it.
    fn skip_all(&mut self) {
        for path in &mut self.paths {
            path.chunks += u32::from(path.next != NONE);
            path.next = NONE;
        }
        self.sort_paths();
    }

    /// The one match of this word, which nothing else competes for: every way takes it.
    fn match_all(&mut self, at: usize) {
        let candidate = self.candidates.of(at)[0];
        let place = candidate.place;
        for path in &mut self.paths {
            path.exact += u32::from(candidate.stage == Stage::Exact);
            path.chunks += u32::from(path.next != NONE && path.next != place);
            path.distance += u64::from(place.abs_diff(at as u32));
            path.next = place + 1;
            self.links.push(Link {
                reference: at as u32,
                candidate,
                before: path.link,
            });
            path.link = self.links.len() as u32 - 1;
        }
        self.sort_paths();
    }

    /// Stable, and hardly anything to do: most steps keep the order.
    fn sort_paths(&mut self) {
        self.paths
            .sort_by_key(|p| key(p.exact, p.chunks, p.distance, 0));
    }

    /// Every way with every match that is still free, and without one; the best stay.
    fn branch(&mut self, at: usize) {
        self.list_ways(at);
        if self.keys.len() > BEAM {
            self.keys.select_nth_unstable(BEAM - 1);
            self.keys.truncate(BEAM);
        }
        self.keys.sort_unstable();
        self.other_paths.clear();
        let matches = self.candidates.of(at);
        for (slot, &key) in self.keys.iter().enumerate() {
            let found = key as u32 as usize;
            let parent = &self.paths[found / (matches.len() + 1)];
            let [from, to] = [parent.slot as usize, slot].map(|s| s * self.stride);
            let used = &mut self.other_used[to..to + self.stride];
            used.copy_from_slice(&self.used[from..from + self.stride]);
            let mut path = Path {
                exact: u32::MAX >> 8 & !((key >> EXACT_SHIFT) as u32),
                chunks: (key >> CHUNK_SHIFT) as u32 & (u32::MAX >> 8),
                distance: (key >> DISTANCE_SHIFT) as u64 & (u64::MAX >> 24),
                next: NONE,
                link: parent.link,
                slot: slot as u32,
            };
            if let Some(&candidate) = matches.get(found % (matches.len() + 1)) {
                let place = candidate.place;
                used[place as usize / 64] |= 1 << (place % 64);
                path.next = place + 1;
                path.link = self.links.len() as u32;
                self.links.push(Link {
                    reference: at as u32,
                    candidate,
                    before: parent.link,
                });
            }
            self.other_paths.push(path);
        }
        std::mem::swap(&mut self.paths, &mut self.other_paths);
        std::mem::swap(&mut self.used, &mut self.other_used);
    }

    /// The keys of all ways to go on from each way so far.
    fn list_ways(&mut self, at: usize) {
        let matches = self.candidates.of(at);
        self.keys.clear();
        for (i, path) in self.paths.iter().enumerate() {
            let used = &self.used[path.slot as usize * self.stride..];
            let mut found = (i * (matches.len() + 1)) as u32;
            // METEOR adds the distance to the path it branches from, so that it counts for the
            // later branches and not for this one. Kept: the beam and ties depend on it.
            let mut distance = path.distance;
            for candidate in matches {
                let place = candidate.place;
                if used[place as usize / 64] >> (place % 64) & 1 == 0 {
                    let exact = path.exact + u32::from(candidate.stage == Stage::Exact);
                    let broken = path.next != NONE && path.next != place;
                    let chunks = path.chunks + u32::from(broken);
                    self.keys.push(key(exact, chunks, distance, found));
                    distance += u64::from(place.abs_diff(at as u32));
                }
                found += 1;
            }
            let chunks = path.chunks + u32::from(path.next != NONE);
            self.keys.push(key(path.exact, chunks, distance, found));
        }
    }

    /// The best way, its open chunk closed.
    fn finish(&self, out: &mut Alignment) {
        let Some(best) = self.paths.first() else {
            return;
        };
        let mut at = best.link;
        while let Some(link) = self.links.get(at as usize) {
            out.pairs.push(Pair {
                test: link.candidate.place as usize,
                reference: link.reference as usize,
                stage: link.candidate.stage,
            });
            at = link.before;
        }
        out.pairs.reverse();
        out.chunks = best.chunks as usize;
    }
}

fn key(exact: u32, chunks: u32, distance: u64, found: u32) -> Key {
    let missing = u32::MAX >> 8 & !exact;
    Key::from(missing) << EXACT_SHIFT
        | Key::from(chunks) << CHUNK_SHIFT
        | Key::from(distance) << DISTANCE_SHIFT
        | Key::from(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn align(test: &str, reference: &str) -> Option<Alignment> {
        let mut vocabulary = Vocabulary::new();
        let (mut a, mut b) = (Text::default(), Text::default());
        vocabulary.read(test, None, &mut a);
        vocabulary.read(reference, None, &mut b);
        let mut out = Alignment::default();
        Aligner::default()
            .align(&vocabulary, &a, &b, &mut out)
            .then_some(out)
    }

    #[test]
    fn chunks_are_as_few_as_can_be() {
        let alignment = align("no edema no mass", "no mass no edema").unwrap();
        assert_eq!((alignment.pairs.len(), alignment.chunks), (4, 2));
    }

    #[test]
    fn a_search_without_end_is_refused() {
        let text = "no ".repeat(2000);
        assert!(align(&text, &text).is_none());
    }

    #[test]
    fn keys_sort_as_their_parts_and_give_them_back() {
        let better = [
            (3, 9, 9, 9),
            (2, 1, 9, 9),
            (2, 2, 1, 9),
            (2, 2, 2, 0),
            (2, 2, 2, 1),
        ];
        let keys: Vec<Key> = better.iter().map(|&(e, c, d, f)| key(e, c, d, f)).collect();
        assert!(keys.is_sorted());
        assert_eq!(keys[0] as u32, 9);
    }
}
