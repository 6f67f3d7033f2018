//! Sizes of the study.

use crate::error::{MethodError, Result};
use serde::{Deserialize, Serialize};

/// How much is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Phantoms of stretched anatomy, measured against their construction.
    pub stretched: u64,
    /// Ordinary phantoms, segmented by the project's network.
    pub predicted: u64,
    /// Pixels a side of the stretched ones.
    pub size: usize,
    /// Pixels a side of the ordinary ones.
    pub picture: usize,
    /// Ordinary phantoms that questions are made of.
    pub asked: u64,
    /// Longest side of the pictures of the questions.
    pub side: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            stretched: 100,
            predicted: 60,
            size: 512,
            picture: 320,
            asked: 20,
            side: 128,
        }
    }
}

impl Config {
    /// A few studies, to see that everything works.
    pub fn tiny() -> Self {
        Config {
            stretched: 2,
            predicted: 2,
            size: 128,
            picture: 128,
            asked: 2,
            side: 128,
        }
    }

    /// # Errors
    /// [`MethodError::Config`] for sizes that phantoms or pictures cannot have.
    pub fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(MethodError::Config(what.to_owned()));
        if self.stretched == 0 || self.predicted == 0 || self.asked == 0 {
            return wrong("at least one phantom of each kind is needed");
        }
        if self.asked > self.predicted {
            return wrong(
                "questions are made of the segmented phantoms, so there cannot be more of them",
            );
        }
        if !(64..=4096).contains(&self.size) || !(64..=4096).contains(&self.picture) {
            return wrong("phantoms have 64 to 4096 pixels a side");
        }
        if !(128..=4096).contains(&self.side) {
            return wrong("pictures of questions have 128 to 4096 pixels a side");
        }
        Ok(())
    }
}
