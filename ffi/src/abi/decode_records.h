/* SPDX-License-Identifier: MIT
 *
 * The tables of a blob whose records stand alone, each read into blob as an array. Called by decode.c, which checks
 * what records of different tables mean to each other, in an order in which what others refer to comes first. Each
 * returns SLUICE_OK or a code, with details in the decoder's error. */
#ifndef SLUICE_ABI_DECODE_RECORDS_H
#define SLUICE_ABI_DECODE_RECORDS_H

#include "abi/decoder.h"
#include "core/blob.h"

int decode_endpoints(struct decoder *decoder, struct blob *blob);
int decode_splits(struct decoder *decoder, struct blob *blob);
int decode_backends(struct decoder *decoder, struct blob *blob);
int decode_prefixes(struct decoder *decoder, struct blob *blob);
int decode_texts(struct decoder *decoder, struct blob *blob);
int decode_listeners(struct decoder *decoder, struct blob *blob);
int decode_routes(struct decoder *decoder, struct blob *blob);

#endif
