/* SPDX-License-Identifier: MIT
 *
 * From the bytes of a configuration blob to records that can be trusted. Every offset, count, reference, enum and
 * reserved field is checked; nothing of the blob is used before. Pure: bytes in, records or an error out. */
#ifndef SLUICE_ABI_DECODE_H
#define SLUICE_ABI_DECODE_H

#include <stdint.h>

#include "core/blob.h"
#include "sluice.h"

/* Decodes; *blob is the caller's until blob_free. Returns SLUICE_OK or a code, with details in *error (may be NULL);
 * then there is nothing to free. */
int blob_decode(const uint8_t *bytes, uint64_t size, struct blob *blob, struct sluice_error *error);

void blob_free(struct blob *blob);

#endif
