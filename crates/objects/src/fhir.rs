//! A reading as a FHIR bundle: a transaction that a server can be sent as it is, and again: every entry is a conditional create, so
//! that what is there already is not made twice. Only a patient without an ID cannot be found again.
//!
//! Release 5 by default, release 4 by option. The two differ where the standard does: codes of series, names of
//! devices, the reference from report to study, and image selections for regions, which release 4 does not have.

use crate::code::{self, Code};
use crate::context::{Answered, Context};
use crate::error::Result;
use crate::report::{measurement_name, unit};
use dicom_dictionary_std::tags;
use hilum_core::{
    Finding, FindingStatus, Interval, Measurement, ModelRef, PredictionSet, Region, Unit,
};
use hilum_reading::RESEARCH_NOTICE;
use serde_json::{Map, Value, json};

/// Release of FHIR.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Release {
    /// 4.0.1.
    R4,
    /// 5.0.0.
    #[default]
    R5,
}

impl std::str::FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "r4" => Ok(Release::R4),
            "r5" => Ok(Release::R5),
            _ => Err(format!("{text:?} is neither r4 nor r5")),
        }
    }
}

/// Where Hilum's own codes live.
const OWN_SYSTEM: &str = "https://hilum-cxr.github.io/codes";
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const SNOMED: &str = "http://snomed.info/sct";

/// The bundle: patient, study, program and models, an observation for each finding and measurement, the report.
///
/// # Errors
/// None today; numbers that JSON cannot hold become null and are refused by the reading before.
pub fn bundle(context: &Context<'_>, release: Release) -> Result<Value> {
    let mut maker = Maker {
        context,
        release,
        entries: Vec::new(),
    };
    maker.patient();
    maker.devices();
    maker.study();
    let results = maker.observations();
    maker.report(&results);
    Ok(json!({
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": maker.entries,
    }))
}

struct Maker<'a> {
    context: &'a Context<'a>,
    release: Release,
    entries: Vec<Value>,
}

