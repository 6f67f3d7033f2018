//! Against scikit-learn and statsmodels.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use hilum_metrics::classification::*;

const T: f64 = 1e-9;

fn scores(case: &Value) -> BinaryScores {
    BinaryScores::new(
        &bytes(&case["input"]["y"]),
        &floats(&case["input"]["score"]),
    )
    .unwrap()
}

#[test]
fn binary_scores() {
    let fixture = fixture("binary_scores.json");
    for case in cases(&fixture)
        .iter()
        .filter(|c| c["input"].get("weight").is_none())
    {
        let (name, e, d) = (
            case["name"].as_str().unwrap(),
            &case["expected"],
            scores(case),
        );
        close(name, auroc(&d).unwrap(), f(&e["roc_auc"]), T);
        close(
            name,
            average_precision(&d).unwrap(),
            f(&e["average_precision"]),
            T,
        );
        close(
            name,
            pr_auc_trapezoid(&d).unwrap(),
            f(&e["pr_auc_trapezoid"]),
            T,
        );
        close(name, brier(&d).unwrap(), f(&e["brier"]), T);
        close(name, log_loss(&d).unwrap(), f(&e["log_loss"]), T);
        close(
            name,
            partial_auc(&d, 0.1).unwrap(),
            f(&e["partial_auc_0_1_standardized"]),
            T,
        );
        let point = youden(&d).unwrap();
        // The same whether or not scikit-learn drops points between.
        for key in ["threshold", "threshold_all_points"] {
            assert_eq!(point.threshold, e["youden"][key].as_f64(), "{name}");
        }
        close(name, point.tpr, f(&e["youden"]["tpr"]), T);
        close(name, point.fpr, f(&e["youden"]["fpr"]), T);
        close(name, point.j, f(&e["youden"]["j"]), T);
    }
}

#[test]
fn weighted_scores() {
    let fixture = fixture("binary_scores.json");
    let case = named(&fixture, "sample_weight");
    let (d, w, e) = (
        scores(case),
        floats(&case["input"]["weight"]),
        &case["expected"],
    );
    close(
        "auroc",
        auroc_weighted(&d, &w).unwrap(),
        f(&e["roc_auc"]),
        T,
    );
    close(
        "ap",
        average_precision_weighted(&d, &w).unwrap(),
        f(&e["average_precision"]),
        T,
    );
    close("brier", brier_weighted(&d, &w).unwrap(), f(&e["brier"]), T);
}

