package program

import "runtime/debug"

// release is the version of the next release; builds of a tagged module say
// their own.
const release = "2.0.0-dev"

// homepage is where people who see our requests can find out who we are.
const homepage = "https://github.com/APTlantis/Mirror-Rust-Crates"

func Version() string {
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return release
}

// UserAgent names the program, its version and whom to write to, as crates.io's
// data access policy asks.
func UserAgent(contact string) string {
	ua := "clonecratesio/" + Version() + " (+" + homepage + ")"
	if contact != "" {
		ua += " contact: " + contact
	}
	return ua
}
