"""Says which peers are installed."""

from importlib.metadata import version

for peer in ("pymodbus", "paho-mqtt", "pyserial"):
    print(peer, version(peer))
