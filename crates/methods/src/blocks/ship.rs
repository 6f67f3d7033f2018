//! Writing a trained model with its card to the model folder.

use super::pack::pack;
use crate::context::Context;
use crate::error::{MethodError, Result};
use crate::serve::{DataSource, ModelCard};
use hilum_data::Sample;
use hilum_kernels::Params;
use hilum_nn::weights::file::Precision;
use hilum_nn::weights::{WeightFile, atomic_write, sha256_hex};
use hilum_nn::{InputContract, Network};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Licences of the sets that weights may be trained on, and whether they bar other than research use.
const LICENCES: &[(&str, &str, bool)] = &[
    (
        "kermany_paediatric",
        "images CC BY 4.0 (Kermany et al. 2018); masks CC BY 4.0 (V7 Labs)",
        false,
    ),
    (
        "nih14",
        "NIH Clinical Center: no restrictions, attribution requested",
        false,
    ),
    (
        "nih14_64px",
        "NIH Clinical Center: no restrictions, attribution requested",
        false,
    ),
    (
        "covid_cohen",
        "per image, partly not stated or non-commercial; masks CC BY 4.0",
        true,
    ),
    (
        "jsrt",
        "JSRT and SCR: free for research with citation",
        true,
    ),
    ("vqa_rad", "CC0 1.0", false),
    ("iu_xray", "CC BY-NC-ND 4.0", true),
];

/// Training sets with licence and number of images, and whether any is for research only.
pub fn sources(samples: &[Sample]) -> (Vec<DataSource>, bool) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    samples
        .iter()
        .for_each(|s| *counts.entry(s.set.as_str()).or_default() += 1);
    let mut research_only = false;
    let list = counts.into_iter().map(|(set, images)| {
        // A set that is not listed was not looked at, so it counts as the strictest.
        let (licence, strict) = LICENCES.iter().find(|(name, _, _)| *name == set).map_or(
            ("not looked at; taken as research only", true),
            |(_, l, r)| (*l, *r),
        );
        research_only |= strict;
        DataSource {
            set: set.to_owned(),
            licence: licence.to_owned(),
            images,
        }
    });
    let list = list.collect();
    (list, research_only)
}

/// Writes `NAME.safetensors` and `NAME.md`; a tiny run writes beside its run folder instead, so that it
/// never replaces a model.
pub fn write(
    ctx: &Context<'_>,
    network: &Network,
    contract: &InputContract,
    card: &ModelCard,
    members: &[Params],
) -> Result<PathBuf> {
    let folder = if ctx.tiny {
        ctx.run_folder(&card.name)
    } else {
        ctx.models.clone()
    };
    std::fs::create_dir_all(&folder).map_err(|source| MethodError::Io {
        path: folder.clone(),
        source,
    })?;
    let bytes = pack(network, contract, card, members)?.to_bytes(Precision::Half)?;
    let path = folder.join(format!("{}.safetensors", card.name));
    atomic_write(&path, &bytes)?;
    let text = card.markdown(&sha256_hex(&bytes), contract);
    atomic_write(&folder.join(format!("{}.md", card.name)), text.as_bytes())?;
    Ok(path)
}

/// The weights as they will be served: rounded to the stored precision and read back.
pub fn reread(
    network: &Network,
    contract: &InputContract,
    card: &ModelCard,
    members: &[Params],
) -> Result<WeightFile> {
    let bytes = pack(network, contract, card, members)?.to_bytes(Precision::Half)?;
    Ok(WeightFile::parse(&bytes)?)
}
