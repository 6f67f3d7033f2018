//! What the server of a federation really holds, counted at the allocator, beside what it says.

#![allow(clippy::unwrap_used)]

use hilum_kernels::{Graph, Params};
use hilum_methods::Result;
use hilum_methods::fedld::config::{Config, TaskName};
use hilum_methods::fedld::memory::{Load, Memory};
use hilum_methods::fedld::server::Server;
use hilum_methods::fedld::state::pack;
use hilum_methods::fedld::transport::{Take, Transport};
use hilum_methods::fedld::{Algorithm, Merge};
use hilum_nn::backbones::{Backbone, ResNetConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, counting.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        MOST.fetch_max(now, Ordering::SeqCst);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: the caller keeps the contract of `dealloc`, which is the same.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Clients that all send the same few answers by turns, without holding more.
struct Parrots {
    count: usize,
    answers: Vec<Vec<u8>>,
}

impl Transport for Parrots {
    fn count(&self) -> usize {
        self.count
    }

    fn size(&self, client: usize) -> usize {
        10 + client
    }

    fn at_once(&self, _: usize) -> usize {
        1
    }

    fn ask(&mut self, _: Vec<u8>, _: usize, take: Take<'_>) -> Result<()> {
        for k in 0..self.count {
            take(k, &self.answers[k % self.answers.len()])?;
        }
        Ok(())
    }

    fn alone(&mut self) -> Result<()> {
        Ok(())
    }

    fn model(&mut self, _: usize) -> Result<Params> {
        Ok(Params::new())
    }
}

fn graph() -> Graph {
    let config = Config {
        backbone: Backbone::ResNet(ResNetConfig::basic(&[1, 1, 1], 24)),
        ..Config::default()
    };
    config.network(TaskName::Nih).graph()
}

/// Bytes of parameters.
fn state(graph: &Graph) -> usize {
    4 * graph.init_params(0).iter().map(Vec::len).sum::<usize>()
}

/// Bytes that a server of `count` clients allocated at most over two rounds, what it says that it held, and a message's length.
fn peak(algorithm: Algorithm, count: usize) -> (usize, u64, usize) {
    let graph = graph();
    let pack = |seed| pack(&graph, &graph.init_params(seed), algorithm).unwrap();
    let mut clients = Parrots {
        count,
        answers: (1..4).map(pack).collect(),
    };
    let memory = Memory { limit: 1 << 30 };
    let before = NOW.load(Ordering::SeqCst);
    MOST.store(before, Ordering::SeqCst);
    let mut server = Server::new(&graph, graph.init_params(0), (algorithm, 0.8), memory);
    server.round(&mut clients).unwrap();
    server.round(&mut clients).unwrap();
    let most = MOST.load(Ordering::SeqCst) - before;
    (most, server.held, clients.answers[0].len())
}

// One test alone in this file: another one's allocations would be counted too.
#[test]
fn the_server_holds_no_more_than_it_says_and_a_running_sum_no_more_for_more_clients() {
    let state = state(&graph());
    assert!(state > 500_000, "{state} bytes drown in small things");
    // The graph, names and headers.
    let small = state / 8;
    let (few, said, message) = peak(Algorithm::FedAvg, 3);
    let (many, _, _) = peak(Algorithm::FedAvg, 40);
    eprintln!("a running sum: {few} bytes for 3 clients, {many} for 40; a state is {state}");
    assert!(few <= said as usize + small, "{few} where {said} are said");
    assert!(
        many.abs_diff(few) < small,
        "{many} for 40 clients, {few} for 3"
    );

    for algorithm in [Algorithm::FedLd, Algorithm::FedGh] {
        for count in [3, 9] {
            let (most, _, _) = peak(algorithm, count);
            let load = Load {
                merge: Merge::Principal,
                clients: count,
                state,
                message,
            };
            let said = load.needed(1) as usize;
            eprintln!("{}: {most} bytes for {count} clients", algorithm.name());
            assert!(most <= said + small, "{most} where {said} are said");
            assert!(most >= count * state, "all updates are held");
        }
    }
}
