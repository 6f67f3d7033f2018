//! Content items: the tree of a structured report (PS3.3, C.17.3), between a reading and a data set.

use crate::code::{Code, OWN};
use crate::error::{ObjectError, Result};
use dicom_core::{PrimitiveValue, VR, dicom_value};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use hilum_core::Point;
use hilum_dicom::object::{element, text};
use hilum_dicom::write::{DataSet, decimal, uid};

/// Deepest nesting that is read. TID 1500 needs seven.
const DEEPEST: usize = 32;

/// How an item stands to the one above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// CONTAINS
    Contains,
    /// HAS PROPERTIES
    Properties,
    /// HAS OBS CONTEXT
    Context,
    /// HAS ACQ CONTEXT
    Acquisition,
    /// INFERRED FROM
    InferredFrom,
    /// SELECTED FROM
    SelectedFrom,
    /// HAS CONCEPT MOD
    Modifier,
}

impl Relation {
    const ALL: [(Relation, &'static str); 7] = [
        (Relation::Contains, "CONTAINS"),
        (Relation::Properties, "HAS PROPERTIES"),
        (Relation::Context, "HAS OBS CONTEXT"),
        (Relation::Acquisition, "HAS ACQ CONTEXT"),
        (Relation::InferredFrom, "INFERRED FROM"),
        (Relation::SelectedFrom, "SELECTED FROM"),
        (Relation::Modifier, "HAS CONCEPT MOD"),
    ];

    fn name(self) -> &'static str {
        Relation::ALL
            .iter()
            .find(|(r, _)| *r == self)
            .map_or("CONTAINS", |(_, name)| name)
    }
}

/// A reference to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRef {
    /// SOP Class UID.
    pub class: String,
    /// SOP Instance UID.
    pub instance: String,
    /// Frame from 1, for an image of several.
    pub frame: Option<u32>,
}

/// What an item says.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Others below it.
    Container,
    /// A code.
    Code(Code),
    /// Words.
    Text(String),
    /// A number with its unit; without a value the reason is a code of CID 42.
    Number {
        /// Value and unit.
        value: Option<(f64, Code)>,
        /// Why there is none.
        qualifier: Option<Code>,
    },
    /// A UID.
    Uid(String),
    /// An image.
    Image(ImageRef),
    /// Places in an image: column and row, origin at the outer corner of the first pixel.
    Places {
        /// POLYLINE, POINT, MULTIPOINT, CIRCLE or ELLIPSE.
        kind: String,
        /// The points, in single precision.
        points: Vec<Point>,
    },
    /// Of a kind that is not looked at; its value type.
    Other(String),
}

/// One item with those below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// How it stands to the one above.
    pub relation: Relation,
    /// What it is about; images of a library have none.
    pub name: Option<Code>,
    /// What it says.
    pub value: Value,
    /// Those below.
    pub below: Vec<Item>,
    /// Template id of a container.
    pub template: Option<String>,
}

impl Item {
    /// An item with nothing below it.
    pub fn new(relation: Relation, name: Code, value: Value) -> Self {
        Item {
            relation,
            name: Some(name),
            value,
            below: Vec::new(),
            template: None,
        }
    }

    pub(crate) fn container(name: Code, below: Vec<Item>) -> Self {
        Item {
            below,
            ..Item::new(Relation::Contains, name, Value::Container)
        }
    }

    pub(crate) fn code(name: Code, code: Code) -> Self {
        Item::new(Relation::Contains, name, Value::Code(code))
    }

    pub(crate) fn text(name: Code, words: &str) -> Self {
        Item::new(Relation::Contains, name, Value::Text(guarded(words)))
    }

    pub(crate) fn number(name: Code, value: f64, unit: Code) -> Self {
        let value = Value::Number {
            value: Some((value, unit)),
            qualifier: None,
        };
        Item::new(Relation::Contains, name, value)
    }

    pub(crate) fn uid(name: Code, uid: &str) -> Self {
        Item::new(Relation::Contains, name, Value::Uid(uid.to_owned()))
    }

    pub(crate) fn related(self, relation: Relation) -> Self {
        Item { relation, ..self }
    }

    pub(crate) fn with(mut self, below: impl IntoIterator<Item = Item>) -> Self {
        self.below.extend(below);
        self
    }

