//! UART 0 of the board (Arm CMSDK APB UART), polled.
#![allow(unsafe_code, reason = "registers")]

use core::fmt;
use core::ptr;

/// Arm DAI 0386D, table 3-1.
const BASE: usize = 0x4000_4000;
const DATA: usize = 0x0;
const STATE: usize = 0x4;
const CTRL: usize = 0x8;
const BAUDDIV: usize = 0x10;

const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;
const TX_AND_RX: u32 = 3;
/// The least that the hardware takes.
const FASTEST: u32 = 16;

/// The only one, since nobody else knows its address.
pub(crate) struct Uart;

impl Uart {
    pub(crate) fn open() -> Self {
        write(BAUDDIV, FASTEST);
        write(CTRL, TX_AND_RX);
        Self
    }

    pub(crate) fn read(&mut self) -> u8 {
        while read(STATE) & RX_FULL == 0 {}
        read(DATA).to_le_bytes()[0]
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            while read(STATE) & TX_FULL != 0 {}
            write(DATA, byte.into());
        }
        Ok(())
    }
}

fn read(register: usize) -> u32 {
    // SAFETY: an aligned register of this board's UART; reading one has no effect on memory.
    unsafe { ptr::read_volatile((BASE + register) as *const u32) }
}

fn write(register: usize, value: u32) {
    // SAFETY: as above; these registers move no memory.
    unsafe { ptr::write_volatile((BASE + register) as *mut u32, value) }
}
