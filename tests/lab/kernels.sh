# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the lab tests that run over both of the kernel's interfaces to the IOMMU: type1 on Debian's kernel, iommufd on
# the one of `make lab-kernel`. Sourced; $here: this folder.

# Is the kernel with iommufd there? If not, a line says why, and the test counts what it leaves out as skipped.
have_iommufd() { # NUMBER: of tests that need it
    "$here/lab" kernel --cached && return
    echo "skip - $1 tests over iommufd: the lab has no kernel with iommufd; 'make lab-kernel' builds it"
    false
}
