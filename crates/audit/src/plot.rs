//! Figures as SVG: intervals of groups under each other, reliability curves.

use hilum_metrics::calibration::ReliabilityBin;
use std::fmt::Write;

/// One line of a forest plot.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestRow {
    /// Name on the left.
    pub label: String,
    /// Text on the right.
    pub note: String,
    /// Point; null draws nothing.
    pub value: Option<f64>,
    /// Ends of the line.
    pub interval: Option<(f64, f64)>,
    /// Drawn strongly.
    pub marked: bool,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 220.0;
const RIGHT: f64 = 640.0;
const ROW: f64 = 24.0;
const TOP: f64 = 64.0;
const STYLE: &str = "<style>text{font:13px sans-serif;fill:#1b2430}.t{font-size:16px;font-weight:600}.q{fill:#5b6775;font-size:12px}\
line{stroke:#8792a0}.a{stroke:#d5dbe2}.r{stroke:#5b6775;stroke-dasharray:4 4}.i{stroke:#0b6e86;stroke-width:2.5}.m{stroke:#b5471b;stroke-width:3.5}\
.p{fill:#0b6e86}.pm{fill:#b5471b}</style>";

/// Values with their intervals under each other; a dashed line stands at `reference`.
pub fn forest(title: &str, axis: &str, rows: &[ForestRow], reference: Option<f64>) -> String {
    let ends = rows.iter().flat_map(|r| {
        let (low, high) = r.interval.unzip();
        [r.value, low, high]
    });
    let known: Vec<f64> = ends
        .flatten()
        .chain(reference)
        .filter(|v| v.is_finite())
        .collect();
    let scale = Scale::of(&known);
    let height = TOP + ROW * rows.len() as f64 + 58.0;
    let mut out = open(WIDTH, height, title);
    let bottom = TOP + ROW * rows.len() as f64 + 6.0;
    for tick in scale.ticks() {
        let x = scale.x(tick);
        let _ = write!(
            out,
            "<line class=\"a\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/>\
             <text class=\"q\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            TOP - 12.0,
            bottom + 16.0,
            short(tick)
        );
    }
    if let Some(at) = reference {
        let x = scale.x(at);
        let _ = write!(
            out,
            "<line class=\"r\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/>",
            TOP - 12.0
        );
    }
    for (n, row) in rows.iter().enumerate() {
        forest_row(&mut out, row, TOP + ROW * n as f64, &scale);
    }
    let _ = write!(
        out,
        "<text class=\"q\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text></svg>",
        (LEFT + RIGHT) / 2.0,
        bottom + 36.0,
        escape(axis)
    );
    out
}

fn forest_row(out: &mut String, row: &ForestRow, y: f64, scale: &Scale) {
    let (line, point) = match row.marked {
        true => ("m", "pm"),
        false => ("i", "p"),
    };
    let _ = write!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><text class=\"q\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        LEFT - 14.0,
        y + 4.0,
        escape(&row.label),
        RIGHT + 12.0,
        y + 4.0,
        escape(&row.note)
    );
    if let Some((low, high)) = row.interval {
        let _ = write!(
            out,
            "<line class=\"{line}\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            scale.x(low),
            scale.x(high)
        );
    }
    if let Some(value) = row.value {
        let _ = write!(
            out,
            "<circle class=\"{point}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>",
            scale.x(value)
        );
    }
}

