/* The C library's string functions that the compiler and we ourselves call. */
#pragma once

#include "types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memset(void *to, int byte, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t count);

/* Copies at most size - 1 characters and always ends the copy with a zero. */
void copy_text(char *to, const char *from, size_t size);

/* Reads a decimal or 0x number; returns the first character after it (`text` itself if none). */
const char *parse_number(const char *text, u64 *value);
