//! More alarms than people can follow, at a running gateway: all of them are told, and beside them that they are too many.

use serde_json::{Value, json};
use support::{Mosquitto, Watch};

use crate::plant::{Plant, hot};

const FLOOD: &str = "-/gw-1/sys.flood";
const CHATTER: &str = "-/gw-1/sys.chatter";

/// The states of the two, as the gateway's API gives them: letter, occurrence and reason.
fn stand(plant: &Plant) -> [Value; 2] {
    let states: Vec<Value> = serde_json::from_str(&plant.gateway().get("/api/v1/alarms")).unwrap();
    [FLOOD, CHATTER].map(|id| {
        let state = states.iter().find(|state| state["id"] == id);
        let state = state.unwrap_or_else(|| panic!("{id} is normal"));
        json!([state["letter"], state["occurrence"], state["reason"]])
    })
}

#[test]
fn a_flood_and_a_chattering_alarm_are_told_outlive_a_restart_and_hide_no_alarm() {
    let broker = Mosquitto::start();
    let mut plant = Plant::start(&broker.url());
    let watch = Watch::start(&broker.url(), "east");
    watch.hears_known();
    // What is said beside an alarm that comes is said at once.
    let mut comes = |probe: u8, beside: Option<&str>| {
        plant.set(probe, 65);
        watch.hears_event(&hot(probe), "raised");
        let told = beside.map(|id| watch.hears_event(id, "raised"));
        plant.set(probe, 20);
        watch.hears_event(&hot(probe), "returned");
        told.unwrap_or_default()
    };
    comes(2, None);
    comes(1, None);
    comes(1, None);
    let chatter = comes(1, Some(CHATTER));
    assert_eq!(
        (&chatter["colour"], &chatter["reason"]),
        (&json!("blue"), &json!(hot(1)))
    );
    comes(3, None);
    comes(3, None);
    let both = format!("{}, {}", hot(1), hot(3));
    assert_eq!(comes(3, Some(CHATTER))["reason"], both);
    for _ in 0..3 {
        comes(3, None);
    }
    let flood = comes(3, Some(FLOOD));
    assert_eq!(
        (&flood["colour"], &flood["reason"]),
        (&json!("yellow"), &json!(hot(2)))
    );
    let text = flood["text"]["en"].as_str().unwrap();
    assert!(text.contains(&hot(2)), "{text}");
    // One more is an alarm like any other, and no second flood.
    comes(2, None);

    let before = stand(&plant);
    assert_eq!(before, [json!(["B", 1, hot(2)]), json!(["B", 2, both])]);
    plant.restart_gateway();
    watch.hears_known();
    assert_eq!(stand(&plant), before);
    plant.kill_gateway();
    plant.start_gateway();
    watch.hears_known();
    assert_eq!(stand(&plant), before);
    let (code, summary) = watch.end();
    assert_eq!((code, &summary["problems"]), (0, &json!([])), "{summary:#}");
}
