//! Against SciPy, statsmodels, scikit-learn and the DeLong definition.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use hilum_metrics::classification::BinaryScores;
use hilum_metrics::statistics::*;

#[test]
fn stored_bootstrap_rows_give_the_stored_interval() {
    let fixture = fixture("bootstrap.json");
    let case = named(&fixture, "auc");
    let (y, s) = (bytes(&case["input"]["y"]), floats(&case["input"]["score"]));
    let mut replicates: Vec<f64> = Vec::new();
    for row in case["input"]["indices"].as_array().unwrap() {
        let row = sizes(row);
        let labels: Vec<u8> = row.iter().map(|i| y[*i]).collect();
        let scores: Vec<f64> = row.iter().map(|i| s[*i]).collect();
        replicates.extend(hilum_metrics::classification::auroc(
            &BinaryScores::new(&labels, &scores).unwrap(),
        ));
    }
    let e = &case["expected"];
    all_close("aucs", &replicates, &floats(&e["aucs"]), 1e-9);
    let mean = replicates.iter().sum::<f64>() / replicates.len() as f64;
    close("mean", mean, f(&e["mean"]), 1e-9);
    let b = Bootstrap {
        estimate: 0.0,
        replicates,
        dropped: 0,
        method: String::new(),
    };
    for (level, key) in [(0.95, "ci95"), (0.9, "ci90")] {
        let ci = b.percentile(level).unwrap();
        all_close(key, &[ci.low, ci.high], &floats(&e[key]), 1e-9);
    }
    close("sd", b.standard_error(), f(&e["sd_ddof1"]), 1e-9);
}

#[test]
fn delong_areas_covariance_intervals_and_test() {
    for case in cases(&fixture("delong.json")) {
        let (name, input, e) = (
            case["name"].as_str().unwrap(),
            &case["input"],
            &case["expected"],
        );
        let y: Vec<bool> = bytes(&input["y"]).iter().map(|v| *v == 1).collect();
        let (a, b) = (floats(&input["score_a"]), floats(&input["score_b"]));
        let fit = delong(&y, &[&a, &b]).unwrap();
        all_close(name, &fit.auc, &floats(&e["auc"]), 1e-9);
        all_close(name, &fit.covariance, &flat(&e["covariance"]), 1e-9);
        let d = BinaryScores::new(&y, &a).unwrap();
        let (wald, logit) = (
            delong_ci_wald(&d, 0.95).unwrap(),
            delong_ci(&d, 0.95).unwrap(),
        );
        all_close(
            name,
            &[wald.low, wald.high],
            &floats(&e["ci95_wald_unclipped"]),
            1e-9,
        );
        all_close(
            name,
            &[logit.low, logit.high],
            &floats(&e["ci95_logit"]),
            1e-9,
        );
        // The package computes in single precision.
        all_close(
            name,
            &[wald.low, wald.high],
            &floats(&e["confidenceinterval_package_auc_ci95"]),
            1e-5,
        );
        let se = hanley_mcneil_se(fit.auc[0], d.positives(), d.negatives()).unwrap();
        close(name, se, f(&e["hanley_mcneil_se"]), 1e-9);
        match delong_test(&y, &a, &b, 0.95) {
            Ok(test) => {
                close(name, test.z, f(&e["z"]), 1e-8);
                close(name, test.p, f(&e["p_two_sided"]), 1e-8);
            }
            Err(error) => {
                assert!(error.is_undefined(), "{name}");
                assert!(e["z"].is_null() && e["p_two_sided"].is_null(), "{name}");
            }
        }
    }
}

#[test]
fn proportions() {
    use ProportionMethod::*;
    for case in cases(&fixture("proportion_ci.json")) {
        let name = case["name"].as_str().unwrap();
        let (k, n) = (
            case["input"]["k"].as_u64().unwrap() as usize,
            case["input"]["n"].as_u64().unwrap() as usize,
        );
        let methods = [
            (Wilson, "wilson"),
            (ClopperPearson, "beta"),
            (AgrestiCoull, "agresti_coull"),
            (Jeffreys, "jeffreys"),
            (Wald, "normal"),
        ];
        for (method, key) in methods {
            let ci = proportion_ci(k, n, 0.95, method).unwrap();
            all_close(
                &format!("{name} {key}"),
                &[ci.low, ci.high],
                &floats(&case["expected"][key]),
                1e-8,
            );
        }
        let ci = proportion_ci(k, n, 0.99, Wilson).unwrap();
        all_close(
            name,
            &[ci.low, ci.high],
            &floats(&case["expected"]["wilson_99"]),
            1e-8,
        );
    }
}

fn pair(v: &Value) -> Vec<f64> {
    floats(v)
}

