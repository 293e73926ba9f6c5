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

/* The escape at *c, which is moved to its last character; *out: the character that it stands for.
 */
static bool take_escape(const char **c, char *out, char *problem, size_t problem_max)
{
    const char *at = *c;

    if (at[1] == '\0' || strchr("ntr\\x", at[1]) == NULL) {
        snprintf(problem, problem_max,
                 at[1] == '\0' ? "nothing follows the last \\" : "\\%c is unknown", at[1]);
        return false;
    }
    if (at[1] == 'x' && (hex_digit(at[2]) < 0 || hex_digit(at[3]) < 0)) {
        snprintf(problem, problem_max, "two hexadecimal digits follow \\x");
        return false;
    }
    *out = at[1] == 'n'   ? '\n'
           : at[1] == 't' ? '\t'
           : at[1] == 'r' ? '\r'
           : at[1] == 'x' ? (char)(hex_digit(at[2]) << 4 | hex_digit(at[3]))
                          : at[1];
    *c += at[1] == 'x' ? 3 : 1;
    return true;
}

/* Up to the end, or inside of %h{...} up to its brace, where *format stops. */
static bool check_part(const char **format, const char *verbs, bool is_inner, char *problem,
                       size_t problem_max)
{
    const char *c = *format;
    char ignored;

    for (; *c != '\0' && !(is_inner && *c == '}'); c++) {
        if (*c == '\\' && !take_escape(&c, &ignored, problem, problem_max))
            return false;
        if (*c != '%')
            continue;
        c++;
        if (*c == '\0' || strchr(verbs, *c) == NULL) {
            snprintf(problem, problem_max,
                     *c == '\0' ? "nothing follows the last %%" : "%%%c is unknown%s", *c,
                     is_inner ? " in %h{...}" : "");
            return false;
        }
        if (*c == 'h') {
            c += 2;
            if (c[-1] != '{') {
                snprintf(problem, problem_max, "%%h is followed by {...}");
                return false;
            }
            if (!check_part(&c, "kvKV%{}", true, problem, problem_max))
                return false;
        } else if (c[1] == '{' && strchr("%{}", *c) == NULL) {
            snprintf(problem, problem_max, "%%%c{...}: modifiers are unknown (%%{ is a brace)", *c);
            return false;
        }
    }
    *format = c;
    if (!is_inner || *c == '}')
        return true;
    snprintf(problem, problem_max, "%%h{ has no } behind it");
    return false;
}

bool record_format_check(const char *format, char *problem, size_t problem_max)
{
    return check_part(&format, "kvtpodeKVTHh%{}", false, problem, problem_max);
}

bool record_format_read(const char *format, char delimiter_out[RECORD_FORMAT_DELIMITER_MAX],
                        char *problem, size_t problem_max)
{
    bool has_key = strncmp(format, "%k", 2) == 0;
    size_t used = 0;
    const char *c = has_key ? format + 2 : format;
    char sign;

    for (; *c != '\0' && strncmp(c, "%v", 2) != 0; c++) {
        sign = *c;
        if (*c == '\\' && !take_escape(&c, &sign, problem, problem_max))
            return false;
        if (*c == '%' && (c[1] == '\0' || strchr("%{}", c[1]) == NULL)) {
            snprintf(problem, problem_max, "%%%c cannot be read", c[1]);
            return false;
        }
        if (*c == '%')
            sign = *++c;
        if (!has_key || sign == '\0' || sign == '\n' || used + 1 >= RECORD_FORMAT_DELIMITER_MAX) {
            snprintf(problem, problem_max, "\"%s\" cannot be read", format);
            return false;
        }
        delimiter_out[used++] = sign;
    }
    delimiter_out[used] = '\0';
    if (strcmp(c, "%v\\n") == 0 && (used > 0) == has_key)
        return true;
    snprintf(problem, problem_max, "\"%s\" cannot be read", format);
    return false;
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

static const char *print_headers(FILE *file, const char *format, const struct record *record);

/* Up to the end, or inside of %h{...} up to its brace; where it stopped. */
static const char *print_part(FILE *file, const char *format, bool is_inner,
                              const struct record *record, const struct record_format_place *place)
{
    const char *c = format;
    char ignored[64];
    char sign;

    for (; *c != '\0' && !(is_inner && *c == '}'); c++) {
        if (*c == '%' && c[1] == 'h') {
            c = print_headers(file, c + 3, record);
        } else if (*c == '%') {
            print_verb(file, *++c, record, place);
        } else if (*c == '\\') {
            if (take_escape(&c, &sign, ignored, sizeof(ignored)))
                fputc(sign, file);
        } else {
            fputc(*c, file);
        }
    }
    return c;
}

/* format: behind the brace of %h{; to the closing one. */
static const char *print_headers(FILE *file, const char *format, const struct record *record)
{
    static const struct record_format_place nowhere = {.topic = ""};
    struct record_header_walk walk;
    struct record_header header;
    const char *end = format;
    char ignored[64];

    record_header_walk_init(&walk, record);
    while (record_header_next(&walk, &header) == OK) {
        struct record as_record = {.key = (const uint8_t *)header.key,
                                   .key_bytes = (int32_t)header.key_bytes,
                                   .value = header.value,
                                   .value_bytes = header.value_bytes};
        print_part(file, format, true, &as_record, &nowhere);
    }
    if (!check_part(&end, "kvKV%{}", true, ignored, sizeof(ignored)))
        return format + strlen(format); /* cannot be: it was checked */
    return end;
}

void record_format_print(FILE *file, const char *format, const struct record *record,
                         const struct record_format_place *place)
{
    print_part(file, format, false, record, place);
}
