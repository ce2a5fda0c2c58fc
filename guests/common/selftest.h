/* Checks everything this guest can do and use, one line per check. */
#pragma once

unsigned selftest(void); /* number of failed checks */
unsigned selftest_exits(void); /* the architecture's part only: every kind of VM exit */