impl Maker<'_> {
    /// A UUID that stands for a resource, as `urn:uuid:`.
    fn urn(&self, parts: &[&str]) -> String {
        let mut all = vec!["fhir"];
        all.extend(parts);
        urn(&self.context.uid(&all))
    }

    fn link(&self, parts: &[&str]) -> Value {
        json!({ "reference": self.urn(parts) })
    }

    /// Adds a resource that is made unless a search finds it.
    fn add(&mut self, parts: &[&str], resource: Value, unless: Option<String>) {
        let kind = resource["resourceType"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mut request = json!({ "method": "POST", "url": kind });
        if let Some(query) = unless {
            request["ifNoneExist"] = query.into();
        }
        self.push(parts, resource, request);
    }

    /// Adds a resource of this reading alone, known by the UUID that stands for it: the same reading gives the same one.
    fn add_own(&mut self, parts: &[&str], mut resource: Value) {
        const UUIDS: &str = "urn:ietf:rfc3986";
        let urn = self.urn(parts);
        resource["identifier"] = json!([{ "system": UUIDS, "value": urn }]);
        let unless = found_by(UUIDS, &urn);
        self.add(parts, resource, Some(unless));
    }

    fn push(&mut self, parts: &[&str], resource: Value, request: Value) {
        let url = self.urn(parts);
        self.entries
            .push(json!({ "fullUrl": url, "resource": resource, "request": request }));
    }

    fn patient(&mut self) {
        let get = |tag| self.context.sources.value(tag);
        let mut patient = object(json!({ "resourceType": "Patient" }));
        let mut unless = None;
        if let Some(id) = get(tags::PATIENT_ID) {
            let issuer = get(tags::ISSUER_OF_PATIENT_ID);
            let system = patient_system(issuer.as_deref());
            unless = Some(found_by(&system, &id));
            let mut identifier = object(json!({ "system": system, "value": id }));
            if let Some(issuer) = issuer {
                identifier.insert("assigner".into(), json!({ "display": issuer }));
            }
            patient.insert("identifier".into(), json!([identifier]));
        }
        if let Some(name) = get(tags::PATIENT_NAME).and_then(|n| human_name(&n)) {
            patient.insert("name".into(), json!([name]));
        }
        let gender = get(tags::PATIENT_SEX).and_then(|s| match s.as_str() {
            "M" => Some("male"),
            "F" => Some("female"),
            "O" => Some("other"),
            _ => None,
        });
        if let Some(gender) = gender {
            patient.insert("gender".into(), gender.into());
        }
        let born = get(tags::PATIENT_BIRTH_DATE).and_then(|d| hilum_dicom::meta::iso_date(&d));
        if let Some(born) = born {
            // Where nobody says who gave the ID, another patient elsewhere may have it too.
            unless = unless.map(|query| format!("{query}&birthdate={born}"));
            patient.insert("birthDate".into(), born.into());
        }
        self.add(&["patient"], patient.into(), unless);
    }

    /// The program, and each model as part of it.
    fn devices(&mut self) {
        let provenance = &self.context.reading.provenance;
        let version = provenance.version.clone();
        let program = self.device("Hilum", &version, None);
        let unless = Some(device_search(&program));
        self.add(&["device"], program, unless);
        for model in provenance.models.clone() {
            let device = self.device(&model.name, &version, Some(&model));
            let unless = Some(device_search(&device));
            self.add(&["device", &model.name], device, unless);
        }
    }

    fn device(&self, name: &str, version: &str, model: Option<&ModelRef>) -> Value {
        let kind = concept(
            &[],
            if model.is_some() {
                "neural network"
            } else {
                "software"
            },
        );
        let mut device = object(json!({
            "resourceType": "Device",
            "manufacturer": "Hilum",
            "version": [{ "value": version }],
            "note": [{ "text": RESEARCH_NOTICE }],
        }));
        match self.release {
            Release::R4 => {
                device.insert(
                    "deviceName".into(),
                    json!([{ "name": name, "type": "model-name" }]),
                );
                device.insert("type".into(), kind);
            }
            Release::R5 => {
                device.insert("displayName".into(), name.into());
                device.insert(
                    "name".into(),
                    json!([{ "value": name, "type": "registered-name" }]),
                );
                device.insert("type".into(), json!([kind]));
            }
        }
        let (kind, value) = match model {
            Some(model) => ("weights-sha256", model.sha256.as_str()),
            None => ("program", version),
        };
        device.insert(
            "identifier".into(),
            json!([{ "system": format!("{OWN_SYSTEM}/{kind}"), "value": value }]),
        );
        if model.is_some() {
            device.insert("parent".into(), self.link(&["device"]));
        }
        device.into()
    }

    fn study(&mut self) {
        let sources = self.context.sources;
        let mut series: Vec<(String, Option<String>, Vec<Value>)> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for image in &sources.images {
            if seen.contains(&image.instance.as_str()) {
                continue;
            }
            seen.push(&image.instance);
            let instance = json!({
                "uid": image.instance,
                "sopClass": { "system": "urn:ietf:rfc3986", "code": format!("urn:oid:{}", image.class) },
            });
            match series.iter_mut().find(|(uid, _, _)| *uid == image.series) {
                Some((_, _, list)) => list.push(instance),
                None => series.push((image.series.clone(), image.modality.clone(), vec![instance])),
            }
        }
        let count = seen.len();
        let series: Vec<Value> = series
            .into_iter()
            .map(|(uid, modality, list)| {
                let coding = json!({ "system": DCM, "code": modality.as_deref().unwrap_or("OT") });
                let modality = match self.release {
                    Release::R4 => coding,
                    Release::R5 => json!({ "coding": [coding] }),
                };
                json!({ "uid": uid, "modality": modality, "numberOfInstances": list.len(), "instance": list })
            })
            .collect();
        let uid = format!("urn:oid:{}", sources.study_uid);
        let mut study = object(json!({
            "resourceType": "ImagingStudy",
            "identifier": [{ "system": "urn:dicom:uid", "value": uid }],
            "status": "available",
            "subject": self.link(&["patient"]),
            "numberOfSeries": series.len(),
            "numberOfInstances": count,
            "series": series,
        }));
        if let Some(date) = self.date() {
            study.insert("started".into(), date.into());
        }
        if let Some(words) = sources.value(tags::STUDY_DESCRIPTION) {
            study.insert("description".into(), words.into());
        }
        let query = format!("identifier=urn:dicom:uid|{uid}");
        self.add(&["study"], study.into(), Some(query));
    }

    /// The day of the study; its time would need a zone, which images seldom tell.
    fn date(&self) -> Option<String> {
        self.context.references().study_date
    }

    /// An observation for each finding and measurement; gives their links.
    fn observations(&mut self) -> Vec<Value> {
        let reading = self.context.reading;
        let mut results = Vec::new();
        for (at, finding) in reading.findings.iter().enumerate() {
            let selections = self.selections(at, finding);
            let resource = self.finding(finding, &selections);
            let at = at.to_string();
            self.add_own(&["finding", &at], resource);
            results.push(self.link(&["finding", &at]));
        }
        for (at, measurement) in reading.measurements.iter().enumerate() {
            let reader = self.context.readers.measurements.get(&at);
            let resource = self.measurement(measurement, reader.map(String::as_str));
            let at = at.to_string();
            self.add_own(&["measurement", &at], resource);
            results.push(self.link(&["measurement", &at]));
        }
        results
    }

    /// When it was made available to others: a draft was not.
    fn issued(&self) -> Option<String> {
        self.context.signature.as_ref()?.at.instant()
    }

    /// Nobody checked a draft; a signed reading is final.
    fn status(&self) -> &'static str {
        match self.context.signature {
            Some(_) => "final",
            None => "preliminary",
        }
    }

    fn observation(&self, code: Value) -> Map<String, Value> {
        let mut resource = object(json!({
            "resourceType": "Observation",
            "status": self.status(),
            "category": [concept(
                &[json!({ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging" })],
                "imaging",
            )],
            "code": code,
            "subject": self.link(&["patient"]),
        }));
        if let Some(date) = self.date() {
            resource.insert("effectiveDateTime".into(), date.into());
        }
        if let Some(issued) = self.issued() {
            resource.insert("issued".into(), issued.into());
        }
        resource
    }

    fn finding(&self, finding: &Finding, selections: &[Value]) -> Value {
        let codes = code::of_finding(&finding.code, &finding.name);
        let mut resource = self.observation(concept_of(&codes, &finding.name));
        let reader = self.context.readers.findings.get(&finding.code);
        match (finding.status, finding.set) {
            (FindingStatus::NotAssessed, _) => {
                let reason = finding.reason.as_deref().unwrap_or("no reason given");
                let words = format!("Not assessed: {reason}. Neither present nor absent.");
                resource.insert("dataAbsentReason".into(), absent("not-performed", &words));
            }
            (FindingStatus::Assessed, Some(set)) => {
                resource.insert("valueCodeableConcept".into(), answer(set, reader));
            }
            (FindingStatus::Assessed, None) => {
                let words = "No conformal answer; see the components.";
                resource.insert("dataAbsentReason".into(), absent("unknown", words));
            }
        }
        let components = self.finding_components(finding);
        if !components.is_empty() {
            resource.insert("component".into(), components.into());
        }
        let mut from = vec![self.link(&["study"])];
        from.extend_from_slice(selections);
        resource.insert("derivedFrom".into(), from.into());
        if let Some(reader) = reader {
            resource.insert("performer".into(), person(&reader.by));
        }
        if reader.is_none_or(|r| r.confirms) {
            resource.insert("device".into(), self.model_link(finding.model.as_deref()));
        }
        resource.into()
    }

    fn model_link(&self, name: Option<&str>) -> Value {
        let models = &self.context.reading.provenance.models;
        match name.filter(|n| models.iter().any(|m| m.name == *n)) {
            Some(name) => self.link(&["device", name]),
            None => self.link(&["device"]),
        }
    }

    fn finding_components(&self, finding: &Finding) -> Vec<Value> {
        let mut list = Vec::new();
        let mut number = |name: &Code, value: Option<f64>| {
            list.extend(value.map(|v| component(name, quantity(v, &code::NO_UNITS))));
        };
        number(&code::PROBABILITY, finding.probability);
        number(&code::LOGIT, finding.logit);
        if let Some(point) = &finding.operating_point {
            number(&code::THRESHOLD, Some(point.threshold));
            number(&code::SENSITIVITY, point.sensitivity);
            number(&code::SPECIFICITY, point.specificity);
            list.push(component(
                &code::POSITIVE,
                ("valueBoolean", point.positive.into()),
            ));
            if !point.rule.trim().is_empty() {
                list.push(component(
                    &code::RULE,
                    ("valueString", point.rule.as_str().into()),
                ));
            }
        }
        for region in &finding.regions {
            let r = region.rect;
            let image = &self.context.sources.images.get(region.image);
            let uid = image.map_or("", |i| &i.instance);
            let mut words = format!("image {uid}: {} {} {} {}", r.x, r.y, r.w, r.h);
            if let Some(place) = &region.place {
                words.push_str(&format!(" ({place})"));
            }
            list.push(component(&code::BOX, ("valueString", words.into())));
        }
        list
    }

    /// Regions as image selections, which release 5 has.
    fn selections(&mut self, at: usize, finding: &Finding) -> Vec<Value> {
        if self.release == Release::R4 {
            return Vec::new();
        }
        let mut links = Vec::new();
        for (n, region) in finding.regions.iter().enumerate() {
            if let Some(resource) = self.selection(finding, region) {
                let (at, n) = (at.to_string(), n.to_string());
                self.add_own(&["region", &at, &n], resource);
                links.push(self.link(&["region", &at, &n]));
            }
        }
        links
    }

    fn selection(&self, finding: &Finding, region: &Region) -> Option<Value> {
        let image = self.context.sources.images.get(region.image)?;
        let r = region.rect;
        let mut flat: Vec<f64> = region.outline.iter().flat_map(|p| [p.x, p.y]).collect();
        if flat.is_empty() {
            let (x1, y1) = (r.x + r.w, r.y + r.h);
            flat = vec![r.x, r.y, x1, r.y, x1, y1, r.x, y1];
        }
        let first: Vec<f64> = flat.iter().copied().take(2).collect();
        flat.extend(first);
        let mut instance = json!({
            "uid": image.instance,
            "sopClass": { "system": "urn:ietf:rfc3986", "code": format!("urn:oid:{}", image.class) },
            "imageRegion2D": [{ "regionType": "polyline", "coordinate": flat }],
        });
        if image.frames > 1 {
            instance["subset"] = json!(["1"]);
        }
        Some(json!({
            "resourceType": "ImagingSelection",
            "status": "available",
            "subject": self.link(&["patient"]),
            "code": concept_of(&[Code::of(code::OWN, "region", "Region of a finding")], &format!("Region of {}", finding.name)),
            "derivedFrom": [self.link(&["study"])],
            "studyUid": self.context.sources.study_uid,
            "seriesUid": image.series,
            "instance": [instance],
        }))
    }

    fn measurement(&self, m: &Measurement, reader: Option<&str>) -> Value {
        let name = m.name.replace('_', " ");
        let code = concept_of(&[measurement_name(&m.name)], &name);
        let mut resource = self.observation(code);
        match m.value {
            Some(value) => {
                let (key, value) = quantity(value, &unit(m.unit));
                resource.insert(key.into(), value);
            }
            None => {
                let why = m.note.as_deref().unwrap_or("not measured");
                resource.insert("dataAbsentReason".into(), absent("error", why));
            }
        }
        if let Some(Interval { low, high, level }) = m.interval {
            let list = json!([
                component(&code::INTERVAL_LOW, quantity(low, &unit(m.unit))),
                component(&code::INTERVAL_HIGH, quantity(high, &unit(m.unit))),
                component(&code::INTERVAL_LEVEL, quantity(level, &code::NO_UNITS)),
            ]);
            resource.insert("component".into(), list);
        }
        let mut notes: Vec<&str> = m.note.as_deref().into_iter().collect();
        if m.unit == Unit::MmDetector {
            notes.push("Millimetres at the detector plane; the body is magnified.");
        }
        let notes: Vec<Value> = notes
            .into_iter()
            .filter(|n| !n.trim().is_empty())
            .map(|n| json!({ "text": n }))
            .collect();
        if !notes.is_empty() {
            resource.insert("note".into(), notes.into());
        }
        resource.insert("derivedFrom".into(), json!([self.link(&["study"])]));
        match reader {
            Some(name) => resource.insert("performer".into(), person(name)),
            None => resource.insert("device".into(), self.link(&["device"])),
        };
        resource.into()
    }

    fn title(&self) -> &'static str {
        match self.context.signature {
            Some(_) => "Chest X-ray reading, signed by a person",
            None => "Chest X-ray reading, draft by software",
        }
    }

    fn report(&mut self, results: &[Value]) {
        let context = self.context;
        let draft = &context.reading.report;
        let codes = [code::DIAGNOSTIC_IMAGING_STUDY];
        let mut report = object(json!({
            "resourceType": "DiagnosticReport",
            "status": self.status(),
            "text": { "status": "generated", "div": narrative(context) },
            "category": [concept(
                &[json!({ "system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD" })],
                "Radiology",
            )],
            "code": concept_of(&codes, self.title()),
            "subject": self.link(&["patient"]),
            "result": results,
        }));
        if let Some(date) = self.date() {
            report.insert("effectiveDateTime".into(), date.into());
        }
        if let Some(signature) = &context.signature {
            report.insert("resultsInterpreter".into(), person(&signature.name));
        }
        if let Some(issued) = self.issued() {
            report.insert("issued".into(), issued.into());
        }
        let conclusion = format!("{} {RESEARCH_NOTICE}", draft.impression);
        report.insert("conclusion".into(), conclusion.trim().into());
        let key = match self.release {
            Release::R4 => "imagingStudy",
            Release::R5 => "study",
        };
        report.insert(key.into(), json!([self.link(&["study"])]));
        self.add_own(&["report"], report.into());
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// System of the IDs that an issuer gives; of all that name none, when it is not known. Identifiers of other systems are never
/// taken for these.
fn patient_system(issuer: Option<&str>) -> String {
    const SYSTEM: &str = "https://hilum-cxr.github.io/patient-id";
    match issuer.map(str::trim).filter(|i| !i.is_empty()) {
        Some(issuer) => format!("{SYSTEM}/{}", encoded(issuer)),
        None => SYSTEM.to_owned(),
    }
}

/// The search for a resource by an identifier. Signs that a search gives a meaning to are escaped (FHIR, search, section
/// "escaping search parameters"), then those that a URL does.
fn found_by(system: &str, value: &str) -> String {
    let escape = |text: &str| {
        let mut out = String::new();
        for c in text.chars() {
            if matches!(c, '\\' | '|' | '$' | ',') {
                out.push('\\');
            }
            out.push(c);
        }
        encoded(&out)
    };
    format!("identifier={}|{}", escape(system), escape(value))
}

fn device_search(device: &Value) -> String {
    let text = |key: &str| device["identifier"][0][key].as_str().unwrap_or_default();
    found_by(text("system"), text("value"))
}

/// Text as a part of a URL's query.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A UID under `2.25` as the UUID that it is.
fn urn(uid: &str) -> String {
    let digits = uid.strip_prefix("2.25.").unwrap_or("0");
    let hex = format!("{:032x}", digits.parse::<u128>().unwrap_or(0));
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A person name of DICOM: `family^given^middle^prefix^suffix`, the first of its writings.
fn human_name(name: &str) -> Option<Value> {
    let first = name.split('=').find(|g| !g.trim().is_empty())?;
    let parts: Vec<&str> = first.split('^').map(str::trim).collect();
    let mut value = object(json!({ "text": first.replace('^', " ").trim() }));
    let part = |at: usize| parts.get(at).copied().filter(|p| !p.is_empty());
    if let Some(family) = part(0) {
        value.insert("family".into(), family.into());
    }
    let given: Vec<&str> = [part(1), part(2)].into_iter().flatten().collect();
    if !given.is_empty() {
        value.insert("given".into(), json!(given));
    }
    for (at, key) in [(3, "prefix"), (4, "suffix")] {
        if let Some(word) = part(at) {
            value.insert(key.into(), json!([word]));
        }
    }
    Some(value.into())
}

/// System of a coding scheme of DICOM.
fn system(scheme: &str) -> &str {
    match scheme {
        "DCM" => DCM,
        "SCT" => SNOMED,
        "RADLEX" => "http://radlex.org",
        "LN" => "http://loinc.org",
        "UCUM" => "http://unitsofmeasure.org",
        _ => OWN_SYSTEM,
    }
}

fn coding(code: &Code) -> Value {
    json!({ "system": system(&code.scheme), "code": code.value, "display": code.meaning })
}

fn concept(codings: &[Value], text: &str) -> Value {
    if codings.is_empty() {
        return json!({ "text": text });
    }
    json!({ "coding": codings, "text": text })
}

/// Codes of terminologies carry the terminology's own words, which Hilum does not repeat for findings: only the text
/// is Hilum's.
fn concept_of(codes: &[Code], text: &str) -> Value {
    let codings: Vec<Value> = codes
        .iter()
        .map(|c| match &*c.scheme {
            "SCT" | "RADLEX" => json!({ "system": system(&c.scheme), "code": c.value }),
            _ => coding(c),
        })
        .collect();
    concept(&codings, text)
}

/// An answer, and whose it is.
fn answer(set: PredictionSet, reader: Option<&Answered>) -> Value {
    let (id, words) = match set {
        PredictionSet::Present => ("52101004", "Present"),
        PredictionSet::Absent => ("2667000", "Absent"),
        PredictionSet::Undecided => ("82334004", "Indeterminate"),
    };
    let said = match set {
        PredictionSet::Undecided => "undecided",
        PredictionSet::Present => "present",
        PredictionSet::Absent => "absent",
    };
    let text = match reader {
        None => format!("{said} by the model"),
        Some(Answered { by, confirms: true }) => format!("{said} by the model, confirmed by {by}"),
        Some(Answered { by, .. }) => format!("{said} by {by}"),
    };
    concept(
        &[json!({ "system": SNOMED, "code": id, "display": words })],
        &text,
    )
}

/// Persons by name, as references that no server needs to know.
fn person(name: &str) -> Value {
    json!([{ "type": "Practitioner", "display": name }])
}

fn absent(code: &str, words: &str) -> Value {
    let system = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
    concept(&[json!({ "system": system, "code": code })], words)
}

fn quantity(value: f64, unit: &Code) -> (&'static str, Value) {
    let value = json!({
        "value": value,
        "unit": unit.meaning,
        "system": system(&unit.scheme),
        "code": unit.value,
    });
    ("valueQuantity", value)
}

fn component(name: &Code, (key, value): (&str, Value)) -> Value {
    let mut item = object(json!({ "code": concept(&[coding(name)], &name.meaning) }));
    item.insert(key.into(), value);
    item.into()
}

/// The draft as the narrative of the report.
fn narrative(context: &Context<'_>) -> String {
    let draft = &context.reading.report;
    let mut div = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
    let mut paragraph = |title: &str, text: &str| {
        if !text.trim().is_empty() {
            div.push_str(&format!("<p><b>{title}</b> {}</p>", escaped(text)));
        }
    };
    paragraph("Findings:", &draft.findings);
    paragraph("Impression:", &draft.impression);
    paragraph("Notice:", RESEARCH_NOTICE);
    div.push_str("</div>");
    div
}

/// Text for XHTML; control characters that XML forbids become spaces.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_is_found_by_who_gave_the_id_and_by_nothing_that_others_mean() {
        let search = |issuer, id| found_by(&patient_system(issuer), id);
        assert_eq!(
            search(None, "P 1"),
            "identifier=https://hilum-cxr.github.io/patient-id|P%201"
        );
        assert_ne!(search(Some("EAST"), "1"), search(Some("WEST"), "1"));
        assert!(search(Some("St. Mary & Co"), "1").contains("/St.%2520Mary%2520%2526%2520Co|1"));
        // Neither a second parameter, nor a list, nor another system.
        assert!(search(None, "1&active=true").ends_with("|1%26active%3Dtrue"));
        assert!(search(None, "1,2|3").ends_with("|1%5C%2C2%5C%7C3"));
    }

    #[test]
    fn uids_are_uuids() {
        assert_eq!(
            urn("2.25.1"),
            "urn:uuid:00000000-0000-0000-0000-000000000001"
        );
    }

    #[test]
    fn names_of_persons() {
        let name = human_name("Doe^Jane^^Dr=山田").unwrap();
        assert_eq!(name["family"], "Doe");
        assert_eq!(name["prefix"][0], "Dr");
        assert!(human_name("=").is_none());
    }

    #[test]
    fn narratives_are_escaped() {
        assert_eq!(escaped("a<b & c\u{1}"), "a&lt;b &amp; c ");
    }
}
