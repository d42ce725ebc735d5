//! The shell for Modbus RTU: a pseudo-terminal that is paced like a serial line.
//!
//! A thread of its own, because tokio's timer is too coarse for the silences of a fast line.
//! The client's end is kept open here, so that a client may close and open it as it likes.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::bus::Control;
use crate::clock;
use crate::frame::{Framing, Parsed, parse_request};
use crate::supervise::{self, Ended};

/// A request that is not whole after this long is dropped. A wire would allow 3.5 characters; a busy machine needs more.
const SILENCE: Duration = Duration::from_millis(20);
/// A UART hands over what it has after at most this many characters.
const FIFO: usize = 16;

/// Holds the line up; the thread ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Line(#[allow(dead_code, reason = "it is held, not used")] OwnedFd);

/// Opens a pseudo-terminal and serves it on a thread of its own.
pub(crate) fn start(control: Control, baud: u32) -> io::Result<(PathBuf, Line, Ended)> {
    // A child of this process that held an end would keep the line up after it was pulled.
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?.into_bytes();
    let path = PathBuf::from(std::ffi::OsString::from_vec(name));
    let theirs = open(
        &path,
        OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut settings = tcgetattr(&theirs)?;
    settings.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &settings)?;
    fcntl_setfl(&ours, OFlags::RDWR | OFlags::NONBLOCK)?;
    let (stop, held) = pipe_with(PipeFlags::CLOEXEC)?;
    let wire = Wire::new(control, baud);
    let ended = supervise::thread("simbus-rtu", move || {
        if let Err(error) = serve(wire, &ours, &stop) {
            tracing::error!(%error, "the line ended");
        }
        drop(theirs);
    })?;
    Ok((path, Line(held), ended))
}

