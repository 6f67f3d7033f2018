//! Where the clients of a study are, when they are not in this process.

use super::cases::Training;
use super::config::Config;
use super::setting::Setting;
use super::transport::Transport;
use crate::blocks::partition::Deal;
use crate::context::{ClientsAt, Context};
use crate::error::Result;

/// Clients in other processes, started or reached when they are first needed; nothing where clients are in this process.
pub struct Pool {
    elsewhere: bool,
    #[cfg(feature = "federation")]
    remotes: super::remote::Remotes,
}

impl Pool {
    /// Of a run.
    ///
    /// # Errors
    /// Fewer addresses than clients; a build without clients in other processes.
    pub fn new(ctx: &Context<'_>, config: &Config) -> Result<Self> {
        let most = config.studies.iter().map(|s| s.clients).max().unwrap_or(0);
        let elsewhere = !matches!(ctx.federation.clients, ClientsAt::InProcess);
        if elsewhere {
            check(ctx, most)?;
        }
        Ok(Pool {
            elsewhere,
            #[cfg(feature = "federation")]
            remotes: super::remote::Remotes::new(most),
        })
    }

    /// Whether clients are not in this process.
    pub fn is_elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// The clients of one arm, each with its own cases.
    ///
    /// # Errors
    /// Clients that are not there, or hold other cases than `dealt` says.
    #[cfg(feature = "federation")]
    pub fn clients<'p>(
        &'p mut self,
        ctx: &Context<'p>,
        setting: &Setting,
        training: &Training,
        dealt: &Deal,
    ) -> Result<Box<dyn Transport + 'p>> {
        self.remotes.clients(ctx, setting, training, dealt)
    }

    /// The clients of one arm; this build has none.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "federation"))]
    pub fn clients<'p>(
        &'p mut self,
        _: &Context<'p>,
        _: &Setting,
        _: &Training,
        _: &Deal,
    ) -> Result<Box<dyn Transport + 'p>> {
        Err(not_built())
    }
}

#[cfg(feature = "federation")]
fn check(ctx: &Context<'_>, most: usize) -> Result<()> {
    match &ctx.federation.clients {
        ClientsAt::Addresses(all) if all.len() < most => {
            Err(crate::error::MethodError::Config(format!(
                "the study has {most} clients, and {} addresses are given",
                all.len()
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(not(feature = "federation"))]
fn check(_: &Context<'_>, _: usize) -> Result<()> {
    Err(not_built())
}

#[cfg(not(feature = "federation"))]
fn not_built() -> crate::error::MethodError {
    crate::error::MethodError::Config(
        "this program has its clients in one process; build it with the feature `federation`"
            .to_owned(),
    )
}