    pub(crate) fn of_template(mut self, id: &str) -> Self {
        self.template = Some(id.to_owned());
        self
    }

    /// Items below that are about `name`.
    pub fn all<'a>(&'a self, name: &Code) -> impl Iterator<Item = &'a Item> + use<'a> {
        let name = name.clone();
        self.below
            .iter()
            .filter(move |i| i.name.as_ref() == Some(&name))
    }

    /// The first item below that is about `name`.
    pub fn first(&self, name: &Code) -> Option<&Item> {
        self.all(name).next()
    }

    /// Its own words, when it says words.
    pub fn own_words(&self) -> Option<String> {
        match &self.value {
            Value::Text(words) => Some(unguarded(words)),
            _ => None,
        }
    }

    /// Words of the item below that is about `name`.
    pub fn words(&self, name: &Code) -> Option<String> {
        self.all(name).find_map(Item::own_words)
    }

    /// Code of the item below that is about `name`.
    pub fn coded(&self, name: &Code) -> Option<&Code> {
        self.all(name).find_map(|item| match &item.value {
            Value::Code(code) => Some(code),
            _ => None,
        })
    }

    /// Number and unit of the item below that is about `name`.
    pub fn measured(&self, name: &Code) -> Option<(f64, &Code)> {
        self.all(name).find_map(|item| match &item.value {
            Value::Number {
                value: Some((value, unit)),
                ..
            } => Some((*value, unit)),
            _ => None,
        })
    }

    /// UID of the item below that is about `name`.
    pub fn identified(&self, name: &Code) -> Option<&str> {
        self.all(name).find_map(|item| match &item.value {
            Value::Uid(uid) => Some(uid.as_str()),
            _ => None,
        })
    }
}

/// Text values lose leading and trailing spaces on the way, and must not be empty; such words are written as a JSON
/// string.
fn guarded(words: &str) -> String {
    let plain = !words.is_empty()
        && words.trim() == words
        && !words.starts_with('"')
        && !words.chars().any(|c| c.is_control() || c == '\u{feff}');
    if plain {
        words.to_owned()
    } else {
        serde_json::Value::from(words).to_string()
    }
}

pub(crate) fn unguarded(words: &str) -> String {
    if words.starts_with('"')
        && let Ok(text) = serde_json::from_str(words)
    {
        return text;
    }
    words.to_owned()
}

/// UID of Hilum's coding scheme.
fn own_scheme_uid() -> String {
    uid(&[b"coding scheme", OWN.as_bytes()])
}

/// Says which schemes the codes come from (Coding Scheme Identification Sequence).
pub(crate) fn put_schemes(set: &mut DataSet) {
    let scheme = |designator: &str, uid: &str, name: &str| {
        let mut item = DataSet::default();
        item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, designator);
        item.text(tags::CODING_SCHEME_UID, VR::UI, uid);
        item.text(tags::CODING_SCHEME_NAME, VR::ST, name);
        item
    };
    let schemes = vec![
        scheme(OWN, &own_scheme_uid(), "Hilum: terms of its readings"),
        scheme("RADLEX", "2.16.840.1.113883.6.256", "RadLex"),
    ];
    set.sequence(tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, schemes);
}

/// One code as an item of a code sequence; long values go where they fit.
pub(crate) fn code_item(code: &Code, others: &[Code]) -> DataSet {
    let mut item = DataSet::default();
    if code.value.len() <= 16 {
        item.text(tags::CODE_VALUE, VR::SH, &code.value);
    } else {
        item.text(tags::LONG_CODE_VALUE, VR::UC, &code.value);
    }
    item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, &code.scheme);
    item.text(tags::CODE_MEANING, VR::LO, &meaning(&code.meaning));
    if !others.is_empty() {
        let others = others.iter().map(|c| code_item(c, &[])).collect();
        item.sequence(tags::EQUIVALENT_CODE_SEQUENCE, others);
    }
    item
}

/// A meaning of at most 64 characters without those that a long string cannot hold.
pub(crate) fn meaning(words: &str) -> String {
    let clean: String = words
        .chars()
        .map(|c| if c.is_control() || c == '\\' { ' ' } else { c })
        .collect();
    let short: String = clean.trim().chars().take(64).collect();
    let short = short.trim_end();
    if short.is_empty() {
        "unnamed".to_owned()
    } else {
        short.to_owned()
    }
}

