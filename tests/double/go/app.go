// SPDX-License-Identifier: BSD-3-Clause

// Package app is an application of the usual kind: what it has to do with time and with failures is what the tests
// try. Its client is the one of the module stet; any other client does as well.
package app

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"

	"stet.example/stet"
)

// Doer is a client.
type Doer interface {
	Do(words ...any) (any, error)
}

// Cache computes a value once per time to live.
type Cache struct {
	Redis Doer
	TTLms int
}

func (c Cache) Get(key string, compute func() string) (string, error) {
	found, err := c.Redis.Do("GET", key)
	if err != nil {
		return "", err
	}
	if value, ok := found.(string); ok {
		return value, nil
	}
	value := compute()
	_, err = c.Redis.Do("SET", key, value, "PX", c.TTLms)
	return value, err
}

// RateLimiter allows so many calls per window and user.
type RateLimiter struct {
	Redis    Doer
	Limit    int64
	WindowMs int
}

func (l RateLimiter) Allows(user string) (bool, error) {
	n, err := l.Redis.Do("INCR", "rate:"+user)
	if err == nil && n == int64(1) {
		_, err = l.Redis.Do("PEXPIRE", "rate:"+user, l.WindowMs)
	}
	return err == nil && n.(int64) <= l.Limit, err
}

// The server may have executed an order and its answer was lost: it is counted once, however often it is sent.
const countOnce = `if redis.call('SET', KEYS[1], 1, 'NX') then redis.call('INCRBY', KEYS[2], ARGV[1]) end
return redis.call('GET', KEYS[2])`

// Charge connects for each of its three tries.
func Charge(addr string, order, amount int) (total int, err error) {
	for i := 0; i < 3; i++ {
		var c *stet.Conn
		if c, err = stet.Dial(addr); err != nil {
			continue
		}
		var reply any
		reply, err = c.Do("EVAL", countOnce, 2, "order:"+strconv.Itoa(order), "total", amount)
		c.Close()
		if err == nil {
			return strconv.Atoi(reply.(string))
		}
	}
	return 0, err
}

// Lock is held for a time.
type Lock struct {
	Redis Doer
	Name  string
	TTLms int
	token string
}

func (l *Lock) Acquire() (bool, error) {
	var token [8]byte
	rand.Read(token[:])
	l.token = hex.EncodeToString(token[:])
	reply, err := l.Redis.Do("SET", l.Name, l.token, "PX", l.TTLms, "NX")
	return reply == "OK", err
}

const release = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

// Release is false if the lock had expired: it may be another's.
func (l *Lock) Release() (bool, error) {
	n, err := l.Redis.Do("EVAL", release, 1, l.Name, l.token)
	return n == int64(1), err
}

// DelayedQueue has jobs that become due later, by the time of the server.
type DelayedQueue struct{ Redis Doer }

const add = `local t = redis.call('TIME')
return redis.call('ZADD', KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2], ARGV[1])`

const take = `local t = redis.call('TIME')
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', t[1] * 1000 + math.floor(t[2] / 1000))
for _, job in ipairs(due) do redis.call('ZREM', KEYS[1], job) end
return due`

func (q DelayedQueue) Add(job string, delayMs int) error {
	_, err := q.Redis.Do("EVAL", add, 1, "delayed", job, delayMs)
	return err
}

func (q DelayedQueue) TakeDue() (any, error) {
	return q.Redis.Do("EVAL", take, 1, "delayed")
}

// Work waits for a job: its text, or "" after the timeout.
func Work(redis Doer, timeoutS int) (string, error) {
	reply, err := redis.Do("BLPOP", "jobs", timeoutS)
	if pair, ok := reply.([]any); ok {
		return pair[1].(string), err
	}
	return "", err
}
