//! How findings are spoken of: where in the chest they belong and the phrase that names them.

use super::grammar::{capitalise, decapitalise};
use super::place;
use hilum_core::Finding;
use hilum_core::taxonomy::{self, Kind};

/// Part of the chest, in the order in which a report goes through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Organ {
    Lungs,
    Pleura,
    Heart,
    ChestWall,
    Devices,
}

impl Organ {
    pub(crate) const ALL: [Organ; 5] = [
        Organ::Lungs,
        Organ::Pleura,
        Organ::Heart,
        Organ::ChestWall,
        Organ::Devices,
    ];
}

const PLEURA: &[&str] = &[
    "pleural_effusion",
    "pneumothorax",
    "pleural_other",
    "costophrenic_angle_blunting",
];
const HEART: &[&str] = &[
    "enlarged_cardiomediastinum",
    "mediastinal_shift",
    "mediastinal_mass",
    "pneumomediastinum",
    "aortic_enlargement",
    "aortic_elongation",
    "aortic_atheromatosis",
    "tortuous_aorta",
    "enlarged_pulmonary_artery",
    "hilar_enlargement",
    "hilar_congestion",
    "pericardial_effusion",
    "heart_failure",
    "pulmonary_embolism",
    "pulmonary_hypertension",
    "right_sided_aorta",
    "dextrocardia",
];
const CHEST_WALL: &[&str] = &[
    "fracture",
    "callus_rib_fracture",
    "scoliosis",
    "kyphosis",
    "vertebral_degenerative_changes",
    "hernia",
    "hemidiaphragm_elevation",
    "diaphragmatic_eventration",
    "subcutaneous_emphysema",
    "pneumoperitoneum",
];
/// Named first in the impression: they may not wait.
const URGENT: &[&str] = &["pneumothorax", "pneumomediastinum", "pneumoperitoneum"];

/// Where `code` belongs; what stands in no list belongs to the lungs.
pub(crate) fn organ(code: &str) -> Organ {
    let in_list = |list: &[&str]| {
        list.contains(&code)
            || taxonomy::ancestors(code)
                .iter()
                .any(|above| list.contains(above))
    };
    if taxonomy::by_code(code).is_some_and(|taxon| taxon.kind == Kind::Device) {
        Organ::Devices
    } else if in_list(PLEURA) {
        Organ::Pleura
    } else if in_list(HEART) {
        Organ::Heart
    } else if in_list(CHEST_WALL) {
        Organ::ChestWall
    } else {
        Organ::Lungs
    }
}

/// Whether the finding is a statement about the whole image (`abnormal`, `no_finding`).
pub(crate) fn is_summary(code: &str) -> bool {
    taxonomy::by_code(code).is_some_and(|taxon| taxon.kind == Kind::Summary)
}

/// Whether it names a disease, of which a film shows features and no more.
pub(crate) fn is_disease(code: &str) -> bool {
    taxonomy::by_code(code).is_some_and(|taxon| taxon.kind == Kind::Disease)
}

/// Whether it heads the impression.
pub(crate) fn is_urgent(code: &str) -> bool {
    URGENT
        .iter()
        .any(|urgent| code == *urgent || taxonomy::is_kind_of(code, urgent))
}

/// Whether it is a kind of lung opacity, or lung opacity itself.
pub(crate) fn is_opacity(code: &str) -> bool {
    code == "lung_opacity" || taxonomy::is_kind_of(code, "lung_opacity")
}

/// The finding as a noun inside a sentence, without a place.
pub(crate) fn noun(finding: &Finding) -> String {
    decapitalise(finding.name.trim())
}

/// The finding with its place, fit to follow nothing or `possible`:
/// `right pleural effusion`, `consolidation in both lower zones`.
pub(crate) fn placed(finding: &Finding) -> String {
    let places = place::places(&finding.regions);
    let noun = noun(finding);
    if organ(&finding.code) == Organ::Pleura
        && let Some(side) = place::side(&places)
    {
        return format!("{side} {noun}");
    }
    match place::phrase(&places) {
        Some(place) => format!("{noun} {place}"),
        None => noun,
    }
}

/// The plain statement that the finding is there.
pub(crate) fn statement(finding: &Finding) -> String {
    let placed = placed(finding);
    if is_disease(&finding.code) {
        format!("Features of {placed}")
    } else {
        capitalise(&placed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reported_finding_has_its_organ() {
        assert_eq!(organ("hydropneumothorax"), Organ::Pleura);
        assert_eq!(organ("apical_pleural_thickening"), Organ::Pleura);
        assert_eq!(organ("cardiomegaly"), Organ::Heart);
        assert_eq!(organ("rib_fracture"), Organ::ChestWall);
        assert_eq!(organ("chest_tube"), Organ::Devices);
        assert_eq!(organ("consolidation"), Organ::Lungs);
        assert_eq!(organ("a_code_of_tomorrow"), Organ::Lungs);
    }

    #[test]
    fn the_lists_name_codes_of_the_taxonomy() {
        for code in PLEURA.iter().chain(HEART).chain(CHEST_WALL).chain(URGENT) {
            assert!(taxonomy::by_code(code).is_some(), "{code}");
        }
    }
}
