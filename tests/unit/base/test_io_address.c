#include "base/check.h"
#include "base/io.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

Test(io_address, parses_and_formats)
{
    static const struct {
        const char *host;
        const char *text; /* NULL: refused */
    } rows[] = {
        {"192.0.2.1", "192.0.2.1:9092"},
        {"localhost", "127.0.0.1:9092"},
        {"", "[::]:9092"},
        {"::", "[::]:9092"},
        {"0.0.0.0", "0.0.0.0:9092"},
        {"2001:db8::1", "[2001:db8::1]:9092"},
        {"[::1]", "[::1]:9092"},
        {"example.org", NULL},
        {"1.2.3", NULL},
        {"[::1", NULL},
        {"1.2.3.4.5", NULL},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:"
                                                    "9092"},
    };

    for (size_t i = 0; i < array_count(rows); i++) {
        struct io_address address = {0};
        char text[IO_ADDRESS_TEXT_MAX];
        enum err err = io_address_parse(rows[i].host, 9092, &address);

        cr_assert(eq(int, err, rows[i].text == NULL ? ERR_INVALID : OK), "%s", rows[i].host);
        if (err)
            continue;
        io_address_format(&address, text);
        cr_assert(eq(str, text, (char *)rows[i].text));
    }
}
