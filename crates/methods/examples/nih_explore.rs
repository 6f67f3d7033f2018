#![allow(missing_docs, clippy::unwrap_used)]
use hilum_methods::Context;
use hilum_methods::blocks::classify::{output_auroc, predict_members};
use hilum_methods::chestx_ray8::{Config, config::CODES, train};
use hilum_nn::backbones::{Backbone, ResNetConfig};
use std::sync::atomic::AtomicBool;
fn main() {
    let stop = AtomicBool::new(false);
    let args: Vec<String> = std::env::args().skip(1).collect();
    for v in &args {
        let mut c = Config::default();
        for o in v.split(',') {
            let (k, x) = o.split_once('=').unwrap_or((o, ""));
            match k {
                "base" => {}
                "warm" => {
                    c.start = Some("paediatric_pneumonia".into());
                    c.backbone = Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1, 1], 24));
                }
                "w" => {
                    c.backbone =
                        Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1, 1], x.parse().unwrap()))
                }
                "mix" => c.classify.mixup = x.parse().unwrap(),
                "flip" => c.classify.augment.flip = x.parse().unwrap(),
                "ep" => c.train.epochs = x.parse().unwrap(),
                "lr" => c.train.schedule.base = x.parse().unwrap(),
                "size" => c.size = x.parse().unwrap(),
                "m" => c.members = x.parse().unwrap(),
                "drop" => c.dropout = x.parse().unwrap(),
                _ => panic!("{k}"),
            }
        }
        let ctx = Context {
            data: "../shared/data".into(),
            runs: format!("/tmp/nihx/{v}").into(),
            results: "/tmp/nihx/r".into(),
            models: "models".into(),
            seed: 1,
            tiny: false,
            stop: &stop,
        };
        let p = train::prepare(&ctx, &c).unwrap();
        let t0 = std::time::Instant::now();
        let ms: Vec<_> = train::members(&ctx, &c, &p)
            .unwrap()
            .into_iter()
            .map(|t| t.params)
            .collect();
        let g = c.network().graph();
        let val = &p.data[1];
        let z = predict_members(&g, &ms, &c.contract(), val).unwrap();
        let per = |set: &str, k: usize| {
            let f = val.filter(|i| p.samples[1][i].set == set);
            let zz: Vec<_> = z
                .iter()
                .enumerate()
                .filter(|(i, _)| p.samples[1][*i].set == set)
                .map(|(_, r)| r.clone())
                .collect();
            output_auroc(&f, &zz, k).unwrap_or(f64::NAN)
        };
        let sel = [0usize, 3, 4, 8, 12];
        let m: f64 = sel
            .iter()
            .map(|&k| output_auroc(val, &z, k).unwrap())
            .sum::<f64>()
            / sel.len() as f64;
        println!(
            "VAL {v}: no_finding {:.3} (512 {:.3}, 64 {:.3}) macro {:.3} {:?} {:.0}s",
            output_auroc(val, &z, 14).unwrap(),
            per("nih14", 14),
            per("nih14_64px", 14),
            m,
            sel.map(|k| (
                CODES[k],
                (output_auroc(val, &z, k).unwrap() * 1000.0).round()
            )),
            t0.elapsed().as_secs_f32()
        );
    }
}
