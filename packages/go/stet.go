// SPDX-License-Identifier: BSD-3-Clause

// Package stet starts a stet-server for tests, and stops it. Documentation: docs/test-double.md.
package stet

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	host      = "127.0.0.1"
	startTime = time.Minute
	stopTime  = 10 * time.Second
)

// The module's zip has the programs in it (tools/packages puts them there); a checkout does not.
//
//go:embed all:programs
var programs embed.FS

// Server is a server that runs, on a free port and in a temporary directory.
type Server struct {
	Port int
	Addr string // 127.0.0.1:PORT
	URL  string // redis://127.0.0.1:PORT
	Dir  string

	cmd   *exec.Cmd
	ended chan struct{}
	conn  *Conn
}

// Start starts a server for one test and stops it at the test's end. The options are words of the command line:
// Start(t, "--maxmemory", "10mb").
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	s, err := Run(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

// Run starts a server, for TestMain; the caller stops it.
func Run(options ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "stet-")
	if err != nil {
		return nil, err
	}
	program, err := binary(dir)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	s := &Server{Dir: dir, ended: make(chan struct{})}
	said := &strings.Builder{}
	s.cmd = exec.Command(program, append([]string{"--bind", host, "--port", "auto", "--port-file", s.file("port"),
		"--logfile", s.file("server.log"), "--dir", dir, "--save", "", "--appendonly", "no",
		"--enable-test-commands", "local", "--exit-with-parent", "yes"}, options...)...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, said, said
	if err := s.cmd.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("stet: cannot start '%s': %w", program, err)
	}
	go func() {
		s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.waitReady(said); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) file(name string) string { return filepath.Join(s.Dir, name) }

// The server writes its port once it serves.
func (s *Server) waitReady(said *strings.Builder) error {
	for until := time.Now().Add(startTime); time.Now().Before(until); {
		text, _ := os.ReadFile(s.file("port"))
		if strings.HasSuffix(string(text), "\n") {
			s.Port, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			s.Addr = fmt.Sprintf("%s:%d", host, s.Port)
			s.URL = "redis://" + s.Addr
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("stet: the server has ended (%s):\n%s%s", s.cmd.ProcessState, said, s.Log())
		case <-time.After(time.Millisecond):
		}
	}
	return fmt.Errorf("stet: the server did not serve within %s", startTime)
}

// PID is the process of the server.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Log is what the server has logged.
func (s *Server) Log() string {
	text, _ := os.ReadFile(s.file("server.log"))
	return string(text)
}

// Do sends any command on the server's own connection.
func (s *Server) Do(words ...any) (any, error) {
	if s.conn == nil {
		c, err := Dial(s.Addr)
		if err != nil {
			return nil, err
		}
		s.conn = c
	}
	return s.conn.Do(words...)
}

// Test sends a TEST command: s.Test(t, "CLOCK", "ADVANCE", 1000). An error fails the test.
func (s *Server) Test(t testing.TB, words ...any) any {
	t.Helper()
	reply, err := s.Do(append([]any{"TEST"}, words...)...)
	if err != nil {
		t.Fatalf("TEST %v: %v", words, err)
	}
	return reply
}

// Reset sends TEST RESET: as after the start.
func (s *Server) Reset(t testing.TB) {
	t.Helper()
	s.Test(t, "RESET")
}

// Stop ends the server and removes its directory.
func (s *Server) Stop() {
	if s.conn != nil {
		s.conn.Close()
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(stopTime):
		s.cmd.Process.Kill()
		<-s.ended
	}
	os.RemoveAll(s.Dir)
}

// $STET_BINARY, else the program in this module, written below dir.
func binary(dir string) (string, error) {
	if given := os.Getenv("STET_BINARY"); given != "" {
		return given, nil
	}
	from := "programs/" + runtime.GOOS + "_" + runtime.GOARCH
	if _, err := fs.Stat(programs, from+"/bin/stet-server"); err != nil {
		return "", fmt.Errorf("stet: this module has no program for %s on %s. Set STET_BINARY to the path of a stet-server",
			runtime.GOOS, runtime.GOARCH)
	}
	to := filepath.Join(dir, "program")
	for _, part := range []string{"bin/stet-server", "lib"} {
		if err := unpack(from+"/"+part, filepath.Join(to, filepath.FromSlash(part))); err != nil {
			return "", err
		}
	}
	return filepath.Join(to, "bin", "stet-server"), nil
}

func unpack(from, to string) error {
	return fs.WalkDir(programs, from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		data, err := programs.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o700)
	})
}
