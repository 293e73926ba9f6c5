#include "base/err.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

Test(err, every_code_has_its_own_name_and_text)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        cr_assert(lt(sz, 1, strlen(err_text((enum err)i))));
        cr_assert(i == OK || strncmp(err_name((enum err)i), "ERR_", 4) == 0);
        for (int k = 0; k < i; k++) {
            cr_assert(ne(str, (char *)err_name((enum err)i), (char *)err_name((enum err)k)));
            cr_assert(ne(str, (char *)err_text((enum err)i), (char *)err_text((enum err)k)));
        }
    }
    cr_assert(eq(str, (char *)err_name(ERR_IO), "ERR_IO"));
}

Test(err, other_numbers_have_a_text_too)
{
    cr_assert(ne(ptr, (void *)err_text((enum err)ERR_COUNT), NULL));
    cr_assert(ne(ptr, (void *)err_name((enum err) - 1), NULL));
}

Test(err, errno_becomes_what_a_caller_acts_on)
{
    cr_assert(eq(int, err_from_errno(0), OK));
    cr_assert(eq(int, err_from_errno(ENOSPC), ERR_NOSPACE));
    cr_assert(eq(int, err_from_errno(EDQUOT), ERR_NOSPACE));
    cr_assert(eq(int, err_from_errno(ENOENT), ERR_NOT_FOUND));
    cr_assert(eq(int, err_from_errno(EEXIST), ERR_EXISTS));
    cr_assert(eq(int, err_from_errno(EROFS), ERR_PERMISSION));
    cr_assert(eq(int, err_from_errno(ECANCELED), ERR_CANCELED));
    cr_assert(eq(int, err_from_errno(ECONNRESET), ERR_CLOSED));
    cr_assert(eq(int, err_from_errno(EIO), ERR_IO));
    cr_assert(eq(int, err_from_errno(99999), ERR_IO));
}
