//! The report on paper, and as Encapsulated PDF (PS3.3, A.45).

mod font;
mod sheet;

use crate::code;
use crate::context::{Context, ObjectKind, Signature};
use crate::error::Result;
use crate::item::{code_item, reference};
use dicom_core::{PrimitiveValue, VR, dicom_value};
use dicom_dictionary_std::{tags, uids};
use hilum_core::{
    Finding, FindingStatus, Measurement, PredictionSet, Reading, Section, Unit, View,
};
use hilum_image::Plane;
use hilum_image::draw::Rgb;
use hilum_reading::RESEARCH_NOTICE;
use sheet::{Colour, MARGIN, Sheet, Style};

const PRESENT: Colour = [0.72, 0.36, 0.02];
const UNDECIDED: Colour = [0.25, 0.33, 0.72];
const ABSENT: Colour = [0.42, 0.45, 0.5];

/// The bytes of the PDF: image with overlay, draft, findings, measurements, provenance. The same reading and picture
/// give the same bytes. `patient` is a Patient's Name as DICOM writes it; a reading itself holds only the Patient ID.
pub fn render(
    reading: &Reading,
    patient: Option<&str>,
    overlay: Option<&Plane<Rgb>>,
    signature: Option<&Signature>,
) -> Vec<u8> {
    let mut sheet = Sheet::new();
    head(&mut sheet, reading, patient, signature);
    front(&mut sheet, reading, overlay);
    section(&mut sheet, reading, "Findings", Section::Findings);
    gate(&mut sheet, reading);
    findings(&mut sheet, reading);
    unseen(&mut sheet, reading);
    measurements(&mut sheet, reading);
    provenance(&mut sheet, reading);
    if sheet.lost {
        let words = "Characters that the fonts of this page do not have are shown as ?.";
        sheet.paragraph(MARGIN, Sheet::width(), words, Style::quiet(7.5));
    }
    let title = format!("Reading of {}", reading.study.id);
    let state = match signature {
        Some(signature) => signed_words(signature),
        None => "A draft by software, checked by no one.".to_owned(),
    };
    let footer = format!(
        "{RESEARCH_NOTICE} {state} Hilum {}",
        reading.provenance.version
    );
    sheet.finish(&title, &footer)
}

fn signed_words(signature: &Signature) -> String {
    let (date, time) = (&signature.at.date, &signature.at.time);
    let part = |text: &str, from: usize, to: usize| text.get(from..to).unwrap_or("").to_owned();
    format!(
        "Signed by {} on {}-{}-{} {}:{} UTC.",
        signature.name,
        part(date, 0, 4),
        part(date, 4, 6),
        part(date, 6, 8),
        part(time, 0, 2),
        part(time, 2, 4)
    )
}

fn title(signature: Option<&Signature>) -> &'static str {
    match signature {
        Some(_) => "Chest X-ray reading, signed by a person",
        None => "Chest X-ray reading, draft by software",
    }
}

fn head(
    sheet: &mut Sheet,
    reading: &Reading,
    patient: Option<&str>,
    signature: Option<&Signature>,
) {
    let y = sheet.y;
    sheet.fill(
        MARGIN - 6.0,
        y - 8.0,
        Sheet::width() + 12.0,
        24.0,
        [1.0, 0.93, 0.8],
    );
    sheet.at(MARGIN, RESEARCH_NOTICE, Style::bold(9.5), Sheet::width());
    sheet.y -= 34.0;
    sheet.at(MARGIN, title(signature), Style::bold(16.0), Sheet::width());
    sheet.y -= 4.0;
    let study = &reading.study;
    let patient = patient_words(patient, study.patient.as_deref());
    let facts = [
        ("Study", Some(study.id.as_str())),
        ("Patient", patient.as_deref()),
        ("Date", study.date.as_deref()),
    ];
    for (name, value) in facts {
        sheet.y -= 13.0;
        sheet.at(MARGIN, name, Style::quiet(9.0), 60.0);
        let value = value.unwrap_or("not stated");
        sheet.at(
            MARGIN + 52.0,
            value,
            Style::plain(9.0),
            Sheet::width() - 52.0,
        );
    }
    sheet.y -= 13.0;
    sheet.at(MARGIN, "Images", Style::quiet(9.0), 60.0);
    let words: Vec<String> = reading.images.iter().map(image_words).collect();
    sheet.y += 11.9;
    sheet.paragraph(
        MARGIN + 52.0,
        Sheet::width() - 52.0,
        &words.join("; "),
        Style::plain(9.0),
    );
}

