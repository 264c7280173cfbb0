package durabletest_test

import (
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func TestMem(t *testing.T) {
	durabletest.TestFS(t, func(*testing.T) durable.FS { return durabletest.NewMem() })
}

func TestHooked(t *testing.T) {
	durabletest.TestFS(t, func(*testing.T) durable.FS { return durabletest.Hook(durabletest.NewMem(), nil) })
}
