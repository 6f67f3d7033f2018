//! Staged questions on chest X-rays after CXReasonBench (Lee et al. 2025, arXiv 2505.18087), and the harness that scores answers.
//!
//! [`Maker`] turns measured studies into cases: an initial decision with "I don't know", the criterion, the refined criterion, body
//! parts and landmarks by choice of pictures, the range that the measure lies in, the final decision with the value (the direct path);
//! the same with teaching (the guided path); and the direct path again on another case of the task (the review). Questions go to
//! `cases.jsonl`, their key to `key.jsonl`, pictures to `images/` and `pictures/`. The same seed gives the same bytes.
//!
//! [`score()`] reads a set and answers and gives accuracies by stage, the mean stage reached, consistency and values within
//! range, with Wilson intervals. [`answerers`] holds the oracle and the guesser that such a harness is checked with.

pub mod answer;
pub mod answerers;
pub mod error;
pub mod make;
mod pictures;
pub mod question;
mod random;
mod ranges;
pub mod score;
pub mod set;
mod words;

pub use answer::Answer;
pub use error::QuizError;
pub use make::{Maker, Plan, Study};
pub use question::{Case, Key, Question};
pub use score::{Report, score};
pub use set::QuizSet;
