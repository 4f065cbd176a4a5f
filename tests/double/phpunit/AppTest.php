<?php
// SPDX-License-Identifier: BSD-3-Clause
// The extension of phpunit.xml starts the server and resets it before each test. Time stands still unless a test
// moves it, and no test sleeps.
declare(strict_types=1);

use PHPUnit\Framework\TestCase;
use Stet\Server;

require_once __DIR__ . '/App.php';

final class AppTest extends TestCase
{
    private Server $stet;
    private Redis $redis;

    protected function setUp(): void
    {
        $this->stet = Server::shared();
        $this->stet->test('CLOCK', 'FREEZE');
        $this->redis = client();
    }

    private function advance(int $ms): void
    {
        $this->stet->test('CLOCK', 'ADVANCE', $ms);
    }

    public function testTheCacheComputesAgainOnceTheTimeToLiveIsOver(): void
    {
        $cache = new Cache($this->redis, 60000);
        $n = 0;
        $compute = function () use (&$n): string {
            return 'v' . ++$n;
        };
        $this->assertSame('v1', $cache->get('k', $compute));
        $this->advance(59999);
        $this->assertSame('v1', $cache->get('k', $compute));
        $this->advance(1);
        $this->assertSame('v2', $cache->get('k', $compute));
    }

    public function testTheRateLimiterAllowsSoManyCallsPerWindow(): void
    {
        $limiter = new RateLimiter($this->redis, 2, 1000);
        $this->assertSame([true, true, false], [$limiter->allows('a'), $limiter->allows('a'), $limiter->allows('a')]);
        $this->assertTrue($limiter->allows('b'));
        $this->advance(1000);
        $this->assertTrue($limiter->allows('a'));
    }

    public function testAChargeWhoseAnswerIsLostIsCountedOnce(): void
    {
        $this->stet->test('FAULT', 'ADD', 'COMMAND', 'eval', 'TIMES', 1, 'CLOSE', 'AFTER');
        $this->assertSame(100, charge(7, 100));
        $this->assertSame('100', $this->stet->call('GET', 'total'));
    }

    public function testAChargeThatTheServerRefusesIsTriedAgain(): void
    {
        $this->stet->test('FAULT', 'ADD', 'COMMAND', 'eval', 'TIMES', 2, 'ERROR', 'BUSY try later');
        $this->assertSame(100, charge(7, 100));
        $this->stet->test('FAULT', 'ADD', 'COMMAND', 'eval', 'TIMES', 3, 'ERROR', 'BUSY try later');
        $this->expectExceptionMessage('BUSY try later');
        charge(8, 100);
    }

    public function testALockThatHasExpiredIsNotReleasedByItsFormerHolder(): void
    {
        $a = new Lock($this->redis, 'lock', 1000);
        $b = new Lock($this->redis, 'lock', 1000);
        $this->assertTrue($a->acquire());
        $this->assertFalse($b->acquire());
        $this->advance(1000);
        $this->assertTrue($b->acquire());
        $this->assertFalse($a->release());
        $this->assertTrue($b->release());
    }

    public function testAJobComesOutOnceItsDelayIsOver(): void
    {
        $queue = new DelayedQueue($this->redis);
        $queue->add('mail', 24 * 3600 * 1000);
        $queue->add('ping', 1000);
        $this->assertSame([], $queue->takeDue());
        $this->advance(1000);
        $this->assertSame(['ping'], $queue->takeDue());
        $this->advance(24 * 3600 * 1000);
        $this->assertSame(['mail'], $queue->takeDue());
    }

    public function testAWorkerWaitsUntilThereIsAJob(): void
    {
        $worker = popen('php ' . escapeshellarg(__DIR__ . '/worker.php') . ' 0', 'r');
        $this->stet->test('WAIT', 'BLOCKED', 'jobs');
        $this->redis->rPush('jobs', 'one');
        $this->assertSame("'one'", stream_get_contents($worker));
        $this->assertSame(0, pclose($worker));
    }

    public function testAWorkerGivesUpAfterItsTimeout(): void
    {
        $worker = popen('php ' . escapeshellarg(__DIR__ . '/worker.php') . ' 30', 'r');
        $this->stet->test('WAIT', 'BLOCKED', 'jobs');
        $this->advance(30000);
        $this->assertSame('NULL', stream_get_contents($worker));
        $this->assertSame(0, pclose($worker));
    }
}
