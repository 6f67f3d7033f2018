//! The list of methods; every table of methods is made from it.

use crate::method::Method;

/// All methods, by card number; parts of the project's own come last.
pub fn all() -> &'static [&'static dyn Method] {
    &[
        &crate::multimodel_report::MultimodelReport,
        &crate::chestx_ray8::ChestXray8,
        &crate::reliable_tb::ReliableTb,
        &crate::lungs_heart::LungsHeart,
        &crate::gate::Gate,
    ]
}

/// A method by its name.
pub fn find(name: &str) -> Option<&'static dyn Method> {
    all().iter().copied().find(|m| m.info().name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_cards_are_unique() {
        let mut names: Vec<_> = all().iter().map(|m| m.info().name).collect();
        let mut cards: Vec<_> = all().iter().filter_map(|m| m.info().card).collect();
        let (n, c) = (names.len(), cards.len());
        names.sort_unstable();
        names.dedup();
        cards.sort_unstable();
        cards.dedup();
        assert_eq!((names.len(), cards.len()), (n, c));
    }

    #[test]
    fn every_method_has_a_readme() {
        for m in all() {
            let name = m.info().name;
            let path = format!("{}/src/{name}/README.md", env!("CARGO_MANIFEST_DIR"));
            assert!(
                std::path::Path::new(&path).is_file(),
                "{name} has no README.md"
            );
        }
    }
}
