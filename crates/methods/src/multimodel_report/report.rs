//! Result code and template report.

use super::config::Abnormality;

/// The answers as the paper's bit string, in the order of the entries.
pub fn result_code(answers: &[bool]) -> String {
    answers.iter().map(|&a| if a { '1' } else { '0' }).collect()
}

/// The report of a set of answers: one fixed sentence an abnormality; all negative gives the normal report.
pub fn report(entries: &[Abnormality], answers: &[bool]) -> String {
    let sentences = entries.iter().zip(answers);
    let text: Vec<&str> = sentences
        .map(|(e, &a)| {
            if a {
                e.present.as_str()
            } else {
                e.absent.as_str()
            }
        })
        .collect();
    if answers.iter().any(|&a| a) {
        text.join(" ")
    } else {
        format!("No acute cardiopulmonary abnormality. {}", text.join(" "))
    }
}

/// All answers of `n` abnormalities, from `00..0` to `11..1`.
pub fn all_answers(n: usize) -> Vec<Vec<bool>> {
    (0..1usize << n)
        .map(|code| (0..n).map(|k| code >> (n - 1 - k) & 1 == 1).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use hilum_text::{LabelOptions, Labeler, ReportText};

    #[test]
    fn every_code_has_a_report_that_labels_back_to_it() {
        let entries = Config::default().abnormalities;
        for answers in all_answers(entries.len()) {
            let text = report(&entries, &answers);
            let labels = Labeler::shared()
                .label(&ReportText::from_text(&text), &LabelOptions::default())
                .unwrap();
            let back: Vec<bool> = entries
                .iter()
                .map(|e| labels.value(&e.code).is_some_and(|v| v.as_i8() == 1))
                .collect();
            assert_eq!(back, answers, "{} {text}", result_code(&answers));
        }
    }

    #[test]
    fn the_code_counts_from_the_left() {
        assert_eq!(result_code(&[true, false, true]), "101");
        assert_eq!(all_answers(2)[2], vec![true, false]);
    }
}
