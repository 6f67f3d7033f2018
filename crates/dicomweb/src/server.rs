//! DICOMweb on a port of its own.

use crate::routes::router;
use crate::state::WebState;
use axum::Router;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A server at work.
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Server {
    /// Binds `address` and serves the services under `/dicom-web`.
    ///
    /// # Errors
    /// An address that cannot be bound.
    pub async fn start(address: SocketAddr, state: WebState) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        let address = tcp.local_addr()?;
        let (stop, mut stopped) = watch::channel(false);
        let app = Router::new().nest("/dicom-web", router(state));
        let served = axum::serve(tcp, app).with_graceful_shutdown(async move {
            // An error means that the server was dropped.
            let _ = stopped.changed().await;
        });
        let task = tokio::spawn(async move { served.await });
        Ok(Server {
            address,
            stop,
            task,
        })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more and gives what is under way ten seconds.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let abort = self.task.abort_handle();
        if tokio::time::timeout(Duration::from_secs(10), self.task)
            .await
            .is_err()
        {
            abort.abort();
        }
    }
}
