//! The federated algorithms that are compared, by what each does at the clients and at the server.

use serde::{Deserialize, Serialize};

/// An algorithm, an ablation or a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Mean weighted by cases (McMahan et al. 2017).
    FedAvg,
    /// The same with a pull towards the global weights at the clients (Li et al. 2020).
    FedProx,
    /// Normalisation stays at the clients (Li et al. 2021).
    FedBn,
    /// Conflicting updates are projected off each other (Zhang et al. 2024).
    FedGh,
    /// Margin control and principal gradients: the paper's.
    FedLd,
    /// The paper's without margin control.
    WithoutMargin,
    /// The paper's without principal gradients: margin control and the plain mean, so that nothing but the direction and
    /// the length of the server's step differs.
    WithoutPrincipal,
    /// The plain mean, each tensor's step as long as that of the principal gradients.
    NormMatched,
    /// All cases in one place.
    Centralised,
    /// Every client for itself.
    Alone,
}

/// How the server makes one update of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Mean weighted by cases.
    Weighted,
    /// Mean weighted by cases after gradient harmonisation.
    Harmonised,
    /// Principal gradients.
    Principal,
    /// The plain mean with the principal gradients' lengths.
    NormMatched,
}

impl Algorithm {
    /// All of them, in the order of the tables.
    pub const ALL: [Algorithm; 10] = [
        Algorithm::FedAvg,
        Algorithm::FedProx,
        Algorithm::FedBn,
        Algorithm::FedGh,
        Algorithm::FedLd,
        Algorithm::WithoutMargin,
        Algorithm::WithoutPrincipal,
        Algorithm::NormMatched,
        Algorithm::Centralised,
        Algorithm::Alone,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::FedAvg => "FedAvg",
            Algorithm::FedProx => "FedProx",
            Algorithm::FedBn => "FedBN",
            Algorithm::FedGh => "FedGH",
            Algorithm::FedLd => "FedLD",
            Algorithm::WithoutMargin => "FedLD without margin control",
            Algorithm::WithoutPrincipal => "FedLD without principal gradients",
            Algorithm::NormMatched => "the plain mean with the principal gradients' step lengths",
            Algorithm::Centralised => "centralised",
            Algorithm::Alone => "each client alone",
        }
    }

    /// What the server does; `None` where nothing is sent.
    pub fn merge(self) -> Option<Merge> {
        match self {
            Algorithm::FedGh => Some(Merge::Harmonised),
            Algorithm::FedLd | Algorithm::WithoutMargin => Some(Merge::Principal),
            Algorithm::NormMatched => Some(Merge::NormMatched),
            Algorithm::Alone => None,
            _ => Some(Merge::Weighted),
        }
    }

    /// Whether a round takes the plain mean. The first one of the paper's does, as in the release: first updates have no
    /// common direction yet.
    pub fn takes_plain_mean(self, first: bool) -> bool {
        match self.merge() {
            Some(Merge::Principal | Merge::NormMatched) => first,
            _ => self == Algorithm::WithoutPrincipal,
        }
    }

    /// Whether clients control the margin.
    pub fn has_margin(self) -> bool {
        matches!(self, Algorithm::FedLd | Algorithm::WithoutPrincipal)
    }

    /// Whether clients pull towards the global weights.
    pub fn has_pull(self) -> bool {
        self == Algorithm::FedProx
    }

    /// Whether normalisation layers stay at the clients.
    pub fn keeps_norms(self) -> bool {
        self == Algorithm::FedBn
    }

    /// Whether every client ends with a model of its own.
    pub fn is_personal(self) -> bool {
        matches!(self, Algorithm::FedBn | Algorithm::Alone)
    }
}
