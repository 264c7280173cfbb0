package access

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A Token is one line of a token file: a name for people and logs, and a hash. The token
// itself is 256 random bits, so its hash reveals nothing and needs no salt.
type Token struct {
	Name    string
	Sum     [sha256.Size]byte
	Expires time.Time // zero: never
}

// Limits of a token file.
const (
	maxTokens = 100_000
	maxFile   = 16 << 20 // bytes
	maxName   = 64
)

// prefix makes tokens recognisable to scanners that look for leaked secrets.
const prefix = "ccio_"

// NewToken makes a token. The secret is shown once and stored nowhere.
func NewToken(name string, expires time.Time) (t Token, secret string, err error) {
	if err := checkName(name); err != nil {
		return t, "", err
	}
	var random [32]byte
	rand.Read(random[:])
	secret = prefix + base64.RawURLEncoding.EncodeToString(random[:])
	return Token{name, sha256.Sum256([]byte(secret)), expires}, secret, nil
}

func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("a token's name has 1 to %d characters", maxName)
	}
	for _, c := range name {
		if !strings.ContainsRune("-_.@", c) && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return fmt.Errorf("the name %.80q has %q in it: letters, digits and -_.@ make one", name, c)
		}
	}
	return nil
}

// Tokens is the content of a token file: a line for each token, NAME SHA256 EXPIRES, the
// last in RFC 3339, or "-" for never. Empty lines and lines that begin with "#" are
// ignored.
type Tokens struct {
	list  []Token
	bySum map[[sha256.Size]byte]*Token
}

// Parse parses a token file.
func Parse(data []byte) (*Tokens, error) {
	t := &Tokens{bySum: map[[sha256.Size]byte]*Token{}}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		one, err := parseLine(line)
		if err == nil && len(t.list) == maxTokens {
			err = fmt.Errorf("there are more than %d tokens", maxTokens)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		t.list = append(t.list, one)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	for i := range t.list {
		t.bySum[t.list[i].Sum] = &t.list[i]
	}
	return t, nil
}

// parseLine parses one line. Its errors do not quote the line, which may be a token.
func parseLine(line string) (t Token, err error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return t, errors.New("want NAME SHA256 EXPIRES, as token add writes them")
	}
	t.Name = fields[0]
	sum, err := hex.DecodeString(fields[1])
	switch {
	case checkName(t.Name) != nil:
		return t, errors.New("the first word is not a valid name of a token")
	case err != nil || len(sum) != len(t.Sum):
		return t, errors.New("the second word is not the SHA-256 of a token, 64 hexadecimal digits")
	}
	copy(t.Sum[:], sum)
	if fields[2] != "-" {
		if t.Expires, err = time.Parse(time.RFC3339, fields[2]); err != nil {
			return t, errors.New("the third word is neither a time like 2027-01-31T00:00:00Z nor -")
		}
	}
	return t, nil
}

// List returns all tokens in the order of the file.
func (t *Tokens) List() []Token { return t.list }

// Find returns the token of a secret, if it is valid at that time. Its timing reveals
// nothing about secrets, because it looks up and compares hashes.
func (t *Tokens) Find(secret string, now time.Time) (*Token, bool) {
	if t == nil || len(secret) > 1<<10 {
		return nil, false
	}
	sum := sha256.Sum256([]byte(secret))
	found := t.bySum[sum]
	if found == nil || subtle.ConstantTimeCompare(found.Sum[:], sum[:]) != 1 {
		return nil, false
	}
	return found, found.Expires.IsZero() || now.Before(found.Expires)
}

func (t *Tokens) bytes() []byte {
	var b bytes.Buffer
	for _, one := range t.list {
		expires := "-"
		if !one.Expires.IsZero() {
			expires = one.Expires.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(&b, "%s %x %s\n", one.Name, one.Sum, expires)
	}
	return b.Bytes()
}

// Load reads a token file. Errors: fs.ErrNotExist.
func Load(file string) (*Tokens, error) {
	dir, err := durable.Open(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	defer dir.Close()
	data, err := durable.ReadFile(dir, filepath.Base(file), maxFile)
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	t, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %s: %w", file, err)
	}
	return t, nil
}

// Change replaces a token file with the tokens that fn returns; fn gets none if the file is
// absent. A lock lets one process at a time do so.
func Change(ctx context.Context, file string, fn func([]Token) ([]Token, error)) (err error) {
	dir, err := durable.Open(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("changing tokens: %w", err)
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	lock, err := lockFile(ctx, file+".lock")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	t, err := Load(file)
	if errors.Is(err, fs.ErrNotExist) {
		t, err = new(Tokens), nil
	}
	if err != nil {
		return err
	}
	list, err := fn(t.list)
	if err != nil {
		return err
	}
	w, err := durable.CreateWholePrivate(dir, filepath.Base(file))
	if err != nil {
		return err
	}
	if _, err = w.Write((&Tokens{list: list}).bytes()); err != nil {
		return errors.Join(err, w.Discard())
	}
	return w.Replace()
}

func lockFile(ctx context.Context, name string) (*durable.Lockfile, error) {
	for {
		lock, err := durable.Lock(name, durable.Self("token"))
		if held := (*durable.HeldError)(nil); !errors.As(err, &held) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
