//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// bareFolder is the environment variable that makes this program the bare server of a folder.
const bareFolder = "BENCHSERVE_BARE"

const bareName = "net/http"

// bare starts a server that does only what net/http does for any server: it has all files of a
// folder in memory, by path. No handler can be cheaper.
func bare(root string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.Command(self, "-listen", address)
	cmd.Env, cmd.Stderr = append(os.Environ(), bareFolder+"="+root), os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &server{bareName, "http://" + address, cmd}, awaitListener(address)
}

// serveBare is the main function of the bare server.
func serveBare(root string) error {
	files := map[string]http.HandlerFunc{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		body, err := os.ReadFile(name)
		files[strings.TrimPrefix(name, root)] = constant(body)
		return err
	})
	if err != nil {
		return err
	}
	return http.ListenAndServe(*listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer := files[r.URL.Path]; answer != nil {
			answer(w, r)
			return
		}
		http.NotFound(w, r)
	}))
}

// constant returns a handler that answers with body, or 304, with as many headers as serve
// sends.
func constant(body []byte) http.HandlerFunc {
	etag, kind, length, cache := []string{fmt.Sprintf(`"%x"`, len(body))}, []string{"text/plain"}, []string{strconv.Itoa(len(body))}, []string{"public, max-age=60"}
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Etag"], h["Cache-Control"] = etag, cache
		if has := r.Header["If-None-Match"]; len(has) > 0 && has[0] == etag[0] {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h["Content-Type"], h["Content-Length"] = kind, length
		_, _ = w.Write(body) // fails if the client has gone
	}
}
