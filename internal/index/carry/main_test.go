package carry

import (
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func TestMain(m *testing.M) { durabletest.Main(m) }
