//! DICOMweb on a port of its own.

use crate::account::Remote;
use crate::listener::{WebLimits, WebListener};
use crate::routes::router;
use crate::state::WebState;
use axum::Router;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;

/// A server at work.
pub struct Server {
    address: SocketAddr,
    secure: bool,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Server {
    /// Binds `address` and serves the services under `/dicom-web`, over TLS where the configuration says so.
    ///
    /// # Errors
    /// An address that cannot be bound; certificates or keys that cannot be used.
    pub async fn start(address: SocketAddr, state: WebState) -> io::Result<Self> {
        let listener = WebListener::bind(address, &state.http, WebLimits::default()).await?;
        let (address, secure) = (listener.address(), listener.is_secure());
        let (stop, mut stopped) = watch::channel(false);
        let app = Router::new().nest("/dicom-web", router(state));
        let service = app.into_make_service_with_connect_info::<Remote>();
        let served = axum::serve(listener, service).with_graceful_shutdown(async move {
            // An error means that the server was dropped.
            let _ = stopped.changed().await;
        });
        let task = tokio::spawn(async move { served.await });
        Ok(Server {
            address,
            secure,
            stop,
            task,
        })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stands before `/studies` in the addresses of its services.
    pub fn base(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}/dicom-web", self.address)
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
