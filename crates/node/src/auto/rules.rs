//! Which received objects are read.

use crate::auto::READ;
use crate::config::{Action, Config, Rule};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use hilum_store::{Found, NewJob, Record};

/// The rules of a configuration.
#[derive(Debug, Clone)]
pub struct Rules {
    rules: Vec<Rule>,
    settle_ms: i64,
}

/// What a rule looks at.
pub(crate) trait Facts {
    /// Value of an attribute, empty when there is none.
    fn value(&self, tag: Tag) -> &str;
}

impl Facts for Record {
    fn value(&self, tag: Tag) -> &str {
        Record::value(self, tag)
    }
}

impl Facts for Found {
    fn value(&self, tag: Tag) -> &str {
        Found::value(self, tag)
    }
}

impl Rules {
    /// The rules of a configuration.
    pub fn new(config: &Config) -> Self {
        Rules {
            rules: config.rule.clone(),
            settle_ms: i64::try_from(config.read.settle_s.saturating_mul(1000))
                .unwrap_or(i64::MAX / 2),
        }
    }

    /// The job that an object gives rise to: its study is read when no more objects come for a while.
    pub fn job(&self, record: &Record, source: &str) -> Option<NewJob> {
        self.decide(record, Some(source))?;
        Some(NewJob {
            kind: READ.to_owned(),
            subject: record.study.to_string(),
            due: hilum_store::now() + self.settle_ms,
        })
    }

    /// The rule by which an object is read; `None` when it is not. An object that was fetched has no source: of the rules for
    /// certain senders, those that read hold for it and those that ignore do not.
    pub(crate) fn decide(&self, facts: &impl Facts, source: Option<&str>) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| fits(rule, facts, source))
            .filter(|rule| rule.action == Action::Read)
    }

    /// Whether objects of a series may be read, as far as can be said without them. A body part that is not known does not
    /// speak against it.
    pub(crate) fn may_read(&self, modality: &str, body_part: &str) -> bool {
        let known = |list: &[String], value: &str| value.trim().is_empty() || one_of(list, value);
        self.rules.iter().any(|rule| {
            rule.action == Action::Read
                && known(&rule.modality, modality)
                && known(&rule.body_part, body_part)
        })
    }
}

fn one_of(list: &[String], value: &str) -> bool {
    list.is_empty() || list.iter().any(|v| v.eq_ignore_ascii_case(value.trim()))
}

fn fits(rule: &Rule, facts: &impl Facts, source: Option<&str>) -> bool {
    let sender = match source {
        Some(source) => one_of(&rule.calling_aet, source),
        None => rule.calling_aet.is_empty() || rule.action == Action::Read,
    };
    sender
        && one_of(&rule.modality, facts.value(tags::MODALITY))
        && one_of(&rule.body_part, facts.value(tags::BODY_PART_EXAMINED))
        && one_of(&rule.view, facts.value(tags::VIEW_POSITION))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Made(&'static str, &'static str);

    impl Facts for Made {
        fn value(&self, tag: Tag) -> &str {
            match tag {
                tags::MODALITY => self.0,
                tags::BODY_PART_EXAMINED => self.1,
                _ => "",
            }
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let config = Config::parse(
            "[[rule]]\ncalling_aet = [\"RESEARCH\"]\naction = \"ignore\"\n\
             [[rule]]\nmodality = [\"CR\", \"DX\"]\nbody_part = [\"CHEST\", \"THORAX\"]\n",
        )
        .unwrap();
        let rules = Rules::new(&config);
        assert!(rules.decide(&Made("DX", "chest"), Some("CR1")).is_some());
        assert!(
            rules
                .decide(&Made("DX", "CHEST"), Some("RESEARCH"))
                .is_none()
        );
        assert!(rules.decide(&Made("DX", ""), Some("CR1")).is_none());
        assert!(rules.decide(&Made("CT", "CHEST"), Some("CR1")).is_none());
        assert!(rules.decide(&Made("DX", "CHEST"), None).is_some());
        assert!(rules.may_read("DX", "") && rules.may_read("cr", "chest"));
        assert!(!rules.may_read("DX", "FOOT") && !rules.may_read("MR", ""));
    }
}
