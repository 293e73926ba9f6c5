#include "tools/record_format.h"

#include <inttypes.h>
#include <string.h>

/* -1: not a hexadecimal digit. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool record_format_check(const char *format, char *problem, size_t problem_max)
{
    for (const char *c = format; *c != '\0'; c++) {
        if (*c != '%' && *c != '\\')
            continue;
        if (c[1] == '\0') {
            snprintf(problem, problem_max, "nothing follows the last %c", *c);
            return false;
        }
        if (strchr(*c == '%' ? "kvtpodeKVTH%" : "ntr\\x", c[1]) == NULL) {
            snprintf(problem, problem_max, "%c%c is unknown", *c, c[1]);
            return false;
        }
        if (*c == '\\' && c[1] == 'x') {
            if (hex_digit(c[2]) < 0 || hex_digit(c[3]) < 0) {
                snprintf(problem, problem_max, "two hexadecimal digits follow \\x");
                return false;
            }
            c += 2;
        }
        c++;
    }
    return true;
}

static void print_bytes(FILE *file, const uint8_t *bytes, int32_t size_bytes)
{
    if (size_bytes > 0)
        fwrite(bytes, 1, (size_t)size_bytes, file);
}

static void print_verb(FILE *file, char verb, const struct record *record,
                       const struct record_format_place *place)
{
    switch (verb) {
    case 'k':
        print_bytes(file, record->key, record->key_bytes);
        break;
    case 'v':
        print_bytes(file, record->value, record->value_bytes);
        break;
    case 't':
        fputs(place->topic, file);
        break;
    case 'p':
        fprintf(file, "%" PRId32, place->partition);
        break;
    case 'o':
        fprintf(file, "%" PRId64, place->offset);
        break;
    case 'd':
        fprintf(file, "%" PRId64, place->timestamp_ms);
        break;
    case 'e':
        fprintf(file, "%" PRId32, place->leader_epoch);
        break;
    case 'K':
        fprintf(file, "%" PRId32, record->key_bytes < 0 ? 0 : record->key_bytes);
        break;
    case 'V':
        fprintf(file, "%" PRId32, record->value_bytes < 0 ? 0 : record->value_bytes);
        break;
    case 'T':
        fprintf(file, "%zu", strlen(place->topic));
        break;
    case 'H':
        fprintf(file, "%" PRId32, record->header_count);
        break;
    default:
        fputc(verb, file);
    }
}

void record_format_print(FILE *file, const char *format, const struct record *record,
                         const struct record_format_place *place)
{
    for (const char *c = format; *c != '\0'; c++) {
        if (*c == '%') {
            print_verb(file, *++c, record, place);
        } else if (*c != '\\') {
            fputc(*c, file);
        } else if (*++c == 'x') {
            fputc(hex_digit(c[1]) << 4 | hex_digit(c[2]), file);
            c += 2;
        } else {
            fputc(*c == 'n' ? '\n' : *c == 't' ? '\t' : *c == 'r' ? '\r' : *c, file);
        }
    }
}
