//! The labeler: mention, classify, aggregate.
//!
//! The three steps are those of the CheXpert labeler (Irvin et al. 2019, section 3): find phrases,
//! decide for each whether it is present, absent or uncertain, and let one value per finding win:
//! present over uncertain over absent; `None` where nothing was said. `no_finding` is present when
//! no finding other than a device is present or uncertain. Words, not dependency parses, carry the
//! rules (see [`scope`]), so a report takes microseconds and nothing has to be installed.

pub mod attributes;
mod explain;
pub mod hits;
pub mod scope;
pub(crate) mod state;

use crate::error::TextError;
use crate::lexicon::{CHEXPERT, CueKind, Lexicon, Role};
use crate::report::{ReportText, SectionKind, SectionText};
use crate::sentence;
use attributes::Attributes;
use hilum_core::taxonomy;
use hits::{Hit, SentenceHits};
use scope::{Judgement, Polarity};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

pub use explain::explain;

/// Bytes of a sentence that rules look at together.
const MAX_SENTENCE: usize = 4096;

/// What a report says about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LabelValue {
    /// Said not to be there: 0.
    Absent,
    /// Left open: -1.
    Uncertain,
    /// Said to be there: 1.
    Present,
}

impl LabelValue {
    /// CheXpert's number: 1, 0 or -1.
    pub fn as_i8(self) -> i8 {
        match self {
            LabelValue::Present => 1,
            LabelValue::Absent => 0,
            LabelValue::Uncertain => -1,
        }
    }
}

impl Serialize for LabelValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i8(self.as_i8())
    }
}

/// Why a mention is not simply present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CueClass {
    /// "no", "has resolved", "normal".
    Negation,
    /// "history of".
    History,
    /// "may represent", "possible", "or".
    Hedge,
    /// The structure is named and its state left open: "heart size is stable".
    Unstated,
    /// Congestion as a hint of oedema, heart failure as one of cardiomegaly (CheXpert's rules).
    Implied,
}

/// Characters `start..end` (Unicode scalar values) of a section's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// First character.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

/// The words that turned a mention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cue {
    /// As written.
    pub text: String,
    /// Where.
    pub span: Span,
    /// What it did.
    pub class: CueClass,
    /// A hedge that leans to the finding: "probable", "A or B".
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub leans: bool,
}

/// One mention of a finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mention {
    /// Codes it counts for.
    pub codes: Vec<&'static str>,
    /// As written.
    pub text: String,
    /// Section it stands in.
    pub section: SectionKind,
    /// Index of that section in the report.
    pub section_index: usize,
    /// Sentence within the section, from 0.
    pub sentence: usize,
    /// Where in the section.
    pub span: Span,
    /// What is said.
    pub value: LabelValue,
    /// What turned it, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cue: Option<Cue>,
    /// Side, places, severity, change, size.
    #[serde(flatten)]
    pub attributes: Attributes,
}

/// Which codes are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LabelSpace {
    /// Every code the lexicon knows, CheXpert's 14 first.
    #[default]
    All,
    /// CheXpert's 14.
    Chexpert,
}

/// How uncertain mentions count when one asks for presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UncertainPolicy {
    /// As absent (U-zeros).
    Zeros,
    /// As present (U-ones).
    Ones,
    /// As present where a hedge made them so ("may represent"); open or implied ones as absent.
    HedgesOnes,
    /// The same for signs, as absent for diseases: a sign in doubt was seen, a disease in doubt is
    /// a guess about it. Which is which the taxonomy says.
    SignsOnes,
    /// As present where the hedge leans to it ("probable effusion", "atelectasis or scarring"), as absent where it only names a
    /// possibility ("may represent", "cannot exclude").
    LeaningOnes,
}

/// What to label and how.
#[derive(Debug, Clone)]
pub struct LabelOptions {
    /// Sections to read; a report without any heading is read whole.
    pub sections: Vec<SectionKind>,
    /// Codes to give.
    pub space: LabelSpace,
    /// Off: every mention is present. Only for measuring what the rules bring.
    pub negation: bool,
}

impl Default for LabelOptions {
    fn default() -> Self {
        LabelOptions {
            sections: vec![SectionKind::Findings, SectionKind::Impression],
            space: LabelSpace::All,
            negation: true,
        }
    }
}

