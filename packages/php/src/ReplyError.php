<?php
// SPDX-License-Identifier: BSD-3-Clause
declare(strict_types=1);

namespace Stet;

/** The server answered with an error. */
final class ReplyError extends \RuntimeException
{
}
