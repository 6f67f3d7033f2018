//! The peers of `hilum bench engine`: PyTorch and ONNX Runtime in a Python process, by the scripts of `bench/`.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The scripts that `bench/` uses, so that both measure the same way.
const SCRIPTS: [(&str, &str); 2] = [
    ("peer.py", include_str!("../../../../bench/peer.py")),
    ("nets.py", include_str!("../../../../bench/nets.py")),
];

/// Engines measured beside hilum.
pub fn names(training: bool) -> &'static [&'static str] {
    if training {
        &["pytorch eager", "pytorch channels_last"]
    } else {
        &["pytorch eager", "pytorch channels_last", "onnxruntime"]
    }
}

/// Weights, inputs and scripts of one case in a folder of its own.
pub struct Peers {
    python: PathBuf,
    folder: TempDir,
    net: String,
    batch: usize,
}

impl Peers {
    /// Lets the Python make weights and inputs; the reason when it cannot.
    pub fn prepare(python: &Path, net: &str, batch: usize) -> Result<Peers, String> {
        let folder = tempfile::tempdir().map_err(|e| format!("no temporary folder: {e}"))?;
        for (name, text) in SCRIPTS {
            std::fs::write(folder.path().join(name), text)
                .map_err(|e| format!("{name} cannot be written: {e}"))?;
        }
        let peers = Peers {
            python: python.to_owned(),
            folder,
            net: net.to_owned(),
            batch,
        };
        peers.call(&[
            "prepare",
            net,
            &batch.to_string(),
            &peers.folder.path().to_string_lossy(),
        ])?;
        Ok(peers)
    }

    fn call(&self, arguments: &[&str]) -> Result<Value, String> {
        let shown = self.python.display();
        let threads = rayon::current_num_threads().to_string();
        let ran = Command::new(&self.python)
            .arg(self.folder.path().join("peer.py"))
            .args(arguments)
            .env("OMP_NUM_THREADS", &threads)
            .output()
            .map_err(|e| format!("{shown} does not start: {e}"))?;
        let errors = String::from_utf8_lossy(&ran.stderr);
        if !ran.status.success() {
            let last = errors.lines().last().unwrap_or("it says nothing");
            return Err(format!("{shown} failed: {last}"));
        }
        let text = String::from_utf8_lossy(&ran.stdout);
        let found: Value = text
            .lines()
            .last()
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or_else(|| format!("{shown} gave no result"))?;
        match found["missing"].as_str() {
            Some(reason) => Err(format!("not installed in {shown}: {reason}")),
            None => Ok(found),
        }
    }

    /// What one peer measured.
    pub fn measure(&self, engine: &str, training: bool, repeats: u32) -> Result<Value, String> {
        let task = if training { "train" } else { "infer" };
        let folder = self.folder.path().to_string_lossy();
        let (batch, repeats) = (self.batch.to_string(), repeats.to_string());
        let threads = rayon::current_num_threads().to_string();
        self.call(&[task, &self.net, &batch, &folder, engine, &threads, &repeats])
    }

    /// Hilum's row, from a process of its own with the peers' weights and inputs.
    pub fn hilum(&self, training: bool, repeats: u32) -> Result<Value> {
        let program = std::env::current_exe().context("this program cannot be found again")?;
        let file = |kind: &str| {
            let name = format!("{}_b{}_{kind}.npy", self.net, self.batch);
            self.folder.path().join(name)
        };
        let weights = self.folder.path().join(format!("{}.safetensors", self.net));
        let mut command = Command::new(program);
        command
            .args([
                "bench",
                "engine",
                "--no-peers",
                "--json",
                "--net",
                &self.net,
            ])
            .args(["--task", if training { "train" } else { "infer" }])
            .args([
                "--batch",
                &self.batch.to_string(),
                "--repeats",
                &repeats.to_string(),
            ])
            .arg("--weights")
            .arg(weights)
            .arg("--input")
            .arg(file("input"));
        if training {
            command.arg("--target").arg(file("target"));
        }
        let ran = command.output().context("hilum does not start again")?;
        if !ran.status.success() {
            bail!("{}", String::from_utf8_lossy(&ran.stderr).trim());
        }
        let text = String::from_utf8(ran.stdout).context("hilum's rows")?;
        let first = text.lines().next().context("hilum gave no row")?;
        serde_json::from_str(first).context("hilum's row")
    }
}

/// A peer's row.
pub fn row(net: &str, task: &str, batch: usize, engine: &str, found: &Value) -> Value {
    let times = found["ms"].as_array().map_or(&[][..], Vec::as_slice);
    let mut times: Vec<f64> = times.iter().filter_map(Value::as_f64).collect();
    times.sort_by(f64::total_cmp);
    let ms = median(&times);
    json!({
        "net": net, "task": task, "batch": batch, "engine": engine,
        "ms": ms, "per_second": ms.map(|ms| batch as f64 * 1e3 / ms), "peak_mb": found["peak_mb"],
        "ms_min": times.first(), "ms_max": times.last(), "runs": times.len(),
    })
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Adds each peer's time over hilum's.
pub fn add_ratios(rows: &mut [Value]) {
    let Some(own) = rows.first().and_then(|r| r["ms"].as_f64()) else {
        return;
    };
    for row in rows.iter_mut().skip(1) {
        if let Some(ms) = row["ms"].as_f64() {
            row["ms_over_hilum"] = json!(ms / own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
        assert_eq!(median(&[1.0, 3.0]), Some(2.0));
        assert_eq!(median(&[]), None);
        let peer = row(
            "n",
            "infer",
            4,
            "p",
            &json!({"ms": [30.0, 10.0, 20.0], "peak_mb": 5.0}),
        );
        assert_eq!(
            (peer["ms"].as_f64(), peer["per_second"].as_f64()),
            (Some(20.0), Some(200.0))
        );
        let mut rows = [json!({"ms": 10.0}), peer];
        add_ratios(&mut rows);
        assert_eq!(rows[1]["ms_over_hilum"], 2.0);
    }

    #[test]
    fn a_python_that_is_not_there_is_a_reason() {
        let reason = Peers::prepare(Path::new("/no/such/python"), "unet", 1)
            .err()
            .unwrap_or_default();
        assert!(reason.contains("does not start"), "{reason}");
    }
}
