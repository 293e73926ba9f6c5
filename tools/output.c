#include "tools/output.h"

#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Would a terminal obey it, or show what follows in another order? */
static bool is_active(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

void output_plain(FILE *file, const char *text, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes;) {
        uint32_t point;
        size_t width = text_utf8_next(text + i, size_bytes - i, &point);
        if (width == 0)
            fprintf(file, "\\x%02x", (unsigned char)text[i]);
        else if (!is_active(point))
            fwrite(text + i, 1, width, file);
        else if (point == '\n')
            fputs("\\n", file);
        else if (point == '\t')
            fputs("\\t", file);
        else
            fprintf(file, point < 0x100 ? "\\x%02" PRIx32 : "\\u%04" PRIx32, point);
        i += width == 0 ? 1 : width;
    }
}

void output_line(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int size;

    va_start(args, format);
    size = vasprintf(&text, format, args);
    va_end(args);
    if (size < 0)
        abort();
    output_plain(stdout, text, (size_t)size);
    putchar('\n');
    free(text);
}

void output_json_text(const char *text, size_t size_bytes)
{
    if (text == NULL) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < size_bytes;) {
        uint32_t point;
        size_t width = text_utf8_next(text + i, size_bytes - i, &point);
        if (width == 0)
            fputs("\\ufffd", stdout);
        else if (point == '"' || point == '\\')
            printf("\\%c", (char)point);
        else if (is_active(point))
            printf("\\u%04" PRIx32, point);
        else
            fwrite(text + i, 1, width, stdout);
        i += width == 0 ? 1 : width;
    }
    putchar('"');
}

void output_begin(struct output_object *object)
{
    object->has_member = false;
    putchar('{');
}

static void put_name(struct output_object *object, const char *name)
{
    printf("%s\"%s\":", object->has_member ? "," : "", name);
    object->has_member = true;
}

void output_text(struct output_object *object, const char *name, const char *text)
{
    put_name(object, name);
    output_json_text(text, text == NULL ? 0 : strlen(text));
}

void output_string(struct output_object *object, const char *name, struct wire_string value)
{
    put_name(object, name);
    output_json_text(value.text, value.size_bytes < 0 ? 0 : (size_t)value.size_bytes);
}

void output_bytes(struct output_object *object, const char *name, const uint8_t *bytes,
                  int32_t size_bytes)
{
    put_name(object, name);
    if (size_bytes < 0)
        output_json_text(NULL, 0);
    else
        output_json_text(size_bytes == 0 ? "" : (const char *)bytes, (size_t)size_bytes);
}

void output_number(struct output_object *object, const char *name, int64_t value)
{
    put_name(object, name);
    printf("%" PRId64, value);
}

void output_bool(struct output_object *object, const char *name, bool value)
{
    put_name(object, name);
    fputs(value ? "true" : "false", stdout);
}

void output_end(struct output_object *object)
{
    object->has_member = false;
    puts("}");
}

enum err output_flush(void)
{
    static bool told;
    int failure = 0;

    if (fflush(stdout) != 0)
        failure = errno;
    else if (!ferror(stdout))
        return OK;
    if (!told)
        fprintf(stderr, "levee: standard output cannot be written%s%s\n", failure == 0 ? "" : ": ",
                failure == 0 ? "" : strerror(failure));
    told = true;
    return ERR_IO;
}