impl Item {
    /// As an item of a content sequence; the root leaves its relation out.
    pub(crate) fn data_set(&self, root: bool) -> DataSet {
        let mut set = DataSet::default();
        self.put_into(&mut set, root);
        set
    }

    /// Puts the item into a data set, as the root of a document is.
    pub fn put_into(&self, set: &mut DataSet, root: bool) {
        if !root {
            set.text(tags::RELATIONSHIP_TYPE, VR::CS, self.relation.name());
        }
        if let Some(name) = &self.name {
            set.sequence(tags::CONCEPT_NAME_CODE_SEQUENCE, vec![code_item(name, &[])]);
        }
        self.put_value(set);
        if let Some(template) = &self.template {
            let mut item = DataSet::default();
            item.text(tags::MAPPING_RESOURCE, VR::CS, "DCMR");
            item.text(tags::TEMPLATE_IDENTIFIER, VR::CS, template);
            set.sequence(tags::CONTENT_TEMPLATE_SEQUENCE, vec![item]);
        }
        if !self.below.is_empty() {
            let below = self.below.iter().map(|i| i.data_set(false)).collect();
            set.sequence(tags::CONTENT_SEQUENCE, below);
        }
    }

    fn put_value(&self, set: &mut DataSet) {
        let mut kind = |name: &str| set.text(tags::VALUE_TYPE, VR::CS, name);
        match &self.value {
            Value::Container => {
                kind("CONTAINER");
                set.text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE");
            }
            Value::Code(code) => {
                kind("CODE");
                let others: Vec<Code> = match crate::code::finding_of(code) {
                    Some(taxon) => crate::code::of_finding(taxon.code, &code.meaning)
                        .into_iter()
                        .filter(|c| c != code)
                        .collect(),
                    None => Vec::new(),
                };
                set.sequence(tags::CONCEPT_CODE_SEQUENCE, vec![code_item(code, &others)]);
            }
            Value::Text(words) => {
                kind("TEXT");
                set.text(tags::TEXT_VALUE, VR::UT, words);
            }
            Value::Number { value, qualifier } => {
                kind("NUM");
                put_number(set, value.as_ref(), qualifier.as_ref());
            }
            Value::Uid(uid) => {
                kind("UIDREF");
                set.text(tags::UID, VR::UI, uid);
            }
            Value::Image(image) => {
                kind("IMAGE");
                let item = reference(&image.class, &image.instance, image.frame);
                set.sequence(tags::REFERENCED_SOP_SEQUENCE, vec![item]);
            }
            Value::Places {
                kind: shape,
                points,
            } => {
                kind("SCOORD");
                set.text(tags::GRAPHIC_TYPE, VR::CS, shape);
                let flat = points.iter().flat_map(|p| [p.x as f32, p.y as f32]);
                let data = PrimitiveValue::F32(flat.collect());
                set.put(tags::GRAPHIC_DATA, VR::FL, data);
                set.text(tags::PIXEL_ORIGIN_INTERPRETATION, VR::CS, "FRAME");
            }
            Value::Other(name) => kind(name),
        }
    }
}

/// A reference to a SOP instance.
pub(crate) fn reference(class: &str, instance: &str, frame: Option<u32>) -> DataSet {
    let mut item = DataSet::default();
    item.text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, class);
    item.text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance);
    if let Some(frame) = frame {
        item.text(tags::REFERENCED_FRAME_NUMBER, VR::IS, &frame.to_string());
    }
    item
}

fn put_number(set: &mut DataSet, value: Option<&(f64, Code)>, qualifier: Option<&Code>) {
    let items = value.map(|(value, unit)| {
        let mut item = DataSet::default();
        item.decimal(tags::NUMERIC_VALUE, &[*value]);
        // The decimal string has sixteen characters; the exact value stands beside it where they are too few.
        if decimal(*value).parse::<f64>() != Ok(*value) {
            item.put(
                tags::FLOATING_POINT_VALUE,
                VR::FD,
                dicom_value!(F64, [*value]),
            );
        }
        item.sequence(
            tags::MEASUREMENT_UNITS_CODE_SEQUENCE,
            vec![code_item(unit, &[])],
        );
        item
    });
    set.sequence(
        tags::MEASURED_VALUE_SEQUENCE,
        items.into_iter().collect::<Vec<_>>(),
    );
    if let Some(qualifier) = qualifier {
        set.sequence(
            tags::NUMERIC_VALUE_QUALIFIER_CODE_SEQUENCE,
            vec![code_item(qualifier, &[])],
        );
    }
}

