/* output: what the commands print on standard output, as lines for people or as JSON.
 *
 * Names come from a broker, so from anybody: no line for people carries a control character (a
 * terminal would obey it), and every JSON line is JSON.  Records themselves are the user's data and
 * do not go through here.
 *   OTP-1  a JSON line is one object: begin, members, end */
#ifndef LEVEE_TOOLS_OUTPUT_H
#define LEVEE_TOOLS_OUTPUT_H

#include "base/err.h"
#include "net/protocol/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A line for people, without its newline.  Control characters, marks that turn the direction of
 * writing, and bytes that are not UTF-8 are printed as \n, \t, \xHH or \uHHHH. */
void output_line(const char *format, ...) printf_like(1, 2);

/* The same, of a text, without newline, to any file. */
void output_plain(FILE *file, const char *text, size_t size_bytes);

/* A JSON string (RFC 8259) with its quotes; a byte that is not UTF-8 becomes U+FFFD.  text NULL:
 * null. */
void output_json_text(const char *text, size_t size_bytes);

struct output_object {
    bool has_member;
};

void output_begin(struct output_object *object);
void output_text(struct output_object *object, const char *name, const char *text);
void output_string(struct output_object *object, const char *name, struct wire_string value);
void output_bytes(struct output_object *object, const char *name, const uint8_t *bytes,
                  int32_t size_bytes); /* -1: null */
void output_number(struct output_object *object, const char *name, int64_t value);
void output_bool(struct output_object *object, const char *name, bool value);
void output_end(struct output_object *object);

/* Hand everything to the kernel.  An error when this or an earlier write failed; says why on
 * standard error, once. */
must_use enum err output_flush(void);

#endif