/// `Family, Given (ID)`, of the first writing of the name.
fn patient_words(name: Option<&str>, id: Option<&str>) -> Option<String> {
    let first = name.and_then(|n| n.split('=').find(|g| !g.trim().is_empty()));
    let mut parts = first.into_iter().flat_map(|n| n.split('^')).map(str::trim);
    let family = parts.next().unwrap_or_default();
    let given: Vec<&str> = parts.by_ref().take(2).filter(|p| !p.is_empty()).collect();
    let name = match (family.is_empty(), given.is_empty()) {
        (true, true) => return id.map(str::to_owned),
        (false, true) => family.to_owned(),
        (true, false) => given.join(" "),
        (false, false) => format!("{family}, {}", given.join(" ")),
    };
    Some(match id {
        Some(id) => format!("{name} ({id})"),
        None => name,
    })
}

fn image_words(image: &hilum_core::ImageRecord) -> String {
    let view = match image.view {
        View::Pa => "PA",
        View::Ap => "AP",
        View::Frontal => "frontal",
        View::Lateral => "lateral",
        View::Other => "other view",
        View::Unknown => "view not known",
    };
    let turned = if image.inverted { ", inverted" } else { "" };
    format!("{view} {} x {}{turned}", image.width, image.height)
}

/// Picture on the left, impression on the right.
fn front(sheet: &mut Sheet, reading: &Reading, overlay: Option<&Plane<Rgb>>) {
    sheet.y -= 14.0;
    let top = sheet.y;
    let page = sheet.number();
    let (taken, gap) = match overlay {
        Some(picture) => (sheet.picture(picture, MARGIN, top, (268.0, 320.0)), 16.0),
        None => ((0.0, 0.0), 0.0),
    };
    let x = MARGIN + taken.0 + gap;
    let width = Sheet::width() - taken.0 - gap;
    sheet.y -= 9.0;
    sheet.at(x, "Impression", Style::bold(11.0), width);
    sheet.y -= 2.0;
    sentences(sheet, reading, Section::Impression, x, width);
    if sheet.number() == page {
        sheet.y = sheet.y.min(top - taken.1);
    }
}

fn sentences(sheet: &mut Sheet, reading: &Reading, section: Section, x: f32, width: f32) {
    let of = || {
        reading
            .report
            .sentences
            .iter()
            .filter(|s| s.section == section)
    };
    for sentence in of() {
        sheet.y -= 2.0;
        sheet.paragraph(x, width, &sentence.text, Style::plain(9.5));
    }
    let running = match section {
        Section::Findings => &reading.report.findings,
        Section::Impression => &reading.report.impression,
    };
    if of().next().is_none() {
        let words = if running.is_empty() {
            "None was written."
        } else {
            running
        };
        sheet.paragraph(x, width, words, Style::plain(9.5));
    }
}

fn section(sheet: &mut Sheet, reading: &Reading, title: &str, section: Section) {
    sheet.heading(title);
    sentences(sheet, reading, section, MARGIN, Sheet::width());
}

fn gate(sheet: &mut Sheet, reading: &Reading) {
    if reading.gate.reasons.is_empty() && reading.gate.analysable {
        return;
    }
    sheet.heading("Fitness of the images");
    if !reading.gate.analysable {
        sheet.paragraph(
            MARGIN,
            Sheet::width(),
            "No image could be analysed.",
            Style::bold(9.0),
        );
    }
    for reason in &reading.gate.reasons {
        let weight = if reason.blocking { "stops" } else { "caution" };
        let image = reason.image + 1;
        let words = format!("Image {image}, {weight}: {}", reason.message);
        sheet.paragraph(MARGIN, Sheet::width(), &words, Style::plain(9.0));
    }
}

/// Left edges of the table of findings.
const COLUMNS: [f32; 5] = [0.0, 138.0, 212.0, 318.0, 408.0];

