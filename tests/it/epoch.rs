//! A history that can't be continued: the gateway begins a new epoch, and a regulator who was there all the time sees nothing wrong.

use serde_json::json;
use support::{Mosquitto, Watch};

use crate::plant::{Plant, hot};

/// The epoch that the gateway says it begins, and the one before it.
fn begins(plant: &Plant, reason: &str) -> (String, String) {
    let gateway = plant.gateway();
    // It may say so before it says that it runs.
    let is_it = |line: &str| line.contains("a new epoch") && line.contains(" previous=");
    let early = gateway.began().lines().find(|line| is_it(line));
    let line = early.map_or_else(|| gateway.log_line(" previous="), ToOwned::to_owned);
    assert!(line.contains(&format!("reason=\"{reason}\"")), "{line}");
    let word = |key: &str| {
        let rest = line.split(key).nth(1).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    (word(" epoch="), word(" previous="))
}

#[test]
fn an_old_data_folder_that_is_put_back_begins_a_new_epoch_and_so_does_a_new_one() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let regulator = Watch::start(&broker.url(), "east");
    regulator.hears_known();
    let first = plant.gateway().status()["epoch"].clone();
    plant.set(1, 65);
    regulator.hears_event(&hot(1), "raised");
    plant.stop_gateway();
    plant.copy_folder("data", "backup");

    // What is told now is not in the backup.
    plant.start_gateway();
    regulator.hears_known();
    plant.set(1, 85);
    regulator.hears_event(&hot(1), "level-up");
    plant.set(2, 65);
    regulator.hears_event(&hot(2), "raised");
    plant.stop_gateway();

    // An hour of the disk is gone, and the plant goes on meanwhile.
    plant.set(2, 20);
    plant.remove_folder("data");
    plant.copy_folder("backup", "data");
    plant.start_gateway();
    let (restored, before) = begins(&plant, "broker-ahead-of-log");
    assert_eq!(before, first);
    assert!(restored > before, "{restored} sorts behind {before}");
    // What stood in the backup goes on from there, under the new epoch.
    let event = regulator.hears_event(&hot(1), "level-up");
    assert_eq!(event["occurrence"], 1);
    assert_eq!(plant.gateway().status()["epoch"], *restored);

    // Nothing of the old plant is left at all.
    plant.stop_gateway();
    plant.remove_folder("data");
    plant.start_gateway();
    let (fresh, before) = begins(&plant, "new-data-folder");
    assert_eq!(before, restored);
    assert!(fresh > restored, "{fresh} sorts behind {restored}");
    regulator.hears_event(&hot(1), "raised");

    let newcomer = Watch::start(&broker.url(), "east");
    newcomer.hears(|object| object["what"] == "state" && object["id"] == hot(1));
    for regulator in [regulator, newcomer] {
        let (code, summary) = regulator.end();
        assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
        assert_eq!(summary["sites"][0]["seq"], plant.seq(), "{summary:#}");
        assert_eq!(summary["sites"][0]["missing"], 0, "{summary:#}");
    }
}
