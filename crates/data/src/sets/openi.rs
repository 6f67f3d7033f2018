//! Indiana University chest X-rays (Demner-Fushman et al. 2016): XML reports with manual MeSH tags.

use super::common::{files, images_by, missing, relative, stem, words_to_labels};
use crate::error::{DataError, Result};
use crate::sample::{Pixels, Sample};
use roxmltree::{Document, Node};
use std::path::Path;

const SET: &str = "openi";

/// One report as published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// `CXR1` and so on; one report is one study of one patient.
    pub id: String,
    /// Section by its label, e.g. `FINDINGS`, in the order of the file; empty sections are left out.
    pub sections: Vec<(String, String)>,
    /// Manual MeSH tags, e.g. `Cardiomegaly/borderline`.
    pub mesh: Vec<String>,
    /// Ids of its images.
    pub images: Vec<String>,
}

impl Report {
    /// The text of a section.
    pub fn section(&self, label: &str) -> Option<&str> {
        self.sections
            .iter()
            .find(|(l, _)| l == label)
            .map(|(_, t)| t.as_str())
    }
}

/// Reads the set: one sample for every image of a report that is there as a file. Views are not published.
///
/// # Errors
/// [`DataError::Layout`] without reports, [`DataError::Format`] for a file that is no report.
pub fn load(root: &Path) -> Result<Vec<Sample>> {
    let reports: Vec<_> = files(root)?
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "xml"))
        .collect();
    if reports.is_empty() {
        return Err(missing(root, SET, "ecgen-radiology/*.xml"));
    }
    let images = images_by(root, |p| stem(p).to_owned())?;
    let mut samples = Vec::new();
    for path in reports {
        let text = std::fs::read_to_string(&path).map_err(|e| DataError::io(&path, e))?;
        let report = parse_report(&text).map_err(|reason| DataError::Format {
            path: path.clone(),
            reason,
        })?;
        for image in report.images.iter().filter_map(|i| images.get(i)) {
            let mut s = Sample::new(SET, relative(root, image), Pixels::File(image.clone()));
            s.patient = Some(report.id.clone());
            s.study = Some(report.id.clone());
            s.label_source = "manual MeSH tags".into();
            s.raw_labels = report.mesh.clone();
            let words: Vec<String> = report.mesh.iter().map(|t| word_of(t)).collect();
            s.labels = words_to_labels(SET, &words);
            let body = ["FINDINGS", "IMPRESSION"]
                .iter()
                .filter_map(|l| report.section(l))
                .collect::<Vec<_>>();
            s.report = (!body.is_empty()).then(|| body.join("\n"));
            samples.push(s);
        }
    }
    Ok(samples)
}

/// The tag without its qualifiers, except where a qualifier says which organ it is about.
fn word_of(tag: &str) -> String {
    let mut parts = tag.split('/').map(str::trim);
    let head = parts.next().unwrap_or("");
    let sites: Vec<String> = parts.map(str::to_lowercase).collect();
    let about = |site: &str| sites.iter().any(|s| s.contains(site));
    match head {
        "Thickening" if about("pleura") => "Pleural Thickening".into(),
        "Fractures, Bone" if about("ribs") => "Rib fracture".into(),
        "Fractures, Bone" if about("clavicle") => "Clavicle fracture".into(),
        "Mass" | "Nodule" if about("mediastinum") => "Mediastinal mass".into(),
        other => other.to_owned(),
    }
}

/// Reads one report.
///
/// # Errors
/// What is wrong with the text, in words.
pub fn parse_report(text: &str) -> std::result::Result<Report, String> {
    let document = Document::parse(text).map_err(|e| e.to_string())?;
    let nodes = |name: &'static str| document.descendants().filter(move |n| n.has_tag_name(name));
    let id = nodes("uId")
        .find_map(|n| n.attribute("id"))
        .ok_or("no <uId id=...>")?;
    let section = |n: Node| {
        let body = n.text()?.split_whitespace().collect::<Vec<_>>().join(" ");
        (!body.is_empty()).then(|| (n.attribute("Label").unwrap_or("").to_owned(), body))
    };
    let trimmed = |n: Node| {
        n.text()
            .map(|t| t.trim().to_owned())
            .filter(|t| !t.is_empty())
    };
    Ok(Report {
        id: id.to_owned(),
        sections: nodes("AbstractText").filter_map(section).collect(),
        mesh: nodes("major").filter_map(trimmed).collect(),
        images: nodes("parentImage")
            .filter_map(|n| n.attribute("id").map(Into::into))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::LabelState;

    const REPORT: &str = r#"<?xml version="1.0"?><eCitation><uId id="CXR7"/><Abstract>
        <AbstractText Label="COMPARISON"/><AbstractText Label="FINDINGS">Heart
         enlarged.</AbstractText><AbstractText Label="IMPRESSION">Cardiomegaly.</AbstractText></Abstract>
        <MeSH><major>Cardiomegaly/borderline</major><major>Thickening/pleura/apex</major><major>Kyphosis/mild</major></MeSH>
        <parentImage id="CXR7_IM-1-1001"/><parentImage id="CXR7_IM-1-2001"/></eCitation>"#;

    #[test]
    fn a_report_becomes_samples_of_its_images() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("ecgen-radiology")).unwrap();
        std::fs::create_dir(dir.path().join("NLMCXR_png")).unwrap();
        let xml = dir.path().join("ecgen-radiology/7.xml");
        std::fs::write(&xml, REPORT).unwrap();
        std::fs::write(dir.path().join("NLMCXR_png/CXR7_IM-1-1001.png"), "").unwrap();
        let all = load(dir.path()).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].id, "NLMCXR_png/CXR7_IM-1-1001.png");
        assert_eq!(
            all[0].report.as_deref(),
            Some("Heart enlarged.\nCardiomegaly.")
        );
        let l = &all[0].labels;
        assert!(
            l.is_positive("cardiomegaly")
                && l.is_positive("pleural_thickening")
                && l.is_positive("kyphosis")
        );
        assert_eq!(l.get("pneumothorax"), Some(LabelState::Negative));
        std::fs::write(&xml, "<a>").unwrap();
        assert!(matches!(load(dir.path()), Err(DataError::Format { .. })));
    }
}
