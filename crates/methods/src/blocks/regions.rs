//! Pictures with the region that a finding lives in: from the set's own masks, or found by the project's segmenter.

use super::pictures::{Lungs, Picture, load_pictures, trained_segmenter};
use crate::context::Context;
use crate::error::{MethodError, Result};
use crate::serve::Segmenter;
use hilum_data::Sample;
use hilum_image::{Mask, Recipe, resize};
use hilum_nn::InputContract;
use rayon::prelude::*;

/// Pictures whose only mask is that of `structure`, 0 or 255; `None` where it has fewer than `least` pixels or is not known.
/// Lungs that a set does not give are found by the segmenter, which is only needed then.
///
/// # Errors
/// A file that cannot be read; lungs to be found without a segmenter.
pub fn with_region(
    ctx: &Context<'_>,
    samples: &[Sample],
    contract: &InputContract,
    structure: &str,
    least: usize,
) -> Result<Vec<Picture>> {
    let mut pictures = load_pictures(samples, contract, Lungs::None, &[structure])?;
    for picture in &mut pictures {
        let given = picture.masks[0].take();
        let binary = given.map(|m| m.map(|&v| if v >= 128 { 255 } else { 0 }));
        picture.masks[0] = binary.filter(|m: &Mask| m.count() >= least);
    }
    if structure == "lungs" && pictures.iter().any(|p| p.masks[0].is_none()) {
        find(ctx, samples, contract, least, &mut pictures)?;
    }
    Ok(pictures)
}

fn find(
    ctx: &Context<'_>,
    samples: &[Sample],
    contract: &InputContract,
    least: usize,
    pictures: &mut [Picture],
) -> Result<()> {
    let segmenter = trained_segmenter(ctx)?;
    let lungs = segmenter
        .index("lungs")
        .ok_or_else(|| MethodError::Config("the segmenter does not find lungs".to_owned()))?;
    pictures
        .par_iter_mut()
        .zip(samples)
        .filter(|(p, _)| p.masks[0].is_none())
        .try_for_each(|(picture, sample)| -> Result<()> {
            let image = hilum_dicom::load(sample.path(), Recipe::Voi)?.pixels;
            let mask = segmenter.segment(&image)?.masks.swap_remove(lungs);
            let small = resize::resize_mask(&mask, contract.width, contract.height)?;
            picture.masks[0] = (small.count() >= least).then_some(small);
            Ok(())
        })
}

/// At most `most` items, spread evenly.
pub fn spread_evenly<T: Clone>(items: Vec<T>, most: usize) -> Vec<T> {
    if items.len() <= most {
        return items;
    }
    (0..most)
        .map(|i| items[i * items.len() / most].clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_so_many_are_kept_and_spread_evenly() {
        assert_eq!(spread_evenly((0..10).collect(), 4), vec![0, 2, 5, 7]);
        assert_eq!(spread_evenly(vec![1, 2], 4), vec![1, 2]);
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use hilum_image::Plane;
    use hilum_image::draw::encode_gray_png;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::fmt::Write as _;
    use std::path::Path;

    const SIDE: usize = 40;

    /// Made-up films in the layout of the data folder: two lungs with their mask, brighter inside for some classes. No
    /// picture is anyone's.
    pub(crate) fn write_films(root: &Path) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let children = ["normal", "bacterial_pneumonia", "viral_pneumonia"];
        write_set(
            root,
            "kermany_paediatric",
            &children,
            150,
            &["lungs"],
            &mut rng,
        );
        let adults = [
            "No Finding",
            "Pneumonia",
            "Infiltration|Pneumonia",
            "Effusion|Pneumonia",
            "Atelectasis|Edema|Pneumonia",
        ];
        write_set(root, "nih14", &adults, 120, &["lungs"], &mut rng);
        let cases = ["COVID-19", "Streptococcus", "COVID-19", "SARS"];
        write_set(root, "covid_cohen", &cases, 120, &["lungs"], &mut rng);
        let drawn = [
            "right_lung",
            "left_lung",
            "ground_glass_opacities",
            "consolidation",
        ];
        write_set(
            root,
            "covid_structures",
            &["COVID-19"],
            30,
            &drawn,
            &mut rng,
        );
        let others = ["COVID-19", "No finding"];
        write_set(root, "covid_actualmed", &others, 16, &[], &mut rng);
        write_set(root, "covid_figure1", &others, 16, &[], &mut rng);
        write_set(root, "fundus_drishti", &[""], 60, &["disc"], &mut rng);
    }

    fn inside(name: &str, x: usize, y: usize) -> bool {
        let tall = (10..32).contains(&y);
        match name {
            "right_lung" => tall && (6..17).contains(&x),
            "left_lung" => tall && (23..34).contains(&x),
            "ground_glass_opacities" => (20..28).contains(&y) && (8..15).contains(&x),
            "consolidation" => (24..30).contains(&y) && (25..31).contains(&x),
            "disc" => (14..26).contains(&y) && (14..26).contains(&x),
            _ => tall && ((6..17).contains(&x) || (23..34).contains(&x)),
        }
    }

    fn write_set(
        root: &Path,
        set: &str,
        labels: &[&str],
        n: usize,
        masks: &[&str],
        rng: &mut ChaCha8Rng,
    ) {
        for folder in ["images", "masks"] {
            std::fs::create_dir_all(root.join(folder).join(set)).unwrap();
        }
        std::fs::create_dir_all(root.join("manifests")).unwrap();
        let mut text = String::from(
            "path,set,split,patient_id,view,labels,mask_path,orig_width,orig_height,sex,age,notes\n",
        );
        for i in 0..n {
            // Classes turn from block to block, so that every n-th film is not always of one class.
            let class = (7 * i + i / labels.len()) % labels.len();
            let image = Plane::from_fn(SIDE, SIDE, |x, y| {
                let base: u8 = rng.random_range(90..150);
                let lung = inside("lungs", x, y);
                let ill = lung && class > 0 && (y > 20) == (class % 2 == 1);
                base - if lung { 60 } else { 0 } + if ill { 50 } else { 0 }
            });
            let path = format!("images/{set}/{i}.png");
            std::fs::write(root.join(&path), encode_gray_png(&image).unwrap()).unwrap();
            let mut paths = Vec::new();
            for mask in masks {
                let plane = Plane::from_fn(
                    SIDE,
                    SIDE,
                    |x, y| {
                        if inside(mask, x, y) { 255u8 } else { 0 }
                    },
                );
                let path = format!("masks/{set}/{i}_{mask}.png");
                std::fs::write(root.join(&path), encode_gray_png(&plane).unwrap()).unwrap();
                paths.push(format!("{mask}={path}"));
            }
            let split = ["train", "train", "train", "val", "test"][(i / labels.len()) % 5];
            let view = if rng.random_bool(0.5) { "AP" } else { "PA" };
            let sex = if rng.random_bool(0.5) { "F" } else { "M" };
            let (age, width) = (rng.random_range(20..80), rng.random_range(900..1500));
            let ratio: f64 = rng.random_range(0.3..0.9);
            let (label, masks) = (labels[class], paths.join(";"));
            // The films with drawn structures are films of the other set, as in the data folder.
            let family = set.replace("covid_structures", "covid_cohen");
            let _ = writeln!(
                text,
                "{path},{set},{split},{family}-{i},{view},{label},{masks},{width},1000,{sex},{age},vertical_cup_disc_ratio={ratio:.3} (from masks)"
            );
        }
        std::fs::write(root.join(format!("manifests/{set}.csv")), text).unwrap();
    }
}
