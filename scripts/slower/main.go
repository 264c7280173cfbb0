//go:build linux

// Slower runs a program and uses half as much processor time as the program does, in addition:
// bench-smoke must notice this in each row that it guards. It is a separate process, which the
// benches measure together with the program.
//
//	SLOWER_PROGRAM=out/clonecratesio go run ./scripts/slower version
package main

import (
	"errors"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// more is the processor time to use for each second of the program.
const more = 0.5

func main() {
	log.SetFlags(0)
	runtime.LockOSThread() // benchserve looks for the children of the first thread
	cmd := exec.Command(os.Getenv("SLOWER_PROGRAM"), os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	ended := make(chan struct{})
	go follow(cmd.Process, signals, ended)
	err := cmd.Wait()
	close(ended)
	burn(used(syscall.RUSAGE_CHILDREN))
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	} else if err != nil {
		log.Fatal(err)
	}
}

// follow forwards signals and, for servers, keeps up with the program's processor time while
// it runs.
func follow(p *os.Process, signals <-chan os.Signal, ended <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case s := <-signals:
			p.Signal(s) //nolint:errcheck // fails if it has ended
		case <-tick.C:
			burn(usedBy(p.Pid))
		case <-ended:
			return
		}
	}
}

// burn uses processor time until this process has used its share of the program's. It uses two
// threads: on a busy machine, one gets too little time beside a server that has two.
func burn(program time.Duration) {
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for used(syscall.RUSAGE_SELF) < time.Duration(more*float64(program)) {
				for began := time.Now(); time.Since(began) < 100*time.Microsecond; {
				}
			}
		})
	}
	wg.Wait()
}

// used returns the processor time that this process, or its children that have ended, have
// used.
func used(who int) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(who, &r); err != nil {
		log.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// usedBy returns the processor time that a process has used so far, which Linux counts in
// hundredths of a second.
func usedBy(pid int) time.Duration {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0 // it has ended
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err1 != nil || err2 != nil {
		return 0
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}
