#include "base/err.h"

#include <errno.h>

const char *err_text(enum err err)
{
    static const char *const texts[ERR_COUNT] = {
#define ERR_TEXT(name, text) [name] = text,
        ERR_LIST(ERR_TEXT)
#undef ERR_TEXT
    };
    return (unsigned)err < ERR_COUNT ? texts[err] : "unknown error";
}

const char *err_name(enum err err)
{
    static const char *const names[ERR_COUNT] = {
#define ERR_NAME(name, text) [name] = #name,
        ERR_LIST(ERR_NAME)
#undef ERR_NAME
    };
    return (unsigned)err < ERR_COUNT ? names[err] : "ERR_?";
}

enum err err_from_errno(int errno_value)
{
    switch (errno_value) {
    case 0:
        return OK;
    case ENOSPC:
    case EDQUOT:
        return ERR_NOSPACE;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_PERMISSION;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
        return ERR_NOMEM;
    case ECANCELED:
        return ERR_CANCELED;
    case ETIMEDOUT:
    case ETIME:
        return ERR_TIMEOUT;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
        return ERR_REFUSED;
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case EBADF:
        return ERR_CLOSED;
    case EADDRINUSE:
        return ERR_IN_USE;
    case EINVAL:
        return ERR_INVALID;
    case EOPNOTSUPP:
    case ENOSYS:
        return ERR_UNSUPPORTED;
    default:
        return ERR_IO;
    }
}
