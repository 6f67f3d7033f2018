//! `hilum find`: what does a DICOM node have?

use super::node_parts::{self, RemoteArgs};
use crate::exit::{Code, Usage};
use anyhow::{Result, bail};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};
use dicom_object::InMemDicomObject;
use hilum_dicomweb::Peers;
use hilum_node::config::WebService;
use hilum_node::scu::Proposed;
use hilum_node::web::WebClient;
use hilum_store::Uid;
use std::fmt::Write as _;

/// Level of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Level {
    /// Studies
    Study,
    /// Series
    Series,
    /// SOP instances
    Image,
}

impl Level {
    /// Value of Query/Retrieve Level.
    pub fn name(self) -> &'static str {
        match self {
            Level::Study => "STUDY",
            Level::Series => "SERIES",
            Level::Image => "IMAGE",
        }
    }

    /// Attributes that are asked for besides the conditions.
    fn returned(self) -> &'static [Tag] {
        const STUDY: &[Tag] = &[
            tags::STUDY_DATE,
            tags::STUDY_TIME,
            tags::ACCESSION_NUMBER,
            tags::MODALITIES_IN_STUDY,
            tags::STUDY_DESCRIPTION,
            tags::PATIENT_NAME,
            tags::PATIENT_ID,
            tags::STUDY_INSTANCE_UID,
            tags::NUMBER_OF_STUDY_RELATED_SERIES,
            tags::NUMBER_OF_STUDY_RELATED_INSTANCES,
        ];
        const SERIES: &[Tag] = &[
            tags::MODALITY,
            tags::SERIES_DESCRIPTION,
            tags::BODY_PART_EXAMINED,
            tags::STUDY_INSTANCE_UID,
            tags::SERIES_INSTANCE_UID,
            tags::SERIES_NUMBER,
            tags::NUMBER_OF_SERIES_RELATED_INSTANCES,
        ];
        const IMAGE: &[Tag] = &[
            tags::SOP_CLASS_UID,
            tags::SOP_INSTANCE_UID,
            tags::STUDY_INSTANCE_UID,
            tags::SERIES_INSTANCE_UID,
            tags::INSTANCE_NUMBER,
        ];
        match self {
            Level::Study => STUDY,
            Level::Series => SERIES,
            Level::Image => IMAGE,
        }
    }
}

/// Search a DICOM node (C-FIND, study root), or a DICOMweb server (QIDO-RS) when its URL is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    remote: RemoteArgs,
    /// Conditions, e.g. PatientID=123 StudyDate=20260101- Modality=DX; a keyword alone asks for the value
    #[arg(value_name = "KEYWORD=VALUE")]
    conditions: Vec<String>,
    /// What is listed
    #[arg(long, value_enum, default_value = "study")]
    level: Level,
    /// Most answers
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let answers = match args.remote.web()? {
        Some(service) => by_web(args, &service)?,
        None => by_dicom(args)?,
    };
    if args.remote.json {
        for answer in &answers {
            node_parts::say(&format!("{}\n", dicom_json::to_string(answer)?))?;
        }
    } else {
        node_parts::say(&table(args.level, &answers))?;
    }
    Ok(Code::Success)
}

fn by_dicom(args: &Args) -> Result<Vec<InMemDicomObject>> {
    const MODEL: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;
    let mut identifier = identifier(args.level, &args.conditions)?;
    for tag in args.level.returned() {
        if identifier.get(*tag).is_none() {
            identifier.put(DataElement::new(*tag, vr(*tag), PrimitiveValue::Empty));
        }
    }
    let (remote, _) = args.remote.remote()?;
    let mut session = remote.associate(&[Proposed::service(MODEL)])?;
    let mut answers = Vec::new();
    session.find(MODEL, &identifier, |answer| {
        answers.push(answer);
        answers.len() < args.limit
    })?;
    session.release()?;
    Ok(answers)
}

fn by_web(args: &Args, service: &WebService) -> Result<Vec<InMemDicomObject>> {
    let asked = WebSearch::new(args.level, &args.conditions)?;
    let limit = args.limit.to_string();
    let mut parameters: Vec<(&str, &str)> = asked
        .parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    parameters.push(("limit", &limit));
    let mut answers = Peers.search(service, &asked.path, &parameters)?;
    // Not every server keeps to a limit.
    answers.truncate(args.limit);
    Ok(answers)
}

/// A search as QIDO-RS has it: UIDs of higher levels lead the path, since not every server searches below a level without them.
#[derive(Debug, PartialEq, Eq)]
struct WebSearch {
    path: String,
    parameters: Vec<(String, String)>,
}

