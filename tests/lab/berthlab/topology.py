# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines the lab can be. A device keeps its address in every topology that has it.

Bus 00 holds what belongs to the lab host and must stay with it: its console VGA, its network card with the
default route (mgmt0), its disk (/dev/vda), and the plumbing of the lab itself. Devices worth passing through sit
behind root ports 00:10.0 and up; the firmware numbers buses in that order.
"""

import os


class Machine:
    """Collects QEMU arguments. Addresses of root ports are given, so that bus numbers come out the same."""

    def __init__(self, tmp, icount=False):
        self.args = []
        self.icount = icount
        self.drivers = []  # modules to load in the lab host
        self.net_drivers = []
        self.settled = []  # paths that exist there once the drivers are done
        self._tmp = tmp
        self._ports = 0
        self.port_options = []

    def device(self, *words):
        self.args += ["-device", ",".join(words)]

    def port(self, *options):
        """A root port; the nth call makes the bus numbered n."""
        self._ports += 1
        name = f"port{self._ports}"
        slot = 0x0F + self._ports
        self.device(f"pcie-root-port,id={name},bus=pcie.0,addr={slot:#x},chassis={self._ports}",
                    *self.port_options, *options)
        return name

    def user_network(self, name, subnet):
        self.args += ["-netdev", f"user,id={name},net={subnet}.0/24,host={subnet}.2,dhcpstart={subnet}.15,restrict=on"]

    def disk(self, name, size):
        path = os.path.join(self._tmp, f"{name}.raw")
        with open(path, "wb") as f:
            f.truncate(size)
        self.args += ["-drive", f"if=none,id={name},file={path},format=raw,cache=unsafe,discard=unmap"]


def iommu(m, *options, intremap=True):
    """With interrupt remapping the lab host's local APICs can be in x2APIC mode, as on today's machines: reached by MSRs,
    which spares them what README.md says of --smp. With -icount QEMU cannot do such MSRs ("Bad icount read").
    """
    remapping = "intremap=off" if not intremap else "intremap=on" if m.icount else "intremap=on,eim=on"
    m.device("intel-iommu,device-iotlb=on,caching-mode=on", remapping, *options)


def host_devices(m):
    m.device("VGA,id=console0,bus=pcie.0,addr=0x1")
    m.user_network("net-mgmt", "10.0.2")
    m.device("virtio-net-pci,id=mgmt0,bus=pcie.0,addr=0x2,netdev=net-mgmt,disable-legacy=on,romfile=")
    m.disk("disk-host", 256 << 20)
    m.device("virtio-blk-pci,id=disk0,bus=pcie.0,addr=0x3,drive=disk-host,disable-legacy=on,serial=lab-host-disk")
    m.drivers += ["virtio_blk", "bochs"]
    m.settled += ["/dev/vda", "/sys/bus/pci/devices/0000:00:01.0/drm"]


def igb(m):
    m.user_network("net-igb", "10.0.3")
    m.device(f"igb,id=igb0,bus={m.port()},netdev=net-igb,mac=52:54:00:00:03:01,romfile=")
    m.net_drivers += ["igb"]
    m.settled += ["/sys/bus/pci/devices/0000:01:00.0/net"]


def gpu(m):
    port = m.port()
    m.device(f"VGA,id=gpu0,bus={port},addr=0.0,multifunction=on,vgamem_mb=64")
    m.device(f"ich9-intel-hda,id=gpu0-audio,bus={port},addr=0.1")
    m.args += ["-audiodev", "none,id=snd0"]
    m.device("hda-output,bus=gpu0-audio.0,audiodev=snd0")
    m.drivers += ["snd_hda_intel"]
    m.settled += ["/sys/bus/pci/devices/0000:02:00.0/drm", "/sys/bus/pci/devices/0000:02:00.1/sound/card0"]


def edu(m):
    m.device(f"edu,id=edu0,bus={m.port()},dma_mask=0xffffffffffffffff")


def nvme(m, serial="lab-nvme"):
    m.disk("disk-nvme", 256 << 20)
    m.device(f"nvme,id=nvme0,bus={m.port()},drive=disk-nvme,serial={serial}")
    m.drivers += ["nvme"]
    m.settled += ["/dev/nvme0n1"]


def nvme_sriov(m):
    m.disk("disk-nvme", 256 << 20)
    m.device("nvme-subsys,id=subsys0")
    m.device(f"nvme,id=nvme0,bus={m.port()},subsys=subsys0,serial=lab-nvme,max_ioqpairs=6,msix_qsize=6,"
             "sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2")
    m.device("nvme-ns,drive=disk-nvme,nsid=1,shared=on,bus=nvme0")
    m.drivers += ["nvme"]
    m.settled += ["/dev/nvme0n1"]


def e1000e(m, bus):
    m.user_network("net-e1000e", "10.0.4")
    m.device(f"e1000e,id=e1000e0,bus={bus},netdev=net-e1000e,mac=52:54:00:00:04:01,romfile=")
    m.net_drivers += ["e1000e"]


def usual_devices(m):
    host_devices(m)
    igb(m)
    gpu(m)
    edu(m)
    nvme(m)
    m.port()  # left free, for hotplug


def gpu_nic(m):
    """VGA with HDA, igb, edu, nvme, each isolated; the default"""
    iommu(m)
    usual_devices(m)


def sriov(m):
    """igb and nvme with virtual functions, edu"""
    # QEMU decodes 32 bits of an igb VF's BAR address, Linux writes 64. With --memory 2G and windows this small, which the
    # firmware does not have to put above 4 GiB, the VFs' registers are where Linux thinks they are.
    m.port_options = ["pref64-reserve=8M"]
    iommu(m)
    host_devices(m)
    igb(m)
    m.port()
    edu(m)
    nvme_sriov(m)
    m.port()


def switch(m):
    """a switch without ACS with edu and e1000e, each in a group with its bridge; igb"""
    iommu(m)
    host_devices(m)
    igb(m)
    m.device(f"x3130-upstream,id=switch0,bus={m.port()}")
    for i in range(2):
        # hotplug=on would make the firmware reserve more 32-bit space than there is, and hang
        m.device(f"xio3130-downstream,id=down{i},bus=switch0,addr={i}.0,chassis={0x20 + i},hotplug=off")
    m.device("edu,id=edu0,bus=down0,dma_mask=0xffffffffffffffff")
    e1000e(m, "down1")
    m.settled += ["/sys/bus/pci/devices/0000:05:00.0/net"]


def ivshmem(m, n, size):
    # reserve=off: what nobody writes to costs nothing, here neither
    m.args += ["-object", f"memory-backend-ram,id=vram{n},size={size},share=on,reserve=off"]
    m.device(f"ivshmem-plain,id=ivshmem{n},bus={m.port()},memdev=vram{n}")


def big(m):
    """igb, edu, and two devices with 64 GiB and 256 GiB of memory behind one BAR"""
    iommu(m, "aw-bits=48")
    host_devices(m)
    igb(m)
    ivshmem(m, 0, "64G")
    ivshmem(m, 1, "256G")
    edu(m)
    m.port()


def twin(m, number, port):
    m.user_network(f"net-twin{number}", f"10.0.{6 + number}")
    m.device(f"e1000e,id=twin{number},bus={port},netdev=net-twin{number},mac=52:54:00:00:06:0{number},romfile=")


def twins(m):
    """two e1000e that differ in their serial numbers only, nvme"""
    iommu(m)
    host_devices(m)
    for number in (0, 1):
        twin(m, number, m.port())
    nvme(m, "twin-nvme")
    m.port()
    m.net_drivers += ["e1000e"]
    m.settled += ["/sys/bus/pci/devices/0000:02:00.0/net"]


def bridged_twins(m, order, free=0):
    """@free: root ports left free before the one of nvme"""
    iommu(m)
    host_devices(m)
    # in a slot before the others', so that the firmware counts its buses first
    m.device("pcie-root-port,id=front,bus=pcie.0,addr=0xf,chassis=32")
    m.device("x3130-upstream,id=switch0,bus=front")
    m.device("xio3130-downstream,id=down0,bus=switch0,addr=0.0,chassis=33,hotplug=off")
    for number in order:
        twin(m, number, m.port())
    for _ in range(free):
        m.port()
    nvme(m, "twin-nvme")
    m.net_drivers += ["e1000e"]
    m.settled += ["/sys/bus/pci/devices/0000:05:00.0/net"]


def twins_moved(m):
    """the same in the same slots, with other bus numbers: a switch is in front of them"""
    bridged_twins(m, (0, 1))


def twins_swapped(m):
    """as twins-moved, each in the other's slot, and nvme in the next one"""
    bridged_twins(m, (1, 0), free=1)


def no_iommu(m):
    """the devices of gpu-nic on a machine without an IOMMU"""
    usual_devices(m)


def no_intremap(m):
    """the devices of gpu-nic behind an IOMMU that does not remap interrupts"""
    iommu(m, intremap=False)
    usual_devices(m)


TOPOLOGIES = {
    f.__name__.replace("_", "-"): f
    for f in (gpu_nic, sriov, switch, big, twins, twins_moved, twins_swapped, no_iommu, no_intremap)
}
