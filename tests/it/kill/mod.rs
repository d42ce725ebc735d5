//! What is killed loses nothing: broker, gateway, node and database, in the middle of 100,000 readings, and with a torn log.

mod disk;
mod model;
mod proof;
mod record;
mod site;

use site::Site;

/// Five slaves of a hundred registers: this many reads make 100,000 readings, and as many again as a killed node may leave out.
const READS: u32 = 205;

#[test]
fn of_100000_readings_each_arrives_once_whatever_is_killed_on_the_way() {
    let mut site = Site::start(READS);
    site.until_read(20);
    site.broker.kill();
    site.until_read(40);
    site.broker.restart();

    site.until_read(60);
    let torn = site.kill_gateway();
    site.until_read(80);
    site.start_gateway();
    let said = site.gateway.began();
    let cut = format!("cut={torn}");
    assert!(said.contains("cut off") && said.contains(&cut), "{said}");

    site.until_read(100);
    let held = site.kill_node();
    site.start_node();

    site.until_read(120);
    site.influx.kill();
    site.until_read(140);
    site.kill_gateway();
    site.until_read(150);
    site.start_gateway();
    site.until_read(160);
    site.influx.restart();

    let report = site.settle();
    let happened = |rule: &str, word: &str| {
        let id = format!("-/{rule}");
        report
            .chain
            .iter()
            .any(|event| event["id"] == id.as_str() && event["event"] == word)
    };
    assert!(happened("gw/sys.database", "raised"));
    assert!(happened("gw/sys.database", "returned"));
    proof::prove(&mut site, &report, &[held]);
    proof::the_check_is_clean(site, &report);
}
