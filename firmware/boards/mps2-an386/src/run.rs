//! The main loop: frames in, effects out.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

// Its critical sections are what the allocator waits for.
use cortex_m as _;
use cortex_m_rt::entry;
use cortex_m_semihosting::debug::{EXIT_FAILURE, EXIT_SUCCESS, exit};
use mps2_an386::{FRAME_MAX, Told};
use rules::engine::NodeEngine;
use rules::image::Image;
use telemetry::UtcMs;

use crate::uart::Uart;
use crate::{flash, heap};

#[entry]
fn main() -> ! {
    heap::open();
    let mut uart = Uart::open();
    if let Err(error) = play(&mut uart) {
        panic!("{error}");
    }
    loop {
        exit(EXIT_SUCCESS);
    }
}

/// Plays a trace; it begins when its first step does.
fn play(uart: &mut Uart) -> fmt::Result {
    let image = match Image::read(flash::rules()) {
        Ok(image) => image,
        Err(error) => panic!("{error}"),
    };
    let mut frame = [0; FRAME_MAX];
    let mut told = next(uart, &mut frame);
    let begin = told.as_ref().map_or(UtcMs(0), Told::now);
    let mut engine = NodeEngine::new(image, begin);
    writeln!(uart, "# heap {} bytes before the first step", heap::used())?;
    while let Some(step) = told {
        let Some((input, now)) = step.input() else {
            panic!("a verb that is none: {step:?}");
        };
        let mut written = Ok(());
        let done = engine.handle(input, now, |effect| {
            written = written.and(writeln!(uart, "{effect:?}"));
        });
        written?;
        if let Err(refusal) = done {
            writeln!(uart, "! {refusal}")?;
        }
        told = next(uart, &mut frame);
    }
    writeln!(
        uart,
        "# RAM: fixed {}, heap {}, stack {} bytes at most",
        heap::fixed(),
        heap::most(),
        heap::stack()
    )
}

/// The next step; none at the end of the trace.
fn next<'a>(uart: &mut Uart, frame: &'a mut [u8; FRAME_MAX]) -> Option<Told<'a>> {
    let mut len = 0;
    loop {
        match uart.read() {
            0 if len == 0 => return None,
            0 => break,
            byte => {
                frame[len] = byte;
                len += 1;
            }
        }
    }
    match Told::read(&mut frame[..len]) {
        Ok(told) => Some(told),
        Err(error) => panic!("no frame: {error}"),
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // There is nobody left to tell that telling failed.
    let _ = writeln!(Uart::open(), "{info}");
    loop {
        exit(EXIT_FAILURE);
    }
}
