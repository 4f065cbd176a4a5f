// SPDX-License-Identifier: BSD-3-Clause

package app

import (
	"fmt"
	"strings"
	"testing"

	"stet.example/stet"
)

// A server for each test, in a few milliseconds. Time stands still unless the test moves it, and no test sleeps.
func start(t *testing.T) *stet.Server {
	t.Parallel()
	s := stet.Start(t)
	s.Test(t, "CLOCK", "FREEZE")
	return s
}

func equal(t *testing.T, want, got any, err error) {
	t.Helper()
	if err != nil || fmt.Sprint(want) != fmt.Sprint(got) {
		t.Fatalf("got %v (%v), want %v", got, err, want)
	}
}

func TestCacheComputesAgainOnceTheTimeToLiveIsOver(t *testing.T) {
	s := start(t)
	cache, n := Cache{s, 60000}, 0
	get := func(want string) {
		t.Helper()
		got, err := cache.Get("k", func() string { n++; return fmt.Sprint("v", n) })
		equal(t, want, got, err)
	}
	get("v1")
	s.Test(t, "CLOCK", "ADVANCE", 59999)
	get("v1")
	s.Test(t, "CLOCK", "ADVANCE", 1)
	get("v2")
}

func TestRateLimiterAllowsSoManyCallsPerWindow(t *testing.T) {
	s := start(t)
	limiter := RateLimiter{s, 2, 1000}
	allows := func(user string, want bool) {
		t.Helper()
		got, err := limiter.Allows(user)
		equal(t, want, got, err)
	}
	allows("a", true)
	allows("a", true)
	allows("a", false)
	allows("b", true)
	s.Test(t, "CLOCK", "ADVANCE", 1000)
	allows("a", true)
}

func TestChargeWhoseAnswerIsLostIsCountedOnce(t *testing.T) {
	s := start(t)
	s.Test(t, "FAULT", "ADD", "COMMAND", "eval", "TIMES", 1, "CLOSE", "AFTER")
	total, err := Charge(s.Addr, 7, 100)
	equal(t, 100, total, err)
	got, err := s.Do("GET", "total")
	equal(t, "100", got, err)
}

func TestChargeThatTheServerRefusesIsTriedAgain(t *testing.T) {
	s := start(t)
	s.Test(t, "FAULT", "ADD", "COMMAND", "eval", "TIMES", 2, "ERROR", "BUSY try later")
	total, err := Charge(s.Addr, 7, 100)
	equal(t, 100, total, err)
	s.Test(t, "FAULT", "ADD", "COMMAND", "eval", "TIMES", 3, "ERROR", "BUSY try later")
	if _, err := Charge(s.Addr, 8, 100); err == nil || !strings.Contains(err.Error(), "BUSY try later") {
		t.Fatal(err)
	}
}

func TestLockThatHasExpiredIsNotReleasedByItsFormerHolder(t *testing.T) {
	s := start(t)
	a, b := &Lock{Redis: s, Name: "lock", TTLms: 1000}, &Lock{Redis: s, Name: "lock", TTLms: 1000}
	is := func(want bool, f func() (bool, error)) {
		t.Helper()
		got, err := f()
		equal(t, want, got, err)
	}
	is(true, a.Acquire)
	is(false, b.Acquire)
	s.Test(t, "CLOCK", "ADVANCE", 1000)
	is(true, b.Acquire)
	is(false, a.Release)
	is(true, b.Release)
}

func TestJobComesOutOnceItsDelayIsOver(t *testing.T) {
	s := start(t)
	queue := DelayedQueue{s}
	due := func(want string) {
		t.Helper()
		got, err := queue.TakeDue()
		equal(t, want, got, err)
	}
	equal(t, nil, nil, queue.Add("mail", 24*3600*1000))
	equal(t, nil, nil, queue.Add("ping", 1000))
	due("[]")
	s.Test(t, "CLOCK", "ADVANCE", 1000)
	due("[ping]")
	s.Test(t, "CLOCK", "ADVANCE", 24*3600*1000)
	due("[mail]")
}

type result struct {
	job string
	err error
}

// A worker on a connection of its own, which is blocked by the time this returns.
func worker(t *testing.T, s *stet.Server, timeoutS int) chan result {
	c, err := stet.Dial(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	done := make(chan result)
	go func() {
		job, err := Work(c, timeoutS)
		done <- result{job, err}
	}()
	s.Test(t, "WAIT", "BLOCKED", "jobs")
	return done
}

func TestWorkerWaitsUntilThereIsAJob(t *testing.T) {
	s := start(t)
	done := worker(t, s, 0)
	s.Do("RPUSH", "jobs", "one")
	got := <-done
	equal(t, "one", got.job, got.err)
}

func TestWorkerGivesUpAfterItsTimeout(t *testing.T) {
	s := start(t)
	done := worker(t, s, 30)
	s.Test(t, "CLOCK", "ADVANCE", 30000)
	got := <-done
	equal(t, "", got.job, got.err)
}