/// The labels of one report.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// Codes that could have been given, in order.
    pub codes: Arc<[&'static str]>,
    /// Values of the codes that were mentioned.
    pub values: BTreeMap<&'static str, LabelValue>,
    /// Every mention in the order of the text.
    pub mentions: Vec<Mention>,
}

impl Labels {
    /// Value of a code; `None` when nothing was said about it.
    pub fn value(&self, code: &str) -> Option<LabelValue> {
        self.values.get(code).copied()
    }

    /// Mentions that count for a code.
    pub fn mentions_of(&self, code: &str) -> impl Iterator<Item = &Mention> {
        self.mentions
            .iter()
            .filter(move |m| m.codes.contains(&code))
    }

    /// Whether a code counts as present under a policy.
    pub fn present(&self, code: &str, policy: UncertainPolicy) -> bool {
        match self.value(code) {
            Some(LabelValue::Present) => true,
            Some(LabelValue::Uncertain) => match policy {
                UncertainPolicy::Zeros => false,
                UncertainPolicy::Ones => true,
                UncertainPolicy::HedgesOnes => self.hedged(code),
                UncertainPolicy::SignsOnes => self.hedged(code) && !is_disease(code),
                UncertainPolicy::LeaningOnes => self.doubted(code, |cue| cue.leans),
            },
            _ => false,
        }
    }

    fn hedged(&self, code: &str) -> bool {
        self.doubted(code, |cue| cue.class == CueClass::Hedge)
    }

    fn doubted(&self, code: &str, how: impl Fn(&Cue) -> bool) -> bool {
        self.mentions_of(code)
            .any(|m| m.value == LabelValue::Uncertain && m.cue.as_ref().is_some_and(&how))
    }

    /// `{"cardiomegaly": 1, "edema": null, ...}` over every code of the label space, in its order.
    pub fn to_map(&self) -> serde_json::Map<String, serde_json::Value> {
        let value = |code: &&'static str| {
            let number = self.value(code).map(|v| serde_json::Value::from(v.as_i8()));
            (
                (*code).to_owned(),
                number.unwrap_or(serde_json::Value::Null),
            )
        };
        self.codes.iter().map(value).collect()
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("Labels", 2)?;
        out.serialize_field("labels", &self.to_map())?;
        out.serialize_field("mentions", &self.mentions)?;
        out.end()
    }
}

static SHARED: LazyLock<Labeler> = LazyLock::new(|| match Lexicon::embedded() {
    Ok(lexicon) => Labeler::new(lexicon),
    // The files are part of the binary and a test reads them.
    Err(e) => unreachable!("embedded lexicon: {e}"),
});

/// The labeler; cheap to share, safe to use from many threads.
#[derive(Debug)]
pub struct Labeler {
    lexicon: Lexicon,
    all: Arc<[&'static str]>,
    chexpert: Arc<[&'static str]>,
}

impl Labeler {
    /// A labeler over a lexicon.
    pub fn new(lexicon: Lexicon) -> Self {
        let all = lexicon.codes.clone().into();
        Labeler {
            lexicon,
            all,
            chexpert: CHEXPERT.to_vec().into(),
        }
    }

    /// The labeler over the embedded lexicon, built once.
    pub fn shared() -> &'static Labeler {
        &SHARED
    }

    /// The lexicon in use.
    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }

    /// Codes of a label space, in order.
    pub fn codes(&self, space: LabelSpace) -> Arc<[&'static str]> {
        match space {
            LabelSpace::All => self.all.clone(),
            LabelSpace::Chexpert => self.chexpert.clone(),
        }
    }

    /// Labels one report.
    ///
    /// Errors: [`TextError::EmptyReport`] without any text, [`TextError::NoSuchSection`] when there
    /// is text but none in the sections asked for.
    pub fn label(&self, report: &ReportText, options: &LabelOptions) -> Result<Labels, TextError> {
        let mut mentions = Vec::new();
        for (index, section) in chosen(report, &options.sections)? {
            self.read_section(index, section, options.negation, &mut mentions);
        }
        let codes = self.codes(options.space);
        if options.space == LabelSpace::Chexpert {
            for mention in &mut mentions {
                mention
                    .codes
                    .retain(|c| codes.contains(c) || *c == "other_finding");
            }
        }
        let values = aggregate(&mentions);
        let mut labels = Labels {
            codes,
            values,
            mentions,
        };
        labels.values.retain(|code, _| labels.codes.contains(code));
        Ok(labels)
    }

