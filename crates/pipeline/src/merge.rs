//! From the images of a study to its reading.
//!
//! Of several analysed images the one with the highest probability answers for a finding, with its own
//! operating point and set; boxes of all images are kept. Measurements come from one image, the first PA one
//! if there is any, else the first analysed one.

use crate::read::{ImageResult, why_not};
use crate::store::Store;
use hilum_core::{
    Finding, FindingStatus, Gate, Measurement, Provenance, Reading, Report, View, taxonomy,
};
use hilum_reading::write_report;

/// Adds a finding; an assessed answer of an earlier model stays, any other is replaced by an assessed one.
pub(crate) fn prefer_assessed(findings: &mut Vec<Finding>, new: Finding) {
    match findings.iter_mut().find(|f| f.code == new.code) {
        None => findings.push(new),
        Some(old)
            if old.status == FindingStatus::NotAssessed
                && new.status == FindingStatus::Assessed =>
        {
            *old = new
        }
        Some(_) => {}
    }
}

/// The reading of a study; its elapsed time is left to the caller.
pub(crate) fn study(
    store: &Store,
    images: Vec<ImageResult>,
    mut provenance: Provenance,
) -> Reading {
    for model in images.iter().flat_map(|i| &i.models) {
        if !provenance.models.contains(model) {
            provenance.models.push(model.clone());
        }
    }
    let mut reasons = Vec::new();
    for (at, image) in images.iter().enumerate() {
        reasons.extend(
            image
                .verdict
                .reasons
                .iter()
                .cloned()
                .map(|r| hilum_core::GateReason { image: at, ..r }),
        );
    }
    let gate = Gate {
        analysable: images.iter().any(|i| i.verdict.passes()),
        reasons,
    };
    let findings = taxonomy::reporting_list()
        .into_iter()
        .map(|t| finding(store, &images, t))
        .collect();
    let mut reading = Reading {
        study: images.first().map(|i| i.study.clone()).unwrap_or_default(),
        gate,
        findings,
        measurements: measurements(&images),
        similar: Vec::new(),
        report: Report::default(),
        provenance,
        images: images.into_iter().map(|i| i.record).collect(),
    };
    reading.report = write_report(&reading);
    reading
}

fn finding(store: &Store, images: &[ImageResult], taxon: &taxonomy::Taxon) -> Finding {
    let of = |image: &'_ ImageResult| {
        image
            .findings
            .iter()
            .find(|f| f.code == taxon.code)
            .cloned()
    };
    let passed = || images.iter().filter(|i| i.verdict.passes());
    let mut best: Option<Finding> = None;
    let (mut regions, mut explanations) = (Vec::new(), Vec::new());
    for mut found in passed().filter_map(of) {
        regions.append(&mut found.regions);
        explanations.append(&mut found.explanations);
        if best
            .as_ref()
            .is_none_or(|b| found.probability > b.probability)
        {
            best = Some(found);
        }
    }
    for (number, region) in regions.iter_mut().enumerate() {
        region.id = format!("{}/{number}", taxon.code);
    }
    match best {
        Some(found) if found.status == FindingStatus::Assessed => Finding {
            regions,
            explanations,
            ..found
        },
        Some(found) => found,
        None => Finding::not_assessed(
            taxon.code,
            taxon.name,
            not_assessed(store, images, taxon.code),
        ),
    }
}

fn not_assessed(store: &Store, images: &[ImageResult], code: &str) -> String {
    match images.iter().find(|i| i.verdict.passes()) {
        Some(image) => why_not(store, code, image.record.age_group),
        None => {
            let first = images
                .iter()
                .flat_map(|i| &i.verdict.reasons)
                .find(|r| r.blocking);
            format!(
                "not analysed ({})",
                first.map_or("no reason", |r| r.code.as_str())
            )
        }
    }
}

fn measurements(images: &[ImageResult]) -> Vec<Measurement> {
    let passed = || images.iter().filter(|i| i.verdict.passes());
    let pa = passed().find(|i| i.record.view == View::Pa);
    pa.or_else(|| passed().next())
        .map(|i| i.measurements.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assessed(code: &str, probability: f64) -> Finding {
        let mut finding = Finding::not_assessed(code, code, "");
        finding.status = FindingStatus::Assessed;
        finding.reason = None;
        finding.probability = Some(probability);
        finding
    }

    #[test]
    fn the_first_model_that_was_shown_to_detect_it_answers() {
        let mut list = vec![Finding::not_assessed("pneumonia", "Pneumonia", "weak")];
        prefer_assessed(&mut list, assessed("pneumonia", 0.2));
        prefer_assessed(&mut list, assessed("pneumonia", 0.9));
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].probability, Some(0.2));
    }
}
