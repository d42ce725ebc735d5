//! A serial adapter that is pulled out and put back is found again by its stable path.

use std::os::unix::fs::symlink;
use std::time::Duration;

use devices::{Function, Link, Parity};
use host::Clock;
use host::line::{Line, Outcome};
use node::Request;
use simbus::{Bus, RtuBus, Scenario, Slave, Space};

const BAUD: u32 = 115_200;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

const REQUEST: Request = Request {
    token: 1,
    slave: 1,
    function: Function::HoldingRegisters,
    address: 0,
    count: 1,
    write: None,
    timeout_ms: 500,
};

fn device(word: u16) -> RtuBus {
    let slave = Slave::new(1).words(Space::Holding, 0, &[word]);
    Bus::start_rtu(Scenario::of([slave]), BAUD).expect("the system has pseudo-terminals")
}

/// Asks, with a pause between as a node makes it, until it is as wanted.
async fn ask_until(line: &mut Line, is_wanted: impl Fn(&Outcome, &Line) -> bool) {
    let asking = async {
        loop {
            let outcome = line.transact(&REQUEST).await;
            if is_wanted(&outcome, line) {
                return;
            }
            line.drain(Duration::from_millis(50)).await;
        }
    };
    let wanted = tokio::time::timeout(PATIENCE, asking).await;
    assert!(wanted.is_ok(), "it never came: {line:?}");
}

#[tokio::test]
async fn an_adapter_that_comes_back_as_another_device_is_found_by_its_path_and_its_absence_has_a_reason()
 {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("usb-adapter");
    let mut line = Line::new(
        Link::Rtu {
            path: path.to_str().expect("a path in UTF-8").to_owned(),
            baud: BAUD,
            parity: Parity::None,
            stop_bits: 1,
        },
        Clock::start(),
    );
    // Both are there all the time, so that they can't be the same.
    let (first, second) = (device(10), device(20));
    symlink(first.path(), &path).expect("the link is free");
    assert_eq!(line.transact(&REQUEST).await, Outcome::Words(vec![10]));
    assert_eq!(line.why_down(), None);

    std::fs::remove_file(&path).expect("it was there");
    first.shutdown().await;
    assert_eq!(line.transact(&REQUEST).await, Outcome::LineDown);
    ask_until(&mut line, |outcome, line| {
        assert_eq!(*outcome, Outcome::LineDown);
        line.why_down()
            .is_some_and(|why| why.contains("No such file"))
    })
    .await;

    symlink(second.path(), &path).expect("the link is free");
    ask_until(&mut line, |outcome, _| *outcome == Outcome::Words(vec![20])).await;
    assert_eq!(line.why_down(), None);
}