    fn read_section(
        &self,
        index: usize,
        section: &SectionText,
        negation: bool,
        mentions: &mut Vec<Mention>,
    ) {
        let lower = section.text.to_ascii_lowercase();
        let chars = char_index(&section.text);
        let mut s = SentenceHits::default();
        for (number, range) in sentence::split(&section.text).into_iter().enumerate() {
            let place = Place {
                index,
                kind: section.kind,
                sentence: number,
                text: &section.text,
                lower: &lower,
                chars: &chars,
            };
            for part in bounded(&section.text, range) {
                s.read(&self.lexicon, &lower, part);
                self.read_sentence(&s, &place, negation, mentions);
            }
        }
    }

    fn read_sentence(
        &self,
        s: &SentenceHits,
        place: &Place,
        negation: bool,
        mentions: &mut Vec<Mention>,
    ) {
        let first = mentions.len();
        for stated in state::stated(&self.lexicon, s, place.lower) {
            let span = stated.structure.start.min(stated.state.start)
                ..stated.structure.end.max(stated.state.end);
            let class = match stated.rule.says {
                crate::lexicon::Says::Unstated => Some(CueClass::Unstated),
                crate::lexicon::Says::Uncertain => Some(CueClass::Hedge),
                _ => None,
            };
            let judged = switch(stated.judgement, negation);
            mentions.push(self.mention(s, place, span, &stated.rule.codes, judged, class));
        }
        for hit in &s.hits {
            let Role::Term(id) = hit.what else { continue };
            let judged = switch(scope::judge(s, place.lower, hit.start, hit.end), negation);
            self.term_mentions(s, place, hit, id, judged, mentions);
        }
        mentions[first..].sort_by_key(|m| m.span.start);
    }

    fn term_mentions(
        &self,
        s: &SentenceHits,
        place: &Place,
        hit: &Hit<Role>,
        id: u16,
        judged: Judgement,
        out: &mut Vec<Mention>,
    ) {
        let term = &self.lexicon.terms[id as usize];
        let range = hit.start..hit.end;
        out.push(self.mention(s, place, range.clone(), &term.codes, judged, None));
        let present = judged.polarity != Polarity::Absent;
        let own = Hit {
            start: hit.start,
            end: hit.end,
            what: CueKind::UncPre,
        };
        let doubt = Judgement {
            polarity: Polarity::Uncertain,
            cue: Some(own),
        };
        if !term.hedged.is_empty() {
            let judged = if present { doubt } else { judged };
            let class = present.then_some(CueClass::Implied);
            out.push(self.mention(s, place, range.clone(), &term.hedged, judged, class));
        }
        if !term.implied.is_empty() && present {
            out.push(self.mention(
                s,
                place,
                range,
                &term.implied,
                doubt,
                Some(CueClass::Implied),
            ));
        }
    }

    fn mention(
        &self,
        s: &SentenceHits,
        place: &Place,
        words: Range<usize>,
        codes: &[&'static str],
        judged: Judgement,
        class: Option<CueClass>,
    ) -> Mention {
        let bytes = s.bytes(words.start, words.end);
        let cue = judged.cue.map(|cue| {
            let range = s.bytes(cue.start, cue.end);
            let class = class.unwrap_or(class_of(cue.what));
            let at = (words.start, words.end);
            let leaning = &self.lexicon.leaning;
            Cue {
                text: place.text[range.clone()].to_owned(),
                span: place.span(range),
                class,
                leans: class == CueClass::Hedge && scope::leans(s, place.lower, leaning, at, cue),
            }
        });
        Mention {
            codes: codes.to_vec(),
            text: place.text[bytes.clone()].to_owned(),
            section: place.kind,
            section_index: place.index,
            sentence: place.sentence,
            span: place.span(bytes),
            value: value_of(judged.polarity),
            cue,
            attributes: attributes::gather(&self.lexicon, s, place.lower, words.start, words.end),
        }
    }
}

/// Where a sentence stands.
struct Place<'a> {
    index: usize,
    kind: SectionKind,
    sentence: usize,
    text: &'a str,
    lower: &'a str,
    chars: &'a [u32],
}

