#!/bin/sh
# For those who look for it; ./bootstrap does more.
cd "$(dirname "$0")" && exec autoreconf -fi
