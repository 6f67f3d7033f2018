//! Losses, their gradients and optimisers against PyTorch and MONAI.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

use hilum_kernels::{Init, ParamInfo, ParamRole};
use hilum_nn::losses::{
    Loss, bce_with_logits, cross_entropy, dice_with_logits, focal_with_logits, nt_xent,
    weighted_bce_chestxray8,
};
use hilum_nn::optim::{Optimizer, OptimizerConfig, clip_norm};
use serde_json::Value;

fn fixture(name: &str) -> Option<Value> {
    let path = format!(
        "{}/../../../shared/parity/losses/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: loss parity needs ../shared/parity/losses/{name}, which is not here");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn case<'a>(doc: &'a Value, name: &str) -> &'a Value {
    let cases = doc["cases"].as_array().unwrap();
    cases
        .iter()
        .find(|c| c["name"] == name)
        .unwrap_or_else(|| panic!("no case {name}"))
}

fn flat(v: &Value) -> Vec<f32> {
    match v {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        Value::Bool(b) => vec![f32::from(u8::from(*b))],
        other => vec![other.as_f64().unwrap() as f32],
    }
}

fn assert_loss(what: &str, got: &Loss, value: &Value, grad: &Value, scale: f64) {
    let want = value.as_f64().unwrap();
    assert!(
        (got.value * scale - want).abs() < 1e-5 * want.abs().max(1.0),
        "{what}: {} {want}",
        got.value * scale
    );
    for (a, b) in got.grad.iter().zip(flat(grad)) {
        assert!(
            (f64::from(*a) * scale - f64::from(b)).abs() < 2e-5 * scale.max(1.0),
            "{what}: gradient {a} {b}"
        );
    }
}

#[test]
fn losses_match() {
    let Some(doc) = fixture("supervised.json") else {
        return;
    };
    for name in ["focal_a0.25_g2.0", "focal_a-1_g1.5"] {
        let c = case(&doc, name);
        let (z, y) = (flat(&c["input"]["logit"]), flat(&c["input"]["y"]));
        let (alpha, gamma) = (&c["input"]["alpha"], &c["input"]["gamma"]);
        let loss = focal_with_logits(&z, &y, alpha.as_f64().unwrap(), gamma.as_f64().unwrap());
        assert_loss(
            name,
            &loss,
            &c["expected"]["loss"],
            &c["expected"]["grad"],
            1.0,
        );
    }
    let c = case(&doc, "w_cel_chestxray8");
    let (z, y) = (flat(&c["input"]["logit"]), flat(&c["input"]["y"]));
    let loss = weighted_bce_chestxray8(&z, &y);
    let n = z.len() as f64;
    assert_loss(
        "w-cel",
        &loss,
        &c["expected"]["loss_sum"],
        &c["expected"]["grad_of_sum"],
        n,
    );
    let c = case(&doc, "bce_pos_weight");
    let (z, y) = (flat(&c["input"]["logit"]), flat(&c["input"]["y"]));
    let loss = bce_with_logits(&z, &y, Some(&flat(&c["input"]["pos_weight"])));
    assert_loss(
        "pos_weight",
        &loss,
        &c["expected"]["loss"],
        &c["expected"]["grad"],
        1.0,
    );
}

#[test]
fn masked_bce_matches() {
    let Some(doc) = fixture("supervised.json") else {
        return;
    };
    let c = case(&doc, "bce_masked");
    let (z, y, m) = (
        flat(&c["input"]["logit"]),
        flat(&c["input"]["y"]),
        flat(&c["input"]["mask"]),
    );
    let y: Vec<f32> = y
        .iter()
        .zip(&m)
        .map(|(&y, &m)| if m > 0.0 { y } else { f32::NAN })
        .collect();
    let loss = bce_with_logits(&z, &y, None);
    assert_loss(
        "masked",
        &loss,
        &c["expected"]["loss"],
        &c["expected"]["grad"],
        1.0,
    );
}

