package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// goingDown is FS_IOC_GOINGDOWN, which disconnects a file system from its disk; with 1 it
// still writes its journal, but no more data.
const (
	goingDown  = 0x8004587d
	flushedLog = 1
)

func powerCut(w *world) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: needs root, to mount a file system", errLeftOut)
	}
	image, disk := w.path("image"), w.path("out")
	if err := errors.Join(w.serve(small(300, 2000)), os.Mkdir(disk, 0o755), os.WriteFile(image, nil, 0o644), os.Truncate(image, 256<<20)); err != nil {
		return err
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: mkfs.ext4: %v: %s", errLeftOut, err, out)
	}
	mount := func() error { return exec.Command("mount", "-o", "loop", image, disk).Run() }
	if err := mount(); err != nil {
		return fmt.Errorf("%w: mounting is refused here: %v", errLeftOut, err)
	}
	defer func() { exec.Command("umount", disk).Run() }()
	if err := succeed(w.download()); err != nil {
		return err
	}
	f, err := os.Open(disk)
	if err != nil {
		return err
	}
	err = errors.Join(unix.IoctlSetPointerInt(int(f.Fd()), goingDown, flushedLog), f.Close(), unix.Unmount(disk, 0), mount())
	if err != nil {
		return err
	}
	n, err := w.loose()
	if err == nil && n != w.reg.Len() {
		err = fmt.Errorf("%d of %d crates are left", n, w.reg.Len())
	}
	return err
}
