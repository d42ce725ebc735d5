"""A regulator's subscriber, written from the contract alone: it keeps every event, asks for what is missing, and follows the chain of hashes.

    regulator.py HOST PORT VERSION CLIENT_ID PARK [as in access.py]

VERSION is 5 or 311. It prints `subscribed` when the broker has answered. Each line `report FILE` on standard input is answered by one line of JSON:
    epoch, seq      of the last event of the chain
    holes           [epoch, from, to] of what is missing on the chain
    problems        every break of the contract that it saw
    void            how many events do not belong to the chain, because a new epoch went on before them
    replayed        how many events came by a replay only
    states          the last state of each alarm, by id
    statuses        every gateway status, in the order in which they came
and FILE then holds the bodies of the chain, one a line, from the first on.
"""

import argparse
import hashlib
import json
import sys
import threading
import time

import access

parser = argparse.ArgumentParser()
for name in ["host", "port", "version", "client_id", "park"]:
    parser.add_argument(name)
access.add_arguments(parser)
options = parser.parse_args()
client_id, park = options.client_id, options.park
lock = threading.Lock()
bodies = {}  # epoch -> seq -> bytes
states = {}  # id -> (epoch, seq), body
statuses = []
problems = []
replayed = 0
asked_at = None
site = None


def problem(text):
    if text not in problems and len(problems) < 50:
        problems.append(text)


def keep(body, by_replay):
    global replayed
    event = json.loads(body)
    epoch = bodies.setdefault(event["epoch"], {})
    known = epoch.get(event["seq"])
    if known is None:
        epoch[event["seq"]] = body
        replayed += by_replay
    elif known != body:
        problem(f"{event['epoch']}:{event['seq']} came again as {body!r}, not {known!r}")


def chain():
    """The events from the last one back to the first, as (epoch, seq), and what is missing of them."""
    found, holes = [], []
    told = statuses[-1] if statuses else {}
    epoch = max([*bodies, told.get("epoch", "")])
    numbers = [(told.get("epoch"), told.get("seq", 0)), *(number for number, _ in states.values())]
    last = max([*bodies.get(epoch, {}), *(seq for of, seq in numbers if of == epoch)], default=0)
    while epoch:
        events = bodies.get(epoch, {})
        missing = [seq for seq in range(1, last + 1) if seq not in events]
        for seq in missing:
            if holes and holes[-1][0] == epoch and holes[-1][2] == seq - 1:
                holes[-1][2] = seq
            else:
                holes.append([epoch, seq, seq])
        found += [(epoch, seq) for seq in range(last, 0, -1) if seq in events]
        if missing:
            break
        for seq in range(2, last + 1):
            prev = json.loads(events[seq]).get("prev")
            if prev != hashlib.sha256(events[seq - 1]).hexdigest():
                problem(f"{epoch}:{seq} does not follow {seq - 1}")
        if last == 0:
            break
        first = json.loads(events[1])
        if first["event"] != "epoch":
            problem(f"{epoch} begins with {first['event']}")
        before, prev = first.get("previous_epoch", ""), first.get("prev")
        if not before:
            break
        if before >= epoch:
            problem(f"{epoch} follows {before}")
            break
        hashes = {hashlib.sha256(body).hexdigest(): seq for seq, body in bodies.get(before, {}).items()}
        if prev not in hashes:
            # Everything that I could miss of it comes by a replay.
            most = max(bodies.get(before, {}), default=0)
            missing = [seq for seq in range(1, most + 1) if seq not in bodies[before]] or [most + 1]
            holes.append([before, missing[0], missing[-1]])
            break
        epoch, last = before, hashes[prev]
    return found, holes


def ask(holes):
    """Asks for everything from the first hole to the last one of its epoch, again when no answer came in a while."""
    global asked_at
    if not holes or site is None:
        return
    if asked_at is not None and time.monotonic() - asked_at < 3:
        return
    asked_at = time.monotonic()
    epoch, first, _ = holes[0]
    last = max(last for of, _, last in holes if of == epoch)
    request = json.dumps({"epoch": epoch, "from": first, "to": last})
    client.publish(f"fengsui/v1/{site}/alarm/replay/{client_id}/request", request, qos=1)


def on_connect(client, userdata, flags, reason, properties=None):
    global asked_at
    if reason.is_failure:
        problem(f"refused: {reason}")
        return
    asked_at = None
    client.subscribe([(f"fengsui/v1/{park}/+/alarm/#", 1), (f"fengsui/v1/{park}/+/gateway/status", 1)])


def on_message(client, userdata, message):
    with lock:
        try:
            take(message.topic.split("/")[2:], message)
        except Exception as error:
            problem(f"{message.topic}: {error!r} in {message.payload!r}")


def take(topic, message):
    global asked_at, site
    site = "/".join(topic[:2])
    kind = topic[2:]
    if kind == ["alarm", "event"]:
        keep(message.payload, False)
    elif kind == ["gateway", "status"]:
        statuses.append(json.loads(message.payload))
    elif kind[:2] == ["alarm", "state"]:
        state = json.loads(message.payload)
        id, number = "/".join(kind[2:]), (state["epoch"], state["seq"])
        known = states.get(id, (("", 0), None))
        if state["id"] != id:
            problem(f"the state of {state['id']} is on the topic of {id}")
        if number == known[0] and state != known[1]:
            problem(f"{id} has two states of {number}")
        if number > known[0]:
            states[id] = (number, state)
    elif kind == ["alarm", "replay", client_id, "events"]:
        for body in message.payload.splitlines():
            keep(body, True)
        if not message.payload:
            asked_at = None


client = access.client(options, client_id)
client.reconnect_delay_set(1, 1)
client.on_connect = on_connect
client.on_subscribe = lambda *_: print("subscribed", flush=True)
client.on_message = on_message
client.connect(options.host, int(options.port))
client.loop_start()
for line in sys.stdin:
    path = line.split()[1]
    with lock:
        found, holes = chain()
        ask(holes)
        with open(path, "wb") as file:
            for epoch, seq in reversed(found):
                file.write(bodies[epoch][seq] + b"\n")
        report = {
            "epoch": found[0][0] if found else "",
            "seq": found[0][1] if found else 0,
            "holes": holes,
            "problems": problems,
            "void": sum(map(len, bodies.values())) - len(found),
            "replayed": replayed,
            "states": {id: state for id, (_, state) in states.items()},
            "statuses": statuses,
        }
    print(json.dumps(report), flush=True)
