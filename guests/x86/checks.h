/* The self-test's x86-64 part, a file per subject. */
#pragma once

#include "check.h"
