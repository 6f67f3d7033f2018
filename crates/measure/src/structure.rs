//! What a mask shows, by the names that segmenters give it.

use serde::{Serialize, Serializer};
use std::fmt;

/// A structure that an index needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Structure {
    /// Both lungs in one mask.
    Lungs,
    /// The patient's right lung; may go on behind heart and diaphragm.
    RightLung,
    /// The patient's left lung.
    LeftLung,
    /// What is seen of the right lung beside mediastinum, heart and diaphragm.
    RightLungField,
    /// What is seen of the left lung.
    LeftLungField,
    /// Heart.
    Heart,
    /// Mediastinum between thoracic inlet and carina, great vessels included.
    UpperMediastinum,
    /// Trachea; may hold the main bronchi.
    Trachea,
    /// Bifurcation of the trachea with the start of the main bronchi.
    Carina,
    /// Ascending aorta.
    AscendingAorta,
    /// Aortic arch.
    AorticArch,
    /// Descending aorta.
    DescendingAorta,
    /// Vertebral column.
    Spine,
    /// Spinous processes alone.
    SpinousProcesses,
    /// The patient's right clavicle.
    RightClavicle,
    /// Left clavicle.
    LeftClavicle,
    /// Right scapula.
    RightScapula,
    /// Left scapula.
    LeftScapula,
    /// Right half of the diaphragm and what lies under it.
    RightDiaphragm,
    /// The part along the back of a right rib, 1 to 12.
    RightPosteriorRib(u8),
}

use Structure::{
    AorticArch, AscendingAorta, Carina, DescendingAorta, Heart, LeftClavicle, LeftLung,
    LeftLungField, LeftScapula, Lungs, RightClavicle, RightDiaphragm, RightLung, RightLungField,
    RightPosteriorRib, RightScapula, Spine, SpinousProcesses, Trachea, UpperMediastinum,
};

/// Names in the order own, then those of CXAS, JSRT/SCR and the COVID-19 structure masks. Compared after [`plain`].
const NAMES: &[(Structure, &[&str])] = &[
    (Lungs, &["lungs", "lung", "both_lungs", "lung_mask"]),
    (RightLung, &["right_lung", "lung_right", "rl"]),
    (LeftLung, &["left_lung", "lung_left", "ll"]),
    (RightLungField, &["right_lung_field"]),
    (LeftLungField, &["left_lung_field"]),
    (Heart, &["heart", "cardiac_silhouette"]),
    (UpperMediastinum, &["upper_mediastinum"]),
    (Trachea, &["trachea", "airways", "airway"]),
    (Carina, &["carina", "tracheal_bifurcation", "bifurcation"]),
    (AscendingAorta, &["ascending_aorta"]),
    (AorticArch, &["aortic_arch", "aortic_knob"]),
    (DescendingAorta, &["descending_aorta"]),
    (
        Spine,
        &["spine", "thoracic_spine", "vertebrae", "vertebral_column"],
    ),
    (SpinousProcesses, &["spinous_processes"]),
    (RightClavicle, &["right_clavicle", "clavicle_right"]),
    (LeftClavicle, &["left_clavicle", "clavicle_left"]),
    (RightScapula, &["right_scapula", "scapula_right"]),
    (LeftScapula, &["left_scapula", "scapula_left"]),
    (
        RightDiaphragm,
        &["right_diaphragm", "right_hemidiaphragm", "abdomen"],
    ),
];

/// Ribs that can be counted.
pub const RIBS: std::ops::RangeInclusive<u8> = 1..=12;

impl Structure {
    /// The structure of a name, in any case, with spaces, dashes or underscores; `None` for names that no index uses.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = plain(name);
        let known = NAMES.iter().find(|(_, all)| all.contains(&name.as_str()));
        known.map(|(s, _)| *s).or_else(|| rib_of_name(&name))
    }

    /// Its own name in snake case.
    pub fn name(self) -> String {
        if let RightPosteriorRib(n) = self {
            return format!("right_posterior_rib_{n}");
        }
        let own = NAMES.iter().find(|(s, _)| *s == self);
        own.and_then(|(_, all)| all.first())
            .map_or_else(String::new, |n| (*n).to_owned())
    }

    /// Its name in words.
    pub fn words(self) -> String {
        self.name().replace('_', " ")
    }

    /// All structures, without those of single ribs.
    pub fn named() -> impl Iterator<Item = (Structure, &'static [&'static str])> {
        NAMES.iter().copied()
    }
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl Serialize for Structure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

/// Lower case, with underscores between words.
fn plain(name: &str) -> String {
    let parts = name.trim().to_lowercase();
    let words: Vec<&str> = parts
        .split([' ', '-', '_'])
        .filter(|w| !w.is_empty())
        .collect();
    words.join("_")
}

/// `right_posterior_rib_9`, `posterior_9th_rib_right`, `right_rib_9`.
fn rib_of_name(name: &str) -> Option<Structure> {
    let words: Vec<&str> = name.split('_').collect();
    let has = |w: &str| words.contains(&w);
    if !has("rib") || !has("right") || has("anterior") {
        return None;
    }
    let number = words.iter().find_map(|w| {
        let digits = w.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        digits.parse::<u8>().ok()
    })?;
    let known = words.len() == if has("posterior") { 4 } else { 3 };
    (known && RIBS.contains(&number)).then_some(RightPosteriorRib(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_and_those_of_others_are_known() {
        for (structure, names) in Structure::named() {
            for name in names {
                assert_eq!(Structure::of_name(name), Some(structure), "{name}");
            }
            assert_eq!(Structure::of_name(&structure.name()), Some(structure));
        }
        for n in RIBS {
            let own = RightPosteriorRib(n);
            assert_eq!(Structure::of_name(&own.name()), Some(own));
        }
        for (name, structure) in [
            ("Clavicle Right", RightClavicle),
            ("posterior 1st rib right", RightPosteriorRib(1)),
            ("Posterior-11th-rib-right", RightPosteriorRib(11)),
            ("Tracheal Bifurcation", Carina),
        ] {
            assert_eq!(Structure::of_name(name), Some(structure), "{name}");
        }
        for other in [
            "finding-1-oedema",
            "ribs",
            "posterior 1st rib left",
            "anterior 2nd rib right",
            "right_posterior_rib_13",
            "",
        ] {
            assert_eq!(Structure::of_name(other), None, "{other}");
        }
    }
}