impl WebSearch {
    fn new(level: Level, conditions: &[String]) -> Result<Self> {
        let (mut study, mut series) = (None, None);
        let mut parameters = Vec::new();
        for condition in conditions {
            let (keyword, value) = condition.split_once('=').unwrap_or((condition, ""));
            let Some(entry) = StandardDataDictionary.by_expr(keyword) else {
                bail!(Usage(format!("{keyword:?} is no keyword of the standard")));
            };
            let one = Uid::new(value, "UID").ok();
            match (entry.tag(), one) {
                (tags::STUDY_INSTANCE_UID, Some(uid)) if level != Level::Study => {
                    study = Some(uid);
                }
                (tags::SERIES_INSTANCE_UID, Some(uid)) if level == Level::Image => {
                    series = Some(uid);
                }
                _ if value.is_empty() => {
                    parameters.push(("includefield".to_owned(), entry.alias().to_owned()));
                }
                _ => parameters.push((entry.alias().to_owned(), value.replace('\\', ","))),
            }
        }
        for tag in level.returned() {
            if let Some(entry) = StandardDataDictionary.by_tag(*tag) {
                parameters.push(("includefield".to_owned(), entry.alias().to_owned()));
            }
        }
        let leaf = match level {
            Level::Study => "/studies",
            Level::Series => "/series",
            Level::Image => "/instances",
        };
        let path = match (study, series) {
            (Some(study), Some(series)) => format!("/studies/{study}/series/{series}{leaf}"),
            (Some(study), None) => format!("/studies/{study}{leaf}"),
            (None, Some(series)) => {
                parameters.push(("SeriesInstanceUID".to_owned(), series.to_string()));
                leaf.to_owned()
            }
            (None, None) => leaf.to_owned(),
        };
        Ok(WebSearch { path, parameters })
    }
}

/// The identifier of a search: its level and conditions.
pub fn identifier(level: Level, conditions: &[String]) -> Result<InMemDicomObject> {
    let mut object = InMemDicomObject::new_empty();
    object.put(DataElement::new(
        tags::QUERY_RETRIEVE_LEVEL,
        VR::CS,
        level.name(),
    ));
    for condition in conditions {
        let (keyword, value) = condition.split_once('=').unwrap_or((condition, ""));
        let Some(entry) = StandardDataDictionary.by_expr(keyword) else {
            bail!(Usage(format!("{keyword:?} is no keyword of the standard")));
        };
        let (tag, vr) = (entry.tag(), entry.vr().relaxed());
        if !value.is_ascii() {
            object.put(DataElement::new(
                tags::SPECIFIC_CHARACTER_SET,
                VR::CS,
                "ISO_IR 192",
            ));
        }
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    Ok(object)
}

fn vr(tag: Tag) -> VR {
    StandardDataDictionary
        .by_tag(tag)
        .map_or(VR::UN, |e| e.vr().relaxed())
}

fn table(level: Level, answers: &[InMemDicomObject]) -> String {
    let mut text = String::new();
    for answer in answers {
        let values: Vec<String> = level
            .returned()
            .iter()
            .filter_map(|tag| {
                answer
                    .get(*tag)?
                    .to_str()
                    .ok()
                    .map(|v| v.trim_matches([' ', '\0']).to_owned())
            })
            .collect();
        let _ = writeln!(text, "{}", values.join("  "));
    }
    let _ = writeln!(text, "{} found", answers.len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_of_higher_levels_lead_the_path_of_a_web_search() {
        let search = |level, conditions: &[&str]| {
            let owned: Vec<String> = conditions.iter().map(|t| (*t).to_owned()).collect();
            WebSearch::new(level, &owned)
        };
        let path = |level, conditions: &[&str]| search(level, conditions).unwrap().path;
        assert_eq!(path(Level::Study, &["StudyInstanceUID=1.2"]), "/studies");
        assert_eq!(
            path(Level::Series, &["StudyInstanceUID=1.2"]),
            "/studies/1.2/series"
        );
        let both = ["SeriesInstanceUID=1.3", "StudyInstanceUID=1.2"];
        assert_eq!(
            path(Level::Image, &both),
            "/studies/1.2/series/1.3/instances"
        );
        // A list of UIDs, and what is no UID, stay conditions.
        assert_eq!(
            path(Level::Series, &["StudyInstanceUID=1.2\\1.3"]),
            "/series"
        );
        assert_eq!(path(Level::Series, &["StudyInstanceUID=../x"]), "/series");
        let asked = search(Level::Study, &["PatientID=A\\B", "ReferringPhysicianName"]).unwrap();
        let has = |name: &str, value: &str| {
            asked
                .parameters
                .contains(&(name.to_owned(), value.to_owned()))
        };
        assert!(has("PatientID", "A,B") && has("includefield", "ReferringPhysicianName"));
        assert!(has("includefield", "StudyDescription"));
        assert!(search(Level::Study, &["Nonsense=1"]).is_err());
    }
}
