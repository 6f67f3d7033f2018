//! Earlier studies of the patient whose study is read: which ones there are at the destinations that `priors.from` names.
//!
//! A study that is read gives rise to a search, and every prior that it finds to a job of its own, so that nothing that goes
//! wrong here holds up the study. A prior's own priors are not looked for.

use crate::audit::{self, Outcome};
use crate::auto::{PRIOR, READ, Rules, SEARCH, Work};
use crate::config::{Address, Destination};
use crate::error::{NodeError, Result};
use crate::scu::{Proposed, Remote};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use hilum_store::{Found, JobState, Level, NewJob, Query, StoreError, Uid, keys};
use std::collections::BTreeMap;

/// Most answers of one search.
const MAX_ANSWERS: usize = 1000;

/// The study whose priors are looked for, and whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Current {
    study: String,
    date: String,
    time: String,
    patient: String,
    issuer: String,
    birth: String,
}

/// An earlier study.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Prior {
    date: String,
    time: String,
    study: Uid,
}

/// Asks for a search for the priors of a study, unless it is a prior itself.
pub(crate) async fn request(work: &Work, study: &str) -> Result<(), StoreError> {
    if !work.config.priors.are_wanted() || work.store.job_state(PRIOR, study).await?.is_some() {
        return Ok(());
    }
    let job = NewJob {
        kind: SEARCH.to_owned(),
        subject: study.to_owned(),
        wait_ms: 0,
    };
    work.store.request(&job).await
}

/// Whether a study is being fetched as a prior: its objects then give rise to no reading of their own.
pub(crate) async fn is_under_way(
    store: &hilum_store::Store,
    study: &str,
) -> Result<bool, StoreError> {
    let state = store.job_state(PRIOR, study).await?;
    Ok(matches!(state, Some(JobState::Waiting | JobState::Leased)))
}

/// Looks for priors of a study everywhere and asks for each to be fetched and read.
///
/// # Errors
/// In words without values of a data set. What was found before is asked for all the same.
pub(crate) fn search(
    work: &Work,
    runtime: &tokio::runtime::Handle,
    study: &str,
) -> Result<(), String> {
    let reached = |e: StoreError| e.kind().to_owned();
    let Some(current) = runtime.block_on(current(work, study)).map_err(reached)? else {
        return Ok(());
    };
    if let Some(why) = current.unusable() {
        let aet = &work.config.node.aet;
        work.audit.write(&audit::asked(
            aet,
            aet,
            "localhost",
            study,
            Outcome::Serious,
            &format!("no search for priors: {why}"),
        ));
        return Ok(());
    }
    let (mut found, mut failed) = (BTreeMap::new(), Vec::new());
    for name in &work.config.priors.from {
        let Some(destination) = work.config.find_destination(name) else {
            continue;
        };
        let answers = ask(work, destination, &current);
        let (outcome, detail) = match &answers {
            Ok(rows) => (
                Outcome::Success,
                format!("search for priors: {} studies", rows.len()),
            ),
            Err(error) => (
                Outcome::Minor,
                format!("search for priors failed: {}", error.kind()),
            ),
        };
        work.audit.write(&audit::asked(
            &work.config.node.aet,
            destination.user(),
            destination.host(),
            study,
            outcome,
            &detail,
        ));
        match answers {
            Ok(rows) => found.extend(rows.iter().filter_map(|row| current.prior(work, row))),
            Err(error) => failed.push(format!("{name}: {}", error.kind())),
        }
    }
    let chosen = latest(found.into_values().collect(), work.config.priors.max);
    for prior in chosen {
        runtime
            .block_on(want(work, &prior.study))
            .map_err(reached)?;
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join(", ")),
    }
}

/// Asks for a prior, unless it was read or asked for before.
async fn want(work: &Work, study: &Uid) -> Result<(), StoreError> {
    for kind in [READ, PRIOR] {
        if work.store.job_state(kind, study.as_str()).await?.is_some() {
            return Ok(());
        }
    }
    let job = NewJob {
        kind: PRIOR.to_owned(),
        subject: study.to_string(),
        wait_ms: 0,
    };
    work.store.request(&job).await
}

/// What the index says of the study; `None` when it is gone.
async fn current(work: &Work, study: &str) -> Result<Option<Current>, StoreError> {
    let mut query = Query::all(Level::Study);
    if let Some(key) = keys::by_tag(tags::STUDY_INSTANCE_UID) {
        query = query.with(key, study);
    }
    let rows = work.store.find(&query).await?;
    Ok(rows.first().map(Current::new))
}

impl Current {
    fn new(row: &Found) -> Self {
        let text = |tag| row.value(tag).trim().to_owned();
        Current {
            study: text(tags::STUDY_INSTANCE_UID),
            date: text(tags::STUDY_DATE),
            time: text(tags::STUDY_TIME),
            patient: text(tags::PATIENT_ID),
            issuer: text(tags::ISSUER_OF_PATIENT_ID),
            birth: text(tags::PATIENT_BIRTH_DATE),
        }
    }

