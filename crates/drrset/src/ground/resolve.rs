//! Which masks stand for a place: the structures of common label sets, best first.

use super::Mention;
use crate::structures::Structure;

/// A share of a mask by its height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// Its upper third.
    Upper,
    /// Its middle third.
    Middle,
    /// Its lower third.
    Lower,
    /// Its upper sixth.
    Apex,
    /// Its lower sixth.
    Base,
}

impl Part {
    /// From and to, 0 at the top.
    pub fn share(self) -> (f64, f64) {
        match self {
            Part::Whole => (0.0, 1.0),
            Part::Upper => (0.0, 1.0 / 3.0),
            Part::Middle => (1.0 / 3.0, 2.0 / 3.0),
            Part::Lower => (2.0 / 3.0, 1.0),
            Part::Apex => (0.0, 1.0 / 6.0),
            Part::Base => (5.0 / 6.0, 1.0),
        }
    }

    /// The name of the part of a structure.
    pub fn named(self, structure: &str) -> String {
        let part = match self {
            Part::Whole => return structure.to_owned(),
            Part::Upper => "upper",
            Part::Middle => "middle",
            Part::Lower => "lower",
            Part::Apex => "apex",
            Part::Base => "base",
        };
        format!("{structure}:{part}")
    }
}

/// One way to show a place.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Kinds of structures, see [`Structure::kind`].
    kinds: &'static [&'static str],
    /// What of them.
    pub part: Part,
}

impl Way {
    /// Whether a structure is one that this way shows of the mention.
    pub fn takes(&self, s: &Structure, mention: &Mention) -> bool {
        let side = match (mention.side, s.side) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        let number = match (mention.number, s.number) {
            (Some(a), Some(b)) => a == b,
            // All ribs in one mask cannot stand for one of them.
            (Some(_), None) => false,
            _ => true,
        };
        side && number && self.kinds.contains(&s.kind.as_str())
    }
}

const fn whole(kinds: &'static [&'static str]) -> Way {
    Way {
        kinds,
        part: Part::Whole,
    }
}

const fn of(kinds: &'static [&'static str], part: Part) -> Way {
    Way { kinds, part }
}

const LUNG: &[&str] = &["lung"];
const LOBES: &[&str] = &[
    "lung upper lobe",
    "lung middle lobe",
    "lung lower lobe",
    "upper lobe",
    "middle lobe",
    "lower lobe",
];
const UPPER_LOBE: &[&str] = &["lung upper lobe", "upper lobe"];
const MIDDLE_LOBE: &[&str] = &["lung middle lobe", "middle lobe"];
const LOWER_LOBE: &[&str] = &["lung lower lobe", "lower lobe"];
const BONES: &[&str] = &["rib", "clavicle", "scapula", "sternum", "spine", "humerus"];
const MEDIASTINUM: &[&str] = &["mediastinum"];
const HEART: &[&str] = &["heart"];
const TRACHEA: &[&str] = &["trachea"];

/// The ways to show a place, the best first; none for places that no common label set has.
pub fn ways(place: &str) -> &'static [Way] {
    match place {
        "lung" | "interstitium" | "fissure" => const { &[whole(LUNG), whole(LOBES)] },
        "pulmonary_vessels" => {
            const {
                &[
                    whole(&["lung vessels", "lung vessel"]),
                    whole(LUNG),
                    whole(LOBES),
                ]
            }
        }
        "upper_lobe" => const { &[whole(UPPER_LOBE), of(LUNG, Part::Upper)] },
        "middle_lobe" => const { &[whole(MIDDLE_LOBE), of(LUNG, Part::Middle)] },
        "lingula" => const { &[of(UPPER_LOBE, Part::Lower), of(LUNG, Part::Middle)] },
        "lower_lobe" => const { &[whole(LOWER_LOBE), of(LUNG, Part::Lower)] },
        "upper_zone" => const { &[of(LUNG, Part::Upper), of(LOBES, Part::Upper)] },
        "mid_zone" | "hilum" => const { &[of(LUNG, Part::Middle), of(LOBES, Part::Middle)] },
        // Fluid gathers at the bottom of the pleural space.
        "lower_zone" | "base" | "retrocardiac" | "pleura" => {
            const { &[of(LUNG, Part::Lower), of(LOBES, Part::Lower)] }
        }
        "costophrenic_angle" | "hemidiaphragm" => {
            const { &[of(LUNG, Part::Base), of(LOBES, Part::Base)] }
        }
        "apex" => const { &[of(LUNG, Part::Apex), of(LOBES, Part::Apex)] },
        "heart" | "right_atrium" | "ventricle" => const { &[whole(HEART)] },
        "mediastinum" => const { &[whole(MEDIASTINUM), whole(&["heart", "aorta"])] },
        "upper_mediastinum" => const { &[of(MEDIASTINUM, Part::Upper), whole(&["aorta"])] },
        "aorta" | "aortic_arch" => const { &[whole(&["aorta"]), whole(MEDIASTINUM)] },
        "trachea" | "carina" => const { &[whole(TRACHEA)] },
        "bronchus" => const { &[whole(&["bronchi", "bronchus"]), whole(TRACHEA)] },
        "svc" | "cavoatrial_junction" => {
            const { &[whole(&["superior vena cava"]), of(MEDIASTINUM, Part::Upper)] }
        }
        "pulmonary_artery" => {
            const {
                &[
                    whole(&["pulmonary artery", "pulmonary vein"]),
                    of(MEDIASTINUM, Part::Middle),
                ]
            }
        }
        "clavicle" => const { &[whole(&["clavicle"])] },
        "rib" | "chest_wall" => const { &[whole(&["rib"])] },
        "sternum" => const { &[whole(&["sternum"]), whole(MEDIASTINUM)] },
        "spine" => const { &[whole(&["spine"])] },
        "shoulder" => const { &[whole(&["scapula", "humerus", "clavicle"])] },
        "bone" => const { &[whole(BONES)] },
        "stomach" => const { &[whole(&["stomach"]), whole(&["abdomen"])] },
        "abdomen" => const { &[whole(&["abdomen"]), whole(&["liver", "stomach", "spleen"])] },
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_text::facts::anatomy::{PLACES, place};

    #[test]
    fn only_places_that_exist_are_shown_and_few_are_not() {
        let without: Vec<&str> = PLACES
            .iter()
            .map(|p| p.code)
            .filter(|c| ways(c).is_empty())
            .collect();
        assert_eq!(without, ["soft_tissue", "neck", "axilla"]);
        assert!(place("stomach").is_some() && !ways("stomach").is_empty());
    }
}
