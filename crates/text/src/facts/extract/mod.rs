//! From a report to its [`Graph`], by rules with scopes.
//!
//! A sentence's *heads* are the findings of the labeler, structures with their states, and
//! statements of normality. Whether each is present, absent or uncertain is the labeler's own
//! judgement. Every place, side, severity, change, size and describing word then belongs to the
//! head in whose *window* it stands; windows are split at joins, stops, links and negations between
//! two heads. Findings that the labeler only infers (congestion as a hint of oedema) are left out:
//! facts are what is said.

use super::anatomy::Side;
use super::lexicon::{FactLexicon, Role as FactRole};
use super::{Assertion, Entity, Graph, Label, Relation, Sense, links};
use crate::error::TextError;
use crate::label::hits::{Hit, SentenceHits};
use crate::label::scope::{self, Judgement, Polarity};
use crate::label::{Labeler, attributes, bounded, chosen, state};
use crate::lexicon::trie::Symbols;
use crate::lexicon::{CueKind, Lexicon, Role, Says};
use crate::report::{ReportText, SectionKind};
use crate::sentence;
use hilum_core::taxonomy::ABNORMAL;
use std::ops::Range;
use std::sync::LazyLock;

/// Words at most between a side and the place it belongs to ("left and right bases").
const SIDE_REACH: usize = 3;
/// Words at most between "normal" and a place after it.
const NORMAL_REACH: usize = 3;

/// What to read.
#[derive(Debug, Clone)]
pub struct ExtractOptions {
    /// Sections to read; a report without any heading is read whole.
    pub sections: Vec<SectionKind>,
}

impl Default for ExtractOptions {
    fn default() -> Self {
        ExtractOptions {
            sections: vec![SectionKind::Findings, SectionKind::Impression],
        }
    }
}

/// A finding or a statement of normality within a sentence, by word index.
#[derive(Debug, Clone)]
pub struct Head {
    /// First word of everything that makes it.
    pub start: usize,
    /// One past the last word of everything that makes it.
    pub end: usize,
    /// Words of the observation itself.
    span: Range<usize>,
    sense: Sense,
    assertion: Assertion,
    /// Places that belong to it whatever the window, by index into the fact hits.
    places: Vec<usize>,
}

static SHARED: LazyLock<Extractor> = LazyLock::new(|| {
    match FactLexicon::embedded(Labeler::shared().lexicon()) {
        Ok(lexicon) => Extractor {
            labels: Labeler::shared().lexicon(),
            lexicon,
        },
        // The file is part of the binary and a test reads it.
        Err(e) => unreachable!("embedded fact lexicon: {e}"),
    }
});

/// The extractor; cheap to share, safe to use from many threads.
#[derive(Debug)]
pub struct Extractor {
    pub(super) labels: &'static Lexicon,
    pub(super) lexicon: FactLexicon,
}

