//! A disk that is full for a while: what is on it, what is acknowledged, and who is told.

use gateway::log::LogOffset;
use serde_json::Value;
use support::Report;

use super::proof;
use super::record::Told;
use super::site::{PATIENCE, Site};

fn disk_alarm(report: &Report) -> &Value {
    &report.said["states"]["-/gw/sys.disk"]
}

/// Waits until the gateway says that its disk takes nothing, everywhere where it says so.
fn says_that_the_disk_is_full(site: &mut Site) {
    site.gateway.log_line("the disk takes nothing");
    site.gateway
        .wait_for("a full disk in the status", PATIENCE, |status| {
            status["disk"] != ""
        });
    let metrics = site.gateway.get("/metrics");
    assert!(metrics.contains("gateway_disk_ok 0"), "{metrics}");
    site.regulator
        .wait_for("the alarm of a full disk", PATIENCE, |report| {
            disk_alarm(report)["active"] == true
        });
}

/// Goes on without a disk until read `upto`: alarms are told, and nothing is acknowledged that is not on the disk.
fn goes_on_without_a_disk(site: &mut Site, upto: u32) {
    let stands = site.gateway.status()["log_durable"].as_u64().unwrap();
    let before = site.regulator.report().chain.len();
    site.until_read(upto);
    site.regulator
        .wait_for("alarms without a disk", PATIENCE, |report| {
            report.chain.len() > before + 20
        });
    let status = site.gateway.status();
    assert_eq!(status["log_durable"].as_u64(), Some(stands));
    assert!(status["log_end"].as_u64() > Some(stands), "{status:#}");
    let on_disk = Told::read(&site.log(), LogOffset(stands));
    let acked = site.acked();
    for seq in 1..=acked.seq {
        let is_missing = acked
            .missing
            .iter()
            .any(|(boot, from, to)| *boot == acked.boot && (*from..=*to).contains(&seq));
        let is_there = on_disk
            .packs
            .keys()
            .any(|id| (id.boot, id.seq) == (acked.boot, seq));
        assert!(
            is_missing || is_there,
            "{seq} of {acked:?} is not on the disk"
        );
    }
}

#[test]
fn a_full_disk_holds_samples_at_the_edge_and_no_alarm_and_nothing_is_lost() {
    let mut site = Site::start(100);
    site.until_read(20);
    site.fill_disk();
    says_that_the_disk_is_full(&mut site);
    goes_on_without_a_disk(&mut site, 60);
    site.empty_disk();
    site.gateway.log_line("the disk takes records again");
    let report = site.settle();
    assert_eq!(disk_alarm(&report)["active"], false);
    assert_eq!(site.gateway.status()["disk"], "");
    proof::prove(&mut site, &report, &[]);
    proof::the_check_is_clean(site, &report);
}

#[test]
fn a_gateway_that_is_killed_while_its_disk_is_full_has_acknowledged_nothing_that_is_gone() {
    let mut site = Site::start(100);
    site.until_read(20);
    site.fill_disk();
    says_that_the_disk_is_full(&mut site);
    goes_on_without_a_disk(&mut site, 60);
    site.gateway.kill();
    site.start_gateway();
    let report = site.settle();
    // What was told without a disk is gone with it: that is what epochs are for.
    let epochs = report
        .chain
        .iter()
        .filter(|event| event["event"] == "epoch");
    assert_eq!(epochs.count(), 2);
    proof::goodbye_says_unknown(&mut site);
    proof::nothing_is_lost(&site, &[]);
    proof::the_check_is_clean(site, &report);
}
