#include "shell.h"

#include "apps.h"
#include "arch.h"
#include "console.h"
#include "pages.h"
#include "selftest.h"
#include "string.h"
#include "task.h"

#define LINE_SIZE 80

enum { CTRL_H = 8, CTRL_U = 21, ESCAPE = 27, DELETE = 127 };

/* ---- Reading a line --------------------------------------------------------------------- */

static void erase(unsigned *length) {
  if (*length == 0) return;
  (*length)--;
  print("\b \b");
}

/* Arrow keys and their kin arrive as ESC [ ... letter; we have no use for them. */
static void skip_escape_sequence(void) {
  if (console_get() != '[') return;
  int c = console_get();
  while (c >= 0 && c < '@') c = console_get();
}

/* Reads what is typed up to Enter, with echo. False: it was given up with Ctrl-C. */
static bool read_line(char line[LINE_SIZE]) {
  static int last; /* Enter may arrive as \r, \n or \r\n: of the pair, \n is no second line */
  unsigned length = 0;
  for (;;) {
    int before = last, c = last = console_get();
    if (c == '\n' && before == '\r') continue;
    if (c == '\r' || c == '\n' || c < 0) {
      print(c < 0 ? "^C\n" : "\n");
      line[length] = 0;
      return c >= 0;
    }
    if (c == DELETE || c == CTRL_H) erase(&length);
    else if (c == CTRL_U) while (length > 0) erase(&length);
    else if (c == ESCAPE) skip_escape_sequence();
    else if (c >= ' ' && length < LINE_SIZE - 1) {
      line[length++] = (char)c;
      console_put((char)c);
    }
  }
}

/* Cuts the next word off a line; "" at its end. */
static char *next_word(char **line) {
  char *p = *line;
  while (*p == ' ') p++;
  char *word = p;
  while (*p && *p != ' ') p++;
  if (*p) *p++ = 0;
  *line = p;
  return word;
}

/* ---- Commands --------------------------------------------------------------------------- */

static unsigned failures; /* of the last self-test: poweroff reports them */

static void describe(const struct task_result *result) {
  print("%s", end_name(result->end));
  if (result->end == END_EXIT) print(" %d", result->exit_code);
  else if (result->end != END_KILLED) print(" at %016lx", result->end_address);
}

int shell_run(const char *name, unsigned long argument) {
  struct task *task = task_start(name, argument);
  if (task == NULL) {
    print("cannot start %s\n", name);
    return 1;
  }
  console_foreground = task;
  struct task_result result = task_join(task);
  console_foreground = NULL;
  if (result.end == END_EXIT && result.exit_code == 0) return 0;
  print("%s: ", name);
  describe(&result);
  print("\n");
  return result.end == END_EXIT ? result.exit_code : 1;
}

static void command_apps(char *) {
  for (const struct app *app = apps; app->name != NULL; app++) {
    print("  %-9s %s%s\n", app->name, app->about, app_runnable(app) ? "" : " (not on this processor)");
  }
}

static void command_run(char *line) {
  char *name = next_word(&line), *word = next_word(&line);
  u64 argument = 0;
  if (*parse_number(word, &argument) == 0) word = next_word(&line);
  bool background = strcmp(word, "&") == 0;

  const struct app *app = app_find(name);
  if (*name == 0 || (*word != 0 && !background)) {
    print("usage: run NAME [NUMBER] [&]\n");
  } else if (app == NULL) {
    print("no program \"%s\": try apps\n", name);
  } else if (!app_runnable(app)) {
    print("%s needs floating point, which this processor lacks\n", name);
  } else if (!background) {
    shell_run(name, argument);
  } else {
    struct task *task = task_start(name, argument);
    if (task == NULL) print("cannot start %s\n", name);
    else {
      task->detached = true;
      print("[%d] %s\n", task->pid, name);
    }
  }
}

