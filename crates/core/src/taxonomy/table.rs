//! The table itself, in the order in which a reading lists findings.
//!
//! SNOMED CT and RadLex ids were each compared with published mappings that were checked against
//! the terminologies; where no id with the same meaning was found there is none.

use super::Kind::{Device, Disease, Sign, Summary};
use super::Taxon;

const fn sign(code: &'static str, name: &'static str) -> Taxon {
    Taxon::new(code, name, Sign)
}

const fn disease(code: &'static str, name: &'static str) -> Taxon {
    Taxon::new(code, name, Disease)
}

const fn device(code: &'static str, name: &'static str) -> Taxon {
    Taxon::new(code, name, Device).is_a(&["support_devices"])
}

/// Every finding Hilum has a word for.
pub static TABLE: &[Taxon] = &[
    // Statements about the whole image.
    Taxon::new("no_finding", "No finding", Summary).aliases(&[
        "normal",
        "healthy",
        "no_findings",
        "clear",
    ]),
    Taxon::new("abnormal", "Any abnormality", Summary)
        .aliases(&["any_finding", "finding"])
        .reported(),
    // Lung opacity and what it may be.
    sign("lung_opacity", "Lung opacity")
        .aliases(&["opacity", "lung_opacities"])
        .reported(),
    sign("airspace_opacity", "Airspace opacity")
        .is_a(&["lung_opacity"])
        .aliases(&["alveolar_pattern", "airspace_disease"]),
    disease("pneumonia", "Pneumonia")
        .is_a(&["lung_opacity"])
        .radlex("RID5350")
        .snomed("233604007")
        .reported(),
    disease("bacterial_pneumonia", "Bacterial pneumonia")
        .is_a(&["pneumonia"])
        .aliases(&["bacterial", "pneumonia_bacterial"])
        .snomed("53084003"),
    disease("viral_pneumonia", "Viral pneumonia")
        .is_a(&["pneumonia"])
        .aliases(&["viral", "pneumonia_viral"])
        .snomed("75570004"),
    disease("fungal_pneumonia", "Fungal pneumonia")
        .is_a(&["pneumonia"])
        .aliases(&["fungal"]),
    disease("lipoid_pneumonia", "Lipoid pneumonia")
        .is_a(&["pneumonia"])
        .aliases(&["lipoid"]),
    disease("aspiration_pneumonia", "Aspiration pneumonia")
        .is_a(&["pneumonia"])
        .aliases(&["aspiration"])
        .snomed("422588002"),
    disease("atypical_pneumonia", "Atypical pneumonia").is_a(&["pneumonia"]),
    sign("consolidation", "Consolidation")
        .is_a(&["airspace_opacity"])
        .radlex("RID43255")
        .snomed("95436008")
        .reported(),
    sign("infiltration", "Infiltration")
        .is_a(&["lung_opacity"])
        .aliases(&["infiltrate", "infiltrates"])
        .reported(),
    sign("atelectasis", "Atelectasis")
        .is_a(&["lung_opacity"])
        .radlex("RID28493")
        .snomed("46621007")
        .reported(),
    sign("laminar_atelectasis", "Laminar atelectasis")
        .is_a(&["atelectasis"])
        .aliases(&["plate_like_atelectasis", "linear_atelectasis"]),
    sign("lobar_collapse", "Lobar collapse")
        .is_a(&["atelectasis"])
        .aliases(&["lobar_atelectasis"]),
    disease("edema", "Pulmonary oedema")
        .is_a(&["lung_opacity"])
        .aliases(&["oedema", "pulmonary_edema", "lung_edema"])
        .radlex("RID4866")
        .snomed("19242006")
        .reported(),
    sign("ground_glass", "Ground-glass opacity")
        .is_a(&["lung_opacity"])
        .aliases(&["ground_glass_opacities", "ground_glass_pattern", "ggo"])
        .radlex("RID28531"),
    sign("interstitial_pattern", "Interstitial pattern").aliases(&["interstitial_opacity"]),
    sign("reticular_pattern", "Reticular pattern")
        .is_a(&["interstitial_pattern"])
        .aliases(&["reticular_interstitial_pattern"])
        .radlex("RID43271"),
    sign("reticulonodular_pattern", "Reticulonodular pattern")
        .is_a(&["interstitial_pattern"])
        .aliases(&["reticulonodular_interstitial_pattern"])
        .radlex("RID43272"),
    sign("miliary_pattern", "Miliary pattern")
        .is_a(&["lung_opacity"])
        .aliases(&["miliary_opacities"]),
    // Lesions.
    sign("lung_lesion", "Lung lesion")
        .is_a(&["lung_opacity"])
        .aliases(&["lesion"])
        .reported(),
    sign("nodule_or_mass", "Nodule or mass")
        .is_a(&["lung_lesion"])
        .aliases(&["nodule_mass"]),
    sign("nodule", "Nodule")
        .is_a(&["nodule_or_mass"])
        .aliases(&["lung_nodule", "pulmonary_nodule"])
        .radlex("RID50149")
        .snomed("786838002")
        .reported(),
    sign("multiple_nodules", "Multiple nodules").is_a(&["nodule"]),
    sign("mass", "Mass")
        .is_a(&["nodule_or_mass"])
        .aliases(&["lung_mass", "pulmonary_mass"])
        .radlex("RID39056")
        .snomed("309529002")
        .reported(),
    disease("lung_tumour", "Lung tumour")
        .is_a(&["lung_lesion"])
        .aliases(&["lung_tumor"]),
    disease("lung_metastasis", "Lung metastasis").is_a(&["lung_lesion"]),
    sign("granuloma", "Granuloma").is_a(&["lung_lesion"]),
    sign("calcified_granuloma", "Calcified granuloma").is_a(&["granuloma"]),
    sign("lung_cavity", "Lung cavity").aliases(&["cavitation", "cavity"]),
    sign("lung_cyst", "Lung cyst"),
    // Pleura.
    sign("pleural_effusion", "Pleural effusion")
        .aliases(&["effusion"])
        .radlex("RID34539")
        .snomed("60046008")
        .reported(),
    sign("loculated_pleural_effusion", "Loculated pleural effusion").is_a(&["pleural_effusion"]),
    sign("hydropneumothorax", "Hydropneumothorax").is_a(&["pleural_effusion", "pneumothorax"]),
    sign("pneumothorax", "Pneumothorax")
        .radlex("RID5352")
        .snomed("36118008")
        .reported(),
    sign("pleural_other", "Other pleural abnormality")
        .aliases(&["other_pleural_disease"])
        .reported(),
    sign("pleural_thickening", "Pleural thickening")
        .is_a(&["pleural_other"])
        .reported(),
    sign("apical_pleural_thickening", "Apical pleural thickening").is_a(&["pleural_thickening"]),
    sign("pleural_plaques", "Pleural plaques")
        .is_a(&["pleural_other"])
        .aliases(&["pleural_plaque"]),
    sign("costophrenic_angle_blunting", "Costophrenic angle blunting"),
    // Heart, vessels and mediastinum.
    sign("enlarged_cardiomediastinum", "Enlarged cardiomediastinum").reported(),
    sign("cardiomegaly", "Cardiomegaly")
        .is_a(&["enlarged_cardiomediastinum"])
        .aliases(&["enlarged_heart"])
        .snomed("8186001")
        .reported(),
    sign("mediastinal_enlargement", "Mediastinal enlargement")
        .is_a(&["enlarged_cardiomediastinum"])
        .aliases(&["mediastinal_widening", "widened_mediastinum"]),
    sign("mediastinal_shift", "Mediastinal shift"),
    sign("mediastinal_mass", "Mediastinal mass"),
    sign("pneumomediastinum", "Pneumomediastinum"),
    sign("aortic_enlargement", "Aortic enlargement"),
    sign("aortic_elongation", "Aortic elongation"),
    sign("aortic_atheromatosis", "Aortic atheromatosis").aliases(&[
        "aortic_calcification",
        "calcification_of_the_aorta",
        "tortuous_aorta_calcified",
    ]),
    sign("tortuous_aorta", "Tortuous aorta"),
    sign("enlarged_pulmonary_artery", "Enlarged pulmonary artery")
        .aliases(&["enlarged_pa", "pulmonary_artery_enlargement"]),
    sign("hilar_enlargement", "Hilar enlargement"),
    sign("vascular_hilar_enlargement", "Vascular hilar enlargement").is_a(&["hilar_enlargement"]),
    sign("hilar_congestion", "Hilar congestion"),
    sign("pericardial_effusion", "Pericardial effusion")
        .radlex("RID38588")
        .snomed("373945007"),
    disease("heart_failure", "Heart failure")
        .aliases(&["heart_insufficiency", "congestive_heart_failure", "chf"])
        .snomed("84114007"),
    disease("pulmonary_embolism", "Pulmonary embolism")
        .radlex("RID4834")
        .snomed("59282003"),
    disease("pulmonary_hypertension", "Pulmonary hypertension").snomed("70995007"),
    // Air and airways.
    sign("emphysema", "Emphysema")
        .aliases(&["pulmonary_emphysema"])
        .radlex("RID4799")
        .snomed("87433001")
        .reported(),
    sign("hyperinflation", "Hyperinflation")
        .aliases(&["hyperinflated_lung", "hyperinflated_lungs"]),
    sign("air_trapping", "Air trapping").radlex("RID28537"),
    sign("bulla", "Bulla").aliases(&["bullas", "bullae"]),
    sign("subcutaneous_emphysema", "Subcutaneous emphysema"),
    sign("pneumoperitoneum", "Pneumoperitoneum").aliases(&["free_air"]),
    sign("bronchiectasis", "Bronchiectasis").snomed("12295008"),
    disease("copd", "Chronic obstructive pulmonary disease")
        .aliases(&["copd_signs"])
        .snomed("13645005"),
    // Scars and diffuse disease.
    sign("fibrosis", "Fibrosis")
        .aliases(&["pulmonary_fibrosis", "lung_fibrosis"])
        .snomed("51615001")
        .reported(),
    sign("fibrotic_band", "Fibrotic band"),
    disease("interstitial_lung_disease", "Interstitial lung disease")
        .aliases(&["ild"])
        .snomed("233703007"),
    sign("volume_loss", "Volume loss"),
    sign("calcification", "Calcification"),
    // Infections and syndromes.
    disease("tuberculosis", "Tuberculosis")
        .aliases(&["tb"])
        .snomed("56717001")
        .reported(),
    sign("tuberculosis_sequelae", "Tuberculosis sequelae"),
    disease("covid_19", "COVID-19")
        .aliases(&["covid", "covid19"])
        .snomed("840539006")
        .reported(),
    disease("sars", "SARS").snomed("398447004"),
    disease("mers", "MERS"),
    disease("ards", "Acute respiratory distress syndrome").snomed("67782005"),
    // Chest wall, spine, diaphragm.
    sign("fracture", "Fracture")
        .radlex("RID4650")
        .snomed("125605004")
        .reported(),
    sign("rib_fracture", "Rib fracture")
        .is_a(&["fracture"])
        .snomed("33737001"),
    sign("clavicle_fracture", "Clavicle fracture").is_a(&["fracture"]),
    sign("vertebral_compression", "Vertebral compression fracture")
        .is_a(&["fracture"])
        .aliases(&[
            "vertebral_fracture",
            "vertebral_compression",
            "vertebral_anterior_compression",
        ]),
    sign("callus_rib_fracture", "Healed rib fracture").aliases(&["old_rib_fracture"]),
    sign("scoliosis", "Scoliosis"),
    sign("kyphosis", "Kyphosis"),
    sign(
        "vertebral_degenerative_changes",
        "Vertebral degenerative changes",
    ),
    sign("hernia", "Hernia").reported(),
    sign("hiatal_hernia", "Hiatal hernia")
        .is_a(&["hernia"])
        .aliases(&["hiatus_hernia", "hernia_hiatal"])
        .snomed("84089009"),
    sign("hemidiaphragm_elevation", "Hemidiaphragm elevation")
        .aliases(&["diaphragm_elevation", "elevated_hemidiaphragm"]),
    sign("diaphragmatic_eventration", "Diaphragmatic eventration"),
    sign("right_sided_aorta", "Right-sided aortic arch")
        .aliases(&["right_aortic_arch"])
        .sided(),
    sign("dextrocardia", "Dextrocardia").sided(),
    // Devices.
    Taxon::new("support_devices", "Support devices", Device)
        .aliases(&[
            "support_device",
            "tubes_lines_devices",
            "medical_device",
            "electrical_device",
        ])
        .reported(),
    device("endotracheal_tube", "Endotracheal tube")
        .aliases(&["ett"])
        .radlex("RID5557"),
    device("tracheostomy_tube", "Tracheostomy tube").radlex("RID5560"),
    device("nasogastric_tube", "Nasogastric tube")
        .aliases(&["nsg_tube", "ng_tube"])
        .radlex("RID5566"),
    device("central_venous_catheter", "Central venous catheter")
        .aliases(&["central_venous_line", "central_line", "cvc"])
        .radlex("RID5578"),
    device("chest_tube", "Chest tube")
        .aliases(&["chest_drain_tube", "thoracostomy_tube"])
        .radlex("RID5573"),
    device("pacemaker", "Pacemaker")
        .aliases(&["single_chamber_device", "dual_chamber_device"])
        .radlex("RID5436"),
    device("prosthetic_valve", "Prosthetic heart valve")
        .aliases(&["heart_valve_calcified_prosthetic", "artificial_heart_valve"])
        .radlex("RID5550"),
    device("sternotomy_wires", "Sternotomy wires").aliases(&["sternotomy"]),
];
