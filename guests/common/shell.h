/* The shell on the console. */
#pragma once

_Noreturn void shell(void);

/* Runs a program in the foreground and says how it ended; its exit code, 1 if it did not exit. */
int shell_run(const char *name, unsigned long argument);
