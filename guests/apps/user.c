#include "user.h"

#include "../common/format.h"

_Noreturn void start(u64 argument) {
  system_call(CALL_EXIT, (u64)main(argument), 0);
  __builtin_unreachable();
}

void printf(const char *text, ...) {
  char line[160] = "";
  struct buffer buffer = {line, sizeof line, 0};
  va_list arguments;
  va_start(arguments, text);
  buffer_format(&buffer, text, arguments);
  va_end(arguments);
  system_call(CALL_WRITE, (u64)line, buffer.length);
}
