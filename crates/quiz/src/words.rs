//! The words of questions and options.

use hilum_core::View;
use hilum_measure::Index;
use hilum_measure::overlay::number;

/// "None of the above".
pub(crate) const NONE: &str = "None of the above";
/// "I don't know".
pub(crate) const UNKNOWN: &str = "I don't know";

/// The decision, as it is asked first and last.
pub(crate) fn decision(index: Index) -> &'static str {
    match index {
        Index::Cardiomegaly => "Is the heart enlarged on this chest X-ray?",
        Index::MediastinalWidening => "Is the upper mediastinum widened on this chest X-ray?",
        Index::CarinaAngle => "Is the angle of the carina normal on this chest X-ray?",
        Index::TracheaDeviation => "Is the trachea deviated on this chest X-ray?",
        Index::AorticKnob => "Is the aortic knob enlarged on this chest X-ray?",
        Index::AscendingAorta => "Is the ascending aorta enlarged on this chest X-ray?",
        Index::DescendingAorta => "Is the descending aorta enlarged on this chest X-ray?",
        Index::Tortuosity => "Is the descending aorta tortuous on this chest X-ray?",
        Index::Inclusion => {
            "Does this chest X-ray show the whole thorax: both apices, both lateral chest walls and both costophrenic angles?"
        }
        Index::Inspiration => "Was this chest X-ray taken in good or in poor inspiration?",
        Index::Rotation => "Was the patient rotated when this chest X-ray was taken?",
        Index::Projection => "Is this chest X-ray a PA or an AP projection?",
    }
}

/// The answers that mean the negative and the positive label.
pub(crate) fn answers(index: Index) -> [&'static str; 2] {
    match index {
        // The question asks for the normal state.
        Index::CarinaAngle => ["Yes", "No"],
        Index::Inspiration => ["Poor", "Good"],
        Index::Projection => ["PA (postero-anterior)", "AP (antero-posterior)"],
        _ => ["No", "Yes"],
    }
}

/// What decides.
pub(crate) fn criterion(index: Index) -> &'static str {
    match index {
        Index::Cardiomegaly => {
            "The greatest width of the heart over the greatest inner width of the thorax"
        }
        Index::MediastinalWidening => {
            "The width of the upper mediastinum over the width from outer lung wall to outer lung wall at the same level"
        }
        Index::CarinaAngle => "The angle between the two main bronchi where the trachea divides",
        Index::TracheaDeviation => "Whether the trachea is displaced to one side of the midline",
        Index::AorticKnob => "The width of the aortic knob over the median width of the trachea",
        Index::AscendingAorta => {
            "How much of the ascending aorta lies beyond the line from the inner border of the right lung to the right heart border"
        }
        Index::DescendingAorta => {
            "The greatest width of the descending aorta over the median width of the trachea"
        }
        Index::Tortuosity => "The mean curvature of the descending aorta's left border",
        Index::Inclusion => {
            "Whether apices, lateral chest walls and costophrenic angles keep a distance to the edges of the image"
        }
        Index::Inspiration => {
            "How many right posterior ribs lie above the right dome of the diaphragm along the mid-clavicular line"
        }
        Index::Rotation => {
            "The shorter over the longer distance of the inner ends of the clavicles to the midline of the spine"
        }
        Index::Projection => "How much of each scapula lies over the lung",
    }
}

