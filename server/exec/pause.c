/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/pause.h"

void pause_begin(struct pause *p, enum pause_mode mode, uint64_t until_us) {
    if (mode > p->mode) p->mode = mode;
    if (until_us > p->until_us) p->until_us = until_us;
}

bool pause_ends(struct pause *p, uint64_t now_us) {
    if (p->mode == PAUSE_NONE || (now_us && now_us < p->until_us)) return false;
    p->mode = PAUSE_NONE;
    p->until_us = 0;
    return true;
}
