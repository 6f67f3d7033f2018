//! What a sentence is about: findings, structures with their states, statements of normality.

use super::hits::FactHits;
use super::overlap;
use crate::facts::{Assertion, Sense};
use crate::label::hits::SentenceHits;
use crate::label::scope::{self, Judgement, Polarity};
use crate::label::state;
use crate::lexicon::{CueKind, Lexicon, Role, Says};
use hilum_core::taxonomy::ABNORMAL;
use std::ops::Range;

/// Words at most between "normal" and a place after it.
const NORMAL_REACH: usize = 3;

/// A finding or a statement of normality within a sentence, by word index.
#[derive(Debug, Clone)]
pub struct Head {
    /// First word of everything that makes it.
    pub start: usize,
    /// One past the last word of everything that makes it.
    pub end: usize,
    /// Words of the observation itself.
    pub(super) span: Range<usize>,
    pub(super) sense: Sense,
    pub(super) assertion: Assertion,
    /// Places that belong to it whatever the window, by index into the fact hits.
    pub(super) places: Vec<usize>,
}

/// The heads of a sentence by place.
pub(super) fn of(labels: &Lexicon, s: &SentenceHits, facts: &FactHits, lower: &str) -> Vec<Head> {
    let mut heads = Vec::new();
    for stated in state::stated(labels, s, lower) {
        heads.push(stated_head(&stated, facts));
    }
    for hit in &s.hits {
        if let Role::Term(id) = hit.what {
            let codes = &labels.terms[id as usize].codes;
            if !codes.is_empty() {
                let judged = scope::judge(s, lower, hit.start, hit.end);
                heads.push(term_head(hit.start..hit.end, codes.clone(), judged));
            }
        }
    }
    for span in &facts.abnormal {
        if !heads.iter().any(|h| overlap(&(h.start..h.end), span)) {
            let judged = scope::judge(s, lower, span.start, span.end);
            heads.push(term_head(span.clone(), vec![ABNORMAL], judged));
        }
    }
    heads.sort_by_key(|h| (h.start, h.end));
    drop_repeats(&mut heads, facts);
    for span in &facts.normal {
        if let Some(head) = normal_head(s, facts, lower, &heads, span) {
            heads.push(head);
            heads.sort_by_key(|h| (h.start, h.end));
        }
    }
    heads
}

/// Drops "hazy" before "opacities", which says the same, and "leads" beside a named pacemaker.
fn drop_repeats(heads: &mut Vec<Head>, facts: &FactHits) {
    let named = |h: &Head| is_device(h) && !facts.device_parts.contains(&h.span);
    let any_named = heads.iter().any(named);
    heads.retain(|h| !is_device(h) || named(h) || !any_named);
    let mut i = 1;
    while i < heads.len() {
        if heads[i - 1].end == heads[i].start && heads[i - 1].sense == heads[i].sense {
            heads.remove(i - 1);
        } else {
            i += 1;
        }
    }
}

pub(super) fn is_device(head: &Head) -> bool {
    matches!(&head.sense, Sense::Finding { codes, .. } if codes.contains(&"support_devices"))
}

pub(super) fn is_finding(sense: &Sense) -> bool {
    matches!(
        sense,
        Sense::Finding {
            rules_out: false,
            ..
        }
    )
}

fn assertion_of(polarity: Polarity) -> Assertion {
    match polarity {
        Polarity::Present => Assertion::Present,
        Polarity::Absent => Assertion::Absent,
        Polarity::Uncertain => Assertion::Uncertain,
    }
}

fn term_head(span: Range<usize>, codes: Vec<&'static str>, judged: Judgement) -> Head {
    let history = judged.cue.is_some_and(|c| c.what == CueKind::PastPre);
    Head {
        start: span.start,
        end: span.end,
        span,
        sense: Sense::Finding {
            codes,
            rules_out: false,
            history,
        },
        assertion: assertion_of(judged.polarity),
        places: Vec::new(),
    }
}

/// "The heart is enlarged": the state is the observation, the structure its place.
fn stated_head(stated: &state::Stated<'_>, facts: &FactHits) -> Head {
    let structure = stated.structure.start..stated.structure.end;
    let span = stated.state.start..stated.state.end;
    let rules_out = stated.rule.says == Says::Absent;
    let assertion = match (stated.rule.says, stated.judgement.polarity) {
        (Says::Absent, Polarity::Absent) => Assertion::Present,
        (_, polarity) => assertion_of(polarity),
    };
    let places = (0..facts.places.len())
        .filter(|&i| overlap(&facts.places[i].words(), &structure))
        .collect();
    Head {
        start: structure.start.min(span.start),
        end: structure.end.max(span.end),
        span,
        sense: Sense::Finding {
            codes: stated.rule.codes.clone(),
            rules_out,
            history: false,
        },
        assertion,
        places,
    }
}

/// "The lungs are clear", "normal pleural spaces": places that no other head has taken.
fn normal_head(
    s: &SentenceHits,
    facts: &FactHits,
    lower: &str,
    heads: &[Head],
    span: &Range<usize>,
) -> Option<Head> {
    let free = |i: &usize| {
        let words = facts.places[*i].words();
        let inside = |h: &Head| overlap(&h.span, &words) && !matches!(h.sense, Sense::Normal);
        !heads.iter().any(|h| h.places.contains(i) || inside(h))
    };
    if heads
        .iter()
        .any(|h| overlap(&h.span, span) && h.places.is_empty())
    {
        return None;
    }
    let from = statement_start(s, heads, span.start);
    let clear_before = |i: &usize| {
        let place = &facts.places[*i];
        place.start >= from && place.end <= span.start
    };
    let all: Vec<usize> = (0..facts.places.len()).filter(free).collect();
    let mut places: Vec<usize> = all.iter().copied().filter(clear_before).collect();
    // "effusion at the left base, normal heart": a finding of its own stands in between.
    let finding_between = |from: usize, to: usize| {
        let other = |h: &&Head| h.places.is_empty() && !matches!(h.sense, Sense::Normal);
        heads
            .iter()
            .filter(other)
            .any(|h| h.start >= from && h.end <= to)
    };
    if places.is_empty() || finding_between(from, span.start) {
        places = places_after(facts, &all, span);
    }
    let (first, last) = (*places.first()?, *places.last()?);
    let judged = scope::judge(s, lower, span.start, span.end);
    Some(Head {
        start: facts.places[first].start.min(span.start),
        end: facts.places[last].end.max(span.end),
        span: span.clone(),
        sense: Sense::Normal,
        assertion: assertion_of(judged.polarity),
        places,
    })
}

/// Places after "normal": the first within reach, and those listed with it.
fn places_after(facts: &FactHits, all: &[usize], span: &Range<usize>) -> Vec<usize> {
    let mut out = Vec::new();
    let mut end = span.end;
    for &i in all {
        let place = &facts.places[i];
        if place.start < span.end {
            continue;
        }
        if place.start - end > NORMAL_REACH {
            break;
        }
        out.push(i);
        end = place.end;
    }
    out
}

/// First word of the statement that reaches word `at`: after the last stop, or the last comma or
/// `and` that follows a completed statement.
fn statement_start(s: &SentenceHits, heads: &[Head], at: usize) -> usize {
    let mut from = 0;
    for hit in s.hits.iter().filter(|h| h.end <= at) {
        match hit.what {
            Role::Cue(CueKind::Stop) => from = hit.end,
            Role::Cue(CueKind::Join)
                if heads.iter().any(|h| h.start >= from && h.end <= hit.start) =>
            {
                from = hit.end;
            }
            _ => {}
        }
    }
    from
}
