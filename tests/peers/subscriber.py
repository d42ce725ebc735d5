"""A paho subscriber that prints every message as a line of JSON.

    subscriber.py HOST PORT VERSION FILTER... [--ca FILE] [--user NAME --password PASSWORD]

VERSION is 5 or 311. It prints `subscribed` when the broker has answered, then {"topic","retain","qos","payload"} for each message.
"""

import argparse
import json

import paho.mqtt.client as mqtt

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("version", choices=["5", "311"])
parser.add_argument("filters", nargs="+")
parser.add_argument("--ca")
parser.add_argument("--user")
parser.add_argument("--password")
options = parser.parse_args()


def subscribe(client, userdata, flags, reason, properties=None):
    if reason.is_failure:
        raise SystemExit(f"refused: {reason}")
    client.subscribe([(topic, 1) for topic in options.filters])


def say(client, userdata, message):
    print(
        json.dumps(
            {
                "topic": message.topic,
                "retain": message.retain,
                "qos": message.qos,
                "payload": message.payload.decode("utf-8", "backslashreplace"),
            },
            ensure_ascii=False,
        ),
        flush=True,
    )


client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2,
    protocol=mqtt.MQTTv5 if options.version == "5" else mqtt.MQTTv311,
)
client.on_connect = subscribe
client.on_subscribe = lambda *_: print("subscribed", flush=True)
client.on_message = say
if options.ca:
    client.tls_set(ca_certs=options.ca)
if options.user:
    client.username_pw_set(options.user, options.password)
client.connect(options.host, options.port)
client.loop_forever()
