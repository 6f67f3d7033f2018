//! What each set's own words mean in the taxonomy.

use super::LabelState::{self, Negative, Positive};
use super::Labels;
use hilum_core::taxonomy::{self, ABNORMAL, NO_FINDING, TABLE, normalise};

type States = &'static [(&'static str, LabelState)];

/// The label language of one or more sets.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary {
    /// Names of the sets (in manifests and in the registry) that speak it.
    pub sets: &'static [&'static str],
    /// Codes that the set decides on every labelled image: not named means negative.
    pub closed: &'static [&'static str],
    /// Words that differ from the taxonomy's names and aliases, normalised, with their meaning.
    pub words: &'static [(&'static str, States)],
    /// Words for an image that a reader called healthy as a whole: every sign and disease is negative.
    /// Other words for `no_finding` only exclude `closed` and [`ABNORMAL`].
    pub healthy: &'static [&'static str],
    /// Words that leave the image unlabelled; the empty word always does.
    pub silent: &'static [&'static str],
    /// Parents that the set decides through these children: negative when all of them are negative.
    pub covers: &'static [(&'static str, &'static [&'static str])],
}

impl Vocabulary {
    const fn new(sets: &'static [&'static str], closed: &'static [&'static str]) -> Self {
        Vocabulary {
            sets,
            closed,
            words: &[],
            healthy: &[],
            silent: &[],
            covers: &[],
        }
    }

    /// The vocabulary of a set; `None` for sets that do not label chest findings.
    pub fn of(set: &str) -> Option<&'static Vocabulary> {
        VOCABULARIES.iter().find(|v| v.sets.contains(&set))
    }

    /// The labels of one image from the set's words, closed under subsumption.
    /// Words without a code are kept in [`Labels::unmapped`].
    pub fn read<S: AsRef<str>>(&self, words: &[S]) -> Labels {
        let mut labels = Labels::default();
        let (mut said, mut healthy) = (false, false);
        for word in words {
            let plain = normalise(word.as_ref());
            if plain.is_empty() || self.silent.contains(&plain.as_str()) {
                continue;
            }
            said = true;
            healthy |= self.healthy.contains(&plain.as_str());
            if !self.state(&plain, &mut labels) {
                labels.push_unmapped(word.as_ref());
            }
        }
        if said && labels.unmapped.len() < words.len() {
            self.fill_negatives(&mut labels, healthy);
        }
        labels.close();
        self.cover(&mut labels);
        labels
    }

    fn state(&self, plain: &str, labels: &mut Labels) -> bool {
        if let Some((_, states)) = self.words.iter().find(|(w, _)| *w == plain) {
            states.iter().for_each(|(c, s)| labels.fill(c, *s));
            return true;
        }
        match taxonomy::find(plain) {
            Some(taxon) => {
                labels.fill(taxon.code, Positive);
                true
            }
            None => false,
        }
    }

    fn fill_negatives(&self, labels: &mut Labels, healthy: bool) {
        let healthy_codes = TABLE
            .iter()
            .filter(|t| healthy && t.implies_abnormal())
            .map(|t| t.code);
        let above_positive = |code: &str| {
            labels
                .iter()
                .any(|(c, s)| s == Positive && taxonomy::is_kind_of(c, code))
        };
        let negative: Vec<_> = self
            .closed
            .iter()
            .copied()
            .chain(healthy_codes)
            .filter(|c| labels.get(c).is_none() && !above_positive(c))
            .collect();
        for code in negative {
            labels.fill(code, Negative);
        }
    }

    fn cover(&self, labels: &mut Labels) {
        for (parent, children) in self.covers {
            let all = children.iter().all(|c| labels.get(c) == Some(Negative));
            if all && labels.get(parent).is_none() {
                labels.fill(parent, Negative);
            }
        }
    }
}

const NIH: &[&str] = &[
    "atelectasis",
    "cardiomegaly",
    "consolidation",
    "edema",
    "emphysema",
    "fibrosis",
    "hernia",
    "infiltration",
    "mass",
    "nodule",
    "pleural_effusion",
    "pleural_thickening",
    "pneumonia",
    "pneumothorax",
];