/// Cuts a sentence longer than [`MAX_SENTENCE`] at blanks: rules compare every phrase of a sentence
/// with every other, and a megabyte without a full stop must not take hours.
pub(crate) fn bounded(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut rest = range;
    while rest.len() > MAX_SENTENCE {
        let end = text.floor_char_boundary(rest.start + MAX_SENTENCE);
        let blank = text[rest.start..end]
            .rfind(char::is_whitespace)
            .filter(|&at| at > 0);
        let cut = blank.map_or(end, |at| rest.start + at);
        parts.push(rest.start..cut);
        rest.start = cut;
    }
    parts.push(rest);
    parts
}

/// Number of characters before each byte; empty when every byte is a character.
fn char_index(text: &str) -> Vec<u32> {
    if text.is_ascii() {
        return Vec::new();
    }
    let mut index = vec![0; text.len() + 1];
    for (number, (at, _)) in text.char_indices().enumerate() {
        index[at] = number as u32;
    }
    index[text.len()] = text.chars().count() as u32;
    index
}

impl Place<'_> {
    fn span(&self, bytes: Range<usize>) -> Span {
        let char_at = |byte: usize| self.chars.get(byte).map_or(byte, |&c| c as usize);
        Span {
            start: char_at(bytes.start),
            end: char_at(bytes.end),
        }
    }
}

fn value_of(polarity: Polarity) -> LabelValue {
    match polarity {
        Polarity::Present => LabelValue::Present,
        Polarity::Absent => LabelValue::Absent,
        Polarity::Uncertain => LabelValue::Uncertain,
    }
}

fn class_of(kind: CueKind) -> CueClass {
    match kind {
        CueKind::NegPre | CueKind::NegPost => CueClass::Negation,
        CueKind::PastPre => CueClass::History,
        _ => CueClass::Hedge,
    }
}

fn switch(judged: Judgement, negation: bool) -> Judgement {
    if negation {
        judged
    } else {
        Judgement {
            polarity: Polarity::Present,
            cue: None,
        }
    }
}

/// Sections to read with their index; unlabelled text stands in where there is no heading at all.
pub(crate) fn chosen<'a>(
    report: &'a ReportText,
    wanted: &[SectionKind],
) -> Result<Vec<(usize, &'a SectionText)>, TextError> {
    if report.is_empty() {
        return Err(TextError::EmptyReport);
    }
    let pick = |kinds: &[SectionKind]| -> Vec<(usize, &SectionText)> {
        let filled = |s: &&SectionText| kinds.contains(&s.kind) && !s.text.trim().is_empty();
        report
            .sections
            .iter()
            .enumerate()
            .filter(|(_, s)| filled(s))
            .collect()
    };
    let named = pick(wanted);
    if !named.is_empty() {
        return Ok(named);
    }
    let rest = pick(&[SectionKind::Unlabelled]);
    if !rest.is_empty() {
        return Ok(rest);
    }
    Err(TextError::NoSuchSection {
        wanted: wanted.iter().map(|k| k.name().to_owned()).collect(),
        present: report
            .sections
            .iter()
            .map(|s| s.kind.name().to_owned())
            .collect(),
    })
}

/// Present over uncertain over absent; then the rule for `no_finding`.
fn aggregate(mentions: &[Mention]) -> BTreeMap<&'static str, LabelValue> {
    let mut values: BTreeMap<&'static str, LabelValue> = BTreeMap::new();
    let mut no_finding = true;
    for mention in mentions {
        for &code in &mention.codes {
            let value = values.entry(code).or_insert(mention.value);
            *value = (*value).max(mention.value);
            if mention.value != LabelValue::Absent && !is_device(code) {
                no_finding = false;
            }
        }
    }
    if no_finding {
        values.insert("no_finding", LabelValue::Present);
    }
    values
}

fn is_disease(code: &str) -> bool {
    taxonomy::by_code(code).is_some_and(|t| t.kind == taxonomy::Kind::Disease)
}

fn is_device(code: &str) -> bool {
    taxonomy::by_code(code).is_some_and(|t| t.kind == taxonomy::Kind::Device)
}

#[cfg(test)]
mod tests;
