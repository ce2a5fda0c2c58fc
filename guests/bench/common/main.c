/* bench NAME [PERCENT]: does that part of a program's work and says how long it took,
 *
 *   BENCH name nanoseconds check
 *
 * `bench list` prints the names, `bench nothing` only ends: that is what the program `exec` starts. */
#include "bench.h"

struct program {
  const char *name;
  u64 (*run)(u64 percent);
};

static const struct program programs[] = {
#define PROGRAM(name) {#name, bench_##name},
#include "programs.h"
#undef PROGRAM
};

u8 arena[ARENA_SIZE] __attribute__((aligned(4096)));
const char *own_path;

/* The line to print, which goes out in one write so that nothing of the kernel's comes between. */
static char line[256];
static u64 length;

static void put(const char *text) {
  while (*text != 0 && length < sizeof line) line[length++] = *text++;
}

static void put_decimal(u64 value) {
  char digits[21];
  char *at = &digits[20];
  *at = 0;
  do {
    *--at = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  put(at);
}

static void put_hex(u64 value) {
  char digits[17] = {0};
  for (int i = 0; i < 16; i++) digits[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
  put(digits);
}

static void flush(int file) {
  sys_write(file, line, length);
  length = 0;
}

_Noreturn void fail(const char *message) {
  length = 0;
  put("BENCH-ERROR ");
  put(message);
  put("\n");
  flush(1);
  sys_exit(1);
}

static bool equal(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return *a == *b;
}

/* 0 if it is no number from 1 to 100. */
static u64 percentage(const char *text) {
  u64 value = 0;
  for (; *text != 0; text++) {
    if (*text < '0' || *text > '9' || value > 100) return 0;
    value = value * 10 + (u64)(*text - '0');
  }
  return value > 100 ? 0 : value;
}

static void run(const struct program *program, u64 percent) {
  u64 start = now_ns();
  u64 check = program->run(percent);
  u64 end = now_ns();
  put("BENCH ");
  put(program->name);
  put(" ");
  put_decimal(end - start);
  put(" ");
  put_hex(check);
  put("\n");
  flush(1);
}

static void list(void) {
  for (u64 i = 0; i < COUNT(programs); i++) {
    put(programs[i].name);
    put("\n");
    flush(1);
  }
}

_Noreturn void bench_main(u64 count, const char *const *arguments) {
  const char *name = count > 1 ? arguments[1] : "";
  if (equal(name, "nothing")) sys_exit(0);
  own_path = arguments[0];
  if (equal(name, "list")) {
    list();
    sys_exit(0);
  }
  u64 percent = count > 2 ? percentage(arguments[2]) : 100;
  if (percent == 0) fail("PERCENT is 1 to 100");
  for (u64 i = 0; i < COUNT(programs); i++) {
    if (!equal(name, programs[i].name)) continue;
    run(&programs[i], percent);
    sys_exit(0);
  }
  fail("usage: bench NAME [PERCENT] or bench list");
}
