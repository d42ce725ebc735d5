//! The only file of the gateway that starts threads and tasks.
//!
//! Each has a name. A part that ends before it was asked to is told, and the gateway stops: half a gateway is worse than one that is started again.

use std::future::Future;
use std::io;
use std::thread::{Builder, JoinHandle};

use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A thread that blocks.
pub(crate) fn thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(work)
}

/// A thread with a runtime of its own, on which one future runs.
pub(crate) fn thread_for<F: Future<Output = ()>>(
    name: &str,
    make: impl FnOnce() -> F + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread(name, move || runtime.block_on(make()))
}

/// Tasks of this runtime; they end with this.
#[derive(Debug)]
pub(crate) struct Tasks {
    set: JoinSet<()>,
    ended: mpsc::Sender<&'static str>,
}

impl Tasks {
    /// `ended` is told the name of each that ends.
    pub(crate) fn new(ended: mpsc::Sender<&'static str>) -> Self {
        Self {
            set: JoinSet::new(),
            ended,
        }
    }

    /// For a thread: it tells its name when it goes, also by a panic.
    pub(crate) fn ending(&self, name: &'static str) -> Ending {
        let ended = self.ended.clone();
        Ending { name, ended }
    }

    /// Starts one.
    pub(crate) fn start(
        &mut self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let ending = self.ending(name);
        self.set.spawn(async move {
            let _ending = ending;
            work.await;
        });
    }
}

/// Tells that a part ended when it goes.
#[derive(Debug)]
pub(crate) struct Ending {
    name: &'static str,
    ended: mpsc::Sender<&'static str>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // Nobody listens at the end of everything.
        let _nobody = self.ended.try_send(self.name);
    }
}
