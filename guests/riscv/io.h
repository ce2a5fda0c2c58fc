/* Access to device registers, which the kernel sees in its direct map. */
#pragma once

#include "arch.h"

static inline u8 io_read8(paddr at) { return *(volatile u8 *)arch_at(at); }
static inline void io_write8(paddr at, u8 value) { *(volatile u8 *)arch_at(at) = value; }
static inline u32 io_read32(paddr at) { return *(volatile u32 *)arch_at(at); }
static inline void io_write32(paddr at, u32 value) { *(volatile u32 *)arch_at(at) = value; }
