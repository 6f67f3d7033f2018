//! `hilum bench engine`: how fast networks run here. `bench/` in the repository drives it beside the peers.

use crate::exit::{Code, Usage};
use crate::places;
use crate::verbs::bench_attribution::{self, AttributionArgs};
use crate::verbs::bench_layers;
use crate::verbs::bench_net::{Net, noise};
use crate::verbs::bench_peers::{self, Peers};
use crate::verbs::bench_similar::{self, SimilarArgs};
use crate::verbs::npy;
use anyhow::{Result, anyhow, bail};
use hilum_kernels::machine::Machine;
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_methods::blocks::pack;
use hilum_nn::engine::{CpuEngine, Engine};
use hilum_nn::losses::bce_with_logits;
use hilum_nn::optim::{Optimizer, OptimizerConfig};
use hilum_nn::weights::WeightFile;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

/// Runs before the timed ones.
const WARM_UP: usize = 3;
/// Learning rate of the training step.
const RATE: f32 = 1e-3;

/// Measure speed.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Time networks in inference or training beside PyTorch and ONNX Runtime where a Python has them; without
    /// --net the four cases of the repository's tables
    Engine(EngineArgs),
    /// Time an attribution of a network (`bench/attribution.py` sets captum beside it)
    Attribution(AttributionArgs),
    /// Time the exact search over known cases
    Similar(SimilarArgs),
}

/// What to time.
#[derive(Debug, clap::Args)]
pub struct EngineArgs {
    /// Network
    #[arg(long, value_enum)]
    net: Option<Net>,
    /// infer or train
    #[arg(long, value_enum, default_value = "infer")]
    task: Task,
    /// Images at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    /// Timed runs after the warm-up
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    repeats: u32,
    /// Weights with torchvision's keys (seeded ones when not given)
    #[arg(long, value_name = "FILE", requires = "net")]
    weights: Option<PathBuf>,
    /// Input [batch, channels, rows, columns] (seeded noise when not given)
    #[arg(long, value_name = "NPY", requires = "net")]
    input: Option<PathBuf>,
    /// Training: 0/1 targets of the output's shape
    #[arg(long, value_name = "NPY", requires = "net")]
    target: Option<PathBuf>,
    /// Inference: the output; training: the loss of every step, warm-up included
    #[arg(long, value_name = "NPY", requires = "net")]
    output: Option<PathBuf>,
    /// Python of the peers (also $HILUM_PYTHON) [default: python3]
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Measure hilum alone
    #[arg(long)]
    no_peers: bool,
    /// Time every model that the reader has instead, on one image of its own size
    #[arg(long, conflicts_with_all = ["net", "layers"])]
    shipped: bool,
    /// Time each kind of layer too, beside the roofline of this machine
    #[arg(long)]
    layers: bool,
    /// Print rows {net,task,batch,engine,ms,per_second,peak_mb} as JSON Lines
    #[arg(long)]
    json: bool,
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Task {
    /// Forward, all at once
    Infer,
    /// Forward, loss, backward and Adam
    Train,
}

impl Task {
    fn name(self) -> &'static str {
        if self == Task::Infer {
            "infer"
        } else {
            "train"
        }
    }
}

/// One case.
struct Case<'a> {
    net: Net,
    task: Task,
    batch: usize,
    args: &'a EngineArgs,
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    let args = match verb {
        Verb::Engine(args) => args,
        Verb::Attribution(args) => return print(&bench_attribution::run(args)?),
        Verb::Similar(args) => return print(&bench_similar::run(args)?),
    };
    if args.shipped {
        return shipped(args);
    }
    let case = |net, task, batch| Case {
        net,
        task,
        batch,
        args,
    };
    let cases = match args.net {
        Some(net) => vec![case(net, args.task, usize::from(args.batch))],
        None => vec![
            case(Net::Densenet121, Task::Infer, 1),
            case(Net::Densenet121, Task::Infer, 8),
            case(Net::Resnet18, Task::Train, 32),
            case(Net::Unet, Task::Train, 16),
        ],
    };
    let machine = args.layers.then(Machine::measure);
    if let Some(machine) = machine {
        show(args, &bench_layers::machine_row(&machine))?;
    }
    for case in &cases {
        rows_of(case)?.iter().try_for_each(|row| show(args, row))?;
        if let Some(machine) = &machine {
            let x = input(case)?;
            let (graph, params) = network(case)?;
            let layers = match case.task {
                Task::Infer => bench_layers::inference(&graph, &params, &x)?,
                Task::Train => bench_layers::training(graph, params, &x)?,
            };
            let own =
                |l| bench_layers::row(case.net.name(), case.task.name(), case.batch, l, machine);
            layers
                .iter()
                .map(own)
                .try_for_each(|row| show(args, &row))?;
        }
    }
    Ok(Code::Success)
}

