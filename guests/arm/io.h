/* Access to device registers, which the kernel sees in its direct map. One exact instruction each, without
 * write-back: a hypervisor is told all about those, and about no others. */
#pragma once

#include "arch.h"

static inline u8 io_read8(paddr at) {
  u32 value;
  __asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(arch_at(at)) : "memory");
  return (u8)value;
}
static inline void io_write8(paddr at, u8 value) {
  __asm__ volatile("strb %w0, [%1]" ::"r"((u32)value), "r"(arch_at(at)) : "memory");
}
static inline u32 io_read32(paddr at) {
  u32 value;
  __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(arch_at(at)) : "memory");
  return value;
}
static inline void io_write32(paddr at, u32 value) {
  __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(arch_at(at)) : "memory");
}
static inline u64 io_read64(paddr at) {
  u64 value;
  __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(arch_at(at)) : "memory");
  return value;
}
