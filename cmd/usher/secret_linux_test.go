package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/storage/password"
)

// terminal is a terminal's two ends: what a user has, and what a program does.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = user.Close() })
	fd := int(user.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return user, program
}

// dialogue is "usher hash" with a terminal for its input and its questions.
type dialogue struct {
	user    *os.File
	program *os.File
	shown   bytes.Buffer // by the terminal
	out     bytes.Buffer // the program's standard output
	wait    func() error
	signal  func(os.Signal) error
}

func hashDialogue(t *testing.T) *dialogue {
	t.Helper()
	a := new(dialogue)
	a.user, a.program = terminal(t)
	cmd := command(t, t.TempDir(), nil, "hash")
	cmd.Stdin, cmd.Stderr, cmd.Stdout = a.program, a.program, &a.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.wait, a.signal = cmd.Wait, func(s os.Signal) error { return cmd.Process.Signal(s) }
	return a
}

// answer waits for the question, and types a line.
func (a *dialogue) answer(t *testing.T, question, line string) {
	t.Helper()
	a.until(t, question)
	// The question comes before the terminal is told to show nothing.
	for deadline := time.Now().Add(10 * time.Second); a.shows(t); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the terminal would show the password")
		}
	}
	if _, err := a.user.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// until reads what the terminal shows up to that.
func (a *dialogue) until(t *testing.T, text string) {
	t.Helper()
	b := make([]byte, 1)
	for from := a.shown.Len(); !strings.HasSuffix(a.shown.String()[from:], text); {
		if _, err := a.user.Read(b); err != nil {
			t.Fatalf("%v after %q", err, a.shown.String())
		}
		a.shown.Write(b)
	}
}

// shows says whether the terminal shows what is typed.
func (a *dialogue) shows(t *testing.T) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(a.program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// On a terminal the password is asked for twice, and never shown.
func TestHashAsks(t *testing.T) {
	const secret = "Pässword 1"
	a := hashDialogue(t)
	a.answer(t, "Password: ", secret)
	a.answer(t, "Once more: ", secret+"x")
	a.until(t, "These differ.")
	a.answer(t, "Password: ", secret)
	a.answer(t, "Once more: ", secret)
	if err := a.wait(); err != nil {
		t.Fatal(err)
	}
	if err := password.Verify(strings.TrimSpace(a.out.String()), secret); err != nil {
		t.Errorf("%s: %v", &a.out, err)
	}
	if strings.Contains(a.shown.String(), secret) || !a.shows(t) {
		t.Errorf("the terminal shows %q, and then what is typed: %t", a.shown.String(), a.shows(t))
	}
}

// Who changes their mind has a terminal as it was.
func TestHashIsInterrupted(t *testing.T) {
	a := hashDialogue(t)
	a.until(t, "Password: ")
	for deadline := time.Now().Add(10 * time.Second); a.shows(t) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if err := a.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := a.wait(); err == nil {
		t.Error("no error")
	}
	if !a.shows(t) || a.out.Len() > 0 {
		t.Errorf("the terminal shows what is typed: %t, the output is %q", a.shows(t), &a.out)
	}
}
