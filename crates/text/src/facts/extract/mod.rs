//! From a report to its [`Graph`], by rules with scopes.
//!
//! A sentence's *heads* are the findings of the labeler, structures with their states, and
//! statements of normality. Whether each is present, absent or uncertain is the labeler's own
//! judgement. Every place, side, severity, change, size and describing word then belongs to the
//! head in whose *window* it stands; windows are split at joins, stops, links and negations between
//! two heads. Findings that the labeler only infers (congestion as a hint of oedema) are left out:
//! facts are what is said.

mod attach;
mod builder;
mod heads;
mod hits;
mod senses;
mod windows;

pub use builder::cut_tokens;
pub use heads::Head;
pub(super) use hits::{FactHits, PlaceHit};

use super::lexicon::FactLexicon;
use super::{Assertion, Graph, Label, Relation, links};
use crate::error::TextError;
use crate::label::hits::SentenceHits;
use crate::label::{Labeler, bounded, chosen};
use crate::lexicon::Lexicon;
use crate::report::{ReportText, SectionKind};
use crate::sentence;
use attach::Hand;
use builder::Builder;
use heads::is_finding;
use std::ops::Range;
use std::sync::LazyLock;

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
        let heads = heads::of(self.labels, s, facts, lower);
        if heads.is_empty() {
            return;
        }
        let windows = windows::windows(s, lower, &heads, facts);
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
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}
