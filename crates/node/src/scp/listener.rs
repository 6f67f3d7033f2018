//! Accepts connections and gives each a thread of its own, up to a limit.

use crate::audit::{self, Audit};
use crate::auto::Rules;
use crate::config::{Config, seconds};
use crate::error::{NodeError, Result};
use crate::message::Budget;
use crate::scp::association::{self, Open, Shared, Totals};
use crate::tls;
use hilum_store::Store;
use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::warn;

/// A bound port.
pub struct Listener {
    shared: Arc<Shared>,
    tcp: TcpListener,
    address: SocketAddr,
}

/// Connections beyond the limit that are still told so; more are closed at once.
const BEYOND: usize = 16;

impl Listener {
    /// Binds the port of the configuration.
    ///
    /// # Errors
    /// [`NodeError::Connect`] with the address when it cannot be bound, [`NodeError::Tls`].
    pub async fn bind(config: &Config, store: Store, audit: Audit) -> Result<Self> {
        let wanted = SocketAddr::new(config.node.bind, config.node.port);
        let fail = |source| NodeError::Connect {
            address: wanted.to_string(),
            source,
        };
        let tls = config.node.tls.as_ref().map(tls::server).transpose()?;
        let tcp = TcpListener::bind(wanted).await.map_err(fail)?;
        let address = tcp.local_addr().map_err(fail)?;
        let shared = Arc::new(Shared {
            rules: Rules::new(config),
            store,
            runtime: tokio::runtime::Handle::current(),
            audit,
            budget: Budget::new(config.node.memory_mb.saturating_mul(1 << 20)),
            tls,
            open: AtomicUsize::new(0),
            totals: Mutex::new(Totals::default()),
            config: config.clone(),
        });
        Ok(Listener {
            shared,
            tcp,
            address,
        })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to accept. Call within the runtime that the listener was bound in.
    pub fn start(self) -> Running {
        let (stop, stopped) = watch::channel(false);
        let sockets = Arc::new(Sockets::default());
        let shared = Arc::clone(&self.shared);
        shared.audit.write(&audit::started(&shared.config.node.aet));
        let task = tokio::spawn(accept(
            self.tcp,
            Arc::clone(&shared),
            Arc::clone(&sockets),
            stopped,
        ));
        Running {
            shared,
            sockets,
            stop,
            task,
        }
    }
}

/// A listener at work.
pub struct Running {
    shared: Arc<Shared>,
    sockets: Arc<Sockets>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// Connections under way, to be closed when the time is up.
#[derive(Default)]
struct Sockets {
    open: Mutex<BTreeMap<u64, TcpStream>>,
}

impl Sockets {
    fn with<T>(&self, what: impl FnOnce(&mut BTreeMap<u64, TcpStream>) -> T) -> T {
        what(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Running {
    /// What was done so far.
    pub fn totals(&self) -> Totals {
        let totals = self.shared.totals.lock();
        totals.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Accepts no more, gives what is under way the time of the configuration, and ends the rest.
    pub async fn stop(self) -> Totals {
        let _ = self.stop.send(true);
        let _ = self.task.await;
        let until = Instant::now() + seconds(self.shared.config.node.grace_s);
        while self.shared.open.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.sockets.with(|open| {
            for socket in open.values() {
                let _ = socket.shutdown(Shutdown::Both);
            }
        });
        let last = Instant::now() + Duration::from_secs(5);
        while self.shared.open.load(Ordering::SeqCst) > 0 && Instant::now() < last {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.shared
            .audit
            .write(&audit::stopped(&self.shared.config.node.aet));
        let totals = self.shared.totals.lock();
        totals.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(
    tcp: TcpListener,
    shared: Arc<Shared>,
    sockets: Arc<Sockets>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut number = 0u64;
    loop {
        let accepted = tokio::select! {
            accepted = tcp.accept() => accepted,
            _ = stopped.changed() => return,
        };
        match accepted {
            Ok((socket, from)) => {
                number += 1;
                if let Err(error) = start(&shared, &sockets, socket, from, number) {
                    warn!(%error, "connection not served");
                }
            }
            Err(error) => {
                // Too many open files, for one: wait for some to close.
                warn!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn start(
    shared: &Arc<Shared>,
    sockets: &Arc<Sockets>,
    socket: tokio::net::TcpStream,
    from: SocketAddr,
    number: u64,
) -> std::io::Result<()> {
    let most = shared.config.node.max_associations;
    let before = shared.open.fetch_add(1, Ordering::SeqCst);
    let open = Open(Arc::clone(shared));
    if before >= most + BEYOND {
        return Ok(());
    }
    let tcp = socket.into_std()?;
    tcp.set_nonblocking(false)?;
    let kept = tcp.try_clone()?;
    sockets.with(|open| open.insert(number, kept));
    let list = Arc::clone(sockets);
    let spawned = std::thread::Builder::new()
        .name(format!("association-{number}"))
        .spawn(move || {
            association::serve(&open.0, tcp, from.ip(), before < most);
            list.with(|open| open.remove(&number));
        });
    if spawned.is_err() {
        sockets.with(|open| open.remove(&number));
    }
    spawned.map(|_| ())
}
