//! The public sets in the layout in which they are published, one file each.
//!
//! ```no_run
//! let set = hilum_data::sets::find("chexpert")?;
//! let samples = (set.load)("CheXpert-v1.0-small".as_ref())?;
//! println!("{}: {} images, {}", set.title, samples.len(), set.licence);
//! # Ok::<(), hilum_data::DataError>(())
//! ```

pub mod chexpert;
mod common;
pub mod covid;
pub mod jsrt;
pub mod kermany;
pub mod medmnist;
pub mod mimic;
pub mod nih;
pub mod openi;
pub mod padchest;
pub mod rsna;
pub mod siim;
pub mod tb;
pub mod vindr;

use crate::error::{DataError, Result};
use crate::sample::Sample;
use std::path::Path;

/// One public set.
#[derive(Debug, Clone, Copy)]
pub struct SetInfo {
    /// Name on the command line and in [`Sample::set`].
    pub name: &'static str,
    /// Title as published.
    pub title: &'static str,
    /// What the publisher allows, in short; read the terms themselves.
    pub licence: &'static str,
    /// The paper to cite.
    pub citation: &'static str,
    /// What must lie in the folder.
    pub layout: &'static str,
    /// Reads the set from its folder.
    pub load: fn(&Path) -> Result<Vec<Sample>>,
}

