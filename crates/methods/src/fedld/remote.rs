//! Clients in other processes, over `hilum_federation`.

use super::cases::Training;
use super::setting::{Setting, Setup, Welcome};
use super::state::{SLACK, WHOLE, pack, unpack};
use super::transport::{Take, Transport};
use crate::blocks::partition::Deal;
use crate::context::{ClientsAt, Context, Federation};
use crate::error::{MethodError, Result};
use hilum_federation::{Bytes, Call, Clients, Limits, Program, Round};
use hilum_kernels::{Graph, Params};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long a client may take until it is there.
const CONNECT: Duration = Duration::from_secs(60);

/// The clients of a study, kept from arm to arm.
pub struct Remotes {
    most: usize,
    clients: Option<Clients>,
}

impl Remotes {
    /// For studies of at most so many clients.
    pub fn new(most: usize) -> Self {
        Remotes {
            most,
            clients: None,
        }
    }

    /// The clients of one arm: all are told who they are, and asked what they hold.
    ///
    /// # Errors
    /// A client that is not there, refuses, or holds other cases than `dealt` says.
    pub fn clients<'p>(
        &'p mut self,
        ctx: &Context<'p>,
        setting: &Setting,
        training: &Training,
        dealt: &Deal,
    ) -> Result<Box<dyn Transport + 'p>> {
        let clients = match self.clients.take() {
            Some(open) => open,
            None => open(&ctx.federation, self.most, ctx.stop)?,
        };
        let clients = self.clients.insert(clients);
        let setups = (0..dealt.len())
            .map(|k| Setup::new(ctx.tiny, k, setting).to_bytes())
            .collect::<Result<_>>()?;
        let names: Vec<String> = (0..dealt.len())
            .map(|k| clients.name(k).to_owned())
            .collect();
        clients.begin(setups, ctx.stop, &mut |k, answer| {
            let expected = Welcome {
                cases: dealt[k].len(),
                hash: training.hash(&dealt[k]),
            };
            expected
                .check(&answer)
                .map_err(|source| MethodError::Client {
                    client: names[k].clone(),
                    source: Box::new(source),
                })
        })?;
        let graph = setting.graph();
        let whole = pack(&graph, &graph.init_params(0), WHOLE)?;
        Ok(Box::new(Between {
            clients,
            sizes: dealt.iter().map(Vec::len).collect(),
            names,
            longest: whole.len() + SLACK,
            graph,
            stop: ctx.stop,
        }))
    }
}

fn open(federation: &Federation, most: usize, stop: &AtomicBool) -> Result<Clients> {
    let limits = Limits {
        connect: CONNECT.min(federation.patience),
        answer: federation.patience,
    };
    match &federation.clients {
        ClientsAt::InProcess => Err(MethodError::Config(
            "clients of this process need no connection".to_owned(),
        )),
        ClientsAt::Processes { program, arguments } => {
            let program = Program {
                path: program.clone(),
                arguments: arguments.clone(),
                environment: threads(most),
            };
            Ok(Clients::start(&program, most, limits, stop)?)
        }
        ClientsAt::Addresses(all) => {
            let secret = federation.secret.as_deref();
            Ok(Clients::connect(
                &all[..most.min(all.len())],
                secret,
                limits,
                stop,
            )?)
        }
    }
}

/// Processes that train side by side share the cores, unless the user has said how many threads there are to be.
fn threads(clients: usize) -> Vec<(String, String)> {
    const NAME: &str = "RAYON_NUM_THREADS";
    if std::env::var_os(NAME).is_some() {
        return Vec::new();
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let each = (cores / clients.max(1)).max(1);
    vec![(NAME.to_owned(), each.to_string())]
}

/// The clients of one arm.
struct Between<'p> {
    clients: &'p mut Clients,
    sizes: Vec<usize>,
    names: Vec<String>,
    graph: Graph,
    /// Bytes of the longest answer.
    longest: usize,
    stop: &'p AtomicBool,
}

impl Between<'_> {
    fn round(&self, call: Call, longest: usize, at_once: usize) -> Round {
        Round {
            call,
            clients: self.sizes.len(),
            longest,
            at_once,
        }
    }
}

impl Transport for Between<'_> {
    fn count(&self) -> usize {
        self.sizes.len()
    }

    fn size(&self, client: usize) -> usize {
        self.sizes[client]
    }

    fn name(&self, client: usize) -> String {
        self.names[client].clone()
    }

    fn ask(&mut self, message: Vec<u8>, at_once: usize, take: Take<'_>) -> Result<()> {
        let round = self.round(Call::Answer, message.len() + SLACK, at_once);
        self.clients
            .ask(round, Bytes::from(message), self.stop, &mut |k, answer| {
                take(k, &answer)
            })
    }

    fn alone(&mut self) -> Result<()> {
        let round = self.round(Call::Alone, 0, self.count());
        self.clients
            .ask(round, Bytes::new(), self.stop, &mut |_, _| {
                Ok::<(), MethodError>(())
            })
    }

    fn model(&mut self, client: usize) -> Result<Params> {
        let answer = self
            .clients
            .ask_one(client, Call::Model, self.longest, self.stop)?;
        let blank = vec![Vec::new(); self.graph.params.len()];
        unpack(&self.graph, &blank, &answer, WHOLE).map_err(|source| MethodError::Client {
            client: self.names[client].clone(),
            source: Box::new(source),
        })
    }
}