    /// Why no search can be made.
    fn unusable(&self) -> Option<&'static str> {
        if self.patient.is_empty() {
            return Some("no Patient ID");
        }
        // Others would take them for a pattern or a list, and answer with other patients' studies.
        if self.patient.contains(['*', '?', '\\']) {
            return Some("a Patient ID with wildcards");
        }
        if !is_date(&self.date) {
            return Some("no Study Date");
        }
        None
    }

    /// The range of dates that is asked for.
    fn range(&self, years: u32) -> String {
        format!("{}-{}", years_before(&self.date, years), self.date)
    }

    /// The prior that an answer stands for; `None` when it is none. Nobody has to keep to what was asked, so everything is
    /// looked at again.
    fn prior(&self, work: &Work, row: &InMemDicomObject) -> Option<(String, Prior)> {
        let rules = Rules::new(&work.config);
        let prior = self.same_patient_before(row, work.config.priors.years)?;
        let modalities = text(row, tags::MODALITIES_IN_STUDY);
        let readable = modalities.split('\\').any(|m| rules.may_read(m, ""));
        readable.then(|| (prior.study.to_string(), prior))
    }

    fn same_patient_before(&self, row: &InMemDicomObject, years: u32) -> Option<Prior> {
        let differs = |own: &str, tag| {
            let other = text(row, tag);
            !own.is_empty() && !other.is_empty() && own != other
        };
        if text(row, tags::PATIENT_ID) != self.patient
            || differs(&self.issuer, tags::ISSUER_OF_PATIENT_ID)
            || differs(&self.birth, tags::PATIENT_BIRTH_DATE)
        {
            return None;
        }
        let study = Uid::new(&text(row, tags::STUDY_INSTANCE_UID), "StudyInstanceUID").ok()?;
        let (date, time) = (text(row, tags::STUDY_DATE), text(row, tags::STUDY_TIME));
        let before = date < self.date
            || (date == self.date && !time.is_empty() && !self.time.is_empty() && time < self.time);
        let recent = date >= years_before(&self.date, years);
        (study.as_str() != self.study && is_date(&date) && before && recent).then_some(Prior {
            date,
            time,
            study,
        })
    }
}

/// The latest `max`, latest first.
fn latest(mut found: Vec<Prior>, max: usize) -> Vec<Prior> {
    found.sort_by(|a, b| {
        (&b.date, &b.time, b.study.as_str()).cmp(&(&a.date, &a.time, a.study.as_str()))
    });
    found.truncate(max);
    found
}