#[test]
fn contingency_tables() {
    let fixture = fixture("contingency.json");
    for case in cases(&fixture) {
        let (name, e) = (case["name"].as_str().unwrap(), &case["expected"]);
        let rows = case["input"]["table"].as_array().unwrap();
        let cells: Vec<u64> = flat(&case["input"]["table"])
            .iter()
            .map(|v| *v as u64)
            .collect();
        let columns = cells.len() / rows.len();
        if name == "r_by_c" {
            let chi = chi_square(&cells, rows.len(), columns, false).unwrap();
            close(name, chi.statistic, f(&e["statistic"]), 1e-8);
            close(name, chi.p, f(&e["p"]), 1e-8);
            assert_eq!(chi.dof as u64, e["dof"].as_u64().unwrap());
            close(
                name,
                cramers_v(&cells, rows.len(), columns).unwrap(),
                f(&e["cramers_v"]),
                1e-8,
            );
            continue;
        }
        two_by_two(name, &cells, e);
    }
}

fn two_by_two(name: &str, cells: &[u64], e: &Value) {
    let (b, c) = (cells[1], cells[2]);
    close(
        name,
        mcnemar_exact(b, c).unwrap(),
        f(&e["mcnemar_exact"]["p"]),
        1e-7,
    );
    // The exact test has no statistic of ours; the stored one is the rarer disagreement.
    assert_eq!(f(&e["mcnemar_exact"]["statistic"]), b.min(c) as f64);
    for (corrected, key) in [(true, "mcnemar_chi2_cc"), (false, "mcnemar_chi2")] {
        let test = mcnemar_chi_square(b, c, corrected).unwrap();
        close(key, test.statistic, f(&e[key]["statistic"]), 1e-7);
        close(key, test.p, f(&e[key]["p"]), 1e-7);
    }
    for (yates, key) in [(true, "chi2_yates"), (false, "chi2")] {
        let test = chi_square(cells, 2, 2, yates).unwrap();
        close(key, test.statistic, f(&e[key]["statistic"]), 1e-7);
        close(key, test.p, f(&e[key]["p"]), 1e-7);
        assert_eq!(test.dof, 1);
        if let Some(dof) = e[key].get("dof") {
            assert_eq!(f(dof), 1.0);
        }
        if let Some(expected) = e[key].get("expected") {
            let gaps = flat(expected).into_iter().zip(cells);
            let sum = gaps.map(|(e, o)| (*o as f64 - e).powi(2) / e).sum();
            close(key, test.statistic, sum, 1e-7);
        }
    }
    let table = TwoByTwo([[cells[0], b], [c, cells[3]]]);
    close(name, table.fisher_exact(), f(&e["fisher"]["p"]), 1e-7);
    if e["fisher"]["odds_ratio_sample"].is_null() {
        assert!(cells.contains(&0), "infinite only where a cell is empty");
    } else if let Some(sample) = e["fisher"]["odds_ratio_sample"].as_f64() {
        let ratio = table.odds_ratio(0.95, ZeroCells::FillEmpty).unwrap();
        // SciPy gives 0 where a cell is empty.
        if sample > 0.0 {
            close(name, ratio.value, sample, 1e-7);
        }
    }
    for (ratio, key) in [
        (table.odds_ratio(0.95, ZeroCells::FillEmpty), "odds_ratio"),
        (table.risk_ratio(0.95, ZeroCells::FillEmpty), "risk_ratio"),
    ] {
        let ratio = ratio.unwrap();
        close(key, ratio.value, f(&e[key]["value"]), 1e-7);
        close(key, ratio.p, e[key].get("p").map_or(ratio.p, f), 1e-7);
        // The upper limit of a table with an empty cell is in the thousands.
        let want = pair(&e[key]["ci95"]);
        close(key, ratio.interval.low / want[0], 1.0, 1e-9);
        close(key, ratio.interval.high / want[1], 1.0, 1e-9);
    }
}

