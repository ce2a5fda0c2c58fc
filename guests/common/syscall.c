#include "syscall.h"

#include "arch.h"
#include "console.h"
#include "layout.h"
#include "task.h"

static s64 call_exit(u64 code, u64) {
  task_end(END_EXIT, (int)code, 0);
}

/* A piece at a time, so that a bad address is found before the part behind it is written. */
static s64 call_write(u64 text, u64 length) {
  char piece[64];
  for (u64 done = 0; done < length;) {
    u64 part = length - done < sizeof piece ? length - done : sizeof piece;
    if (!space_read(&current->space, piece, text + done, part)) return BAD_ADDRESS;
    for (u64 i = 0; i < part && !current->quiet; i++) console_put(piece[i]);
    done += part;
  }
  return (s64)length;
}

static s64 call_read(u64, u64) {
  return console_get();
}

static s64 call_yield(u64, u64) {
  task_yield();
  return 0;
}

static s64 call_sleep(u64 ms, u64) {
  if (ms > 1000000000) ms = 1000000000;
  task_sleep_until(arch_ticks() + ticks_of_ms(ms));
  return 0;
}

static s64 call_getpid(u64, u64) {
  return current->pid;
}

static s64 call_time(u64, u64) {
  return (s64)nanoseconds(arch_ticks());
}

static s64 call_grow(u64 bytes, u64) {
  struct region *heap = current->heap;
  vaddr start = heap->end;
  if (bytes > USER_HEAP_LIMIT - (heap->end - heap->start)) return NO_MEMORY;
  heap->end += round_up(bytes, PAGE_SIZE);
  return (s64)start;
}

s64 syscall(u64 number, u64 a, u64 b) {
  static s64 (*const calls[CALL_COUNT])(u64, u64) = {
      [CALL_EXIT] = call_exit,   [CALL_WRITE] = call_write,   [CALL_READ] = call_read,
      [CALL_YIELD] = call_yield, [CALL_SLEEP] = call_sleep,   [CALL_GETPID] = call_getpid,
      [CALL_TIME] = call_time,   [CALL_GROW] = call_grow,
  };
  current->calls++;
  return number < CALL_COUNT ? calls[number](a, b) : BAD_CALL;
}
