//! Sentences about the study itself: how it was taken, what the gate noticed, why it was not analysed.

use super::draft::Draft;
use super::grammar::{clause, count, decapitalise, join};
use hilum_core::{Evidence, GateReason, Reading, View};

/// What was taken: `PA and lateral chest radiographs`.
pub(crate) fn technique(reading: &Reading, draft: &mut Draft) {
    let images = || (0..reading.images.len()).map(Evidence::image);
    let views: Vec<String> = reading
        .images
        .iter()
        .filter_map(|image| view_name(image.view))
        .map(str::to_owned)
        .collect();
    let text = match (reading.images.len(), views.len()) {
        (1, 1) => format!("{} chest radiograph", views[0]),
        (1, _) => "chest radiograph, projection unknown".to_owned(),
        (n, known) if n == known => format!("{} chest radiographs", join(&views, "and")),
        (n, _) => format!(
            "{}, projection not known of all",
            count(n, "chest radiograph")
        ),
    };
    draft.finding(&text, images());
}

/// The projection as an adjective.
pub(crate) fn view_name(view: View) -> Option<&'static str> {
    match view {
        View::Pa => Some("PA"),
        View::Ap => Some("AP"),
        View::Frontal => Some("frontal"),
        View::Lateral => Some("lateral"),
        View::Other => Some("oblique or other"),
        View::Unknown => None,
    }
}

/// What the gate noticed without stopping, and images it left out of an analysed study.
pub(crate) fn cautions(reading: &Reading, draft: &mut Draft) {
    for reason in &reading.gate.reasons {
        let start = match (reason.blocking, reading.images.len()) {
            (true, _) => format!("image {} was not analysed", reason.image + 1),
            (false, 1) => "caution".to_owned(),
            (false, _) => format!("caution, image {}", reason.image + 1),
        };
        draft.finding(
            &format!("{start}: {}", decapitalise(&clause(&reason.message))),
            reason_evidence(reading, reason),
        );
    }
}

/// The whole report of a study that the gate stopped.
pub(crate) fn blocked(reading: &Reading, draft: &mut Draft) {
    let reasons: Vec<&GateReason> = reading
        .gate
        .reasons
        .iter()
        .filter(|reason| reason.blocking)
        .collect();
    if reasons.is_empty() {
        let images: Vec<Evidence> = (0..reading.images.len()).map(Evidence::image).collect();
        draft.finding(
            "the study was not analysed; the gate gave no reason",
            images.clone(),
        );
        draft.impression("not analysed; nothing is said about any finding", images);
        return;
    }
    for reason in &reasons {
        let what = if reading.images.len() > 1 {
            format!("image {}", reason.image + 1)
        } else {
            "the image".to_owned()
        };
        let text = format!(
            "{what} was not analysed: {}",
            decapitalise(&clause(&reason.message))
        );
        draft.finding(&text, reason_evidence(reading, reason));
    }
    for reason in reading
        .gate
        .reasons
        .iter()
        .filter(|reason| !reason.blocking)
    {
        draft.finding(&clause(&reason.message), reason_evidence(reading, reason));
    }
    let evidence: Vec<Evidence> = reasons
        .iter()
        .map(|reason| Evidence::gate(&reason.code))
        .collect();
    draft.impression("not analysed; nothing is said about any finding", evidence);
}

fn reason_evidence(reading: &Reading, reason: &GateReason) -> Vec<Evidence> {
    let mut evidence = vec![Evidence::gate(&reason.code)];
    if reason.image < reading.images.len() {
        evidence.push(Evidence::image(reason.image));
    }
    evidence
}
