//! Places of the chest: what reports call them, how they nest, and which of the 29 anatomical
//! locations of Chest ImaGenome (Wu et al. 2021) they are.

use serde::{Deserialize, Serialize};

/// Side of the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Left.
    Left,
    /// Right.
    Right,
    /// Both.
    Bilateral,
    /// In the middle.
    Midline,
}

impl Side {
    /// Snake-case name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Side::Left => "left",
            Side::Right => "right",
            Side::Bilateral => "bilateral",
            Side::Midline => "midline",
        }
    }

    /// The side of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Side::Left, Side::Right, Side::Bilateral, Side::Midline]
            .into_iter()
            .find(|s| s.name() == name)
    }

    /// What two sides of one thing make: left and right are bilateral.
    pub fn and(self, other: Side) -> Side {
        match (self, other) {
            (a, b) if a == b => a,
            (Side::Midline, b) => b,
            (a, Side::Midline) => a,
            _ => Side::Bilateral,
        }
    }

    /// Whether something on this side is (also) on `other`.
    pub fn covers(self, other: Side) -> bool {
        self == other || (self == Side::Bilateral && matches!(other, Side::Left | Side::Right))
    }
}

/// How many of a place there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    /// One on each side.
    Paired,
    /// One, on this side.
    On(Side),
    /// One, without a side.
    Single,
}

/// One place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Snake-case code.
    pub code: &'static str,
    /// The place it is part of, if any.
    pub part_of: Option<&'static str>,
    /// Its Chest ImaGenome location without the side, if it has one.
    pub scene: Option<&'static str>,
    count: Count,
}

impl Place {
    /// The side that the place itself implies: the lingula is left.
    pub fn own_side(&self) -> Option<Side> {
        match self.count {
            Count::On(side) => Some(side),
            _ => None,
        }
    }

    /// Whether there is one on each side.
    pub fn paired(&self) -> bool {
        self.count == Count::Paired
    }
}

const fn pair(
    code: &'static str,
    part_of: Option<&'static str>,
    scene: Option<&'static str>,
) -> Place {
    Place {
        code,
        part_of,
        scene,
        count: Count::Paired,
    }
}

const fn one(
    code: &'static str,
    part_of: Option<&'static str>,
    scene: Option<&'static str>,
) -> Place {
    Place {
        code,
        part_of,
        scene,
        count: Count::Single,
    }
}

const fn on(side: Side, code: &'static str, part_of: &'static str, scene: &'static str) -> Place {
    Place {
        code,
        part_of: Some(part_of),
        scene: Some(scene),
        count: Count::On(side),
    }
}

/// Every place. Lobes are given the zone that they mostly project on in a frontal view, as the
/// Chest ImaGenome ontology does.
pub static PLACES: [Place; 41] = [
    pair("lung", None, Some("lung")),
    pair("upper_lobe", Some("lung"), Some("upper lung zone")),
    on(Side::Right, "middle_lobe", "lung", "mid lung zone"),
    pair("lower_lobe", Some("lung"), Some("lower lung zone")),
    on(Side::Left, "lingula", "upper_lobe", "mid lung zone"),
    pair("upper_zone", Some("lung"), Some("upper lung zone")),
    pair("mid_zone", Some("lung"), Some("mid lung zone")),
    pair("lower_zone", Some("lung"), Some("lower lung zone")),
    pair("base", Some("lower_zone"), Some("lower lung zone")),
    pair("apex", Some("upper_zone"), Some("apical zone")),
    pair("hilum", Some("lung"), Some("hilar structures")),
    pair("retrocardiac", Some("lower_zone"), Some("lower lung zone")),
    pair(
        "costophrenic_angle",
        Some("pleura"),
        Some("costophrenic angle"),
    ),
    pair("hemidiaphragm", None, Some("hemidiaphragm")),
    pair("pleura", None, Some("lung")),
    pair("fissure", Some("pleura"), Some("lung")),
    pair("interstitium", Some("lung"), Some("lung")),
    pair("pulmonary_vessels", Some("lung"), Some("lung")),
    one("heart", Some("mediastinum"), Some("cardiac silhouette")),
    one("mediastinum", None, Some("mediastinum")),
    one(
        "upper_mediastinum",
        Some("mediastinum"),
        Some("upper mediastinum"),
    ),
    one("aorta", Some("mediastinum"), Some("aortic arch")),
    one("aortic_arch", Some("aorta"), Some("aortic arch")),
    one("trachea", Some("mediastinum"), Some("trachea")),
    pair("bronchus", Some("mediastinum"), None),
    one("carina", Some("trachea"), Some("carina")),
    one("svc", Some("mediastinum"), Some("svc")),
    one(
        "cavoatrial_junction",
        Some("mediastinum"),
        Some("cavoatrial junction"),
    ),
    one("right_atrium", Some("heart"), Some("right atrium")),
    one("ventricle", Some("heart"), Some("cardiac silhouette")),
    pair("pulmonary_artery", Some("mediastinum"), None),
    pair("clavicle", Some("bone"), Some("clavicle")),
    pair("rib", Some("bone"), None),
    one("sternum", Some("bone"), None),
    one("spine", Some("bone"), Some("spine")),
    pair("shoulder", Some("bone"), None),
    one("bone", None, None),
    pair("chest_wall", None, None),
    pair("soft_tissue", None, None),
    pair("neck", None, None),
    pair("axilla", Some("chest_wall"), None),
];

