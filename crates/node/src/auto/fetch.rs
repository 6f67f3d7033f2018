//! Fetching an earlier study: by C-GET where the destination offers it, by C-MOVE to ourselves where not, by WADO-RS from a
//! DICOMweb server. Only series that a rule may read are fetched, and only what is not here yet.

use crate::audit::{self, Outcome};
use crate::auto::priors::{find, identifier, is_not_offered, text};
use crate::auto::{Rules, Work};
use crate::command::status;
use crate::config::{Address, Destination, Entity, WebService};
use crate::error::{NodeError, Result};
use crate::scu::{Gotten, Moved, Proposed, Remote};
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use hilum_store::{Incoming, Level, Query, StoreError, Uid, keys};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a destination may take for the next answer of a move or get.
const ANSWER: Duration = Duration::from_secs(300);
/// Most objects of one series.
const MAX_OBJECTS: usize = 10_000;

/// A series at a destination.
#[derive(Debug)]
struct Series {
    uid: Uid,
    /// How many objects it has there, where that is known.
    objects: Option<usize>,
}

/// Fetches a study from the first destination that has it.
///
/// # Errors
/// In words without values of a data set.
pub(crate) fn fetch(work: &Work, runtime: &Handle, study: &str) -> Result<(), String> {
    let uid = Uid::new(study, "StudyInstanceUID").map_err(|e| e.to_string())?;
    let mut failed = Vec::new();
    for name in &work.config.priors.from {
        let Some(destination) = work.config.find_destination(name) else {
            continue;
        };
        let fetched = from(work, runtime, destination, &uid);
        account(work, destination, study, &fetched);
        match fetched {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(error) => failed.push(format!("{name}: {}", error.kind())),
        }
    }
    Err(match failed.is_empty() {
        true => "no destination has it any more".to_owned(),
        false => failed.join(", "),
    })
}

fn account(work: &Work, destination: &Destination, study: &str, fetched: &Result<Option<usize>>) {
    let (outcome, detail) = match fetched {
        Ok(Some(count)) => (
            Outcome::Success,
            format!("prior: {count} instances asked for"),
        ),
        // There is nothing to tell of.
        Ok(None) => return,
        Err(error) => (
            Outcome::Minor,
            format!("prior not fetched: {}", error.kind()),
        ),
    };
    work.audit.write(&audit::fetched(
        &work.config.node.aet,
        destination.user(),
        destination.host(),
        study,
        outcome,
        &detail,
    ));
}

/// How many objects were fetched; `None` when the destination does not have the study.
fn from(
    work: &Work,
    runtime: &Handle,
    destination: &Destination,
    study: &Uid,
) -> Result<Option<usize>> {
    match &destination.at {
        Address::Dicom(entity) => from_entity(work, runtime, entity, study),
        Address::Web(service) => from_web(work, runtime, service, study),
    }
}

/// The series of a study that are to be fetched, of what a search for its series answered.
fn wanted(
    work: &Work,
    runtime: &Handle,
    study: &Uid,
    rows: &[dicom_object::InMemDicomObject],
) -> Result<Vec<Series>> {
    let rules = Rules::new(&work.config);
    let mut series = Vec::new();
    for row in rows {
        let modality = text(row, tags::MODALITY);
        if !rules.may_read(&modality, &text(row, tags::BODY_PART_EXAMINED)) {
            continue;
        }
        let uid = Uid::new(&text(row, tags::SERIES_INSTANCE_UID), "SeriesInstanceUID")?;
        let objects = text(row, tags::NUMBER_OF_SERIES_RELATED_INSTANCES)
            .parse()
            .ok();
        let here = runtime.block_on(here(work, study, &uid))?;
        if objects.is_none_or(|there| here < there) {
            series.push(Series { uid, objects });
        }
    }
    Ok(series)
}

/// How many objects of a series are in the store.
async fn here(work: &Work, study: &Uid, series: &Uid) -> Result<usize, StoreError> {
    let mut query = Query::all(Level::Instance);
    for (tag, uid) in [
        (tags::STUDY_INSTANCE_UID, study),
        (tags::SERIES_INSTANCE_UID, series),
    ] {
        if let Some(key) = keys::by_tag(tag) {
            query = query.with(key, uid.as_str());
        }
    }
    query.limit = 10_000;
    Ok(work.store.find(&query).await?.len())
}

fn from_entity(
    work: &Work,
    runtime: &Handle,
    entity: &Entity,
    study: &Uid,
) -> Result<Option<usize>> {
    let remote = Remote::new(entity, &work.config.node.aet)?;
    let rows = find(
        &remote,
        "SERIES",
        &[(tags::STUDY_INSTANCE_UID, VR::UI, study.as_str())],
        &[
            (tags::SERIES_INSTANCE_UID, VR::UI),
            (tags::MODALITY, VR::CS),
            (tags::BODY_PART_EXAMINED, VR::CS),
            (tags::NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS),
        ],
    )?;
    if rows.is_empty() {
        return Ok(None);
    }
    let series = wanted(work, runtime, study, &rows)?;
    if series.is_empty() {
        return Ok(Some(0));
    }
    let remote = remote.with_timeout(ANSWER);
    let count = match get(work, runtime, &remote, study, &series, &entity.aet) {
        Err(error) if is_not_offered(&error) => move_here(work, &remote, study, &series)?,
        other => other?,
    };
    Ok(Some(count))
}

/// SOP classes that a C-GET is prepared to receive: films, and what is made of them.
const CLASSES: [&str; 8] = [
    uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
    uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_GRAYSCALE_BYTE_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::X_RAY_RADIOFLUOROSCOPIC_IMAGE_STORAGE,
    uids::CT_IMAGE_STORAGE,
];

