/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/pause.h"

/* True: it is weaker than it was. */
static bool sum_up(struct pause *p) {
    enum pause_mode before = p->mode;

    p->mode = PAUSE_NONE;
    p->until_us = PAUSE_FOR_EVER;
    for (int i = 0; i < PAUSE_REASONS; i++) {
        if (p->of[i].mode == PAUSE_NONE) continue;
        if (p->of[i].mode > p->mode) p->mode = p->of[i].mode;
        if (p->of[i].until_us < p->until_us) p->until_us = p->of[i].until_us;
    }
    if (p->breath) p->mode = PAUSE_BREATH;
    return p->mode < before;
}

void pause_begin(struct pause *p, enum pause_reason why, enum pause_mode mode, uint64_t until_us) {
    if (mode > p->of[why].mode) p->of[why].mode = mode;
    if (until_us > p->of[why].until_us) p->of[why].until_us = until_us;
    sum_up(p);
}

static void clear(struct pause *p, int why) {
    p->of[why].mode = PAUSE_NONE;
    p->of[why].until_us = 0;
}

bool pause_end(struct pause *p, enum pause_reason why) {
    clear(p, why);
    return sum_up(p);
}

void pause_breathe(struct pause *p, bool on) {
    p->breath = on;
    sum_up(p);
}

bool pause_check_time(struct pause *p, uint64_t now_us) {
    if (p->mode == PAUSE_NONE || now_us < p->until_us) return false;
    for (int i = 0; i < PAUSE_REASONS; i++)
        if (p->of[i].mode != PAUSE_NONE && now_us >= p->of[i].until_us) clear(p, i);
    return sum_up(p);
}
