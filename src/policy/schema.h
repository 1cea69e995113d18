/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of the ledger file, version by version. A version that was released is never edited: add the next one.
 */
#ifndef BERTH_POLICY_SCHEMA_H
#define BERTH_POLICY_SCHEMA_H

#include "policy/db.h"

extern const struct berth_db_format berth_schema;

#endif
