//! Several nets of one shape in one weight file (an ensemble), and the card beside them.

use crate::error::Result;
use crate::serve::ModelCard;
use hilum_kernels::{Graph, Params};
use hilum_nn::weights::WeightFile;
use hilum_nn::{InputContract, Network};

/// A weight file of one or more members with their network, contract and card.
///
/// A single member keeps the checkpoint's own keys; several are told apart by `member.<i>.`.
pub fn pack(
    network: &Network,
    contract: &InputContract,
    card: &ModelCard,
    members: &[Params],
) -> Result<WeightFile> {
    let graph = network.graph();
    let mut file = WeightFile::default();
    for (i, params) in members.iter().enumerate() {
        let prefix = if members.len() == 1 {
            String::new()
        } else {
            format!("member.{i}.")
        };
        for (key, value) in WeightFile::from_params(&graph, params).tensors {
            file.tensors.insert(format!("{prefix}{key}"), value);
        }
    }
    file.describe(network, contract)?;
    file.put("hilum.members", &members.len())?;
    file.put("hilum.card", card)?;
    Ok(file)
}

/// The members' parameters; a file without the entry has one.
pub fn members(file: &WeightFile, graph: &Graph) -> Result<Vec<Params>> {
    let count: usize = if file.metadata.contains_key("hilum.members") {
        file.get("hilum.members")?
    } else {
        1
    };
    if count == 1 {
        return Ok(vec![file.params_for(graph)?]);
    }
    let member = |i: usize| {
        let prefix = format!("member.{i}.");
        let own = file.tensors.iter().filter_map(|(k, v)| {
            k.strip_prefix(&prefix)
                .map(|key| (key.to_owned(), v.clone()))
        });
        let part = WeightFile {
            tensors: own.collect(),
            metadata: Default::default(),
        };
        Ok(part.params_for(graph)?)
    };
    (0..count).map(member).collect()
}
