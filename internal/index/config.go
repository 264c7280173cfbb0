package index

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
)

// A Config is config.json of an index (cargo book, Registry Index, "Index
// Configuration").
type Config struct {
	DL  string `json:"dl"`  // where crate files are, for crate.CargoURLTemplate
	API string `json:"api"` // may be empty
}

// MaxConfig bounds config.json, in bytes.
const MaxConfig = 64 << 10

// ParseConfig parses config.json. It is an error if "dl" is missing.
func ParseConfig(text []byte) (cfg Config, err error) {
	if len(text) > MaxConfig {
		return cfg, fmt.Errorf("it has more than %d bytes", MaxConfig)
	}
	if err := json.Unmarshal(text, &cfg); err != nil {
		return Config{}, err
	}
	if cfg.DL == "" {
		return Config{}, errors.New(`it names no "dl"`)
	}
	return cfg, nil
}

// Config reads config.json, with git that of the opened commit. Errors: fs.ErrNotExist if
// there is none.
func (x *Index) Config(ctx context.Context) (cfg Config, err error) {
	r, err := x.source.newLookup(ctx)
	if err != nil {
		return cfg, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	content, _, err := r.lookup(x.revision.Commit, "config.json")
	if err == nil {
		cfg, err = ParseConfig(content)
	}
	if err != nil {
		return Config{}, fmt.Errorf("reading config.json of the index in %s: %w", x.dir, err)
	}
	return cfg, nil
}

// IsCratesIO reports whether crate files are downloaded from crates.io itself.
func (c Config) IsCratesIO() bool {
	u, err := url.Parse(c.DL)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return host == "crates.io" || strings.HasSuffix(host, ".crates.io")
}
