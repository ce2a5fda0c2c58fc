#include "arch.h"
const struct check arch_checks[] = {{NULL, NULL}};
