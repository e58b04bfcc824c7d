#!/bin/sh
# Makes ./configure from configure.ac; needed once after a clone. scripts/setup does this and the rest.
set -e
cd "$(dirname "$0")"
exec autoreconf -fi
