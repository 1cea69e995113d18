/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Diagnostics for the person who debugs: debug and info lines from libraries, warnings from programs.
 *
 * A file that logs says `#define BERTH_LOG "vfio/irq"` before its includes; that area starts every line. The level is
 * tested before the arguments are evaluated. Lines go to stderr, "<n>" in front when stderr is the journal. Not for errors
 * that a caller gets (base/err.h), not for audit records (policy/audit.h).
 */
#ifndef BERTH_BASE_LOG_H
#define BERTH_BASE_LOG_H

enum berth_log_level { BERTH_LOG_ERR, BERTH_LOG_WARN, BERTH_LOG_INFO, BERTH_LOG_DEBUG };

/* Lines above this level are dropped. Starts at BERTH_LOG_WARN; programs set it from -v or $BERTH_DEBUG. */
extern enum berth_log_level berth_log_max;

/* Write one line. Non-printing characters, which may come from a device or guest, are shown as \xNN. */
void berth_log_line(enum berth_log_level level, const char *area, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define berth_log_at(level, ...)                                                                   \
	do {                                                                                       \
		if ((level) <= berth_log_max)                                                      \
			berth_log_line((level), BERTH_LOG, __VA_ARGS__);                           \
	} while (0)
#define log_err(...)   berth_log_at(BERTH_LOG_ERR, __VA_ARGS__)
#define log_warn(...)  berth_log_at(BERTH_LOG_WARN, __VA_ARGS__)
#define log_info(...)  berth_log_at(BERTH_LOG_INFO, __VA_ARGS__)
#define log_debug(...) berth_log_at(BERTH_LOG_DEBUG, __VA_ARGS__)

#endif
