//! The places that a phrase speaks of.

use crate::error::SetError;
use hilum_text::ReportText;
use hilum_text::facts::anatomy::{self, Side};
use hilum_text::facts::{Extractor, Graph, Relation, Sense};

/// A place with its side and, for ribs, its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Code of the place, see [`hilum_text::facts::anatomy::PLACES`].
    pub place: &'static str,
    /// Side of the patient.
    pub side: Option<Side>,
    /// Number of a rib.
    pub number: Option<u8>,
}

impl Mention {
    /// Side, code and number in one.
    pub fn name(&self) -> String {
        let side = self
            .side
            .map_or_else(String::new, |s| format!("{} ", s.name()));
        let number = self.number.map_or_else(String::new, |n| format!(" {n}"));
        format!("{side}{}{number}", self.place)
    }
}

/// Findings of the lungs: without a place of their own they are somewhere in the lung.
const OF_THE_LUNG: [&str; 22] = [
    "nodule",
    "mass",
    "lung_lesion",
    "lung_opacity",
    "airspace_opacity",
    "consolidation",
    "ground_glass",
    "atelectasis",
    "edema",
    "emphysema",
    "pneumonia",
    "infiltration",
    "interstitial_pattern",
    "reticular_pattern",
    "reticulonodular_pattern",
    "fibrosis",
    "lung_scarring",
    "bronchiectasis",
    "granuloma",
    "calcified_granuloma",
    "laminar_atelectasis",
    "lobar_collapse",
];

/// Where devices lie that are named without a place.
const OF_DEVICES: [(&str, &str); 6] = [
    ("endotracheal_tube", "trachea"),
    ("tracheostomy_tube", "trachea"),
    ("central_venous_catheter", "svc"),
    ("chest_tube", "pleura"),
    ("sternotomy_wires", "sternum"),
    ("pacemaker", "heart"),
];

/// The places of a phrase: those that its findings are located at, those that their names tell, and those named by themselves.
///
/// # Errors
/// [`SetError::Text`] for a phrase without text.
pub fn mentions(phrase: &str) -> Result<Vec<Mention>, SetError> {
    let report = ReportText::from_parts(phrase, "");
    let graph = Extractor::shared().graph(&report, &Default::default())?;
    let number = rib_number(phrase);
    let mut all = Vec::new();
    let mut add = |place: &'static str, side: Option<Side>| {
        let mention = Mention {
            place,
            side: side.filter(|s| matches!(s, Side::Left | Side::Right)),
            number: number.filter(|_| place == "rib"),
        };
        if !all.contains(&mention) {
            all.push(mention);
        }
    };
    for fact in graph.facts() {
        for &place in &fact.places {
            add(place, fact.side);
        }
        if fact.places.is_empty() {
            let told = fact.codes.iter().find_map(|&c| home(c));
            if let Some(place) = told {
                add(place, fact.side);
            }
        }
    }
    for (at, place) in alone(&graph) {
        add(place.code, place.own_side().or(side_of(&graph, at)));
    }
    Ok(all)
}

fn home(code: &str) -> Option<&'static str> {
    let device = OF_DEVICES.iter().find(|d| d.0 == code).map(|d| d.1);
    anatomy::home(code)
        .or(device)
        .or_else(|| OF_THE_LUNG.contains(&code).then_some("lung"))
}

/// Places that no finding is located at and that describe no other place.
fn alone(graph: &Graph) -> Vec<(usize, &'static anatomy::Place)> {
    let taken = |at: usize| {
        graph
            .entities
            .iter()
            .any(|e| e.relations.contains(&(Relation::LocatedAt, at)))
    };
    let describes = |at: usize| {
        let target = |r: &(Relation, usize)| {
            r.0 == Relation::Modify && matches!(graph.entities[r.1].sense, Sense::Place(_))
        };
        graph.entities[at].relations.iter().any(target)
    };
    (0..graph.entities.len())
        .filter_map(|at| match graph.entities[at].sense {
            Sense::Place(place) if !taken(at) && !describes(at) => Some((at, place)),
            _ => None,
        })
        .collect()
}

fn side_of(graph: &Graph, place: usize) -> Option<Side> {
    graph.entities.iter().find_map(|e| match e.sense {
        Sense::Side(side) if e.relations.contains(&(Relation::Modify, place)) => Some(side),
        _ => None,
    })
}

/// "fifth rib", "5th rib", "rib 5".
fn rib_number(phrase: &str) -> Option<u8> {
    const WORDS: [&str; 12] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth", "eleventh", "twelfth",
    ];
    let lower = phrase.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    let number = |w: &str| {
        let ordinal = WORDS.iter().position(|o| *o == w).map(|n| n as u8 + 1);
        let digits = w.trim_end_matches(['s', 't', 'h', 'n', 'd', 'r']);
        ordinal
            .or_else(|| digits.parse().ok())
            .filter(|n| (1..=12).contains(n))
    };
    let rib = words.iter().position(|w| *w == "rib" || *w == "ribs")?;
    let before = words[..rib].iter().rev().take(3).find_map(|w| number(w));
    before.or_else(|| words.get(rib + 1).and_then(|w| number(w)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(phrase: &str) -> Vec<String> {
        mentions(phrase)
            .unwrap()
            .iter()
            .map(Mention::name)
            .collect()
    }

    #[test]
    fn places_come_with_their_sides() {
        assert_eq!(named("Right pleural effusion."), ["right pleura"]);
        assert_eq!(named("Nodule in the left upper lobe."), ["left upper_lobe"]);
        assert_eq!(named("Mild pulmonary edema."), ["lung"]);
        assert_eq!(named("Fracture of the right 7th rib."), ["right rib 7"]);
        assert_eq!(named("The heart is enlarged."), ["heart"]);
    }

    #[test]
    fn ribs_are_counted() {
        assert_eq!(rib_number("left eleventh rib"), Some(11));
        assert_eq!(rib_number("3rd posterior rib"), Some(3));
        assert_eq!(rib_number("rib 9 on the left"), Some(9));
        assert_eq!(rib_number("a 5 mm nodule"), None);
    }
}
