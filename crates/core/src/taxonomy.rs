//! The finding taxonomy: one static table with codes, names and subsumption.
//!
//! A finding's `code` (snake case) is its name everywhere in Hilum: label matrices, model heads,
//! `reading.json`, DICOM SR. RadLex (4.3) and SNOMED CT codes are given only where they name the
//! same concept exactly; a broader or narrower code is left out rather than approximated.
//!
//! Relations are `is_a` (subsumption): a positive child makes its parents positive, a negative
//! parent makes its children negative. They follow the hierarchy of the CheXpert labels
//! (Irvin et al. 2019, figure 1) where it is anatomical, and plain meaning elsewhere. Two points
//! are deliberate: `covid_19` is a disease, not a kind of opacity (a film may be clear), and
//! `emphysema` is not an opacity. [`ABNORMAL`] stands above every sign and disease and beside the
//! devices, see [`Taxon::implies_abnormal`].

mod table;

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

pub use table::TABLE;

/// Code of "no finding at all"; the complement of [`ABNORMAL`].
pub const NO_FINDING: &str = "no_finding";
/// Code of "any sign or disease"; the complement of [`NO_FINDING`].
pub const ABNORMAL: &str = "abnormal";

/// What kind of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A radiographic sign.
    Sign,
    /// A disease or its cause, more than one film can prove.
    Disease,
    /// A tube, line, implant or other device; not in itself abnormal.
    Device,
    /// `no_finding` and `abnormal`: statements about the whole image.
    Summary,
}

/// One entry of the taxonomy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taxon {
    /// Snake case name, unique.
    pub code: &'static str,
    /// Name to show, in sentence case.
    pub name: &'static str,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Direct parents by code.
    pub is_a: &'static [&'static str],
    /// Other spellings, already normalised by [`normalise`].
    pub aliases: &'static [&'static str],
    /// RadLex id with exactly this meaning.
    pub radlex: Option<&'static str>,
    /// SNOMED CT id with exactly this meaning.
    pub snomed: Option<&'static str>,
    /// Whether every reading lists it, assessed or not.
    pub reported: bool,
    /// Whether the name itself carries a side, so that mirroring the image changes the label.
    pub sided: bool,
}

impl Taxon {
    pub(crate) const fn new(code: &'static str, name: &'static str, kind: Kind) -> Self {
        Taxon {
            code,
            name,
            kind,
            is_a: &[],
            aliases: &[],
            radlex: None,
            snomed: None,
            reported: false,
            sided: false,
        }
    }

    pub(crate) const fn is_a(mut self, parents: &'static [&'static str]) -> Self {
        self.is_a = parents;
        self
    }

    pub(crate) const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(crate) const fn radlex(mut self, id: &'static str) -> Self {
        self.radlex = Some(id);
        self
    }

    pub(crate) const fn snomed(mut self, id: &'static str) -> Self {
        self.snomed = Some(id);
        self
    }

    pub(crate) const fn reported(mut self) -> Self {
        self.reported = true;
        self
    }

    pub(crate) const fn sided(mut self) -> Self {
        self.sided = true;
        self
    }

    /// True when its presence makes the image [`ABNORMAL`]: signs and diseases, not devices.
    pub fn implies_abnormal(&self) -> bool {
        matches!(self.kind, Kind::Sign | Kind::Disease)
    }
}

static BY_CODE: LazyLock<HashMap<&'static str, &'static Taxon>> =
    LazyLock::new(|| TABLE.iter().map(|t| (t.code, t)).collect());

static BY_ANY_NAME: LazyLock<HashMap<String, &'static Taxon>> = LazyLock::new(|| {
    let mut map = HashMap::new();
    for t in TABLE {
        map.insert(t.code.to_owned(), t);
        map.insert(normalise(t.name), t);
        for alias in t.aliases {
            map.insert((*alias).to_owned(), t);
        }
    }
    map
});

/// Lower case, every run of other characters than letters and digits as one `_`:
/// `Pleural_Thickening`, `pleural thickening` and `Pleural-thickening ` agree.
pub fn normalise(label: &str) -> String {
    let mut out = String::with_capacity(label.len());
    for c in label.trim().chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    if out.ends_with('_') {
        out.pop();
    }
    out
}

/// The entry with exactly this code.
pub fn by_code(code: &str) -> Option<&'static Taxon> {
    BY_CODE.get(code).copied()
}

/// The entry with this code, display name or alias, in any spelling that [`normalise`] unifies.
///
/// ```
/// use hilum_core::taxonomy;
/// assert_eq!(taxonomy::find("Effusion").unwrap().code, "pleural_effusion");
/// assert!(taxonomy::find("teapot").is_none());
/// ```
pub fn find(label: &str) -> Option<&'static Taxon> {
    BY_ANY_NAME.get(normalise(label).as_str()).copied()
}

/// Every code above `code` (not itself), sorted; empty for unknown codes and roots.
/// [`ABNORMAL`] is not among them: see [`Taxon::implies_abnormal`].
pub fn ancestors(code: &str) -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&'static str> = by_code(code).map_or(Vec::new(), |t| t.is_a.to_vec());
    while let Some(parent) = open.pop() {
        if seen.insert(parent) {
            open.extend(by_code(parent).map_or(&[][..], |t| t.is_a));
        }
    }
    seen.into_iter().collect()
}

