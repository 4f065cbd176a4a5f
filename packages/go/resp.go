// SPDX-License-Identifier: BSD-3-Clause

package stet

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// ReplyError is an error that the server answered with.
type ReplyError string

func (e ReplyError) Error() string { return string(e) }

// Conn sends commands and gets RESP2 replies: what the TEST commands need, without another module.
type Conn struct {
	mu sync.Mutex
	c  net.Conn
	r  *bufio.Reader
}

// Dial connects to a server.
func Dial(addr string) (*Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Conn{c: c, r: bufio.NewReader(c)}, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.c.Close() }

// Do sends a command. The reply is a string, an int64, nil or a []any of these.
func (c *Conn) Do(words ...any) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out strings.Builder
	fmt.Fprintf(&out, "*%d\r\n", len(words))
	for _, word := range words {
		text := fmt.Sprint(word)
		if data, ok := word.([]byte); ok {
			text = string(data)
		}
		fmt.Fprintf(&out, "$%d\r\n%s\r\n", len(text), text)
	}
	if _, err := io.WriteString(c.c, out.String()); err != nil {
		return nil, err
	}
	reply, err := c.read()
	if e, ok := reply.(ReplyError); ok {
		return nil, e
	}
	return reply, err
}

func (c *Conn) read() (any, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 || !strings.HasSuffix(line, "\r\n") {
		return nil, fmt.Errorf("stet: not a RESP2 reply: %q", line)
	}
	text := line[1 : len(line)-2]
	switch line[0] {
	case '+':
		return text, nil
	case '-':
		return ReplyError(text), nil
	case ':':
		return strconv.ParseInt(text, 10, 64)
	case '$', '*':
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, err
		}
		if line[0] == '*' {
			return c.array(n)
		}
		data := make([]byte, n+2)
		if _, err := io.ReadFull(c.r, data); err != nil {
			return nil, err
		}
		return string(data[:n]), nil
	}
	return nil, fmt.Errorf("stet: not a RESP2 reply: %q", line)
}

func (c *Conn) array(n int) (any, error) {
	items := []any{}
	for i := 0; i < n; i++ {
		item, err := c.read()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}
