//! What becomes of a signed reading.

use crate::config::Config;
use crate::error::{NodeError, Result};
use serde::{Deserialize, Serialize};

/// Which objects of a signed reading are sent, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignedConfig {
    /// `sr`, `pdf`; none are sent when empty.
    pub send: Vec<String>,
    /// Names of destinations; those of the rules when empty.
    pub to: Vec<String>,
}

impl Default for SignedConfig {
    fn default() -> Self {
        SignedConfig {
            send: SignedConfig::OBJECTS.map(str::to_owned).to_vec(),
            to: Vec::new(),
        }
    }
}

impl SignedConfig {
    /// What can be sent.
    pub const OBJECTS: [&str; 2] = ["sr", "pdf"];

    /// Checks what the types cannot say.
    pub(crate) fn check(&self, config: &Config) -> Result<()> {
        let known = |name: &&String| SignedConfig::OBJECTS.contains(&name.as_str());
        if let Some(name) = self.send.iter().find(|n| !known(n)) {
            return Err(NodeError::Config(format!(
                "signed.send: {name:?} is none of sr, pdf"
            )));
        }
        let missing = |name: &&String| config.find_destination(name).is_none();
        match self.to.iter().find(missing) {
            Some(name) => Err(NodeError::Config(format!(
                "signed.to: {name:?} is no destination"
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_said_and_mistakes_are_named() {
        let both = SignedConfig::OBJECTS.map(str::to_owned).to_vec();
        assert_eq!(Config::default().signed.send, both);
        let none = Config::parse("[signed]\nsend = []\n").unwrap();
        assert!(none.signed.send.is_empty() && none.signed.to.is_empty());
        for (text, word) in [
            ("[signed]\nsend = [\"seg\"]", "signed.send"),
            ("[signed]\nto = [\"pacs\"]", "signed.to"),
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
