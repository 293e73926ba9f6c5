#include "tools/load/load_html.h"

#include "base/text.h"

#include <stdarg.h>
#include <string.h>

enum { PRINT_BYTES_MAX = 1024 };

static bool is_unsafe(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void load_html_text(FILE *file, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        uint32_t code;
        size_t bytes = text_utf8_next(text, left, &code);
        if (bytes == 0 || is_unsafe(code))
            fputs("\xef\xbf\xbd", file);
        else if (code == '&')
            fputs("&amp;", file);
        else if (code == '<')
            fputs("&lt;", file);
        else if (code == '>')
            fputs("&gt;", file);
        else if (code == '"')
            fputs("&quot;", file);
        else if (code == '\'')
            fputs("&#39;", file);
        else
            fwrite(text, 1, bytes, file);
        bytes = bytes == 0 ? 1 : bytes;
        text += bytes;
        left -= bytes;
    }
}

void load_html_print(FILE *file, const char *format, ...)
{
    char text[PRINT_BYTES_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    load_html_text(file, text);
}