const NIH_COVERS: &[(&str, &[&str])] = &[
    ("nodule_or_mass", &["mass", "nodule"]),
    (
        "lung_opacity",
        &[
            "atelectasis",
            "consolidation",
            "edema",
            "infiltration",
            "mass",
            "nodule",
            "pneumonia",
        ],
    ),
];

const NOT_COVID: (&str, LabelState) = ("covid_19", Negative);
const BACTERIAL: States = &[("bacterial_pneumonia", Positive), NOT_COVID];
const VIRAL: States = &[("viral_pneumonia", Positive), NOT_COVID];
const FUNGAL: States = &[("fungal_pneumonia", Positive), NOT_COVID];

/// Words of the COVID-19 image data collection (Cohen et al. 2020): the last part of `finding`,
/// whose full form is a path such as `Pneumonia/Viral/COVID-19`. Another named cause excludes
/// COVID-19; plain `Pneumonia` and `ARDS` do not.
const COHEN: &[(&str, States)] = &[
    (
        "covid_19",
        &[("covid_19", Positive), ("viral_pneumonia", Positive)],
    ),
    (
        "covid_19_ards",
        &[
            ("covid_19", Positive),
            ("viral_pneumonia", Positive),
            ("ards", Positive),
        ],
    ),
    (
        "sars",
        &[("sars", Positive), ("viral_pneumonia", Positive), NOT_COVID],
    ),
    (
        "mers_cov",
        &[("mers", Positive), ("viral_pneumonia", Positive), NOT_COVID],
    ),
    ("varicella", VIRAL),
    ("influenza", VIRAL),
    ("h1n1", VIRAL),
    ("herpes", VIRAL),
    ("viral", VIRAL),
    ("streptococcus", BACTERIAL),
    ("klebsiella", BACTERIAL),
    ("legionella", BACTERIAL),
    ("e_coli", BACTERIAL),
    ("chlamydophila", BACTERIAL),
    ("mycoplasma", BACTERIAL),
    ("mycoplasma_bacterial_pneumonia", BACTERIAL),
    ("nocardia", BACTERIAL),
    ("staphylococcus", BACTERIAL),
    ("mrsa", BACTERIAL),
    ("bacterial", BACTERIAL),
    ("pneumocystis", FUNGAL),
    ("aspergillosis", FUNGAL),
    ("fungal", FUNGAL),
    ("lipoid", &[("lipoid_pneumonia", Positive), NOT_COVID]),
    (
        "aspiration",
        &[("aspiration_pneumonia", Positive), NOT_COVID],
    ),
    ("tuberculosis", &[("tuberculosis", Positive), NOT_COVID]),
    (
        "no_finding",
        &[(NO_FINDING, Positive), ("pneumonia", Negative), NOT_COVID],
    ),
];

const COVID_YES_NO: &[(&str, States)] = &[
    (
        "no_finding",
        &[(NO_FINDING, Positive), ("pneumonia", Negative), NOT_COVID],
    ),
    ("pneumonia", &[("pneumonia", Positive), NOT_COVID]),
];

const KERMANY: &[(&str, States)] = &[
    (
        "no_finding",
        &[(NO_FINDING, Positive), ("pneumonia", Negative)],
    ),
    ("pneumonia_bacteria", &[("bacterial_pneumonia", Positive)]),
    ("pneumonia_virus", &[("viral_pneumonia", Positive)]),
];

const VINDR: &[&str] = &[
    "aortic_enlargement",
    "atelectasis",
    "calcification",
    "cardiomegaly",
    "consolidation",
    "fibrosis",
    "infiltration",
    "interstitial_lung_disease",
    "lung_opacity",
    "nodule_or_mass",
    "pleural_effusion",
    "pleural_thickening",
    "pneumothorax",
];

