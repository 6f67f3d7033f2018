//! Whether a mention is present, absent or uncertain: cues, their direction and their reach.
//!
//! After NegBio and the chexpert-labeler, whose rules walk dependency parses; here a cue reaches
//! over words until something ends the statement: a stop word, or a comma or `and` once a verb has
//! completed it ("no effusion *is seen*, and the heart ..."). The order of judgement is theirs:
//! doubt that outranks negation ("cannot exclude"), then negation, then other doubt.

use super::hits::{Hit, SentenceHits};
use crate::lexicon::{CueKind, Role};
use rustc_hash::FxHashSet;

/// What the sentence says about a mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polarity {
    /// There.
    Present,
    /// Not there.
    Absent,
    /// Perhaps.
    Uncertain,
}

/// A polarity and the cue that made it, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub polarity: Polarity,
    /// The cue by word range.
    pub cue: Option<Hit<CueKind>>,
}

const PRESENT: Judgement = Judgement {
    polarity: Polarity::Present,
    cue: None,
};

/// Judges the mention at words `start..end`.
pub fn judge(s: &SentenceHits, lower: &str, start: usize, end: usize) -> Judgement {
    let before = cue_before(s, start);
    let after = cue_after(s, end);
    let firm = [before, after].into_iter().flatten().find(|c| firm(c.what));
    if let Some(cue) = firm {
        return Judgement {
            polarity: Polarity::Uncertain,
            cue: Some(cue),
        };
    }
    let negation = [before, after]
        .into_iter()
        .flatten()
        .find(|c| negates(c.what));
    if let Some(cue) = negation {
        return Judgement {
            polarity: Polarity::Absent,
            cue: Some(cue),
        };
    }
    if let Some(cue) = before.or(after) {
        return Judgement {
            polarity: Polarity::Uncertain,
            cue: Some(cue),
        };
    }
    alternative(s, lower, start, end).map_or(PRESENT, |cue| Judgement {
        polarity: Polarity::Uncertain,
        cue: Some(cue),
    })
}

/// Whether a doubt about the mention at words `start..end` leans to it: its cue is made of leaning words ("probable", "or"), and no other
/// doubt that is not reaches the mention.
pub fn leans(
    s: &SentenceHits,
    lower: &str,
    leaning: &FxHashSet<String>,
    (start, end): (usize, usize),
    cue: Hit<CueKind>,
) -> bool {
    let sided = |c: &Hit<CueKind>| {
        s.words[c.start..c.end]
            .iter()
            .any(|w| leaning.contains(w.of(lower)))
    };
    let open_before = |c: &Hit<CueKind>| {
        let near = match c.what {
            CueKind::UncPre | CueKind::FirmUncPre => false,
            CueKind::UncNear => true,
            _ => return false,
        };
        c.end <= start && reaches(s, c.end, start, near)
    };
    let open_after = |c: &Hit<CueKind>| {
        let doubt = matches!(c.what, CueKind::UncPost | CueKind::FirmUncPost);
        doubt && c.start >= end && reaches(s, end, c.start, c.end - c.start == 1)
    };
    sided(&cue) && !cues(s).any(|c| !sided(&c) && (open_before(&c) || open_after(&c)))
}

fn firm(kind: CueKind) -> bool {
    matches!(kind, CueKind::FirmUncPre | CueKind::FirmUncPost)
}

fn negates(kind: CueKind) -> bool {
    matches!(kind, CueKind::NegPre | CueKind::NegPost | CueKind::PastPre)
}

fn cues(s: &SentenceHits) -> impl DoubleEndedIterator<Item = Hit<CueKind>> + '_ {
    s.hits.iter().filter_map(|h| match h.what {
        Role::Cue(what) => Some(Hit {
            start: h.start,
            end: h.end,
            what,
        }),
        _ => None,
    })
}

