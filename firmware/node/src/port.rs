//! What a board brings: a pin for an output, a serial line to keep quiet.
//!
//! Written on `embedded-hal` and `embedded-io`, so that any board's drivers fit. There is no Modbus RTU master here.

use embedded_hal::digital::OutputPin;
use embedded_io::{Read, ReadReady};

/// Which level of the pin means on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Drive {
    /// High is on.
    ActiveHigh,
    /// Low is on, as with most relay boards.
    ActiveLow,
}

/// An output on a pin.
#[derive(Debug)]
pub struct Relay<P> {
    pin: P,
    drive: Drive,
}

impl<P: OutputPin> Relay<P> {
    /// Takes the pin and switches it off.
    ///
    /// # Errors
    /// The pin's.
    pub fn new(pin: P, drive: Drive) -> Result<Self, P::Error> {
        let mut relay = Self { pin, drive };
        relay.switch(false)?;
        Ok(relay)
    }

    /// Switches it.
    ///
    /// # Errors
    /// The pin's.
    pub fn switch(&mut self, on: bool) -> Result<(), P::Error> {
        match (self.drive, on) {
            (Drive::ActiveHigh, true) | (Drive::ActiveLow, false) => self.pin.set_high(),
            (Drive::ActiveHigh, false) | (Drive::ActiveLow, true) => self.pin.set_low(),
        }
    }

    /// Gives the pin back, as it stands.
    pub fn release(self) -> P {
        self.pin
    }
}

/// Throws away what a serial line has received and nobody asked for, without waiting; for [`crate::Work::Drain`].
/// Says how many bytes that was. Stops after 4,096, so that a line that never ends its noise can't hold the node up.
///
/// # Errors
/// The line's.
pub fn drain<L: Read + ReadReady>(line: &mut L) -> Result<usize, L::Error> {
    let mut n = 0;
    let mut bytes = [0; 64];
    while n < 4_096 && line.read_ready()? {
        match line.read(&mut bytes)? {
            0 => break,
            read => n += read,
        }
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::convert::Infallible;

    use embedded_hal::digital::ErrorType;

    use super::*;

    #[derive(Default)]
    struct Pin(Vec<bool>);

    impl ErrorType for Pin {
        type Error = Infallible;
    }

    impl OutputPin for Pin {
        fn set_low(&mut self) -> Result<(), Infallible> {
            self.0.push(false);
            Ok(())
        }
        fn set_high(&mut self) -> Result<(), Infallible> {
            self.0.push(true);
            Ok(())
        }
    }

    #[test]
    fn a_relay_begins_off_whichever_level_that_is() {
        for (drive, off) in [(Drive::ActiveHigh, false), (Drive::ActiveLow, true)] {
            let mut relay = Relay::new(Pin::default(), drive).expect("it can't fail");
            relay.switch(true).expect("it can't fail");
            assert_eq!(relay.release().0, [off, !off]);
        }
    }

    /// A line with so many bytes waiting.
    struct Noise(usize);

    impl embedded_io::ErrorType for Noise {
        type Error = Infallible;
    }

    impl ReadReady for Noise {
        fn read_ready(&mut self) -> Result<bool, Infallible> {
            Ok(self.0 > 0)
        }
    }

    impl Read for Noise {
        fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
            let n = bytes.len().min(self.0);
            self.0 -= n;
            Ok(n)
        }
    }

    #[test]
    fn a_line_is_drained_to_its_last_byte_and_noise_without_end_is_left() {
        assert_eq!(drain(&mut Noise(0)), Ok(0));
        assert_eq!(drain(&mut Noise(130)), Ok(130));
        assert_eq!(drain(&mut Noise(usize::MAX)), Ok(4_096));
    }
}
