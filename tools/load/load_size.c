#include "tools/load/load_size.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A size at the front of text; *end_out is behind it. */
static enum err parse_size(const char *text, const char **end_out, uint32_t *out)
{
    unsigned long long value;
    char *end;

    if (*text < '0' || *text > '9')
        return ERR_MALFORMED;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || value > LOAD_SIZE_MAX_BYTES)
        return ERR_INVALID;
    *end_out = end;
    *out = (uint32_t)value;
    return OK;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0' || text[strspn(text, " \t")] == '#';
}

/* A line of a file: until becomes the sum of the weights up to here. */
static enum err parse_row(const char *line, double before, struct load_size_row *out)
{
    const char *rest;
    char *end;
    double weight;
    enum err err = parse_size(line + strspn(line, " \t"), &rest, &out->size_bytes);

    if (err)
        return err;
    if (*rest != ' ' && *rest != '\t' && *rest != ',')
        return ERR_MALFORMED;
    weight = strtod(rest + 1, &end);
    if (end == rest + 1 || !is_blank(end))
        return ERR_MALFORMED;
    if (!(weight >= 0) || isinf(weight))
        return ERR_INVALID;
    out->until = before + weight;
    return OK;
}

static enum err add_row(struct load_size *size, const char *line)
{
    double before = size->rows_count == 0 ? 0 : size->rows[size->rows_count - 1].until;
    struct load_size_row *more;

    if (size->rows_count == LOAD_SIZE_ROWS_MAX)
        return ERR_TOO_LARGE;
    if ((size->rows_count & (size->rows_count - 1)) == 0) { /* a power of two: full */
        more = mem_try_realloc(size->rows,
                               (size->rows_count == 0 ? 1 : 2 * size->rows_count) * sizeof(*more));
        if (more == NULL)
            return ERR_NOMEM;
        size->rows = more;
    }
    return parse_row(line, before, &size->rows[size->rows_count++]);
}

static enum err read_rows(struct load_size *size, FILE *file)
{
    char line[256];
    enum err err = OK;

    while (!err && fgets(line, sizeof(line), file) != NULL) {
        if (strchr(line, '\n') == NULL && strlen(line) == sizeof(line) - 1)
            err = ERR_MALFORMED;
        else if (!is_blank(line))
            err = add_row(size, line);
    }
    if (!err && ferror(file))
        err = ERR_IO;
    return err;
}

/* Weights become shares; smallest, largest and mean of what can come. */
static enum err finish_rows(struct load_size *size)
{
    double sum = size->rows_count == 0 ? 0 : size->rows[size->rows_count - 1].until;
    double before = 0;

    if (!(sum > 0) || isinf(sum))
        return ERR_INVALID;
    size->min_bytes = UINT32_MAX;
    for (size_t i = 0; i < size->rows_count; i++) {
        struct load_size_row *row = &size->rows[i];
        row->until /= sum;
        size->mean_bytes += row->size_bytes * (row->until - before);
        if (row->until > before) {
            if (row->size_bytes < size->min_bytes)
                size->min_bytes = row->size_bytes;
            if (row->size_bytes > size->max_bytes)
                size->max_bytes = row->size_bytes;
        }
        before = row->until;
    }
    return OK;
}

static enum err init_table(struct load_size *size, const char *path)
{
    FILE *file = fopen(path, "re");
    enum err err;

    size->kind = LOAD_SIZE_TABLE;
    if (file == NULL)
        return err_from_errno(errno);
    err = read_rows(size, file);
    (void)fclose(file);
    return err ? err : finish_rows(size);
}

static enum err init_range(struct load_size *size, const char *text)
{
    const char *end;
    enum err err = parse_size(text, &end, &size->min_bytes);

    if (err)
        return err;
    size->max_bytes = size->min_bytes;
    if (end[0] == '.' && end[1] == '.') {
        size->kind = LOAD_SIZE_UNIFORM;
        err = parse_size(end + 2, &end, &size->max_bytes);
        if (err)
            return err;
    }
    if (*end != '\0')
        return ERR_MALFORMED;
    size->mean_bytes = ((double)size->min_bytes + size->max_bytes) / 2;
    return size->max_bytes < size->min_bytes ? ERR_INVALID : OK;
}

enum err load_size_init(struct load_size *size, const char *text, uint64_t seed)
{
    enum err err;

    *size = (struct load_size){0};
    prng_init(&size->prng, seed);
    err = text[0] == '@' ? init_table(size, text + 1) : init_range(size, text);
    if (err)
        load_size_deinit(size);
    return err;
}

void load_size_share(struct load_size *size, const struct load_size *first, uint64_t seed)
{
    *size = *first;
    prng_init(&size->prng, seed);
}

void load_size_deinit(struct load_size *size)
{
    mem_free(size->rows);
    *size = (struct load_size){0};
}

static uint32_t next_of_table(struct load_size *size)
{
    double chance = (double)(prng_u64(&size->prng) >> 11) * 0x1p-53; /* 0 <= chance < 1 */
    size_t low = 0;
    size_t high = size->rows_count - 1;

    while (low < high) { /* the first row whose end is above */
        size_t middle = (low + high) / 2;
        if (size->rows[middle].until > chance)
            high = middle;
        else
            low = middle + 1;
    }
    return size->rows[low].size_bytes;
}

uint32_t load_size_next(struct load_size *size)
{
    switch (size->kind) {
    case LOAD_SIZE_UNIFORM:
        return size->min_bytes +
               (uint32_t)prng_below(&size->prng, (uint64_t)size->max_bytes - size->min_bytes + 1);
    case LOAD_SIZE_TABLE:
        return next_of_table(size);
    case LOAD_SIZE_FIXED:
        break;
    }
    return size->min_bytes;
}
