//! A bus that is being played: where it is, and the hand that changes it while it runs.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::fault::{Fault, FaultWindow};
use crate::frame::{Framing, Request};
use crate::scenario::{Scenario, Space};
use crate::slave::{Play, Reply};
use crate::supervise::{Ended, Tasks};
use crate::{clock, rtu, tcp};

/// Starts buses.
#[derive(Debug)]
pub struct Bus;

/// A bus over TCP; it stops when this is dropped.
#[derive(Debug)]
pub struct TcpBus {
    local_addr: SocketAddr,
    control: Control,
    tasks: Tasks,
}

/// A bus on a serial line; it stops when this is dropped.
#[derive(Debug)]
pub struct RtuBus {
    path: PathBuf,
    /// A link of a stable name, for an adapter that is replugged.
    link: Option<PathBuf>,
    control: Control,
    baud: u32,
    plugged: Option<(rtu::Line, Ended)>,
}

/// Changes a bus while it runs; all clones are the same bus.
#[derive(Clone, Debug)]
pub struct Control {
    start: Instant,
    play: Arc<Mutex<Play>>,
    heard: watch::Sender<u64>,
}

impl Bus {
    /// Plays a scenario over Modbus TCP on a free port of 127.0.0.1, from now on.
    ///
    /// # Errors
    /// The port could not be opened.
    pub async fn start_tcp(scenario: Scenario) -> io::Result<TcpBus> {
        let control = Control::new(scenario);
        let mut tasks = Tasks::default();
        let local_addr = tcp::start(control.clone(), &mut tasks).await?;
        Ok(TcpBus {
            local_addr,
            control,
            tasks,
        })
    }

    /// Plays a scenario over Modbus RTU on a pseudo-terminal of its own, from now on.
    ///
    /// Replies take the time that `baud` with 11 bits a character gives them, 300 to 1,000,000.
    /// The pace is that of the pretended wire, whatever speed the client sets on the terminal.
    ///
    /// # Errors
    /// No pseudo-terminal or thread could be had.
    pub fn start_rtu(scenario: Scenario, baud: u32) -> io::Result<RtuBus> {
        RtuBus::start(scenario, baud, None)
    }

    /// As [`Bus::start_rtu`], found by a link of a stable name as `/dev/serial/by-id` has them.
    ///
    /// # Errors
    /// No pseudo-terminal or thread could be had, or `link` is taken.
    pub fn start_rtu_at(scenario: Scenario, baud: u32, link: &Path) -> io::Result<RtuBus> {
        RtuBus::start(scenario, baud, Some(link.to_owned()))
    }
}

impl TcpBus {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The hand on it.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Closes all connections and the port.
    pub async fn shutdown(self) {
        self.tasks.shutdown().await;
    }
}

impl RtuBus {
    fn start(scenario: Scenario, baud: u32, link: Option<PathBuf>) -> io::Result<Self> {
        let mut bus = Self {
            path: PathBuf::new(),
            link,
            control: Control::new(scenario),
            baud,
            plugged: None,
        };
        bus.plug()?;
        Ok(bus)
    }

    /// What a client opens: the link where there is one, else the terminal.
    pub fn path(&self) -> &Path {
        self.link.as_ref().unwrap_or(&self.path)
    }

    /// Pulls the adapter out: the terminal and its link are gone, and who has it open reads an error.
    ///
    /// # Errors
    /// The link could not be removed.
    pub async fn unplug(&mut self) -> io::Result<()> {
        if let Some((line, ended)) = self.plugged.take() {
            drop(line);
            ended.wait().await;
            if let Some(link) = &self.link {
                std::fs::remove_file(link)?;
            }
        }
        Ok(())
    }

    /// Puts the adapter back: another terminal, the same link. Nothing happens when it is there.
    ///
    /// # Errors
    /// No pseudo-terminal or thread could be had, or the link's name is taken.
    pub fn plug(&mut self) -> io::Result<()> {
        if self.plugged.is_some() {
            return Ok(());
        }
        let (path, line, ended) = rtu::start(self.control.clone(), self.baud)?;
        if let Some(link) = &self.link {
            std::os::unix::fs::symlink(&path, link)?;
        }
        self.path = path;
        self.plugged = Some((line, ended));
        Ok(())
    }

    /// The hand on it.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Takes the terminal away.
    pub async fn shutdown(mut self) {
        if let Err(error) = self.unplug().await {
            tracing::warn!(%error, "the link stays");
        }
    }
}

impl Control {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self {
            start: clock::now(),
            play: Arc::new(Mutex::new(Play::new(scenario))),
            heard: watch::Sender::new(0),
        }
    }

    /// Milliseconds since the scenario began.
    pub fn elapsed_ms(&self) -> u64 {
        clock::elapsed_ms(self.start)
    }

    /// Shows these words from `address` on instead of what the script says; 0 or 1 for bits.
    ///
    /// False when the slave or one of the addresses is not in the scenario; then nothing is changed.
    pub fn set(&self, unit: u8, space: Space, address: u16, words: &[u16]) -> bool {
        self.play().set(unit, space, address, words)
    }

    /// Goes back to the script for all registers of a slave.
    pub fn release(&self, unit: u8) {
        self.play().release(unit);
    }

    /// A slave misbehaves from now on, until [`Control::mend`].
    pub fn fault(&self, unit: u8, fault: Fault) {
        let window = FaultWindow::from(fault, self.elapsed_ms());
        self.play().fault(Some(unit), window);
    }

    /// A slave spoils its next `count` replies.
    pub fn fault_next(&self, unit: u8, fault: Fault, count: u64) {
        let mut window = FaultWindow::from(fault, self.elapsed_ms());
        window.limit = Some(count);
        self.play().fault(Some(unit), window);
    }

    /// Takes away what [`Control::fault`] and [`Control::fault_next`] did to a slave.
    pub fn mend(&self, unit: u8) {
        self.play().mend(Some(unit));
    }

    /// The whole bus misbehaves from now on, until [`Control::mend_bus`].
    pub fn fault_bus(&self, fault: Fault) {
        let window = FaultWindow::from(fault, self.elapsed_ms());
        self.play().fault(None, window);
    }

    /// Takes away what [`Control::fault_bus`] did.
    pub fn mend_bus(&self) {
        self.play().mend(None);
    }

    /// Requests that a unit has heard since the start.
    pub fn heard_by(&self, unit: u8) -> u64 {
        self.play().heard_by(unit)
    }

    /// Waits until the bus has heard `count` requests since the start, whoever was asked.
    ///
    /// Cancel safe.
    pub async fn heard(&self, count: u64) {
        let mut heard = self.heard.subscribe();
        // The sender lives in `self`, so that the wait can't fail.
        let waited = heard.wait_for(|heard| *heard >= count).await;
        debug_assert!(waited.is_ok());
    }

    pub(crate) fn handle_request(&self, framing: Framing, request: Request<'_>) -> Option<Reply> {
        let at_ms = self.elapsed_ms();
        let (reply, heard) = {
            let mut play = self.play();
            let reply = play.handle_request(framing, request, at_ms);
            (reply, play.heard())
        };
        self.heard.send_replace(heard);
        reply
    }

    fn play(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
