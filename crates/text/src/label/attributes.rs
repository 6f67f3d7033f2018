//! Side, place, severity, change and size of a mention.

use super::hits::SentenceHits;
use crate::lexicon::{CueKind, Lexicon, ModifierKind, Role};
use serde::Serialize;
use std::ops::Range;

/// A size as written, and in millimetres. It is what the report says, not a measurement of an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Size {
    /// Numbers in the order written, in `unit`.
    pub values: Vec<f64>,
    /// `mm` or `cm`.
    pub unit: &'static str,
    /// The same numbers in millimetres.
    pub mm: Vec<f64>,
}

/// What the words round a mention say about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Attributes {
    /// left, right, bilateral, midline
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<String>,
    /// Places in the order of the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// minimal, mild, moderate, severe
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// new, worse, better, same, gone
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// Size, if given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
}

/// Gathers the attributes of the mention at words `start..end`.
pub fn gather(
    lexicon: &Lexicon,
    s: &SentenceHits,
    lower: &str,
    start: usize,
    end: usize,
) -> Attributes {
    let window = window(s, start, end);
    let mut attributes = Attributes::default();
    // Inside the phrase first, then nearest in front, then nearest behind.
    let order = |at: usize| {
        if at >= start && at < end {
            0
        } else if at < start {
            1 + (start - at)
        } else {
            200 + (at - end)
        }
    };
    let mut near: Vec<_> = s
        .modifiers
        .iter()
        .filter(|m| window.contains(&m.start))
        .collect();
    near.sort_by_key(|m| order(m.start));
    for hit in &near {
        attributes.take(lexicon, hit.what);
    }
    if sides_differ(lexicon, &near) {
        attributes.side = Some("bilateral".to_owned());
    }
    attributes.size = size_in(s, lower, window).map(|(_, size)| size);
    attributes
}

impl Attributes {
    fn take(&mut self, lexicon: &Lexicon, id: u32) {
        let modifier = &lexicon.modifiers[id as usize];
        let slot = match modifier.kind {
            ModifierKind::Side => &mut self.side,
            ModifierKind::Severity => &mut self.severity,
            ModifierKind::Change => &mut self.change,
            ModifierKind::Place => {
                if !self.places.contains(&modifier.value) {
                    self.places.push(modifier.value.clone());
                }
                return;
            }
        };
        slot.get_or_insert_with(|| modifier.value.clone());
    }
}

/// "right and left", "right greater than left".
fn sides_differ(lexicon: &Lexicon, near: &[&super::hits::Hit<u32>]) -> bool {
    let has = |value: &str| {
        near.iter().any(|m| {
            let modifier = &lexicon.modifiers[m.what as usize];
            modifier.kind == ModifierKind::Side && modifier.value == value
        })
    };
    has("left") && has("right")
}

/// Words that belong to the mention: back to the mention before it, or to a comma, `and` or
/// stop that a mention stands before; forward to the next of these.
fn window(s: &SentenceHits, start: usize, end: usize) -> Range<usize> {
    let alone = !s.hits.iter().any(|h| {
        (h.end <= start || h.start >= end) && matches!(h.what, Role::Term(_) | Role::Structure(_))
    });
    if alone {
        return 0..s.words.len();
    }
    let mut from = 0;
    let mut boundary = None;
    for hit in s.hits.iter().filter(|h| h.end <= start) {
        match hit.what {
            // After a mention the next one begins at the join, or straight away.
            Role::Term(_) | Role::Structure(_) => {
                from = hit.end;
                boundary = None;
            }
            Role::Cue(CueKind::Stop) => from = hit.end.min(start),
            Role::Cue(CueKind::Join) => boundary = boundary.or(Some(hit.end)),
            _ => {}
        }
    }
    if from > 0 {
        from = boundary.filter(|&b| b >= from).unwrap_or(from);
    }
    let ends = |h: &&super::hits::Hit<Role>| {
        h.start >= end
            && matches!(
                h.what,
                Role::Term(_) | Role::Structure(_) | Role::Cue(CueKind::Stop | CueKind::Join)
            )
    };
    let to = s.hits.iter().find(ends).map_or(s.words.len(), |h| h.start);
    from..to.max(end)
}

/// First `number [x number ...] cm|mm` that begins inside the words, with its own words.
pub(crate) fn size_in(
    s: &SentenceHits,
    lower: &str,
    window: Range<usize>,
) -> Option<(Range<usize>, Size)> {
    let word = |i: usize| s.words.get(i).map(|w| w.of(lower));
    let number = |i: usize| {
        word(i)
            .filter(|w| w.starts_with(|c: char| c.is_ascii_digit()))
            .and_then(|w| w.parse::<f64>().ok())
    };
    for at in window {
        let Some(first) = number(at) else { continue };
        let mut values = vec![first];
        let mut next = at + 1;
        while matches!(word(next), Some("x" | "by" | "×")) {
            let Some(value) = number(next + 1) else { break };
            values.push(value);
            next += 2;
        }
        // `2 cm x 3 cm` repeats its unit.
        let (unit, factor) = match word(next) {
            Some("mm" | "millimeter" | "millimeters" | "millimetre" | "millimetres") => ("mm", 1.0),
            Some("cm" | "centimeter" | "centimeters" | "centimetre" | "centimetres") => {
                ("cm", 10.0)
            }
            _ => continue,
        };
        while matches!(word(next + 1), Some("x" | "by"))
            && number(next + 2).is_some()
            && word(next + 3) == word(next)
        {
            values.extend(number(next + 2));
            next += 3;
        }
        let mm = values.iter().map(|v| v * factor).collect();
        return Some((at..next + 1, Size { values, unit, mm }));
    }
    None
}
