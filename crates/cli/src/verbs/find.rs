//! `hilum find`: what does a DICOM node have?

use super::node_parts::{self, RemoteArgs};
use crate::exit::{Code, Usage};
use anyhow::{Result, bail};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};
use dicom_object::InMemDicomObject;
use hilum_node::scu::Proposed;
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

/// Search a DICOM node (C-FIND, study root).
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
    if args.remote.json {
        for answer in &answers {
            node_parts::say(&format!("{}\n", dicom_json::to_string(answer)?))?;
        }
    } else {
        node_parts::say(&table(args.level, &answers))?;
    }
    Ok(Code::Success)
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
