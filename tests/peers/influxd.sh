#!/usr/bin/env bash
# Prints the path of an influxd 2.7: the one on PATH, else one built once into the user's cache folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if command -v influxd; then exit 0; fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fengsui/influxd-2.7.12
if [[ ! -x $cache/influxd ]]; then
  mkdir -p "$cache"
  build=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  echo "building InfluxDB 2.7.12 (about five minutes, once)" >&2
  cd "$here/influxd"
  go build -o "$build/pkg-config" github.com/influxdata/pkg-config >&2
  # Its Rust part pins an old toolchain and denies warnings; ours is newer and warns about more.
  printf '#!/bin/sh\nexec "$@" --cap-lints=warn\n' > "$build/rustc-wrapper"
  chmod +x "$build/rustc-wrapper"
  PATH="$build:$PATH" RUSTUP_TOOLCHAIN=stable RUSTC_WRAPPER="$build/rustc-wrapper" PKG_CONFIG="$build/pkg-config" \
    go build -tags sqlite_foreign_keys,sqlite_json,noasm -ldflags "-s -w" \
    -o "$build/influxd" github.com/influxdata/influxdb/v2/cmd/influxd >&2
  mv "$build/influxd" "$cache/influxd"
fi
echo "$cache/influxd"