const VINDR_FULL: &[&str] = &[
    "aortic_enlargement",
    "atelectasis",
    "calcification",
    "cardiomegaly",
    "clavicle_fracture",
    "consolidation",
    "copd",
    "edema",
    "emphysema",
    "enlarged_pulmonary_artery",
    "fibrosis",
    "infiltration",
    "interstitial_lung_disease",
    "lung_cavity",
    "lung_cyst",
    "lung_opacity",
    "lung_tumour",
    "mediastinal_shift",
    "nodule_or_mass",
    "pleural_effusion",
    "pleural_thickening",
    "pneumonia",
    "pneumothorax",
    "rib_fracture",
    "tuberculosis",
];

const VINDR_WORDS: &[(&str, States)] = &[
    ("other_lesion", &[(ABNORMAL, Positive)]),
    ("other_disease", &[(ABNORMAL, Positive)]),
    ("other_diseases", &[(ABNORMAL, Positive)]),
];

/// Codes that PadChest's label tree (Bustos et al. 2020, table 5) names and the taxonomy has.
const PADCHEST: &[&str] = &[
    "air_trapping",
    "airspace_opacity",
    "aortic_atheromatosis",
    "aortic_elongation",
    "atelectasis",
    "bronchiectasis",
    "bulla",
    "cardiomegaly",
    "consolidation",
    "copd",
    "costophrenic_angle_blunting",
    "diaphragmatic_eventration",
    "edema",
    "emphysema",
    "endotracheal_tube",
    "fibrosis",
    "fibrotic_band",
    "fracture",
    "granuloma",
    "ground_glass",
    "heart_failure",
    "hemidiaphragm_elevation",
    "hiatal_hernia",
    "hilar_congestion",
    "hilar_enlargement",
    "hydropneumothorax",
    "hyperinflation",
    "infiltration",
    "interstitial_pattern",
    "kyphosis",
    "lung_cavity",
    "lung_metastasis",
    "mass",
    "mediastinal_enlargement",
    "mediastinal_shift",
    "miliary_pattern",
    "nasogastric_tube",
    "nodule",
    "pacemaker",
    "pericardial_effusion",
    "pleural_effusion",
    "pleural_plaques",
    "pleural_thickening",
    "pneumomediastinum",
    "pneumonia",
    "pneumoperitoneum",
    "pneumothorax",
    "pulmonary_hypertension",
    "scoliosis",
    "subcutaneous_emphysema",
    "tuberculosis",
    "tuberculosis_sequelae",
    "vertebral_degenerative_changes",
    "volume_loss",
];

const PADCHEST_WORDS: &[(&str, States)] = &[
    ("electrical_device", &[("support_devices", Positive)]),
    ("pulmonary_mass", &[("mass", Positive)]),
    ("calcified_densities", &[("calcification", Positive)]),
    (
        "mediastinic_lipomatosis",
        &[("mediastinal_enlargement", Positive)],
    ),
    (
        "superior_mediastinal_enlargement",
        &[("mediastinal_enlargement", Positive)],
    ),
    ("total_atelectasis", &[("atelectasis", Positive)]),
    ("round_atelectasis", &[("atelectasis", Positive)]),
    ("atelectasis_basal", &[("atelectasis", Positive)]),
    ("segmental_atelectasis", &[("atelectasis", Positive)]),
    ("fissure_thickening", &[("pleural_thickening", Positive)]),
    (
        "major_fissure_thickening",
        &[("pleural_thickening", Positive)],
    ),
    (
        "minor_fissure_thickening",
        &[("pleural_thickening", Positive)],
    ),
    ("post_radiotherapy_changes", &[(ABNORMAL, Positive)]),
];

const DEVICE: States = &[("support_devices", Positive)];

