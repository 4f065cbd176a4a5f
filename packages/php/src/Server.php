<?php
// SPDX-License-Identifier: BSD-3-Clause
declare(strict_types=1);

namespace Stet;

/** One stet-server, on a free port and in a temporary directory. */
final class Server
{
    private const HOST = '127.0.0.1';
    private const START_S = 60;
    private const STOP_S = 10;
    private const DEFAULTS = [
        'bind' => self::HOST,
        'port' => 'auto',
        'save' => '',
        'appendonly' => 'no',
        'enable-test-commands' => 'local',
        'exit-with-parent' => 'yes',
    ];

    private static ?Server $shared = null;

    private ?Connection $connection = null;
    private bool $runs = true;

    /** @param resource $process */
    private function __construct(
        private $process,
        public readonly string $dir,
        public readonly string $host,
        public readonly int $port,
    ) {
    }

    /**
     * Starts a server with these parameters of the configuration: ['maxmemory' => '10mb']. An array is several
     * words, null leaves a default out.
     */
    public static function start(array $params = []): self
    {
        $dir = sys_get_temp_dir() . '/stet-' . bin2hex(random_bytes(8));
        $program = self::binary();
        mkdir($dir, 0700);
        $said = ['file', "$dir/said", 'a'];
        $process = @proc_open(
            [$program, ...self::commandLine($dir, $params)],
            [['file', '/dev/null', 'r'], $said, $said],
            $pipes,
            $dir
        );
        if ($process === false) {
            self::remove($dir);
            throw new \RuntimeException("stet: cannot start '$program'");
        }
        try {
            return new self($process, $dir, self::HOST, self::waitReady($process, $dir));
        } catch (\RuntimeException $e) {
            proc_terminate($process, 9);
            proc_close($process);
            self::remove($dir);
            throw $e;
        }
    }

    /** The server of this process, which every test uses: started at the first call, stopped at the end. */
    public static function shared(array $params = []): self
    {
        if (self::$shared === null) {
            self::$shared = self::start($params);
            register_shutdown_function(static fn () => self::$shared?->stop());
        }
        return self::$shared;
    }

    /** The path of stet-server: STET_BINARY, else the one in this package. */
    public static function binary(): string
    {
        $own = dirname(__DIR__) . '/programs/bin/stet-server';
        $given = getenv('STET_BINARY');
        if (!$given && !is_file($own)) {
            throw new \RuntimeException('stet: this package has no program for ' . PHP_OS_FAMILY .
                '. Set STET_BINARY to the path of a stet-server.');
        }
        if (!$given && !is_executable($own)) {
            chmod($own, 0755); // some ways to unpack a zip lose it
        }
        return $given ?: $own;
    }

    /** Sends any command; an error reply throws a ReplyError. */
    public function call(string|int|float ...$words): mixed
    {
        $this->connection ??= new Connection($this->host, $this->port);
        try {
            return $this->connection->call(...$words);
        } catch (ReplyError $e) {
            throw $e;
        } catch (\RuntimeException $e) {
            $this->connection = null;
            throw $e;
        }
    }

    /** Sends a TEST command: test('CLOCK', 'ADVANCE', 1000). */
    public function test(string|int|float ...$words): mixed
    {
        return $this->call('TEST', ...$words);
    }

    /** Sends TEST RESET: as after the start. */
    public function reset(): void
    {
        $this->call('TEST', 'RESET');
    }

    public function url(): string
    {
        return "redis://$this->host:$this->port";
    }

    public function pid(): int
    {
        return proc_get_status($this->process)['pid'];
    }

    public function log(): string
    {
        return (string) @file_get_contents("$this->dir/server.log");
    }

    public function stop(): void
    {
        if (!$this->runs) {
            return;
        }
        $this->runs = false;
        $this->connection = null;
        proc_terminate($this->process, 15);
        for ($until = microtime(true) + self::STOP_S; proc_get_status($this->process)['running'];) {
            if (microtime(true) > $until) {
                proc_terminate($this->process, 9);
            }
            usleep(1000);
        }
        proc_close($this->process);
        self::remove($this->dir);
    }

    private static function commandLine(string $dir, array $params): array
    {
        $all = [...self::DEFAULTS, 'dir' => $dir, 'port-file' => "$dir/port", 'logfile' => "$dir/server.log", ...$params];
        $words = [];
        foreach ($all as $name => $value) {
            if ($value !== null) {
                array_push($words, "--$name", ...array_map('strval', (array) $value));
            }
        }
        return $words;
    }

    /** The port, once the server has written it: then it serves. */
    private static function waitReady($process, string $dir): int
    {
        for ($until = microtime(true) + self::START_S; microtime(true) < $until;) {
            $port = (string) @file_get_contents("$dir/port");
            if (str_ends_with($port, "\n")) {
                return (int) $port;
            }
            $status = proc_get_status($process);
            if (!$status['running']) {
                throw new \RuntimeException("stet: the server has ended with {$status['exitcode']}:\n" .
                    @file_get_contents("$dir/said") . @file_get_contents("$dir/server.log"));
            }
            usleep(1000);
        }
        throw new \RuntimeException('stet: the server did not serve within ' . self::START_S . ' s');
    }

    private static function remove(string $dir): void
    {
        foreach (array_diff(scandir($dir) ?: [], ['.', '..']) as $name) {
            is_dir("$dir/$name") ? self::remove("$dir/$name") : unlink("$dir/$name");
        }
        rmdir($dir);
    }
}
