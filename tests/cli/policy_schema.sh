#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# docs/policy.schema.json and the loader say the same. Debian's module is for Debian's Python, which may not be the first one.
cd "$(dirname "$0")/../.." || exit 1
python=python3
python3 -c 'import jsonschema' 2>/dev/null || python=/usr/bin/python3
exec "$python" tests/policy_schema.py
