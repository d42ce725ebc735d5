#!/usr/bin/env bash
# Prints the path of a python3 that has pymodbus and paho-mqtt, in an environment kept in the user's cache folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
wanted=$here/requirements.txt
env=${XDG_CACHE_HOME:-$HOME/.cache}/fengsui/python-$(sha256sum < "$wanted" | cut -c1-12)
if [[ ! -f $env/complete ]]; then
  rm -rf "$env"
  python3 -m venv "$env" >&2
  "$env/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" >&2
  touch "$env/complete"
fi
echo "$env/bin/python3"
