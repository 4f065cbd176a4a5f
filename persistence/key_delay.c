/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/key_delay.h"

#include <unistd.h>

void key_delay(int64_t us, uint64_t keys) {
    if (us > 0)
        usleep((useconds_t)us);
    else if (us < 0 && keys % (uint64_t)-us == 0)
        usleep(1);
}
