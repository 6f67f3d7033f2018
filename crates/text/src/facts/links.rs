//! `suggestive_of`: a sign, words such as "consistent with" or "may represent", and what the sign
//! is taken for.

use super::extract::Head;
use crate::label::hits::{Hit, SentenceHits};
use crate::lexicon::{CueKind, Role};

/// Words at most before a link that opens a sentence ("These findings may represent ...").
const OPENING: usize = 4;

/// Pairs (source, target) of heads of one sentence; a source of `None` is the sign that the
/// sentence before ended with.
pub fn suggestions(
    s: &SentenceHits,
    heads: &[Head],
    links: &[Hit<()>],
) -> Vec<(Option<usize>, usize)> {
    let mut pairs = Vec::new();
    for (i, link) in links.iter().enumerate() {
        let source = heads.iter().rposition(|h| h.end <= link.start);
        if source.is_none() && link.start > OPENING {
            continue;
        }
        if source.is_some_and(|h| breaks(s, heads[h].end, link.start)) {
            continue;
        }
        let until = links.get(i + 1).map_or(s.words.len(), |l| l.start);
        let mut from = link.end;
        for (target, head) in heads.iter().enumerate() {
            if head.start < link.end || head.start >= until {
                continue;
            }
            if breaks(s, from, head.start) {
                break;
            }
            pairs.push((source, target));
            from = head.end;
        }
    }
    pairs
}

/// Whether a new statement begins between two words.
fn breaks(s: &SentenceHits, from: usize, to: usize) -> bool {
    let mut verb = false;
    s.hits
        .iter()
        .filter(|h| h.start >= from && h.end <= to)
        .any(|h| match h.what {
            Role::Cue(CueKind::Stop) => is_contrast(h.end - h.start),
            Role::Cue(CueKind::Verb) => {
                verb = true;
                false
            }
            Role::Cue(CueKind::Join) => verb,
            Role::Cue(CueKind::NegPre) => true,
            _ => false,
        })
}

/// One-word stops ("but", ";", "however") part two statements; longer ones ("which may", ", likely")
/// often lead from the sign to its meaning.
fn is_contrast(words: usize) -> bool {
    words == 1
}
