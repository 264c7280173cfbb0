// Simregistry runs the simulated registry of internal/simreg as a separate process, for tests
// that are not written in Go. It serves the crates of the demo on the loopback interface,
// commits their index to a git repository, and prints the base URL of the crate files. Then it
// executes a command per line of standard input and answers each with a line, until the input
// ends:
//
//	publish NAME VERSION          adds a version and commits the index
//	squash                        forces a commit without parent, as crates.io does
//	fault NAME VERSION KIND TIMES makes requests go wrong, in the terms of internal/simreg;
//	                              "all all" is every crate, a negative number always
//	heal                          ends all faults
//	requests                      prints how many crate files were requested
//
//	go run ./scripts/simregistry index.git
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		log.Fatal("usage: simregistry REPOSITORY")
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, repository string) error {
	reg := simreg.Demo()
	server, err := reg.Start(simreg.Options{})
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := reg.CommitIndex(ctx, repository, "Demo registry"); err != nil {
		return err
	}
	fmt.Println(server.BaseURL)
	commands := commandsFor(ctx, reg, repository)
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		answer, err := commands.obey(strings.Fields(input.Text()))
		if err != nil {
			answer = "error: " + err.Error()
		}
		fmt.Println(answer)
	}
	return input.Err()
}

// commands are the commands of a line, by their first word.
type commands map[string]struct {
	words int // after the first
	run   func(words []string) (answer string, err error)
}

func commandsFor(ctx context.Context, reg *simreg.Registry, repository string) commands {
	return commands{
		"publish": {2, func(w []string) (string, error) {
			reg.Add(simreg.Version{Name: w[0], Version: w[1]})
			return reg.CommitIndex(ctx, repository, "Update crate `"+w[0]+"`")
		}},
		"squash":   {0, func([]string) (string, error) { return reg.Squash(ctx, repository) }},
		"fault":    {4, func(w []string) (string, error) { return "ok", inject(reg, w) }},
		"heal":     {0, func([]string) (string, error) { reg.Heal(); return "ok", nil }},
		"requests": {0, func([]string) (string, error) { return strconv.Itoa(reg.TotalRequests()), nil }},
	}
}

func (c commands) obey(words []string) (answer string, err error) {
	if len(words) > 0 {
		if command, ok := c[words[0]]; ok && command.words == len(words)-1 {
			return command.run(words[1:])
		}
	}
	return "", fmt.Errorf("%q is no command", words)
}

func inject(reg *simreg.Registry, words []string) error {
	times, err := strconv.Atoi(words[3])
	if err != nil {
		return err
	}
	id := crate.ID{Name: words[0], Version: words[1]}
	if words[0] == "all" {
		id = simreg.All
	}
	fault := simreg.Fault{Kind: simreg.Kind(words[2]), Times: times}
	if fault.Kind == simreg.Status {
		fault.Code = http.StatusNotFound
	}
	reg.Inject(id, fault)
	return nil
}