impl Item {
    /// The tree of a structured report. Items that only refer to others are left out, those of kinds that are not
    /// looked at are kept as [`Value::Other`].
    ///
    /// # Errors
    /// [`ObjectError::Report`] for a data set without a root, or one that is nested without end.
    pub fn parse(data: &InMemDicomObject) -> Result<Self> {
        let kind = text(data, tags::VALUE_TYPE);
        if kind.as_deref() != Some("CONTAINER") {
            return Err(ObjectError::Report {
                reason: "its root is no container".to_owned(),
            });
        }
        parse_item(data, Relation::Contains, 0)
    }
}

fn parse_item(data: &InMemDicomObject, relation: Relation, depth: usize) -> Result<Item> {
    if depth > DEEPEST {
        return Err(ObjectError::Report {
            reason: format!("its content is nested deeper than {DEEPEST} levels"),
        });
    }
    let mut below = Vec::new();
    for item in items(data, dicom_dictionary_std::tags::CONTENT_SEQUENCE) {
        let named = text(item, tags::RELATIONSHIP_TYPE).unwrap_or_default();
        let relation = Relation::ALL.iter().find(|(_, name)| *name == named);
        // Items that point at another one by its place in the tree have no value type.
        if let Some((relation, _)) = relation
            && element(item, tags::VALUE_TYPE).is_some()
        {
            below.push(parse_item(item, *relation, depth + 1)?);
        }
    }
    Ok(Item {
        relation,
        name: first_code(data, tags::CONCEPT_NAME_CODE_SEQUENCE),
        value: parse_value(data)?,
        below,
        template: items(data, tags::CONTENT_TEMPLATE_SEQUENCE)
            .first()
            .and_then(|t| text(t, tags::TEMPLATE_IDENTIFIER)),
    })
}

fn parse_value(data: &InMemDicomObject) -> Result<Value> {
    let kind = text(data, tags::VALUE_TYPE).unwrap_or_default();
    let missing = |what: &str| ObjectError::Report {
        reason: format!("an item of kind {kind} has no {what}"),
    };
    Ok(match kind.as_str() {
        "CONTAINER" => Value::Container,
        "CODE" => Value::Code(
            first_code(data, tags::CONCEPT_CODE_SEQUENCE).ok_or_else(|| missing("code"))?,
        ),
        "TEXT" => Value::Text(text(data, tags::TEXT_VALUE).unwrap_or_default()),
        "NUM" => parse_number(data)?,
        "UIDREF" => Value::Uid(text(data, tags::UID).ok_or_else(|| missing("UID"))?),
        "IMAGE" => {
            let list = items(data, tags::REFERENCED_SOP_SEQUENCE);
            let item = list.first().ok_or_else(|| missing("reference"))?;
            Value::Image(ImageRef {
                class: text(item, tags::REFERENCED_SOP_CLASS_UID).unwrap_or_default(),
                instance: text(item, tags::REFERENCED_SOP_INSTANCE_UID)
                    .ok_or_else(|| missing("SOP Instance UID"))?,
                frame: text(item, tags::REFERENCED_FRAME_NUMBER).and_then(|f| f.parse().ok()),
            })
        }
        "SCOORD" => parse_places(data)?,
        _ => Value::Other(kind),
    })
}

