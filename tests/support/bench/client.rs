//! An MQTT 3.1.1 client over a blocking socket: as little as possible between a clock reading and the wire.
//!
//! Knows CONNECT, SUBSCRIBE, PUBLISH at QoS 1 and their answers; whatever is out of order is a panic.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// What a broker sent.
#[derive(Debug)]
pub enum Packet<'a> {
    /// It has one of our messages.
    Acked,
    /// A message, which is acknowledged already.
    Message {
        /// Where it was published.
        topic: &'a str,
        /// Its body.
        payload: &'a [u8],
    },
    /// Anything else.
    Other,
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// What was read; packets before `taken` are done with.
    read: Vec<u8>,
    taken: usize,
    written: Vec<u8>,
    last_id: u16,
    under_way: usize,
}

impl Client {
    /// Connects with a clean session and without keep-alive.
    pub fn connect(port: u16, client_id: &str) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the broker listens");
        stream.set_nodelay(true).expect("a TCP socket");
        let mut client = Self {
            stream,
            read: Vec::new(),
            taken: 0,
            written: Vec::new(),
            last_id: 0,
            under_way: 0,
        };
        let mut body = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
        put_text(&mut body, client_id);
        client.write(0x10, &body, &[]);
        client.wait_for(0x20);
        client
    }

    /// Subscribes at QoS 1 and waits for the answer; call it before anything is published here.
    pub fn subscribe(&mut self, filter: &str) {
        let mut body = self.next_id().to_vec();
        put_text(&mut body, filter);
        body.push(1);
        self.write(0x82, &body, &[]);
        self.wait_for(0x90);
    }

    /// Publishes at QoS 1.
    pub fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) {
        let mut head = Vec::with_capacity(topic.len() + 4);
        put_text(&mut head, topic);
        head.extend_from_slice(&self.next_id());
        self.under_way += 1;
        self.write(0x32 | u8::from(retain), &head, payload);
    }

    /// How many of our messages the broker has not acknowledged, as far as was read.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// The next packet; blocks until there is one.
    pub fn receive(&mut self) -> Packet<'_> {
        let (kind, from, to) = self.take();
        match kind & 0xf0 {
            0x40 => {
                self.under_way -= 1;
                Packet::Acked
            }
            0x30 => {
                let length =
                    usize::from(u16::from_be_bytes([self.read[from], self.read[from + 1]]));
                let topic = from + 2..from + 2 + length;
                let mut payload = topic.end..to;
                if kind & 0x06 != 0 {
                    let id = [self.read[topic.end], self.read[topic.end + 1]];
                    payload.start += 2;
                    self.write(0x40, &id, &[]);
                }
                Packet::Message {
                    topic: std::str::from_utf8(&self.read[topic]).expect("a topic is UTF-8"),
                    payload: &self.read[payload],
                }
            }
            _ => Packet::Other,
        }
    }

    /// Reads until the broker has acknowledged all but `most` of our messages.
    pub fn settle(&mut self, most: usize) {
        while self.under_way > most {
            self.receive();
        }
    }

    fn next_id(&mut self) -> [u8; 2] {
        self.last_id = self.last_id % u16::MAX + 1;
        self.last_id.to_be_bytes()
    }

    fn wait_for(&mut self, wanted: u8) {
        let (kind, _, to) = self.take();
        assert_eq!(kind, wanted, "the broker answers");
        assert!(self.read[to - 1] < 0x80, "the broker agrees");
    }

    /// The next packet's first byte, and where its body is in what was read.
    fn take(&mut self) -> (u8, usize, usize) {
        loop {
            if let Some((from, to)) = body_of(&self.read, self.taken) {
                let kind = self.read[self.taken];
                self.taken = to;
                return (kind, from, to);
            }
            self.read.drain(..self.taken);
            self.taken = 0;
            let mut more = [0; 64 << 10];
            let n = self.stream.read(&mut more).expect("the broker is there");
            assert!(n > 0, "the broker closed the connection");
            self.read.extend_from_slice(&more[..n]);
        }
    }

    fn write(&mut self, kind: u8, head: &[u8], payload: &[u8]) {
        self.written.clear();
        self.written.push(kind);
        let mut length = head.len() + payload.len();
        while length >= 0x80 {
            self.written.push(low_bits(length) | 0x80);
            length >>= 7;
        }
        self.written.push(low_bits(length));
        self.written.extend_from_slice(head);
        self.written.extend_from_slice(payload);
        self.stream
            .write_all(&self.written)
            .expect("the broker is there");
    }
}

/// Where the body of the packet at `at` is, once all of it is there.
fn body_of(read: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut length = 0;
    for (place, shift) in (at + 1..).zip((0..28).step_by(7)) {
        let byte = *read.get(place)?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            let (from, to) = (place + 1, place + 1 + length);
            return (to <= read.len()).then_some((from, to));
        }
    }
    panic!("the broker sends MQTT");
}

fn low_bits(number: usize) -> u8 {
    u8::try_from(number & 0x7f).expect("seven bits")
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("a short text");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