/// One row of JSON.
fn print(row: &Value) -> Result<Code> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{row}")?;
    out.flush()?;
    Ok(Code::Success)
}

/// One row a model of the reader, all networks of its file; others' engines do not run these files.
fn shipped(args: &EngineArgs) -> Result<Code> {
    for model in places::store(None)?.models() {
        let graph = model.description.network.graph();
        let members = pack::members(&WeightFile::parse(model.bytes())?, &graph)?;
        let plans: Vec<Plan> = members
            .iter()
            .map(|params| Plan::new(&graph, params))
            .collect::<Result<_, _>>()?;
        let size = &model.description.contract;
        let x = noise(&[1, size.channels, size.height, size.width]);
        let times = timed(args.repeats, || {
            plans.iter().try_for_each(|plan| plan.run(&x).map(drop))?;
            Ok(())
        })?;
        let mut row = row(&model.name, "infer", 1, times);
        row["networks"] = plans.len().into();
        show(args, &row)?;
    }
    Ok(Code::Success)
}

/// Rows come as they are measured: the whole takes minutes.
fn show(args: &EngineArgs, row: &Value) -> Result<()> {
    let line = if args.json {
        row.to_string()
    } else if row["layers"].is_string() || row["machine"].is_object() {
        bench_layers::plain(row)
    } else {
        plain(row)
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Hilum's row and those of the peers. With peers all run the same weights and inputs, each in a process of
/// its own, so that every peak of memory is that of one engine.
fn rows_of(case: &Case<'_>) -> Result<Vec<Value>> {
    let (args, given) = (
        case.args,
        [&case.args.weights, &case.args.input, &case.args.target],
    );
    let training = case.task == Task::Train;
    let alone = |reason: &str| -> Result<Vec<Value>> {
        let own = measure(case)?;
        let names = bench_peers::names(training);
        let missing = names.iter().map(|name| missing(case, name, reason));
        Ok(std::iter::once(own).chain(missing).collect())
    };
    if args.no_peers {
        return alone("not asked for (--no-peers)");
    }
    if given.iter().any(|g| g.is_some()) {
        return alone("only measured on the weights and inputs that they make themselves");
    }
    let peers = match Peers::prepare(&python(args), case.net.name(), case.batch) {
        Ok(peers) => peers,
        Err(reason) => return alone(&reason),
    };
    let mut rows = vec![peers.hilum(training, args.repeats)?];
    for name in bench_peers::names(training) {
        rows.push(match peers.measure(name, training, args.repeats) {
            Ok(found) => {
                bench_peers::row(case.net.name(), case.task.name(), case.batch, name, &found)
            }
            Err(reason) => missing(case, name, &reason),
        });
    }
    bench_peers::add_ratios(&mut rows);
    Ok(rows)
}

fn python(args: &EngineArgs) -> PathBuf {
    let named = args.python.clone();
    let set = || std::env::var_os("HILUM_PYTHON").map(PathBuf::from);
    named.or_else(set).unwrap_or_else(|| "python3".into())
}

fn missing(case: &Case<'_>, engine: &str, reason: &str) -> Value {
    json!({
        "net": case.net.name(), "task": case.task.name(), "batch": case.batch, "engine": engine,
        "ms": null, "per_second": null, "peak_mb": null, "reason": reason,
    })
}

fn measure(case: &Case<'_>) -> Result<Value> {
    let times = match case.task {
        Task::Infer => infer(case)?,
        Task::Train => train(case)?,
    };
    let (net, task) = (case.net.name(), case.task.name());
    Ok(row(net, task, case.batch, times))
}

/// The row of some timed runs (at least one).
pub(super) fn row(net: &str, task: &str, batch: usize, mut times: Vec<f64>) -> Value {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    let ms = if times.len() % 2 == 1 {
        times[middle]
    } else {
        (times[middle - 1] + times[middle]) / 2.0
    };
    json!({
        "net": net,
        "task": task,
        "batch": batch,
        "engine": "hilum",
        "ms": ms,
        "per_second": batch as f64 * 1e3 / ms,
        "peak_mb": peak_mb(),
        "ms_min": times.first(),
        "ms_max": times.last(),
        "runs": times.len(),
        "threads": rayon::current_num_threads(),
        "simd": format!("{:?}", hilum_kernels::simd::level()).to_lowercase(),
    })
}

fn plain(row: &Value) -> String {
    let name = format!(
        "{:<12} {:<6} batch {:<3} {:<22}",
        text(row, "net"),
        text(row, "task"),
        row["batch"],
        text(row, "engine")
    );
    match row["ms"].as_f64() {
        Some(ms) => format!(
            "{name} {ms:>9.2} ms  {:>8.1} images/s  {} MB peak{}",
            row["per_second"].as_f64().unwrap_or(f64::NAN),
            row["peak_mb"]
                .as_f64()
                .map_or("?".to_owned(), |v| format!("{v:.0}")),
            row["ms_over_hilum"]
                .as_f64()
                .map_or(String::new(), |v| format!("  {v:.2} x hilum's time"))
        ),
        None => format!("{name} -  ({})", text(row, "reason")),
    }
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or("")
}

fn network(case: &Case<'_>) -> Result<(Graph, Params)> {
    let graph = case.net.graph();
    let params = case.net.params(&graph, case.args.weights.as_deref())?;
    Ok((graph, params))
}

fn input(case: &Case<'_>) -> Result<Tensor> {
    let [c, h, w] = case.net.input();
    let wanted = vec![case.batch, c, h, w];
    let Some(path) = &case.args.input else {
        return Ok(noise(&wanted));
    };
    let x = npy::read(path)?;
    if x.shape != wanted {
        bail!(Usage(format!(
            "{}: the shape is {:?}, --net and --batch ask for {wanted:?}",
            path.display(),
            x.shape
        )));
    }
    Ok(x)
}

pub(super) fn timed(repeats: u32, mut step: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    for _ in 0..WARM_UP {
        step()?;
    }
    let mut times = Vec::new();
    for _ in 0..repeats {
        let start = Instant::now();
        step()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

fn infer(case: &Case<'_>) -> Result<Vec<f64>> {
    let plan = {
        let (graph, params) = network(case)?;
        Plan::new(&graph, &params)?
    };
    let x = input(case)?;
    let mut last = None;
    let times = timed(case.args.repeats, || {
        last = plan.run(&x)?.into_iter().next();
        Ok(())
    })?;
    if let Some(path) = &case.args.output {
        let y = last.ok_or_else(|| anyhow!("the network gave no output"))?;
        npy::write(path, &y.shape, &y.data)?;
    }
    Ok(times)
}

fn train(case: &Case<'_>) -> Result<Vec<f64>> {
    let (graph, params) = network(case)?;
    // Adam as PyTorch's defaults have it: no decay.
    let adam = OptimizerConfig::AdamW {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.0,
    };
    let mut optimizer = Optimizer::new(adam, &params);
    let mut engine = CpuEngine::new(graph, params)?;
    let x = input(case)?;
    let given = case
        .args
        .target
        .as_ref()
        .map(|path| npy::read(path))
        .transpose()?;
    let (mut losses, mut seed) = (Vec::new(), 0);
    let times = timed(case.args.repeats, || {
        seed += 1;
        let logits = engine
            .forward_train(&x, seed)?
            .into_iter()
            .next()
            .ok_or_else(|| anyhow!("the network gave no output"))?;
        let target = target(&logits, given.as_ref())?;
        let loss = bce_with_logits(&logits.data, &target, None);
        losses.push(loss.value as f32);
        let gradients = engine.backward(&[Tensor {
            shape: logits.shape,
            data: loss.grad,
        }])?;
        engine.update(&mut |infos, params| optimizer.update(infos, params, &gradients, RATE))?;
        Ok(())
    })?;
    if let Some(path) = &case.args.output {
        npy::write(path, &[losses.len()], &losses)?;
    }
    Ok(times)
}

/// The targets given, or one in five positive.
fn target(logits: &Tensor, given: Option<&Tensor>) -> Result<Vec<f32>> {
    match given {
        None => Ok((0..logits.data.len())
            .map(|i| if i % 5 == 0 { 1.0 } else { 0.0 })
            .collect()),
        Some(t) if t.data.len() == logits.data.len() => Ok(t.data.clone()),
        Some(t) => bail!(Usage(format!(
            "the target's shape {:?} does not fit the output's {:?}",
            t.shape, logits.shape
        ))),
    }
}

/// Peak resident memory of this process; null where the system does not tell.
fn peak_mb() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<f64>()
        .ok()
        .map(|kb| kb / 1024.0)
}
