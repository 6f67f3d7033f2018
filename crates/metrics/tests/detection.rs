//! Against pycocotools, torchvision and MONAI.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use hilum_core::Rect;
use hilum_metrics::detection::*;

fn xywh(v: &Value) -> Rect {
    let b = floats(v);
    Rect {
        x: b[0],
        y: b[1],
        w: b[2],
        h: b[3],
    }
}

fn xyxy(v: &Value) -> Rect {
    let b = floats(v);
    Rect {
        x: b[0],
        y: b[1],
        w: b[2] - b[0],
        h: b[3] - b[1],
    }
}

#[test]
fn overlaps() {
    let fixture = fixture("iou.json");
    let case = named(&fixture, "xywh");
    let boxes = |key: &str| -> Vec<Rect> {
        case["input"][key]
            .as_array()
            .unwrap()
            .iter()
            .map(xywh)
            .collect()
    };
    let (a, b) = (boxes("a_xywh"), boxes("b_xywh"));
    let crowd = floats(&case["input"]["iscrowd_b"]);
    let e = &case["expected"];
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            let want = |key: &str| f(&e[key][i][j]);
            close("iou", iou(a, b), want("iou"), 1e-6);
            close("giou", generalized_iou(a, b), want("giou"), 1e-6);
            close("diou", distance_iou(a, b), want("diou"), 1e-6);
            close("ciou", complete_iou(a, b), want("ciou"), 1e-6);
            // COCO's crowd IoU divides by the detected box, as IoBB does.
            let coco = if crowd[j] == 1.0 {
                iobb(a, b)
            } else {
                iou(a, b)
            };
            close("coco", coco, want("coco_iou_crowd"), 1e-6);
        }
    }
}

#[test]
fn suppression() {
    for case in cases(&fixture("nms.json")) {
        let input = &case["input"];
        let boxes: Vec<Rect> = input["boxes_xyxy"]
            .as_array()
            .unwrap()
            .iter()
            .map(xyxy)
            .collect();
        let (scores, t) = (floats(&input["scores"]), f(&input["iou_threshold"]));
        assert_eq!(
            nms(&boxes, &scores, t).unwrap(),
            sizes(&case["expected"]["keep"]),
            "{}",
            case["name"]
        );
        let kept = nms_per_class(&boxes, &scores, &sizes(&input["labels"]), t).unwrap();
        assert_eq!(
            kept,
            sizes(&case["expected"]["keep_batched"]),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn free_response() {
    for case in cases(&fixture("froc.json")) {
        let (name, input, e) = (
            case["name"].as_str().unwrap(),
            &case["input"],
            &case["expected"],
        );
        let count = |key: &str| input[key].as_u64().unwrap() as usize;
        let curve = froc(
            &floats(&input["fp_probs"]),
            &floats(&input["tp_probs"]),
            count("num_targets"),
            count("num_images"),
        )
        .unwrap();
        all_close(
            name,
            &curve.false_positives_per_image,
            &floats(&e["fps_per_image"]),
            1e-9,
        );
        all_close(name, &curve.sensitivity, &floats(&e["sensitivity"]), 1e-9);
        close(name, curve.score(), f(&e["score"]), 1e-9);
        for (at, want) in e["sens_at"].as_object().unwrap() {
            close(
                name,
                curve.sensitivity_at(at.parse().unwrap()),
                f(want),
                1e-9,
            );
        }
    }
}

#[test]
fn coco() {
    for case in cases(&fixture("coco_bbox.json")) {
        let (name, input, e) = (
            case["name"].as_str().unwrap(),
            &case["input"],
            &case["expected"],
        );
        let number = |v: &Value, key: &str| v[key].as_u64().unwrap() as usize;
        let truths: Vec<GroundTruth> = input["annotations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| GroundTruth {
                image: number(a, "image_id"),
                class: number(a, "category_id") - 1,
                rect: xywh(&a["bbox"]),
                area: f(&a["area"]),
                crowd: a["iscrowd"] == 1,
            })
            .collect();
        let detections: Vec<Detection> = input["detections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| Detection {
                image: number(d, "image_id"),
                class: number(d, "category_id") - 1,
                rect: xywh(&d["bbox"]),
                score: f(&d["score"]),
            })
            .collect();
        let s = coco_evaluate(&truths, &detections, number(input, "categories")).unwrap();
        let got = [
            ("AP", s.ap),
            ("AP50", s.ap50),
            ("AP75", s.ap75),
            ("APs", s.ap_small),
            ("APm", s.ap_medium),
            ("APl", s.ap_large),
            ("AR1", s.ar1),
            ("AR10", s.ar10),
            ("AR100", s.ar100),
            ("ARs", s.ar_small),
            ("ARm", s.ar_medium),
            ("ARl", s.ar_large),
        ];
        for (key, got) in got {
            assert_eq!(got.is_none(), e[key].is_null(), "{name} {key}");
            if let Some(got) = got {
                close(&format!("{name} {key}"), got, f(&e[key]), 1e-9);
            }
        }
        let each = |v: &[Option<f64>]| v.iter().map(|v| v.unwrap()).collect::<Vec<_>>();
        all_close(
            name,
            &each(&s.per_class_ap),
            &floats(&e["per_class_AP"]),
            1e-9,
        );
        all_close(
            name,
            &each(&s.per_class_ap50),
            &floats(&e["per_class_AP50"]),
            1e-9,
        );
        // The category of id 1 is class 0.
        all_close(
            name,
            s.per_class_precision50[0].as_ref().unwrap(),
            &floats(&e["precision_101_iou50_class1_all_100"]),
            1e-9,
        );
        all_close(
            name,
            &each(&s.per_class_ar100),
            &floats(&e["per_class_AR100"]),
            1e-9,
        );
    }
}

#[test]
fn no_reference_value_is_left_out() {
    overlaps();
    suppression();
    free_response();
    coco();
    for name in ["iou.json", "nms.json", "froc.json", "coco_bbox.json"] {
        nothing_left(&fixture(name), &[]);
    }
}
