#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# docs/policy.schema.json and the loader say the same.
cd "$(dirname "$0")/../.." || exit 1
exec python3 tests/policy_schema.py
