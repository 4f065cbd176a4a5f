// SPDX-License-Identifier: BSD-3-Clause
// stet - starts a stet-server for a test file, and stops it. Documentation: docs/test-double.md.
'use strict';
const {spawn} = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const {Connection, ReplyError} = require('./resp.js');

const HOST = '127.0.0.1';
const START_MS = 60000, STOP_MS = 10000;
const DEFAULTS = {
    'bind': HOST,
    'port': 'auto',
    'save': '',
    'appendonly': 'no',
    'enable-test-commands': 'local',
    'exit-with-parent': 'yes',
};

// The path of stet-server: $STET_BINARY, else that of the package for this platform.
function binary() {
    if (process.env.STET_BINARY) return process.env.STET_BINARY;
    const name = `stet-${process.platform}-${process.arch}-gnu`;
    try {
        return path.join(path.dirname(require.resolve(`${name}/package.json`)), 'bin', 'stet-server');
    } catch {
        throw new Error(`stet: the package '${name}' is not installed. It may not exist for this platform, or ` +
                        `optional dependencies were left out. Set STET_BINARY to the path of a stet-server.`);
    }
}

// {name: value, name: [word, word], name: null (leaves a default out)} as options
function commandLine(params, dir) {
    const all = {...DEFAULTS, 'dir': dir, 'port-file': path.join(dir, 'port'), 'logfile': path.join(dir, 'server.log'),
                 ...params};
    return Object.entries(all).filter(([, value]) => value !== null).flatMap(([name, value]) =>
        [`--${name}`, ...(Array.isArray(value) ? value : [value]).map(String)]);
}

function read(file) {
    try {
        return fs.readFileSync(file, 'utf8');
    } catch {
        return '';
    }
}

// A server that runs: connect() makes one for a URL, start() one that can be stopped.
class Server {
    constructor(host, port) {
        this.host = host;
        this.port = port;
        this.url = `redis://${host}:${port}`;
        this.connection = null;
    }

    // Any command; the reply in RESP2's types.
    call(...words) {
        if (!this.connection || this.connection.error) this.connection = new Connection(this.host, this.port);
        return this.connection.call(...words);
    }

    test(...words) {
        return this.call('TEST', ...words);
    }

    // As after the start: no data, scripts, users, faults; the real clock.
    async reset() {
        await this.call('TEST', 'RESET');
    }

    disconnect() {
        if (this.connection) this.connection.close();
    }
}

class OwnServer extends Server {
    constructor(child, port, dir) {
        super(HOST, port);
        this.child = child;
        this.pid = child.pid;
        this.dir = dir;
        this.atExit = () => {
            child.kill('SIGKILL');
            fs.rmSync(dir, {recursive: true, force: true});
        };
        process.once('exit', this.atExit);
    }

    log() {
        return read(path.join(this.dir, 'server.log'));
    }

    async stop() {
        this.disconnect();
        await ended(this.child);
        process.removeListener('exit', this.atExit);
        fs.rmSync(this.dir, {recursive: true, force: true});
    }

    [Symbol.asyncDispose || Symbol.for('Symbol.asyncDispose')]() {
        return this.stop();
    }
}

// Stops the process: SIGTERM, after ten seconds SIGKILL.
function ended(child) {
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
        const hard = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
        child.ref();
        child.once('exit', () => {
            clearTimeout(hard);
            resolve();
        });
        child.kill('SIGTERM');
    });
}

// The port, once the server has written it: then it serves.
async function ready(child, dir, said) {
    for (const until = Date.now() + START_MS; Date.now() < until;) {
        const port = read(path.join(dir, 'port'));
        if (port.endsWith('\n')) return Number(port);
        if (said.error) throw new Error(`stet: cannot start '${child.spawnfile}': ${said.error.message}`);
        if (child.exitCode !== null || child.signalCode !== null)
            throw new Error(`stet: the server has ended with ${child.signalCode || child.exitCode}:\n` +
                            said.text + read(path.join(dir, 'server.log')));
        await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error(`stet: the server did not serve within ${START_MS / 1000} s`);
}

// Starts a server with these parameters of the configuration, on a free port, in a directory of its own.
async function start(params = {}) {
    const program = binary();
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'stet-'));
    const said = {text: '', error: null};
    const child = spawn(program, commandLine(params, dir), {cwd: dir, stdio: ['ignore', 'ignore', 'pipe']});
    child.on('error', (error) => { said.error = error; });
    child.stderr.on('data', (data) => { said.text += data; });
    try {
        const port = await ready(child, dir, said);
        child.unref(); // a test process that forgets stop() still ends, and the server with it
        child.stderr.unref();
        return new OwnServer(child, port, dir);
    } catch (error) {
        if (child.pid) await ended(child);
        fs.rmSync(dir, {recursive: true, force: true});
        throw error;
    }
}

// A server that a global set-up has started (stet/vitest, stet/jest/setup).
function connect(url = process.env.STET_URL) {
    if (!url) throw new Error('stet: no URL given, and STET_URL is not set by a global set-up');
    const at = new URL(url);
    return new Server(at.hostname, Number(at.port));
}

// For a global set-up: tests find the server in these variables.
async function startForAll(params) {
    const server = await start(params);
    process.env.STET_URL = process.env.REDIS_URL = server.url;
    process.env.REDIS_HOST = server.host;
    process.env.REDIS_PORT = String(server.port);
    return server;
}

module.exports = {start, connect, startForAll, binary, ReplyError};
