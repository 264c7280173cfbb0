package signing

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// sshPublic parses the keys of a .pub file or of an allowed_signers file (ssh-keygen(1),
// ALLOWED SIGNERS): [principals [options]] type key [comment], one per line. It ignores the
// principals: every key in the file may sign.
func sshPublic(text string) ([]*Verifier, error) {
	var keys []*Verifier
	for i, line := range lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if len(keys) == maxKeys {
			return nil, fmt.Errorf("more than %d keys", maxKeys)
		}
		key, err := allowedSigner(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if key != nil && !slices.ContainsFunc(keys, func(k *Verifier) bool { return k.text == key.text }) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no key may sign in the namespace %s", Namespace)
	}
	return keys, nil
}

// allowedSigner returns the key of a line, or nil if it is for other namespaces.
func allowedSigner(line string) (*Verifier, error) {
	fields := quotedFields(line)
	at := slices.IndexFunc(fields[:min(3, len(fields))], isSSHType)
	if at < 0 || at+1 >= len(fields) {
		return nil, errors.New("there is no ssh key in it")
	}
	if at == 2 {
		ours, err := allowsUs(fields[1])
		if err != nil || !ours {
			return nil, err
		}
	}
	blob, err := base64.StdEncoding.DecodeString(fields[at+1])
	if err != nil || base64.StdEncoding.EncodeToString(blob) != fields[at+1] {
		return nil, errors.New("the ssh key is damaged: it is not in base64")
	}
	key, err := sshVerifier(blob)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(key.text, fields[at]+" ") {
		return nil, fmt.Errorf("the ssh key is damaged: it is not of the type %.40q", fields[at])
	}
	return key, nil
}

func isSSHType(field string) bool {
	return strings.HasPrefix(field, "ssh-") || strings.HasPrefix(field, "ecdsa-sha2-") || strings.HasPrefix(field, "sk-")
}

// allowsUs parses the options of a line. Unsupported restrictions are rejected: a key that
// expires is unsuitable for statements that must be checked in ten years.
func allowsUs(options string) (ours bool, err error) {
	ours = true
	for _, option := range split(options, func(r rune) bool { return r == ',' }) {
		name, value, _ := strings.Cut(option, "=")
		if !strings.EqualFold(name, "namespaces") {
			return false, fmt.Errorf("the option %.40q is not supported: leave it out", name)
		}
		value = strings.Trim(value, `"`)
		if strings.ContainsAny(value, "*?!") {
			return false, fmt.Errorf("patterns are not supported in %.80q: name the namespace %s", option, Namespace)
		}
		ours = slices.Contains(strings.Split(value, ","), Namespace)
	}
	return ours, nil
}

// quotedFields splits a line at spaces outside double quotes.
func quotedFields(line string) []string {
	return split(line, func(r rune) bool { return r == ' ' || r == '\t' })
}

func split(text string, at func(rune) bool) []string {
	quoted := false
	return strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && at(r)
	})
}
