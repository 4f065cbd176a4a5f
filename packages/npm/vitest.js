// SPDX-License-Identifier: BSD-3-Clause
// One server for all test files: test: {globalSetup: ['stet/vitest']}
'use strict';
const {startForAll} = require('./index.js');

module.exports = async function setup() {
    const server = await startForAll();
    return () => server.stop();
};
