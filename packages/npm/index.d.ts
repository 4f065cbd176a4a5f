// SPDX-License-Identifier: BSD-3-Clause

/** A value of the configuration; an array is several words, null leaves a default out. */
export type Value = string | number | null | ReadonlyArray<string | number>;
export type Params = Record<string, Value>;
export type Word = string | number | Uint8Array;
export type Reply = string | number | null | Reply[];

export class ReplyError extends Error {}

/** A server that runs. */
export interface Server {
    readonly host: string;
    readonly port: number;
    /** redis://127.0.0.1:PORT */
    readonly url: string;
    /** Sends any command. An error reply rejects with a ReplyError. */
    call(...words: Word[]): Promise<Reply>;
    /** Sends a TEST command: test('CLOCK', 'ADVANCE', 1000). */
    test(...words: Word[]): Promise<Reply>;
    /** Sends TEST RESET. */
    reset(): Promise<void>;
    /** Closes the connection that call(), test() and reset() use. */
    disconnect(): void;
}

/** A server that start() has started. */
export interface OwnServer extends Server {
    readonly pid: number;
    /** Its temporary directory, which stop() removes. */
    readonly dir: string;
    /** What the server has logged. */
    log(): string;
    stop(): Promise<void>;
}

/** Starts a server on a free port, in a temporary directory; it stops with this process at the latest. */
export function start(params?: Params): Promise<OwnServer>;
/** The server of a global set-up: STET_URL, or the URL given. */
export function connect(url?: string): Server;
/** start(), and sets STET_URL, REDIS_URL, REDIS_HOST and REDIS_PORT. */
export function startForAll(params?: Params): Promise<OwnServer>;
/** The path of the program: STET_BINARY, or that of the platform's package. */
export function binary(): string;
