//! The only file that spawns: tasks and threads that end with their owner.

use std::future::Future;
use std::io;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Tasks that are stopped when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Tasks(JoinSet<()>);

impl Tasks {
    /// Starts a task, and forgets those that have ended.
    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.0.try_join_next().is_some() {}
        self.0.spawn(task);
    }

    /// Stops all tasks and waits until they are gone.
    pub(crate) async fn shutdown(mut self) {
        self.0.shutdown().await;
    }
}

/// A thread's end, to be waited for.
#[derive(Debug)]
pub(crate) struct Ended(oneshot::Receiver<()>);

impl Ended {
    /// Waits until the thread has ended, also by a panic.
    pub(crate) async fn wait(self) {
        self.0.await.unwrap_or_default();
    }
}

/// Starts a named thread.
pub(crate) fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<Ended> {
    let (ended, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _ended = ended;
            body();
        })?;
    Ok(Ended(receiver))
}
