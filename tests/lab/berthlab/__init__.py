# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: an emulated machine with an IOMMU and devices, in which VFIO and KVM are real."""
