//! The name of a study's folder.
//!
//! The rule, so that scripts can find a folder from `study.id`:
//!
//! 1. letters are made lower case; every run of characters other than `a`-`z`, `0`-`9`, `.` and `_` becomes one `-`;
//! 2. leading and trailing `.` and `-` go, runs of `.` become one, and the name is cut to 64 characters;
//! 3. an empty name becomes `study`, a name reserved by Windows (`con`, `nul`, `com1`, ...) gets `study-` in front;
//! 4. if any of this changed the id, `-` and the first 12 hex digits of the id's SHA-256 follow,
//!    so that different ids give different folders, on file systems that ignore case too;
//! 5. within one run, a name that is taken (the same id twice) gets `-2`, `-3`, ... in the order of the studies.
//!
//! DICOM Study Instance UIDs pass unchanged.

use sha2::{Digest, Sha256};
use std::collections::HashSet;

const LONGEST: usize = 64;
const RESERVED: &[&str] = &["con", "prn", "aux", "nul"];

/// The folder of the study `id` by the rule in `docs/reading.md`: a function of the id alone, safe as
/// one path component on Linux, macOS and Windows.
///
/// ```
/// use hilum_reading::folder_name;
/// assert_eq!(folder_name("1.2.840.113619.2.55"), "1.2.840.113619.2.55");
/// assert!(folder_name("../../etc/passwd").starts_with("etc-passwd-"));
/// ```
pub fn folder_name(id: &str) -> String {
    let slug = slug(id);
    if slug == id {
        return slug;
    }
    let digest = Sha256::digest(id.as_bytes());
    let hash: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{slug}-{hash}")
}

/// Folders for all studies of a run, in order; names already taken get `-2`, `-3`, ...
pub fn folder_names<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<String> = ids.into_iter().map(folder_name).collect();
    let wanted: HashSet<&String> = names.iter().collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut out = Vec::with_capacity(names.len());
    for name in &names {
        let mut free = name.clone();
        let mut n = 2;
        while taken.contains(&free) || (free != *name && wanted.contains(&free)) {
            free = format!("{name}-{n}");
            n += 1;
        }
        taken.insert(free.clone());
        out.push(free);
    }
    out
}

/// True for names that [`folder_names`] can give: one plain path component.
pub(crate) fn is_safe(name: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    !name.is_empty()
        && name.len() <= 2 * LONGEST
        && name.chars().all(plain)
        && !name.starts_with(['.', '-'])
        && !name.ends_with('.')
        && !name.contains("..")
        && !is_reserved(name)
}

fn slug(id: &str) -> String {
    let mut slug = String::new();
    for c in id.chars().flat_map(char::to_lowercase) {
        let c = if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '_' {
            c
        } else {
            '-'
        };
        if !(matches!(c, '-' | '.') && slug.ends_with(c)) {
            slug.push(c);
        }
    }
    let trimmed = slug.trim_matches(['.', '-']);
    let cut = trimmed
        .get(..LONGEST)
        .unwrap_or(trimmed)
        .trim_end_matches(['.', '-']);
    if cut.is_empty() {
        "study".to_owned()
    } else if is_reserved(cut) {
        format!("study-{cut}")
    } else {
        cut.to_owned()
    }
}

/// Device names of Windows, with or without an extension.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    let port = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    RESERVED.contains(&stem) || port("com") || port("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn uids_pass_and_everything_else_carries_a_hash() {
        assert_eq!(folder_name("1.2.3"), "1.2.3");
        assert_ne!(folder_name("ABC"), folder_name("abc"));
        assert_eq!(folder_name(""), "study-e3b0c44298fc");
        assert!(folder_name("con.txt").starts_with("study-con.txt-"));
        assert!(folder_name("..").starts_with("study-"));
    }

    #[test]
    fn the_same_id_twice_is_numbered_in_order() {
        assert_eq!(
            folder_names(["a", "a", "a-2", "a"]),
            ["a", "a-3", "a-2", "a-4"]
        );
    }

    proptest! {
        #[test]
        fn names_are_safe_whatever_the_id(ids in prop::collection::vec("\\PC{0,90}", 1..6)) {
            let names = folder_names(ids.iter().map(String::as_str));
            for name in &names {
                prop_assert!(is_safe(name), "{name}");
            }
            let unique: HashSet<_> = names.iter().collect();
            prop_assert_eq!(unique.len(), names.len());
        }
    }
}
