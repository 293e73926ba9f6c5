/* load_html: text of anybody into a page of ours.
 *
 * Stateless; errors of file are asked at its end (ferror). */
#ifndef LEVEE_TOOLS_LOAD_LOAD_HTML_H
#define LEVEE_TOOLS_LOAD_LOAD_HTML_H

#include "base/err.h"

#include <stdio.h>

/* Escaped for the content of an element and for a quoted attribute: & < > " '.  Bytes that are no
 * UTF-8, control characters, and marks that turn the direction of writing are U+FFFD. */
void load_html_text(FILE *file, const char *text);

/* The same of a format. */
void load_html_print(FILE *file, const char *format, ...) printf_like(2, 3);

#endif