fn parse_number(data: &InMemDicomObject) -> Result<Value> {
    let value = match items(data, tags::MEASURED_VALUE_SEQUENCE).first() {
        None => None,
        Some(item) => {
            let exact = hilum_dicom::object::numbers(item, tags::FLOATING_POINT_VALUE);
            let plain = hilum_dicom::object::numbers(item, tags::NUMERIC_VALUE);
            let value = exact.or(plain).and_then(|v| v.first().copied());
            let value = value.ok_or_else(|| ObjectError::Report {
                reason: "a measured value is no number".to_owned(),
            })?;
            let unit = first_code(item, tags::MEASUREMENT_UNITS_CODE_SEQUENCE);
            Some((value, unit.unwrap_or(crate::code::NO_UNITS)))
        }
    };
    Ok(Value::Number {
        value,
        qualifier: first_code(data, tags::NUMERIC_VALUE_QUALIFIER_CODE_SEQUENCE),
    })
}

fn parse_places(data: &InMemDicomObject) -> Result<Value> {
    let wrong = |reason: &str| ObjectError::Report {
        reason: format!("spatial coordinates {reason}"),
    };
    let flat = hilum_dicom::object::numbers(data, tags::GRAPHIC_DATA)
        .ok_or_else(|| wrong("are no finite numbers"))?;
    if !flat.len().is_multiple_of(2) {
        return Err(wrong("are not in pairs"));
    }
    Ok(Value::Places {
        kind: text(data, tags::GRAPHIC_TYPE).unwrap_or_default(),
        points: flat
            .chunks_exact(2)
            .map(|p| Point { x: p[0], y: p[1] })
            .collect(),
    })
}

/// Items of a sequence; none when it is missing or no sequence.
pub(crate) fn items(data: &InMemDicomObject, tag: dicom_core::Tag) -> &[InMemDicomObject] {
    data.get(tag).and_then(|e| e.items()).unwrap_or(&[])
}

/// The first code of a code sequence. A finding in another scheme is recognised by an equivalent code of a known one.
pub(crate) fn first_code(data: &InMemDicomObject, tag: dicom_core::Tag) -> Option<Code> {
    let item = items(data, tag).first()?;
    let code = plain_code(item)?;
    if crate::code::finding_of(&code).is_some() {
        return Some(code);
    }
    let others = items(item, tags::EQUIVALENT_CODE_SEQUENCE);
    let known = others
        .iter()
        .filter_map(plain_code)
        .find(|c| crate::code::finding_of(c).is_some());
    Some(known.map_or(code.clone(), |k| Code {
        meaning: code.meaning,
        ..k
    }))
}

fn plain_code(item: &InMemDicomObject) -> Option<Code> {
    let value = [
        tags::CODE_VALUE,
        tags::LONG_CODE_VALUE,
        tags::URN_CODE_VALUE,
    ]
    .into_iter()
    .find_map(|tag| text(item, tag))?;
    let scheme = text(item, tags::CODING_SCHEME_DESIGNATOR).unwrap_or_default();
    let meaning = text(item, tags::CODE_MEANING).unwrap_or_default();
    Some(Code::new(&scheme, &value, &meaning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code;

    fn round(item: &Item) -> Item {
        let set = Item::container(code::GATE, vec![item.clone()]).data_set(true);
        let back = Item::parse(&set.0).unwrap();
        back.below[0].clone()
    }

    #[test]
    fn words_of_any_kind_come_back() {
        for words in [
            "plain",
            "",
            " led",
            "\"quoted\"",
            "two\nlines",
            "ä 山 \\ é",
            "\u{0}",
        ] {
            let item = round(&Item::text(code::NOTE, words));
            let holder = Item::container(code::GATE, vec![item]);
            assert_eq!(holder.words(&code::NOTE).as_deref(), Some(words));
        }
    }

    #[test]
    fn numbers_come_back_to_the_last_bit() {
        for value in [0.1 + 0.2, 1.0 / 3.0, 1e-310, -0.5, 123_456.0] {
            let item = Item::number(code::LOGIT, value, code::NO_UNITS);
            assert_eq!(round(&item), item);
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let mut item = Item::container(code::GATE, Vec::new());
        for _ in 0..40 {
            item = Item::container(code::GATE, vec![item]);
        }
        let refused = Item::parse(&item.data_set(true).0).unwrap_err();
        assert!(refused.to_string().contains("nested"), "{refused}");
    }

    #[test]
    fn meanings_are_cut_to_their_field() {
        assert_eq!(meaning(&"x".repeat(80)).len(), 64);
        assert_eq!(meaning("  \n"), "unnamed");
    }
}
