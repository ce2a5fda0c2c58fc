/* Where the portable kernel begins, and what the kernel command line makes of it:
 *
 *   selftest          run the self-test, then power off (as failed, if anything failed)
 *   run=NAME[,NUMBER] run a program, then power off; several run one after the other
 *
 * Without either, the shell. Other words are left alone. */
#include "apps.h"
#include "arch.h"
#include "console.h"
#include "pages.h"
#include "selftest.h"
#include "shell.h"
#include "string.h"
#include "task.h"

const struct app *app_find(const char *name) {
  for (const struct app *app = apps; app->name != NULL; app++) {
    if (strcmp(app->name, name) == 0) return app;
  }
  return NULL;
}

bool app_runnable(const struct app *app) { return arch_has_float() || strcmp(app->name, "float") != 0; }

static bool automatic; /* the command line gave us something to do */
static int code;

static void run_word(const char *word, unsigned length) {
  char text[32];
  if (length >= sizeof text) return;
  copy_text(text, word, length + 1);

  if (strcmp(text, "selftest") == 0) {
    automatic = true;
    if (selftest() > 0) code = 1;
  } else if (strncmp(text, "run=", 4) == 0) {
    automatic = true;
    u64 argument = 0;
    for (char *p = text; *p; p++) {
      if (*p != ',') continue;
      *p = 0;
      parse_number(p + 1, &argument);
      break;
    }
    if (shell_run(text + 4, argument) != 0) code = 1;
  }
}

_Noreturn void kernel_main(void) {
  tasks_init();
  print("hypercraft embedded guest, %s\n", arch_name);
  unsigned count = machine.cpu_count;
  print("machine   %s, %u processor%s\n", machine.model, count, count == 1 ? "" : "s");
  print("memory    %lu MiB free\n", pages_available() >> 8);
  arch_print_banner();
  print("console   %s\n", console->name);
  if (machine.arguments[0]) print("arguments %s\n", machine.arguments);

  const char *word = machine.arguments;
  while (*word) {
    unsigned length = 0;
    while (word[length] && word[length] != ' ') length++;
    run_word(word, length);
    word += length;
    while (*word == ' ') word++;
  }
  if (automatic) arch_power_off(code);

  print("Type help for help.\n");
  shell();
}
