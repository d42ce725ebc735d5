//! The only file of the node on Linux that starts threads: one for the node, one for each bus.
//!
//! A bus has a thread of its own, since the gap between two frames of a serial line is shorter than a runtime's timer can keep.

use std::io;
use std::thread::JoinHandle;

use node::{Counters, Node, Store};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use crate::clock::Clock;
use crate::line::Line;
use crate::runtime::{BusPort, Uplink, run, serve_bus};

/// A node at work. It stops when this goes.
#[derive(Debug)]
pub struct Running {
    counters: watch::Receiver<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// How far the node has come.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *self.counters.borrow()
    }

    /// Has the node close its last pack and say offline, waits until it is gone, and says how far it came.
    ///
    /// Blocks for as long as the longest request under way takes.
    pub fn stop(mut self) -> Counters {
        self.end();
        self.counters()
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The node may have ended by itself.
            if stop.send(()).is_err() {
                error!("the node had already ended");
            }
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the node's thread panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a node on its buses.
///
/// # Errors
/// The system has no thread or no runtime to give.
pub fn start<S>(node: Node<S>, clock: Clock, uplink: Uplink) -> io::Result<Running>
where
    S: Store + Send + 'static,
{
    let (done, done_out) = mpsc::channel(64);
    let mut ports = Vec::new();
    let mut threads = Vec::new();
    for index in 0..node.n_buses() {
        let Some(bus) = node.bus(index) else { continue };
        let line = Line::new(bus.link.clone(), clock);
        let (jobs, jobs_out) = mpsc::channel(1);
        ports.push(BusPort { jobs, busy: false });
        let done = done.clone();
        threads.push(spawn(format!("bus {}", bus.name), move || {
            serve_bus(index, line, jobs_out, done)
        })?);
    }
    let (stop, stop_out) = oneshot::channel();
    let (counters_in, counters) = watch::channel(node.counters());
    let thread = spawn("node".to_owned(), move || async move {
        run(node, clock, ports, done_out, uplink, counters_in, stop_out).await;
        for thread in threads {
            if thread.join().is_err() {
                error!("the thread of a bus panicked");
            }
        }
    })?;
    Ok(Running {
        counters,
        stop: Some(stop),
        thread: Some(thread),
    })
}

/// A thread with a runtime of its own.
fn spawn<F, W>(name: String, work: W) -> io::Result<JoinHandle<()>>
where
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name(name)
        .spawn(move || runtime.block_on(work()))
}
