/* The user programs inside this kernel: ELF files that the build puts there. */
#pragma once

#include "types.h"

struct app {
  const char *name;
  const char *about;
  const u8 *file;
  u64 size;
};

extern const struct app apps[]; /* ends with a NULL name */

const struct app *app_find(const char *name);

/* Whether this machine can run it: "float" needs floating point. */
bool app_runnable(const struct app *app);
