package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// CanAsk reports whether stdin is a terminal, so that a user can type an answer.
func CanAsk() bool { return term.IsTerminal(int(os.Stdin.Fd())) }

// AskPassword prints a question, and reads a password without echo. If ctx ends, it
// restores the terminal and returns the cause.
func AskPassword(ctx context.Context, w io.Writer, question string) ([]byte, error) {
	in := int(os.Stdin.Fd())
	before, err := term.GetState(in)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(w, question)
	defer fmt.Fprintln(w)
	type answer struct {
		password []byte
		err      error
	}
	typed := make(chan answer, 1)
	go func() {
		password, err := term.ReadPassword(in)
		typed <- answer{password, err}
	}()
	select {
	case got := <-typed:
		if got.err == nil && len(got.password) == 0 {
			got.err = errors.New("none was typed")
		}
		return got.password, got.err
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), term.Restore(in, before))
	}
}
