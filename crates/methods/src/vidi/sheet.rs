//! The reading aid: a page with one panel a group, from the least severe to the most.

use super::NAME;
use super::cases::CaseSet;
use super::config::Config;
use super::groups::{Maps, SeedOutcome};
use crate::blocks::figures::{base64, escape, grey, overlay, png, signed_overlay, tiles};
use crate::blocks::stored::write_text;
use crate::context::Context;
use crate::error::Result;
use hilum_image::Plane;
use hilum_image::draw::Canvas;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Members shown of each group.
const MEMBERS: usize = 6;

/// One group of the first feature.
struct Group {
    /// Positions in [`SeedOutcome::clustered`].
    members: Vec<usize>,
    /// What it is ordered by: mean severity where it is known, mean score elsewhere.
    order: f64,
}

/// Writes `<set>_groups.html`, whole in itself, and a PNG of each group.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(
    ctx: &Context<'_>,
    config: &Config,
    set: &CaseSet,
    seed: &SeedOutcome,
    maps: &Maps,
) -> Result<Vec<PathBuf>> {
    let folder = ctx.run_folder(NAME);
    let stem = set.name.stem();
    let mut body = String::new();
    let mut paths = Vec::new();
    for (number, group) in groups(set, seed).iter().enumerate() {
        let canvas = panel(config, set, seed, maps, group)?;
        let bytes = png(&canvas)?;
        let path = folder.join(format!("{stem}_group{}.png", number + 1));
        std::fs::create_dir_all(&folder).map_err(|source| crate::MethodError::Io {
            path: folder.clone(),
            source,
        })?;
        hilum_nn::weights::atomic_write(&path, &bytes)?;
        paths.push(path);
        let _ = writeln!(
            body,
            "<section><h2>Group {}</h2><p>{}</p><img alt=\"group {}\" src=\"data:image/png;base64,{}\"></section>",
            number + 1,
            escape(&caption(set, seed, group)),
            number + 1,
            base64(&bytes)
        );
    }
    let path = folder.join(format!("{stem}_groups.html"));
    write_text(&path, &page(set, &body))?;
    paths.push(path);
    Ok(paths)
}

fn groups(set: &CaseSet, seed: &SeedOutcome) -> Vec<Group> {
    let of = &seed.groups[0];
    let k = of.iter().max().map_or(0, |m| m + 1);
    let mut out: Vec<Group> = (0..k)
        .map(|g| {
            let members: Vec<usize> = (0..of.len()).filter(|&i| of[i] == g).collect();
            let value = |&i: &usize| match &set.severity {
                Some(s) => s[seed.clustered[i]],
                None => seed.scores[seed.clustered[i]],
            };
            let order = members.iter().map(value).sum::<f64>() / members.len().max(1) as f64;
            Group { members, order }
        })
        .collect();
    out.sort_by(|a, b| a.order.total_cmp(&b.order));
    out
}

fn caption(set: &CaseSet, seed: &SeedOutcome, group: &Group) -> String {
    let n = group.members.len();
    let score = group
        .members
        .iter()
        .map(|&i| seed.scores[seed.clustered[i]])
        .sum::<f64>()
        / n.max(1) as f64;
    let mut text = format!("{n} images; mean logit of {} {score:.2}", set.name.code());
    if set.severity.is_some() {
        let _ = write!(
            text,
            "; mean share of the lungs that is ill {:.2} (not shown to the network)",
            group.order
        );
    }
    if let Some(subtype) = &set.subtype {
        let counts: Vec<String> = set
            .name
            .subtypes()
            .iter()
            .enumerate()
            .map(|(s, name)| {
                let found = group
                    .members
                    .iter()
                    .filter(|&&i| subtype[seed.clustered[i]] == s)
                    .count();
                format!("{found} {name}")
            })
            .collect();
        let _ = write!(text, "; {} (not shown to the network)", counts.join(", "));
    }
    text
}

/// Mean picture, mean favourable map, mean unfavourable map; then the members nearest to the mean map, with their maps.
fn panel(
    config: &Config,
    set: &CaseSet,
    seed: &SeedOutcome,
    maps: &Maps,
    group: &Group,
) -> Result<Canvas> {
    let plane = |i: usize| &set.explained.pictures[seed.clustered[i]].plane;
    let n = group.members.len().max(1) as f32;
    let pixels = config.size * config.size;
    let (mut mean, mut map) = (vec![0.0f32; pixels], vec![0.0f32; pixels]);
    let (mut favourable, mut unfavourable) = (vec![0.0f32; pixels], vec![0.0f32; pixels]);
    for &i in &group.members {
        for (p, v) in plane(i).data.iter().enumerate() {
            mean[p] += f32::from(*v) / n;
            let phi = maps.explained[i].map[p] / n;
            map[p] += phi;
            favourable[p] += phi.max(0.0);
            unfavourable[p] += (-phi).max(0.0);
        }
    }
    let mean = Plane::new(
        config.size,
        config.size,
        mean.iter().map(|v| v.round() as u8).collect(),
    )?;
    let smooth =
        |map: &[f32]| hilum_explain::baseline::blur(map, config.size, config.size as f32 / 48.0);
    let mut canvases = vec![
        grey(&mean),
        overlay(&mean, &smooth(&favourable))?,
        overlay(&mean, &smooth(&unfavourable))?,
    ];
    let columns = 3 + MEMBERS;
    let shown = typical(maps, group, &map);
    for &i in &shown {
        canvases.push(grey(plane(i)));
    }
    while canvases.len() < columns {
        canvases.push(Plane::filled(config.size, config.size, [255; 3]));
    }
    canvases.push(signed_overlay(&mean, &smooth(&map))?);
    for _ in 0..2 {
        canvases.push(Plane::filled(config.size, config.size, [255; 3]));
    }
    for &i in &shown {
        canvases.push(signed_overlay(plane(i), &smooth(&maps.explained[i].map))?);
    }
    tiles(&canvases, columns, 2)
}

/// Members whose maps are nearest to the group's mean map.
fn typical(maps: &Maps, group: &Group, mean: &[f32]) -> Vec<usize> {
    let distance = |i: usize| -> f32 {
        maps.explained[i]
            .map
            .iter()
            .zip(mean)
            .map(|(a, b)| (a - b) * (a - b))
            .sum()
    };
    let mut order = group.members.clone();
    order.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    order.truncate(MEMBERS);
    order
}

fn page(set: &CaseSet, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>ViDi: {name}</title>\
<style>body{{font-family:sans-serif;margin:2rem;max-width:80rem}}img{{max-width:100%;image-rendering:pixelated}}</style></head><body>\
<h1>Groups of images by why the network answers {code}: {name}</h1>\
<p>From the least to the most severe group. In each: mean image, mean map of what speaks for {code}, mean map of what speaks against it, \
and the members nearest to the mean; below, the signed maps (orange for, blue against). Images are not aligned before they are averaged. \
Research software, not a medical device.</p>\n{body}</body></html>\n",
        name = escape(set.name.name()),
        code = escape(set.name.code()),
    )
}