static void command_kill(char *line) {
  u64 pid = 0;
  char *word = next_word(&line);
  bool number = *word != 0 && *parse_number(word, &pid) == 0;
  for (unsigned i = 1; number && i < MAX_TASKS; i++) {
    if (tasks[i].state != TASK_FREE && (u64)tasks[i].pid == pid) return task_kill(&tasks[i]);
  }
  print(number ? "no task %lu\n" : "usage: kill PID\n", pid);
}

static void command_ps(char *) {
  static const char states[][9] = {"free", "ready", "running", "sleeping", "waiting", "ended"};
  print("  PID STATE     TIME/ms TURNS FAULTS CALLS NAME\n");
  for (unsigned i = 0; i < MAX_TASKS; i++) {
    const struct task *task = &tasks[i];
    if (task->state == TASK_FREE) continue;
    print("%5d %-9s %7lu %5lu %6lu %5lu %s\n", task->pid, states[task->state],
          nanoseconds(task->time) / 1000000, task->turns, task->faults, task->calls, task->name);
  }
}

static void command_mem(char *) {
  for (unsigned i = 0; i < machine.ram_count; i++) {
    const struct range *ram = &machine.ram[i];
    print("RAM       %016lx .. %016lx  %lu MiB\n", ram->start, ram->end - 1, (ram->end - ram->start) >> 20);
  }
  for (unsigned i = 0; i < machine.reserved_count; i++) {
    const struct range *r = &machine.reserved[i];
    print("reserved  %016lx .. %016lx\n", r->start, r->end - 1);
  }
  u64 total = pages_total(), available = pages_available();
  print("%lu KiB in all, %lu KiB used, %lu KiB free\n", total * 4, (total - available) * 4, available * 4);
}

static void command_time(char *) {
  u64 up = nanoseconds(arch_ticks()) / 1000, wall = arch_wall_clock() / 1000000000;
  print("up %lu.%06lu s, %lu ticks a second\n", up / 1000000, up % 1000000, machine.ticks_per_second);
  if (wall == 0) return;
  print("%lu s since 1970, %02lu:%02lu:%02lu UTC\n", wall, wall / 3600 % 24, wall / 60 % 60, wall % 60);
}

static void command_exits(char *) {
  selftest_exits();
}

static void command_selftest(char *) {
  failures = selftest();
}

static void command_reboot(char *) {
  arch_reboot();
}

static void command_poweroff(char *line) {
  char *word = next_word(&line);
  u64 code = failures > 0;
  if (*word != 0 && *parse_number(word, &code) != 0) print("usage: poweroff [CODE]\n");
  else arch_power_off((int)code);
}

static void command_help(char *line);

static const struct command {
  const char *name;
  const char *about;
  void (*run)(char *line);
} commands[] = {
    {"help", "this list", command_help},
    {"apps", "the programs there are", command_apps},
    {"run", "NAME [NUMBER] [&]: runs a program; with &, the shell goes on", command_run},
    {"kill", "PID: ends a task", command_kill},
    {"ps", "the tasks", command_ps},
    {"mem", "memory", command_mem},
    {"time", "clocks", command_time},
    {"exits", "makes every kind of VM exit, and checks what comes of it", command_exits},
    {"selftest", "checks everything", command_selftest},
    {"reboot", "starts the machine again", command_reboot},
    {"poweroff", "[CODE]: ends the machine", command_poweroff},
};

static void command_help(char *) {
  for (unsigned i = 0; i < COUNT(commands); i++) print("  %-9s %s\n", commands[i].name, commands[i].about);
}

static void execute(char *line) {
  char *name = next_word(&line);
  if (*name == 0) return;
  for (unsigned i = 0; i < COUNT(commands); i++) {
    if (strcmp(commands[i].name, name) == 0) return commands[i].run(line);
  }
  print("unknown command \"%s\": try help\n", name);
}

_Noreturn void shell(void) {
  char line[LINE_SIZE];
  for (;;) {
    print("hc> ");
    if (read_line(line)) execute(line);
  }
}