/// Every set with a reader.
pub static SETS: &[SetInfo] = &[
    SetInfo {
        name: "nih_chestxray14",
        title: "NIH ChestX-ray14",
        licence: "no restriction on use; attribution to the NIH Clinical Center requested",
        citation: "Wang et al., ChestX-ray8, CVPR 2017",
        layout: "Data_Entry_2017*.csv, images under images*/; optional BBox_List_2017.csv, train_val_list.txt, test_list.txt",
        load: nih::load,
    },
    SetInfo {
        name: "chexpert",
        title: "CheXpert",
        licence: "Stanford research use agreement, non-commercial",
        citation: "Irvin et al., CheXpert, AAAI 2019",
        layout: "train.csv and/or valid.csv, images as their Path column says",
        load: chexpert::load,
    },
    SetInfo {
        name: "mimic_cxr_jpg",
        title: "MIMIC-CXR-JPG 2",
        licence: "PhysioNet credentialed health data licence",
        citation: "Johnson et al., MIMIC-CXR-JPG, arXiv:1901.07042, 2019",
        layout: "mimic-cxr-2.*-metadata.csv[.gz], -chexpert.csv[.gz], -split.csv[.gz], files/p1x/p.../s.../*.jpg",
        load: mimic::load,
    },
    SetInfo {
        name: "padchest",
        title: "PadChest",
        licence: "BIMCV research use, non-commercial, no redistribution",
        citation: "Bustos et al., PadChest, Medical Image Analysis 66, 2020",
        layout: "PADCHEST_chest_x_ray_images_labels_160K_*.csv[.gz], images in the root or under ImageDir",
        load: padchest::load,
    },
    SetInfo {
        name: "vindr_cxr",
        title: "VinDr-CXR",
        licence: "PhysioNet credentialed health data licence",
        citation: "Nguyen et al., VinDr-CXR, Scientific Data 9, 2022",
        layout: "annotations/{annotations,image_labels}_{train,test}.csv, train/ and test/ with .dicom files",
        load: vindr::load_vindr,
    },
    SetInfo {
        name: "vinbigdata",
        title: "VinBigData Chest X-ray Abnormalities Detection",
        licence: "challenge terms, non-commercial",
        citation: "Nguyen et al., VinDr-CXR, Scientific Data 9, 2022",
        layout: "train.csv, train/ with .dicom, .png or .jpg files",
        load: vindr::load_vinbigdata,
    },
    SetInfo {
        name: "rsna_pneumonia",
        title: "RSNA Pneumonia Detection Challenge",
        licence: "challenge terms, non-commercial; the images are NIH ChestX-ray14",
        citation: "Shih et al., Radiology: Artificial Intelligence 1(1), 2019",
        layout: "stage_2_train_labels.csv, stage_2_detailed_class_info.csv, stage_2_train_images/",
        load: rsna::load,
    },
    SetInfo {
        name: "siim_pneumothorax",
        title: "SIIM-ACR Pneumothorax Segmentation",
        licence: "challenge terms, non-commercial; the images are NIH ChestX-ray14",
        citation: "SIIM-ACR Pneumothorax Segmentation, Kaggle 2019",
        layout: "train-rle.csv, dicom-images-train/",
        load: siim::load,
    },
    SetInfo {
        name: "openi",
        title: "Indiana University chest X-rays (Open-i)",
        licence: "CC BY-NC-ND 4.0",
        citation: "Demner-Fushman et al., JAMIA 23(2), 2016",
        layout: "ecgen-radiology/*.xml, NLMCXR_png/*.png",
        load: openi::load,
    },
    SetInfo {
        name: "covid_cohen",
        title: "COVID-19 image data collection",
        licence: "per image, in the metadata",
        citation: "Cohen et al., COVID-19 Image Data Collection, arXiv:2006.11988, 2020",
        layout: "metadata.csv, images/",
        load: covid::load,
    },
    SetInfo {
        name: "jsrt",
        title: "JSRT with SCR segmentations",
        licence: "free for research, citation required",
        citation: "Shiraishi et al., AJR 174, 2000; van Ginneken et al., Medical Image Analysis 10, 2006",
        layout: "JPCLN*/JPCNN* images (.IMG or .png), CLNDAT_EN.txt, CNNDAT_EN.txt; optional landmarks *.pfs or mask folders",
        load: jsrt::load,
    },
    SetInfo {
        name: "kermany",
        title: "Paediatric pneumonia (Kermany)",
        licence: "CC BY 4.0",
        citation: "Kermany et al., Cell 172, 2018",
        layout: "{train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg",
        load: kermany::load,
    },
    SetInfo {
        name: "shenzhen",
        title: "Shenzhen Hospital chest X-rays (tuberculosis)",
        licence: "free with citation; see the NLM page",
        citation: "Jaeger et al., Quantitative Imaging in Medicine and Surgery 4(6), 2014",
        layout: "CXR_png/CHNCXR_*_{0,1}.png; optional ClinicalReadings/, mask/",
        load: tb::load_shenzhen,
    },
    SetInfo {
        name: "montgomery",
        title: "Montgomery County chest X-rays (tuberculosis)",
        licence: "free with citation; see the NLM page",
        citation: "Jaeger et al., Quantitative Imaging in Medicine and Surgery 4(6), 2014",
        layout: "CXR_png/MCUCXR_*_{0,1}.png; optional ClinicalReadings/, ManualMask/{leftMask,rightMask}/",
        load: tb::load_montgomery,
    },
    SetInfo {
        name: "pneumoniamnist",
        title: "PneumoniaMNIST",
        licence: "CC BY 4.0",
        citation: "Yang et al., MedMNIST v2, Scientific Data 10, 2023",
        layout: "pneumoniamnist*.npz, or the file itself",
        load: medmnist::load_pneumonia,
    },
    SetInfo {
        name: "chestmnist",
        title: "ChestMNIST",
        licence: "CC BY 4.0",
        citation: "Yang et al., MedMNIST v2, Scientific Data 10, 2023",
        layout: "chestmnist*.npz, or the file itself",
        load: medmnist::load_chest,
    },
];

/// The set of that name.
///
/// # Errors
/// [`DataError::UnknownSet`].
pub fn find(name: &str) -> Result<&'static SetInfo> {
    SETS.iter()
        .find(|s| s.name == name)
        .ok_or_else(|| DataError::UnknownSet(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Vocabulary;

    #[test]
    fn names_are_unique_and_an_empty_folder_is_an_error() {
        let mut seen = std::collections::HashSet::new();
        let empty = tempfile::tempdir().unwrap();
        for set in SETS {
            assert!(seen.insert(set.name), "{} twice", set.name);
            assert!(
                (set.load)(empty.path()).is_err(),
                "{} reads an empty folder",
                set.name
            );
        }
        assert!(find("teapot").is_err());
    }

    #[test]
    fn sets_with_words_have_a_vocabulary() {
        let columns = ["chexpert", "mimic_cxr_jpg"];
        for set in SETS.iter().filter(|s| !columns.contains(&s.name)) {
            assert!(Vocabulary::of(set.name).is_some(), "{}", set.name);
        }
    }
}