/// Transfer syntaxes of compressed pixels: each is a context of its own, so that objects come as they are stored.
const COMPRESSED: [&str; 9] = [
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.5",
];

const GET: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET;
const MOVE: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE;

fn contexts() -> Vec<Proposed> {
    let mut contexts = vec![Proposed::service(GET)];
    for class in CLASSES {
        contexts.push(Proposed::service(class));
        contexts.extend(COMPRESSED.iter().map(|syntax| Proposed {
            sop_class: class.to_owned(),
            transfer_syntaxes: vec![(*syntax).to_owned()],
        }));
    }
    contexts
}

fn get(
    work: &Work,
    runtime: &Handle,
    remote: &Remote,
    study: &Uid,
    series: &[Series],
    source: &str,
) -> Result<usize> {
    let mut session = remote.associate_as(&contexts(), &CLASSES)?;
    let limit = work.store.max_object();
    let mut count = 0;
    for one in series {
        let asked = of_series(study, one);
        let moved = session.get(GET, &asked, limit, |object| {
            let kept = keep_gotten(work, runtime, study, object, source);
            count += usize::from(kept == status::SUCCESS);
            kept
        })?;
        complete(moved)?;
    }
    // All objects are here; how the association ends changes nothing.
    let _ = session.release();
    Ok(count)
}

fn keep_gotten(
    work: &Work,
    runtime: &Handle,
    study: &Uid,
    object: &Gotten<'_>,
    source: &str,
) -> u16 {
    let incoming = Incoming {
        data: object.data,
        transfer_syntax: object.transfer_syntax,
        sop_class: Some(object.sop_class),
        instance: object.instance,
        source,
    };
    match keep(work, runtime, study, &incoming) {
        Ok(()) => status::SUCCESS,
        Err(StoreError::Duplicate) => status::DUPLICATE_SOP_INSTANCE,
        Err(StoreError::Dicom(_) | StoreError::Conflict { .. }) => status::CANNOT_UNDERSTAND,
        Err(StoreError::Mismatch { .. }) => status::DOES_NOT_MATCH,
        Err(_) => status::OUT_OF_RESOURCES,
    }
}

/// Stores an object of the study that was asked for. It gives rise to no reading of its own.
fn keep(
    work: &Work,
    runtime: &Handle,
    study: &Uid,
    incoming: &Incoming<'_>,
) -> Result<(), StoreError> {
    let record = work.store.check(incoming)?;
    if record.study != *study {
        return Err(StoreError::Mismatch {
            name: "StudyInstanceUID",
        });
    }
    runtime
        .block_on(work.store.ingest(record, incoming, None))
        .map(|_| ())
}

fn move_here(work: &Work, remote: &Remote, study: &Uid, series: &[Series]) -> Result<usize> {
    let mut session = remote.associate(&[Proposed::service(MOVE)])?;
    let mut count = 0;
    for one in series {
        let asked = of_series(study, one);
        let moved = session.move_to(MOVE, &asked, &work.config.node.aet, |_| {})?;
        complete(moved)?;
        // Numbers of sub-operations are optional in the last answer.
        let said = usize::from(moved.completed) + usize::from(moved.warning);
        count += said.max(one.objects.unwrap_or(0));
    }
    let _ = session.release();
    Ok(count)
}

fn of_series(study: &Uid, series: &Series) -> dicom_object::InMemDicomObject {
    identifier(
        "SERIES",
        &[
            (tags::STUDY_INSTANCE_UID, VR::UI, study.as_str()),
            (tags::SERIES_INSTANCE_UID, VR::UI, series.uid.as_str()),
        ],
    )
}

fn complete(moved: Moved) -> Result<()> {
    match moved.failed {
        0 => Ok(()),
        _ => Err(NodeError::Status {
            status: status::MOVE_SOME_FAILED,
            comment: format!(": {} objects did not come", moved.failed),
        }),
    }
}

fn from_web(
    work: &Work,
    runtime: &Handle,
    service: &WebService,
    study: &Uid,
) -> Result<Option<usize>> {
    let path = format!("/studies/{study}/series");
    let fields = [
        ("includefield", "BodyPartExamined"),
        ("includefield", "NumberOfSeriesRelatedInstances"),
    ];
    let rows = work.web.search(service, &path, &fields)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut count = 0;
    for series in wanted(work, runtime, study, &rows)? {
        let path = format!("{path}/{}/instances", series.uid);
        let objects = work.web.search(service, &path, &[])?;
        for object in objects.iter().take(MAX_OBJECTS) {
            let uid = Uid::new(&text(object, tags::SOP_INSTANCE_UID), "SOPInstanceUID")?;
            if runtime.block_on(work.store.locate(&uid))?.is_some() {
                continue;
            }
            let files = work.web.retrieve(service, &format!("{path}/{uid}"))?;
            for file in &files {
                keep_file(work, runtime, study, file)?;
                count += 1;
            }
        }
    }
    Ok(Some(count))
}

fn keep_file(work: &Work, runtime: &Handle, study: &Uid, file: &[u8]) -> Result<()> {
    let (data, transfer_syntax) = crate::dataset::split_file(file)
        .ok_or_else(|| NodeError::DataSet("no DICOM file".to_owned()))?;
    let incoming = Incoming {
        data,
        transfer_syntax: &transfer_syntax,
        sop_class: None,
        instance: None,
        source: "DICOMWEB",
    };
    Ok(keep(work, runtime, study, &incoming)?)
}
