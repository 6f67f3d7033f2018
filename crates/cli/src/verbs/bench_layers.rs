//! Rows of `hilum bench engine --layers`: the machine's limits and the time of each kind of layer.

use anyhow::Result;
use hilum_kernels::machine::Machine;
use hilum_kernels::profile::{self, LayerTime};
use hilum_kernels::{Graph, Mode, Params, Pass, Tensor, Trainer, Wanted};
use serde_json::{Value, json};

/// Runs that a mean is taken over.
const RUNS: usize = 10;

/// Layers of an inference.
pub fn inference(graph: &Graph, params: &Params, x: &Tensor) -> Result<Vec<LayerTime>> {
    Ok(profile::inference(graph, params, x, RUNS)?)
}

/// Layers of a training step, forward and backward; the optimiser is not in it.
pub fn training(graph: Graph, mut params: Params, x: &Tensor) -> Result<Vec<LayerTime>> {
    let mut trainer = Trainer::new(graph.clone())?;
    let mut timings = Vec::new();
    for run in 0..=RUNS {
        // The first run fills the workspace.
        trainer.time_nodes(run > 0);
        let outputs = trainer.forward(&mut params, x, Mode::Train { seed: 1 })?;
        trainer.backward(&params, &outputs, Wanted::params())?;
        timings.extend_from_slice(trainer.timings());
    }
    Ok(profile::table(&graph, x, &timings, RUNS, false)?)
}

/// The machine's row.
pub fn machine_row(m: &Machine) -> Value {
    json!({ "machine": {
        "threads": m.threads,
        "gmac_per_s_one_thread": m.gmacs_one, "gmac_per_s": m.gmacs_all,
        "gb_per_s_one_thread": m.gbytes_one, "gb_per_s": m.gbytes_all,
    }})
}

/// The row of one kind of layer. `of_peak` is its rate of multiply-adds over the machine's; Winograd saves multiplications, so it can exceed 1.
pub fn row(net: &str, task: &str, batch: usize, layer: &LayerTime, machine: &Machine) -> Value {
    let rate = (layer.macs > 0.0).then(|| layer.macs / layer.ms / 1e6);
    json!({
        "net": net, "task": task, "batch": batch, "engine": "hilum", "layers": layer.layers,
        "pass": if layer.pass == Pass::Forward { "forward" } else { "backward" },
        "count": layer.count, "ms": layer.ms, "gmac_per_s": rate,
        "of_peak": rate.map(|r| r / machine.gmacs_all),
    })
}

/// A row for people.
pub fn plain(row: &Value) -> String {
    let number = |v: &Value| v.as_f64().unwrap_or(f64::NAN);
    if let Some(m) = row["machine"].as_object() {
        return format!(
            "machine: {} threads, {:.0} G multiply-adds/s ({:.0} one thread), {:.1} GB/s from memory ({:.1} one thread)",
            m["threads"],
            number(&m["gmac_per_s"]),
            number(&m["gmac_per_s_one_thread"]),
            number(&m["gb_per_s"]),
            number(&m["gb_per_s_one_thread"]),
        );
    }
    let rate = match row["gmac_per_s"].as_f64() {
        Some(rate) => format!(
            "{rate:>6.0} GMAC/s  {:>4.0} % of peak",
            100.0 * number(&row["of_peak"])
        ),
        None => String::new(),
    };
    format!(
        "    {:<9} {:<36} x{:<4} {:>8.2} ms  {rate}",
        row["pass"].as_str().unwrap_or(""),
        row["layers"].as_str().unwrap_or(""),
        row["count"],
        number(&row["ms"]),
    )
}
