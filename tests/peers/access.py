"""How a paho client comes in: `[--ca FILE] [--cert FILE --key FILE] [--user NAME --password PASSWORD]`."""

import paho.mqtt.client as mqtt


def add_arguments(parser):
    for name in ["--ca", "--cert", "--key", "--user", "--password"]:
        parser.add_argument(name)


def client(options, client_id):
    """A client that is not connected yet; `options.version` is 5 or 311."""
    made = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=mqtt.MQTTv5 if options.version == "5" else mqtt.MQTTv311,
    )
    if options.ca:
        made.tls_set(ca_certs=options.ca, certfile=options.cert, keyfile=options.key)
    if options.user:
        made.username_pw_set(options.user, options.password)
    return made