/// Reliability curves: what was said against what was seen, points as large as their bins.
pub fn reliability(title: &str, curves: &[(String, &[ReliabilityBin])]) -> String {
    const SIDE: f64 = 400.0;
    const MARGIN: f64 = 64.0;
    const COLOURS: [&str; 4] = ["#b5471b", "#0b6e86", "#6a4c93", "#4d7c0f"];
    let (width, height) = (SIDE + MARGIN + 230.0, SIDE + MARGIN + 60.0);
    let x = |p: f64| MARGIN + p * SIDE;
    let y = |p: f64| 44.0 + (1.0 - p) * SIDE;
    let mut out = open(width, height, title);
    for i in 0..=5 {
        let p = f64::from(i) / 5.0;
        let _ = write!(
            out,
            "<line class=\"a\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{2:.1}\"/>\
             <line class=\"a\" x1=\"{3:.1}\" x2=\"{4:.1}\" y1=\"{5:.1}\" y2=\"{5:.1}\"/>\
             <text class=\"q\" x=\"{0:.1}\" y=\"{6:.1}\" text-anchor=\"middle\">{p}</text>\
             <text class=\"q\" x=\"{7:.1}\" y=\"{8:.1}\" text-anchor=\"end\">{p}</text>",
            x(p),
            y(0.0),
            y(1.0),
            x(0.0),
            x(1.0),
            y(p),
            y(0.0) + 18.0,
            x(0.0) - 8.0,
            y(p) + 4.0
        );
    }
    let _ = write!(
        out,
        "<line class=\"r\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        x(0.0),
        y(0.0),
        x(1.0),
        y(1.0)
    );
    for (n, (name, bins)) in curves.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let total: usize = bins.iter().map(|b| b.count).sum();
        let points: Vec<String> = bins
            .iter()
            .map(|b| format!("{:.1},{:.1}", x(b.mean_predicted), y(b.observed)))
            .collect();
        let _ = write!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        for bin in *bins {
            let share = bin.count as f64 / total.max(1) as f64;
            let _ = write!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\" fill=\"{colour}\" fill-opacity=\"0.65\"/>",
                x(bin.mean_predicted),
                y(bin.observed),
                2.0 + 14.0 * share.sqrt()
            );
        }
        let at = 60.0 + 22.0 * n as f64;
        let _ = write!(
            out,
            "<line x1=\"{0:.1}\" x2=\"{1:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" style=\"stroke:{colour};stroke-width:3\"/>\
             <text x=\"{2:.1}\" y=\"{3:.1}\">{4}</text>",
            x(1.0) + 16.0,
            x(1.0) + 36.0,
            x(1.0) + 44.0,
            at + 4.0,
            escape(name)
        );
    }
    let _ = write!(
        out,
        "<text class=\"q\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">mean probability of the bin</text>\
         <text class=\"q\" transform=\"translate(18 {:.1}) rotate(-90)\" text-anchor=\"middle\">share present</text></svg>",
        x(0.5),
        y(0.0) + 40.0,
        y(0.5)
    );
    out
}

fn open(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">{STYLE}\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/><text class=\"t\" x=\"16\" y=\"26\">{}</text>",
        escape(title)
    )
}

/// From values to places.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low > high {
            return Scale {
                low: 0.0,
                high: 1.0,
            };
        }
        let pad = ((high - low) * 0.06).max(0.01);
        Scale {
            low: low - pad,
            high: high + pad,
        }
    }

    fn x(&self, v: f64) -> f64 {
        LEFT + (v - self.low) / (self.high - self.low) * (RIGHT - LEFT)
    }

    /// Round values, about six.
    fn ticks(&self) -> Vec<f64> {
        let raw = (self.high - self.low) / 6.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|m| m * power)
            .into_iter()
            .find(|s| *s >= raw)
            .unwrap_or(10.0 * power);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

fn short(v: f64) -> String {
    let text = format!("{v:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// Text that comes from files.
fn escape(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_every_row_is_drawn() {
        let row = |label: &str, value| ForestRow {
            label: label.into(),
            note: "n".into(),
            value,
            interval: value.map(|v: f64| (v - 0.1, v + 0.1)),
            marked: false,
        };
        let svg = forest(
            "a & b",
            "AUROC",
            &[row("<F>", Some(0.8)), row("M", None)],
            Some(0.5),
        );
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;F&gt;"));
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(svg.ends_with("</svg>"));
        assert!(forest("empty", "x", &[], None).contains("empty"));
    }

    #[test]
    fn ticks_are_round() {
        let scale = Scale {
            low: 0.43,
            high: 0.97,
        };
        let ticks: Vec<String> = scale.ticks().into_iter().map(short).collect();
        assert_eq!(ticks, ["0.5", "0.6", "0.7", "0.8", "0.9"]);
    }

    #[test]
    fn curves_are_drawn_in_the_unit_square() {
        let bins = [ReliabilityBin {
            count: 4,
            mean_predicted: 0.5,
            observed: 0.25,
        }];
        let svg = reliability("r", &[("before".into(), &bins)]);
        assert!(svg.contains("before") && svg.contains("cx=\"264.0\" cy=\"344.0\""));
    }
}
