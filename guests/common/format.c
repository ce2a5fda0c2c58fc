#include "format.h"

#include "string.h"

struct field {
  int width;
  int precision; /* -1: none given */
  char fill;     /* ' ' or '0' */
  bool left;
};

static void put_field(put_fn *put, void *context, const struct field *field, const char *text, int length) {
  int missing = field->width - length;
  if (!field->left) {
    for (; missing > 0; missing--) put(context, field->fill);
  }
  for (int i = 0; i < length; i++) put(context, text[i]);
  for (; missing > 0; missing--) put(context, ' ');
}

static void put_number(put_fn *put, void *context, struct field *field, u64 value, unsigned base,
                       bool negative) {
  char digits[24];
  char *p = digits + sizeof digits;
  do {
    *--p = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  if (negative && field->fill == '0') {
    put(context, '-'); /* the sign goes before the zeros, */
    field->width--;
  } else if (negative) {
    *--p = '-'; /* but after the spaces */
  }
  put_field(put, context, field, p, (int)(digits + sizeof digits - p));
}

static int read_width(const char **text) {
  int width = 0;
  while (**text >= '0' && **text <= '9') width = width * 10 + *(*text)++ - '0';
  return width;
}

void format(put_fn *put, void *context, const char *text, va_list arguments) {
  for (; *text; text++) {
    if (*text != '%') {
      put(context, *text);
      continue;
    }
    text++;

    struct field field = {.fill = ' ', .precision = -1};
    for (; *text == '-' || *text == '0'; text++) {
      if (*text == '-') field.left = true;
      else field.fill = '0';
    }
    field.width = read_width(&text);
    if (*text == '.') {
      text++;
      field.precision = read_width(&text);
    }
    bool wide = false;
    for (; *text == 'l' || *text == 'z'; text++) wide = true;

    switch (*text) {
      case 'd':
      case 'i': {
        s64 value = wide ? va_arg(arguments, s64) : va_arg(arguments, int);
        put_number(put, context, &field, value < 0 ? -(u64)value : (u64)value, 10, value < 0);
        break;
      }
      case 'u':
      case 'x': {
        u64 value = wide ? va_arg(arguments, u64) : va_arg(arguments, unsigned);
        put_number(put, context, &field, value, *text == 'x' ? 16 : 10, false);
        break;
      }
      case 'c': {
        char c = (char)va_arg(arguments, int);
        put_field(put, context, &field, &c, 1);
        break;
      }
      case 's': {
        const char *string = va_arg(arguments, const char *);
        int length = (int)strlen(string);
        if (field.precision >= 0 && length > field.precision) length = field.precision;
        put_field(put, context, &field, string, length);
        break;
      }
      case 0:
        return;
      default:
        put(context, *text);
    }
  }
}

static void buffer_put(void *context, char c) {
  struct buffer *buffer = context;
  if (buffer->length + 1 >= buffer->size) return;
  buffer->text[buffer->length++] = c;
  buffer->text[buffer->length] = 0;
}

void buffer_format(struct buffer *buffer, const char *text, va_list arguments) {
  format(buffer_put, buffer, text, arguments);
}

void buffer_print(struct buffer *buffer, const char *text, ...) {
  va_list arguments;
  va_start(arguments, text);
  buffer_format(buffer, text, arguments);
  va_end(arguments);
}