#[test]
fn two_samples_and_correlations() {
    let fixture = fixture("tests.json");
    let case = named(&fixture, "two_sample");
    let (input, e) = (&case["input"], &case["expected"]);
    let [x, y, z, xr, yr] = ["x", "y", "z", "x_round1", "y_round0"].map(|k| floats(&input[k]));
    let both =
        |key: &str, got: TestResult| all_close(key, &[got.statistic, got.p], &pair(&e[key]), 1e-7);
    both("pearson", pearson(&x, &y).unwrap());
    both("spearman", spearman(&x, &y).unwrap());
    both("spearman_ties", spearman(&xr, &yr).unwrap());
    both("kendall_b", kendall_b(&x, &y).unwrap());
    both("kendall_c", kendall_c(&x, &y).unwrap());
    both("kendall_b_ties", kendall_b(&xr, &yr).unwrap());
    both("mannwhitney", mann_whitney(&x, &z).unwrap());
    both("wilcoxon_approx", wilcoxon_signed_rank(&x, &y).unwrap());
    both("ttest_welch", welch_t_test(&x, &z).unwrap());
    both("ttest_rel", paired_t_test(&x, &y).unwrap());
    // The stored p-value is SciPy's `asymp`; the exact one was counted in integers.
    both("ks_2samp", kolmogorov_smirnov_asymptotic(&x, &z).unwrap());
    close(
        "ks exact",
        kolmogorov_smirnov(&x, &z).unwrap().p,
        0.391_966_593_258_612_05,
        1e-12,
    );
    both("kruskal", kruskal_wallis(&[&x, &y, &z]).unwrap());
    both("levene_median", levene(&[&x, &y, &z]).unwrap());
    both("shapiro", shapiro_wilk(&x).unwrap());
    let p = floats(&input["pvalues"]);
    for (key, method) in [
        ("holm", MultipleTesting::Holm),
        ("bonferroni", MultipleTesting::Bonferroni),
        ("fdr_bh", MultipleTesting::BenjaminiHochberg),
        ("fdr_by", MultipleTesting::BenjaminiYekutieli),
    ] {
        all_close(
            key,
            &adjust(&p, method).unwrap(),
            &floats(&e["multiple_testing"][key]),
            1e-9,
        );
    }
}

/// z and intervals by the normal law, McFadden's pseudo R2 and the first probabilities; statsmodels lists the
/// intercept first, as `standard_errors` does.
fn logistic_details(name: &str, fit: &LogisticFit, x: &[f64], y: &[bool], e: &Value) {
    let all: Vec<f64> = std::iter::once(fit.intercept)
        .chain(fit.coefficients.iter().copied())
        .collect();
    let both = || all.iter().zip(&fit.standard_errors);
    let z: Vec<f64> = both().map(|(c, se)| c / se).collect();
    all_close(name, &z, &floats(&e["z"]), 1e-4);
    let reach = 1.959_963_984_540_054;
    let ci: Vec<f64> = both()
        .flat_map(|(c, se)| [c - reach * se, c + reach * se])
        .collect();
    all_close(name, &ci, &flat(&e["ci95"]), 1e-5);
    let share = y.iter().filter(|v| **v).count() as f64 / y.len() as f64;
    let null = y.len() as f64 * (share * share.ln() + (1.0 - share) * (1.0 - share).ln());
    close(
        name,
        1.0 - fit.log_likelihood / null,
        f(&e["pseudo_r2"]),
        1e-6,
    );
    let width = fit.coefficients.len();
    let probability = |row: &[f64]| {
        let sum: f64 = row.iter().zip(&fit.coefficients).map(|(v, c)| v * c).sum();
        1.0 / (1.0 + (-fit.intercept - sum).exp())
    };
    let first: Vec<f64> = x.chunks(width).take(5).map(probability).collect();
    all_close(name, &first, &floats(&e["prob_first5"]), 1e-5);
}

#[test]
fn logistic() {
    for case in cases(&fixture("logistic_regression.json")) {
        let (name, e) = (case["name"].as_str().unwrap(), &case["expected"]);
        let x = flat(&case["input"]["X"]);
        let y: Vec<bool> = bytes(&case["input"]["y"]).iter().map(|v| *v == 1).collect();
        let fit =
            logistic_regression(&x, x.len() / y.len(), &y, &LogisticOptions::default()).unwrap();
        all_close(name, &fit.coefficients, &floats(&e["coef"]), 1e-5);
        close(name, fit.intercept, f(&e["intercept"]), 1e-5);
        all_close(name, &fit.standard_errors, &floats(&e["se"]), 1e-5);
        all_close(name, &fit.p_values(), &floats(&e["p"]), 1e-5);
        close(name, fit.log_likelihood, f(&e["log_likelihood"]), 1e-5);
        close(name, fit.aic(), f(&e["aic"]), 1e-5);
        logistic_details(name, &fit, &x, &y, e);
        let ridge = LogisticOptions {
            ridge: 1.0,
            ..Default::default()
        };
        let fit = logistic_regression(&x, x.len() / y.len(), &y, &ridge).unwrap();
        all_close(name, &fit.coefficients, &floats(&e["coef_l2_C1"]), 1e-5);
        close(name, fit.intercept, f(&e["intercept_l2_C1"]), 1e-5);
    }
}

#[test]
fn no_reference_value_is_left_out() {
    stored_bootstrap_rows_give_the_stored_interval();
    delong_areas_covariance_intervals_and_test();
    proportions();
    contingency_tables();
    two_samples_and_correlations();
    logistic();
    for name in [
        "bootstrap.json",
        "delong.json",
        "proportion_ci.json",
        "contingency.json",
        "tests.json",
        "logistic_regression.json",
    ] {
        nothing_left(&fixture(name), &[]);
    }
}
