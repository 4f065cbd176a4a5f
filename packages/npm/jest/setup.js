// SPDX-License-Identifier: BSD-3-Clause
// One server for all test files: globalSetup: 'stet/jest/setup', globalTeardown: 'stet/jest/teardown'
'use strict';
const {startForAll} = require('../index.js');

module.exports = async function setup() {
    globalThis.stetOfJest = await startForAll();
};
