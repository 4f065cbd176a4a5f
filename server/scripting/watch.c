/* SPDX-License-Identifier: BSD-3-Clause
 *
 * watch - when the clock is worth a look while a script runs. To count instructions makes every one
 * of them slower, so a script is interrupted at the next instruction after a tick of the processor
 * time that the process uses, the first tick excepted. A signal tells of ticks; of Lua's interface
 * it calls lua_sethook(), which is made for that, on the coroutine that runs. Instructions are
 * counted only while others are being served.
 */
#include "server/scripting/interp.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static struct scripting *volatile watched; /* the interpreter; signals have no other argument */

static void on_tick(int sig) {
    struct scripting *sc = watched;

    (void)sig;
    if (gettid() != getpid()) return; /* the interpreter is the main thread's */
    if (!sc || !sc->run.outer || ++sc->run.ticks < 2) return;
    lua_sethook(sc->current, script_on_count, LUA_MASKCOUNT, 1);
}

/* Once there was a script. */
static void begin_ticks(struct scripting *sc) {
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, WATCH_TICK_US}, {0, WATCH_TICK_US}};

    watched = sc;
    sigaction(SIGVTALRM, &action, NULL);
    setitimer(ITIMER_VIRTUAL, &every, NULL);
}

void watch_begin(struct scripting *sc) {
    if (__builtin_expect(watched != sc, 0)) begin_ticks(sc);
    sc->current = sc->L;
    if (lua_gethookmask(sc->L)) lua_sethook(sc->L, NULL, 0, 0);
}

void watch_stop(void) {
    struct itimerval never = {0};

    setitimer(ITIMER_VIRTUAL, &never, NULL);
    watched = NULL;
}

void watch_again(struct scripting *sc, lua_State *L) {
    if (sc->e->busy)
        lua_sethook(L, script_on_count, LUA_MASKCOUNT, WATCH_INSTRUCTIONS);
    else
        lua_sethook(L, NULL, 0, 0);
}
