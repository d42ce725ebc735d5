//! A broker: retained messages, subscriptions of one client, an access list that can be switched.

use std::collections::BTreeMap;

use host::mqtt::{Message, Publish, Receipt, Refusal};

#[derive(Clone, Debug, Default)]
pub(super) struct Broker {
    pub(super) retained: BTreeMap<String, Vec<u8>>,
    pub(super) filters: Vec<String>,
    /// What is published to a topic with one of these in it is refused.
    pub(super) refuses: Vec<&'static str>,
    /// How many retained messages one subscription gives at most; 0: all.
    pub(super) queue: usize,
    /// The most that one subscription gave.
    pub(super) burst: usize,
}

pub(super) fn message(topic: &str, payload: &[u8], retained: bool) -> Message {
    Message {
        topic: topic.into(),
        payload: payload.into(),
        retained,
        content_type: None,
        receipt: Receipt::default(),
    }
}

pub(super) fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

impl Broker {
    /// Takes a message; gives the answer, and what goes back to the client that sent it.
    pub(super) fn publish(&mut self, publish: &Publish) -> (Option<Refusal>, Option<Message>) {
        let Publish {
            topic,
            payload,
            retain,
            ..
        } = publish;
        if self.refuses.iter().any(|part| topic.contains(part)) {
            return (Some(Refusal::NOT_AUTHORIZED), None);
        }
        if *retain && payload.is_empty() {
            self.retained.remove(topic);
        } else if *retain {
            self.retained.insert(topic.clone(), payload.clone());
        }
        let ours = self.filters.iter().any(|filter| matches(filter, topic));
        (None, ours.then(|| message(topic, payload, false)))
    }

    pub(super) fn subscribe(&mut self, filters: &[String]) -> Vec<Message> {
        self.filters.extend_from_slice(filters);
        let found = self
            .retained
            .iter()
            .filter(|(topic, _)| filters.iter().any(|filter| matches(filter, topic)));
        let messages: Vec<_> = found
            .map(|(topic, payload)| message(topic, payload, true))
            .collect();
        self.burst = self.burst.max(messages.len());
        let kept = if self.queue > 0 {
            self.queue
        } else {
            messages.len()
        };
        messages.into_iter().take(kept).collect()
    }

    pub(super) fn unsubscribe(&mut self, filters: &[String]) {
        self.filters.retain(|filter| !filters.contains(filter));
    }
}