fn findings(sheet: &mut Sheet, reading: &Reading) {
    let assessed = || {
        reading
            .findings
            .iter()
            .filter(|f| f.status == FindingStatus::Assessed)
    };
    if assessed().next().is_none() {
        return;
    }
    sheet.heading("What the models say of each finding");
    titles(sheet);
    for finding in assessed() {
        if sheet.need(16.0) {
            titles(sheet);
        }
        sheet.y -= 14.0;
        row(sheet, finding);
    }
    sheet.y -= 6.0;
    let words = "Probability: calibrated. Threshold: with sensitivity and specificity on the validation split. Answer: \
                 conformal; undecided when both or neither answer conforms.";
    sheet.paragraph(MARGIN, Sheet::width(), words, Style::quiet(7.5));
}

fn titles(sheet: &mut Sheet) {
    sheet.y -= 12.0;
    let names = ["Finding", "Answer", "Probability", "Threshold", "Model"];
    for (x, name) in COLUMNS.iter().zip(names) {
        sheet.at(MARGIN + x, name, Style::quiet(8.0), 120.0);
    }
}

fn row(sheet: &mut Sheet, finding: &Finding) {
    let (answer, colour) = match finding.set {
        Some(PredictionSet::Present) => ("present", PRESENT),
        Some(PredictionSet::Absent) => ("absent", ABSENT),
        Some(PredictionSet::Undecided) => ("undecided", UNDECIDED),
        None => ("no set", UNDECIDED),
    };
    let x = |n: usize| MARGIN + COLUMNS[n];
    sheet.at(x(0), &finding.name, Style::plain(9.0), COLUMNS[1] - 6.0);
    let style = Style {
        colour,
        ..Style::bold(9.0)
    };
    sheet.at(x(1), answer, style, COLUMNS[2] - COLUMNS[1] - 4.0);
    if let Some(p) = finding.probability {
        let y = sheet.y;
        let share = p.clamp(0.0, 1.0) as f32;
        sheet.fill(x(2), y, 60.0, 5.0, [0.9, 0.91, 0.93]);
        sheet.fill(x(2), y, 60.0 * share, 5.0, colour);
        sheet.at(
            x(2) + 65.0,
            &format!("{:.1} %", 100.0 * p),
            Style::plain(8.5),
            40.0,
        );
    }
    if let Some(point) = &finding.operating_point {
        let share =
            |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{:.0}", 100.0 * v));
        let words = format!(
            "{:.3} ({} / {} %)",
            point.threshold,
            share(point.sensitivity),
            share(point.specificity)
        );
        sheet.at(
            x(3),
            &words,
            Style::plain(8.5),
            COLUMNS[4] - COLUMNS[3] - 4.0,
        );
    }
    let model = finding.model.as_deref().unwrap_or("-");
    sheet.at(x(4), model, Style::quiet(8.0), Sheet::width() - COLUMNS[4]);
}

fn unseen(sheet: &mut Sheet, reading: &Reading) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in reading
        .findings
        .iter()
        .filter(|f| f.status == FindingStatus::NotAssessed)
    {
        let reason = finding.reason.as_deref().unwrap_or("no reason given");
        match reasons.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, names)) => names.push(&finding.name),
            None => reasons.push((reason, vec![&finding.name])),
        }
    }
    if reasons.is_empty() {
        return;
    }
    sheet.heading("Not assessed: neither present nor absent");
    for (reason, names) in reasons {
        let words = format!("{}: {reason}.", names.join(", "));
        sheet.y -= 1.0;
        sheet.paragraph(MARGIN, Sheet::width(), &words, Style::plain(9.0));
    }
}

fn measurements(sheet: &mut Sheet, reading: &Reading) {
    if reading.measurements.is_empty() {
        return;
    }
    sheet.heading("Measurements");
    for m in &reading.measurements {
        sheet.need(30.0);
        sheet.y -= 13.0;
        let name = m.name.replace('_', " ");
        sheet.at(MARGIN, &name, Style::plain(9.0), 190.0);
        sheet.at(
            MARGIN + 196.0,
            &value_words(m),
            Style::bold(9.0),
            Sheet::width() - 196.0,
        );
        if let Some(note) = &m.note {
            sheet.paragraph(
                MARGIN + 196.0,
                Sheet::width() - 196.0,
                note,
                Style::quiet(7.5),
            );
        }
    }
}