/// Nearest cue before the mention that reaches it. A negation right in front of a doubtful
/// adjective ("no suspicious nodule") wins over it.
fn cue_before(s: &SentenceHits, start: usize) -> Option<Hit<CueKind>> {
    let mut doubt: Option<Hit<CueKind>> = None;
    for cue in cues(s).rev().filter(|c| c.end <= start) {
        let reaches = match cue.what {
            CueKind::NegPre | CueKind::UncPre | CueKind::FirmUncPre => {
                reaches(s, cue.end, start, false)
            }
            CueKind::UncNear | CueKind::PastPre => reaches(s, cue.end, start, true),
            _ => continue,
        };
        if !reaches {
            continue;
        }
        match doubt {
            None if matches!(cue.what, CueKind::UncPre | CueKind::UncNear) => doubt = Some(cue),
            None => return Some(cue),
            Some(near) if cue.what != CueKind::UncPre && cue.what != CueKind::UncNear => {
                let governed = reaches_plainly(s, cue.end, near.start);
                return if governed { Some(cue) } else { doubt };
            }
            Some(_) => {}
        }
    }
    doubt
}

/// Nearest cue after the mention that reaches back to it.
fn cue_after(s: &SentenceHits, end: usize) -> Option<Hit<CueKind>> {
    let kinds = [CueKind::NegPost, CueKind::UncPost, CueKind::FirmUncPost];
    let mut candidates = cues(s).filter(|c| c.start >= end && kinds.contains(&c.what));
    // A lone adjective ("effusion possible") belongs to its own phrase.
    let lone = |c: &Hit<CueKind>| c.what == CueKind::UncPost && c.end - c.start == 1;
    candidates.find(|c| {
        reaches(s, end, c.start, lone(c))
            && !(c.what == CueKind::UncPost && crosses_term(s, end, c.start))
    })
}

/// Doubt after a mention belongs to the nearest mention only: in "opacity with effusion versus
/// thickening" the opacity is certain.
fn crosses_term(s: &SentenceHits, from: usize, to: usize) -> bool {
    s.hits
        .iter()
        .any(|h| matches!(h.what, Role::Term(_)) && h.start >= from && h.end <= to)
}

/// Whether nothing between words `from` and `to` ends the statement. `near`: a comma, `and` or
/// `with` ends it at once.
fn reaches(s: &SentenceHits, from: usize, to: usize, near: bool) -> bool {
    let mut completed = false;
    for hit in s.hits.iter().filter(|h| h.start >= from && h.start < to) {
        let Role::Cue(kind) = hit.what else { continue };
        match kind {
            CueKind::Stop => return false,
            CueKind::Join if near || completed => return false,
            CueKind::Verb | CueKind::NegPost | CueKind::FirmUncPost => completed = true,
            _ => {}
        }
    }
    true
}

fn reaches_plainly(s: &SentenceHits, from: usize, to: usize) -> bool {
    reaches(s, from, to, true)
}

/// `A or B` between two mentions, neither negated: CheXpert takes both as uncertain.
fn alternative(s: &SentenceHits, lower: &str, start: usize, end: usize) -> Option<Hit<CueKind>> {
    let terms = || s.hits.iter().filter(|h| matches!(h.what, Role::Term(_)));
    let next = terms().find(|h| h.start >= end);
    let previous = terms().rev().find(|h| h.end <= start);
    let after = next.and_then(|h| or_between(s, lower, end, h.start));
    after.or_else(|| previous.and_then(|h| or_between(s, lower, h.end, start)))
}

fn or_between(s: &SentenceHits, lower: &str, from: usize, to: usize) -> Option<Hit<CueKind>> {
    let closed = s.hits.iter().any(|h| {
        h.start >= from
            && h.end <= to
            && matches!(
                h.what,
                Role::Cue(CueKind::Join | CueKind::Stop | CueKind::Verb)
            )
    });
    if closed {
        return None;
    }
    let at = (from..to).find(|&i| s.word_is(lower, i, "or"))?;
    Some(Hit {
        start: at,
        end: at + 1,
        what: CueKind::UncPre,
    })
}
