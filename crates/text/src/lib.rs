//! The language of chest X-ray reports: from free text to findings, and the text scores.
//!
//! * [`sections`] and [`sentence`] cut a report into parts, [`tokenize`] into tokens;
//! * [`label`] finds the findings, decides present / absent / uncertain for each mention, and
//!   gathers side, place, severity, size and change;
//! * [`facts`] turns reports into typed graphs and compares them;
//! * [`nlg`] scores one text against others (BLEU, ROUGE-L, METEOR, CIDEr-D);
//! * [`stream`] and [`score`] do both over JSON Lines of any length.
//!
//! Nothing here reads an image or a tensor. The output describes what a *report says*; it is
//! research software and makes no diagnosis.
//!
//! ```
//! use hilum_text::{LabelOptions, Labeler, ReportText};
//!
//! let labeler = Labeler::shared();
//! let report = ReportText::from_text("FINDINGS: Small left pleural effusion. No pneumothorax.");
//! let labels = labeler.label(&report, &LabelOptions::default())?;
//! assert_eq!(labels.value("pleural_effusion").map(|v| v.as_i8()), Some(1));
//! assert_eq!(labels.value("pneumothorax").map(|v| v.as_i8()), Some(0));
//! assert_eq!(labels.value("fracture"), None);
//! # Ok::<(), hilum_text::TextError>(())
//! ```

pub mod error;
pub mod facts;
pub mod label;
pub mod lexicon;
pub mod nlg;
pub mod report;
pub mod rows;
pub mod score;
pub mod sections;
pub mod sentence;
pub mod stream;
pub mod tokenize;

pub use error::TextError;
pub use label::{LabelOptions, LabelValue, Labeler, Labels, Mention};
pub use report::{ReportText, SectionKind, SectionText};
