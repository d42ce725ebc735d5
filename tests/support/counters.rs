//! Modbus TCP slaves that count their reads: what a register holds is a function of how often its slave was read, so that every reading can be told from every other.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a register holds, by its slave's unit id, its address, and which read of the slave this is, from 1.
pub type Registers = dyn Fn(u8, u16, u32) -> u16 + Send + Sync;

/// Running slaves, one for each unit id that is asked for; they end with the value.
pub struct Counters {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    registers: Box<Registers>,
    /// By unit id: when each read was answered, in milliseconds since 1970.
    answered: Mutex<BTreeMap<u8, Vec<i64>>>,
    changed: Condvar,
    over: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u8, Vec<i64>>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counters")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Counters {
    /// Starts slaves whose registers are `registers`.
    pub fn start(registers: impl Fn(u8, u16, u32) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Shared {
            registers: Box::new(registers),
            answered: Mutex::default(),
            changed: Condvar::new(),
            over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        start(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.over.load(Ordering::Relaxed) {
                    return;
                }
                let serving = Arc::clone(&serving);
                // It ends when the master hangs up.
                start(move || while answer(&stream, &serving).is_some() {});
            }
        });
        Self { port, shared }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// When each read of a slave was answered, in milliseconds since 1970.
    pub fn answered(&self, unit: u8) -> Vec<i64> {
        self.shared.lock().get(&unit).cloned().unwrap_or_default()
    }

    /// Waits until a slave has answered so many reads.
    pub fn wait_for(&self, unit: u8, reads: usize) {
        let is_short = |answered: &mut BTreeMap<u8, Vec<i64>>| {
            answered.get(&unit).is_none_or(|read| read.len() < reads)
        };
        let limit = Duration::from_secs(120);
        let (answered, timeout) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), limit, is_short)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            !timeout.timed_out(),
            "slave {unit} was read {} times, not {reads}",
            answered.get(&unit).map_or(0, Vec::len)
        );
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the listener up; a port that is closed already needs no waking.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a slave of a test serves on threads of its own"
)]
fn start(work: impl FnOnce() + Send + 'static) {
    std::thread::spawn(work);
}

#[allow(
    clippy::disallowed_methods,
    reason = "a slave says when it was read, beside the clocks under test"
)]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_or(0, |since| since.as_millis());
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// Answers one request for holding registers; none when the master has gone or asks for anything else.
fn answer(mut stream: &TcpStream, shared: &Shared) -> Option<()> {
    // Transaction (2), protocol (2), length (2), unit, function, address (2), count (2).
    let mut request = [0; 12];
    stream.read_exact(&mut request).ok()?;
    let [t0, t1, 0, 0, 0, 6, unit, 3, a0, a1, c0, c1] = request else {
        return None;
    };
    let (first, count) = (u16::from_be_bytes([a0, a1]), u16::from_be_bytes([c0, c1]));
    let read = {
        let mut answered = shared.lock();
        let read = answered.entry(unit).or_default();
        read.push(now_ms());
        u32::try_from(read.len()).ok()?
    };
    let bytes = u8::try_from(2 * count).ok()?;
    let mut reply = vec![t0, t1, 0, 0, 0, bytes + 3, unit, 3, bytes];
    for register in first..first + count {
        reply.extend((shared.registers)(unit, register, read).to_be_bytes());
    }
    stream.write_all(&reply).ok()?;
    shared.changed.notify_all();
    Some(())
}
