/* Loads a program: a static 64-bit little-endian ELF executable. */
#pragma once

#include "space.h"
#include "types.h"

/* The entry address, or 0 when the file is not a program for this machine or memory ran out. */
vaddr elf_load(struct space *space, const u8 *file, u64 size);

/* Where the program's last segment ends: its heap begins above. */
vaddr elf_end(const u8 *file, u64 size);