#[test]
fn dice_and_cross_entropy_match() {
    let Some(doc) = fixture("supervised.json") else {
        return;
    };
    let c = case(&doc, "dice");
    let (z, y) = (flat(&c["input"]["logit"]), flat(&c["input"]["y"]));
    let planes = c["input"]["logit"].as_array().unwrap();
    let per_sample = planes[0].as_array().unwrap().len();
    let pixels = z.len() / (planes.len() * per_sample);
    let loss = dice_with_logits(&z, &y, pixels);
    assert_loss(
        "dice",
        &loss,
        &c["expected"]["loss"],
        &c["expected"]["grad"],
        1.0,
    );
    let c = case(&doc, "ce_smooth0.0");
    let z = flat(&c["input"]["logit"]);
    let y: Vec<Option<usize>> = flat(&c["input"]["y"])
        .iter()
        .map(|&k| Some(k as usize))
        .collect();
    let loss = cross_entropy(&z, &y, z.len() / y.len());
    assert_loss(
        "ce",
        &loss,
        &c["expected"]["loss"],
        &c["expected"]["grad"],
        1.0,
    );
}

fn trajectory(c: &Value, config: OptimizerConfig, lr: f32) {
    let (w0, q, center) = (
        flat(&c["input"]["w0"]),
        flat(&c["input"]["Q"]),
        flat(&c["input"]["center"]),
    );
    let info = ParamInfo {
        name: "w".into(),
        shape: vec![w0.len()],
        role: ParamRole::Weight,
        init: Init::Constant(0.0),
    };
    let mut params = vec![w0];
    let mut optimizer = Optimizer::new(config, &params);
    for (step, want) in c["expected"]["trajectory"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        let grad = params[0]
            .iter()
            .zip(&q)
            .zip(&center)
            .map(|((w, q), c)| q * (w - c))
            .collect();
        optimizer.update(std::slice::from_ref(&info), &mut params, &[Some(grad)], lr);
        for (a, b) in params[0].iter().zip(flat(want)) {
            assert!((a - b).abs() < 1e-4, "{}: step {step}: {a} {b}", c["name"]);
        }
    }
}

#[test]
fn optimisers_follow_pytorch() {
    let Some(doc) = fixture("optimizers.json") else {
        return;
    };
    let adam = |weight_decay| OptimizerConfig::AdamW {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay,
    };
    trajectory(case(&doc, "torch.optim.Adam(lr=.05)"), adam(0.0), 0.05);
    trajectory(
        case(&doc, "torch.optim.AdamW(lr=.05,weight_decay=.1)"),
        adam(0.1),
        0.05,
    );
    let sgd = |momentum, weight_decay| OptimizerConfig::Sgd {
        momentum,
        weight_decay,
    };
    trajectory(case(&doc, "torch.optim.SGD(lr=.1)"), sgd(0.0, 0.0), 0.1);
    trajectory(
        case(&doc, "torch.optim.SGD(lr=.1,momentum=.9,weight_decay=.01)"),
        sgd(0.9, 0.01),
        0.1,
    );
    let c = case(&doc, "clip_grad_norm");
    let arrays = c["input"]["grads"].as_array().unwrap();
    let mut grads: Vec<Option<Vec<f32>>> = arrays.iter().map(|g| Some(flat(g))).collect();
    let norm = clip_norm(&mut grads, 1.0);
    assert!((norm - c["expected"]["total_norm"].as_f64().unwrap()).abs() < 1e-4);
}

#[test]
fn nt_xent_as_pytorch() {
    let Some(doc) = fixture("contrastive.json") else {
        return;
    };
    let case = case(&doc, "nt_xent");
    let (input, expected) = (&case["input"], &case["expected"]);
    let width = input["view1"][0].as_array().unwrap().len();
    let both = [flat(&input["view1"]), flat(&input["view2"])].concat();
    let got = nt_xent(&both, width, input["tau"].as_f64().unwrap());
    // The fixture has the gradient of the first view, which is the first half here.
    assert_loss(
        "nt_xent",
        &got,
        &expected["loss"],
        &expected["grad_view1"],
        1.0,
    );
}
