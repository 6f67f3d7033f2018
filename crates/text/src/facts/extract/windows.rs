//! Which words belong to which head.

use super::heads::Head;
use super::hits::FactHits;
use crate::label::hits::SentenceHits;
use crate::lexicon::{CueKind, Role};
use std::ops::Range;

/// The words that belong to each head.
pub(super) fn windows(
    s: &SentenceHits,
    lower: &str,
    heads: &[Head],
    facts: &FactHits,
) -> Vec<Range<usize>> {
    let mut windows: Vec<Range<usize>> = heads.iter().map(|h| h.start..h.end).collect();
    if let Some(first) = windows.first_mut() {
        first.start = 0;
    }
    for i in 1..heads.len() {
        let (end, start) = split(s, lower, heads[i - 1].end, heads[i].start, facts);
        windows[i - 1].end = windows[i - 1].end.max(end);
        windows[i].start = windows[i].start.min(start);
    }
    if let Some(last) = windows.last_mut() {
        last.end = s.words.len();
    }
    windows
}

/// Where the window of a head that ends at `from` ends, and the next one's, which starts at `to`,
/// begins.
fn split(
    s: &SentenceHits,
    lower: &str,
    from: usize,
    to: usize,
    facts: &FactHits,
) -> (usize, usize) {
    if from >= to {
        return (from, to);
    }
    let (mut strong, mut comma) = (None, None);
    for hit in s.hits.iter().filter(|h| h.start >= from && h.start < to) {
        match hit.what {
            Role::Cue(CueKind::Join) if s.word_is(lower, hit.start, ",") => comma = Some(hit.start),
            Role::Cue(CueKind::Join | CueKind::Stop | CueKind::NegPre) => strong = Some(hit.start),
            _ => {}
        }
    }
    let words = ["or", "nor", "versus", "vs"];
    let alternative = (from..to).rfind(|&i| words.iter().any(|w| s.word_is(lower, i, w)));
    let link = facts
        .links
        .iter()
        .filter(|l| l.start >= from && l.end <= to)
        .map(|l| l.start)
        .next_back();
    let strong = strong.max(alternative).max(link);
    let place_in = |a: usize, b: usize| facts.places.iter().any(|p| p.start >= a && p.end <= b);
    match (strong, comma) {
        // "in the left and right bases, pneumothorax": the comma is the boundary.
        (Some(cut), Some(comma)) if comma > cut && place_in(cut, comma) => (comma, comma),
        (Some(cut), _) => (cut, cut),
        (None, Some(comma)) => (comma, comma),
        (None, None) => {
            let cut = place_phrase_end(s, lower, from, to, facts);
            (cut, cut)
        }
    }
}

/// "opacity at the left base obscuring ...": the place belongs to what stands before it, unless the
/// next head follows it at once ("cavitation in the upper lobe mass").
fn place_phrase_end(
    s: &SentenceHits,
    lower: &str,
    from: usize,
    to: usize,
    facts: &FactHits,
) -> usize {
    const BEFORE_PLACES: [&str; 8] = ["in", "at", "of", "within", "on", "over", "along", "near"];
    if !BEFORE_PLACES.iter().any(|w| s.word_is(lower, from, w)) {
        return from;
    }
    let last = facts.places.iter().rfind(|p| p.start >= from && p.end < to);
    last.map_or(from, |p| p.end)
}
