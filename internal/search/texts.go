package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

const (
	// maxText bounds the text of a crate, in bytes.
	maxText = 400
	// maxDocs bounds the number of crates with texts.
	maxDocs = 1 << 20
	// maxLine bounds a line of the file, and maxFile the file, in bytes.
	maxLine = 8 << 10
	maxFile = 1 << 30
)

// Config configures [OpenTexts].
type Config struct {
	Folder durable.FS // folder of the file
	File   string
	// Names returns the names of held crates.
	Names  func(context.Context) ([]string, error)
	Mirror Source
	// Rank returns how much a crate is wanted; the highest are read first.
	Rank func(name string) int
	Log  *slog.Logger
}

// Source is the source of descriptions: a [reader.View].
type Source interface {
	Crate(ctx context.Context, name string) (*reader.Crate, error)
	About(ctx context.Context, key crate.Key) (cargotoml.Package, error)
}

// Texts are descriptions and keywords of crates, stored in a file between runs. A nil Texts
// is empty. Its methods may be called concurrently.
type Texts struct {
	cfg Config

	mu    sync.RWMutex // guards what follows
	docs  []doc
	at    map[string]int // index into docs, by name
	dirty bool           // changed since it was saved
}

// A doc is the text of the newest version of a crate, in lower case.
type doc struct {
	Name     string         `json:"name"`
	Checksum crate.Checksum `json:"cksum"` // of the version
	Text     string         `json:"text"`
}

// OpenTexts reads the file, if it exists. Texts of lines that cannot be parsed, or that an
// earlier program wrote, are read from their crates again.
func OpenTexts(cfg Config) (*Texts, error) {
	t := &Texts{cfg: cfg, at: map[string]int{}}
	data, err := durable.ReadFile(cfg.Folder, cfg.File, maxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading descriptions: %w", err)
	}
	decode := func(line []byte) (d doc, err error) {
		err = json.Unmarshal(line, &d)
		return d, errors.Join(err, crate.CheckName(d.Name))
	}
	for d, err := range jsonl.Read(bytes.NewReader(data), maxLine, decode) {
		if err == nil && strings.Contains(d.Text, "\t") { // earlier ones do not separate keywords from categories
			d.Text = shorten(d.Text, maxText)
			t.put(d)
		}
	}
	t.dirty = false
	return t, nil
}

// Len returns the number of crates that have been read.
func (t *Texts) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.docs)
}

// A label is a keyword or a category. Each kind has its place in a text.
const (
	keyword  = "keyword:"
	category = "category:"
)

func isLabel(word string) bool {
	return strings.HasPrefix(word, keyword) || strings.HasPrefix(word, category)
}

// has reports whether a word is in the name or the text, or is a label of the crate.
func (d *doc) has(word string) bool {
	if !isLabel(word) {
		return strings.Contains(d.Text, word) || strings.Contains(fold(d.Name), word)
	}
	labels, _, _ := strings.Cut(d.Text, "\n")
	list, categories, _ := strings.Cut(labels, "\t")
	kind, label, _ := strings.Cut(word, ":")
	if kind+":" == category {
		list = categories
	}
	return slices.Contains(strings.Fields(list), label)
}

// find returns the crates that have all words.
func (t *Texts) find(words []string) (names []string) {
	if t == nil || len(words) == 0 {
		return nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for i := range t.docs {
		d := &t.docs[i]
		if !slices.ContainsFunc(words, func(word string) bool { return !d.has(word) }) {
			names = append(names, d.Name)
		}
	}
	return names
}

func (t *Texts) put(d doc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.at[d.Name]; ok {
		t.docs[i] = d
	} else if len(t.docs) < maxDocs {
		t.docs, t.at[d.Name] = append(t.docs, d), len(t.docs)
	}
	t.dirty = true
}

// known returns the checksum of the version of a crate that was read.
func (t *Texts) known(name string) (sum crate.Checksum, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	i, ok := t.at[name]
	if ok {
		sum = t.docs[i].Checksum
	}
	return sum, ok
}

// save writes the file, if it has changed.
func (t *Texts) save() error {
	t.mu.Lock()
	docs, dirty := t.docs[:len(t.docs):len(t.docs)], t.dirty
	var text bytes.Buffer
	for i := range docs {
		if !dirty {
			break
		}
		line, err := json.Marshal(&docs[i])
		if err != nil {
			continue // invalid UTF-8
		}
		text.Write(append(line, '\n'))
	}
	t.dirty = false
	t.mu.Unlock()
	if !dirty {
		return nil
	}
	if err := durable.WriteFile(t.cfg.Folder, t.cfg.File, text.Bytes()); err != nil {
		return fmt.Errorf("keeping descriptions: %w", err)
	}
	return nil
}

// textOf returns the searchable text of a crate: keywords, a tab, categories; then the
// description.
func textOf(p *cargotoml.Package) string {
	label := func(list []string) string { return strings.Join(strings.Fields(strings.Join(list, " ")), " ") }
	text := label(p.Keywords) + "\t" + label(p.Categories)
	text = shorten(text, maxText/2) + "\n" + strings.Join(strings.Fields(p.Description), " ")
	return shorten(fold(strings.ToValidUTF8(text, "")), maxText)
}

// shorten cuts s to at most n bytes, between characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return strings.Clone(s[:n])
}