impl Extractor {
    /// The extractor over the embedded lexicons, built once.
    pub fn shared() -> &'static Extractor {
        &SHARED
    }

    /// The graph of one report.
    ///
    /// Errors: [`TextError::EmptyReport`] without any text, [`TextError::NoSuchSection`] when there
    /// is text but none in the sections asked for.
    pub fn graph(&self, report: &ReportText, options: &ExtractOptions) -> Result<Graph, TextError> {
        let mut builder = Builder::default();
        for (_, section) in chosen(report, &options.sections)? {
            builder.begin_section(section.kind, &section.text);
            self.read_section(&section.text, &mut builder);
        }
        Ok(builder.finish())
    }

    fn read_section(&self, text: &str, builder: &mut Builder) {
        let lower = text.to_ascii_lowercase();
        let mut s = SentenceHits::default();
        let mut facts = FactHits::default();
        for range in sentence::split(text) {
            for part in bounded(text, range) {
                s.read(self.labels, &lower, part);
                facts.read(&self.lexicon, &s, &lower);
                self.read_sentence(&s, &facts, text, &lower, builder);
            }
            builder.sentence += 1;
        }
    }

    fn read_sentence(
        &self,
        s: &SentenceHits,
        facts: &FactHits,
        text: &str,
        lower: &str,
        builder: &mut Builder,
    ) {
        builder.sentence_start = builder.entities.len();
        let heads = self.heads(s, facts, lower);
        if heads.is_empty() {
            return;
        }
        let windows = windows(s, lower, &heads, facts);
        let mut at = Vec::with_capacity(heads.len());
        for (head, window) in heads.iter().zip(windows) {
            let label = Label::Observation(head.assertion);
            let entity = builder.entity(s, text, head.span.clone(), label, head.sense.clone());
            let mut hand = Hand {
                extractor: self,
                s,
                facts,
                text,
                lower,
                builder,
                entity,
            };
            hand.attach(head, window);
            at.push(entity);
        }
        for (source, target) in links::suggestions(s, &heads, &facts.links) {
            let source = source.map_or(builder.last_sign, |h| Some(at[h]));
            if let Some(source) = source
                && builder.can_suggest(source, at[target])
            {
                builder.relate(source, Relation::SuggestiveOf, at[target]);
            }
        }
        let sign = |h: &&Head| h.assertion != Assertion::Absent && is_finding(&h.sense);
        if let Some(last) = heads.iter().rposition(|h| sign(&h)) {
            builder.last_sign = Some(at[last]);
        }
    }

    fn heads(&self, s: &SentenceHits, facts: &FactHits, lower: &str) -> Vec<Head> {
        let mut heads = Vec::new();
        for stated in state::stated(self.labels, s, lower) {
            heads.push(stated_head(&stated, facts));
        }
        for hit in &s.hits {
            if let Role::Term(id) = hit.what {
                let codes = &self.labels.terms[id as usize].codes;
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

fn is_device(head: &Head) -> bool {
    matches!(&head.sense, Sense::Finding { codes, .. } if codes.contains(&"support_devices"))
}

fn is_finding(sense: &Sense) -> bool {
    matches!(
        sense,
        Sense::Finding {
            rules_out: false,
            ..
        }
    )
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
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

/// A place phrase found.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaceHit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) place: &'static super::anatomy::Place,
    pub(super) side: Option<Side>,
}

impl PlaceHit {
    fn words(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Phrases of the fact lexicon in one sentence; kept and reused.
#[derive(Debug, Default)]
pub(super) struct FactHits {
    pub(super) places: Vec<PlaceHit>,
    pub(super) attributes: Vec<Hit<super::AttributeKind>>,
    links: Vec<Hit<()>>,
    normal: Vec<Range<usize>>,
    abnormal: Vec<Range<usize>>,
    pub(super) changes: Vec<Hit<super::Change>>,
    device_parts: Vec<Range<usize>>,
    symbols: Vec<Option<Symbols>>,
    found: Vec<u32>,
}

impl FactHits {
    fn read(&mut self, lexicon: &FactLexicon, s: &SentenceHits, lower: &str) {
        self.places.clear();
        self.attributes.clear();
        self.links.clear();
        self.normal.clear();
        self.abnormal.clear();
        self.changes.clear();
        self.device_parts.clear();
        self.symbols.clear();
        self.symbols
            .extend(s.words.iter().map(|w| lexicon.phrases.symbols(w.of(lower))));
        let mut at = 0;
        while at < s.words.len() {
            let len = lexicon
                .phrases
                .longest_at(&self.symbols, at, &mut self.found);
            for &payload in &self.found {
                let (start, end) = (at, at + len);
                match lexicon.roles[payload as usize] {
                    FactRole::Place(place, side) => self.places.push(PlaceHit {
                        start,
                        end,
                        place,
                        side,
                    }),
                    FactRole::Attribute(what) => self.attributes.push(Hit { start, end, what }),
                    FactRole::Link => self.links.push(Hit {
                        start,
                        end,
                        what: (),
                    }),
                    FactRole::Normal => self.normal.push(start..end),
                    FactRole::Abnormal => self.abnormal.push(start..end),
                    FactRole::Change(what) => self.changes.push(Hit { start, end, what }),
                    FactRole::DevicePart => self.device_parts.push(start..end),
                    FactRole::Ignore => {}
                }
            }
            at += len.max(1);
        }
    }
}

/// The words that belong to each head.
fn windows(s: &SentenceHits, lower: &str, heads: &[Head], facts: &FactHits) -> Vec<Range<usize>> {
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

/// What is needed to attach the words of a window to a head.
struct Hand<'a, 'b> {
    extractor: &'a Extractor,
    s: &'a SentenceHits,
    facts: &'a FactHits,
    text: &'a str,
    lower: &'a str,
    builder: &'b mut Builder,
    entity: usize,
}

impl Hand<'_, '_> {
    fn attach(&mut self, head: &Head, window: Range<usize>) {
        if matches!(head.sense, Sense::Normal) {
            self.places(head, head.start.min(window.start)..head.end, true);
            return;
        }
        self.places(head, window.clone(), false);
        self.nearest(head, &window, |s| matches!(s, Sense::Severity(_)));
        self.nearest(head, &window, |s| matches!(s, Sense::Change(_)));
        self.attributes(head, &window);
        if let Some((words, size)) = attributes::size_in(self.s, self.lower, window) {
            self.modify(words, Sense::Size(size.mm));
        }
    }

    /// Places of the window with their sides; sides that belong to no place hang on the head.
    fn places(&mut self, head: &Head, window: Range<usize>, only_own: bool) {
        let taken = |i: &usize| {
            let p = &self.facts.places[*i];
            let here = head.places.contains(i) || (!only_own && window.contains(&p.start));
            here && !self.told_by_name(head, p)
        };
        let places: Vec<usize> = (0..self.facts.places.len()).filter(taken).collect();
        let mut entities = Vec::with_capacity(places.len());
        for &i in &places {
            let hit = self.facts.places[i];
            let entity = self.anatomy(hit.words(), Sense::Place(hit.place));
            self.builder
                .relate(self.entity, Relation::LocatedAt, entity);
            if let Some(side) = hit.side {
                let side = self.anatomy(hit.words(), Sense::Side(side));
                self.builder.relate(side, Relation::Modify, entity);
            }
            entities.push(entity);
        }
        for m in &self.s.modifiers {
            let Some(sense @ Sense::Side(_)) = &self.extractor.lexicon.modifiers[m.what as usize]
            else {
                continue;
            };
            let words = m.start..m.end;
            if !window.contains(&m.start) || self.part_of_name(&words) {
                continue;
            }
            let nearest = places.iter().position(|&i| {
                let p = &self.facts.places[i];
                p.end > m.start && p.start <= m.end + SIDE_REACH
            });
            // Where only the head's own places count, so do only their sides.
            if only_own && nearest.is_none() && !self.after_place(&places, m.start) {
                continue;
            }
            let side = self.anatomy(words, sense.clone());
            match nearest {
                Some(n) => self.builder.relate(side, Relation::Modify, entities[n]),
                None => self.builder.relate(self.entity, Relation::LocatedAt, side),
            }
        }
    }

    fn after_place(&self, places: &[usize], at: usize) -> bool {
        places.iter().any(|&i| {
            let p = &self.facts.places[i];
            p.end <= at && at - p.end <= SIDE_REACH
        })
    }

    /// The rib of a rib fracture is in its name, and the lung of a lung nodule.
    fn told_by_name(&self, head: &Head, place: &PlaceHit) -> bool {
        let Sense::Finding { codes, .. } = &head.sense else {
            return false;
        };
        head.places.is_empty()
            && overlap(&head.span, &place.words())
            && (place.place.code == "lung"
                || codes
                    .iter()
                    .any(|c| super::anatomy::is_home(c, place.place.code)))
    }

    /// The "right" of "right atrium" is no side.
    fn part_of_name(&self, words: &Range<usize>) -> bool {
        let inside =
            |p: &PlaceHit| p.start <= words.start && p.end > words.end && !p.place.paired();
        let single = |p: &PlaceHit| p.place.own_side().is_none();
        self.facts.places.iter().any(|p| inside(p) && single(p))
    }

    /// Attaches the modifier of a kind that stands closest: inside, else before, else behind.
    fn nearest(&mut self, head: &Head, window: &Range<usize>, kind: fn(&Sense) -> bool) {
        let distance = |at: usize| {
            if (head.start..head.end).contains(&at) {
                0
            } else if at < head.start {
                1 + head.start - at
            } else {
                200 + at - head.end
            }
        };
        let senses = &self.extractor.lexicon.modifiers;
        let labelled = self.s.modifiers.iter().filter_map(|m| {
            let sense = senses[m.what as usize].clone()?;
            Some((m.start..m.end, sense))
        });
        let own = &self.facts.changes;
        let own = own.iter().map(|c| (c.start..c.end, Sense::Change(c.what)));
        let best = labelled
            .chain(own)
            .filter(|(words, sense)| window.contains(&words.start) && kind(sense))
            .filter(|(words, sense)| {
                !(matches!(sense, Sense::Severity(_))
                    && is_device(head)
                    && self.is_placement(words))
            })
            .min_by_key(|(words, _)| distance(words.start));
        if let Some((words, sense)) = best {
            self.modify(words, sense);
        }
    }

    /// A tube that was "advanced" is not severe.
    fn is_placement(&self, words: &Range<usize>) -> bool {
        let placement = |a: &Hit<super::AttributeKind>| {
            a.what == super::AttributeKind::Placement && overlap(&(a.start..a.end), words)
        };
        self.facts.attributes.iter().any(placement)
    }

    fn attributes(&mut self, head: &Head, window: &Range<usize>) {
        for hit in &self.facts.attributes {
            let words = hit.start..hit.end;
            if window.contains(&hit.start) && !overlap(&words, &head.span) {
                self.modify(words, Sense::Attribute(hit.what));
            }
        }
    }

    fn modify(&mut self, words: Range<usize>, sense: Sense) {
        let label = Label::Observation(Assertion::Present);
        let entity = self.builder.entity(self.s, self.text, words, label, sense);
        self.builder.relate(entity, Relation::Modify, self.entity);
    }

    fn anatomy(&mut self, words: Range<usize>, sense: Sense) -> usize {
        let label = Label::Anatomy(Assertion::Present);
        self.builder.entity(self.s, self.text, words, label, sense)
    }
}

/// The graph as it grows.
#[derive(Default)]
struct Builder {
    text: String,
    entities: Vec<Entity>,
    /// Tokens of earlier sections.
    base: usize,
    /// Byte ranges of the tokens of this section.
    tokens: Vec<Range<usize>>,
    section: Option<SectionKind>,
    sentence: usize,
    sentence_start: usize,
    last_sign: Option<usize>,
}

impl Builder {
    fn begin_section(&mut self, kind: SectionKind, text: &str) {
        self.base += self.tokens.len();
        self.tokens.clear();
        cut_tokens(text, &mut self.tokens);
        for token in &self.tokens {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(&text[token.clone()]);
        }
        self.section = Some(kind);
        self.last_sign = None;
    }

    /// The entity of these words of the sentence, new or already there.
    fn entity(
        &mut self,
        s: &SentenceHits,
        text: &str,
        words: Range<usize>,
        label: Label,
        sense: Sense,
    ) -> usize {
        let bytes = s.bytes(words.start, words.end);
        let first = self.tokens.partition_point(|t| t.end <= bytes.start);
        let last = self
            .tokens
            .partition_point(|t| t.start < bytes.end)
            .max(first + 1)
            - 1;
        let (start, end) = (self.base + first, self.base + last);
        let same =
            |e: &Entity| e.start == start && e.end == end && e.label == label && e.sense == sense;
        if let Some(at) = self.entities[self.sentence_start..].iter().position(same) {
            return self.sentence_start + at;
        }
        let mut tokens = String::new();
        for token in &self.tokens[first..=last.min(self.tokens.len() - 1)] {
            if !tokens.is_empty() {
                tokens.push(' ');
            }
            tokens.push_str(&text[token.clone()]);
        }
        self.entities.push(Entity {
            key: String::new(),
            tokens,
            start,
            end,
            label,
            sense,
            section: self.section,
            sentence: Some(self.sentence),
            relations: Vec::new(),
        });
        self.entities.len() - 1
    }

    fn relate(&mut self, source: usize, relation: Relation, target: usize) {
        let relations = &mut self.entities[source].relations;
        if source != target && !relations.contains(&(relation, target)) {
            relations.push((relation, target));
        }
    }

    /// A sign that is not denied, and another finding that is not denied.
    fn can_suggest(&self, source: usize, target: usize) -> bool {
        let open = |at: usize| {
            let e = &self.entities[at];
            e.label.assertion() != Assertion::Absent && is_finding(&e.sense)
        };
        source != target && open(source) && open(target)
    }

    /// Entities in the order of the text, with RadGraph's keys from 1.
    fn finish(mut self) -> Graph {
        let mut order: Vec<usize> = (0..self.entities.len()).collect();
        order.sort_by_key(|&i| (self.entities[i].start, self.entities[i].end));
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old] = new;
        }
        for entity in &mut self.entities {
            for relation in &mut entity.relations {
                relation.1 = place[relation.1];
            }
            entity.relations.sort_by_key(|r| (r.1, r.0));
        }
        let mut sorted: Vec<(usize, Entity)> = place.into_iter().zip(self.entities).collect();
        sorted.sort_by_key(|(new, _)| *new);
        let entities = sorted
            .into_iter()
            .map(|(new, mut entity)| {
                entity.key = (new + 1).to_string();
                entity
            })
            .collect();
        Graph {
            text: self.text,
            entities,
        }
    }
}

/// RadGraph's tokens: cut at white space, and each of `/ , : . ! ? ( )` by itself
/// (the preprocessing of the radgraph package for its first model).
pub fn cut_tokens(text: &str, tokens: &mut Vec<Range<usize>>) {
    let mut start = None;
    for (at, c) in text.char_indices() {
        let mark = matches!(c, '/' | ',' | ':' | '.' | '!' | '?' | '(' | ')');
        if mark || c.is_whitespace() {
            tokens.extend(start.take().map(|from| from..at));
            if mark {
                tokens.push(at..at + 1);
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    tokens.extend(start.map(|from| from..text.len()));
}

impl Extractor {
    /// Looks up the senses of entities that another program found, by their own tokens; what a
    /// state such as "enlarged" means is told by the anatomy that it is located at.
    pub(super) fn give_senses(&self, graph: &mut Graph, at: &[usize]) {
        let located = |graph: &Graph, i: usize| -> Option<String> {
            let to = graph.entities[i]
                .relations
                .iter()
                .find(|r| r.0 == Relation::LocatedAt)?;
            Some(graph.entities[to.1].tokens.clone())
        };
        for &i in at {
            let tokens = graph.entities[i].tokens.clone();
            let sense = match graph.entities[i].label {
                Label::Anatomy(_) => self.anatomy_sense(&tokens),
                Label::Observation(_) => located(graph, i)
                    .and_then(|place| self.state_sense(&place, &tokens))
                    .unwrap_or_else(|| self.observation_sense(&tokens)),
            };
            graph.entities[i].sense = sense;
        }
    }

    pub(super) fn hits(&self, lower: &str) -> (SentenceHits, FactHits) {
        let (mut s, mut facts) = (SentenceHits::default(), FactHits::default());
        s.read(self.labels, lower, 0..lower.len());
        facts.read(&self.lexicon, &s, lower);
        (s, facts)
    }

    fn anatomy_sense(&self, tokens: &str) -> Sense {
        let (s, facts) = self.hits(&tokens.to_ascii_lowercase());
        if let Some(place) = facts.places.last() {
            return Sense::Place(place.place);
        }
        self.first_modifier(&s, |m| matches!(m, Sense::Side(_)))
            .unwrap_or(Sense::Unknown)
    }

    pub(super) fn observation_sense(&self, tokens: &str) -> Sense {
        let lower = tokens.to_ascii_lowercase();
        let (s, facts) = self.hits(&lower);
        let term = s.hits.iter().find_map(|h| match h.what {
            Role::Term(id) => Some(self.labels.terms[id as usize].codes.clone()),
            _ => None,
        });
        if let Some(codes) = term.filter(|c| !c.is_empty()) {
            return Sense::Finding {
                codes,
                rules_out: false,
                history: false,
            };
        }
        if let Some((_, size)) = attributes::size_in(&s, &lower, 0..s.words.len()) {
            return Sense::Size(size.mm);
        }
        if let Some(sense) = self.first_modifier(&s, |_| true) {
            return sense;
        }
        if !facts.normal.is_empty() {
            return Sense::Normal;
        }
        facts
            .attributes
            .first()
            .map_or(Sense::Unknown, |a| Sense::Attribute(a.what))
    }

    pub(super) fn first_modifier(
        &self,
        s: &SentenceHits,
        kind: fn(&Sense) -> bool,
    ) -> Option<Sense> {
        s.modifiers
            .iter()
            .filter_map(|m| self.lexicon.modifiers[m.what as usize].clone())
            .find(kind)
    }

    pub(super) fn state_sense(&self, place: &str, tokens: &str) -> Option<Sense> {
        let lower = format!("{place} is {tokens}").to_ascii_lowercase();
        let (s, _) = self.hits(&lower);
        let stated = state::stated(self.labels, &s, &lower);
        let rule = stated.first().map(|s| s.rule)?;
        (rule.says != Says::Unstated).then(|| Sense::Finding {
            codes: rule.codes.clone(),
            rules_out: rule.says == Says::Absent,
            history: false,
        })
    }
}
