/* SPDX-License-Identifier: MIT
 * Filling in a sluice_error. */
#ifndef SLUICE_CORE_FAILURE_H
#define SLUICE_CORE_FAILURE_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sluice.h"

#define NO_RECORD UINT32_MAX

/* Sets all fields and returns `code`. `error` may be NULL. `field` may be "". */
__attribute__((format(printf, 7, 8))) static inline int failure(struct sluice_error *error, int code, int sys_errno,
                                                                uint32_t table, uint32_t record, const char *field,
                                                                const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        memset(error, 0, sizeof(*error));
        error->code = code;
        error->sys_errno = sys_errno;
        error->table = table;
        error->record = record;
        snprintf(error->field, sizeof(error->field), "%s", field);
        va_start(arguments, format);
        vsnprintf(error->message, sizeof(error->message), format, arguments);
        va_end(arguments);
    }
    return code;
}

#endif
