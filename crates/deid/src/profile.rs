//! The table of PS3.15, annex E: what the basic profile does to an attribute, and which options change it.

use crate::options::Options;
use dicom_core::{Tag, VR};
use std::collections::HashMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("profile.csv");

/// What is done to an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Taken out.
    Remove,
    /// Its value is taken out.
    Empty,
    /// Its value is replaced by a dummy.
    Dummy,
    /// Its UID is replaced.
    Uid,
    /// It stays.
    Keep,
    /// Its text is cleaned.
    Clean,
    /// Its date is moved.
    Move,
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
struct Line {
    action: &'static str,
    options: &'static str,
}

static LINES: LazyLock<HashMap<u32, Line>> = LazyLock::new(|| {
    let lines = TABLE.lines().skip(1).filter_map(|line| {
        let mut cells = line.split(',');
        let tag = u32::from_str_radix(cells.next()?, 16).ok()?;
        let (action, options) = (cells.next()?, cells.next()?);
        Some((tag, Line { action, options }))
    });
    lines.collect()
});

fn line(tag: Tag) -> Option<Line> {
    let group = tag.group();
    // Repeating groups: curves altogether; data and comments of overlays.
    if (0x5000..0x5100).contains(&group) {
        return Some(Line {
            action: "X",
            options: "Gc",
        });
    }
    if (0x6000..0x6100).contains(&group) && matches!(tag.element(), 0x3000 | 0x4000) {
        return Some(Line {
            action: "X",
            options: "Gc",
        });
    }
    LINES
        .get(&(u32::from(group) << 16 | u32::from(tag.element())))
        .copied()
}

/// What is done to an attribute; `None` when the table does not name it.
pub(crate) fn action(tag: Tag, vr: VR, options: &Options) -> Option<Action> {
    let line = line(tag)?;
    for option in line.options.split(' ').filter(|o| !o.is_empty()) {
        if let Some(action) = by_option(option, vr, options) {
            return Some(action);
        }
    }
    // Of several actions the standard's choice depends on the attribute's type in the object's IOD; the one that keeps the
    // object valid in every IOD is the last one.
    Some(match line.action {
        "X" => Action::Remove,
        "Z" | "X/Z" => Action::Empty,
        "U" | "X/Z/U" => Action::Uid,
        _ => Action::Dummy,
    })
}

/// What an option makes of a line's letter: a capital alone keeps, `c` cleans.
fn by_option(option: &str, vr: VR, options: &Options) -> Option<Action> {
    let text = matches!(
        vr,
        VR::LO | VR::SH | VR::ST | VR::LT | VR::UT | VR::UC | VR::CS | VR::PN | VR::SQ
    );
    let clean = if text { Action::Clean } else { Action::Keep };
    match option {
        "U" if options.retain_uids => Some(Action::Keep),
        "D" if options.retain_device_identity => Some(Action::Keep),
        "Dc" if options.retain_device_identity => Some(clean),
        "I" if options.retain_institution_identity => Some(Action::Keep),
        "P" if options.retain_patient_characteristics => Some(Action::Keep),
        "Pc" if options.retain_patient_characteristics => Some(clean),
        "F" if options.retain_full_dates => Some(Action::Keep),
        "Mc" if options.retain_modified_dates => Some(Action::Move),
        "Cc" if options.clean_descriptors => Some(clean),
        "Sc" if options.clean_structured_content => Some(clean),
        "Gc" if options.clean_graphics => Some(clean),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::tags;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(
            LINES.len() + 3,
            TABLE.lines().count() - 1,
            "the three of repeating groups are in code"
        );
        let known = ["X", "Z", "D", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U"];
        for line in LINES.values() {
            assert!(known.contains(&line.action), "{}", line.action);
        }
    }

    #[test]
    fn options_change_what_is_done() {
        let basic = Options::default();
        assert_eq!(
            action(tags::PATIENT_NAME, VR::PN, &basic),
            Some(Action::Empty)
        );
        assert_eq!(
            action(tags::STUDY_DATE, VR::DA, &basic),
            Some(Action::Empty)
        );
        assert_eq!(
            action(tags::SOP_INSTANCE_UID, VR::UI, &basic),
            Some(Action::Uid)
        );
        assert_eq!(action(tags::ROWS, VR::US, &basic), None);
        let moved = Options {
            retain_modified_dates: true,
            retain_patient_characteristics: true,
            clean_descriptors: true,
            ..Options::default()
        };
        assert_eq!(action(tags::STUDY_DATE, VR::DA, &moved), Some(Action::Move));
        assert_eq!(
            action(tags::PATIENT_BIRTH_DATE, VR::DA, &moved),
            Some(Action::Empty)
        );
        assert_eq!(
            action(tags::PATIENT_AGE, VR::AS, &moved),
            Some(Action::Keep)
        );
        assert_eq!(
            action(tags::SERIES_DESCRIPTION, VR::LO, &moved),
            Some(Action::Clean)
        );
        assert_eq!(
            action(Tag(0x6002, 0x3000), VR::OW, &basic),
            Some(Action::Remove)
        );
        assert_eq!(action(Tag(0x6002, 0x0010), VR::US, &basic), None);
    }
}
