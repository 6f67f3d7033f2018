//! Reports of the Indiana University collection in Open-I's XML.

use crate::error::TextError;
use crate::report::{ReportText, SectionKind};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An Open-I report: its text, its tags and its images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenIReport {
    /// Id and sections.
    pub report: ReportText,
    /// Tags set by people, e.g. `Cardiomegaly/mild`.
    pub mesh_major: Vec<String>,
    /// Tags set by a program.
    pub mesh_automatic: Vec<String>,
    /// Image ids, e.g. `CXR1_1_IM-0001-3001`.
    pub images: Vec<String>,
}

/// Where in the file the reader is.
enum Inside {
    Abstract(SectionKind),
    Major,
    Automatic,
}

/// Reads one report from XML text.
///
/// Errors: malformed XML, or XML without any `AbstractText`, which is another kind of file.
pub fn parse(xml: &str) -> Result<OpenIReport, TextError> {
    let wrong = |e: &dyn std::fmt::Display| TextError::Xml {
        reason: e.to_string(),
    };
    let mut reader = Reader::from_str(xml);
    let mut out = OpenIReport::default();
    let mut inside = None;
    let mut text = String::new();
    let mut abstracts = 0;
    loop {
        match reader.read_event().map_err(|e| wrong(&e))? {
            Event::Eof => break,
            Event::Start(tag) => {
                text.clear();
                inside = opened(&tag, &mut out)?;
                abstracts += usize::from(matches!(inside, Some(Inside::Abstract(_))));
            }
            Event::Empty(tag) => {
                let empty = opened(&tag, &mut out)?;
                abstracts += usize::from(matches!(empty, Some(Inside::Abstract(_))));
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(name) => push_reference(&name, &mut text)?,
            Event::End(_) => closed(inside.take(), &text, &mut out),
            _ => {}
        }
    }
    if abstracts == 0 {
        return Err(TextError::Xml {
            reason: "no AbstractText: not an Open-I report".to_owned(),
        });
    }
    Ok(out)
}

fn push_reference(name: &quick_xml::events::BytesRef, text: &mut String) -> Result<(), TextError> {
    let wrong = |reason: String| TextError::Xml { reason };
    if let Some(c) = name.resolve_char_ref().map_err(|e| wrong(e.to_string()))? {
        text.push(c);
        return Ok(());
    }
    let name: &str = name;
    let known = quick_xml::escape::resolve_predefined_entity(name);
    text.push_str(known.ok_or_else(|| wrong(format!("unknown entity &{name};")))?);
    Ok(())
}

fn attribute(tag: &BytesStart, name: &str) -> Result<Option<String>, TextError> {
    let wrong = |reason: String| TextError::Xml { reason };
    let Some(found) = tag
        .try_get_attribute(name)
        .map_err(|e| wrong(e.to_string()))?
    else {
        return Ok(None);
    };
    Ok(Some(found.value.into_owned()))
}

fn opened(tag: &BytesStart, out: &mut OpenIReport) -> Result<Option<Inside>, TextError> {
    match tag.name().as_ref() {
        "uId" => out.report.id = attribute(tag, "id")?,
        "parentImage" => out.images.extend(attribute(tag, "id")?),
        "major" => return Ok(Some(Inside::Major)),
        "automatic" => return Ok(Some(Inside::Automatic)),
        "AbstractText" => {
            let label = attribute(tag, "Label")?.unwrap_or_default().to_lowercase();
            let kind = SectionKind::from_name(&label).unwrap_or(SectionKind::Other);
            return Ok(Some(Inside::Abstract(kind)));
        }
        _ => {}
    }
    Ok(None)
}

fn closed(inside: Option<Inside>, text: &str, out: &mut OpenIReport) {
    let text = text.trim();
    match inside {
        Some(Inside::Abstract(kind)) => out.report.push(kind, text),
        Some(Inside::Major) if !text.is_empty() => out.mesh_major.push(text.to_owned()),
        Some(Inside::Automatic) if !text.is_empty() => out.mesh_automatic.push(text.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0"?><eCitation><uId id="CXR9"/><Abstract>
        <AbstractText Label="FINDINGS">Size &lt; 2 cm &#38; clear.</AbstractText>
        <AbstractText Label="IMPRESSION"/></Abstract>
        <MeSH><major>Cardiomegaly/mild</major><automatic>x</automatic></MeSH><parentImage id="CXR9_IM-1"/></eCitation>"#;

    #[test]
    fn text_tags_and_images_are_read() {
        let got = parse(XML).unwrap();
        assert_eq!(got.report.id.as_deref(), Some("CXR9"));
        assert_eq!(
            got.report.joined(&[SectionKind::Findings]),
            "Size < 2 cm & clear."
        );
        assert_eq!(got.report.sections.len(), 1);
        assert_eq!(
            (got.mesh_major, got.images),
            (
                vec!["Cardiomegaly/mild".to_owned()],
                vec!["CXR9_IM-1".to_owned()]
            )
        );
    }

    #[test]
    fn other_files_are_refused() {
        assert!(parse("<a><b></a>").is_err());
        assert!(parse("<a/>").is_err());
        assert!(parse("not xml at all").is_err());
    }
}
