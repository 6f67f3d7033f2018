//! `hilum get`: objects of a DICOMweb server into a folder.

use super::node_parts::{self, RemoteArgs};
use crate::exit::{Code, Usage};
use crate::progress;
use anyhow::{Context, Result, bail};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use hilum_dicomweb::Peers;
use hilum_node::config::WebService;
use hilum_node::scu::Item;
use hilum_node::web::WebClient;
use hilum_store::Uid;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Retrieve objects from a DICOMweb server (QIDO-RS and WADO-RS).
///
/// Writes STUDY/SERIES/INSTANCE.dcm under --out, as the server has them; what is there already is left as it is. Application entities
/// send by `hilum move`. Exit codes: 0 all came, 1 some did not or none is there, 2 usage.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    remote: RemoteArgs,
    /// What: StudyInstanceUID=..., and to narrow it SeriesInstanceUID=... and SOPInstanceUID=...
    #[arg(required = true, value_name = "KEYWORD=VALUE")]
    conditions: Vec<String>,
    /// Folder that the objects are written to; made where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
}

/// What is to be retrieved.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    study: Uid,
    series: Option<Uid>,
    instance: Option<Uid>,
}

/// Where an object is at the server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    series: Uid,
    instance: Uid,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let wanted = Wanted::parse(&args.conditions)?;
    let Some(service) = args.remote.web()? else {
        bail!(Usage(
            "get needs a DICOMweb server: its URL, or a destination with url; an application entity sends by `hilum move`"
                .to_owned()
        ));
    };
    let places = wanted.places(&service)?;
    if places.is_empty() {
        bail!("the server has no such objects");
    }
    let bar = progress::bar(places.len(), "retrieving", !args.no_progress);
    let mut failed = 0;
    for place in &places {
        let path = args
            .out
            .join(wanted.study.as_str())
            .join(place.series.as_str())
            .join(format!("{}.dcm", place.instance));
        let came = retrieve(&service, &wanted.study, place, &path);
        failed += usize::from(came.is_err());
        bar.inc(1);
        bar.suspend(|| tell(args.remote.json, &path, place, came.as_ref().err()))?;
    }
    bar.finish_and_clear();
    if !args.remote.json {
        let count = places.len() - failed;
        let folder = args.out.display();
        node_parts::say(&format!(
            "{count} of {} objects in {folder}\n",
            places.len()
        ))?;
    }
    Ok(match failed {
        0 => Code::Success,
        _ => Code::Failed,
    })
}

fn tell(
    json: bool,
    path: &Path,
    place: &Place,
    error: Option<&anyhow::Error>,
) -> std::io::Result<()> {
    let error = error.map(|e| format!("{e:#}"));
    if json {
        let line = serde_json::json!({
            "path": path.display().to_string(),
            "sop_instance_uid": place.instance.as_str(),
            "error": error,
        });
        return node_parts::say(&format!("{line}\n"));
    }
    if let Some(error) = error {
        eprintln!("hilum: {}: {error}", place.instance);
    }
    Ok(())
}

impl Wanted {
    fn parse(conditions: &[String]) -> Result<Self> {
        let (mut study, mut series, mut instance) = (None, None, None);
        for condition in conditions {
            let (keyword, value) = condition.split_once('=').unwrap_or((condition, ""));
            let (slot, name) = match keyword {
                "StudyInstanceUID" => (&mut study, "StudyInstanceUID"),
                "SeriesInstanceUID" => (&mut series, "SeriesInstanceUID"),
                "SOPInstanceUID" => (&mut instance, "SOPInstanceUID"),
                _ => bail!(Usage(format!(
                    "{keyword:?}: objects are named by StudyInstanceUID, SeriesInstanceUID and SOPInstanceUID; \
                     `hilum find` searches by other attributes"
                ))),
            };
            *slot = Some(Uid::new(value, name).map_err(|e| Usage(e.to_string()))?);
        }
        let Some(study) = study else {
            bail!(Usage("StudyInstanceUID=... is needed".to_owned()));
        };
        Ok(Wanted {
            study,
            series,
            instance,
        })
    }

    /// Where the objects are; one search, whatever is asked for.
    fn places(&self, service: &WebService) -> Result<Vec<Place>> {
        let path = match &self.series {
            Some(series) => format!("/studies/{}/series/{series}/instances", self.study),
            None => format!("/studies/{}/instances", self.study),
        };
        let one = self.instance.as_ref();
        let parameters: Vec<(&str, &str)> = one
            .map(|uid| ("SOPInstanceUID", uid.as_str()))
            .into_iter()
            .collect();
        let mut places = Vec::new();
        for row in Peers.search(service, &path, &parameters)? {
            let place = self.place(&row)?;
            // Nobody has to keep to what was asked.
            let fits = one.is_none_or(|uid| *uid == place.instance)
                && self.series.as_ref().is_none_or(|uid| *uid == place.series);
            if fits && !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(places)
    }

    fn place(&self, row: &InMemDicomObject) -> Result<Place> {
        let uid = |tag: Tag, name| {
            let text = row.get(tag).and_then(|e| e.to_str().ok());
            let text = text.map(|t| t.trim_matches([' ', '\0']).to_owned());
            Uid::new(&text.unwrap_or_default(), name)
        };
        let series = match (&self.series, row.get(tags::SERIES_INSTANCE_UID)) {
            (Some(series), None) => series.clone(),
            _ => uid(tags::SERIES_INSTANCE_UID, "SeriesInstanceUID")?,
        };
        Ok(Place {
            series,
            instance: uid(tags::SOP_INSTANCE_UID, "SOPInstanceUID")?,
        })
    }
}

/// Writes one object; half a file never has the object's name.
fn retrieve(service: &WebService, study: &Uid, place: &Place, path: &Path) -> Result<()> {
    if path.is_file() {
        return Ok(());
    }
    let from = format!(
        "/studies/{study}/series/{}/instances/{}",
        place.series, place.instance
    );
    let files = Peers.retrieve(service, &from)?;
    let [bytes] = files.as_slice() else {
        bail!("{} objects came in answer to one", files.len());
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut part = tempfile::NamedTempFile::new_in(folder)?;
    part.write_all(bytes)?;
    let item = Item::of_file(part.path())?;
    if item.instance != place.instance.as_str() {
        bail!("another object came than was asked for");
    }
    part.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uids_name_what_is_retrieved() {
        let parse = |text: &[&str]| {
            let owned: Vec<String> = text.iter().map(|t| (*t).to_owned()).collect();
            Wanted::parse(&owned)
        };
        let wanted = parse(&["StudyInstanceUID=1.2", "SeriesInstanceUID=1.3"]).unwrap();
        assert_eq!(wanted.study.as_str(), "1.2");
        assert_eq!(wanted.series.as_ref().map(Uid::as_str), Some("1.3"));
        for bad in [
            &["SeriesInstanceUID=1.3"][..],
            &["StudyInstanceUID=../x"],
            &["StudyInstanceUID"],
            &["PatientID=1"],
        ] {
            assert!(parse(bad).unwrap_err().is::<Usage>(), "{bad:?}");
        }
    }
}
