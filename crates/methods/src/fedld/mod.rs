//! FedLD: Tackling Data Heterogeneity in Federated Learning via Loss Decomposition (Zeng et al., MICCAI 2024).
//!
//! Reproduced: margin control at the clients, principal gradients at the server, FedAvg, FedProx, FedBN, FedGH,
//! both ablations, all cases in one place, each client alone, and a control whose steps are as long as the paper's.
//! Clients hold their cases; only state dicts as bytes come in and go out, and their size is counted. Cases are
//! dealt out by patient. Where the card leaves it open: shares of the eigenvalues are over the directions
//! that are kept; FedAvg and its kin weigh by cases, as published, FedLD takes the plain mean. Not reproduced: retina and
//! COVID-FL (a children's hospital and NIH stand in), ImageNet ResNet-50 and 200 rounds (a small ResNet from scratch,
//! fewer rounds, a larger learning rate), FedPAC. FedBN and clients alone end with a model each: every
//! model answers for all test cases, and figures are means over them.

mod aggregate;
mod algorithm;
mod client;
pub mod config;
mod eval;
mod outcome;
mod server;
mod show;
mod train;
mod transport;

pub use aggregate::{harmonised_weights, norm_matched_weights, principal_weights};
pub use algorithm::{Algorithm, Merge};
pub use config::Config;

use crate::blocks::stored;
use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::Result;
use crate::info::{DataKind, MethodInfo, TaskKind};
use crate::method::Method;
use std::path::PathBuf;

/// Where the run folder keeps what was said.
const FILE: &str = "outcome.json";

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

impl FedLd {
    fn config(ctx: &Context<'_>) -> Config {
        if ctx.tiny {
            Config::tiny()
        } else {
            Config::default()
        }
    }
}

impl Method for FedLd {
    fn info(&self) -> &'static MethodInfo {
        &INFO
    }

    fn train(&self, ctx: &Context<'_>) -> Result<Vec<PathBuf>> {
        let outcome = train::run(ctx, &Self::config(ctx))?;
        let mut paths = vec![stored::write(ctx, INFO.name, FILE, &outcome)?];
        paths.extend(show::write(ctx, INFO.name, &outcome)?);
        Ok(paths)
    }

    fn eval(&self, ctx: &Context<'_>) -> Result<ResultFile> {
        eval::measure(ctx, &INFO, FILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{context, context_in, nih, paediatric};
    use crate::error::MethodError;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn the_tiny_run_writes_every_row_and_is_the_same_twice() {
        let stop = AtomicBool::new(false);
        let data = tempfile::tempdir().unwrap();
        paediatric(data.path());
        nih(data.path());
        let run = || {
            let runs = tempfile::tempdir().unwrap();
            let ctx = context_in(data.path(), runs.path(), &stop);
            FedLd.reproduce(&ctx).unwrap()
        };
        let a = run();
        assert!(a.tiny && a.rows.len() == 9 + 2 * 10, "{}", a.rows.len());
        assert!(a.rows.iter().all(|r| r.here.is_some()), "{}", a.table());
        assert_eq!(a, run());
    }

    #[test]
    fn without_data_or_training_it_says_what_to_do() {
        let stop = AtomicBool::new(false);
        let dir = tempfile::tempdir().unwrap();
        let ctx = context(dir.path(), &stop);
        assert!(matches!(FedLd.train(&ctx), Err(MethodError::NoData { .. })));
        assert!(matches!(FedLd.eval(&ctx), Err(MethodError::NoModel(_))));
    }

    #[test]
    fn a_stop_and_a_missing_class_are_seen() {
        let stop = AtomicBool::new(true);
        let dir = tempfile::tempdir().unwrap();
        paediatric(dir.path());
        nih(dir.path());
        let ctx = context(dir.path(), &stop);
        assert!(matches!(FedLd.train(&ctx), Err(MethodError::Stopped)));
        let path = dir.path().join("manifests/kermany_paediatric.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            text.replace("viral_pneumonia", "bacterial_pneumonia"),
        )
        .unwrap();
        let told = FedLd.train(&ctx).unwrap_err();
        assert!(matches!(told, MethodError::TooFew { .. }), "{told}");
    }
}
