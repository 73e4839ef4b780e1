/* SPDX-License-Identifier: MIT
 * observe/reason: the two letters of every reason. */
#include "observe/reason.h"

#include "test.h"

/* The code as people read it. */
static const char *letters(enum sluice_reason reason, enum reason_phase phase, bool endpoint_side)
{
    static char text[3];
    uint32_t code = reason_code(reason, phase, endpoint_side);
    text[0] = code < SLUICE_CODE_COUNT ? SLUICE_CODE_FIRST[code / 6] : '!';
    text[1] = code < SLUICE_CODE_COUNT ? SLUICE_CODE_SECOND[code % 6] : '!';
    text[2] = '\0';
    return text;
}

TEST(the_alphabet_of_codes_fills_its_indexes)
{
    CHECK_EQ(strlen(SLUICE_CODE_FIRST) * strlen(SLUICE_CODE_SECOND), SLUICE_CODE_COUNT);
    CHECK_STRING(letters(SLUICE_REASON_OK, PHASE_DONE, false), "--");
    CHECK_EQ(reason_code(SLUICE_REASON_OK, PHASE_DONE, false), 0);
}

TEST(the_code_of_each_reason)
{
    static const struct {
        enum sluice_reason reason;
        enum reason_phase phase;
        bool endpoint_side;
        const char *code;
    } rows[] = {
        {SLUICE_REASON_CLIENT_ABORT, PHASE_CONNECT, false, "CC"},
        {SLUICE_REASON_CLIENT_ABORT, PHASE_DATA, false, "CD"},
        {SLUICE_REASON_CLIENT_ABORT, PHASE_LAST, false, "CL"},
        {SLUICE_REASON_SERVER_ABORT, PHASE_DATA, true, "SD"},
        {SLUICE_REASON_SERVER_ABORT, PHASE_LAST, true, "SL"},
        {SLUICE_REASON_CONNECT_REFUSED, PHASE_CONNECT, false, "SC"},
        {SLUICE_REASON_CONNECT_TIMEOUT, PHASE_CONNECT, false, "sC"},
        {SLUICE_REASON_NO_ENDPOINT, PHASE_CONNECT, false, "SC"},
        {SLUICE_REASON_IDLE_TIMEOUT, PHASE_DATA, false, "cD"},
        {SLUICE_REASON_IDLE_TIMEOUT, PHASE_DATA, true, "sD"},
        {SLUICE_REASON_FIRST_BYTE_TIMEOUT, PHASE_DATA, true, "sD"},
        {SLUICE_REASON_FIRST_BYTE_TIMEOUT, PHASE_DATA, false, "sD"},
        {SLUICE_REASON_HALF_CLOSE_TIMEOUT, PHASE_LAST, false, "cL"},
        {SLUICE_REASON_HALF_CLOSE_TIMEOUT, PHASE_LAST, true, "sL"},
        {SLUICE_REASON_MAX_DURATION, PHASE_DATA, false, "PD"},
        {SLUICE_REASON_TENANT_DISABLED, PHASE_ROUTE, false, "PR"},
        {SLUICE_REASON_TENANT_CONNECTIONS, PHASE_ROUTE, false, "PR"},
        {SLUICE_REASON_PROCESS_CONNECTIONS, PHASE_ROUTE, false, "RR"},
        {SLUICE_REASON_FD_EXHAUSTED, PHASE_CONNECT, false, "RC"},
        {SLUICE_REASON_MEMORY, PHASE_DATA, false, "RD"},
        {SLUICE_REASON_DRAINED, PHASE_DATA, false, "KD"},
        {SLUICE_REASON_KILLED, PHASE_DATA, false, "KD"},
        {SLUICE_REASON_ENDPOINT_DOWN, PHASE_DATA, false, "DD"},
        {SLUICE_REASON_QUEUE_TIMEOUT, PHASE_QUEUE, false, "sQ"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_STRING(letters(rows[i].reason, rows[i].phase, rows[i].endpoint_side), rows[i].code);
    }
}

TEST(every_reason_and_phase_has_an_index_and_only_ok_begins_with_a_dash)
{
    for (unsigned reason = 0; reason < SLUICE_REASON_COUNT; reason++) {
        for (unsigned phase = PHASE_DONE; phase <= PHASE_LAST; phase++) {
            for (unsigned side = 0; side < 2; side++) {
                const char *text = letters((enum sluice_reason)reason, (enum reason_phase)phase, side == 1);
                CHECK_EQ(text[0] == '-', reason == SLUICE_REASON_OK);
                CHECK_EQ(text[1], SLUICE_CODE_SECOND[phase]);
            }
        }
    }
}
