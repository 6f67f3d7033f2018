//! Findings worded as a structure and its state: "the heart is mildly enlarged", "normal heart
//! size and mediastinal contours".

use super::hits::{Hit, SentenceHits};
use super::scope::{self, Judgement, Polarity};
use crate::lexicon::{CueKind, Lexicon, Role, Says, StateRule};

/// Words at most between a state and the structure it precedes ("normal size of the cardiac silhouette").
const ATTRIBUTE_REACH: usize = 5;

/// A structure with the state found for it.
#[derive(Debug, Clone, Copy)]
pub struct Stated<'a> {
    /// The rule that joined them.
    pub rule: &'a StateRule,
    /// Words of the structure.
    pub structure: Hit<u16>,
    /// Words of the state.
    pub state: Hit<u16>,
    /// What follows for the rule's codes.
    pub judgement: Judgement,
}

/// Every structure of the sentence whose state is told, in order.
pub fn stated<'a>(lexicon: &'a Lexicon, s: &SentenceHits, lower: &str) -> Vec<Stated<'a>> {
    let structures = s.hits.iter().filter_map(|h| match h.what {
        Role::Structure(what) => Some(Hit {
            start: h.start,
            end: h.end,
            what,
        }),
        _ => None,
    });
    structures
        .filter_map(|structure| best_state(lexicon, s, lower, structure))
        .collect()
}

/// The state that says most: an adjective right before the structure, else what is said of it
/// later, else an adjective further off; "stable" only where nothing else is said.
fn best_state<'a>(
    lexicon: &'a Lexicon,
    s: &SentenceHits,
    lower: &str,
    structure: Hit<u16>,
) -> Option<Stated<'a>> {
    let mut best: Option<(usize, Stated<'a>)> = None;
    for hit in &s.hits {
        let Role::State(what) = hit.what else {
            continue;
        };
        let state = Hit {
            start: hit.start,
            end: hit.end,
            what,
        };
        let Some(rule) = lexicon
            .rules
            .iter()
            .find(|r| r.structure == structure.what && r.state == what)
        else {
            continue;
        };
        let Some(mut rank) = rank(lexicon, s, structure, state) else {
            continue;
        };
        if rule.says == Says::Unstated {
            rank += 100;
        }
        if best.as_ref().is_none_or(|(r, _)| rank < *r) {
            best = Some((
                rank,
                Stated {
                    rule,
                    structure,
                    state,
                    judgement: judgement(s, lower, rule.says, state),
                },
            ));
        }
    }
    best.map(|(_, stated)| stated)
}

/// How closely the state belongs to the structure (0 is closest), `None` when it does not.
fn rank(
    lexicon: &Lexicon,
    s: &SentenceHits,
    structure: Hit<u16>,
    state: Hit<u16>,
) -> Option<usize> {
    if state.end <= structure.start {
        let gap = structure.start - state.end;
        let far = gap > ATTRIBUTE_REACH && !listed(s, state.end, structure.start);
        if far || !open(lexicon, s, state.end, structure.start, true) {
            return None;
        }
        return Some(if gap == 0 { 0 } else { 20 + gap });
    }
    if state.start < structure.end || !open(lexicon, s, structure.end, state.start, false) {
        return None;
    }
    let verb = s
        .hits
        .iter()
        .any(|h| h.start >= structure.end && h.start < state.start && is_verb(h.what));
    let next_is_structure = s
        .hits
        .iter()
        .any(|h| h.start == state.end && matches!(h.what, Role::Structure(_) | Role::Term(_)));
    (verb || !next_is_structure).then_some(1 + (state.start - structure.end).min(18))
}

/// Only structures, joins and small words between: "normal heart size, hila and mediastinum".
fn listed(s: &SentenceHits, from: usize, to: usize) -> bool {
    s.hits
        .iter()
        .any(|h| h.start >= from && h.end <= to && matches!(h.what, Role::Structure(_)))
}

fn is_verb(role: Role) -> bool {
    matches!(role, Role::Cue(CueKind::Verb))
}

/// Whether a state and a structure with words `from..to` between them can belong together.
fn open(lexicon: &Lexicon, s: &SentenceHits, from: usize, to: usize, attribute: bool) -> bool {
    let (mut verb, mut joined) = (false, false);
    for hit in s.hits.iter().filter(|h| h.start >= from && h.start < to) {
        match hit.what {
            Role::Cue(CueKind::Stop) if !soft_stop(s, hit) => return false,
            // "is stable and enlarged" goes on; "is stable and the aorta is enlarged" does not.
            Role::Cue(CueKind::Join) => joined |= verb,
            Role::Structure(_) if joined => return false,
            Role::Cue(CueKind::Verb) if attribute => return false,
            Role::Cue(CueKind::Verb) => verb = true,
            Role::Term(_) => return false,
            Role::State(other) if lexicon.states[other as usize] != "stable" => return false,
            _ => {}
        }
    }
    true
}

/// A stop such as `, the` inside a list of structures: "the heart, the hila and the aorta are normal".
fn soft_stop(s: &SentenceHits, stop: &Hit<Role>) -> bool {
    s.hits
        .iter()
        .any(|h| h.start == stop.end && matches!(h.what, Role::Structure(_)))
        || s.hits.iter().any(|h| {
            h.start + 1 == stop.end
                && h.start > stop.start
                && matches!(h.what, Role::Structure(_) | Role::State(_))
        })
}

fn judgement(s: &SentenceHits, lower: &str, says: Says, state: Hit<u16>) -> Judgement {
    let outer = scope::judge(s, lower, state.start, state.end);
    let cue = outer.cue.or(Some(Hit {
        start: state.start,
        end: state.end,
        what: CueKind::NegPost,
    }));
    let polarity = match (says, outer.polarity) {
        (Says::Present, polarity) => {
            return Judgement {
                polarity,
                cue: outer.cue,
            };
        }
        (Says::Uncertain | Says::Unstated, _) => Polarity::Uncertain,
        (Says::Absent, Polarity::Present) => Polarity::Absent,
        // "not normal" and "probably normal" leave it open.
        (Says::Absent, _) => Polarity::Uncertain,
    };
    Judgement { polarity, cue }
}
