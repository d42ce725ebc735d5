"""A paho client that prints every message as a line of JSON, and publishes what standard input says.

    subscriber.py HOST PORT VERSION FILTER... [--id ID] [as in access.py]

VERSION is 5 or 311. It prints `subscribed` when the broker has answered, then {"topic","retain","qos","payload"} for each message.
Each line `TOPIC PAYLOAD` is published, QoS 1, and answered with `published` and the broker's reason.
"""

import argparse
import json
import os
import sys

import access

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("version", choices=["5", "311"])
parser.add_argument("filters", nargs="+")
parser.add_argument("--id", default="")
access.add_arguments(parser)
options = parser.parse_args()


def subscribe(client, userdata, flags, reason, properties=None):
    if reason.is_failure:
        print("refused:", reason, flush=True)
        os._exit(1)
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


client = access.client(options, options.id)
client.on_connect = subscribe
client.on_subscribe = lambda *_: print("subscribed", flush=True)
client.on_publish = lambda *told: print("published", told[3], flush=True)
client.on_message = say
client.connect(options.host, options.port)
client.loop_start()
for line in sys.stdin:
    topic, _, payload = line.rstrip("\n").partition(" ")
    client.publish(topic, payload, qos=1)
