/* SPDX-License-Identifier: MIT
 *
 * What a client said in its ClientHello, kept for the log: the server name and the protocols that it offers. In one of
 * two slabs: nearly all fit the small one. Owned by its session; called on the worker's thread.
 */
#ifndef SLUICE_PATH_SESSION_TEXT_H
#define SLUICE_PATH_SESSION_TEXT_H

#include <stdint.h>

#include "path/path.h"
#include "policy/client_hello.h"

#define SESSION_TEXT_SMALL 64u  /* bytes of an object */
#define SESSION_TEXT_LARGE 576u /* room for the longest of both */

struct session_text {
    uint32_t index; /* own slot */
    uint16_t name_length;
    uint16_t alpn_length;
    char bytes[]; /* the name, then the protocols with commas between, then zeros up to a multiple of 8 */
};

/* NULL where there is nothing to keep, or no memory for it. */
struct session_text *session_text_new(struct path *path, const struct client_hello *hello);

/* Frees it; harmless with NULL. */
void session_text_free(struct path *path, struct session_text *text);

/* Bytes that its text takes in a log record. */
static inline uint32_t session_text_size(const struct session_text *text)
{
    return ((uint32_t)text->name_length + text->alpn_length + 7u) & ~7u;
}

#endif
