package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The call in text/template, and its replacement.
const (
	callsMethod = "method := ptr.MethodByName(fieldName)"
	callsNone   = "method := (reflect.Value{})"
)

// withoutMethods returns an overlay in which templates cannot call methods. Since a template
// may call any method, the linker keeps all exported methods of all types that are ever in an
// interface; this shows how much that costs. The resulting program cannot render its pages.
func withoutMethods(dir string) (overlay string, err error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("asking for GOROOT: %w", err)
	}
	file := filepath.Join(strings.TrimSpace(string(root)), "src", "text", "template", "exec.go")
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(text), callsMethod) {
		return "", errors.New(file + " has no line with " + callsMethod)
	}
	changed, overlay := filepath.Join(dir, "exec.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), callsMethod, callsNone, 1)), 0o600); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, data, 0o600)
}
