//! Against SciPy, prdc, torchmetrics and scikit-learn.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use hilum_metrics::generation::*;

fn features(rows: &Value) -> Features {
    let width = rows[0].as_array().unwrap().len();
    // The features were float32.
    let values: Vec<f64> = flat(rows)
        .into_iter()
        .map(|v| f64::from(v as f32))
        .collect();
    Features::new(&values, width).unwrap()
}

fn index_rows(v: &Value) -> Vec<Vec<usize>> {
    v.as_array().unwrap().iter().map(sizes).collect()
}

#[test]
fn distances_manifolds_and_memorisation() {
    let fixture = fixture("generative.json");
    let mut seen = 0;
    for case in cases(&fixture)
        .iter()
        .filter(|c| c["input"].get("real").is_some())
    {
        let (name, input, e) = (
            case["name"].as_str().unwrap(),
            &case["input"],
            &case["expected"],
        );
        let (real, fake) = (features(&input["real"]), features(&input["fake"]));
        let fid = frechet_distance(&real, &fake).unwrap();
        close(name, fid, f(&e["fid"]), f(&case["tolerance"]["fid"]));
        let t = f(&case["tolerance"]["other"]);
        close(
            name,
            polynomial_mmd(&real, &fake).unwrap(),
            f(&e["kid_full_unbiased"]),
            t,
        );
        let kid = kernel_distance_of(
            &real,
            &fake,
            &index_rows(&input["kid_subset_real"]),
            &index_rows(&input["kid_subset_fake"]),
        )
        .unwrap();
        all_close(name, &kid.subsets, &floats(&e["kid_subsets"]), t);
        close(name, kid.mean, f(&e["kid_mean"]), t);
        // torchmetrics takes another matrix root, which costs digits where the covariance is singular.
        let torch = f(&e["fid_torchmetrics_formula"]);
        close(name, fid, torch, 1e-6 * torch.abs().max(1.0));
        let first = &e["kid_torchmetrics_poly_mmd_first_subset"];
        close(name, kid.subsets[0], f(first), t);
        close(name, kid.sd, f(&e["kid_std_ddof0"]), t);
        let sigma = (real.width() as f64).sqrt();
        close(
            name,
            rbf_mmd(&real, &fake, sigma).unwrap(),
            f(&e["mmd2_rbf_biased_sigma_sqrt_d"]),
            t,
        );
        for k in [3, 5] {
            let (got, want) = (manifold(&real, &fake, k).unwrap(), &e[format!("prdc_k{k}")]);
            close(name, got.precision, f(&want["precision"]), t);
            close(name, got.recall, f(&want["recall"]), t);
            close(name, got.density, f(&want["density"]), t);
            close(name, got.coverage, f(&want["coverage"]), t);
        }
        let m = memorisation(&real, &fake).unwrap();
        assert_eq!(m.nearest, sizes(&e["nn_index"]), "{name}");
        all_close(name, &m.distance, &floats(&e["nn_distance"]), t);
        all_close(
            name,
            &m.real_distance,
            &floats(&e["real_loo_nn_distance"]),
            t,
        );
        all_close(name, &m.ratio, &floats(&e["nn_ratio_first_to_second"]), t);
        all_close(name, &m.max_cosine, &floats(&e["max_cosine"]), t);
        assert_eq!(m.max_cosine_index, sizes(&e["max_cosine_index"]), "{name}");
        assert_eq!(
            m.memorised as u64,
            e["memorised_below_1pct_of_real"].as_u64().unwrap(),
            "{name}"
        );
        close(name, m.authenticity, f(&e["authenticity"]), t);
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn inception_scores() {
    let fixture = fixture("generative.json");
    let case = named(&fixture, "inception_score");
    let rows = &case["input"]["prob"];
    let classes = rows[0].as_array().unwrap().len();
    let e = &case["expected"];
    let one = inception_score(&flat(rows), classes, 1).unwrap();
    close("one part", one[0], f(&e["is_split1"]), 1e-9);
    let five = inception_score(&flat(rows), classes, 5).unwrap();
    all_close("five parts", &five, &floats(&e["is_split5"]), 1e-9);
}

#[test]
fn between_images_and_texts() {
    let fixture = fixture("generative.json");
    let case = named(&fixture, "clip_retrieval");
    let (input, e) = (&case["input"], &case["expected"]);
    let set = |key: &str| {
        let width = input[key][0].as_array().unwrap().len();
        Features::new(&flat(&input[key]), width).unwrap()
    };
    let (images, texts) = (set("image"), set("text"));
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let rows = |key: &str| -> Vec<Vec<f64>> {
        input[key].as_array().unwrap().iter().map(floats).collect()
    };
    // The ranks below come from these cosines.
    let cosines: Vec<f64> = rows("image")
        .iter()
        .flat_map(|a| {
            rows("text")
                .into_iter()
                .map(|b| {
                    let dot: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
                    dot / (length(a) * length(&b))
                })
                .collect::<Vec<_>>()
        })
        .collect();
    all_close("cosines", &cosines, &flat(&e["similarity"]), 1e-5);
    for (key, found) in [
        ("i2t", cross_modal(&images, &texts).unwrap()),
        ("t2i", cross_modal(&texts, &images).unwrap()),
    ] {
        for k in [1, 5, 10] {
            close(key, found.recall_at(k), f(&e[key][format!("r{k}")]), 1e-5);
        }
        close(
            key,
            found.median_rank,
            f(&e[format!("{key}_median_rank")]),
            1e-5,
        );
    }
    all_close(
        "CLIPScore",
        &clip_score(&images, &texts).unwrap(),
        &floats(&e["clipscore"]),
        1e-5,
    );
}

#[test]
fn ranked_lists() {
    let fixture = fixture("retrieval.json");
    let case = named(&fixture, "rank");
    let (input, e) = (&case["input"], &case["expected"]);
    let rows = |key: &str| -> Vec<Vec<f64>> {
        input[key].as_array().unwrap().iter().map(floats).collect()
    };
    let (relevant, scores, graded) = (rows("relevant"), rows("score"), rows("graded"));
    let (mut reciprocal, mut gain, mut gain10) = (0.0, 0.0, 0.0);
    for i in 0..scores.len() {
        let flags: Vec<bool> = relevant[i].iter().map(|v| *v == 1.0).collect();
        let r = ranked(&flags, &scores[i], 5).unwrap();
        close("precision at 5", r.precision_at, f(&e["p_at_5"][i]), 1e-9);
        close("recall at 5", r.recall_at, f(&e["r_at_5"][i]), 1e-9);
        close(
            "average precision",
            r.average_precision,
            f(&e["ap"][i]),
            1e-9,
        );
        reciprocal += r.reciprocal_rank;
        gain += ndcg(&graded[i], &scores[i], None).unwrap();
        gain10 += ndcg(&graded[i], &scores[i], Some(10)).unwrap();
    }
    let n = scores.len() as f64;
    close("MRR", reciprocal / n, f(&e["mrr"]), 1e-9);
    close("nDCG", gain / n, f(&e["ndcg"]), 1e-9);
    close("nDCG at 10", gain10 / n, f(&e["ndcg_at_10"]), 1e-9);
}

#[test]
fn no_reference_value_is_left_out() {
    distances_manifolds_and_memorisation();
    inception_scores();
    between_images_and_texts();
    ranked_lists();
    nothing_left(&fixture("generative.json"), &[]);
    nothing_left(&fixture("retrieval.json"), &[]);
}
