package git

import (
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A group is a git and the programs that it runs, such as those for HTTP or SSH, in a job:
// they end together, also when this process is killed.
type group struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	job windows.Handle // 0: there is none
}

// newGroup prepares a command that has not started yet.
func newGroup(cmd *exec.Cmd) *group {
	g := &group{cmd: cmd}
	cmd.Cancel = func() error {
		g.end(true)
		return cmd.Process.Kill() // it may not be in the job yet
	}
	return g
}

// apart protects a command from a Ctrl-C that is meant for us.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// asked returns false: Windows has no signals.
func asked(error) bool { return false }

// started puts the command into its job, and with it everything that it starts later.
func (g *group) started() error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return fmt.Errorf("making a job for git: %w", err)
	}
	g.mu.Lock()
	g.job = job
	g.mu.Unlock()
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err != nil {
		return fmt.Errorf("limiting the job of git: %w", err)
	}
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(g.cmd.Process.Pid))
	if err != nil {
		return nil // it has ended
	}
	defer windows.CloseHandle(process)
	if err := windows.AssignProcessToJobObject(job, process); err != nil && process != 0 {
		return nil // it has ended, or must not be in a job of ours: then only git is killed
	}
	return nil
}

// end closes the job, which kills the processes that are left in it.
func (g *group) end(bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.job != 0 {
		windows.CloseHandle(g.job)
		g.job = 0
	}
}