/// The right rule and wrong ones; `None` for tasks whose criterion needs no number.
pub(crate) fn rules(index: Index, view: View) -> Option<(String, Vec<String>)> {
    let ratio = |right: f64, wrong: &[f64], what: &str| {
        let say = |v: f64| format!("{what} is {} or more", number(v));
        (say(right), wrong.iter().map(|v| say(*v)).collect())
    };
    let by_view = |pa: f64, ap: f64, wrong: &[f64], what: &str| match view {
        View::Ap => ratio(ap, wrong, what),
        View::Pa => ratio(pa, wrong, what),
        _ => {
            let say = |a: f64, b: f64| {
                format!(
                    "{what} is {} or more on PA, {} or more on AP",
                    number(a),
                    number(b)
                )
            };
            let shift = |k: f64| say(pa * k, ap * k);
            (say(pa, ap), vec![shift(0.7), shift(1.3), say(ap, pa)])
        }
    };
    Some(match index {
        Index::Cardiomegaly => by_view(
            0.50,
            0.55,
            &[0.35, 0.42, 0.63, 0.70],
            "The heart is enlarged when the ratio",
        ),
        Index::MediastinalWidening => by_view(
            0.25,
            0.33,
            &[0.15, 0.20, 0.42, 0.50],
            "The mediastinum is widened when the ratio",
        ),
        Index::CarinaAngle => {
            let say = |a, b| format!("The angle is normal from {a} to {b} degrees");
            (
                say(40, 80),
                vec![say(10, 40), say(80, 120), say(20, 45), say(100, 140)],
            )
        }
        Index::AorticKnob => ratio(
            2.5,
            &[1.0, 1.5, 4.0, 5.0],
            "The knob is enlarged when the ratio",
        ),
        Index::DescendingAorta => ratio(
            2.5,
            &[1.0, 1.5, 4.0, 5.0],
            "The aorta is enlarged when the ratio",
        ),
        Index::AscendingAorta => ratio(
            0.1,
            &[0.3, 0.5, 0.7, 0.9],
            "The aorta is enlarged when the share beyond the line",
        ),
        Index::Tortuosity => ratio(
            0.0009,
            &[0.0001, 0.005, 0.02, 0.1],
            "The aorta is tortuous when the mean curvature per pixel of an image 3056 pixels high",
        ),
        Index::Inspiration => {
            let say = |n| format!("Inspiration is good when at least {n} ribs are counted");
            (say(9), vec![say(5), say(6), say(7), say(12)])
        }
        Index::Rotation => {
            let say = |v: f64| format!("The patient is rotated when the ratio is {v} or less");
            (say(0.4), vec![say(0.1), say(0.7), say(0.8), say(0.95)])
        }
        Index::Projection => {
            let say = |v: f64| {
                format!(
                    "PA when the share is below {v} on both sides, AP when it is {v} or more on both"
                )
            };
            (say(0.3), vec![say(0.1), say(0.6), say(0.75), say(0.9)])
        }
        Index::TracheaDeviation | Index::Inclusion => return None,
    })
}

/// How it is measured, taught on the guided path.
pub(crate) fn how(index: Index) -> &'static str {
    match index {
        Index::Cardiomegaly => {
            "Draw the widest transverse line between the outer walls of the lungs, and the width of the heart from its rightmost to its leftmost point. Divide the second by the first."
        }
        Index::MediastinalWidening => {
            "In the row where the upper mediastinum is widest, measure it, and measure from the outer wall of the right lung to that of the left. Divide the first by the second."
        }
        Index::CarinaAngle => {
            "From the carina, draw a line along the inner wall of each main bronchus. The angle lies between them."
        }
        Index::TracheaDeviation => {
            "Draw the midline through the spine. At nine heights of the trachea, see on which side the trachea lies, or whether the midline runs within it."
        }
        Index::AorticKnob => {
            "Measure from the left wall of the trachea to the left border of the aortic arch, and divide by the median width of the trachea."
        }
        Index::AscendingAorta => {
            "Draw a straight line from the inner border of the right lung, at the height where the trachea ends, to the right heart border. Take the share of the ascending aorta on the lung's side of it."
        }
        Index::DescendingAorta => {
            "Measure the descending aorta at six heights behind the heart, take the largest width, and divide it by the median width of the trachea."
        }
        Index::Tortuosity => {
            "Take six points down the left border of the descending aorta. Compute the curvature at each by finite differences and take the mean, per pixel of an image 3056 pixels high."
        }
        Index::Inclusion => {
            "Find the two apices, the outermost points of both lungs and the two costophrenic angles, and see for each whether it keeps clear of the edge."
        }
        Index::Inspiration => {
            "Follow the vertical line through the middle of the right clavicle down to the right dome of the diaphragm, and count the posterior ribs above the dome."
        }
        Index::Rotation => {
            "Measure from the inner end of each clavicle to the midline of the spine. Divide the shorter by the longer distance."
        }
        Index::Projection => {
            "For each side, take the area of the scapula over the lung and divide it by the area of the whole scapula."
        }
    }
}

/// What is to be measured, in the question of the measurement stage.
pub(crate) fn measured(index: Index) -> &'static str {
    match index {
        Index::Inclusion => "How many of the six regions keep clear of the edges of the image?",
        Index::Inspiration => {
            "What is the number of the lowest right posterior rib above the dome?"
        }
        Index::TracheaDeviation => "Where does the trachea lie at most of the nine heights?",
        Index::CarinaAngle => "In which range does the angle lie?",
        Index::Tortuosity => "In which range does the mean curvature lie?",
        Index::AscendingAorta => "In which range does the share beyond the line lie?",
        _ => "In which range does the ratio lie?",
    }
}

/// The places where the trachea can lie.
pub(crate) const TRACHEA: [&str; 3] = [
    "To the patient's right of the midline",
    "The midline runs within it",
    "To the patient's left of the midline",
];
