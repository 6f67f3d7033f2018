//! The 18 classes of CT-RATE (Hamamci et al. 2024), as far as the project's labeler can tell them from a report.

use hilum_text::{LabelValue, Labels};
use serde::Serialize;

/// How a class is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "codes")]
pub enum Rule {
    /// By any of these codes: present over uncertain over absent.
    Any(&'static [&'static str]),
    /// Only its presence: these codes are a part of the class, so their absence says nothing about it.
    Part(&'static [&'static str]),
    /// Not at all: the labeler has no such code.
    Unknown,
}

/// A class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Class {
    /// CT-RATE's name.
    pub name: &'static str,
    /// How it is told.
    pub rule: Rule,
}

const fn any(name: &'static str, codes: &'static [&'static str]) -> Class {
    Class {
        name,
        rule: Rule::Any(codes),
    }
}

const fn unknown(name: &'static str) -> Class {
    Class {
        name,
        rule: Rule::Unknown,
    }
}

/// In CT-RATE's order.
pub const CLASSES: [Class; 18] = [
    any("Medical material", &["support_devices"]),
    Class {
        name: "Arterial wall calcification",
        rule: Rule::Part(&["aortic_atheromatosis"]),
    },
    any("Cardiomegaly", &["cardiomegaly"]),
    any("Pericardial effusion", &["pericardial_effusion"]),
    unknown("Coronary artery wall calcification"),
    any("Hiatal hernia", &["hiatal_hernia"]),
    any("Lymphadenopathy", &["lymphadenopathy"]),
    any("Emphysema", &["emphysema"]),
    any("Atelectasis", &["atelectasis"]),
    any("Lung nodule", &["nodule"]),
    any("Lung opacity", &["lung_opacity"]),
    any(
        "Pulmonary fibrotic sequela",
        &["lung_scarring", "fibrotic_band", "fibrosis"],
    ),
    any("Pleural effusion", &["pleural_effusion"]),
    unknown("Mosaic attenuation pattern"),
    unknown("Peribronchial thickening"),
    any("Consolidation", &["consolidation"]),
    any("Bronchiectasis", &["bronchiectasis"]),
    unknown("Interlobular septal thickening"),
];

impl Class {
    /// 1 present, 0 absent, -1 uncertain; `None` when the report or the labeler does not tell.
    pub fn value(&self, labels: &Labels) -> Option<i8> {
        let best = |codes: &[&str]| {
            codes
                .iter()
                .filter_map(|c| labels.value(c))
                .max_by_key(|v| *v as u8)
        };
        match self.rule {
            Rule::Any(codes) => best(codes).map(LabelValue::as_i8),
            Rule::Part(codes) => best(codes)
                .filter(|v| *v == LabelValue::Present)
                .map(LabelValue::as_i8),
            Rule::Unknown => None,
        }
    }
}

/// Values of all classes.
pub fn values(labels: &Labels) -> [Option<i8>; 18] {
    CLASSES.map(|c| c.value(labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_text::{LabelOptions, Labeler, ReportText};

    fn told(text: &str) -> Vec<(&'static str, Option<i8>)> {
        let report = ReportText::from_parts(text, "");
        let labels = Labeler::shared()
            .label(&report, &LabelOptions::default())
            .unwrap();
        CLASSES
            .iter()
            .map(|c| c.name)
            .zip(values(&labels))
            .collect()
    }

    #[test]
    fn every_code_is_one_of_the_labeler() {
        let known = Labeler::shared().codes(hilum_text::label::LabelSpace::All);
        for class in CLASSES {
            if let Rule::Any(codes) | Rule::Part(codes) = class.rule {
                assert!(codes.iter().all(|c| known.contains(c)), "{}", class.name);
            }
        }
    }

    #[test]
    fn values_follow_the_report_and_are_null_where_it_is_silent() {
        let said = told(
            "There is a 5 mm nodule in the right upper lobe. No pleural effusion. Possible consolidation. Calcified atherosclerosis of the aorta. Mosaic attenuation is seen.",
        );
        let of = |name: &str| said.iter().find(|s| s.0 == name).unwrap().1;
        assert_eq!(of("Lung nodule"), Some(1));
        assert_eq!(of("Pleural effusion"), Some(0));
        assert_eq!(of("Consolidation"), Some(-1));
        assert_eq!(of("Cardiomegaly"), None);
        assert_eq!(of("Mosaic attenuation pattern"), None);
        let absent = told("No aortic calcification. No hiatal hernia.");
        let of = |name: &str| absent.iter().find(|s| s.0 == name).unwrap().1;
        assert_eq!(of("Arterial wall calcification"), None);
        assert_eq!(of("Hiatal hernia"), Some(0));
    }
}