/// Every code below `code` (not itself), sorted; empty for unknown codes and leaves.
pub fn descendants(code: &str) -> Vec<&'static str> {
    let mut seen: BTreeSet<&'static str> = BTreeSet::new();
    let mut open = vec![code];
    while let Some(parent) = open.pop() {
        for child in TABLE.iter().filter(|t| t.is_a.contains(&parent)) {
            if seen.insert(child.code) {
                open.push(child.code);
            }
        }
    }
    seen.into_iter().collect()
}

/// True when a positive `code` makes `ancestor` positive; a code is not its own kind.
pub fn is_kind_of(code: &str, ancestor: &str) -> bool {
    ancestors(code).contains(&ancestor)
}

/// The findings that every reading lists, assessed or not, in the order of the table.
pub fn reporting_list() -> Vec<&'static Taxon> {
    TABLE.iter().filter(|t| t.reported).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_normal() {
        let mut seen = BTreeSet::new();
        for t in TABLE {
            assert!(seen.insert(t.code), "{} twice", t.code);
            assert_eq!(normalise(t.code), t.code);
        }
    }

    #[test]
    fn no_spelling_leads_to_two_entries() {
        let mut owner: HashMap<String, &str> = HashMap::new();
        for t in TABLE {
            let names = t.aliases.iter().map(|a| (*a).to_owned());
            for n in names.chain([t.code.to_owned(), normalise(t.name)]) {
                assert_eq!(normalise(&n), n, "alias of {} is not normalised", t.code);
                let first = owner.insert(n.clone(), t.code).unwrap_or(t.code);
                assert_eq!(first, t.code, "{n} names two entries");
            }
        }
    }

    #[test]
    fn parents_exist_and_there_is_no_cycle() {
        for t in TABLE {
            for p in t.is_a {
                assert!(
                    by_code(p).is_some(),
                    "{} has the unknown parent {p}",
                    t.code
                );
            }
            assert!(
                !ancestors(t.code).contains(&t.code),
                "{} is above itself",
                t.code
            );
        }
    }

    #[test]
    fn external_codes_are_well_formed_and_unique() {
        let mut seen = BTreeSet::new();
        for t in TABLE {
            if let Some(r) = t.radlex {
                assert!(
                    r.strip_prefix("RID")
                        .is_some_and(|d| d.parse::<u32>().is_ok()),
                    "{r}"
                );
                assert!(seen.insert(r), "{r} twice");
            }
            if let Some(s) = t.snomed {
                assert!(verhoeff(s), "{s} of {} has a wrong check digit", t.code);
                assert!(seen.insert(s), "{s} twice");
            }
        }
    }

    /// SNOMED CT ids end in a Verhoeff check digit (SNOMED CT release file specification, 6.8).
    fn verhoeff(id: &str) -> bool {
        let multiply = |a: u8, b: u8| -> u8 {
            match (a < 5, b < 5) {
                (true, true) => (a + b) % 5,
                (true, false) => 5 + (a + b) % 5,
                (false, true) => 5 + (a - 5 + 5 - b) % 5,
                (false, false) => (a + 5 - b) % 5,
            }
        };
        let permute = |place: usize, digit: u8| {
            let p = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
            (0..place % 8).fold(digit, |d, _| p[usize::from(d)])
        };
        let check = id
            .bytes()
            .rev()
            .enumerate()
            .fold(0, |c, (i, b)| multiply(c, permute(i, b - b'0')));
        check == 0
    }

    #[test]
    fn relations_hold() {
        assert_eq!(
            ancestors("bacterial_pneumonia"),
            ["lung_opacity", "pneumonia"]
        );
        assert_eq!(
            ancestors("nodule"),
            ["lung_lesion", "lung_opacity", "nodule_or_mass"]
        );
        assert!(descendants("lung_opacity").contains(&"nodule"));
        assert!(is_kind_of("cardiomegaly", "enlarged_cardiomediastinum"));
        assert!(ancestors("covid_19").is_empty() && ancestors("teapot").is_empty());
    }

    #[test]
    fn spellings_of_the_public_sets_are_found() {
        for (label, code) in [
            ("Pleural_Thickening", "pleural_thickening"),
            ("Effusion", "pleural_effusion"),
            ("Lung Lesion", "lung_lesion"),
            ("COVID-19", "covid_19"),
            ("No Finding", NO_FINDING),
            ("Nodule/Mass", "nodule_or_mass"),
        ] {
            assert_eq!(find(label).map(|t| t.code), Some(code), "{label}");
        }
    }

    #[test]
    fn the_reporting_list_has_the_nih_and_chexpert_findings() {
        let list: Vec<_> = reporting_list().iter().map(|t| t.code).collect();
        for code in [
            "pneumonia",
            "pleural_effusion",
            "cardiomegaly",
            "lung_opacity",
            "hernia",
        ] {
            assert!(list.contains(&code), "{code}");
        }
        assert!(!list.contains(&NO_FINDING));
    }
}
