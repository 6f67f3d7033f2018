//! What can be wrong in a thorax: kinds, places, sizes and grades.

pub mod draw;
pub mod effects;
pub mod solids;

use hilum_volume::Vec3;
use serde::{Deserialize, Serialize};

/// Kinds of findings and devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Round opacity up to 30 mm.
    Nodule,
    /// Opacity over 30 mm.
    Mass,
    /// Air spaces filled.
    Consolidation,
    /// Hazy opacity through which vessels are seen.
    GroundGlass,
    /// Net of fine lines.
    Interstitial,
    /// Fluid in the pleura.
    Effusion,
    /// Air in the pleura.
    Pneumothorax,
    /// Plate-like collapse.
    Atelectasis,
    /// Enlarged heart.
    Cardiomegaly,
    /// Fluid in the lung from a failing heart.
    Oedema,
    /// Overinflated, rarefied lungs.
    Emphysema,
    /// Broken rib.
    RibFracture,
    /// Tube in the trachea.
    EndotrachealTube,
    /// Tube to the stomach.
    NasogastricTube,
    /// Catheter to the superior vena cava.
    CentralLine,
    /// Drain in the pleura.
    ChestTube,
    /// Pacemaker with leads.
    Pacemaker,
    /// Wires of a sternotomy.
    SternalWires,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 18] = [
        Kind::Nodule,
        Kind::Mass,
        Kind::Consolidation,
        Kind::GroundGlass,
        Kind::Interstitial,
        Kind::Effusion,
        Kind::Pneumothorax,
        Kind::Atelectasis,
        Kind::Cardiomegaly,
        Kind::Oedema,
        Kind::Emphysema,
        Kind::RibFracture,
        Kind::EndotrachealTube,
        Kind::NasogastricTube,
        Kind::CentralLine,
        Kind::ChestTube,
        Kind::Pacemaker,
        Kind::SternalWires,
    ];

    /// Name in manifests.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Nodule => "Nodule",
            Kind::Mass => "Mass",
            Kind::Consolidation => "Consolidation",
            Kind::GroundGlass => "Ground Glass Opacity",
            Kind::Interstitial => "Interstitial Pattern",
            Kind::Effusion => "Effusion",
            Kind::Pneumothorax => "Pneumothorax",
            Kind::Atelectasis => "Atelectasis",
            Kind::Cardiomegaly => "Cardiomegaly",
            Kind::Oedema => "Edema",
            Kind::Emphysema => "Emphysema",
            Kind::RibFracture => "Fracture",
            Kind::EndotrachealTube => "Endotracheal Tube",
            Kind::NasogastricTube => "Nasogastric Tube",
            Kind::CentralLine => "Central Venous Line",
            Kind::ChestTube => "Chest Tube",
            Kind::Pacemaker => "Pacemaker",
            Kind::SternalWires => "Sternal Wires",
        }
    }

    /// True for what medicine put there.
    pub fn is_device(self) -> bool {
        matches!(
            self,
            Kind::EndotrachealTube
                | Kind::NasogastricTube
                | Kind::CentralLine
                | Kind::ChestTube
                | Kind::Pacemaker
                | Kind::SternalWires
        )
    }
}

/// How far gone it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Small or slight.
    Mild,
    /// Between.
    Moderate,
    /// Large or marked.
    Severe,
}

/// How it goes on from study to study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// There is no earlier study.
    First,
    /// Was not there.
    New,
    /// Grew by more than a tenth.
    Larger,
    /// About the same.
    Unchanged,
    /// Shrank by more than a tenth.
    Smaller,
}

/// One finding at one study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Number within the patient; the same finding keeps it over time.
    pub id: u16,
    /// What it is.
    pub kind: Kind,
    /// -1 right, 1 left, 0 both or the middle.
    pub side: f64,
    /// Middle in the standard thorax, mm.
    pub centre: Vec3,
    /// Diameter, radius, thickness, length or displacement in mm; share from 0 to 1 for effusion, oedema and emphysema; factor for the heart.
    pub size: f64,
    /// How far gone.
    pub grade: Grade,
    /// Upper, middle or lower third of the lung.
    pub zone: Zone,
    /// Since the study before.
    pub change: Change,
    /// Seed of its form.
    pub form: u64,
}

/// Third of a lung's height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Zone {
    /// Above the anterior end of the second rib.
    Upper,
    /// Between.
    Middle,
    /// Below the anterior end of the fourth rib.
    Lower,
    /// Not in one zone.
    None,
}

/// The zone of a standard height.
pub fn zone_of(z: f64) -> Zone {
    if z > 45.0 {
        Zone::Upper
    } else if z > -30.0 {
        Zone::Middle
    } else {
        Zone::Lower
    }
}

/// Grade by size, each kind on its own scale.
pub fn grade_of(kind: Kind, size: f64) -> Grade {
    let (moderate, severe) = match kind {
        Kind::Nodule => (12.0, 22.0),
        Kind::Mass => (45.0, 65.0),
        Kind::Consolidation | Kind::GroundGlass => (30.0, 45.0),
        Kind::Pneumothorax => (18.0, 35.0),
        Kind::Atelectasis => (50.0, 75.0),
        Kind::Cardiomegaly => (1.25, 1.42),
        Kind::RibFracture => (3.0, 6.0),
        _ => (0.35, 0.65),
    };
    if size < moderate {
        Grade::Mild
    } else if size < severe {
        Grade::Moderate
    } else {
        Grade::Severe
    }
}
