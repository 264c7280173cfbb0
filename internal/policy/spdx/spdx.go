// Package spdx evaluates licence expressions, the "license" of a Cargo.toml (SPDX 2.3, annex
// D), against a list of licences. It accepts what crates.io has: "/" is OR, as in cargo
// before SPDX, and operators may be lower case.
//
// The author of a crate may write any expression. It is evaluated while it is parsed, in
// time that grows only with its length. github.com/github/go-spdx expands it, which takes 14
// s for sixteen times "(MIT OR ISC)" joined by AND, and rejects the slash.
package spdx

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of an expression. Real ones have at most 200 bytes.
const (
	maxLength = 400
	maxDepth  = 32 // of parentheses
)

// A List is a set of allowed licences.
type List map[string]bool

// NewList parses licences, each an SPDX id, which may have a "+" or " WITH exception".
func NewList(ids []string) (List, error) {
	l := List{}
	for _, id := range ids {
		words := strings.Fields(strings.ToLower(id))
		switch {
		case len(words) == 1 && isID(words[0]):
			l[current(words[0])] = true
		case len(words) == 3 && words[1] == "with" && isID(words[0]) && isID(words[2]):
			l[current(words[0])+" with "+words[2]] = true
		default:
			return nil, fmt.Errorf(`licence %.80q: want one id of SPDX, as "MIT" or "Apache-2.0 WITH LLVM-exception"`, id)
		}
	}
	return l, nil
}

// Allows reports whether only licences of l suffice to meet an expression. An error means
// that the expression is invalid.
func (l List) Allows(expression string) (bool, error) {
	if len(expression) > maxLength {
		return false, fmt.Errorf("licence has %d bytes, want at most %d", len(expression), maxLength)
	}
	p := parser{list: l, rest: expression}
	p.next()
	allowed := p.or()
	if p.err == nil && p.word != "" {
		p.fail()
	}
	if p.err != nil {
		return false, fmt.Errorf("licence %.100q: %w", expression, p.err)
	}
	return allowed, nil
}

// A parser evaluates from left to right. word is the next word, "" at the end.
type parser struct {
	list  List
	rest  string
	word  string
	depth int
	err   error
}

func (p *parser) fail() {
	if p.err == nil {
		p.err = errors.New("it is no expression of SPDX")
	}
	p.word, p.rest = "", ""
}

// next reads the next word: a parenthesis, a slash, or what is between.
func (p *parser) next() {
	p.rest = strings.TrimLeft(p.rest, " \t\n")
	n := strings.IndexAny(p.rest, " \t\n()/")
	switch {
	case n < 0:
		n = len(p.rest)
	case n == 0:
		n = 1
	}
	p.word, p.rest = p.rest[:n], p.rest[n:]
}

// operator reads an operator if it is next.
func (p *parser) operator(name string) bool {
	if strings.EqualFold(p.word, name) || name == "OR" && p.word == "/" {
		p.next()
		return true
	}
	return false
}

func (p *parser) or() bool {
	allowed := p.and()
	for p.operator("OR") {
		allowed = p.and() || allowed
	}
	return allowed
}

func (p *parser) and() bool {
	allowed := p.term()
	for p.operator("AND") {
		allowed = p.term() && allowed
	}
	return allowed
}

func (p *parser) term() bool {
	if p.word == "(" {
		if p.depth++; p.depth > maxDepth {
			p.fail()
			return false
		}
		p.next()
		allowed := p.or()
		if p.word != ")" {
			p.fail()
			return false
		}
		p.depth--
		p.next()
		return allowed
	}
	id := p.word
	if !isID(id) {
		p.fail()
		return false
	}
	p.next()
	if !p.operator("WITH") {
		return p.list.has(id, "")
	}
	exception := p.word
	if !isID(exception) {
		p.fail()
		return false
	}
	p.next()
	return p.list.has(id, exception)
}

func isID(word string) bool {
	for i := range len(word) {
		c := word[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(".-:+", c) >= 0) {
			return false
		}
	}
	return word != "" && !strings.EqualFold(word, "AND") && !strings.EqualFold(word, "OR") && !strings.EqualFold(word, "WITH")
}

// has reports whether a licence is in l. "Or later" allows the licence itself. It does not
// allocate for a licence in l, except for GNU licences.
func (l List) has(id, exception string) bool {
	if isGNU(id) {
		return l.hasGNU(current(strings.ToLower(id)), strings.ToLower(exception))
	}
	var buf [2 * maxLength]byte
	if l[string(key(buf[:0], id, exception))] {
		return true
	}
	plain, later := strings.CutSuffix(id, "+")
	return later && l[string(key(buf[:0], plain, exception))]
}

// key appends the key to look up.
func key(buf []byte, id, exception string) []byte {
	buf = appendLower(buf, id)
	if exception != "" {
		buf = appendLower(append(buf, " with "...), exception)
	}
	return buf
}

func appendLower(buf []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf = append(buf, c)
	}
	return buf
}

func (l List) hasGNU(id, exception string) bool {
	if exception != "" {
		exception = " with " + exception
	}
	plain, later := strings.CutSuffix(id, "-or-later")
	return l[id+exception] || later && l[plain+"-only"+exception]
}

// isGNU reports whether an id was renamed in SPDX 3.0.
func isGNU(id string) bool {
	family, _, _ := strings.Cut(id, "-")
	for _, name := range [...]string{"gpl", "lgpl", "agpl", "gfdl"} {
		if strings.EqualFold(family, name) {
			return true
		}
	}
	return false
}

// current returns the id of a GNU licence since SPDX 3.0, given a lower-case id.
func current(id string) string {
	if !isGNU(id) {
		return id
	}
	if plain, later := strings.CutSuffix(id, "+"); later {
		return plain + "-or-later"
	}
	if strings.HasSuffix(id, "-only") || strings.HasSuffix(id, "-or-later") {
		return id
	}
	return id + "-only"
}
