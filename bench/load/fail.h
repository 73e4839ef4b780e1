/* SPDX-License-Identifier: MIT
 *
 * The end of the process with a sentence on standard error: what cannot be mended here, such as a lack of descriptors.
 */
#ifndef LOAD_FAIL_H
#define LOAD_FAIL_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends with the reason in errno. */
static inline void __attribute__((noreturn)) fail_errno(const char *what)
{
    fprintf(stderr, "load: cannot %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Ends because of an argument. */
static inline void __attribute__((noreturn)) fail_usage(const char *what, const char *rule, const char *value)
{
    fprintf(stderr, "load: cannot start: %s must be %s: current value is %s\n", what, rule, value);
    exit(2);
}

/* Memory of zeros, or the end. */
static inline void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        fail_errno("allocate memory");
    return memory;
}

#endif
