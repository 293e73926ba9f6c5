#include "tools/load/load_text_file.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4352, READ_BYTES = 64 << 10 };

static enum err print_to(const char *path, load_text_file_print_fn *print, const void *object)
{
    FILE *file = fopen(path, "we");
    enum err err;

    if (file == NULL)
        return err_from_errno(errno);
    errno = 0;
    err = print(object, file);
    if (err == ERR_IO && errno != 0)
        err = err_from_errno(errno);
    if (fclose(file) != 0 && err == OK)
        err = err_from_errno(errno);
    return err;
}

enum err load_text_file_try(const char *path)
{
    char beside[PATH_BYTES_MAX];
    struct stat there;
    FILE *file;

    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
        if (S_ISDIR(there.st_mode))
            return ERR_INVALID;
        return access(path, W_OK) == 0 ? OK : err_from_errno(errno);
    }
    if (snprintf(beside, sizeof(beside), "%s.tmp", path) >= (int)sizeof(beside))
        return ERR_INVALID;
    file = fopen(beside, "ae");
    if (file == NULL)
        return err_from_errno(errno);
    (void)fclose(file);
    unlink(beside);
    return OK;
}

enum err load_text_file_write(const char *path, load_text_file_print_fn *print, const void *object)
{
    char beside[PATH_BYTES_MAX];
    struct stat there;
    enum err err;

    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode))
        return print_to(path, print, object);
    if (snprintf(beside, sizeof(beside), "%s.tmp", path) >= (int)sizeof(beside))
        return ERR_INVALID;
    err = print_to(beside, print, object);
    if (err == OK && rename(beside, path) != 0)
        err = err_from_errno(errno);
    if (err != OK)
        unlink(beside);
    return err;
}

enum err load_text_file_read(const char *path, size_t max_bytes, char **out, size_t *size_out)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    enum err err = OK;

    if (file == NULL)
        return err_from_errno(errno);
    for (size_t got = 1; got > 0 && err == OK;) {
        char *grown = mem_try_realloc(text, size + READ_BYTES + 1);
        if (grown == NULL) {
            err = ERR_NOMEM;
            break;
        }
        text = grown;
        got = fread(text + size, 1, READ_BYTES, file);
        size += got;
        if (size > max_bytes)
            err = ERR_TOO_LARGE;
        else if (ferror(file))
            err = ERR_IO;
    }
    fclose(file);
    if (err != OK) {
        mem_free(text);
        return err;
    }
    text[size] = '\0';
    *out = text;
    *size_out = size;
    return OK;
}

bool load_text_file_line(const char *path, char *out, size_t out_max)
{
    FILE *file = fopen(path, "re");
    size_t size = 0;

    if (file != NULL) {
        size = fread(out, 1, out_max - 1, file);
        fclose(file);
    }
    while (size > 0 && (out[size - 1] == '\n' || out[size - 1] == ' '))
        size--;
    out[size] = '\0';
    return file != NULL && size > 0;
}

uint64_t load_text_file_number(const char *path, uint64_t fallback)
{
    char text[64];
    char *end;
    uint64_t value;

    if (!load_text_file_line(path, text, sizeof(text)))
        return fallback;
    value = strtoull(text, &end, 10);
    return end == text ? fallback : value;
}
