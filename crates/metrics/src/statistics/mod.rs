//! Intervals and tests around scores.

mod bootstrap;
mod contingency;
mod correlation;
mod delong;
mod kolmogorov;
mod logistic;
mod multiple;
mod normal;
mod permutation;
mod proportion;
mod rank_bootstrap;
mod ranks;
mod shapiro;
mod two_sample;

pub use bootstrap::{Bootstrap, BootstrapOptions, bootstrap, jackknife, percentile};
pub use contingency::{
    ChiSquare, RatioEstimate, TwoByTwo, ZeroCells, chi_square, cramers_v, mcnemar_chi_square,
    mcnemar_exact,
};
pub use correlation::{kendall_b, kendall_c, pearson, spearman};
pub use delong::{
    DeLong, DeLongTest, delong, delong_ci, delong_ci_wald, delong_test, hanley_mcneil_se,
};
pub use kolmogorov::{kolmogorov_smirnov, kolmogorov_smirnov_asymptotic};
pub use logistic::{LogisticFit, LogisticOptions, logistic_offset, logistic_regression};
pub use multiple::{MultipleTesting, adjust};
pub use normal::{normal_quantile, normal_two_sided};
pub use permutation::{PermutationTest, paired_permutation};
pub use proportion::{ProportionMethod, proportion_ci};
pub use rank_bootstrap::{RankScore, bootstrap_rank, bootstrap_rank_difference, jackknife_rank};
pub use ranks::midranks;
pub use shapiro::shapiro_wilk;
pub use two_sample::{
    TestResult, kruskal_wallis, levene, mann_whitney, paired_t_test, welch_t_test,
    wilcoxon_signed_rank,
};