/// Heads of the manual MeSH tags of Open-i that the taxonomy spells in another way.
const MESH: &[(&str, States)] = &[
    ("pulmonary_atelectasis", &[("atelectasis", Positive)]),
    (
        "bullous_emphysema",
        &[("emphysema", Positive), ("bulla", Positive)],
    ),
    ("fractures_bone", &[("fracture", Positive)]),
    ("granulomatous_disease", &[("granuloma", Positive)]),
    ("calcinosis", &[("calcification", Positive)]),
    (
        "costophrenic_angle",
        &[("costophrenic_angle_blunting", Positive)],
    ),
    ("atherosclerosis", &[("aortic_atheromatosis", Positive)]),
    (
        "spondylosis",
        &[("vertebral_degenerative_changes", Positive)],
    ),
    (
        "osteophyte",
        &[("vertebral_degenerative_changes", Positive)],
    ),
    ("hyperdistention", &[("hyperinflation", Positive)]),
    (
        "pulmonary_disease_chronic_obstructive",
        &[("copd", Positive)],
    ),
    (
        "lung_diseases_interstitial",
        &[("interstitial_lung_disease", Positive)],
    ),
    (
        "hypertension_pulmonary",
        &[("pulmonary_hypertension", Positive)],
    ),
    ("cardiac_shadow", &[(ABNORMAL, Positive)]),
    ("cicatrix", &[(ABNORMAL, Positive)]),
    ("catheters_indwelling", DEVICE),
    ("implanted_medical_device", DEVICE),
    ("tube_inserted", DEVICE),
    ("stents", DEVICE),
];

const RSNA_WORDS: &[(&str, States)] = &[(
    "no_lung_opacity_not_normal",
    &[("lung_opacity", Negative), (ABNORMAL, Positive)],
)];

