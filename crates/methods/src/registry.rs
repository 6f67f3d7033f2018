//! The list of methods; every table of methods is made from it.

use crate::method::Method;

/// All methods, by card number; parts of the project's own come last.
pub fn all() -> &'static [&'static dyn Method] {
    &[
        &crate::multimodel_report::MultimodelReport,
        &crate::chestx_ray8::ChestXray8,
        &crate::mask_of_truth::MaskOfTruth,
        &crate::reliable_tb::ReliableTb,
        &crate::supervised_dictionary::SupervisedDictionary,
        &crate::covid_interpretability::CovidInterpretability,
        &crate::radgraph::RadGraph,
        &crate::deep_reproductive::DeepReproductive,
        &crate::fedld::FedLd,
        #[cfg(feature = "ct")]
        &crate::nodule_surroundings::NoduleSurroundings,
        &crate::medimageinsight::MedImageInsight,
        &crate::ugpl::Ugpl,
        &crate::tsddnet::TsddNet,
        &crate::posthoc_uq::PosthocUq,
        &crate::cactus::Cactus,
        &crate::shisrcnet::Shisrcnet,
        &crate::knobo::KnoBo,
        &crate::covid_screening::CovidScreening,
        &crate::breast_density::BreastDensity,
        &crate::breast_ml::BreastMl,
        &crate::vidi::Vidi,
        &crate::chexstruct::CheXstruct,
        &crate::robust_cbm::RobustCbm,
        &crate::lungs_heart::LungsHeart,
        &crate::gate::Gate,
    ]
}

/// Methods with clients and a server.
pub const FEDERATED: [&str; 1] = ["fedld"];

/// A method by its name.
pub fn find(name: &str) -> Option<&'static dyn Method> {
    all().iter().copied().find(|m| m.info().name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ResultFile;
    use std::path::Path;

    const BEGIN: &str = "<!-- claims:begin -->";
    const END: &str = "<!-- claims:end -->";

    #[test]
    fn names_and_cards_are_unique_and_cards_in_order() {
        let mut names: Vec<_> = all().iter().map(|m| m.info().name).collect();
        let mut cards: Vec<_> = all().iter().filter_map(|m| m.info().card).collect();
        let (n, c) = (names.len(), cards.len());
        assert!(cards.is_sorted(), "{cards:?}");
        names.sort_unstable();
        names.dedup();
        cards.sort_unstable();
        cards.dedup();
        assert_eq!((names.len(), cards.len()), (n, c));
    }

    /// `HILUM_BLESS=1 cargo test -p hilum-methods readme` writes the tables anew.
    #[test]
    fn every_readme_holds_the_table_of_its_result() {
        let bless = std::env::var_os("HILUM_BLESS").is_some();
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let results = Path::new(root).join("bench/results");
        for name in all().iter().map(|m| m.info().name) {
            let path = Path::new(root).join(format!("crates/methods/src/{name}/README.md"));
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let Some((head, tail)) = text
                .split_once(BEGIN)
                .and_then(|(h, rest)| Some((h, rest.split_once(END)?.1)))
            else {
                panic!("{name}: no README.md with {BEGIN} and {END}");
            };
            let table = ResultFile::read(&results, name)
                .unwrap()
                .map_or("Not reproduced yet.\n".to_owned(), |r| r.markdown());
            let wanted = format!("{head}{BEGIN}\n{table}{END}{tail}");
            if bless {
                std::fs::write(&path, &wanted).unwrap();
            }
            assert!(
                bless || text == wanted,
                "{name}: its README does not show bench/results/{name}.json; write it with HILUM_BLESS=1"
            );
        }
    }
}