/// Places below the diaphragm; kept apart so that the table above stays that of the chest.
pub static BELOW: [Place; 2] = [
    one("abdomen", None, Some("abdomen")),
    one("stomach", Some("abdomen"), Some("abdomen")),
];

/// The place of a code.
pub fn place(code: &str) -> Option<&'static Place> {
    PLACES.iter().chain(&BELOW).find(|p| p.code == code)
}

/// Whether `inner` is `outer` or part of it.
pub fn within(inner: &str, outer: &str) -> bool {
    let mut at = Some(inner);
    while let Some(code) = at {
        if code == outer {
            return true;
        }
        at = place(code).and_then(|p| p.part_of);
    }
    // Zones and lobes overlap; reports use them for one another.
    matches!(
        (inner, outer),
        ("base" | "retrocardiac", "lower_lobe") | ("apex", "upper_lobe")
    )
}

/// The place that a finding's name already tells, by code.
const HOME: [(&str, &str); 36] = [
    ("pleural_effusion", "pleura"),
    ("loculated_pleural_effusion", "pleura"),
    ("pneumothorax", "pleura"),
    ("hydropneumothorax", "pleura"),
    ("pleural_thickening", "pleura"),
    ("pleural_plaques", "pleura"),
    ("pleural_other", "pleura"),
    ("cardiomegaly", "heart"),
    ("pericardial_effusion", "heart"),
    ("heart_failure", "heart"),
    ("enlarged_cardiomediastinum", "mediastinum"),
    ("mediastinal_enlargement", "mediastinum"),
    ("mediastinal_mass", "mediastinum"),
    ("mediastinal_enlargement", "upper_mediastinum"),
    ("enlarged_cardiomediastinum", "upper_mediastinum"),
    ("mediastinal_shift", "mediastinum"),
    ("mediastinal_shift", "trachea"),
    ("pneumomediastinum", "mediastinum"),
    ("hilar_enlargement", "hilum"),
    ("costophrenic_angle_blunting", "costophrenic_angle"),
    ("hemidiaphragm_elevation", "hemidiaphragm"),
    ("pneumoperitoneum", "hemidiaphragm"),
    ("hyperinflation", "hemidiaphragm"),
    ("hyperinflation", "lung"),
    ("low_lung_volumes", "lung"),
    ("tortuous_aorta", "aorta"),
    ("aortic_atheromatosis", "aorta"),
    ("aortic_enlargement", "aorta"),
    ("enlarged_pulmonary_artery", "pulmonary_artery"),
    ("vascular_congestion", "pulmonary_vessels"),
    ("rib_fracture", "rib"),
    ("callus_rib_fracture", "rib"),
    ("clavicle_fracture", "clavicle"),
    ("vertebral_compression", "spine"),
    ("subcutaneous_emphysema", "soft_tissue"),
    ("prosthetic_valve", "aorta"),
];

/// Whether a finding of that code is at that place by its name alone.
pub fn is_home(code: &str, place: &str) -> bool {
    HOME.iter().any(|(c, p)| *c == code && *p == place)
}

/// Where a finding is when the report does not say, if its name tells.
pub fn home(code: &str) -> Option<&'static str> {
    HOME.iter().find(|(c, _)| *c == code).map(|(_, p)| *p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parent_and_home_is_a_place_and_nothing_is_its_own_part() {
        for p in PLACES.iter().chain(&BELOW) {
            if let Some(parent) = p.part_of {
                assert!(place(parent).is_some(), "{parent}");
                assert!(!within(parent, p.code), "{} in itself", p.code);
            }
        }
        for (code, at) in HOME {
            assert!(place(at).is_some(), "{at}");
            assert!(
                hilum_core::taxonomy::by_code(code).is_some()
                    || crate::lexicon::Lexicon::name_of(code).is_some(),
                "{code}"
            );
        }
    }

    #[test]
    fn sides_join_and_cover() {
        assert_eq!(Side::Left.and(Side::Right), Side::Bilateral);
        assert_eq!(Side::Left.and(Side::Left), Side::Left);
        assert!(Side::Bilateral.covers(Side::Left) && !Side::Left.covers(Side::Bilateral));
        assert!(within("lingula", "lung") && !within("lung", "lingula"));
    }
}
