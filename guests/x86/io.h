/* Access to ports, and to device registers in memory, which the kernel sees in its direct map: one exact
 * instruction each. */
#pragma once

#include "arch.h"

static inline u8 io_read8(u64 port) {
  u8 value;
  __asm__ volatile("inb %w1, %0" : "=a"(value) : "Nd"((u16)port) : "memory");
  return value;
}
static inline void io_write8(u64 port, u8 value) {
  __asm__ volatile("outb %0, %w1" ::"a"(value), "Nd"((u16)port) : "memory");
}
static inline u16 io_read16(u64 port) {
  u16 value;
  __asm__ volatile("inw %w1, %0" : "=a"(value) : "Nd"((u16)port) : "memory");
  return value;
}
static inline void io_write16(u64 port, u16 value) {
  __asm__ volatile("outw %0, %w1" ::"a"(value), "Nd"((u16)port) : "memory");
}
static inline u32 io_read32(u64 port) {
  u32 value;
  __asm__ volatile("inl %w1, %0" : "=a"(value) : "Nd"((u16)port) : "memory");
  return value;
}
static inline void io_write32(u64 port, u32 value) {
  __asm__ volatile("outl %0, %w1" ::"a"(value), "Nd"((u16)port) : "memory");
}

static inline u32 mmio_read32(paddr at) {
  u32 value;
  __asm__ volatile("movl %1, %0" : "=r"(value) : "m"(*(volatile u32 *)arch_at(at)) : "memory");
  return value;
}
static inline void mmio_write32(paddr at, u32 value) {
  __asm__ volatile("movl %1, %0" : "=m"(*(volatile u32 *)arch_at(at)) : "r"(value) : "memory");
}
static inline u64 mmio_read64(paddr at) {
  u64 value;
  __asm__ volatile("movq %1, %0" : "=r"(value) : "m"(*(volatile u64 *)arch_at(at)) : "memory");
  return value;
}
static inline void mmio_write64(paddr at, u64 value) {
  __asm__ volatile("movq %1, %0" : "=m"(*(volatile u64 *)arch_at(at)) : "r"(value) : "memory");
}