#[test]
fn curves() {
    let fixture = fixture("binary_scores.json");
    let mut seen = 0;
    for case in cases(&fixture)
        .iter()
        .filter(|c| c["expected"].get("roc_curve_all_points").is_some())
    {
        let (d, e) = (scores(case), &case["expected"]);
        let roc = roc_curve(&d).unwrap();
        let want = &e["roc_curve_all_points"];
        all_close(
            "fpr",
            &roc.iter().map(|p| p.fpr).collect::<Vec<_>>(),
            &floats(&want["fpr"]),
            T,
        );
        all_close(
            "tpr",
            &roc.iter().map(|p| p.tpr).collect::<Vec<_>>(),
            &floats(&want["tpr"]),
            T,
        );
        let thresholds: Vec<_> = want["thresholds"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::as_f64)
            .collect();
        assert_eq!(
            roc.iter().map(|p| p.threshold).collect::<Vec<_>>(),
            thresholds
        );
        // scikit-learn lists the PR curve from full recall down.
        let pr = pr_curve(&d).unwrap();
        let reversed = |g: fn(&PrPoint) -> f64| pr.iter().rev().map(g).collect::<Vec<_>>();
        all_close(
            "precision",
            &reversed(|p| p.precision),
            &floats(&e["pr_curve"]["precision"]),
            T,
        );
        all_close(
            "recall",
            &reversed(|p| p.recall),
            &floats(&e["pr_curve"]["recall"]),
            T,
        );
        // The closing point at recall 0 has none.
        let thresholds: Vec<f64> = pr.iter().rev().filter_map(|p| p.threshold).collect();
        let stored = floats(&e["pr_curve"]["thresholds"]);
        all_close("thresholds", &thresholds, &stored, 0.0);
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn multilabel() {
    let fixture = fixture("multilabel.json");
    let case = named(&fixture, "main");
    let (input, e) = (&case["input"], &case["expected"]);
    let labels: Vec<u8> = input["y"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(bytes)
        .collect();
    let names: Vec<String> = (0..6).map(|i| format!("f{i}")).collect();
    let d = MultilabelScores::new(&names, &labels, &flat(&input["score"])).unwrap();
    for (key, how) in [
        ("macro", Average::Macro),
        ("micro", Average::Micro),
        ("weighted", Average::Weighted),
    ] {
        close(
            key,
            d.average(how, auroc).unwrap().0,
            f(&e["roc_auc"][key]),
            T,
        );
        close(
            key,
            d.average(how, average_precision).unwrap().0,
            f(&e["average_precision"][key]),
            T,
        );
    }
    let precision = d.report("ap", average_precision).unwrap().per_class;
    let precision: Vec<f64> = precision.iter().map(|(_, s)| s.value.unwrap()).collect();
    all_close(
        "ap",
        &precision,
        &floats(&e["average_precision_per_class"]),
        T,
    );
    let report = d.report("auroc", auroc).unwrap();
    let each: Vec<f64> = report
        .per_class
        .iter()
        .map(|(_, s)| s.value.unwrap())
        .collect();
    all_close("per class", &each, &floats(&e["roc_auc_per_class"]), T);
    close(
        "macro",
        report.macro_mean.value.unwrap(),
        f(&e["roc_auc"]["macro"]),
        T,
    );
    decisions(&d, &floats(&input["threshold"]), e);
}

fn decisions(d: &MultilabelScores, thresholds: &[f64], e: &Value) {
    let tables: Vec<Confusion> = d
        .confusions(thresholds)
        .unwrap()
        .into_iter()
        .flatten()
        .collect();
    let per = |g: fn(&Confusion) -> hilum_metrics::Result<f64>| {
        tables.iter().map(|t| g(t).unwrap()).collect::<Vec<_>>()
    };
    all_close("f1", &per(Confusion::f1), &floats(&e["f1_per_class"]), T);
    all_close(
        "ppv",
        &per(Confusion::ppv),
        &floats(&e["precision_per_class"]),
        T,
    );
    all_close(
        "sensitivity",
        &per(Confusion::sensitivity),
        &floats(&e["recall_per_class"]),
        T,
    );
    all_close("mcc", &per(Confusion::mcc), &floats(&e["mcc_per_class"]), T);
    close(
        "macro f1",
        per(Confusion::f1).iter().sum::<f64>() / 6.0,
        f(&e["f1"]["macro"]),
        T,
    );
    let positives = |t: &Confusion| (t.tp + t.fn_) as f64;
    let weighed: f64 = tables.iter().map(|t| positives(t) * t.f1().unwrap()).sum();
    close(
        "weighted f1",
        weighed / tables.iter().map(positives).sum::<f64>(),
        f(&e["f1"]["weighted"]),
        T,
    );
    let sum = tables.iter().fold(Confusion::default(), |a, b| a.plus(*b));
    close("micro f1", sum.f1().unwrap(), f(&e["f1"]["micro"]), T);
    for (t, (want, point)) in tables.iter().zip(
        e["confusion"]
            .as_array()
            .unwrap()
            .iter()
            .zip(e["operating_point"].as_array().unwrap()),
    ) {
        let counts = [t.tn, t.fp, t.fn_, t.tp].map(|v| v as f64);
        assert_eq!(counts, ["tn", "fp", "fn", "tp"].map(|k| f(&want[k])));
        close(
            "specificity",
            t.specificity().unwrap(),
            f(&point["specificity"]),
            T,
        );
        close("npv", t.npv().unwrap(), f(&point["npv"]), T);
        close("ppv", t.ppv().unwrap(), f(&point["ppv"]), T);
        close(
            "sensitivity",
            t.sensitivity().unwrap(),
            f(&point["sensitivity"]),
            T,
        );
        close(
            "balanced",
            t.balanced_accuracy().unwrap(),
            f(&point["balanced_accuracy"]),
            T,
        );
        close("j", t.youden_j().unwrap(), f(&point["youden_j"]), T);
    }
}

#[test]
fn a_class_without_positives_leaves_the_macro_mean() {
    let fixture = fixture("multilabel.json");
    let case = named(&fixture, "class_without_positives");
    let (input, e) = (&case["input"], &case["expected"]);
    let column = |key: &str, c: usize| -> Vec<bool> {
        input[key]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row[c].as_u64() == Some(1))
            .collect()
    };
    let tables: Vec<Confusion> = (0..6)
        .map(|c| Confusion::count(column("y", c).into_iter().zip(column("pred", c))))
        .collect();
    let defined: Vec<f64> = tables.iter().filter_map(|t| t.f1().ok()).collect();
    close(
        "macro f1",
        defined.iter().sum::<f64>() / defined.len() as f64,
        f(&e["f1_macro_zdnan"]),
        T,
    );
    // scikit-learn's other two answers put a number where there is none.
    for (key, instead) in [("f1_macro_zd0", 0.0), ("f1_macro_zd1", 1.0)] {
        let all = tables.iter().map(|t| t.f1().unwrap_or(instead));
        close(key, all.sum::<f64>() / 6.0, f(&e[key]), T);
    }
    let sum = tables.iter().fold(Confusion::default(), |a, b| a.plus(*b));
    close("micro f1", sum.f1().unwrap(), f(&e["f1_micro"]), T);
    assert!(tables[5].sensitivity().unwrap_err().is_undefined());
    // scikit-learn calls a correlation with a class that never occurs 0.
    assert!(tables[5].mcc().unwrap_err().is_undefined());
    let correlations: Vec<f64> = tables.iter().map(|t| t.mcc().unwrap_or(0.0)).collect();
    all_close("mcc", &correlations, &floats(&e["mcc_per_class"]), T);
    assert!(e["roc_auc_class5"].is_null());
}

#[test]
fn multiclass_and_agreement() {
    let fixture = fixture("multiclass_agreement.json");
    let case = named(&fixture, "multiclass");
    let (input, e) = (&case["input"], &case["expected"]);
    let (truth, predicted) = (sizes(&input["y"]), sizes(&input["pred"]));
    let table = MulticlassConfusion::new(&truth, &predicted, 4).unwrap();
    let want: Vec<usize> = flat(&e["confusion"]).iter().map(|v| *v as usize).collect();
    assert_eq!(table.table(), want);
    close(
        "kappa",
        table.kappa(KappaWeights::None).unwrap(),
        f(&e["kappa"]),
        T,
    );
    close(
        "linear",
        table.kappa(KappaWeights::Linear).unwrap(),
        f(&e["kappa_linear"]),
        T,
    );
    close(
        "quadratic",
        table.kappa(KappaWeights::Quadratic).unwrap(),
        f(&e["kappa_quadratic"]),
        T,
    );
    close("mcc", table.mcc().unwrap(), f(&e["mcc"]), T);
    close(
        "f1",
        table.macro_mean(Confusion::f1).unwrap().0,
        f(&e["f1_macro"]),
        T,
    );
    close(
        "balanced",
        table.macro_mean(Confusion::sensitivity).unwrap().0,
        f(&e["balanced_accuracy"]),
        T,
    );
    let d = MulticlassScores::new(&truth, &flat(&input["prob"]), 4).unwrap();
    close(
        "ovr",
        d.auroc_ovr_macro().unwrap(),
        f(&e["auc_ovr_macro"]),
        T,
    );
    close(
        "ovo",
        d.auroc_ovo_macro().unwrap(),
        f(&e["auc_ovo_macro"]),
        T,
    );
    close("log loss", d.log_loss().unwrap(), f(&e["log_loss"]), T);
    close("top 2", d.top_k(2), f(&e["top2"]), T);
    let case = named(&fixture, "fleiss");
    let rows = case["input"]["ratings"].as_array().unwrap();
    let ratings: Vec<usize> = rows.iter().flat_map(sizes).collect();
    let classes = ratings.iter().max().unwrap() + 1;
    let kappa = fleiss_kappa(&ratings, rows[0].as_array().unwrap().len(), classes).unwrap();
    close("fleiss", kappa, f(&case["expected"]["kappa"]), T);
}

#[test]
fn rankings_and_label_sets() {
    let fixture = fixture("multilabel.json");
    let case = named(&fixture, "main");
    let (input, e) = (&case["input"], &case["expected"]);
    let truth: Vec<bool> = input["y"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(bytes)
        .map(|v| v == 1)
        .collect();
    let (scores, thresholds) = (flat(&input["score"]), floats(&input["threshold"]));
    let k = thresholds.len();
    let r = LabelRanking::new(&truth, &scores, k).unwrap();
    close(
        "lrap",
        r.average_precision(),
        f(&e["label_ranking_average_precision"]),
        T,
    );
    close("coverage", r.coverage_error(), f(&e["coverage_error"]), T);
    close("ranking loss", r.ranking_loss(), f(&e["ranking_loss"]), T);
    let said: Vec<bool> = scores
        .iter()
        .enumerate()
        .map(|(i, s)| *s >= thresholds[i % k])
        .collect();
    let sets = label_sets(&truth, &said, k, EmptySample::Counts(0.0)).unwrap();
    close("hamming", sets.hamming_loss, f(&e["hamming_loss"]), T);
    close("subset", sets.subset_accuracy, f(&e["subset_accuracy"]), T);
    close("f1", sets.f1_samples, f(&e["f1"]["samples"]), T);
    close("jaccard", sets.jaccard_samples, f(&e["jaccard_samples"]), T);
}

#[test]
fn no_reference_value_is_left_out() {
    binary_scores();
    weighted_scores();
    curves();
    multilabel();
    a_class_without_positives_leaves_the_macro_mean();
    multiclass_and_agreement();
    rankings_and_label_sets();
    for name in [
        "binary_scores.json",
        "multilabel.json",
        "multiclass_agreement.json",
    ] {
        nothing_left(&fixture(name), &[]);
    }
}
