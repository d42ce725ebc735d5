//! How the broker is reached: the one that the configuration names, or one in this process.

use std::net::SocketAddr;

use host::mqtt::Options;

use super::StartError;
use crate::broker::{Broker, Stopper};
use crate::config::{self, Config};
use crate::event::Event;
use crate::supervise::Tasks;

/// How the broker is reached.
pub(super) struct Reach {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) remote: Option<config::Remote>,
    /// What client ids begin with: several gateways may share a broker.
    pub(super) prefix: String,
}

pub(super) async fn reach(
    config: &Config,
    tasks: &mut Tasks,
) -> Result<(Option<(SocketAddr, Stopper)>, Reach), StartError> {
    let site = &config.site;
    let prefix = format!("{}.{}.{}", site.park, site.enterprise, site.gateway);
    match &config.broker {
        config::Broker::Remote(remote) => {
            let reach = Reach {
                host: remote.host.clone(),
                port: remote.port,
                remote: Some(remote.clone()),
                prefix,
            };
            Ok((None, reach))
        }
        config::Broker::Embedded { listen } => {
            let broker = Broker::bind(*listen).await?;
            let (address, stopper) = (broker.local_addr(), broker.stopper());
            tasks.start("broker", async move {
                if let Err(error) = broker.run().await {
                    let why = error.to_string();
                    Event::Ended {
                        part: "broker",
                        why,
                    }
                    .tell();
                }
            });
            let reach = Reach {
                host: address.ip().to_string(),
                port: address.port(),
                remote: None,
                prefix,
            };
            Ok((Some((address, stopper)), reach))
        }
    }
}

impl Reach {
    pub(super) fn client_id(&self, session: &str) -> String {
        format!("{}.{session}", self.prefix)
    }

    pub(super) fn options(&self, session: &str) -> Result<Options, StartError> {
        let mut options = Options::new(&self.host, self.port, self.client_id(session));
        if let Some(remote) = &self.remote {
            options.login.clone_from(&remote.login);
            options.tls = remote.tls.as_ref().map(|tls| tls.load()).transpose()?;
        }
        Ok(options)
    }
}
