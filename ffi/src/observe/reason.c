/* SPDX-License-Identifier: MIT
 * Termination codes. Called by workers when a session ends. */
#include "observe/reason.h"

#include <string.h>

#define SECOND_LETTERS ((uint32_t)sizeof(SLUICE_CODE_SECOND) - 1u)
_Static_assert((sizeof(SLUICE_CODE_FIRST) - 1) * SECOND_LETTERS == SLUICE_CODE_COUNT, "every pair has an index");

/* First letter by reason; '?' is c or s by the side that was late. */
static const char first_letter[SLUICE_REASON_COUNT] = {
    [SLUICE_REASON_OK] = '-',
    [SLUICE_REASON_CLIENT_ABORT] = 'C',
    [SLUICE_REASON_SERVER_ABORT] = 'S',
    [SLUICE_REASON_CONNECT_REFUSED] = 'S',
    [SLUICE_REASON_CONNECT_TIMEOUT] = 's',
    [SLUICE_REASON_IDLE_TIMEOUT] = '?',
    [SLUICE_REASON_FIRST_BYTE_TIMEOUT] = 's',
    [SLUICE_REASON_HALF_CLOSE_TIMEOUT] = '?',
    [SLUICE_REASON_MAX_DURATION] = 'P',
    [SLUICE_REASON_ROUTE_TIMEOUT] = 'c',
    [SLUICE_REASON_NO_ROUTE] = 'P',
    [SLUICE_REASON_BAD_PROXY_HEADER] = 'P',
    [SLUICE_REASON_BAD_CLIENT_HELLO] = 'P',
    [SLUICE_REASON_DENIED] = 'P',
    [SLUICE_REASON_TENANT_DISABLED] = 'P',
    [SLUICE_REASON_TENANT_CONNECTIONS] = 'P',
    [SLUICE_REASON_TENANT_RATE] = 'P',
    [SLUICE_REASON_SOURCE_CONNECTIONS] = 'P',
    [SLUICE_REASON_SOURCE_RATE] = 'P',
    [SLUICE_REASON_PROCESS_CONNECTIONS] = 'R',
    [SLUICE_REASON_QUEUE_FULL] = 'P',
    [SLUICE_REASON_QUEUE_TIMEOUT] = 's',
    [SLUICE_REASON_NO_ENDPOINT] = 'S',
    [SLUICE_REASON_CIRCUIT_OPEN] = 'S',
    [SLUICE_REASON_ENDPOINT_DOWN] = 'D',
    [SLUICE_REASON_DRAINED] = 'K',
    [SLUICE_REASON_KILLED] = 'K',
    [SLUICE_REASON_FAULT] = 'P',
    [SLUICE_REASON_FD_EXHAUSTED] = 'R',
    [SLUICE_REASON_MEMORY] = 'R',
};

uint32_t reason_code(enum sluice_reason reason, enum reason_phase phase, bool endpoint_side)
{
    char letter = first_letter[reason];
    if (letter == '?') {
        letter = endpoint_side ? 's' : 'c';
    }
    const char *found = strchr(SLUICE_CODE_FIRST, letter);
    uint32_t first = found != NULL ? (uint32_t)(found - SLUICE_CODE_FIRST) : 0;
    return first * (uint32_t)(sizeof(SLUICE_CODE_SECOND) - 1) + (uint32_t)phase;
}
