#include "checks.h"

#include "arch.h"

const struct check arch_checks[] = {
    {"timer-interrupt", check_timer},
    {"page-remap", check_remap},
    {"page-pcid", check_asids},
    {NULL, NULL},
};
