//! FedLD: Tackling Data Heterogeneity in Federated Learning via Loss Decomposition (Zeng et al., MICCAI 2024).
//!
//! Reproduced: margin control at the clients, principal gradients at the server, FedAvg, FedProx, FedBN, FedGH,
//! both ablations, all cases in one place, each client alone, and a control whose steps are as long as the paper's.
//! Clients hold their cases, in this process or in processes of their own; only state dicts as bytes come in and go out,
//! and their size is counted. The server's memory has a bound (`memory`). Cases are dealt out by patient. Where the card leaves it open: shares of the eigenvalues are over the directions
//! that are kept; FedAvg and its kin weigh by cases, as published, FedLD takes the plain mean. Not reproduced: retina and
//! COVID-FL (a children's hospital and NIH stand in), ImageNet ResNet-50 and 200 rounds (a small ResNet from scratch,
//! fewer rounds, a larger learning rate), FedPAC. FedBN and clients alone end with a model each: every
//! model answers for all test cases, and figures are means over them.

mod aggregate;
mod algorithm;
mod cases;
pub mod client;
pub mod config;
mod eval;
mod gather;
#[cfg(feature = "federation")]
mod member;
pub mod memory;
mod outcome;
mod pool;
#[cfg(feature = "federation")]
mod remote;
pub mod server;
mod setting;
mod show;
pub mod state;
mod train;
pub mod transport;

pub use aggregate::{harmonised_weights, norm_matched_weights, principal_weights};
pub use algorithm::{Algorithm, Merge};
pub use config::Config;
#[cfg(feature = "federation")]
pub use member::serve;

use crate::blocks::stored;
use crate::blocks::study::{OUTCOME, Study, Trace};
use crate::claims::ClaimRow;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::scores::Score;
use std::path::PathBuf;

static INFO: MethodInfo = MethodInfo {
    card: Some(25),
    name: "fedld",
    title: "FedLD: heterogeneity in federated learning via loss decomposition",
    link: "https://github.com/Zeng-Shuang/FedLD",
    tasks: &[TaskKind::Classifier],
    data: DataKind::Real,
    claim: "margin control and principal gradients beat other federated averaging where clients differ",
};

/// The method.
pub struct FedLd;

impl Study for FedLd {
    type Config = Config;
    type Outcome = outcome::Outcome;
    const INFO: &'static MethodInfo = &INFO;

    fn run(ctx: &Context<'_>, config: &Config) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, config)?;
        let mut paths = vec![stored::write(ctx, INFO.name, OUTCOME, &outcome)?];
        paths.extend(show::write(ctx, INFO.name, &outcome)?);
        Ok(paths)
    }

    fn rows(outcome: &Self::Outcome) -> Result<Vec<ClaimRow>> {
        Ok(eval::rows(outcome))
    }

    fn scores(outcome: &Self::Outcome) -> Vec<Score> {
        eval::scores(outcome)
    }

    fn trace(outcome: &Self::Outcome) -> Trace {
        Trace::new(&outcome.seeds, &outcome.data_hash, &outcome.split_hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{check_missing_class, check_study, context, nih, paediatric};
    use crate::context::ClientsAt;
    use crate::error::MethodError;
    use crate::method::Method;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    fn write(root: &Path) {
        paediatric(root);
        nih(root);
    }

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let files = [
            "outcome.json",
            "rounds-paediatric-0.csv",
            "rounds-nih-0.svg",
        ];
        let a = check_study(&FedLd, write, &files);
        assert_eq!(a.rows.len(), 9 + 2 * 10);
        assert!(a.rows.iter().all(|r| r.here.is_some()), "{}", a.table());
    }

    #[test]
    fn a_class_that_is_missing_is_an_error() {
        let gone = [(
            "kermany_paediatric",
            "viral_pneumonia",
            "bacterial_pneumonia",
        )];
        check_missing_class(&FedLd, write, &gone);
    }

    #[test]
    fn a_server_without_room_for_its_clients_says_what_it_needs() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        let stop = AtomicBool::new(false);
        let mut ctx = context(dir.path(), &stop);
        ctx.federation.memory = 10_000;
        let told = FedLd.train(&ctx).unwrap_err();
        let MethodError::Memory { needed, limit, .. } = told else {
            panic!("{told}");
        };
        assert!(needed > limit && limit == 10_000);
    }

    #[test]
    fn too_few_addresses_are_an_error_before_anyone_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        let stop = AtomicBool::new(false);
        let mut ctx = context(dir.path(), &stop);
        ctx.federation.clients = ClientsAt::Addresses(vec!["127.0.0.1:1".to_owned(); 4]);
        let told = FedLd.train(&ctx).unwrap_err();
        assert!(matches!(told, MethodError::Config(_)), "{told}");
    }
}
