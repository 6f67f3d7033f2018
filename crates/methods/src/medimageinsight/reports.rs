//! Who writes findings of generated films: the decoder, a template reporter, the nearest known film.
//!
//! Real films with reports are too few here (17), so the decoder learns from generated films with theirs.

use super::config::Config;
use super::films::{Domain, Films};
use super::outcome::{References, Reporter, Written};
use super::space::Space;
use super::template::Template;
use super::towers::Towers;
use crate::blocks::decoder::{Decoder, Told};
use crate::blocks::short::outputs;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_data::Split;
use hilum_kernels::{Graph, Params};
use hilum_text::label::LabelSpace;
use hilum_text::lexicon::CHEXPERT;
use hilum_text::{LabelOptions, LabelValue, Labeler, ReportText};
use std::collections::BTreeSet;

/// Codes of CheXpert without `no_finding`.
pub type Codes = BTreeSet<&'static str>;

/// What a text says of codes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// Those that are there.
    pub present: Codes,
    /// Those that are not.
    pub absent: Codes,
}

/// What is said by the labeler; a text without words says nothing.
///
/// # Errors
/// A text that the labeler refuses.
pub fn labelled(text: &str) -> Result<Said> {
    if text.trim().is_empty() {
        return Ok(Said::default());
    }
    let options = LabelOptions {
        space: LabelSpace::Chexpert,
        ..LabelOptions::default()
    };
    let labels = Labeler::shared()
        .label(&ReportText::from_text(text), &options)
        .map_err(|e| MethodError::Config(e.to_string()))?;
    let with = |value: LabelValue| -> Codes {
        let is = |code: &&'static str| labels.value(code) == Some(value);
        CHEXPERT[1..].iter().copied().filter(is).collect()
    };
    Ok(Said {
        present: with(LabelValue::Present),
        absent: with(LabelValue::Absent),
    })
}

/// The findings sections of the films at these places; films without one are left out.
pub fn written<'a>(films: &'a Films, at: &[usize]) -> Vec<(usize, &'a str)> {
    let text = |&i: &usize| Some((i, films.all[i].written.as_deref()?));
    at.iter().filter_map(text).collect()
}

/// The test films that are written of, and what stands in their reports.
pub fn references(films: &Films) -> References {
    let own = written(films, &films.of(Domain::Phantom, Split::Test));
    let at: Vec<usize> = own.iter().map(|(i, _)| *i).collect();
    References {
        groups: films.set(&at).groups(),
        texts: own.iter().map(|(_, t)| (*t).to_owned()).collect(),
        films: at,
    }
}

/// Reports of the test films by everybody, and the decoder's last loss in nats a word.
///
/// # Errors
/// Too few films, [`MethodError::Stopped`], a diverging run.
pub fn write(
    ctx: &Context<'_>,
    config: &Config,
    films: &Films,
    towers: &Towers,
    space: &Space<'_>,
    seed: u64,
) -> Result<(Vec<Written>, f64)> {
    let train = written(films, &films.of(Domain::Phantom, Split::Train));
    let test = references(films).films;
    let known: Vec<usize> = train.iter().map(|(i, _)| *i).collect();
    let frozen = (&towers.images, &towers.image_params);
    let (seen, image) = tokens(films, &known, frozen)?;
    let told: Vec<Told<'_>> = seen
        .iter()
        .zip(&train)
        .map(|(image, (_, text))| Told { image, text })
        .collect();
    let how = &config.telling;
    let decoder = Decoder::train(ctx, &config.decoder, how, image, &told, seed)?;
    let (asked, _) = tokens(films, &test, frozen)?;
    let views: Vec<&[f32]> = asked.iter().map(Vec::as_slice).collect();
    let blind = decoder.write(&[&mean(&seen)])?;
    let nearest = |&film: &usize| {
        let near = space.near(film, 1, Some(Domain::Phantom));
        let text = near
            .first()
            .and_then(|(i, _)| films.all[*i].written.clone());
        text.ok_or_else(|| MethodError::Config("no known film has a report".to_owned()))
    };
    let template = Template::fit(config, films, space, &train)?;
    let by = |reporter, texts| Written { reporter, texts };
    let loss = decoder.losses.last().copied().unwrap_or(f64::NAN);
    Ok((
        vec![
            by(Reporter::Decoder, decoder.write(&views)?),
            by(Reporter::Blind, vec![blind.concat(); test.len()]),
            by(
                Reporter::Nearest,
                test.iter().map(nearest).collect::<Result<_>>()?,
            ),
            by(
                Reporter::Template,
                test.iter()
                    .map(|&film| template.report(space.row(film)))
                    .collect::<Result<_>>()?,
            ),
        ],
        loss,
    ))
}

/// The last maps of the image tower, channel after channel, and their channels and places.
fn tokens(
    films: &Films,
    at: &[usize],
    (graph, params): (&Graph, &Params),
) -> Result<(Vec<Vec<f32>>, [usize; 2])> {
    let set = films.set(at);
    let output = graph
        .outputs
        .iter()
        .position(|(name, _)| name == "features");
    let output = output
        .ok_or_else(|| MethodError::Config("the image tower has no output `features`".into()))?;
    let shapes = graph.shapes([1, 1, set.side, set.side])?;
    let shape = &shapes[graph.outputs[output].1];
    let image = [shape[1], shape.iter().skip(2).product()];
    Ok((outputs(graph, params, &set, output)?, image))
}

fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
    let mut out = vec![0.0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        out.iter_mut().zip(row).for_each(|(o, v)| *o += v);
    }
    out.iter_mut().for_each(|v| *v /= rows.len() as f32);
    out
}

/// F1 of true positives, false positives and false negatives; `None` where nothing was said and nothing was there.
pub fn f1([right, wrong, missed]: [f64; 3]) -> Option<f64> {
    let all = 2.0 * right + wrong + missed;
    (all > 0.0).then(|| 2.0 * right / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_what_is_there_and_what_is_not() {
        let said = labelled("small left pleural effusion. no pneumothorax.").unwrap();
        assert_eq!(said.present, Codes::from(["pleural_effusion"]));
        assert_eq!(said.absent, Codes::from(["pneumothorax"]));
        assert_eq!(labelled(" ").unwrap(), Said::default());
    }

    #[test]
    fn f1_of_nothing_is_undefined() {
        assert_eq!(f1([0.0; 3]), None);
        assert_eq!(f1([1.0, 1.0, 1.0]), Some(0.5));
    }

    #[test]
    fn maps_are_averaged() {
        assert_eq!(mean(&[vec![1.0, 3.0], vec![3.0, 5.0]]), [2.0, 4.0]);
    }
}
