/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/vm_ending.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/err.h"

static int judge_stop(const struct berth_vm_ending *end, const char *name, struct berth_err *err)
{
	switch (end->stop) {
	case BERTH_VM_STOP_NOT:
		break;
	case BERTH_VM_STOP_ASKED:
		return berth_err_set(err, -EIO, "VM %s did not stop in %d s and was killed", name,
				     BERTH_VM_STOP_MS / 1000);
	case BERTH_VM_STOP_KILLED:
		return berth_err_set(err, -EIO, "VM %s was killed as asked", name);
	case BERTH_VM_STOP_TIMEOUT:
		return berth_err_set(err, -ETIMEDOUT, "VM %s still ran when its time was up", name);
	case BERTH_VM_STOP_LEASE:
		return berth_err_set(err, -ETIMEDOUT, "VM %s: %s; the VM was stopped", name,
				     end->why);
	case BERTH_VM_STOP_DEVICE:
		return berth_err_set(err, -EIO, "VM %s: %s; the VM was stopped", name, end->why);
	case BERTH_VM_STOP_SILENT:
		return berth_err_set(err, -ETIMEDOUT,
				     "VM %s: berth-vmm did not get as far as %s in time", name,
				     end->ran ? "running" : "making the VM");
	}
	if (end->signalled && end->status == SIGSYS)
		return berth_err_set(
			err, -EIO,
			"VM %s: berth-vmm made a system call outside its list and was killed: a "
			"bug or an attack; the kernel log names the call (type=1326)",
			name);
	if (end->signalled)
		return berth_err_set(err, -EIO, "VM %s: berth-vmm was killed by signal %d (%s)",
				     name, end->status, strsignal(end->status));
	return berth_err_set(err, -EIO, "VM %s: berth-vmm ended with status %d and said nothing",
			     name, end->status);
}

int berth_vm_ending_judge(const struct berth_vm_ending *end, const char *name,
			  struct berth_err *err)
{
	if (!end->reaped)
		return berth_err_set(
			err, -EIO,
			"VM %s: berth-vmm does not die of SIGKILL; it waits inside the kernel",
			name);
	if (!end->said)
		return judge_stop(end, name, err);
	switch (end->ended.outcome) {
	case BERTH_ENDED_POWEROFF:
	case BERTH_ENDED_REBOOT:
	case BERTH_ENDED_STOPPED:
		if ((end->stop == BERTH_VM_STOP_TIMEOUT || end->stop == BERTH_VM_STOP_LEASE ||
		     end->stop == BERTH_VM_STOP_DEVICE) &&
		    end->ended.outcome == BERTH_ENDED_STOPPED)
			return judge_stop(end, name, err);
		return 0;
	case BERTH_ENDED_CRASHED:
	case BERTH_ENDED_FAILED:
		break;
	}
	return berth_err_set(err, -EIO, "VM %s: %s", name, end->ended.text);
}
