#include "tools/load/load_account.h"

const char *load_finding_text(enum load_finding_kind kind)
{
    static const char *const texts[LOAD_FINDING_COUNT] = {
        [LOAD_LOST] = "lost",
        [LOAD_DOUBLED] = "doubled",
        [LOAD_TORN] = "torn",
        [LOAD_VISIBLE_ABORTED] = "visible aborted",
        [LOAD_OUT_OF_ORDER] = "out of order",
        [LOAD_CORRUPT] = "corrupt",
        [LOAD_GHOST] = "ghost",
    };

    return kind < LOAD_FINDING_COUNT ? texts[kind] : "?";
}
