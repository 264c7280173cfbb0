package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Pack is one exchange of git's smart HTTP protocol (gitprotocol-http(5)) with a client
// that fetches objects.
type Pack struct {
	// Advertise requests the references, or the capabilities of the server: a client's first
	// request. Otherwise the request is read from In.
	Advertise bool
	// Version is the client's Git-Protocol header, such as "version=2"; empty: the client sent
	// none.
	Version string
	In      io.Reader
	Out     io.Writer
	// Idle is how long git waits for In, or for Out to accept data.
	Idle time.Duration
}

// packOptions are fixed for all clients. Options of the command line override the repository's
// configuration; those of the user and the system are not read.
var packOptions = []string{
	"-c", "safe.directory=*", // the repository's uploadpack.packObjectsHook has no effect in any case
	"-c", "uploadpack.allowFilter=true", // cheaper than sending everything; no other filter is allowed
	"-c", "uploadpackfilter.allow=false",
	"-c", "uploadpackfilter.blob:none.allow=true",
	"-c", "uploadpack.allowAnySHA1InWant=false",
	"-c", "uploadpack.allowRefInWant=false",
	"-c", "uploadpack.advertiseBundleURIs=false",
	"-c", "uploadpack.keepAlive=5",
	"-c", "pack.threads=1",
	"-c", "pack.windowMemory=64m",
	"-c", "core.bigFileThreshold=32m",
	"-c", "core.hooksPath=" + os.DevNull,
}

// ServePack answers one exchange with "git upload-pack". It shows HEAD, the branches and
// the references whose names begin with one of refs. When ctx ends, git and all processes
// that it started end.
func (r *Repository) ServePack(ctx context.Context, p Pack, refs ...string) error {
	args := append(packOptions[:len(packOptions):len(packOptions)], "-c", "transfer.hideRefs=refs/", "-c", "transfer.hideRefs=!refs/heads/")
	for _, ref := range refs {
		args = append(args, "-c", "transfer.hideRefs=!"+ref)
	}
	args = append(args, "upload-pack", "--strict", "--stateless-rpc", "--timeout="+strconv.Itoa(max(1, int(p.Idle.Seconds()))))
	if p.Advertise {
		args = append(args, "--advertise-refs")
	}
	cmd := exec.CommandContext(ctx, "git", append(args, r.Dir)...)
	cmd.Env = append(environment(os.Environ()), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	if p.Version != "" {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+p.Version)
	}
	cmd.WaitDelay = 5 * time.Second
	var said firstBytes
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.In, p.Out, &said
	err := runAll(ctx, cmd)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%w: %w", ErrNone, err)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && said.String() != "":
		return fmt.Errorf("git upload-pack: %s (%w)", said.String(), err)
	case err != nil:
		return fmt.Errorf("git upload-pack: %w", err)
	}
	return nil
}