/// Every vocabulary, one per family of sets.
pub static VOCABULARIES: &[Vocabulary] = &[
    Vocabulary {
        covers: NIH_COVERS,
        ..Vocabulary::new(
            &[
                "nih14",
                "nih14_full",
                "nih14_64px",
                "nih_chestxray14",
                "chestmnist",
                "iu_xray",
            ],
            NIH,
        )
    },
    Vocabulary {
        words: KERMANY,
        healthy: &["normal"],
        ..Vocabulary::new(
            &["kermany_paediatric", "full_resolution", "kermany"],
            &["pneumonia", "bacterial_pneumonia", "viral_pneumonia"],
        )
    },
    Vocabulary {
        healthy: &["normal"],
        ..Vocabulary::new(&["pneumoniamnist"], &["pneumonia"])
    },
    Vocabulary {
        words: MESH,
        silent: &["no_indexing", "technical_quality_of_image_unsatisfactory"],
        ..Vocabulary::new(&["openi"], NIH)
    },
    Vocabulary {
        words: COHEN,
        silent: &["todo", "unknown"],
        ..Vocabulary::new(&["covid_cohen", "covid_structures"], &[])
    },
    Vocabulary {
        words: COVID_YES_NO,
        silent: &["inconclusive"],
        ..Vocabulary::new(&["covid_actualmed", "covid_figure1"], &[])
    },
    Vocabulary {
        words: &[
            ("no_nodule", &[("nodule", Negative)]),
            ("non_nodule", &[("nodule", Negative)]),
        ],
        ..Vocabulary::new(&["jsrt"], &[])
    },
    Vocabulary {
        words: &[(
            "sick_non_tb",
            &[(ABNORMAL, Positive), ("tuberculosis", Negative)],
        )],
        healthy: &["healthy", "normal"],
        ..Vocabulary::new(&["tb_samples", "shenzhen", "montgomery"], &["tuberculosis"])
    },
    Vocabulary {
        words: VINDR_WORDS,
        ..Vocabulary::new(&["vinbigdata"], VINDR)
    },
    Vocabulary {
        words: VINDR_WORDS,
        ..Vocabulary::new(&["vindr_cxr"], VINDR_FULL)
    },
    Vocabulary {
        words: PADCHEST_WORDS,
        silent: &["exclude", "suboptimal_study", "unchanged"],
        ..Vocabulary::new(&["padchest"], PADCHEST)
    },
    Vocabulary {
        words: RSNA_WORDS,
        healthy: &["normal"],
        ..Vocabulary::new(&["rsna_pneumonia"], &["lung_opacity"])
    },
    Vocabulary {
        words: &[("no_pneumothorax", &[("pneumothorax", Negative)])],
        ..Vocabulary::new(&["siim_pneumothorax"], &["pneumothorax"])
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &str, words: &[&str]) -> Labels {
        Vocabulary::of(set).unwrap().read(words)
    }

    #[test]
    fn every_code_in_every_vocabulary_exists() {
        for v in VOCABULARIES {
            let words = v.words.iter().flat_map(|(w, s)| {
                assert_eq!(normalise(w), *w);
                s.iter().map(|(c, _)| *c)
            });
            let covers = v
                .covers
                .iter()
                .flat_map(|(p, c)| c.iter().copied().chain([*p]));
            for code in v.closed.iter().copied().chain(words).chain(covers) {
                assert!(taxonomy::by_code(code).is_some(), "{code} of {:?}", v.sets);
            }
        }
    }

    #[test]
    fn a_set_has_one_vocabulary() {
        let mut seen = std::collections::HashSet::new();
        assert!(
            VOCABULARIES
                .iter()
                .flat_map(|v| v.sets)
                .all(|s| seen.insert(*s))
        );
    }

    #[test]
    fn nih_is_closed_over_its_fourteen() {
        let l = read("nih14", &["Effusion", "Pleural_Thickening"]);
        assert!(l.is_positive("pleural_effusion") && l.is_positive("pleural_other"));
        assert_eq!(l.get("pneumonia"), Some(Negative));
        assert_eq!(l.get("lung_opacity"), Some(Negative));
        assert_eq!(l.get("fracture"), None);
        let l = read("nih14", &["No Finding"]);
        assert_eq!(l.get(ABNORMAL), Some(Negative));
        assert_eq!(l.get("fracture"), None);
        assert_eq!(l.get("lung_lesion"), None);
        assert_eq!(l.get("granuloma"), None);
    }

    #[test]
    fn kermany_normal_is_healthy_and_its_classes_exclude_each_other() {
        let l = read("kermany_paediatric", &["normal"]);
        assert_eq!(l.get("lung_opacity"), Some(Negative));
        assert_eq!(l.get("fracture"), Some(Negative));
        assert_eq!(l.get("support_devices"), None);
        let l = read("kermany_paediatric", &["bacterial_pneumonia"]);
        assert!(l.is_positive("pneumonia") && l.conflicts().is_empty());
        assert_eq!(l.get("viral_pneumonia"), Some(Negative));
        assert_eq!(l.get("edema"), None);
    }

    #[test]
    fn case_reports_exclude_covid_only_by_another_cause() {
        assert_eq!(
            read("covid_cohen", &["Streptococcus"]).get("covid_19"),
            Some(Negative)
        );
        assert_eq!(read("covid_cohen", &["ARDS"]).get("covid_19"), None);
        assert!(read("covid_cohen", &["COVID-19, ARDS"]).is_positive("pneumonia"));
        assert!(read("covid_cohen", &["todo"]).is_empty());
        assert!(!read("covid_actualmed", &["COVID-19"]).is_positive("pneumonia"));
    }

    #[test]
    fn unknown_words_are_kept_and_say_nothing() {
        let l = read("nih14", &["Teapot"]);
        assert_eq!(l.unmapped(), ["Teapot"]);
        assert!(l.is_empty());
        assert!(Vocabulary::of("mammo_mias").is_none());
    }

    #[test]
    fn a_general_opacity_does_not_deny_what_it_may_be() {
        let l = read("vinbigdata", &["Lung Opacity"]);
        assert_eq!(
            l.get("consolidation"),
            Some(Negative),
            "the set lists it by itself"
        );
        assert_eq!(l.get("pneumonia"), None);
        let l = read("jsrt", &["no_nodule"]);
        assert_eq!(l.get("nodule"), Some(Negative));
        assert_eq!(l.get("lung_lesion"), None);
    }
}
