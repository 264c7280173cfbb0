package pages

import (
	"embed"
	"fmt"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// assets are the files of static/, by names with a hash of their content
// ("style.0123456789abcdef.css"): the content of a name never changes, so browsers need not
// revalidate.
type assets struct {
	files map[string]*asset
	names map[string]string // from the plain name to the hashed one
}

// contentTypes are fixed, because package mime depends on the machine.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

type asset struct {
	contentType string
	body        []byte
}

func loadAssets() assets {
	a := assets{files: make(map[string]*asset), names: make(map[string]string)}
	entries, err := staticFiles.ReadDir("static")
	for i := 0; i < len(entries) && err == nil; i++ {
		name := entries[i].Name()
		ext := path.Ext(name)
		var body []byte
		body, err = staticFiles.ReadFile("static/" + name)
		a.names[name] = strings.TrimSuffix(name, ext) + "." + digest(body) + ext
		a.files[a.names[name]] = &asset{contentTypes[ext], body}
	}
	if err != nil {
		panic(fmt.Sprintf("reading what is embedded in the program: %v", err))
	}
	return a
}

// name returns the public name of a file of static/.
func (a *assets) name(plain string) string {
	name, ok := a.names[plain]
	if !ok {
		panic(fmt.Sprintf("a template names static/%s, which does not exist", plain))
	}
	return name
}

func (h *Handler) static(w http.ResponseWriter, r *http.Request) {
	file, ok := h.pages.assets.files[r.PathValue("name")]
	if !ok {
		h.page(notFound)(w, r)
		return
	}
	w.Header().Set("Content-Type", file.contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	serveBody(w, r, file.body)
}