fn serve(mut wire: Wire, port: &OwnedFd, stop: &OwnedFd) -> io::Result<()> {
    loop {
        let now = clock::now();
        let (bytes, wake) = wire.poll_transmit(now);
        match rustix::io::write(port, &bytes) {
            // A full terminal has no reader: a wire would lose the bytes too.
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        let timeout = wake.map(|wake| timespec(wake.saturating_duration_since(now)));
        let mut ready = [
            PollFd::new(port, PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        match poll(&mut ready, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !ready[1].revents().is_empty() {
            return Ok(());
        }
        let mut chunk = [0; 512];
        match rustix::io::read(port, &mut chunk) {
            Ok(count) => {
                let received = chunk.get(..count).unwrap_or_default();
                wire.handle_received(received, clock::now());
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// What is under way on the wire.
#[derive(Debug)]
struct Wire {
    control: Control,
    character: Duration,
    received: Vec<u8>,
    received_at: Option<Instant>,
    /// Replies that wait for their time or for the wire.
    due: Vec<(Instant, Vec<u8>)>,
    /// The reply on the wire, when its first character began, and how much of it is out.
    sending: Option<(Instant, VecDeque<u8>, u32)>,
    /// The last character of the last reply.
    free_at: Option<Instant>,
}

impl Wire {
    fn new(control: Control, baud: u32) -> Self {
        Self {
            control,
            character: Duration::from_secs(11) / baud.clamp(300, 1_000_000),
            received: Vec::new(),
            received_at: None,
            due: Vec::new(),
            sending: None,
            free_at: None,
        }
    }

    /// The silence between frames: 3.5 characters, and 1.75 ms above 19,200 baud (Modbus over Serial Line 2.5.1.1).
    fn gap(&self) -> Duration {
        (self.character * 7 / 2).max(Duration::from_micros(1_750))
    }

    fn handle_received(&mut self, bytes: &[u8], now: Instant) {
        if self.received.is_empty() {
            self.received_at = Some(now);
        }
        self.received.extend(bytes);
        loop {
            match parse_request(Framing::Rtu, &self.received) {
                Parsed::Incomplete => return,
                Parsed::Broken => {
                    self.received.clear();
                    return;
                }
                Parsed::Request(request, used) => {
                    let characters = u32::try_from(used).unwrap_or(u32::MAX);
                    let began = self.received_at.unwrap_or(now);
                    // The terminal hands a frame over at once; on the wire its last character is there only now.
                    let whole = now.max(began + self.character * characters);
                    if let Some(reply) = self.control.handle_request(Framing::Rtu, request) {
                        let after = self.gap() + Duration::from_millis(reply.after_ms);
                        self.due.push((whole + after, reply.bytes));
                    }
                    self.received.drain(..used);
                    self.received_at = Some(whole);
                }
            }
        }
    }

    /// The bytes whose time has come, and when to ask again.
    fn poll_transmit(&mut self, now: Instant) -> (Vec<u8>, Option<Instant>) {
        if self.received_at.is_some_and(|at| now >= at + SILENCE) {
            self.received.clear();
            self.received_at = None;
        }
        if self.sending.is_none() {
            let next = self.due.iter().enumerate().min_by_key(|(_, (at, _))| *at);
            if let Some((index, (at, _))) = next
                && *at <= now
            {
                let (at, bytes) = self.due.remove(index);
                let began = self.free_at.map_or(at, |free_at| at.max(free_at));
                self.sending = Some((began, bytes.into(), 0));
            }
        }
        let mut out = Vec::new();
        let mut wakes = vec![self.received_at.map(|at| at + SILENCE)];
        wakes.push(self.due.iter().map(|(at, _)| *at).min());
        if let Some((began, bytes, sent)) = &mut self.sending {
            while !bytes.is_empty() {
                let count = bytes.len().min(FIFO);
                let ready = *began + self.character * (*sent + u32::try_from(count).unwrap_or(0));
                if ready > now {
                    wakes.push(Some(ready));
                    break;
                }
                out.extend(bytes.drain(..count));
                *sent += u32::try_from(count).unwrap_or(0);
            }
            if bytes.is_empty() {
                self.free_at = Some(*began + self.character * *sent);
                self.sending = None;
                wakes.push((!self.due.is_empty()).then_some(now));
            }
        }
        (out, wakes.into_iter().flatten().min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Scenario, Slave, Space};

    const REQUEST: [u8; 8] = [1, 3, 0, 0, 0, 1, 0x84, 0x0A];

    fn wire(baud: u32) -> (Wire, Instant) {
        let slave = Slave::new(1).words(Space::Holding, 0, &[10; 20]);
        let control = Control::new(Scenario::of([slave]));
        (Wire::new(control, baud), clock::now())
    }

    /// All that goes out in a second, and when the last of it does.
    fn sent(wire: &mut Wire, start: Instant) -> (Vec<u8>, Duration) {
        let (mut bytes, mut last, mut now) = (Vec::new(), Duration::ZERO, start);
        loop {
            let (out, wake) = wire.poll_transmit(now);
            if !out.is_empty() {
                bytes.extend(out);
                last = now - start;
            }
            match wake {
                Some(wake) if wake < start + Duration::from_secs(1) => now = wake.max(now),
                _ => return (bytes, last),
            }
        }
    }

    #[test]
    fn a_reply_ends_when_its_last_character_would() {
        let (mut wire, start) = wire(9_600);
        wire.handle_received(&REQUEST, start);
        let (bytes, last) = sent(&mut wire, start);
        assert_eq!(bytes.len(), 7);
        // 8 characters there, 3.5 of silence, 7 back, 11 bits each.
        assert_eq!(last.as_micros(), 185 * 11_000_000 / 96_000);
    }

    #[test]
    fn a_request_in_two_pieces_is_one_request() {
        let (mut wire, start) = wire(9_600);
        wire.handle_received(&REQUEST[..3], start);
        wire.handle_received(&REQUEST[3..], start + Duration::from_millis(5));
        assert_eq!(sent(&mut wire, start).0.len(), 7);
    }

    #[test]
    fn half_a_request_is_forgotten_after_a_silence() {
        let (mut wire, start) = wire(9_600);
        wire.handle_received(&REQUEST[..3], start);
        assert!(sent(&mut wire, start).0.is_empty());
        let later = start + Duration::from_millis(50);
        wire.handle_received(&REQUEST, later);
        assert_eq!(sent(&mut wire, later).0.len(), 7);
    }

    #[test]
    fn two_replies_follow_each_other_on_the_wire() {
        let (mut wire, start) = wire(9_600);
        wire.handle_received(&[REQUEST, REQUEST].concat(), start);
        let (bytes, last) = sent(&mut wire, start);
        assert_eq!(bytes.len(), 14);
        // The second request is whole after 16 characters.
        assert_eq!(last, wire.character * 53 / 2, "16 + 3.5 + 7");
    }
}
