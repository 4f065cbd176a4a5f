<?php
// SPDX-License-Identifier: BSD-3-Clause
declare(strict_types=1);

namespace Stet;

/** A connection that sends commands and gets RESP2 replies: what the TEST commands need. */
final class Connection
{
    private const TIMEOUT_S = 60;

    /** @var resource */
    private $stream;

    public function __construct(string $host, int $port)
    {
        $stream = @stream_socket_client("tcp://$host:$port", $code, $text, self::TIMEOUT_S);
        if ($stream === false) {
            throw new \RuntimeException("stet: cannot connect to $host:$port: $text");
        }
        stream_set_timeout($stream, self::TIMEOUT_S);
        $this->stream = $stream;
    }

    /** The reply; an error reply throws a ReplyError. */
    public function call(string|int|float ...$words): mixed
    {
        $out = '*' . count($words) . "\r\n";
        foreach ($words as $word) {
            $out .= '$' . strlen((string) $word) . "\r\n$word\r\n";
        }
        for ($sent = 0; $sent < strlen($out); $sent += $n) {
            $n = @fwrite($this->stream, substr($out, $sent));
            if ($n === false || $n === 0) {
                throw new \RuntimeException('stet: the server has closed the connection');
            }
        }
        $reply = $this->read();
        if ($reply instanceof ReplyError) {
            throw $reply;
        }
        return $reply;
    }

    private function read(): mixed
    {
        $line = fgets($this->stream);
        if ($line === false || !str_ends_with($line, "\r\n")) {
            throw new \RuntimeException('stet: the server has closed the connection');
        }
        $text = substr($line, 1, -2);
        return match ($line[0]) {
            '+' => $text,
            '-' => new ReplyError($text),
            ':' => (int) $text,
            '$' => $text === '-1' ? null : substr($this->exactly((int) $text + 2), 0, -2),
            '*' => $text === '-1' ? null : $this->array((int) $text),
            default => throw new \RuntimeException("stet: not a RESP2 reply: $text"),
        };
    }

    private function array(int $n): array
    {
        $items = [];
        for ($i = 0; $i < $n; $i++) {
            $items[] = $this->read();
        }
        return $items;
    }

    private function exactly(int $n): string
    {
        $data = stream_get_contents($this->stream, $n);
        if ($data === false || strlen($data) < $n) {
            throw new \RuntimeException('stet: the server has closed the connection');
        }
        return $data;
    }
}