fn value_words(m: &Measurement) -> String {
    let Some(value) = m.value else {
        return "not measured".to_owned();
    };
    let (digits, unit) = match m.unit {
        Unit::Ratio => (3, ""),
        Unit::Pixel => (0, " pixels"),
        Unit::MmDetector => (0, " mm at the detector"),
        Unit::Mm => (0, " mm"),
        Unit::Percent => (1, " %"),
    };
    let mut words = format!("{value:.digits$}{unit}");
    if let Some(i) = m.interval {
        let level = 100.0 * i.level;
        words.push_str(&format!(
            " ({level:.0} % interval {:.digits$} to {:.digits$})",
            i.low, i.high
        ));
    }
    words
}

fn provenance(sheet: &mut Sheet, reading: &Reading) {
    sheet.heading("Provenance");
    let p = &reading.provenance;
    let words = format!(
        "Hilum {}, recipe {}, engine {}.",
        p.version, p.recipe, p.engine
    );
    sheet.paragraph(MARGIN, Sheet::width(), &words, Style::plain(8.5));
    for model in &p.models {
        let words = format!("{}, SHA-256 {}", model.name, model.sha256);
        sheet.paragraph(MARGIN, Sheet::width(), &words, Style::quiet(7.5));
    }
}

/// The bytes of an Encapsulated PDF.
///
/// # Errors
/// The encoder's.
pub fn encapsulate(context: &Context<'_>, pdf: &[u8]) -> Result<Vec<u8>> {
    let kind = ObjectKind {
        name: "pdf",
        class: uids::ENCAPSULATED_PDF_STORAGE,
        modality: "DOC".to_owned(),
        series_number: "9905",
        description: "Hilum: report (research only)",
        number: 0,
    };
    let mut set = context.object(&kind);
    set.text(tags::CONVERSION_TYPE, VR::CS, "WSD");
    context.moment(&mut set, tags::CONTENT_DATE, tags::CONTENT_TIME);
    set.empty(&[(tags::ACQUISITION_DATE_TIME, VR::DT)]);
    // The page names the patient's id and the study.
    set.text(tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
    let title = format!("{}, research only", title(context.signature.as_ref()));
    set.text(tags::DOCUMENT_TITLE, VR::ST, &title);
    set.sequence(
        tags::CONCEPT_NAME_CODE_SEQUENCE,
        vec![code_item(&code::DIAGNOSTIC_IMAGING_STUDY, &[])],
    );
    let images = context.sources.images.iter();
    set.sequence(
        tags::SOURCE_INSTANCE_SEQUENCE,
        images
            .map(|i| reference(&i.class, &i.instance, None))
            .collect(),
    );
    set.text(
        tags::MIME_TYPE_OF_ENCAPSULATED_DOCUMENT,
        VR::LO,
        "application/pdf",
    );
    let mut bytes = pdf.to_vec();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    set.put(
        tags::ENCAPSULATED_DOCUMENT_LENGTH,
        VR::UL,
        dicom_value!(U32, [length]),
    );
    if !bytes.len().is_multiple_of(2) {
        bytes.push(0);
    }
    set.put(
        tags::ENCAPSULATED_DOCUMENT,
        VR::OB,
        PrimitiveValue::U8(bytes.into()),
    );
    Ok(set.file(kind.class, &context.instance(&kind))?)
}

#[cfg(test)]
mod tests {
    use super::patient_words;

    #[test]
    fn patients_are_named_as_in_a_list() {
        let words = |name, id| patient_words(name, id).unwrap_or_default();
        assert_eq!(words(Some("Doe^Jane^A^Dr"), Some("P1")), "Doe, Jane A (P1)");
        assert_eq!(words(Some("=Yamada^Tarou"), None), "Yamada, Tarou");
        assert_eq!(words(Some("^Jane"), Some("P1")), "Jane (P1)");
        assert_eq!(words(Some(" ^ "), Some("P1")), "P1");
        assert_eq!(patient_words(None, None), None);
    }
}