fn is_date(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The same day so many years before.
fn years_before(date: &str, years: u32) -> String {
    let (year, day) = date.split_at(4);
    let year = year.parse::<u32>().unwrap_or(0).saturating_sub(years);
    let day = if day == "0229" { "0228" } else { day };
    format!("{year:04}{day}")
}

fn ask(work: &Work, destination: &Destination, current: &Current) -> Result<Vec<InMemDicomObject>> {
    let range = current.range(work.config.priors.years);
    match &destination.at {
        Address::Dicom(entity) => {
            let remote = Remote::new(entity, &work.config.node.aet)?;
            let conditions = [
                (tags::PATIENT_ID, VR::LO, current.patient.as_str()),
                (tags::STUDY_DATE, VR::DA, range.as_str()),
            ];
            let returned = [
                (tags::STUDY_INSTANCE_UID, VR::UI),
                (tags::STUDY_TIME, VR::TM),
                (tags::ISSUER_OF_PATIENT_ID, VR::LO),
                (tags::PATIENT_BIRTH_DATE, VR::DA),
                (tags::MODALITIES_IN_STUDY, VR::CS),
            ];
            find(&remote, "STUDY", &conditions, &returned)
        }
        Address::Web(service) => work.web.search(
            service,
            "/studies",
            &[
                ("PatientID", current.patient.as_str()),
                ("StudyDate", range.as_str()),
                ("includefield", "IssuerOfPatientID"),
                ("includefield", "PatientBirthDate"),
                ("includefield", "ModalitiesInStudy"),
                ("limit", "1000"),
            ],
        ),
    }
}

/// C-FIND in the study root model.
pub(crate) fn find(
    remote: &Remote,
    level: &str,
    conditions: &[(Tag, VR, &str)],
    returned: &[(Tag, VR)],
) -> Result<Vec<InMemDicomObject>> {
    const MODEL: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;
    let mut identifier = identifier(level, conditions);
    for (tag, vr) in returned {
        identifier.put(DataElement::new(*tag, *vr, PrimitiveValue::Empty));
    }
    let mut session = remote.associate(&[Proposed::service(MODEL)])?;
    let mut answers = Vec::new();
    session.find(MODEL, &identifier, |answer| {
        answers.push(answer);
        answers.len() < MAX_ANSWERS
    })?;
    // All answers are here; how the association ends changes nothing.
    let _ = session.release();
    Ok(answers)
}

/// What is asked for at a level.
pub(crate) fn identifier(level: &str, conditions: &[(Tag, VR, &str)]) -> InMemDicomObject {
    let mut object = InMemDicomObject::from_element_iter([DataElement::new(
        tags::QUERY_RETRIEVE_LEVEL,
        VR::CS,
        level,
    )]);
    for (tag, vr, value) in conditions {
        object.put(DataElement::new(*tag, *vr, *value));
    }
    crate::dataset::mark_unicode(&mut object);
    object
}

/// Text of an answer, empty when there is none.
pub(crate) fn text(object: &InMemDicomObject, tag: Tag) -> String {
    let text = object.get(tag).and_then(|e| e.to_str().ok());
    text.map_or_else(String::new, |t| t.trim_matches([' ', '\0']).to_owned())
}

/// A destination that cannot tell is passed over; other errors are told.
pub(crate) fn is_not_offered(error: &NodeError) -> bool {
    matches!(
        error,
        NodeError::NotAccepted { .. }
            | NodeError::Rejected {
                transient: false,
                ..
            }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current() -> Current {
        Current {
            study: "1.2".to_owned(),
            date: "20240229".to_owned(),
            time: "120000".to_owned(),
            patient: "P1".to_owned(),
            issuer: "HERE".to_owned(),
            birth: "19500101".to_owned(),
        }
    }

    fn row(values: &[(Tag, VR, &str)]) -> InMemDicomObject {
        let mut row = InMemDicomObject::from_element_iter([
            DataElement::new(tags::PATIENT_ID, VR::LO, "P1 "),
            DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, "1.3"),
            DataElement::new(tags::STUDY_DATE, VR::DA, "20230101"),
        ]);
        for (tag, vr, value) in values {
            row.put(DataElement::new(*tag, *vr, *value));
        }
        row
    }

    #[test]
    fn only_earlier_studies_of_the_same_patient_are_priors() {
        let is =
            |values: &[(Tag, VR, &str)]| current().same_patient_before(&row(values), 10).is_some();
        assert!(is(&[]));
        assert!(is(&[(tags::ISSUER_OF_PATIENT_ID, VR::LO, "HERE")]));
        assert!(!is(&[(tags::ISSUER_OF_PATIENT_ID, VR::LO, "ELSEWHERE")]));
        assert!(!is(&[(tags::PATIENT_BIRTH_DATE, VR::DA, "19800101")]));
        assert!(!is(&[(tags::PATIENT_ID, VR::LO, "P11")]));
        assert!(!is(&[(tags::PATIENT_ID, VR::LO, "p1")]));
        assert!(!is(&[(tags::STUDY_INSTANCE_UID, VR::UI, "1.2")]));
        assert!(!is(&[(tags::STUDY_INSTANCE_UID, VR::UI, "../1")]));
        assert!(!is(&[(tags::STUDY_DATE, VR::DA, "20240301")]));
        assert!(!is(&[(tags::STUDY_DATE, VR::DA, "20140227")]));
        assert!(is(&[(tags::STUDY_DATE, VR::DA, "20140228")]));
        assert!(!is(&[(tags::STUDY_DATE, VR::DA, "")]));
        let day = (tags::STUDY_DATE, VR::DA, "20240229");
        assert!(!is(&[day]));
        assert!(is(&[day, (tags::STUDY_TIME, VR::TM, "0830")]));
        assert!(!is(&[day, (tags::STUDY_TIME, VR::TM, "1830")]));
    }

    #[test]
    fn a_search_is_made_for_one_patient_and_a_range_of_days() {
        assert_eq!(current().range(10), "20140228-20240229");
        assert_eq!(current().unusable(), None);
        let with = |patient: &str, date: &str| {
            let mut changed = current();
            changed.patient = patient.to_owned();
            changed.date = date.to_owned();
            changed.unusable()
        };
        assert!(with("P*", "20240229").is_some() && with("A\\B", "20240229").is_some());
        assert!(with("", "20240229").is_some() && with("P1", "").is_some());
    }

    #[test]
    fn the_latest_are_taken() {
        let prior = |date: &str| Prior {
            date: date.to_owned(),
            time: String::new(),
            study: Uid::new(&format!("1.2.{date}"), "StudyInstanceUID").unwrap(),
        };
        let chosen = latest(
            vec![prior("20200101"), prior("20230101"), prior("20210101")],
            2,
        );
        let dates: Vec<&str> = chosen.iter().map(|p| p.date.as_str()).collect();
        assert_eq!(dates, ["20230101", "20210101"]);
    }
}
