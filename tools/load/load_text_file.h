/* load_text_file: output files of the load tools, and small files that they read.
 *
 * Stateless; at once (tools).
 *   LFI-1  a path gets the whole new content or keeps the old: it is written beside and renamed
 *   LFI-2  what is no regular file ("/dev/stdout", a pipe) is written as it is */
#ifndef LEVEE_TOOLS_LOAD_LOAD_TEXT_FILE_H
#define LEVEE_TOOLS_LOAD_LOAD_TEXT_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum err load_text_file_print_fn(const void *object, FILE *file);

/* Can path be written?  Nothing is changed; what is no regular file is not opened.  Errors of
 * files; ERR_INVALID: a directory, or too long. */
must_use enum err load_text_file_try(const char *path);

/* What print says goes to path.  Errors of print and of files; ERR_NOSPACE too when print knows no
 * more than ERR_IO. */
must_use enum err load_text_file_write(const char *path, load_text_file_print_fn *print,
                                       const void *object);

/* All of a file with a NUL behind it, for mem_free.  ERR_TOO_LARGE: more than max_bytes;
 * ERR_NOT_FOUND, ERR_NOMEM, errors of files. */
must_use enum err load_text_file_read(const char *path, size_t max_bytes, char **out,
                                      size_t *size_out);

/* The beginning of a small file (of /proc, /sys) as text, its last newline left out; "" when it
 * cannot be read, and false. */
bool load_text_file_line(const char *path, char *out, size_t out_max);

/* A number that stands in such a file; fallback when there is none. */
uint64_t load_text_file_number(const char *path, uint64_t fallback);

#endif
