/* SPDX-License-Identifier: MIT
 *
 * Fuzzer of the decoder of configuration blobs: whatever the bytes, it refuses them or gives records whose references
 * all lead somewhere, and from which versions of tenants can be built. Run by `deno task fuzz`, and for some rounds by
 * ffi/tests/test_fuzz_blob.c. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "abi/decode.h"
#include "core/snapshot.h"

#define MOST_PARTS 200u /* listeners, backends and endpoints of a blob whose versions are built */

/* What later steps rely on; a blob that breaks it got through. */
static void require(int holds)
{
    if (!holds) {
        abort();
    }
}

static void check_blob(const struct blob *blob)
{
    for (uint32_t i = 0; i < blob->tenant_count; i++) {
        const struct sluice_tenant_record *tenant = &blob->tenants[i];
        require(tenant->id != 0);
        require((uint64_t)tenant->first_listener + tenant->listener_count <= blob->listener_count);
        require((uint64_t)tenant->first_backend + tenant->backend_count <= blob->backend_count);
    }
    for (uint32_t i = 0; i < blob->backend_count; i++) {
        const struct sluice_backend_record *backend = &blob->backends[i];
        require(backend->id != 0 && backend->attempts > 0);
        require((uint64_t)backend->first_endpoint + backend->endpoint_count <= blob->endpoint_count);
    }
    for (uint32_t i = 0; i < blob->listener_count; i++) {
        require(blob->listeners[i].address.length <= sizeof(blob->listeners[i].address));
    }
    for (uint32_t i = 0; i < blob->endpoint_count; i++) {
        require(blob->endpoints[i].address.length <= sizeof(blob->endpoints[i].address));
    }
}

/* Makes and frees the versions of its tenants, which follow all references; left out where records that many tenants
 * share would make it slow. */
static void build_versions(const struct blob *blob)
{
    uint64_t parts = 0;
    for (uint32_t i = 0; i < blob->tenant_count; i++) {
        const struct sluice_tenant_record *tenant = &blob->tenants[i];
        parts += tenant->listener_count;
        for (uint32_t k = 0; k < tenant->backend_count; k++) {
            parts += 1 + blob->backends[tenant->first_backend + k].endpoint_count;
        }
    }
    for (uint32_t i = 0; i < blob->tenant_count && parts < MOST_PARTS; i++) {
        struct tenant *version = NULL;
        if (snapshot_build(blob, i, NULL, 2, &version) == 0) {
            snapshot_free(version);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Records are read in place: the decoder may rely on the alignment that any caller's buffer has. */
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    struct blob blob;
    struct sluice_error error;
    if (blob_decode(bytes, size, &blob, &error) == SLUICE_OK) {
        check_blob(&blob);
        build_versions(&blob);
        blob_free(&blob);
    } else {
        require(error.code != SLUICE_OK && memchr(error.message, 0, sizeof(error.message)) != NULL);
    }
    free(bytes);
    return 0;
}
