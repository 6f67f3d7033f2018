//! Times inference and training steps of the crate alone:
//!
//! ```text
//! engine <net> <infer|step> <batch> [repeats]   one line: median and best time, images a second, processor time, peak memory
//! ```
#![allow(missing_docs)]

mod nets;

use std::time::Instant;

use hilum_kernels::{Graph, Mode, Params, Plan, Tensor, Trainer, Wanted};

const USAGE: &str = "engine <resnet18|densenet121|unet|small> <infer|step> <batch> [repeats]";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let batch = args.get(2).and_then(|b| b.parse().ok());
    let net = args.first().and_then(|name| nets::by_name(name));
    let (Some((graph, [c, h, w])), Some(task), Some(batch)) = (net, args.get(1), batch) else {
        eprintln!("{USAGE}");
        std::process::exit(2);
    };
    let repeats = args.get(3).and_then(|r| r.parse().ok()).unwrap_or(10);
    let params = graph.init_params(1);
    let len: usize = batch * c * h * w;
    let x = Tensor {
        shape: vec![batch, c, h, w],
        data: (0..len)
            .map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0)
            .collect(),
    };
    let times = match task.as_str() {
        "infer" => infer(&graph, &params, &x, repeats),
        _ => step(graph, params, &x, repeats),
    };
    report(&args[0], task, batch, times);
}

fn report(name: &str, task: &str, batch: usize, mut times: Vec<f64>) {
    let cpu = (cpu_ms() - BEFORE.get().copied().unwrap_or(0.0)) / times.len() as f64;
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    println!(
        "{name} {task} batch {batch}: median {median:.1} ms, best {:.1} ms, {:.1} images/s, processor {cpu:.1} ms, peak {} MB",
        times[0],
        batch as f64 * 1e3 / median,
        peak_mb()
    );
}

fn infer(graph: &Graph, params: &Params, x: &Tensor, repeats: usize) -> Vec<f64> {
    let plan = Plan::new(graph, params).unwrap_or_else(|error| fail(&error));
    let run = || plan.run(x).map_or_else(|error| fail(&error), |_| ());
    run();
    time(repeats, run)
}

fn step(graph: Graph, mut params: Params, x: &Tensor, repeats: usize) -> Vec<f64> {
    let mut trainer = Trainer::new(graph).unwrap_or_else(|error| fail(&error));
    let mut run = || train(&mut trainer, &mut params, x);
    run();
    time(repeats, run)
}

/// Forward, backward of half the sum of squares of the outputs, and a plain descent step.
fn train(trainer: &mut Trainer, params: &mut Params, x: &Tensor) {
    let outputs = trainer
        .forward(params, x, Mode::Train { seed: 1 })
        .unwrap_or_else(|error| fail(&error));
    let grads = trainer
        .backward(params, &outputs, Wanted::params())
        .unwrap_or_else(|error| fail(&error));
    for (param, grad) in params.iter_mut().zip(&grads.params) {
        if let Some(grad) = grad {
            param.iter_mut().zip(grad).for_each(|(p, g)| *p -= 1e-6 * g);
        }
    }
}

/// Processor time at the start of the timed part, in milliseconds.
static BEFORE: std::sync::OnceLock<f64> = std::sync::OnceLock::new();

/// Processor time of all threads so far; on a machine shared with other work it says more than the clock.
fn cpu_ms() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let times =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    times
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e6
}

fn time(repeats: usize, mut run: impl FnMut()) -> Vec<f64> {
    BEFORE.get_or_init(cpu_ms);
    (0..repeats)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect()
}

fn fail<T>(error: &hilum_kernels::KernelError) -> T {
    eprintln!("{error}");
    std::process::exit(1)
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kb| kb.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
