/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's edu device (docs/specs/edu.rst of QEMU). */
#ifndef TINY_EDU_H
#define TINY_EDU_H

#include "tiny.h"

#define EDU_ID	       0x11e81234u
#define EDU_BAR_SIZE   MIB
#define EDU_REG_ID     0x00
#define EDU_IDENTITY   0x010000edu
#define EDU_REG_INVERT 0x04 /* reads as the complement of what was written */
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_RAISE  0x60
#define EDU_IRQ_ACK    0x64
#define EDU_DMA_SRC    0x80
#define EDU_DMA_DST    0x88
#define EDU_DMA_COUNT  0x90
#define EDU_DMA_CMD    0x98
#define EDU_DMA_START  1u
#define EDU_DMA_TO_RAM 2u
#define EDU_BUFFER     0x40000u /* 4 KiB in the device */

#endif
