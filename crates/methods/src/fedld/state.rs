//! State dicts as they cross: single-precision safetensors of the tensors that an algorithm sends, no more and no fewer.

use super::algorithm::Algorithm;
use crate::error::{MethodError, Result};
use hilum_kernels::{Graph, ParamInfo, ParamRole, Params};
use hilum_nn::NnError;
use hilum_nn::weights::WeightFile;
use hilum_nn::weights::file::Precision;

/// Bytes by which an answer may be longer than the question: both hold the same tensors, but another writer of the format may
/// order or describe them otherwise.
pub const SLACK: usize = 64 << 10;

/// An algorithm that sends everything: what a whole model is packed by.
pub const WHOLE: Algorithm = Algorithm::FedAvg;

/// Whether a parameter is sent at all.
pub fn is_sent(role: ParamRole, algorithm: Algorithm) -> bool {
    !(algorithm.keeps_norms() && matches!(role, ParamRole::Norm | ParamRole::Buffer))
}

/// The state dict as it is sent.
///
/// # Errors
/// What the format refuses.
pub fn pack(graph: &Graph, params: &Params, algorithm: Algorithm) -> Result<Vec<u8>> {
    let mut file = WeightFile::from_params(graph, params);
    for info in &graph.params {
        if !is_sent(info.role, algorithm) {
            file.tensors.remove(&info.name);
        }
    }
    Ok(file.to_bytes(Precision::Single)?)
}

/// The parameters of a message; what is not sent is taken from `own`.
///
/// # Errors
/// A message that is no state dict; tensors that are missing, too many, of another shape or not finite.
pub fn unpack(graph: &Graph, own: &Params, message: &[u8], algorithm: Algorithm) -> Result<Params> {
    let mut tensors = WeightFile::from_bytes(message)?.tensors;
    let mut params = Params::with_capacity(graph.params.len());
    for (info, own) in graph.params.iter().zip(own) {
        params.push(if is_sent(info.role, algorithm) {
            checked(info, tensors.remove(&info.name))?
        } else {
            own.clone()
        });
    }
    match tensors.keys().next() {
        Some(name) => Err(unfit(format!("{name} is no tensor of this federation"))),
        None => Ok(params),
    }
}

fn checked(info: &ParamInfo, tensor: Option<(Vec<usize>, Vec<f32>)>) -> Result<Vec<f32>> {
    let name = &info.name;
    let (shape, values) = tensor.ok_or_else(|| unfit(format!("{name} is missing")))?;
    if shape != info.shape {
        return Err(unfit(format!(
            "{name} has shape {shape:?} in place of {:?}",
            info.shape
        )));
    }
    if values.iter().all(|v| v.is_finite()) {
        Ok(values)
    } else {
        Err(unfit(format!("{name} holds values that are no numbers")))
    }
}

fn unfit(reason: String) -> MethodError {
    NnError::Weights(reason).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::study::Settings;
    use crate::fedld::Config;
    use crate::fedld::config::TaskName;

    fn graph() -> Graph {
        Config::tiny().network(TaskName::Nih).graph()
    }

    #[test]
    fn what_is_sent_comes_back_to_the_bit_and_the_rest_is_ones_own() {
        let graph = graph();
        let (sent, own) = (graph.init_params(1), graph.init_params(2));
        let message = pack(&graph, &sent, Algorithm::FedAvg).unwrap();
        assert_eq!(
            unpack(&graph, &own, &message, Algorithm::FedAvg).unwrap(),
            sent
        );
        let message = pack(&graph, &sent, Algorithm::FedBn).unwrap();
        let mixed = unpack(&graph, &own, &message, Algorithm::FedBn).unwrap();
        for (k, info) in graph.params.iter().enumerate() {
            let from = match info.role {
                ParamRole::Norm | ParamRole::Buffer => &own,
                _ => &sent,
            };
            assert_eq!(mixed[k], from[k], "{}", info.name);
        }
    }

    #[test]
    fn a_message_with_anything_wrong_is_none() {
        let graph = graph();
        let own = graph.init_params(1);
        let told = |change: &dyn Fn(&mut WeightFile)| {
            let mut file = WeightFile::from_params(&graph, &own);
            change(&mut file);
            let bytes = file.to_bytes(Precision::Single).unwrap();
            unpack(&graph, &own, &bytes, Algorithm::FedAvg)
                .unwrap_err()
                .to_string()
        };
        let first = graph.params[0].name.as_str();
        let missing = told(&|f| drop(f.tensors.remove(first)));
        assert!(missing.contains(first) && missing.contains("missing"));
        let more = told(&|f| {
            f.tensors.insert("a.spy".to_owned(), (vec![1], vec![0.0]));
        });
        assert!(more.contains("a.spy"), "{more}");
        let turned = told(&|f| {
            if let Some((shape, _)) = f.tensors.get_mut(first) {
                shape.reverse();
            }
        });
        assert!(turned.contains("shape"), "{turned}");
        let nan = told(&|f| {
            if let Some((_, values)) = f.tensors.get_mut(first) {
                values[0] = f32::NAN;
            }
        });
        assert!(nan.contains("no numbers"), "{nan}");
        assert!(unpack(&graph, &own, b"no state dict", Algorithm::FedAvg).is_err());
    }
}
