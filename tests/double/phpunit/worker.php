<?php
// SPDX-License-Identifier: BSD-3-Clause
// A worker is a process of its own: prints the job that it got.
require __DIR__ . '/App.php';
var_export(work((int) $argv[1]));
